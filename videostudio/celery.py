"""The Celery application: `celery -A videostudio worker --beat`."""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_ready
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videostudio.settings")
TRANSPORT_ALIASES["embedded"] = "videostudio.broker:Transport"

app = Celery("videostudio")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@setup_logging.connect
def _log_like_every_other_process(**kwargs: Any) -> None:
    """Celery then adds no handler of its own. What is printed in a worker becomes a log line."""
    app.log.redirect_stdouts("WARNING")  # type: ignore[arg-type]  # by name, as Celery does


@worker_init.connect
def _share_memory_with_beat(**kwargs: Any) -> None:
    """Beat is a fork of the worker. What the collector leaves alone, both keep in one copy."""
    gc.collect()
    gc.freeze()


@worker_ready.connect
def _first_sign_of_life(**kwargs: Any) -> None:
    """A worker that has just started is alive, before its first tick says so."""
    from videostudio.models import Heartbeat

    Heartbeat.objects.beat(Heartbeat.WORKER)
