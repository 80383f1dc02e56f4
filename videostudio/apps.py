from pathlib import Path

from django.apps import AppConfig
from django.conf import settings

from videostudio.logs import log_what_nobody_catches


class StudioConfig(AppConfig):
    name = "videostudio"
    verbose_name = "Studio"

    def ready(self) -> None:
        """Make the folders that the embedded default works in; leave nothing unlogged."""
        log_what_nobody_catches()
        options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
        for folder in (options.get("data_folder_in"), options.get("control_folder")):
            if folder:
                Path(folder).mkdir(parents=True, exist_ok=True)
