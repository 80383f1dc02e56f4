"""Who may choose which service, in which order, for what: the catalogue as operators offer it."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Self
from uuid import UUID

from django.conf import settings

from generation.catalogue import Provider, current
from generation.models import AllowedGroup, Offer, OfferStamp
from generation.price_list import PriceList, price_for
from generation.prices import Price
from videostudio.models import User


class Choices(tuple[Provider, ...]):
    """The services that somebody may choose, in the operators' order, and what they cost."""

    prices: PriceList

    @classmethod
    def of(cls, services: list[Provider], *, prices: PriceList) -> Self:
        choices = cls(services)
        choices.prices = prices
        return choices


def offered(user: User) -> Choices:
    """What this person may choose now. One query; one more where services are kept for groups."""
    offers = _offers_now()
    if not offers.groups or user.is_superuser:
        return offers.on
    mine = set(user.groups.values_list("pk", flat=True))
    closed = {key for key, groups in offers.groups.items() if not groups & mine}
    services = [provider for provider in offers.on if provider.key not in closed]
    return Choices.of(services, prices=offers.on.prices)


def cheapest_from_words(choices: Choices) -> tuple[Provider, Price] | None:
    """The one of these that makes a video from words for the least, as it is set at first."""
    priced = [
        (price, provider)
        for provider in choices
        if (mode := provider.mode_of_type("text2vid"))
        if (fields := mode.input_for(prompt="", values=mode.usual_values))
        if (price := price_for(provider, mode, fields, prices=choices.prices))
    ]
    price, provider = min(priced, key=lambda entry: entry[0].usd, default=(None, None))
    return (provider, price) if provider and price else None


@dataclass(frozen=True, slots=True)
class _Offers:
    """All that operators have set, of services by key."""

    # Those that are on, in their order.
    on: Choices
    # Those that are kept for some groups, by the groups' ids.
    groups: Mapping[str, frozenset[int]]

    @classmethod
    def read(cls) -> Self:
        groups: dict[str, frozenset[int]] = {}
        for key, group in AllowedGroup.objects.values_list("offer__provider", "group"):
            groups[key] = groups.get(key, frozenset()) | {group}
        rows = list(Offer.objects.values_list("provider", "is_offered", "position"))
        off = {key for key, is_offered, _ in rows if not is_offered}
        places = {key: place for key, _, place in rows if place is not None}
        services = [provider for provider in current() if provider.key not in off]
        services.sort(key=lambda provider: places.get(provider.key, inf))
        return cls(on=Choices.of(services, prices=PriceList.now()), groups=groups)


# What this process has read, under which stamp, and whether retired services are among it.
_remembered: tuple[UUID | None, bool, _Offers] | None = None


def _offers_now() -> _Offers:
    """Read anew only when an operator has changed something: every form asks for it."""
    global _remembered
    # Before the rows: a change in between leaves an old stamp with new rows, and is read again.
    stamp, remembered = OfferStamp.now(), _remembered
    known_by = (stamp, settings.OFFER_RETIRED_SERVICES)
    if stamp and remembered and remembered[:2] == known_by:
        return remembered[2]
    offers = _Offers.read()
    _remembered = (*known_by, offers)
    return offers
