"""What was spent: by day, by service, by person; on a page and as CSV.

Everybody sees their own; staff with the permission `videostudio.view_spend` see everyone's. Days
and months are those of UTC.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Self

from django.db.models import DateField, F
from django.db.models.functions import TruncDate, TruncMonth
from django.http import HttpResponse, QueryDict, StreamingHttpResponse
from django.shortcuts import render
from django.utils.timezone import now
from django.views.decorators.http import require_safe

from gallery.costs import BASIS, CONSUMED, ESTIMATED, SUMS
from gallery.models import Video, VideoQuerySet
from gallery.services import name_of
from gallery.templatetags.cards import USD_PER_CREDIT
from videostudio.http import StudioRequest
from videostudio.models import User

# A longer range is told by months: a page is read, and its tables have an end.
MOST_DAYS = 92
MOST_ROWS = 100
# No video is older; and no date so near the end of time that there is no day after it.
EARLIEST = date(2020, 1, 1)

COLUMNS = (
    "created_at",
    "person",
    "service",
    "model",
    "kind",
    "status",
    "credits",
    "dollars",
    "according_to",
    "deleted",
    "video",
)


@dataclass(frozen=True, slots=True)
class Period:
    """Days of UTC, both included."""

    first: date
    last: date

    @classmethod
    def this_month(cls) -> Self:
        today = now().date()
        return cls(today.replace(day=1), today)

    @classmethod
    def asked_for(cls, query: QueryDict) -> Self:
        """`?from=` and `?to=`, in whichever order. Without them, or with nonsense: a month."""
        last = _day_in(query.get("to", "")) or now().date()
        first = _day_in(query.get("from", "")) or last.replace(day=1)
        return cls(min(first, last), max(first, last))

    def of(self, videos: VideoQuerySet) -> VideoQuerySet:
        """Those that were asked for in this time."""
        start, end = (
            datetime.combine(day, time.min, tzinfo=UTC)
            for day in (self.first, self.last + timedelta(days=1))
        )
        return videos.filter(created_at__gte=start, created_at__lt=end)

    @property
    def is_long(self) -> bool:
        return (self.last - self.first).days >= MOST_DAYS

    @property
    def query(self) -> str:
        return f"from={self.first}&to={self.last}"


def _day_in(text: str) -> date | None:
    try:
        return min(max(date.fromisoformat(text), EARLIEST), now().date())
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Spent:
    """Some videos together. Credits are KIE.AI's; `what` is what they have in common."""

    what: dict[str, Any]
    videos: int
    failed: int
    # As KIE.AI's records say; and, where they say nothing, as estimated.
    consumed: Decimal
    estimated: Decimal
    # Videos of which nobody knows the price: they are in neither.
    unpriced: int

    @classmethod
    def read(cls, row: dict[str, Any]) -> Self:
        sums = {name: row[name] for name in SUMS}
        for name in ("consumed", "estimated"):
            # SQLite adds up in binary.
            sums[name] = round(sums[name], 2)
        return cls({k: v for k, v in row.items() if k not in SUMS}, **sums)

    @property
    def credits(self) -> Decimal:
        return self.consumed + self.estimated


@require_safe
def spend(request: StudioRequest) -> HttpResponse:
    """This month, and the chosen time: in all, by day, by service and, for who may, by person."""
    sees_all = _sees_everyone(request.user)
    videos, this_month = _visible_to(request.user), Period.this_month()
    period = Period.asked_for(request.GET)
    chosen = period.of(videos)
    by_time = TruncMonth if period.is_long else TruncDate
    days = chosen.annotate(day=by_time("created_at", tzinfo=UTC, output_field=DateField()))
    context = {
        "this_month": this_month,
        "month": _total(this_month.of(videos)),
        "period": period,
        "ranges": _ranges(now().date()),
        "total": _total(chosen),
        "by_day": _grouped(days, "day", order=("-day",)),
        "by_service": _grouped(chosen, "provider", "model"),
        "by_person": _grouped(chosen.annotate(person=F("user__username")), "person")
        if sees_all
        else (),
        "sees_all": sees_all,
        "most_rows": MOST_ROWS,
    }
    return render(request, "gallery/spend.html", context)


def _sees_everyone(user: User) -> bool:
    return user.is_staff and user.has_perm("videostudio.view_spend")


def _visible_to(user: User) -> VideoQuerySet:
    # Deleted ones too: what they cost was paid.
    return Video.objects.all() if _sees_everyone(user) else Video.objects.for_user(user)


def _total(videos: VideoQuerySet) -> Spent:
    return Spent.read(videos.aggregate(**SUMS))


def _grouped(
    videos: VideoQuerySet, *by: str, order: tuple[str, ...] = ("-spent", "-videos")
) -> list[Spent]:
    """A row per group, the dearest first: the database adds up."""
    rows = videos.order_by().values(*by).annotate(**SUMS)
    rows = rows.annotate(spent=F("consumed") + F("estimated")).order_by(*order, *by)
    return [Spent.read(row) for row in rows[:MOST_ROWS]]


def _ranges(today: date) -> list[tuple[str, Period]]:
    """What is asked for most, one click away."""
    first = today.replace(day=1)
    before = first - timedelta(days=1)
    return [
        ("This month", Period(first, today)),
        ("Last month", Period(before.replace(day=1), before)),
        ("Last 7 days", Period(today - timedelta(days=6), today)),
        ("This year", Period(today.replace(month=1, day=1), today)),
    ]


@require_safe
def spend_csv(request: StudioRequest) -> StreamingHttpResponse:
    """The same time as on the page, a line per video. No prompts: those are their authors'."""
    period = Period.asked_for(request.GET)
    videos = period.of(_visible_to(request.user)).order_by("created_at", "id")
    response = StreamingHttpResponse(_lines(videos), content_type="text/csv; charset=utf-8")
    name = f"spend-{period.first}-to-{period.last}.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


class Echo:
    """What csv writes to: hands each line back, so that it can be sent at once."""

    def write(self, line: str) -> str:
        return line


def _lines(videos: VideoQuerySet) -> Iterator[str]:
    write = csv.writer(Echo()).writerow
    yield write(COLUMNS)
    rows = videos.annotate(credits=CONSUMED + ESTIMATED, basis=BASIS).values_list(
        "created_at",
        "user__username",
        "provider",
        "model",
        "generation_type",
        "status",
        "credits",
        "basis",
        "deleted_at",
        "id",
        named=True,
    )
    for row in rows.iterator(chunk_size=2000):
        credits = round(row.credits, 2)
        yield write(
            map(
                _as_cell,
                (
                    row.created_at.isoformat(timespec="seconds"),
                    row.user__username,
                    name_of(row.provider),
                    row.model,
                    row.generation_type,
                    row.status,
                    "" if row.basis == "unknown" else credits,
                    "" if row.basis == "unknown" else credits * USD_PER_CREDIT,
                    row.basis,
                    "yes" if row.deleted_at else "no",
                    row.id,
                ),
            )
        )


def _as_cell(value: object) -> str:
    """As text that no spreadsheet takes for a formula, whatever somebody calls themselves."""
    text = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
