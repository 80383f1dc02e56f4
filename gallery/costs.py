"""What videos cost, as far as anybody knows: the same for limits and for the spend page.

What KIE.AI's record says counts; where it says nothing, the estimate of the day, unless KIE.AI has
provably taken nothing. Deleting a video changes nothing about it.
"""

from decimal import Decimal

from django.db.models import Case, Count, DecimalField, F, IntegerField, Q, Sum, Value, When
from django.db.models.functions import Coalesce

from gallery.models import PERHAPS_CHARGED, Status

CREDITS: "DecimalField[Decimal, Decimal]" = DecimalField(max_digits=14, decimal_places=2)
NOTHING = Value(Decimal(0), output_field=CREDITS)

# It failed, and either KIE.AI's record says that it cost nothing or there never was a task of it.
UNCHARGED = Q(status=Status.FAILED) & (
    Q(cost_consumed=0) | Q(cost_consumed=None, task_id="") & ~Q(failure__in=PERHAPS_CHARGED)
)

# As conditions of Case and not negated: what is unknown must not fall out on both sides.
ESTIMATED = Case(
    When(Q(cost_consumed__isnull=False) | UNCHARGED, then=NOTHING),
    default=Coalesce(F("cost_estimated"), NOTHING),
    output_field=CREDITS,
)
CONSUMED = Coalesce(F("cost_consumed"), NOTHING)
# A video without a known price counts nothing until KIE.AI's record says what it took.
IS_UNPRICED = Case(
    When(Q(cost_consumed__isnull=False) | Q(cost_estimated__isnull=False) | UNCHARGED, then=0),
    default=1,
    output_field=IntegerField(),
)
# What was not charged takes no place in a day's videos either.
COUNTS = Case(When(UNCHARGED, then=0), default=1, output_field=IntegerField())
BASIS = Case(
    When(UNCHARGED, then=Value("not charged")),
    When(cost_consumed__isnull=False, then=Value("KIE.AI's record")),
    When(cost_estimated__isnull=False, then=Value("estimate")),
    default=Value("unknown"),
)

# Columns of a row that stands for many videos.
SUMS = {
    "videos": Count("pk"),
    "failed": Count("pk", filter=Q(status=Status.FAILED)),
    "consumed": Coalesce(Sum(CONSUMED), NOTHING),
    "estimated": Coalesce(Sum(ESTIMATED), NOTHING),
    "unpriced": Coalesce(Sum(IS_UNPRICED), 0),
}
