"""What a request costs by KIE.AI's price list, from the very fields that will be sent."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import ceil
from typing import Any

USD_PER_CREDIT = Decimal("0.005")


@dataclass(frozen=True, slots=True)
class Price:
    """What a price list says a request costs."""

    usd: Decimal
    # The day of the price list.
    as_of: date

    def __str__(self) -> str:
        """To the cent, or further where the price goes further."""
        cents = round(self.usd, 2)
        return f"${cents:.2f}" if cents == self.usd else f"${self.usd.normalize():f}"

    @property
    def credits(self) -> Decimal:
        return self.usd / USD_PER_CREDIT

    def times(self, number: int) -> "Price":
        """The price of so many."""
        return Price(self.usd * number, self.as_of)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a price can depend on beside the fields: the files and the video it is made from."""

    # How many files stand in each slot.
    counts: Mapping[str, int] | None = None
    # All clips, or all sounds, together; None where their length is not known.
    video_seconds: float | None = None
    audio_seconds: float | None = None
    # Of the video that is gone on from: "480p" …; "" where that is not known.
    source_resolution: str = ""

    def count(self, *slots: str) -> int:
        return sum((self.counts or {}).get(slot, 0) for slot in slots)


NOTHING = Inputs()
VIDEO_SLOTS = ("video", "reference_videos")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """One line of a price list: what must hold, what it is a price of, and the price."""

    when: Mapping[str, Any]
    per: str  # "video" or "second"
    usd: Decimal
    as_of: date

    def fits(self, fields: Mapping[str, Any], inputs: Inputs) -> bool:
        facts = {
            **fields,
            "$has_video_input": inputs.count(*VIDEO_SLOTS) > 0,
            "$source_resolution": inputs.source_resolution,
        }
        return all(name in facts and facts[name] == value for name, value in self.when.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Surcharge:
    """What files beyond the free ones cost, each."""

    slot: str
    free: int
    usd: Decimal


def billed_seconds(
    length: float | None, *, inputs: Inputs, with_input_video: bool
) -> Decimal | None:
    """What is multiplied by a price per second; None when that is not known."""
    if length is None:
        return None
    total = length
    if with_input_video and inputs.count(*VIDEO_SLOTS):
        if inputs.video_seconds is None:
            return None
        total += inputs.video_seconds
    return Decimal(ceil(total))
