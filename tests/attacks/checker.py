"""What must be true of the studio's rows at every moment, given KIE.AI's own books.

Two ways of looking: `watch` sees every single statement that moves a row, also those inside a
pass; `check` looks at the whole when a rule is over and nobody is half-way through anything.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import SimpleNamespace

from django.conf import settings
from django.core.files.storage import default_storage
from django.db import connection
from django.utils.timezone import now

from gallery.models import Stage, Status, Video

MOST_AHEAD = timedelta(minutes=5)
GIVE_UP_SENDING_AFTER = timedelta(hours=24)
KIE_FORGETS_AFTER = timedelta(days=14)

COMPLETED, FAILED = "completed", "failed"
# The one step back needs a proof that KIE.AI has nothing; `_why_not` asks for it.
STEPS = {
    Stage.QUEUED: {Stage.SUBMITTING, FAILED},
    Stage.SUBMITTING: {Stage.QUEUED, Stage.UNCONFIRMED, Stage.RUNNING, FAILED},
    Stage.UNCONFIRMED: {Stage.QUEUED, Stage.RUNNING, FAILED},
    Stage.RUNNING: {Stage.SAVING, FAILED},
    Stage.SAVING: {COMPLETED},
    FAILED: {Stage.SAVING},
    COMPLETED: set(),
}
COLUMNS = (
    "pk",
    "user_id",
    "prompt",
    "status",
    "stage",
    "task_id",
    "deleted_at",
    "cost_estimated",
    "created_at",
    "accepted_at",
    "file",
    "error_message",
)
# The order does not matter as long as it is the same one twice: a false alarm costs one reading.
GLANCE = "SELECT id, status, stage, task_id, deleted_at, cost_estimated, file FROM generated_videos"


class Violation(AssertionError):
    """An invariant does not hold; the message begins with its number in docs/reliability.md."""


def place_of(row) -> str:
    """Where a row stands, in one word."""
    return row.stage if row.status == Status.PROCESSING else row.status


class Checker:
    def __init__(self, kie, clock) -> None:
        self._kie, self._clock = kie, clock
        self._known: dict = {}
        self._glance: list = []
        self._is_reading = False
        # Has anything been written since the last look at the whole?
        self._is_changed = True
        # What people, and not the studio, are doing right now.
        self._acts: set[str] = set()
        self.steps: Counter[tuple[str, str]] = Counter()
        self._violations: list[str] = []

    @contextmanager
    def while_somebody(self, act: str) -> Iterator[None]:
        """Within this block a person does this: "restores" or "gives up"."""
        had = act in self._acts
        self._acts.add(act)
        try:
            yield
        finally:
            if not had:
                self._acts.discard(act)

    # --- Every statement --------------------------------------------------------------------

    def watch(self, execute, sql, params, many, context):
        """Given to connection.execute_wrapper()."""
        result = execute(sql, params, many, context)
        if self._is_reading or sql.startswith("SELECT"):
            return result
        if sql.startswith("ROLLBACK TO"):
            # What a dead process had not committed has never been.
            self._is_changed = True
            self._known, self._glance = self._read(), self._look()
        elif '"generated_videos"' in sql:
            self._is_changed = True
            # Most statements move nothing that is of interest: a glance is enough for those.
            if (glance := self._look()) != self._glance:
                self._compare(self._read())
                self._glance = glance
        return result

    def _look(self) -> list:
        with self._reading(), connection.cursor() as cursor:
            cursor.execute(GLANCE)
            return cursor.fetchall()

    def _read(self) -> dict:
        with self._reading():
            rows = Video.objects.order_by().values_list(*COLUMNS)
            return {row[0]: SimpleNamespace(**dict(zip(COLUMNS, row, strict=True))) for row in rows}

    @contextmanager
    def _reading(self) -> Iterator[None]:
        was, self._is_reading = self._is_reading, True
        try:
            yield
        finally:
            self._is_reading = was

    def _compare(self, rows: dict) -> None:
        for pk in self._known.keys() - rows.keys():
            self._note(self._why_not_gone(self._known[pk]))
        for pk, row in rows.items():
            before = self._known.get(pk)
            if before is None:
                self._note("" if place_of(row) == Stage.QUEUED else "I3 a row that began half-way")
                continue
            if place_of(before) != place_of(row):
                self.steps[place_of(before), place_of(row)] += 1
                self._note(self._why_not(before, row))
            self._note(self._why_not_changed(before, row))
        self._known = rows

    def _note(self, violation: str) -> None:
        # Raised later: code of ours would take it for one of its own errors.
        if violation:
            self._violations.append(violation)

    def _why_not(self, before, row) -> str:
        """Why this row must not have moved like that; "" when it may."""
        start, end = place_of(before), place_of(row)
        step = f"{start} -> {end} of {row.prompt!r}"
        click, task = self._kie.clicks[row.prompt], self._kie.tasks.get(row.task_id)
        if end not in STEPS[start]:
            return f"I3 {step} is no step forward"
        if end == Stage.SUBMITTING and row.deleted_at:
            return f"I12 {step} though it was deleted"
        if end == Stage.QUEUED and not click.is_provably_unsent:
            return f"I2 {step} though KIE.AI may have it"
        if end == Stage.RUNNING and not (task and task.prompt == row.prompt):
            return f"I1 {step} with a task that is not its own: {row.task_id!r}"
        if end == Stage.SAVING and not (task and task.has_succeeded):
            return f"I3 {step} though KIE.AI's record shows no success"
        if end == FAILED:
            return self._why_not_failed(step, before, row, click=click, task=task)
        return ""

    def _why_not_failed(self, step, before, row, *, click, task) -> str:
        if not row.error_message:
            return f"I1 {step} without a word"
        if "gives up" in self._acts or click.refused or (task and task.has_failed):
            return ""
        waited = now() - (row.accepted_at or row.created_at)
        if task and waited > KIE_FORGETS_AFTER:
            return ""
        never_sent = place_of(before) == Stage.QUEUED and click.is_provably_unsent
        if never_sent and waited > GIVE_UP_SENDING_AFTER:
            return ""
        return f"I3 {step} though KIE.AI has not said so"

    def _why_not_gone(self, row) -> str:
        click = self._kie.clicks[row.prompt]
        if click.refused and click.is_provably_unsent:
            return ""
        return f"I1 the row of {row.prompt!r} is gone"

    def _why_not_changed(self, before, row) -> str:
        if before.task_id and before.task_id != row.task_id:
            return f"I1 {row.prompt!r} has lost its task {before.task_id}"
        if before.deleted_at and not row.deleted_at and "restores" not in self._acts:
            return f"I12 {row.prompt!r} came back from the trash by itself"
        if before.cost_estimated != row.cost_estimated:
            return f"I12 the price of {row.prompt!r} has changed"
        if row.file and not before.file and self._is_beyond_the_trash(row):
            return f"I12 the file of {row.prompt!r} came back"
        return ""

    def _is_beyond_the_trash(self, row) -> bool:
        days = timedelta(days=settings.TRASH_DAYS)
        return bool(row.deleted_at) and row.deleted_at < now() - days

    # --- The whole, between two rules -------------------------------------------------------

    def check(self) -> None:
        if not (self._is_changed or self._kie.complaints):
            return
        self._is_changed = False
        with self._reading():
            rows = list(Video.objects.order_by("created_at"))
            for violation in (
                *self._violations,
                *self._kie.complaints,
                *self._paid_twice(),
                *self._missing(rows),
                *self._not_what_they_say(rows),
                *self._unattended(rows),
                *self._too_many_calls(),
            ):
                raise Violation(violation)

    def _paid_twice(self) -> Iterator[str]:
        for click in self._kie.clicks.values():
            if click.possible > 1:
                yield f"I2 {click.prompt!r} may have been made {click.possible} times"

    def _missing(self, rows) -> Iterator[str]:
        mine = defaultdict(list)
        for row in rows:
            mine[row.prompt, row.user_id].append(row)
        for task in self._kie.tasks.values():
            found = mine[task.prompt, task.owner]
            if len(found) != 1:
                yield f"I1 {task.id} has {len(found)} rows"
                continue
            row, click = found[0], self._kie.clicks[task.prompt]
            if row.task_id not in ("", task.id):
                yield f"I1 {task.id} is followed as {row.task_id}"
            if not row.task_id:
                yield from self._not_admitted(row, click, task)

    def _not_admitted(self, row, click, task) -> Iterator[str]:
        """A paid task nobody follows: only as long as its answer is lost, and said so."""
        was_heard = click.is_told and click.answers[-1].name == "ACCEPTED"
        if was_heard:
            yield f"I1 {task.id} was named and not kept"
        if place_of(row) not in (Stage.SUBMITTING, Stage.UNCONFIRMED, FAILED):
            yield f"I1 {task.id} is paid for, and its row says {place_of(row)}"

    def _not_what_they_say(self, rows) -> Iterator[str]:
        for row in rows:
            if row.status == Status.COMPLETED:
                yield from self._not_playable(row)
            if row.status == Status.FAILED and not row.error_message:
                yield f"I4 {row.prompt!r} failed without a word"

    def _not_playable(self, row) -> Iterator[str]:
        if self._is_beyond_the_trash(row):
            return
        if row.archived_at is None:
            is_said = row.events.filter(what="could not be saved").exists()
            if not (row.video_url and (row.next_archive_at or is_said)):
                yield f"I4 {row.prompt!r} is completed without a file, and nothing says why"
            return
        whole = self._kie.clip_of(self._kie.tasks[row.task_id])
        for name, content in ((row.file.name, whole), (row.poster.name, None)):
            if not name or not default_storage.exists(name):
                yield f"I4 {row.prompt!r} is completed, and {name or 'its file'} is missing"
            elif content is not None:
                with default_storage.open(name) as file:
                    if file.read() != content or row.file_size != len(content):
                        yield f"I4 the file of {row.prompt!r} is not the one KIE.AI made"

    def _unattended(self, rows) -> Iterator[str]:
        # A clock that was set back leaves due times where it was.
        limit = self._clock.latest + MOST_AHEAD
        for row in rows:
            if row.status == Status.PROCESSING and not (
                row.next_poll_at and row.next_poll_at <= limit
            ):
                yield f"I11 nobody looks at {row.prompt!r} before {row.next_poll_at}"

    def _too_many_calls(self) -> Iterator[str]:
        for name, rate, moments in (
            ("creations", settings.KIE_CREATE_RATE, self._kie.created_at),
            ("questions", settings.KIE_STATUS_RATE, self._kie.asked_at),
        ):
            calls, seconds = rate
            for first, last in zip(moments, moments[calls:], strict=False):
                # A reserved moment is met to the microsecond.
                if 0 <= last - first < seconds - 0.001:
                    yield f"I6 {calls + 1} {name} within {last - first:.2f} s"

    # --- When everything is healthy again ---------------------------------------------------

    def check_converged(self, offered: set[str]) -> None:
        """Every fault is over and time has passed: what is not settled has a reason.

        `offered`: the prompts whose task a callback has named while their video waited for it.
        """
        self.check()
        for row in Video.objects.filter(deleted_at=None):
            place, click = place_of(row), self._kie.clicks[row.prompt]
            if place not in (COMPLETED, FAILED, Stage.UNCONFIRMED):
                raise Violation(f"I11 {row.prompt!r} is {place} for ever")
            if place == Stage.UNCONFIRMED and click.is_told and click.is_provably_unsent:
                raise Violation(f"I1 {row.prompt!r} waits though KIE.AI has nothing")
            if place == Stage.UNCONFIRMED and row.prompt in offered:
                raise Violation(f"I1 the task of {row.prompt!r} was named and never taken up")
            is_home = row.archived_at or row.events.filter(what="could not be saved").exists()
            if place == COMPLETED and not is_home:
                raise Violation(f"I4 {row.prompt!r} never came home")
