"""PostgreSQL for an MLflow server."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_START_SECONDS = 120.0
_POLL_SECONDS = 0.2
_DEBIAN = Path("/usr/lib/postgresql")
# PostgreSQL refuses to run as root.
_UNPRIVILEGED = "nobody"


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
