"""The tasks of the sandbox: how far each one is, and a book of them that outlives a restart."""

import json
import sqlite3
import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

# How a task's time is spent; the rest of it is generating.
WAITING_SHARE = 0.1
QUEUING_SHARE = 0.2

MOMENTS = ("created_at", "ends_at", "clip_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxTask:
    """One accepted creation. Nothing drives it: how far it is follows from the time.

    `ends_at` is None when it never ends, `clip_at` until its clip is rendered. `failure` is the
    word for what goes wrong in the end, "" for nothing. `file_name` names its result, `source_id`
    the earlier task that it was made from, "" for none.
    """

    task_id: str
    family: str
    model: str
    prompt: str
    body: Mapping[str, Any]
    price: float
    file_name: str
    created_at: datetime
    ends_at: datetime | None
    clip_at: datetime | None = None
    failure: str = ""
    source_id: str = ""
    is_called_back: bool = False

    @property
    def state(self) -> str:
        """waiting, queuing, generating, success or fail: at this moment."""
        return self.state_at(datetime.now(UTC))

    def state_at(self, moment: datetime) -> str:
        if self.has_ended_by(moment):
            return "fail" if self.failure else "success"
        if self.ends_at is None or moment >= self.ends_at:
            return "generating"
        # Somebody else's question may have looked at the clock before there was this task.
        if moment <= self.created_at:
            return "waiting"
        share = (moment - self.created_at) / (self.ends_at - self.created_at)
        if share < WAITING_SHARE:
            return "waiting"
        return "queuing" if share < WAITING_SHARE + QUEUING_SHARE else "generating"

    def has_ended_by(self, moment: datetime) -> bool:
        return self.completed_at is not None and self.completed_at <= moment

    @property
    def completed_at(self) -> datetime | None:
        """When it ends or has ended. None: that is not known yet, its clip is being rendered."""
        if self.failure or self.ends_at is None:
            return self.ends_at
        return self.clip_at and max(self.ends_at, self.clip_at)

    @property
    def callback_url(self) -> str:
        return str(self.body.get("callBackUrl") or "")


class TaskBook:
    """Every task ever accepted, in memory and in a file. Safe to use from many threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=NORMAL")
        self._file.execute("CREATE TABLE IF NOT EXISTS tasks (task_id PRIMARY KEY, facts TEXT)")
        rows = self._file.execute("SELECT facts FROM tasks ORDER BY rowid").fetchall()
        self._tasks = {task.task_id: task for task in (_read(facts) for (facts,) in rows)}

    def close(self) -> None:
        with self._lock:
            self._file.close()

    def add(self, task: SandboxTask) -> None:
        with self._lock:
            self._write(task)

    def change(self, task_id: str, **facts: Any) -> None:
        with self._lock:
            self._write(replace(self._tasks[task_id], **facts))

    def forget(self, task_id: str) -> None:
        with self._lock:
            del self._tasks[task_id]
            self._file.execute("DELETE FROM tasks WHERE task_id = ?", (task_id,))

    def get(self, task_id: str) -> SandboxTask | None:
        return self._tasks.get(task_id)

    def all(self) -> list[SandboxTask]:
        """Oldest first."""
        with self._lock:
            return list(self._tasks.values())

    def made_from(self, source_id: str, *, family: str) -> list[SandboxTask]:
        """What this family has made from that task, latest first."""
        made = (task for task in self.all() if task.source_id == source_id)
        return [task for task in made if task.family == family][::-1]

    def with_file(self, file_name: str) -> SandboxTask | None:
        return next((task for task in self.all() if task.file_name == file_name), None)

    def credits_held(self, moment: datetime) -> float:
        """What all tasks cost together. A failed one gives its credits back."""
        return sum(task.price for task in self.all() if task.state_at(moment) != "fail")

    def to_call_back(self, moment: datetime) -> list[SandboxTask]:
        """The tasks that have ended and whose callback was not sent yet."""
        owed = (task for task in self.all() if task.callback_url and not task.is_called_back)
        return [task for task in owed if task.has_ended_by(moment)]

    def older_than(self, age: timedelta, *, at: datetime) -> list[SandboxTask]:
        return [task for task in self.all() if at - task.created_at > age]

    def _write(self, task: SandboxTask) -> None:
        self._tasks[task.task_id] = task
        facts = json.dumps(asdict(task), default=datetime.isoformat)
        statement = (
            "INSERT INTO tasks VALUES (?, ?) ON CONFLICT DO UPDATE SET facts = excluded.facts"
        )
        self._file.execute(statement, (task.task_id, facts))


def _read(facts: str) -> SandboxTask:
    values = json.loads(facts)
    moments = {name: datetime.fromisoformat(values[name]) for name in MOMENTS if values[name]}
    return SandboxTask(**values | moments)
