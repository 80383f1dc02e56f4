"""What services are called on cards. The catalogue tells at start; the gallery only listens."""

import re
from collections.abc import Mapping
from functools import lru_cache

_names: dict[str, str] = {}
_marks: dict[str, str] = {}


def call_services(names: Mapping[str, str]) -> None:
    """From now on the services with these keys are called so."""
    _names.update(names)
    name_of.cache_clear()


def mark_services(marks: Mapping[str, str]) -> None:
    """From now on the videos of the services with these keys are marked so: "Extended", "4K"."""
    _marks.update(marks)


@lru_cache(maxsize=512)
def name_of(provider: str) -> str:
    """What this service is called; one that no catalogue has any more, by its key."""
    if provider in _names:
        return _names[provider]
    words = re.sub(r"(\d)-(?=\d)", r"\1.", provider.removeprefix("kie-"))
    return words.replace("-", " ").title()


def mark_of(provider: str) -> str:
    """What this service makes of earlier videos, in a word; "" for most of them."""
    return _marks.get(provider, "")
