"""Interprets error responses of Kubeflow Pipelines: the reason, and whether the account, the request or the server is at fault."""

import json
import re
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from kfp_server_api import ApiException

_LONGEST_REASON = 500
# The upload endpoints answer 400 to any error, so only the message tells the cause. The patterns cover several KFP releases.
_DENIED = re.compile(r"PermissionDenied|not authorized|unauthorized access|upload denied", re.IGNORECASE)
_UNAUTHENTICATED = re.compile(r"Unauthenticated|authentication failed|no user identity", re.IGNORECASE)
_INVALID = re.compile(
    r"Invalid ?input ?error|invalid (v2 )?pipeline spec|only supports schema version|length cannot exceed",
    re.IGNORECASE,
)
# Internal server errors that the request causes, so that a retry fails again.
_PERMANENT = re.compile(
    r"Invalid ?input ?error|ResourceNotFoundError|Incorrect string value|Data too long|of another pipeline",
    re.IGNORECASE,
)
_NOT_STORABLE = "Incorrect string value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An error response.

    Attributes:
        status: The HTTP status that fits the error; it differs from the response's where KFP's is misleading.
        answered: The HTTP status of the response.
        code: The gRPC code in KFP's own response; 0 for uploads and for responses of other servers, such as a gateway.
        reason: The message of the response.
    """

    status: int
    answered: int
    code: int
    reason: str


def read_refusal(error: ApiException) -> Refusal:
    """Returns the interpretation of an error response."""
    body = _json(error.body)
    answered, code = int(error.status or 0), _code(body)
    reason = _reason(body, str(error.body or "")) or str(error.reason or "no reason given")
    status = answered
    if answered == HTTPStatus.BAD_REQUEST and not code:
        status = _meaning(reason)
    elif answered == HTTPStatus.INTERNAL_SERVER_ERROR and code and _PERMANENT.search(reason):
        status = int(HTTPStatus.BAD_REQUEST)
    if _NOT_STORABLE in reason:
        reason = f"the server's database cannot hold a character of what was sent, such as an emoji: {reason}"
    return Refusal(status=status, answered=answered, code=code, reason=reason)


def _meaning(reason: str) -> int:
    """Returns the status that fits an upload's 400: an unknown error, such as of the database, counts as transient."""
    for pattern, status in (
        (_DENIED, HTTPStatus.FORBIDDEN),
        (_UNAUTHENTICATED, HTTPStatus.UNAUTHORIZED),
        (_INVALID, HTTPStatus.BAD_REQUEST),
    ):
        if pattern.search(reason):
            return int(status)
    return int(HTTPStatus.SERVICE_UNAVAILABLE)


def _json(text: Any) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (TypeError, ValueError):
        return {}
    return body if isinstance(body, dict) else {}


def _code(body: dict[str, Any]) -> int:
    try:
        return int(body.get("code") or 0)
    except (TypeError, ValueError):
        return 0


def _reason(body: dict[str, Any], text: str) -> str:
    """Returns the message of a response: from its JSON, or the plain text; "" for HTML."""
    if body:
        sentence = str(body.get("message") or body.get("error_message") or body.get("error") or "")
        # A stack trace follows in the next lines.
        detail = str(body.get("error_details") or "").strip().partition("\n")[0]
        if detail and detail not in sentence:
            sentence = detail if sentence in detail else f"{sentence}: {detail}"
    else:
        sentence = "" if text.lstrip()[:1] == "<" else text
    sentence = " ".join(sentence.split())
    return sentence if len(sentence) <= _LONGEST_REASON else f"{sentence[:_LONGEST_REASON]}…"
