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

from gallery.models import Stage, Video
from generation.failures import sentence_for
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
# KIE.AI keeps a task's record for 14 days.
GIVE_UP_AFTER = timedelta(days=14)
NO_LONGER_KNOWN = (
    "KIE.AI gave no result for this video within 14 days and no longer knows it. "
    "Use the same settings to make it again."
)

NO_RESULT = (
    "KIE.AI reports success but has given no video. Ask whoever runs this studio to check the "
    "task in KIE.AI's own log."
)


def record(video: Video, snapshot: TaskSnapshot) -> bool:
    """Let this word of KIE.AI's count for this video. False when it changed nothing."""
    if snapshot.state is TaskState.SUCCEEDED and snapshot.video_urls:
        first, *others = snapshot.video_urls
        return video.mark_succeeded(
            video_url=first,
            more_urls=others,
            thumbnail_url=snapshot.thumbnail_url,
            kie_state=snapshot.kie_state,
            kie_error_code="",
            cost_consumed=snapshot.credits,
            **_asked(video),
        )
    if snapshot.state is TaskState.RUNNING:
        return False
    why = sentence_for(snapshot) if snapshot.state is TaskState.FAILED else NO_RESULT
    logger.info(
        "task_failed video=%s task=%s code=%s: %s",
        video.pk,
        video.task_id,
        snapshot.error_code,
        snapshot.failure,
    )
    return video.mark_failed(
        error_message=why,
        kie_state=snapshot.kie_state,
        kie_error_code=snapshot.error_code,
        cost_consumed=snapshot.credits,
        **_asked(video),
    )


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
