"""How services have done lately, learned from all videos made here: how often well, how fast."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from statistics import median

from django.conf import settings
from django.core.cache import cache
from django.db.models import F, Window
from django.db.models.functions import RowNumber

from gallery.models import Status, Video
from gallery.waiting import in_words

# Of each service so many of its last settled videos are looked at; with fewer than these, nothing
# is said.
LAST, FEWEST_SETTLED, FEWEST_TIMES = 50, 5, 3
# Failures that say nothing about the service: the account's, or somebody's who gave up.
NOT_ITS_FAULT = ("balance", "limit", "key", "gatekeeper", "operator")

REMEMBERED_AS, REMEMBERED_SECONDS = "service_facts", 60


@dataclass(frozen=True, slots=True)
class ServiceFacts:
    """What can be said about one service. None: too little is known."""

    success_percent: int | None = None
    # From KIE.AI's acceptance to its success.
    usual_seconds: int | None = None

    def __str__(self) -> str:
        """ "94 % ok · ~2 min"; "" where nothing can be said."""
        percent, seconds = self.success_percent, self.usual_seconds
        parts = [f"{percent} % ok"] if percent is not None else []
        parts += [f"~{in_words(seconds, seconds)}"] if seconds is not None else []
        return " · ".join(parts)


def service_facts() -> Mapping[str, ServiceFacts]:
    """By service; one without a past is not there. At most one query a minute."""
    known: dict[str, tuple[int | None, int | None]] | None = None
    # A cache that is away costs a query, and nothing else.
    cache_errors = _cache_errors()
    with suppress(*cache_errors):
        known = cache.get(REMEMBERED_AS)
    if known is None:
        known = _learned()
        with suppress(*cache_errors):
            cache.set(REMEMBERED_AS, known, REMEMBERED_SECONDS)
    return {provider: ServiceFacts(*facts) for provider, facts in known.items()}


def _cache_errors() -> tuple[type[Exception], ...]:
    if not settings.REDIS_URL:
        return (OSError,)
    # Without Redis its client would weigh 5 MB on every web process.
    from redis.exceptions import RedisError

    return RedisError, OSError


def _learned() -> dict[str, tuple[int | None, int | None]]:
    """Plain values, so that what one release has kept another one can read."""
    settled = Video.objects.filter(
        status__in=(Status.COMPLETED, Status.FAILED), accepted_at__isnull=False
    ).exclude(failure__in=NOT_ITS_FAULT)
    place = Window(RowNumber(), partition_by="provider", order_by=F("completed_at").desc())
    last = settled.order_by().annotate(place=place).filter(place__lte=LAST)
    successes: defaultdict[str, list[bool]] = defaultdict(list)
    times: defaultdict[str, list[float]] = defaultdict(list)
    for provider, status, begun, done in last.values_list(
        "provider", "status", "accepted_at", "succeeded_at"
    ):
        successes[provider].append(status == Status.COMPLETED)
        if status == Status.COMPLETED and begun and done:
            times[provider].append((done - begun).total_seconds())
    return {
        provider: (_percent(ended), _middle(times[provider]))
        for provider, ended in successes.items()
    }


def _percent(ended: list[bool]) -> int | None:
    # Rounded down: 100 % is said when none has failed.
    return 100 * sum(ended) // len(ended) if len(ended) >= FEWEST_SETTLED else None


def _middle(seconds: list[float]) -> int | None:
    return max(round(median(seconds)), 1) if len(seconds) >= FEWEST_TIMES else None
