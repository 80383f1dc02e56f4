from django.apps import AppConfig


class GenerationConfig(AppConfig):
    name = "generation"

    def ready(self) -> None:
        """Tell the gallery what the services are called and make, and have every entry checked."""
        from gallery.services import call_services, mark_services
        from generation import checks  # noqa: F401  # registers itself
        from generation.catalogue import PROVIDERS

        call_services({provider.key: provider.label for provider in PROVIDERS.values()})
        mark_services({p.key: p.mark for p in PROVIDERS.values() if p.mark})
