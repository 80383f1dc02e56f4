"""New prices in place of the catalogue's: checked against it first, then stored all together."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from django.db import transaction
from django.utils.timezone import now

from generation.catalogue import PROVIDERS, Mode, Provider, price_line
from generation.kie import snapshot as said
from generation.models import PriceOverride
from generation.prices import PriceLine

# In dollars. More than this is a slip, or an amount of credits.
MOST_USD, FINEST_USD = Decimal(1000), Decimal("0.000001")
MOST_SOURCE = 200
PERS = ("video", "second")
LINE = {"when", "per", "usd", "as_of"}
# Where a price is from: the catalogue's files, or what is stored in their place.
FILE, OVERRIDE = "file", "override"


class NotAPriceList(ValueError):
    """What was handed in cannot be stored; `objections` has a sentence for each reason."""

    def __init__(self, objections: Sequence[str]) -> None:
        super().__init__("; ".join(objections))
        self.objections = objections


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPrices:
    """A price list for one kind of video of a service, as it may be stored."""

    provider: Provider
    mode: Mode
    as_of: date
    # As in the catalogue's files, with amounts as texts.
    lines: list[dict[str, Any]]
    source: str = ""

    @property
    def name(self) -> str:
        return f"{self.provider.key} {self.mode.generation_type}"

    @property
    def price_lines(self) -> tuple[PriceLine, ...]:
        return tuple(price_line(line, as_of=self.as_of) for line in self.lines)


def read_price_file(text: str) -> list[NewPrices]:
    """The price lists in such a file: [{key, generation_type, as_of, prices, source}, …].

    Raises NotAPriceList with everything that is wrong in it.
    """
    try:
        entries = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise NotAPriceList([f"This is no JSON: {error}"]) from error
    if not isinstance(entries, list) or not entries:
        raise NotAPriceList(["A list of services with their prices is needed."])
    found: dict[str, NewPrices] = {}
    objections: list[str] = []
    for number, entry in enumerate(entries, start=1):
        try:
            prices = _read_entry(entry)
            if prices.name in found:
                raise NotAPriceList([f"{prices.name}: stands there twice."])
            found[prices.name] = prices
        except NotAPriceList as error:
            objections += [f"Entry {number}: {why}" for why in error.objections]
    if objections:
        raise NotAPriceList(objections)
    return list(found.values())


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number")


def _read_entry(entry: Any) -> NewPrices:
    if not isinstance(entry, Mapping):
        raise NotAPriceList(["a service with its prices is needed here."])
    try:
        day = date.fromisoformat(str(entry.get("as_of")))
    except ValueError:
        raise NotAPriceList(["as_of has to be a day such as 2026-11-30."]) from None
    source = said.text(entry.get("source"), most=MOST_SOURCE)
    return checked(
        key=entry.get("key"),
        generation_type=entry.get("generation_type"),
        as_of=day,
        lines=entry.get("prices"),
        # A list that was printed here says which of the two it came from: that is no source.
        source="" if source in {FILE, OVERRIDE} else source,
    )


def checked(
    *, key: Any, generation_type: Any, as_of: date, lines: Any, source: str = ""
) -> NewPrices:
    """These prices, held against the catalogue. Raises NotAPriceList."""
    provider = PROVIDERS.get(str(key))
    if provider is None:
        raise NotAPriceList([f"The catalogue has no service {key!s:.80}."])
    mode = provider.mode_of_type(str(generation_type))
    if mode is None:
        kinds = ", ".join(mode.generation_type for mode in provider.modes)
        raise NotAPriceList([f"{key} makes {kinds}, not {generation_type!s:.80}."])
    objections = [f"{key} {generation_type}: {why}" for why in _objections(mode, as_of, lines)]
    if objections:
        raise NotAPriceList(objections)
    stored = [line | {"usd": f"{_usd(line['usd']):f}"} for line in lines]
    return NewPrices(provider=provider, mode=mode, as_of=as_of, lines=stored, source=source)


def _objections(mode: Mode, as_of: date, lines: Any) -> Iterator[str]:
    if _lies_ahead(as_of):
        yield f"{as_of} is still to come."
    if not isinstance(lines, list):
        yield "the prices have to be a list, in brackets."
        return
    if not lines:
        yield "at least one price is needed."
        return
    seen: list[Any] = []
    for number, line in enumerate(lines, start=1):
        if not isinstance(line, Mapping) or not {"when", "per", "usd"} <= line.keys() <= LINE:
            yield f"price {number} has to have when, per and usd, and nothing else but as_of."
            continue
        yield from (f"price {number}: {why}" for why in _objections_to_line(mode, line))
        if line["when"] in seen:
            yield f"price {number}: there is one for the same case above it."
        seen.append(line["when"])


def _objections_to_line(mode: Mode, line: Mapping[str, Any]) -> Iterator[str]:
    when = line["when"]
    if not isinstance(when, Mapping):
        yield "when has to be an object; {} for always."
    else:
        reasons = (mode.objection_to_condition(name, value) for name, value in when.items())
        yield from (f"{why}." for why in reasons if why)
    if line["per"] not in PERS:
        yield "per is video or second."
    if (usd := _usd(line["usd"])) is None:
        yield "usd has to be an amount of dollars, with at most 6 decimals."
    elif usd < 0:
        yield f"{usd} is less than nothing."
    elif usd > MOST_USD:
        yield f"${usd} is more than anything costs; usd is in dollars, not in credits."
    if "as_of" in line:
        try:
            if _lies_ahead(date.fromisoformat(line["as_of"])):
                yield f"{line['as_of']} is still to come."
        except (TypeError, ValueError):
            yield "as_of has to be a day such as 2026-11-30."


def _lies_ahead(day: date) -> bool:
    # Somewhere it is tomorrow already.
    return day > now().date() + timedelta(days=1)


def _usd(value: Any) -> Decimal | None:
    """The amount; None for what is none, or is finer than any price."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        usd = Decimal(str(value))
        is_fine = usd.is_finite() and usd == usd.quantize(FINEST_USD)
    except InvalidOperation:
        return None
    return usd if is_fine else None


def store(prices: Collection[NewPrices], *, by: str) -> None:
    """From now on these count, all of them or none."""
    with transaction.atomic():
        for new in prices:
            PriceOverride.objects.update_or_create(
                provider=new.provider.key,
                generation_type=new.mode.generation_type,
                defaults={
                    "as_of": new.as_of,
                    "lines": new.lines,
                    "source": new.source,
                    "updated_by": by,
                },
            )


def changes(before: Sequence[PriceLine], after: Sequence[PriceLine], *, name: str) -> Iterator[str]:
    """What another price list changes for a kind of video, a line for each case; empty: nothing."""
    old = {line.condition: line for line in before}
    new = {line.condition: line for line in after}
    for condition, line in new.items():
        was = old.get(condition)
        if was is None:
            yield f"{name} {condition}: {line.rate}, not priced before"
        elif was.rate != line.rate:
            yield f"{name} {condition}: {was.rate} -> {line.rate}"
        elif was.as_of != line.as_of:
            yield f"{name} {condition}: {line.rate} as before, as of {line.as_of}"
    for condition, line in old.items():
        if condition not in new:
            yield f"{name} {condition}: {line.rate} before, not priced any more"


def objections_to_stored(row: PriceOverride) -> Sequence[str]:
    """Why stored prices do not fit the catalogue any more; empty when they do."""
    try:
        checked(
            key=row.provider,
            generation_type=row.generation_type,
            as_of=row.as_of,
            lines=row.lines,
        )
    except NotAPriceList as error:
        return error.objections
    return ()
