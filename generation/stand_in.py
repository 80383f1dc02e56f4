"""What the sandbox is told of our catalogue: what creations cost, and which models there are."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from gallery.templatetags.cards import USD_PER_CREDIT
from generation.catalogue import PROVIDERS, Mode, choices_in, fields_in
from generation.kie.families import FAMILIES
from generation.kie.sandbox import Creation, ModelOnOffer
from generation.live_catalogue import ListedModel, listed
from generation.price_list import PriceList, price_for
from generation.prices import Inputs, PriceLine


def credits_for(creation: Creation, *, prices: PriceList | None = None) -> Decimal | None:
    """What the page has promised for this creation, in credits; None where it knew no price."""
    fields = fields_in(creation.body)
    fitting = [
        (provider, mode)
        for provider, mode in choices_in(creation.path, creation.body)
        if mode.error_in(fields) is None
    ]
    if not fitting:
        return None
    # Of several kinds of video that would take it, the one with the least places left empty.
    provider, mode = min(fitting, key=lambda choice: _places_left(choice[1], fields))
    price = price_for(provider, mode, fields, _inputs(creation, mode, fields), prices=prices)
    return price.credits if price else None


def _places_left(mode: Mode, fields: Mapping[str, Any]) -> int:
    return sum(slot.field not in fields for slot in mode.slots)


def _inputs(creation: Creation, mode: Mode, fields: Mapping[str, Any]) -> Inputs:
    given = [(slot, list(_urls(fields.get(slot.field)))) for slot in mode.slots]

    def total(kind: str) -> float | None:
        lengths = [
            creation.seconds.get(url) for slot, urls in given if slot.kind == kind for url in urls
        ]
        known = [length for length in lengths if length is not None]
        return sum(known) if known and len(known) == len(lengths) else None

    return Inputs(
        counts={slot.name: len(urls) for slot, urls in given},
        video_seconds=total("video"),
        audio_seconds=total("audio"),
        source_resolution=_resolution_of(creation.source),
    )


def _urls(value: Any) -> Iterator[str]:
    """The addresses in a field: one, a list of them, or of entries that have one each."""
    for entry in value if isinstance(value, list) else [value]:
        url = entry.get("url") if isinstance(entry, Mapping) else entry
        if isinstance(url, str):
            yield url


def _resolution_of(source: Creation | None) -> str:
    if source is None:
        return ""
    fields = fields_in(source.body)
    for _, mode in choices_in(source.path, source.body):
        return str(mode.values_in(fields).get("resolution", ""))
    return ""


# --- The live catalogue ---------------------------------------------------------------------

TASK_TYPES = {
    "text2vid": "Text to Video",
    "img2vid": "Image to Video",
    "ref2vid": "Reference to Video",
    "vid2vid": "Video to Video",
    "lipsync": "Speech to Video",
    "extend": "Video Extend",
    "upscale": "Video Upscale",
}


def models_on_offer(prices: PriceList | None = None) -> list[ModelOnOffer]:
    """KIE.AI's live catalogue, if it agreed with ours in everything."""
    now_listed = PriceList.now() if prices is None else prices
    return [
        _told(model, now_listed) for model in listed(PROVIDERS.values()) if not model.is_retired
    ]


def _told(model: ListedModel, prices: PriceList) -> ModelOnOffer:
    kinds = (TASK_TYPES[mode.generation_type] for _, mode in model.choices)
    return ModelOnOffer(
        model=model.name,
        title=model.label,
        provider=model.maker,
        task_types=tuple(dict.fromkeys(kinds)),
        pricing="; ".join(map(_in_words, model.lines(prices))) or None,
        openapi=None if model.is_asked_elsewhere else _document(model),
    )


def _in_words(line: PriceLine) -> str:
    credits = f"{(line.usd / USD_PER_CREDIT).normalize():f}"
    per = " per second" if line.per == "second" else ""
    return f"{line.condition}: {credits} credits ({line.usd.normalize():f} USD){per}"


def _document(model: ListedModel) -> dict[str, Any]:
    """The OpenAPI document of a creation."""
    properties = {
        "model": {"type": "string", "enum": [model.name]},
        "callBackUrl": {"type": "string", "format": "uri"},
        "input": model.input,
    }
    schema = {"type": "object", "required": ["model", "input"], "properties": properties}
    post = {"requestBody": {"content": {"application/json": {"schema": schema}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": model.label, "version": "1.0.0"},
        "paths": {FAMILIES["market"].create_path: {"post": post}},
    }
