"""Filters, orders and cuts lists as the API server does."""

import base64
import json
from typing import Any

from fastapi import Request
from tests.kfp_server.names import compared, same
from tests.kfp_server.refusals import RefusedError

_NUMBERS = {1: "EQUALS", 2: "NOT_EQUALS", 8: "IN", 9: "IS_SUBSTRING"}
_KEYS = ("display_name", "name", "description", "state", "storage_state", "namespace", "created_at")
_DEFAULT_PAGE, _LARGEST_PAGE = 20, 200

Body = dict[str, Any]


def page(request: Request, found: list[Body], key: str) -> Body:
    """Returns a page of what was found.

    Args:
        request: Its query has filter, sort_by, page_size and page_token.
        found: Everything there is, the oldest first.
        key: The key of the answer.

    Raises:
        RefusedError: The query cannot be understood.
    """
    query = request.query_params
    kept = [body for body in found if _passes(body, query.get("filter", ""))]
    field, _, direction = query.get("sort_by", "").partition(" ")
    if field:
        _check_key(field)
        kept.sort(key=lambda body: str(body.get(field, "")), reverse=direction == "desc")
    size = int(query.get("page_size") or 0)
    if size < 0:
        raise RefusedError(400, f"Invalid input error: The page size should be greater than 0. Got {size}")
    size = min(size or _DEFAULT_PAGE, _LARGEST_PAGE)
    start = _start(query.get("page_token", ""))
    answer: Body = {"total_size": len(kept)}
    if kept[start : start + size]:
        answer[key] = kept[start : start + size]
    if start + size < len(kept):
        answer["next_page_token"] = base64.b64encode(json.dumps({"start": start + size}).encode()).decode()
    return answer


def _start(token: str) -> int:
    """Returns where the page of a token begins."""
    if not token:
        return 0
    try:
        return int(json.loads(base64.b64decode(token, validate=True))["start"])
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(400, "InvalidInputError: Invalid package token") from error


def _check_key(key: str) -> None:
    if key not in _KEYS:
        raise RefusedError(400, f"Invalid input error: no support for filtering or sorting on unrecognized field {key}")


def _passes(body: Body, text: str) -> bool:
    if not text:
        return True
    try:
        predicates = json.loads(text)["predicates"]
    except (ValueError, KeyError, TypeError) as error:
        raise RefusedError(400, "Invalid input error: failed to parse valid filter") from error
    return all(_holds(body, predicate) for predicate in predicates)


def _holds(body: Body, predicate: Body) -> bool:
    _check_key(predicate["key"])
    given = predicate["operation"]
    operation = _NUMBERS.get(given, given)
    value = str(body.get(predicate["key"]) or "")
    wanted = predicate.get("stringValue", predicate.get("string_value"))
    if operation == "EQUALS":
        return same(value, str(wanted))
    if operation == "NOT_EQUALS":
        return not same(value, str(wanted))
    if operation == "IS_SUBSTRING":
        return compared(str(wanted)) in compared(value)
    if operation == "IN":
        return any(same(value, one) for one in predicate["stringValues"]["values"])
    raise RefusedError(400, f"Invalid input error: unsupported operation {given}")
