"""Health, readiness and metrics over HTTP, on one port."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from edgequant.errors import ConfigError

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

# Returns the problem, or "".
Probe = Callable[[], str]


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    """Does not log the frequent probes, and closes idle connections after a timeout."""

    timeout = 10

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name in the standard library
        """Logs nothing."""


@contextmanager
def serving(host: str, port: int, metrics: CollectorRegistry, probes: dict[str, Probe]) -> Iterator[int]:
    """Serves ``/metrics`` and the probes while the body runs, and yields the port.

    Args:
        host: The address to listen on.
        port: The port; 0 for any free one.
        metrics: The metrics of ``/metrics``.
        probes: The probes by path; the response is 200 and "ok", or 503 and the problem.

    Raises:
        ConfigError: The port cannot be bound.
    """
    exposition = make_wsgi_app(metrics)

    def application(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return list(exposition(environ, start_response))
        if path not in probes:
            status, text = "404 Not Found", f"allowed are /metrics, {', '.join(probes)}"
        else:
            problem = probes[path]()
            status, text = ("503 Service Unavailable", problem) if problem else ("200 OK", "ok")
        start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
        return [f"{text}\n".encode()]

    try:
        server = make_server(host, port, application, _Server, _QuietHandler)
    except (OSError, OverflowError) as error:
        raise ConfigError(f"--metrics-port: {host}:{port} cannot be listened on ({error})") from error
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
