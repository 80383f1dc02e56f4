from typing import Any

from django.apps import AppConfig
from django.apps import apps as all_apps
from django.db.models.signals import post_migrate


class GenerationConfig(AppConfig):
    name = "generation"

    def ready(self) -> None:
        """Tell the gallery what the services are called and make, and have every entry checked."""
        from gallery.services import call_services, mark_services
        from generation import checks  # noqa: F401  # registers itself
        from generation.catalogue import PROVIDERS

        call_services({provider.key: provider.label for provider in PROVIDERS.values()})
        mark_services({p.key: p.mark for p in PROVIDERS.values() if p.mark})
        post_migrate.connect(_have_a_stamp, sender=self)


def _have_a_stamp(*, apps: Any = all_apps, **_: Any) -> None:
    """After the first migration, and after whatever empties the tables."""
    from generation.models import OfferStamp

    try:
        apps.get_model("generation", "OfferStamp")
    except LookupError:
        # Back before there was one.
        return
    if OfferStamp.now() is None:
        OfferStamp.renew()
