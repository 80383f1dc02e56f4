"""Alive, and able to work: for load balancers and for whoever watches the studio."""

from datetime import timedelta

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from videostudio.celery import app
from videostudio.models import Heartbeat, Outage

# Three ticks of beat, and some breath.
SILENCE = timedelta(seconds=45)


@login_not_required
@require_safe
def alive(request: HttpRequest) -> HttpResponse:
    """200 as long as this process answers at all."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when database, broker and worker all work, else 503; each part says ok or failed."""
    checks = {"database": _database_works(), "broker": _broker_works()}
    checks["worker"] = checks["database"] and not is_worker_silent()
    words = {name: "ok" if works else "failed" for name, works in checks.items()}
    return JsonResponse(words, status=200 if all(checks.values()) else 503)


def is_worker_silent() -> bool:
    """Has no worker looked at the videos for several ticks?"""
    return Heartbeat.objects.silent(Heartbeat.WORKER, longer_than=SILENCE)


def is_kie_away() -> bool:
    """Has KIE.AI as a whole stopped answering?"""
    return Outage.objects.is_ongoing(Outage.KIE)


def _database_works() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _broker_works() -> bool:
    try:
        with app.connection_for_write(connect_timeout=1) as broker:
            broker.ensure_connection(max_retries=1, timeout=1)
    except (OperationalError, OSError):
        return False
    return True
