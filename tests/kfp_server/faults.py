"""What goes wrong on purpose."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Response
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse
from tests.kfp_server.refusals import RefusedError, UploadRefusedError

_PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/"
_LOGIN = "/dex/auth"
_PAGE = "<!doctype html><html><title>Log in to Your Account</title><form method=post></form></html>"
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong with requests.

    Attributes:
        method: The HTTP method; "*" for any.
        path: A pattern of the path.
        body: A pattern of what is sent.
        status: The status to answer with; 0: the answer is the server's own. 302 leads to a login page.
        html: Whether the answer is a page of what is in front of the server, with status 200 unless one is given.
        page: The page.
        upload: The sentence of an answer in the form of the upload endpoints.
        text: The whole of an answer in plain text.
        message: The sentence of an answer in the gateway's form.
        location: Where a status of 3xx leads.
        seconds: How long the answer is held back.
        retry_after: How many seconds the answer says to wait; 0: nothing of it.
        after: Whether the request is carried out all the same.
        late: Whether it is carried out when the test says so, long after it was answered.
        times: How often it happens.
    """

    method: str
    path: str
    body: str = ""
    status: int = 0
    html: bool = False
    page: str = _PAGE
    upload: str = ""
    text: str = ""
    message: str = "injected"
    location: str = f"{_LOGIN}?state=secret"
    seconds: float = 0.0
    retry_after: int = 0
    after: bool = False
    late: bool = False
    times: int = 1

    def answer(self) -> Response | None:
        """Returns what it answers, or None when the answer is the server's own."""
        if self.html:
            return HTMLResponse(self.page, self.status or 200)
        if self.text:
            return PlainTextResponse(self.text, self.status)
        if 300 <= self.status < 400:
            return RedirectResponse(self.location, self.status)
        if not self.status:
            return None
        kind = UploadRefusedError if self.upload else RefusedError
        refusal = kind(self.status, self.upload or self.message).response()
        if self.retry_after:
            refusal.headers["Retry-After"] = str(self.retry_after)
        return refusal


class Faulty:
    """An application whose requests go wrong as told.

    Args:
        application: The application.
    """

    def __init__(self, application: Any) -> None:
        self._application = application
        self._lock = threading.Lock()
        self.faults: list[Fault] = []
        self.requests: list[str] = []
        self._late: list[tuple[dict[str, Any], bytes]] = []

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answers a request, or does not."""
        # As the proxy of Kubernetes' API server passes requests on.
        scope["path"] = scope.get("path", "").removeprefix(_PROXY)
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        body = await _body(receive)
        receive = _again(body)
        fault = self._next(scope["method"], scope["path"], body)
        answer = fault.answer() if fault else None
        if scope["path"] == _LOGIN:
            answer = HTMLResponse(_PAGE)
        if fault is not None:
            if fault.after:
                await self._application(scope, receive, _nowhere)
            if fault.late:
                self._late.append((dict(scope), body))
            await asyncio.sleep(fault.seconds)
        if answer is not None:
            await answer(scope, receive, send)  # type: ignore[arg-type]
        elif fault is None or not fault.after:
            await self._application(scope, receive, send)

    def carry_out_late(self) -> None:
        """Carries out what was answered long ago."""
        while self._late:
            scope, body = self._late.pop()
            asyncio.run(self._application(scope, _again(body), _nowhere))

    def _next(self, method: str, path: str, body: bytes) -> Fault | None:
        with self._lock:
            self.requests.append(f"{method} {path}")
            for fault in self.faults:
                fits = fault.method in (method, "*") and re.search(fault.path, path)
                if fault.times and fits and re.search(fault.body, body.decode(errors="replace")):
                    fault.times -= 1
                    return fault
        return None


async def _body(receive: Receive) -> bytes:
    """Returns what a request sends, whole."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    return body


def _again(body: bytes) -> Receive:
    """Returns what lets an application read a request that was read already."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _nowhere(message: dict[str, Any]) -> None:
    """Takes an answer that the client will never see."""
    del message
