"""What services cost now: the catalogue's prices, and what operators have stored in their place."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self

from generation.catalogue import Mode, Provider, price_line
from generation.models import PriceOverride
from generation.prices import NOTHING, Inputs, Price, PriceLine, Rate


@dataclass(frozen=True, slots=True)
class PriceList:
    """All that is stored, read at once: a page that shows a hundred prices asks once."""

    # By service and kind; where nothing is stored, the catalogue's own lines count.
    stored: Mapping[tuple[str, str], tuple[PriceLine, ...]] = field(default_factory=dict)

    @classmethod
    def now(cls, provider: str = "") -> Self:
        """Of every service, or of the one with this key. One query."""
        rows = PriceOverride.objects.order_by()
        return cls.of(rows.filter(provider=provider) if provider else rows)

    @classmethod
    def of(cls, rows: Iterable[PriceOverride]) -> Self:
        return cls({(row.provider, row.generation_type): lines_of(row) for row in rows})

    def lines(self, provider: Provider, mode: Mode) -> tuple[PriceLine, ...]:
        return self.stored.get((provider.key, mode.generation_type), mode.prices)

    def cheapest(self, provider: Provider) -> Rate | None:
        """The lowest price on this service's list."""
        each = [
            Rate(line.usd * Decimal(str(mode.length)), "video")
            if line.per == "second" and isinstance(mode.length, int | float)
            else line.rate
            for mode in provider.modes
            for line in self.lines(provider, mode)
        ]
        return min(each, default=None)


def price_for(
    provider: Provider,
    mode: Mode,
    fields: Mapping[str, Any],
    inputs: Inputs = NOTHING,
    *,
    prices: PriceList | None = None,
) -> Price | None:
    """What this input costs now; None where the price list is silent.

    Whatever is shown, stored or multiplied comes from here. `prices`: a list that is at hand;
    without it this service's prices are looked up.
    """
    listed = PriceList.now(provider.key) if prices is None else prices
    return mode.price(fields, inputs, lines=listed.lines(provider, mode))


def lines_of(row: PriceOverride) -> tuple[PriceLine, ...]:
    return tuple(price_line(line, as_of=row.as_of) for line in row.lines)
