"""What befalls the studio: its processes die at named places, its clock is moved."""

import functools
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from django.core.files.storage import FileSystemStorage

from gallery.models import Video, VideoQuerySet
from generation.kie import budget

STEPS = (
    "claim_sending",
    "mark_accepted",
    "send_again_at",
    "mark_unconfirmed",
    "refuse_offer",
    "mark_succeeded",
    "mark_completed",
    "mark_failed",
    "keep_file",
    "give_up_saving",
    "delete",
)


class Died(BaseException):
    """A process is gone. No `except Exception` outlives it, and open transactions roll back."""


class Death:
    """Where the next process dies. Armed for one rule, met once, elsewhere without effect."""

    def __init__(self) -> None:
        self.at: str | None = None
        self._left = 0
        self.met: Counter[str] = Counter()

    def awaits(self, place: str | None, *, nth: int = 1) -> None:
        self.at, self._left = place, nth

    def reach(self, place: str) -> None:
        if place != self.at:
            return
        self._left -= 1
        if self._left <= 0:
            self.at = None
            self.met[place] += 1
            raise Died(place)

    def haunt(self, patch) -> None:
        """Make every commit boundary a place to die at, until `patch` is undone."""
        for step in STEPS:
            patch.setattr(Video, step, self._around(getattr(Video, step), step))
        for owner, name in (
            (VideoQuerySet, "claim"),
            # Within a step's transaction: the row has moved, its owner's gallery not yet.
            (VideoQuerySet, "note_changes"),
            (FileSystemStorage, "save"),
            (FileSystemStorage, "delete"),
        ):
            patch.setattr(owner, name, self._around(getattr(owner, name), name))

    def _around(self, function, name):
        @functools.wraps(function)
        def mortal(*args, **kwargs):
            self.reach(f"before {name}")
            result = function(*args, **kwargs)
            self.reach(f"after {name}")
            return result

        return mortal


class Clock:
    """The studio's clock, in our hand. Sleeping moves it on and takes no time."""

    def __init__(self) -> None:
        self.at = datetime.now(UTC)
        # The latest moment this clock has shown: a clock that is set back leaves due times there.
        self.latest = self.at
        # What others do while somebody sleeps.
        self.meanwhile: Callable[[], None] = lambda: None

    def move(self, by: timedelta) -> None:
        self.at += by
        self.latest = max(self.latest, self.at)

    def sleep(self, seconds: float) -> None:
        self.move(timedelta(seconds=seconds))
        self.meanwhile()

    def rule(self, patch) -> None:
        """Let everybody who asks Django for the time ask this clock, until `patch` is undone."""
        clock = self

        class Kind(type):
            def __instancecheck__(cls, instance):
                return isinstance(instance, datetime)

        class Moment(datetime, metaclass=Kind):
            @classmethod
            def now(cls, tz=None):
                return clock.at

        # One seam under every `now`, imported by name or held as a field's default.
        patch.setattr("django.utils.timezone.datetime", Moment)
        patch.setattr(budget, "time", SimpleNamespace(sleep=self.sleep))
