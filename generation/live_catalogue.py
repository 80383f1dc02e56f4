"""Our catalogue as KIE.AI's live one lists it: a model at a time, with all choices that use it."""

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from generation.catalogue import Mode, Provider
from generation.kie.openapi import united
from generation.price_list import PriceList
from generation.prices import PriceLine

# What the live catalogue calls the models that we ask for at endpoints of their own. Its fields
# for them are createTask's, which are not those that we send.
# Source: KIE.AI's schemas of 7 October 2026
OTHER_NAMES = {
    "veo": "veo-3-1",
    "veo-extend": "veo/extend",
    "veo-1080p": "veo/get-1080p-video",
    "veo-4k": "veo/get-4k-video",
    "runway": "runway",
    "runway-extend": "runway/extend-ai-video",
    "aleph": "runway/gen4-aleph",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModel:
    """One model of KIE.AI's list, as our catalogue has it."""

    name: str
    choices: tuple[tuple[Provider, Mode], ...]

    @property
    def label(self) -> str:
        return self.choices[0][0].label

    @property
    def maker(self) -> str:
        return self.choices[0][0].maker

    @property
    def is_retired(self) -> bool:
        return all(provider.is_retired for provider, _ in self.choices)

    @property
    def is_asked_elsewhere(self) -> bool:
        """Do we ask for it at an endpoint of its own, with other fields than the list has?"""
        return self.choices[0][1].family.name in OTHER_NAMES

    @property
    def input(self) -> dict[str, Any]:
        """A schema of the fields that any of its choices sends."""
        return united([mode.input for _, mode in self.choices])

    @property
    def surcharges(self) -> set[Decimal]:
        """What single files beyond the free ones cost, in dollars."""
        return {mode.surcharge.usd for _, mode in self.choices if mode.surcharge}

    def lines(self, prices: PriceList) -> list[PriceLine]:
        return [line for provider, mode in self.choices for line in prices.lines(provider, mode)]


def listed(providers: Iterable[Provider]) -> list[ListedModel]:
    """The models that these services use, in the catalogue's order."""
    found: dict[str, list[tuple[Provider, Mode]]] = {}
    for provider in providers:
        for mode in provider.modes:
            name = OTHER_NAMES.get(mode.family.name, mode.model)
            found.setdefault(name, []).append((provider, mode))
    return [ListedModel(name=name, choices=tuple(each)) for name, each in found.items()]
