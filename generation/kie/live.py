"""What KIE.AI's live catalogue says about its models: typed, bounded, safe to store.

Source: docs.kie.ai and a guide of KIE.AI's own, September 2026. It is prose and OpenAPI documents,
for people and checks to compare with ours; nothing is offered or charged by it.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from . import snapshot as said
from .errors import KieRefused, KieUnclear

# As many as KIE.AI may list, steps of a day, and the length of a description.
MOST_MODELS, MOST_POINTS, MOST_PROSE = 2000, 300, 4000
# Of an OpenAPI document: its depth, and the entries of one object or list in it.
MOST_DEPTH, MOST_ENTRIES, MOST_VALUE = 40, 2000, 8000
# Its slashes stand in a path as they are, so nothing else may that would lead elsewhere.
MODEL_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """One model of KIE.AI's list."""

    model: str
    title: str
    provider: str
    # KIE.AI's words for what it does: "Text to Video" …
    task_types: tuple[str, ...]
    description: str
    # Prose.
    pricing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModels:
    """The list. It names `total` models; so many of them were understood."""

    total: int
    models: tuple[LiveModel, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSchema:
    """The OpenAPI document of one model; None where KIE.AI has none."""

    model: str
    openapi: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePrice:
    """What one model costs, in KIE.AI's prose; "" where it says nothing."""

    model: str
    pricing: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessPoint:
    """How it went with one model for ten minutes. No rate: nobody used it."""

    start: datetime
    end: datetime | None
    success_rate: float | None
    error_rate: float | None
    is_normal: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SuccessRate:
    """The last 24 hours of one model. KIE.AI does not say whether its rates are in percent."""

    model: str
    points: tuple[SuccessPoint, ...]


def model_path(model: str) -> str:
    """This model's place in the catalogue. Raises KieRefused for what is no model's id."""
    if len(model) > 120 or not MODEL_ID.fullmatch(model):
        raise KieRefused("this is no id of a model")
    return f"/api/v1/models/{model}"


def read_models(data: Any) -> LiveModels:
    """Read `data` of GET /models. Raises KieUnclear without a list."""
    entries = _object(data).get("models")
    if not isinstance(entries, list):
        raise KieUnclear("a catalogue without models", raw=said.raw(data))
    read = (_model(entry) for entry in entries[:MOST_MODELS] if isinstance(entry, Mapping))
    models = tuple(model for model in read if model.model)
    total = said.count(_object(data).get("total"))
    return LiveModels(total=len(models) if total is None else total, models=models)


def _model(entry: Mapping[str, Any]) -> LiveModel:
    types = entry.get("taskType")
    return LiveModel(
        model=said.text(entry.get("model"), most=120),
        title=said.text(entry.get("title"), most=120),
        provider=said.text(entry.get("provider"), most=120),
        task_types=tuple(
            word
            for value in (types[:20] if isinstance(types, list) else [types])
            if (word := said.text(value, most=80))
        ),
        description=said.text(entry.get("description"), most=MOST_PROSE),
        pricing=said.text(entry.get("pricingDesc"), most=MOST_PROSE),
    )


def read_schema(data: Any, *, model: str) -> LiveSchema:
    """Read `data` of GET /models/<id>/schema."""
    document = _about(data, "openapi").get("openapi")
    if document is not None and not isinstance(document, Mapping):
        raise KieUnclear("an OpenAPI document that is none", raw=said.raw(data))
    return LiveSchema(model=model, openapi=None if document is None else _plain(document))


def read_price(data: Any, *, model: str) -> LivePrice:
    """Read `data` of GET /models/<id>/price."""
    pricing = said.text(_about(data, "pricingDesc").get("pricingDesc"), most=MOST_PROSE)
    return LivePrice(model=model, pricing=pricing)


def read_success_rate(data: Any, *, model: str) -> SuccessRate:
    """Read `data` of GET /models/<id>/success-rate."""
    points = _about(data, "points").get("points")
    if not isinstance(points, list):
        raise KieUnclear("a success rate without points", raw=said.raw(data))
    read = (_point(point) for point in points[:MOST_POINTS] if isinstance(point, Mapping))
    return SuccessRate(model=model, points=tuple(point for point in read if point))


def _point(point: Mapping[str, Any]) -> SuccessPoint | None:
    start = said.moment(point.get("start"))
    if start is None:
        return None
    return SuccessPoint(
        start=start,
        end=said.moment(point.get("end")),
        success_rate=_rate(point.get("successRate")),
        error_rate=_rate(point.get("errorRate")),
        is_normal=point.get("isNormal") is not False,
    )


def _rate(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    # NaN fails the comparison too.
    return float(value) if 0 <= value <= 100 else None


def _about(data: Any, name: str) -> Mapping[str, Any]:
    """What is said about one model, which has to name this. Raises KieUnclear."""
    if not isinstance(data, Mapping) or name not in data:
        raise KieUnclear(f"nothing about this model's {name}", raw=said.raw(data))
    return data


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _plain(value: Any, depth: int = MOST_DEPTH) -> Any:
    """A JSON value that every database takes: no control characters, no NaN, not too deep."""
    match value:
        case bool() | None:
            return value
        case str():
            return said.text(value, most=MOST_VALUE)
        case float():
            return value if math.isfinite(value) else None
        case int():
            return value if abs(value) < 10**15 else None
        case Mapping() if depth:
            some = list(value.items())[:MOST_ENTRIES]
            return {said.text(name, most=200): _plain(held, depth - 1) for name, held in some}
        case list() if depth:
            return [_plain(held, depth - 1) for held in value[:MOST_ENTRIES]]
    return None
