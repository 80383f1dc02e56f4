"""What beat runs and what others nudge: one call each.

A message only says "now": which videos, the database knows. A lost one costs a tick.
"""

import logging
from threading import BoundedSemaphore
from typing import Any
from uuid import UUID

from celery import Task, shared_task
from kombu.exceptions import OperationalError

from generation import archive, balance, submission, sweeping
from generation.kie.client import KieClient
from generation.polling import PollReport, poll_due_videos, poll_videos_by_id
from videostudio.models import Heartbeat

logger = logging.getLogger(__name__)


# Slow uploads and downloads must leave threads of this worker for asking and for saying "alive".
_sending, _archiving = BoundedSemaphore(2), BoundedSemaphore(2)


@shared_task
def send_queued_videos() -> None:
    """Hand over what waits for its turn."""
    if _sending.acquire(blocking=False):
        try:
            if submission.send_queued_videos(client=KieClient.from_settings()):
                nudge_balance()
        finally:
            _sending.release()


@shared_task
def poll_videos() -> None:
    """Every tick. Two at once share the videos between them."""
    Heartbeat.objects.beat(Heartbeat.WORKER)
    archive.complete_with_link()
    _poll()


@shared_task
def poll_nudged_videos(ids: list[str], tries: int = 3) -> None:
    """KIE.AI has called back about these, which proves that its calls arrive."""
    Heartbeat.objects.beat(Heartbeat.CALLBACK)
    report = _poll([UUID(pk) for pk in ids])
    if not report.checked and tries > 1:
        # Somebody was asking about it when the call came: that answer may be older than the call.
        nudge(poll_nudged_videos, ids, tries - 1, seconds=1.0)


def _poll(ids: list[UUID] | None = None) -> PollReport:
    report = poll_due_videos(
        client=KieClient.from_settings(), ids=ids, when_finished=lambda: nudge(archive_videos)
    )
    if report.finished or report.failed:
        nudge_balance()
    return report


@shared_task
def archive_videos() -> None:
    """Bring home what KIE.AI has finished."""
    if _archiving.acquire(blocking=False):
        try:
            archive.archive_due_videos(client=KieClient.from_settings())
        finally:
            _archiving.release()


@shared_task
def check_videos(ids: list[str]) -> None:
    """Ask about just these, also about failed ones that have a task id."""
    report = poll_videos_by_id([UUID(pk) for pk in ids], client=KieClient.from_settings())
    if report.finished:
        nudge(archive_videos)
    if report.finished or report.failed:
        nudge_balance()


@shared_task
def refresh_balance() -> None:
    """Every minute, and after each submission and each video that is done."""
    balance.refresh_balance(client=KieClient.from_settings())


def nudge_balance() -> None:
    """Something has been paid for, or given back: have the balance asked for in a moment."""
    nudge(refresh_balance, seconds=balance.PAUSE.total_seconds())


@shared_task
def sweep_files() -> None:
    """Remove what nobody can reach any more."""
    sweeping.sweep_files()


def nudge(task: Task[..., Any], *args: Any, seconds: float = 0.0) -> None:
    """Have this task run soon, or in so many seconds. When the broker is away, a tick does it."""
    try:
        task.apply_async(args, countdown=seconds) if seconds else task.delay(*args)
    # ValueError: the embedded broker's first start writes a table that we may find half-written.
    except (OperationalError, OSError, ValueError) as error:
        logger.warning("nudge_lost task=%s: %s", task.name, type(error).__name__)
