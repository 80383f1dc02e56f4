"""What the sandbox has seen and done, call by call: the books that a check can be held against."""

import sqlite3
import threading
from dataclasses import astuple, dataclass
from datetime import timedelta
from pathlib import Path

COLUMNS = "method, path, at, code, until, task_id, fault"


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """One call: what was asked, when (`time.time`), and the code it was answered with.

    `until` is when its answer was ready, `task_id` the task that it was about or that it made,
    whatever the caller was told, and `fault` what went wrong by chance. The sandbox's own
    callbacks stand among them as method CALL, with the status they were answered with.
    """

    method: str
    path: str
    at: float
    code: int
    until: float
    task_id: str = ""
    fault: str = ""


class RequestBook:
    """Every call, in a file. Safe to use from many threads, and to read from other processes."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=WAL")
        # Lost with the machine, not with the process: the books of a stand-in are worth no more.
        self._file.execute("PRAGMA synchronous=OFF")
        self._file.execute(f"CREATE TABLE IF NOT EXISTS requests ({COLUMNS})")

    def add(self, seen: RequestSeen) -> None:
        with self._lock:
            self._file.execute("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?)", astuple(seen))

    def all(self) -> list[RequestSeen]:
        """In the order of the answers."""
        with self._lock:
            rows = self._file.execute(f"SELECT {COLUMNS} FROM requests ORDER BY rowid").fetchall()  # noqa: S608  # our own names
        return [RequestSeen(*row) for row in rows]

    def drop_older_than(self, age: timedelta, *, at: float) -> None:
        with self._lock:
            self._file.execute("DELETE FROM requests WHERE at < ?", (at - age.total_seconds(),))

    def close(self) -> None:
        with self._lock:
            self._file.close()
