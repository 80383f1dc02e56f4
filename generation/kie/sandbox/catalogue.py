"""The live catalogue as the sandbox plays it. Source: a guide of KIE.AI's own, September 2026."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from generation.kie.sandbox.http import Answer, Question, Refused, envelope
from generation.kie.sandbox.tasks import SandboxTask

MODELS_PATH = "/api/v1/models"
STEP, STEPS = timedelta(minutes=10), 144
# From what share of failures on KIE.AI would call a model disturbed: our own choice.
DISTURBED_FROM = 0.5

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOnOffer:
    """One model of the live catalogue, as it is to be told."""

    model: str
    title: str = ""
    provider: str = ""
    task_types: tuple[str, ...] = ()
    description: str | None = None
    pricing: str | None = None
    openapi: Mapping[str, Any] | None = None


def no_models() -> Iterable[ModelOnOffer]:
    """The catalogue of a sandbox that is given none."""
    return ()


def tell_models(question: Question, *, models: Iterable[ModelOnOffer]) -> Answer:
    """GET /models, with its three filters."""
    types = {word.strip() for word in question.query.get("taskType", "").split(",") if word}
    provider = question.query.get("provider", "").lower()
    words = question.query.get("q", "").lower()
    found = [
        _entry(x)
        for x in models
        if (not types or types & set(x.task_types))
        and provider in {"", x.provider.lower()}
        and words in f"{x.model} {x.title}".lower()
    ]
    return envelope(200, "success", {"total": len(found), "models": found})


def _entry(model: ModelOnOffer) -> Json:
    return {
        "model": model.model,
        "slug": model.model,
        "title": model.title,
        "provider": model.provider,
        "taskType": list(model.task_types),
        "description": model.description,
        "pricingDesc": model.pricing,
    }


def tell_about_one(
    question: Question, *, models: Iterable[ModelOnOffer], tasks: Iterable[SandboxTask]
) -> Answer:
    """GET /models/<id>/schema, /price or /success-rate; the id with its slash as it is."""
    name, _, aspect = question.path.removeprefix(f"{MODELS_PATH}/").rpartition("/")
    model = next((x for x in models if x.model == name), None)
    if model is None or aspect not in ASPECTS:
        raise Refused(404, "Not Found")
    return envelope(200, "success", {"model": name} | ASPECTS[aspect](model, tasks))


def _schema(model: ModelOnOffer, tasks: Iterable[SandboxTask]) -> Json:
    return {"openapi": model.openapi}


def _price(model: ModelOnOffer, tasks: Iterable[SandboxTask]) -> Json:
    return {"pricingDesc": model.pricing}


def _success_rate(model: ModelOnOffer, tasks: Iterable[SandboxTask]) -> Json:
    """How the sandbox's own tasks of this model went, in percent."""
    now = datetime.now(UTC)
    ended = [x for x in tasks if x.model == model.model and x.has_ended_by(now)]
    first = now - STEP * STEPS
    return {"points": [_point(ended, first + STEP * step) for step in range(STEPS)]}


def _point(ended: list[SandboxTask], start: datetime) -> Json:
    end = start + STEP
    here = [x for x in ended if x.completed_at and start <= x.completed_at < end]
    failed = sum(bool(x.failure) for x in here) / len(here) if here else None
    return {
        "start": start.isoformat(),
        "end": end.isoformat(),
        "successRate": None if failed is None else 100 * (1 - failed),
        "errorRate": None if failed is None else 100 * failed,
        "isNormal": failed is None or failed < DISTURBED_FROM,
    }


ASPECTS: Mapping[str, Callable[[ModelOnOffer, Iterable[SandboxTask]], Json]] = {
    "schema": _schema,
    "price": _price,
    "success-rate": _success_rate,
}
