"""What the server knows, in one SQLite file: a server that is killed and started again knows it still."""

import json
import sqlite3
import threading
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Body = dict[str, Any]


class Store:
    """Objects by kind and identifier, in the order they were made.

    Args:
        path: The SQLite file.
    """

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode=WAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS things (number INTEGER PRIMARY KEY, kind TEXT, id TEXT UNIQUE, body TEXT)"
        )

    def add(self, kind: str, key: str, body: Body) -> Body:
        """Returns a new object with an identifier under a key and the time it was made."""
        made = {**body, key: str(uuid.uuid4()), "created_at": datetime.now(UTC).isoformat()}
        with self._lock:
            self._database.execute(
                "INSERT INTO things (kind, id, body) VALUES (?, ?, ?)", (kind, made[key], json.dumps(made))
            )
        return made

    def change(self, identifier: str, **values: Any) -> None:
        """Replaces values of an object."""
        with self._lock:
            (body,) = self._database.execute("SELECT body FROM things WHERE id = ?", (identifier,)).fetchone()
            changed = json.dumps({**json.loads(body), **values})
            self._database.execute("UPDATE things SET body = ? WHERE id = ?", (changed, identifier))

    def get(self, kind: str, identifier: str) -> Body | None:
        """Returns an object, or None."""
        with self._lock:
            row = self._database.execute(
                "SELECT body FROM things WHERE kind = ? AND id = ?", (kind, identifier)
            ).fetchone()
        return None if row is None else dict(json.loads(row[0]))

    def all(self, kind: str) -> list[Body]:
        """Returns every object of a kind."""
        with self._lock:
            rows = self._database.execute("SELECT body FROM things WHERE kind = ? ORDER BY number", (kind,)).fetchall()
        return [json.loads(body) for (body,) in rows]

    def delete(self, identifier: str) -> None:
        """Removes an object."""
        with self._lock:
            self._database.execute("DELETE FROM things WHERE id = ?", (identifier,))

    def close(self) -> None:
        """Closes the file."""
        self._database.close()
