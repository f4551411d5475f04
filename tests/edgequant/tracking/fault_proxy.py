"""A real HTTP server before a real MLflow server, that passes requests on, and fails where it is told to."""

import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

# What becomes of a request: refused with a status, not passed on, passed on and its answer lost, cut off in its body, late, held
# half-read until its client is gone, passed on when its client is gone and asks for the same again, or passed on with as many others.
STATUS, LOST, ANSWER_LOST, CUT, LATE, HELD = "status", "lost", "answer lost", "cut", "late", "held"
GIVEN_UP, TOGETHER = "given up", "together"
_TOGETHER_SECONDS = 150
_HOP = {"connection", "transfer-encoding", "host", "content-length", "keep-alive"}


@dataclass(slots=True, kw_only=True)
class Fault:
    """What goes wrong.

    Attributes:
        kind: One of the above.
        where: A pattern that the request's ``METHOD PATH`` must hold.
        times: How many requests it happens to.
        status: The status, of `STATUS`.
        seconds: How long a request waits before it is passed on, of `LATE`.
        parties: How many requests wait for each other, of `TOGETHER`.
    """

    kind: str
    where: str
    times: int = 1
    status: int = 503
    seconds: float = 0.0
    parties: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Chance:
    """What goes wrong at random.

    Attributes:
        share: The share of requests.
        kinds: What it may be, each as likely.
        seed: Where the draw begins.
    """

    share: float
    kinds: tuple[str, ...]
    seed: int = 0


class Proxy:
    """The proxy's state.

    Attributes:
        address: Its address.
        faults: What is to go wrong; each is used up by as many requests as it says.
        seen: ``METHOD PATH`` of every request.
        failed: How many requests something went wrong with.
        authorizations: What requests authorized themselves with.
        held: Is set when a request is held.
    """

    def __init__(self, upstream: str) -> None:
        self.upstream = urlsplit(upstream)
        self.address = ""
        self.faults: list[Fault] = []
        self.seen: list[str] = []
        self.failed = 0
        self.held = threading.Event()
        self.given_up: dict[str, Callable[[], object]] = {}
        self._meetings: dict[int, threading.Barrier] = {}
        self._chance = Chance(share=0.0, kinds=())
        self._random = random.Random(0)  # noqa: S311 - no secret
        self.authorizations: set[str] = set()
        self._lock = threading.Lock()

    def fail_at_random(self, chance: Chance) -> None:
        """Lets any request fail from now on."""
        self._chance = chance
        self._random = random.Random(chance.seed)  # noqa: S311 - no secret

    def fault(self, line: str) -> Fault | None:
        """Returns what goes wrong with a request, and counts it."""
        with self._lock:
            self.seen.append(line)
            fault = self._fault(line)
            self.failed += fault is not None
        return fault

    def meet(self, fault: Fault) -> None:
        """Returns when all requests of a `TOGETHER` are here."""
        with self._lock:
            meeting = self._meetings.setdefault(id(fault), threading.Barrier(fault.parties))
        meeting.wait(_TOGETHER_SECONDS)

    def _fault(self, line: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and re.search(fault.where, line):
                fault.times -= 1
                return fault
        if self._random.random() < self._chance.share:
            return Fault(kind=self._random.choice(self._chance.kinds), where=line)
        return None


class _Handler(BaseHTTPRequestHandler):
    """Handles one connection of a proxy's client."""

    protocol_version = "HTTP/1.1"
    state: Proxy

    def handle_request(self) -> None:
        """Passes a request on, or fails as told."""
        fault = self.state.fault(f"{self.command} {self.path}")
        self.state.authorizations.add(self.headers.get("Authorization", ""))
        length = int(self.headers.get("Content-Length") or 0)
        if fault and fault.kind in (LOST, CUT):
            self.rfile.read(length // 2 if fault.kind == CUT else 0)
            self._hang_up()
            return
        if fault and fault.kind == HELD:
            self.rfile.read(length // 2)
            self.state.held.set()
            # Its end comes with that of the client's process.
            self.rfile.read()
            self._hang_up()
            return
        body = self.rfile.read(length)
        if fault and fault.kind == STATUS:
            self._answer(fault.status, {}, b"told to fail")
            return
        if fault and fault.kind == GIVEN_UP:
            self.state.given_up[self.path] = partial(self._pass_on, body)
            self._hang_up()
            return
        if late := self.state.given_up.pop(self.path, None):
            late()
        if fault and fault.kind == TOGETHER:
            self.state.meet(fault)
        if fault and fault.kind == LATE:
            time.sleep(fault.seconds)
        status, headers, answer = self._pass_on(body)
        if fault and fault.kind == ANSWER_LOST:
            self._hang_up()
            return
        self._answer(status, headers, answer)

    def _hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    def _pass_on(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        upstream = self.state.upstream
        connection = HTTPConnection(str(upstream.hostname), upstream.port, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        connection.request(self.command, self.path, body=body, headers=headers)
        response = connection.getresponse()
        answer = response.read()
        connection.close()
        return response.status, dict(response.getheaders()), answer

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # The client has given up on a late answer.
            self.close_connection = True

    def log_message(self, *args: object) -> None:
        """Says nothing."""


for _method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
    setattr(_Handler, f"do_{_method}", _Handler.handle_request)


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """Yields a proxy before a server."""
    state = Proxy(upstream)
    handler = type("Handler", (_Handler,), {"state": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as listener:
        listener.daemon_threads = True
        state.address = f"http://127.0.0.1:{listener.server_port}"
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield state
        finally:
            listener.shutdown()
            thread.join()
