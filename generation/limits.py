"""How much a person may ask for, and their groups together: kept in the transaction that asks.

A video counts on the day and in the month in which it was asked for, by UTC. It counts with what
KIE.AI's record says it took; until then, or where the record says nothing, with its estimate. One
that has failed counts as well, unless KIE.AI has provably taken nothing for it. One without a known
price counts as a video, and as no credits until KIE.AI's record says how many. Deleting a video
frees nothing. A group's limit counts the videos of all who are in the group now.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from django.db.models import Q, Sum
from django.db.models.functions import Coalesce
from django.utils.timezone import now

from gallery.costs import CONSUMED, COUNTS, ESTIMATED, NOTHING
from gallery.models import Video
from gallery.templatetags.cards import plain, to_the_cent
from videostudio.models import SpendingLimit, User

ASK_FOR_MORE = "ask whoever runs this studio for more"


class LimitReached(Exception):
    """Somebody's limit leaves no room for this. `user_message` is a sentence for them."""

    def __init__(self, user_message: str) -> None:
        super().__init__(user_message)
        self.user_message = user_message


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """One limit at one moment, and how much of it is used. None: without a limit."""

    # The name of the group that shares it; "" for one's own.
    group: str
    at: datetime
    videos_used: int
    videos_per_day: int | None
    credits_used: Decimal
    credits_per_month: int | None

    def __str__(self) -> str:
        """As people read it: "3 of 10 videos today · $1.20 of $20.00 this month"."""
        parts = []
        if self.videos_per_day is not None:
            parts.append(f"{self.videos_used} of {_videos(self.videos_per_day)} today")
        if self.credits_per_month is not None:
            limit = to_the_cent(Decimal(self.credits_per_month))
            parts.append(f"{to_the_cent(self.credits_used)} of {limit} this month")
        return " · ".join(parts)

    @property
    def is_used_up(self) -> bool:
        """Is there no room for even the smallest video?"""
        return bool(self.breach(videos=1, credits=None))

    def breach(self, *, videos: int, credits: Decimal | None) -> str:
        """Why so many more videos, for so many credits together, are too many; "" if they fit.

        No credits: their price is not known.
        """
        if self.videos_per_day is not None and self.videos_used + videos > self.videos_per_day:
            return self._too_many(videos, self.videos_per_day)
        # Where no price is known, any room at all is enough.
        if self.credits_per_month is not None and self.is_too_dear(credits or Decimal("0.01")):
            return self._too_dear(videos, credits, Decimal(self.credits_per_month))
        return ""

    def is_too_dear(self, credits: Decimal) -> bool:
        """Are these more credits than are left for this month?"""
        limit = self.credits_per_month
        return limit is not None and self.credits_used + credits > limit

    def _too_many(self, videos: int, limit: int) -> str:
        who, whose = self._who
        asked = f", and this would be {videos} more" if videos > 1 else ""
        then = "there is room again from midnight UTC"
        return (
            f"{who} made {self.videos_used} of {whose} {_videos(limit)} for today{asked}; "
            f"{then if videos <= limit else ASK_FOR_MORE}."
        )

    def _too_dear(self, videos: int, credits: Decimal | None, limit: Decimal) -> str:
        who, whose = self._who
        which = "this video costs" if videos == 1 else "these videos cost"
        asked = f", and {which} ≈ {to_the_cent(credits)}" if credits else ""
        then = f"there is room again from {_first_of_next_month(self.at)} (UTC)"
        return (
            f"{who} used {to_the_cent(self.credits_used)} of {whose} {to_the_cent(limit)} for this "
            f"month ({plain(self.credits_used)} of {plain(limit)} credits){asked}; "
            f"{then if (credits or 1) <= limit else ASK_FOR_MORE}."
        )

    @property
    def _who(self) -> tuple[str, str]:
        return (f"The group {self.group} has", "its") if self.group else ("You have", "your")


def check_limits(user: User, *, videos: int, credits: Decimal | None) -> None:
    """Raises LimitReached when so many more videos, for so many credits together, are too many.

    Called inside the transaction that inserts them, before it does: each limit's row stays locked
    until it ends, so that whoever asks at the same time waits, and counts what was inserted here.
    No credits: their price is not known.
    """
    # All of them first, and in one order everywhere: two that wait for each other wait for ever.
    limits = list(SpendingLimit.objects.applying_to(user).select_for_update(of=("self",)))
    for allowance in _allowances(limits, at=now()):
        if why := allowance.breach(videos=videos, credits=credits):
            raise LimitReached(why)


def allowance_of(user: User) -> list[Allowance]:
    """This person's limits as they stand: their own, and those they share with a group."""
    return list(_allowances(list(SpendingLimit.objects.applying_to(user)), at=now()))


def usage_of(limit: SpendingLimit) -> Allowance:
    """This limit as it stands."""
    return next(_allowances([limit], at=now()))


def _allowances(limits: list[SpendingLimit], *, at: datetime) -> Iterator[Allowance]:
    for limit in limits:
        members = Q(user=limit.user_id) if limit.user_id else Q(user__groups=limit.group_id)
        day = at.replace(hour=0, minute=0, second=0, microsecond=0)
        used = Video.objects.filter(members, created_at__gte=day.replace(day=1)).aggregate(
            videos=Coalesce(Sum(COUNTS, filter=Q(created_at__gte=day)), 0),
            credits=Coalesce(Sum(CONSUMED) + Sum(ESTIMATED), NOTHING),
        )
        yield Allowance(
            group=limit.group.name if limit.group else "",
            at=at,
            videos_used=used["videos"],
            videos_per_day=limit.videos_per_day,
            credits_used=round(used["credits"], 2),
            credits_per_month=limit.credits_per_month,
        )


def _videos(number: int) -> str:
    return f"{number} video" if number == 1 else f"{number} videos"


def _first_of_next_month(at: datetime) -> str:
    return f"1 {at.replace(day=1) + timedelta(days=32):%B}"
