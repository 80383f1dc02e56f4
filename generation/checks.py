"""`manage.py check`: every entry of the catalogue works, or is named."""

from typing import Any

from django.core.checks import CheckMessage, Error, register

from generation.catalogue import PROVIDERS


@register
def catalogue_is_whole(**options: Any) -> list[CheckMessage]:
    """Each mode's schema can be used, takes its own defaults, and its prices are about fields."""
    found: list[CheckMessage] = []
    for provider in PROVIDERS.values():
        for mode in provider.modes:
            try:
                mode.check_schema()
            except ValueError as error:
                found.append(Error(f"{provider.key}: {error}", id="generation.E001"))
    return found
