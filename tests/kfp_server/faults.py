"""What goes wrong on purpose."""

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from tests.kfp_server.refusals import RefusedError

_PROXY = "/api/v1/namespaces/kubeflow/services/ml-pipeline:http/proxy/"
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass(kw_only=True)
class Fault:
    """Something that goes wrong with requests.

    Attributes:
        method: The HTTP method.
        path: A pattern of the path.
        status: The status to answer with; 0: the answer is the server's own.
        seconds: How long the answer is held back.
        after: Whether the request is carried out all the same.
        times: How often it happens.
    """

    method: str
    path: str
    status: int = 0
    seconds: float = 0.0
    after: bool = False
    times: int = 1


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

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answers a request, or does not."""
        # As the proxy of Kubernetes' API server passes requests on.
        scope["path"] = scope.get("path", "").removeprefix(_PROXY)
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        fault = self._next(scope["method"], scope["path"])
        if fault is None:
            await self._application(scope, receive, send)
            return
        refusal = RefusedError(fault.status, "injected").response() if fault.status else None
        if fault.after:
            await self._application(scope, receive, _nowhere)
        await asyncio.sleep(fault.seconds)
        if refusal is not None:
            await refusal(scope, receive, send)  # type: ignore[arg-type]
        elif not fault.after:
            await self._application(scope, receive, send)

    def _next(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.requests.append(f"{method} {path}")
            for fault in self.faults:
                if fault.times and fault.method == method and re.search(fault.path, path):
                    fault.times -= 1
                    return fault
        return None


async def _nowhere(message: dict[str, Any]) -> None:
    """Takes an answer that the client will never see."""
    del message
