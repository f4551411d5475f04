"""A real MLflow server, which keeps artifacts itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_START_SECONDS = 120.0
_POLL_SECONDS = 0.2


@contextmanager
def mlflow_server(folder: Path, store: str) -> Iterator[str]:
    """Yields the address of a server that was started in a folder.

    Args:
        folder: Where its artifacts and its log go.
        store: The URI of its database.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    options = {"--backend-store-uri": store, "--artifacts-destination": "./artifacts"}
    options |= {"--host": "127.0.0.1", "--port": str(port), "--workers": "1"}
    command = [sys.executable, "-m", "mlflow", "server", *(part for option in options.items() for part in option)]
    # Without jobs of MLflow's for generative models, whose workers take long to start.
    environment = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    address = f"http://127.0.0.1:{port}"
    log = folder / "server.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=stream, stderr=stream, start_new_session=True
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(address):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(_POLL_SECONDS)
        yield address
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _answers(address: str) -> bool:
    try:
        with urlopen(f"{address}/health", timeout=5) as response:  # noqa: S310 - this test's own server
            return bool(response.status == 200)
    except (URLError, OSError):
        return False
