"""`manage.py check`: every entry of the catalogue works, or is named."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from generation.catalogue import PROVIDERS
from generation.forms import names_taken


@register
def catalogue_is_whole(**options: Any) -> list[CheckMessage]:
    """Each mode's schema can be used, takes its own defaults, and names only fields of its own."""
    found: list[CheckMessage] = []
    taken = names_taken()
    for provider in PROVIDERS.values():
        for mode in provider.modes:
            try:
                mode.check_schema()
            except ValueError as error:
                found.append(Error(f"{provider.key}: {error}", id="generation.E001"))
            found += [
                Error(
                    f"{provider.key}: no setting can be called {asked.name}", id="generation.E002"
                )
                for asked in (*mode.settings, *mode.slots)
                if asked.name in taken
            ]
    return found
