"""KIE.AI's rate limits, kept over all our processes together.

The state is one row per limit in the database, which every process sees and which serialises
them: no Redis needed, and none to lose the count. Slots are handed out ahead of time (a generic
cell rate: the next free moment moves on by one interval per call).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils.timezone import now

from generation.models import RateLimit

# Nobody takes a turn, nor does KIE.AI ask for a pause, further ahead than this.
FURTHEST_TURN, LONGEST_PAUSE = timedelta(seconds=60), timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Budget:
    """So many calls in so many seconds. No rate: every call may go at once."""

    name: str
    rate: tuple[int, float] | None

    def reserve(self, wanted: int, *, within: timedelta) -> list[datetime]:
        """The moments, soonest first, at which up to `wanted` calls may be made.

        Fewer than wanted when the budget has no more within that time. A moment that is not used
        is lost, never saved up.
        """
        at = now()
        if self.rate is None:
            return [at] * wanted
        calls, seconds = self.rate
        interval = timedelta(seconds=seconds / calls)
        with transaction.atomic():
            limit, _ = RateLimit.objects.select_for_update().get_or_create(
                name=self.name, defaults={"free_at": at}
            )
            first = max(self._kept(limit, at))
            room = int((at + within - first) / interval) + 1 if first <= at + within else 0
            granted = min(wanted, room)
            if granted:
                RateLimit.objects.filter(pk=limit.pk).update(free_at=first + granted * interval)
        return [first + slot * interval for slot in range(granted)]

    def has_room(self, *, within: timedelta) -> bool:
        """Would a call get its turn in that time, as it looks now? Takes none."""
        at = now()
        limit = RateLimit.objects.filter(name=self.name).first()
        return self.rate is None or limit is None or max(self._kept(limit, at)) <= at + within

    def pause(self, seconds: float) -> None:
        """KIE.AI has asked for a pause: nobody of us calls before it is over."""
        at = now()
        until = at + min(timedelta(seconds=seconds), LONGEST_PAUSE)
        shorter = Q(paused_until=None) | Q(paused_until__lt=until)
        RateLimit.objects.filter(shorter, name=self.name).update(paused_until=until)

    def _kept(self, limit: RateLimit, at: datetime) -> Iterator[datetime]:
        """Until when nobody calls; what lies further ahead than anybody sets it, a wrong clock did.

        Yields `at` too, for a row that holds up nobody.
        """
        yield at
        calls, seconds = self.rate or (1, 0.0)
        if limit.free_at <= at + FURTHEST_TURN + timedelta(seconds=seconds / calls):
            yield limit.free_at
        if limit.paused_until and limit.paused_until <= at + LONGEST_PAUSE:
            yield limit.paused_until


# What leaves evenly arrives a little bunched: with a hair of room no second sees a call too many.
ROOM = 1.035


def creations() -> Budget:
    """Creations per account; KIE.AI refuses the excess and does not queue it."""
    return Budget("create", _with_room(settings.KIE_CREATE_RATE))


def status_queries() -> Budget:
    """Status queries per key."""
    return Budget("status", _with_room(settings.KIE_STATUS_RATE))


def catalogue_queries() -> Budget:
    """Questions to KIE.AI's live catalogue: one a second for the four together."""
    return Budget("catalogue", _with_room((1, 1.0)))


def _with_room(rate: tuple[int, float] | None) -> tuple[int, float] | None:
    return rate and (rate[0], rate[1] * ROOM)


def sleep_until(moment: datetime) -> None:
    """Wait for a reserved moment; not at all when it has come."""
    seconds = (moment - now()).total_seconds()
    if seconds > 0:
        time.sleep(seconds)
