"""Real MLflow servers, which keep artifacts themselves: on a SQLite file, and on PostgreSQL."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

_START_SECONDS = 120.0
_POLL_SECONDS = 0.2
_DEBIAN = Path("/usr/lib/postgresql")
# PostgreSQL refuses to run as root.
_UNPRIVILEGED = "nobody"


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
    environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
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


def postgresql_programs() -> Path | None:
    """Returns the directory of PostgreSQL's server programs, which Debian keeps off the path; None where there are none."""
    places = sorted(_DEBIAN.glob("*/bin"), key=lambda path: float(path.parent.name), reverse=True)
    on_path = shutil.which("initdb")
    found = [*([Path(on_path).parent] if on_path else []), *places]
    return next((place for place in found if (place / "initdb").is_file() and (place / "pg_ctl").is_file()), None)


@contextmanager
def postgresql(programs: Path) -> Iterator[str]:
    """Yields the URI of an empty database in a new server, which answers on a socket in a folder of its own.

    Args:
        programs: The directory of `initdb` and `pg_ctl`.
    """
    user = pwd.getpwnam(_UNPRIVILEGED) if os.geteuid() == 0 else None

    def run(program: str, *arguments: str) -> None:
        # pg_ctl's server inherits its output: a pipe would never end.
        with Path(folder, "output").open("a") as output:
            done = subprocess.run(
                [str(programs / program), "--pgdata", f"{folder}/data", *arguments],
                cwd=folder,
                stdout=output,
                stderr=output,
                timeout=_START_SECONDS,
                check=False,
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                extra_groups=[] if user else None,
            )
        assert done.returncode == 0, Path(folder, "output").read_text()

    # Not below pytest's folders, which are closed to other users.
    with tempfile.TemporaryDirectory(prefix="edgequant-pg-") as folder:
        if user:
            os.chown(folder, user.pw_uid, user.pw_gid)
        run("initdb", "--username", "mlflow", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        run("pg_ctl", "start", "--wait", "--options", f"-k {folder} -c listen_addresses='' -c fsync=off")
        try:
            yield f"postgresql+psycopg2://mlflow@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "--wait", "--mode", "immediate")
