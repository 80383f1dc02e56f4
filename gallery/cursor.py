"""What a page has seen: the moment of the newest change, and what changed just before it.

A change bears the moment at which it was decided and is visible a little later, when it is
committed. Of two changes that overlap, the older may therefore appear second. So the cursor names
each version that the page has seen of the last seconds, and what is new is whatever it does not
name: nothing is missed, nothing is sent twice, and one short index range answers the question.
"""

from __future__ import annotations

import uuid
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

from gallery.models import Video, VideoQuerySet

# Longer than any of our statements takes, and than our machines' clocks disagree.
OVERLAP = timedelta(seconds=5)
# What a page has seen beyond this is sent to it once more, which does no harm.
MOST_SEEN = 50
# A page that slept through more than this is told in several answers.
MOST_CHANGED = 100
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position in the stream of one person's changes."""

    newest: datetime
    seen: frozenset[str]

    @classmethod
    def read(cls, text: str | None) -> Self | None:
        """The cursor in this text; None for nothing and for nonsense."""
        moment, _, seen = (text or "").partition("-")
        try:
            newest = EPOCH + int(moment, 36) * MICROSECOND
        except (ValueError, OverflowError):
            return None
        return cls(newest, frozenset(filter(None, seen.split("."))))

    @classmethod
    def of(cls, videos: VideoQuerySet) -> Self:
        """Where these videos stand now."""
        latest = list(videos.order_by("-updated_at").values_list("pk", "updated_at")[:MOST_SEEN])
        newest = latest[0][1] if latest else EPOCH
        recent = (_version(pk, at) for pk, at in latest if at > newest - OVERLAP)
        return cls(newest, frozenset(recent))

    def unseen(self, videos: VideoQuerySet) -> list[uuid.UUID]:
        """Which of these videos have changed since, deleted ones included; the first ones first."""
        recent = videos.filter(updated_at__gt=max(self.newest - OVERLAP, EPOCH))
        versions = recent.order_by("updated_at").values_list("pk", "updated_at")
        # Among the first rows may be all that the page has seen.
        most = MOST_CHANGED + len(self.seen)
        return [pk for pk, at in versions[:most] if _version(pk, at) not in self.seen]

    def is_new(self, video: Video) -> bool:
        """Can the page not know this video yet? For one that it does know, its id decides."""
        came_late = video.updated_at <= self.newest and video.created_at > self.newest - OVERLAP
        return came_late or video.created_at > self.newest

    def after(self, changed: Iterable[Video]) -> Cursor:
        """The cursor of a page that has now seen these too."""
        changed = list(changed)
        newest = max([self.newest, *(video.updated_at for video in changed)])
        still = self.seen if newest - self.newest < OVERLAP else frozenset()
        recent = {_of(video) for video in changed if video.updated_at > newest - OVERLAP}
        return Cursor(newest, still | recent)

    def __str__(self) -> str:
        return f"{_base36((self.newest - EPOCH) // MICROSECOND)}-{'.'.join(sorted(self.seen))}"


def _of(video: Video) -> str:
    return _version(video.pk, video.updated_at)


def _version(pk: object, at: datetime) -> str:
    return _base36(zlib.crc32(f"{pk}{(at - EPOCH) // MICROSECOND}".encode()))


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return digits or "0"
