"""What a request costs by KIE.AI's price list, from the very fields that will be sent."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from math import ceil
from typing import Any

from gallery.templatetags.cards import USD_PER_CREDIT, dollars


@dataclass(frozen=True, slots=True)
class Price:
    """What a price list says a request costs."""

    usd: Decimal
    # The day of the price list.
    as_of: date

    def __str__(self) -> str:
        return dollars(self.usd)

    @property
    def credits(self) -> Decimal:
        return self.usd / USD_PER_CREDIT

    def times(self, number: int) -> "Price":
        """The price of so many."""
        return Price(self.usd * number, self.as_of)


@dataclass(frozen=True, slots=True, order=True)
class Rate:
    """What a price list charges for one video, or for one second of it."""

    usd: Decimal
    per: str  # "video" or "second"

    def __str__(self) -> str:
        return f"{dollars(self.usd)}{' a second' if self.per == 'second' else ''}"


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
# What a price can depend on beside KIE.AI's fields.
COMPUTED: Mapping[str, Mapping[str, Any]] = {
    "$has_video_input": {"type": "boolean"},
    "$source_resolution": {"type": "string", "pattern": "^[0-9]{1,4}[pk]$"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceLine:
    """One line of a price list: what must hold, what it is a price of, and the price."""

    when: Mapping[str, Any]
    per: str  # "video" or "second"
    usd: Decimal
    as_of: date

    @property
    def rate(self) -> Rate:
        return Rate(self.usd, self.per)

    @property
    def condition(self) -> str:
        """What must hold, in short: "resolution=720p, sound=true"; "always" for nothing."""
        words = (f"{name}={_in_json(value)}" for name, value in self.when.items())
        return ", ".join(words) or "always"

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


def _in_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


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
