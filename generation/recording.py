"""record(): the one door through which KIE.AI's word enters a video."""

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from math import exp, log
from typing import Any

from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Greatest
from django.utils.timezone import now

from gallery.failures import recognise
from gallery.models import KEPT_BY_KIE_FOR, RAW_ANSWER, Stage, Video
from generation.kie.errors import KieError
from generation.kie.snapshot import TaskSnapshot, TaskState

logger = logging.getLogger(__name__)

# How long after the acceptance, and how often from then on.
SCHEDULE = (
    (timedelta(minutes=2), timedelta(seconds=10)),
    (timedelta(minutes=15), timedelta(seconds=20)),
)
SELDOM = timedelta(minutes=5)
# The answer came a little after the tick that asked: without this every other tick found nothing.
SLACK = timedelta(seconds=2)
# No record is left to ask for then.
GIVE_UP_AFTER = KEPT_BY_KIE_FOR


def record(video: Video, snapshot: TaskSnapshot) -> bool:
    """Let this word of KIE.AI's count for this video. False when it changed nothing."""
    if snapshot.state is TaskState.SUCCEEDED and snapshot.video_urls:
        return video.mark_succeeded(
            video_url=snapshot.video_urls[0],
            thumbnail_url=snapshot.thumbnail_url,
            kie_state=snapshot.kie_state,
            kie_error_code="",
            kie_message="",
            cost_consumed=snapshot.credits,
            **_asked(video),
        )
    if snapshot.state is TaskState.RUNNING:
        return False
    logger.info(
        "task_failed video=%s task=%s code=%s: %s",
        video.pk,
        video.task_id,
        snapshot.error_code,
        snapshot.failure,
    )
    failed = video.mark_failed(
        failure=_failure_in(snapshot),
        kie_state=snapshot.kie_state,
        kie_error_code=snapshot.error_code,
        kie_message=snapshot.failure,
        cost_consumed=snapshot.credits,
        **_asked(video),
    )
    if failed and snapshot.raw:
        video.events.create(what=RAW_ANSWER, detail=snapshot.raw)
    return failed


def _failure_in(snapshot: TaskSnapshot) -> str:
    if snapshot.state is TaskState.SUCCEEDED:
        return "no_result"
    return recognise(code=snapshot.error_code, words=snapshot.failure)


def record_unreadable(video: Video, error: KieError) -> None:
    """Keep for operators what KIE.AI said that nobody understands: each reason once."""
    reason = f"{error}: "
    if error.raw and not video.events.filter(what=RAW_ANSWER, detail__startswith=reason).exists():
        video.events.create(what=RAW_ANSWER, detail=reason + error.raw)


def _asked(video: Video) -> dict[str, Any]:
    return {"last_polled_at": now(), "poll_count": video.poll_count + 1}


def record_running(videos: Iterable[tuple[Video, TaskSnapshot | None]], *, at: datetime) -> None:
    """Note that these were asked about and still run (None: KIE.AI gave no usable answer).

    Rows that get the same values share a statement. Unless the state is another one, no card
    changes: it counts its seconds by itself, and a person who looks at it is not disturbed.
    """
    alike: defaultdict[tuple[timedelta, str, int], list[Video]] = defaultdict(list)
    for video, snapshot in videos:
        pause = pause_before_next_look(video, at=at)
        kie_state = snapshot.kie_state if snapshot else video.kie_state
        known = snapshot.progress if snapshot else None
        progress = known if known is not None else estimated_progress(video, at=at)
        alike[pause, kie_state, progress].append(video)
    for (pause, kie_state, progress), group in alike.items():
        rows = Video.objects.filter(pk__in=[video.pk for video in group], stage=Stage.RUNNING)
        # The state is a word on the card; the bar moves by itself in the browser.
        changed = [video.pk for video in group if video.kie_state != kie_state]
        with transaction.atomic():
            rows.update(
                next_poll_at=at + pause - SLACK,
                claimed_until=None,
                last_polled_at=at,
                poll_count=F("poll_count") + 1,
                kie_state=kie_state,
                # An answer that was under way for long must not set the bar back.
                progress=Greatest(F("progress"), Value(progress)),
            )
            if changed:
                Video.objects.note_changes(changed)


def pause_before_next_look(video: Video, *, at: datetime) -> timedelta:
    """Every tick at first, seldom once it is stuck."""
    age = at - (video.accepted_at or video.created_at)
    return next((pause for until, pause in SCHEDULE if age < until), SELDOM)


def estimated_progress(video: Video, *, at: datetime) -> int:
    """In percent, from how long this model usually takes: 85 then, never above 95; 0 if unknown."""
    if not video.expected_seconds or not video.accepted_at:
        return 0
    elapsed = max((at - video.accepted_at).total_seconds(), 0)
    # Reaches 85/95 of its ceiling after the usual time, then creeps.
    k = -log(1 - 85 / 95)
    return round(95 * (1 - exp(-k * elapsed / video.expected_seconds)))
