"""What a card says while its video is being made: where it stands, how long that usually takes."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil

from gallery.failures import FAILURES
from gallery.models import ATTENTION_AFTER, STUCK_AFTER, Stage, Video

STEPS = ("Sent", "Queued", "Rendering", "Saving")
# KIE.AI's words for a task that it has not begun.
QUEUED_STATES = ("waiting", "queuing", "wait", "queueing")
# So often KIE.AI is asked before a video is stuck, and from then on; with some room for the answer.
PAUSE, LATER_PAUSE = timedelta(seconds=30), timedelta(minutes=5, seconds=30)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A processing video at one moment, in words."""

    video: Video
    at: datetime

    @property
    def words(self) -> str:
        """What is happening."""
        match self.video.stage:
            case Stage.QUEUED:
                return "Waiting for its turn"
            case Stage.SUBMITTING:
                return "Sending"
            case Stage.UNCONFIRMED if self.video.asks_its_owner:
                return FAILURES["interrupted"].sentence
            case Stage.UNCONFIRMED:
                return "Waiting for confirmation: not sent again, so you are not charged twice"
            case Stage.SAVING:
                return "Saving"
        return "Queued at KIE.AI" if self._place == 1 else "Rendering"

    @property
    def steps(self) -> list[tuple[str, str]]:
        """The four steps, each with its class: done, under way, or still to come."""
        place = self._place
        marks = ["is-done"] * place + ["is-now"] + [""] * (len(STEPS) - place - 1)
        return list(zip(STEPS, marks, strict=True))

    @property
    def _place(self) -> int:
        if self.video.stage == Stage.RUNNING:
            return 1 if self.video.kie_state in QUEUED_STATES else 2
        return 3 if self.video.stage == Stage.SAVING else 0

    @property
    def is_with_kie(self) -> bool:
        """Is it KIE.AI that we wait for?"""
        return self.video.stage == Stage.RUNNING

    @property
    def since(self) -> datetime:
        return self.video.accepted_at or self.video.created_at

    @property
    def usual(self) -> str:
        """How long such videos take: "2 to 3 min"; "" without a past."""
        low, high = self.video.usually_from_seconds, self.video.usually_to_seconds
        return in_words(low, high) if low and high else ""

    @property
    def spoken(self) -> str:
        """The same for who listens."""
        usual = self.usual.replace(" min", " minutes").removesuffix(" s")
        seconds = " seconds" if self.usual.endswith(" s") else ""
        return f"usually {usual}{seconds}" if usual else "no estimate yet"

    @property
    def late_seconds(self) -> int:
        return round(self.video.late_after.total_seconds())

    @property
    def late(self) -> str:
        """What is said once it takes longer than usual."""
        if self.video.late_after_seconds is None:
            return f"Not done after {STUCK_AFTER.seconds // 60} min, and still being checked"
        return f"Longer than usual: 9 of 10 finish within {_up_to(self.late_seconds)}"

    @property
    def pace(self) -> str:
        """Which of the three is true at this moment: usual, late, or attention."""
        waited = self.at - self.since
        if waited >= ATTENTION_AFTER:
            return "attention"
        return "late" if waited >= self.video.late_after else "usual"

    @property
    def checked(self) -> str:
        """When KIE.AI was last asked about it."""
        last = self.video.last_polled_at
        return f"last checked {_age(self.at - last)} ago" if last else "not checked yet"

    @property
    def is_overdue(self) -> bool:
        """Was it last asked about longer ago than it should be?"""
        pause = PAUSE if self.at - self.since < STUCK_AFTER else LATER_PAUSE
        return self.at - (self.video.last_polled_at or self.since) > pause


def in_words(low: int, high: int) -> str:
    """A range of seconds as people say it: "40 to 60 s", "2 to 3 min"."""
    if high < 90:
        first, last, unit = _nearest(low, 5), _nearest(high, 5), "s"
    else:
        first, last, unit = max(_nearest(low, 60) // 60, 1), _nearest(high, 60) // 60, "min"
    return f"{last} {unit}" if first >= last else f"{first} to {last} {unit}"


def _nearest(seconds: int, step: int) -> int:
    return max(int(seconds / step + 0.5), 1) * step


def _up_to(seconds: int) -> str:
    return f"{ceil(seconds / 10) * 10} s" if seconds < 90 else f"{ceil(seconds / 60)} min"


def _age(time: timedelta) -> str:
    seconds = max(int(time.total_seconds()), 0)
    if seconds < 60:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 3600 else f"{seconds // 3600} h"
