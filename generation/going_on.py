"""What can be made from a finished video: longer, larger, from a frame of it, with it as a clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gallery.models import InputFile, MediaKind, Video
from generation.carrying import carry, number_in
from generation.catalogue import PROVIDERS, Mode, Provider, likeliest
from generation.inputs import InputRefused, refuse_what_does_not_fit
from generation.offers import offered
from generation.price_list import PriceList, price_for
from generation.prices import Inputs, Price
from generation.request import inputs_in, objection_to_going_on, resolution_of
from generation.schema import Slot

# What a clip can be used for, and the words for it.
USES = {"vid2vid": "Make it over", "lipsync": "Lip sync", "ref2vid": "Reference"}
# Chosen for one video, and a fixed one would make the next look the same.
NOT_CARRIED = {"seed"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A service that takes a finished video further, and about what that costs."""

    provider: Provider
    label: str
    price: Price | None
    # It is made from our file of the video; else from KIE.AI's own task of it.
    takes_file: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysOn:
    """Everything that can really be done with a finished video now."""

    longer: Sequence[Way]
    larger: Sequence[Way]
    has_frames: bool
    # The purpose and the words of each.
    uses: Sequence[tuple[str, str]]
    # Why what could once be done no longer can.
    notes: Sequence[str]


def ways_on(video: Video) -> WaysOn:
    """What a finished video can be taken up by, by what its owner may choose. Two queries."""
    notes: dict[str, None] = {}
    choices = offered(video.user)
    longer, larger = (
        [
            way
            for provider in choices
            if provider.purpose == purpose and (way := _way(video, provider, notes, choices.prices))
        ]
        for purpose in ("extend", "upscale")
    )
    uses = [
        (purpose, words)
        for purpose, words in USES.items()
        if service_for(video, purpose, among=choices)
    ]
    return WaysOn(
        longer=longer,
        larger=larger,
        has_frames=bool(video.file),
        uses=uses,
        notes=list(notes),
    )


def _way(video: Video, provider: Provider, notes: dict[str, None], prices: PriceList) -> Way | None:
    mode = provider.modes[0]
    slot = None if mode.continues else clip_slot(mode)
    if mode.continues:
        if video.model not in mode.continues or _would_gain_nothing(video, mode):
            return None
        if why := objection_to_going_on(video, provider):
            notes[why] = None
            return None
    elif slot is None or not fits(video, slot):
        return None
    return Way(
        provider=provider,
        label=mode.resolution or provider.label.removesuffix(" · go on"),
        price=_price(video, provider, slot, prices),
        takes_file=slot is not None,
    )


def _would_gain_nothing(video: Video, mode: Mode) -> bool:
    """Is it as large as this would make it, or has it been made so already?"""
    if not mode.resolution:
        return False
    lines, wanted = number_in(resolution_of(video)) or 0, number_in(mode.resolution) or 0
    return lines >= wanted or (mode.model, True) in video.made_into


def _price(video: Video, provider: Provider, slot: Slot | None, prices: PriceList) -> Price | None:
    mode = provider.modes[0]
    fields = mode.input_for(prompt="", values=mode.usual_values | usual_values(video, mode))
    inputs = inputs_in({}, parent=video)
    if slot:
        inputs = Inputs(counts={slot.name: 1}, video_seconds=video.duration)
    return price_for(provider, mode, fields, inputs, prices=prices)


def usual_values(video: Video, mode: Mode) -> dict[str, Any]:
    """The settings that a form begins with which takes up this video: its own, where they fit."""
    own = {name: value for name, value in video.parameters.items() if name not in NOT_CARRIED}
    values = dict(carry(own, to=mode).values)
    for setting in mode.settings:
        usual = setting.usual_after(video.duration) if video.duration else None
        if usual is not None:
            values[setting.name] = usual
    return values


# --- Its file as a clip ---------------------------------------------------------------------


def service_for(
    video: Video, purpose: str, *, among: Sequence[Provider]
) -> tuple[Provider, Slot] | None:
    """The one of these services that does this with a finished video, and the slot for its file.

    The same model as the video's if there is one, else of the same maker. None: none does.
    """
    slots = {
        provider.key: slot
        for provider in among
        if (mode := provider.mode_of_type(purpose)) and not mode.continues
        if (slot := clip_slot(mode)) and fits(video, slot)
    }
    choices = [provider for provider in among if provider.key in slots]
    if not choices:
        return None
    chosen = likeliest(PROVIDERS.get(video.provider, choices[0]), choices)
    return chosen, slots[chosen.key]


def clip_slot(mode: Mode) -> Slot | None:
    """Where a mode takes a clip, the one that it needs first."""
    slots = [slot for slot in mode.slots if slot.kind == MediaKind.VIDEO and slot.row is None]
    return min(slots, key=lambda slot: not slot.is_required, default=None)


def fits(video: Video, slot: Slot) -> bool:
    """Does the slot take our file of this video, as far as its row tells?"""
    if not video.file:
        return False
    ending = str(video.file).rpartition(".")[2]
    clip = InputFile(
        kind=MediaKind.VIDEO,
        media_type="video/webm" if ending == "webm" else "video/mp4",
        size=video.file_size or 0,
        width=video.width,
        height=video.height,
        seconds=video.duration,
    )
    try:
        refuse_what_does_not_fit(slot, clip)
    except InputRefused:
        return False
    return True
