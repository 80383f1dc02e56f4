"""The sandbox's books against the studio's database: what was lost, paid twice, or told wrongly."""

import hashlib
import json
import sqlite3
from collections import Counter, defaultdict
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from generation.kie.sandbox import RequestSeen

STAGES = ["queued", "submitting", "unconfirmed", "running", "saving", "settled"]
# The one step back: a creation that provably never reached KIE.AI waits for its turn again.
STEPS_BACK = {("submitting", "queued"), ("unconfirmed", "queued")}


@dataclass(slots=True)
class Books:
    """What the sandbox did: its tasks by id, and every call."""

    tasks: dict
    requests: list

    @classmethod
    def of(cls, folder):
        with closing(sqlite3.connect(folder / "tasks.sqlite3")) as book:
            tasks = [json.loads(facts) for (facts,) in book.execute("SELECT facts FROM tasks")]
        with closing(sqlite3.connect(folder / "requests.sqlite3")) as book:
            requests = [RequestSeen(*row) for row in book.execute("SELECT * FROM requests")]
        return cls({task["task_id"]: task for task in tasks}, requests)

    def questions(self, *, since=0.0):
        asked = [x for x in self.requests if x.method == "GET" and x.task_id and x.at >= since]
        return sorted(asked, key=lambda seen: seen.at)

    def ended_at(self, task_id):
        """When KIE.AI was done with this task, as a timestamp; None when it is not."""
        task = self.tasks[task_id]
        if not task["clip_at"] or not task["ends_at"]:
            return None
        return max(
            datetime.fromisoformat(task[name]).timestamp() for name in ("clip_at", "ends_at")
        )

    def was_called_back(self, task_id):
        calls = (x for x in self.requests if x.method == "CALL" and x.task_id == task_id)
        return any(200 <= call.code < 300 for call in calls)


def most_in_a_second(moments):
    """The largest number of these timestamps that lie within any one second."""
    most, first = 0, 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= 1.0:
            first += 1
        most = max(most, last - first + 1)
    return most


def asked_twice_at_once(questions):
    """Pairs of questions about the same task of which one began before the other was answered."""
    by_task = defaultdict(list)
    for question in questions:
        by_task[question.task_id].append(question)
    return [
        (one, other)
        for asked in by_task.values()
        for one, other in pairwise(asked)
        if other.at < one.until
    ]


@dataclass(slots=True)
class Findings:
    """What is not as it should be, each with enough to look into it. Empty lists are good news."""

    missing: list = field(default_factory=list)
    twice: list = field(default_factory=list)
    clicks_lost: list = field(default_factory=list)
    rows_twice: list = field(default_factory=list)
    changed: list = field(default_factory=list)
    stuck: list = field(default_factory=list)
    broken_files: list = field(default_factory=list)
    wrongly_failed: list = field(default_factory=list)
    states: Counter = field(default_factory=Counter)


def check(studio, *, clicks, digest=""):
    """Hold the studio's rows and files against the sandbox's books and what people clicked."""
    books = Books.of(studio.sandbox_folder)
    rows = studio.rows("SELECT * FROM generated_videos")
    found = Findings()
    found.states.update(f"{row['status']}/{row['stage']}" for row in rows)
    _check_money(found, books, rows)
    _check_clicks(found, clicks, rows)
    _check_history(found, studio.changes())
    for row in rows:
        _check_row(found, row, books, studio=studio, digest=digest)
    return found


def _check_money(found, books, rows):
    ids = {row["task_id"] for row in rows}
    by_prompt = defaultdict(list)
    for row in rows:
        by_prompt[row["prompt"]].append(row)
    for task_id, task in books.tasks.items():
        owners = by_prompt[task["prompt"]]
        # A task whose answer was lost stands in the gallery as unconfirmed.
        if task_id not in ids and not any(row["stage"] == "unconfirmed" for row in owners):
            found.missing.append((task_id, task["prompt"], [row["stage"] for row in owners]))
    paid = Counter(task["prompt"] for task in books.tasks.values())
    found.twice += [prompt for prompt, count in paid.items() if count > 1]


def _check_clicks(found, clicks, rows):
    made = Counter(row["prompt"] for row in rows)
    found.rows_twice += [prompt for prompt, count in made.items() if count > 1]
    found.clicks_lost += [
        click.prompt for click in clicks if click.said == "started" and not made[click.prompt]
    ]


def _check_history(found, changes):
    for change in changes:
        was, became = change["was"], change["became"]
        stages = change["stage_was"], change["stage_became"]
        is_taken_back = was == "failed" and stages[1] == "saving"
        is_final = was in {"completed", "failed"} and became != was and not is_taken_back
        is_back = STAGES.index(stages[1]) < STAGES.index(stages[0])
        if is_final or (is_back and stages not in STEPS_BACK and not is_taken_back):
            found.changed.append((str(change["video"]), was, became, *stages))


def _check_row(found, row, books, *, studio, digest):
    task = books.tasks.get(row["task_id"])
    if row["status"] == "completed":
        file = studio.media / row["file"] if row["file"] else None
        if not file or not file.exists() or not _is_whole(file, row, digest):
            found.broken_files.append((str(row["id"]), row["file"]))
    elif row["status"] == "failed":
        if task and not task["failure"]:
            found.wrongly_failed.append((str(row["id"]), row["error_message"]))
    elif not is_explained(row, books):
        found.stuck.append((str(row["id"]), row["stage"], row["prompt"], row["task_id"]))


def is_explained(row, books):
    """Is there nothing more that the studio could do for this processing video by itself?"""
    if row["stage"] != "unconfirmed":
        return False
    lost = [task for task in books.tasks.values() if task["prompt"] == row["prompt"]]
    return not any(books.was_called_back(task["task_id"]) for task in lost)


def _is_whole(file, row, digest):
    content = file.read_bytes()
    is_same = not digest or hashlib.sha256(content).hexdigest() == digest
    return is_same and len(content) == row["file_size"]
