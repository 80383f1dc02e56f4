"""Who may choose which service, and in which order: the catalogue as the operators offer it."""

from math import inf

from generation.catalogue import Provider, current
from generation.models import Offer
from videostudio.models import User


def offered(user: User) -> list[Provider]:
    """The services that this person may choose now, in the operators' order. One query."""
    closed: set[str] = set()
    places: dict[str, int] = {}
    for key, position, may_choose in Offer.objects.access_of(user):
        if not may_choose:
            closed.add(key)
        elif position is not None:
            places[key] = position
    choices = [provider for provider in current() if provider.key not in closed]
    return sorted(choices, key=lambda provider: places.get(provider.key, inf))
