"""Comparing services: in a dialog above the form; without a script, as a page of its own."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from gallery.models import InputFile, Video
from generation.catalogue import PROVIDERS, PURPOSES, Provider
from generation.forms import KEPT, kept_in
from generation.offers import offered
from generation.prices import Rate
from generation.request import SLOT_WORDS, can_go_on_from
from generation.service_facts import ServiceFacts, service_facts
from videostudio.http import StudioRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One service as the list shows it."""

    provider: Provider
    rate: Rate | None
    facts: ServiceFacts | None
    # Where it is chosen without a script.
    address: str
    # Why it cannot be chosen now; "" when it can.
    why_not: str
    is_chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Tab:
    """All services for one purpose."""

    purpose: str
    words: str
    makers: Mapping[str, Sequence[Row]]
    impossible: Sequence[Row]

    @property
    def count(self) -> int:
        return sum(map(len, self.makers.values())) + len(self.impossible)


@require_safe
def services(request: StudioRequest) -> HttpResponse:
    """Every service this person may choose, with what there is to know before choosing."""
    kept, _ = kept_in(request.GET, user=request.user)
    parent = _parent(request)
    chosen = request.GET.get("provider", "")
    choices, facts = offered(request.user), service_facts()
    handed_on = [(k, v) for k, vs in request.GET.lists() if _stays(k) for v in vs if v]
    rows = [
        Row(
            provider=provider,
            rate=choices.prices.cheapest(provider),
            facts=facts.get(provider.key),
            address=_address(provider, handed_on),
            why_not=why_not(provider, kept=kept, parent=parent),
            is_chosen=provider.key == chosen,
        )
        for provider in choices
    ]
    tabs = list(_tabs(rows))
    context: dict[str, Any] = {
        "tabs": tabs,
        "current": _current(chosen, kept.keys(), tabs),
        "back": f"{reverse('generation:generate')}?{urlencode([('provider', chosen), *handed_on])}",
    }
    name = "_services" if request.htmx.target == "services" else "services"
    return render(request, f"generation/{name}.html", context)


def why_not(
    provider: Provider, *, kept: Mapping[str, Sequence[InputFile]], parent: Video | None
) -> str:
    """Why a form with these files cannot be sent to this service; "" when it can."""
    if provider.continues and not can_go_on_from(parent, provider):
        return "Goes on from an earlier video: open one, and choose this there"
    most = {slot.name: slot.most for slot in provider.slots}
    if foreign := [SLOT_WORDS.get(name, "such file") for name in kept if name not in most]:
        return f"Takes no {' and no '.join(foreign)}"
    if provider.mode_for(kept.keys()) is None:
        words = [SLOT_WORDS.get(name, name) for name in kept]
        return f"Does not take these together: {', '.join(words)}"
    for name, files in kept.items():
        if len(files) > most[name]:
            return f"Takes {most[name]} of your {len(files)} {SLOT_WORDS.get(name, 'files')}"
    return ""


def _tabs(rows: Sequence[Row]) -> Iterator[Tab]:
    for purpose, words in PURPOSES.items():
        mine = [row for row in rows if row.provider.mode_of_type(purpose)]
        makers: dict[str, list[Row]] = {}
        for row in mine:
            if not row.why_not:
                makers.setdefault(row.provider.maker, []).append(row)
        if mine:
            impossible = [row for row in mine if row.why_not]
            yield Tab(purpose=purpose, words=words, makers=makers, impossible=impossible)


def _current(key: str, filled: Collection[str], tabs: Sequence[Tab]) -> str:
    """The purpose to begin with: what the form is about to make."""
    provider = PROVIDERS.get(key)
    mode = provider and (provider.mode_for(filled) or provider.modes[0])
    known = [tab.purpose for tab in tabs]
    if mode and mode.generation_type in known:
        return mode.generation_type
    return next(iter(known), "")


def _address(provider: Provider, handed_on: Sequence[tuple[str, str]]) -> str:
    query = urlencode([("provider", provider.key), *handed_on])
    return f"{reverse('generation:generate')}?{query}"


def _stays(name: str) -> bool:
    return name == "parent" or name.startswith(KEPT)


def _parent(request: StudioRequest) -> Video | None:
    """The video that the form goes on from, if it names one."""
    try:
        pk = UUID(request.GET.get("parent", ""))
    except ValueError:
        return None
    return Video.objects.for_user(request.user).filter(pk=pk).first()
