"""record(): the one door through which KIE.AI's word enters a video."""

import logging
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import exp, log
from typing import Any

from django.db import transaction
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Greatest
from django.utils.timezone import now

from gallery.failures import recognise
from gallery.models import KEPT_BY_KIE_FOR, RAW_ANSWER, Stage, Status, Video
from generation.kie.errors import KieError
from generation.kie.families import FAMILIES
from generation.kie.snapshot import TaskSnapshot, TaskState
from videostudio.models import Heartbeat

logger = logging.getLogger(__name__)

# Until how long after the acceptance a video is asked about how often.
OFTEN, SELDOM = timedelta(seconds=10), timedelta(minutes=5)
SCHEDULE = (
    (timedelta(minutes=2), OFTEN),
    (timedelta(minutes=15), timedelta(seconds=20)),
)
# KIE.AI calls when a task ends: asking only catches the call that was lost.
WITH_CALLBACKS = (
    (timedelta(minutes=2), timedelta(seconds=30)),
    (timedelta(minutes=15), timedelta(minutes=1)),
)
# An address for callbacks proves nothing. One that arrived does, for so long.
CALLBACKS_PROVE_FOR = timedelta(hours=6)
# A video that gets no usable answer waits longer each time, and goes on within a minute after.
LONGEST_WHILE_UNANSWERED = timedelta(seconds=40)
# A tick may come a little early: without this every other one would find nothing.
SLACK = timedelta(seconds=2)
# No record is left to ask for then.
GIVE_UP_AFTER = KEPT_BY_KIE_FOR


def record(video: Video, snapshot: TaskSnapshot, *, at: datetime | None = None) -> bool:
    """Let this word of KIE.AI's count for this video. False when it changed nothing.

    `at`: when it came true, if that was long before we heard of it.
    """
    if snapshot.state is TaskState.SUCCEEDED and snapshot.video_urls:
        first, *others = snapshot.video_urls
        return video.mark_succeeded(
            video_url=first,
            more_urls=others,
            thumbnail_url=snapshot.thumbnail_url,
            kie_state=snapshot.kie_state,
            kie_error_code="",
            kie_message="",
            cost_consumed=snapshot.credits,
            succeeded_at=at or now(),
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


@dataclass(frozen=True, slots=True)
class Look:
    """A question about a running video that was answered. No snapshot: not usably."""

    video: Video
    snapshot: TaskSnapshot | None


# What somebody gave up while KIE.AI worked on is asked about all the same.
STILL_ASKED = Q(stage=Stage.RUNNING) | Q(status=Status.FAILED, next_poll_at__isnull=False)


def record_running(looks: Collection[Look], *, since: datetime) -> None:
    """Note that these were asked about, in a pass that began then, and still run.

    Rows that get the same values share a statement. Unless the state is another one, no card
    changes: it counts its seconds by itself, and a person who looks at it is not disturbed.
    """
    if not looks:
        return
    at = now()
    hears_callbacks = Heartbeat.objects.has_beaten(Heartbeat.CALLBACK, within=CALLBACKS_PROVE_FOR)
    alike: defaultdict[tuple[timedelta, str, int, int], list[Video]] = defaultdict(list)
    for look in looks:
        video, snapshot = look.video, look.snapshot
        unanswered = 0 if snapshot else video.polls_unanswered + 1
        pause = pause_before_next_look(
            video, at=at, unanswered=unanswered, hears_callbacks=hears_callbacks
        )
        kie_state = snapshot.kie_state if snapshot else video.kie_state
        known = snapshot.progress if snapshot else None
        progress = known if known is not None else estimated_progress(video, at=at)
        alike[pause, kie_state, progress, unanswered].append(video)
    for (pause, kie_state, progress, unanswered), group in alike.items():
        rows = Video.objects.filter(STILL_ASKED, pk__in=[video.pk for video in group])
        # The state is a word on the card; the bar moves by itself in the browser.
        changed = [video.pk for video in group if video.kie_state != kie_state]
        with transaction.atomic():
            rows.update(
                # Counted from the pass: a late turn in this one is no reason to miss the next.
                # What KIE.AI has called back about since stays due.
                next_poll_at=Case(
                    When(next_poll_at__gt=since, next_poll_at__lte=at, then=F("next_poll_at")),
                    default=Value(max(since + pause - SLACK, at)),
                ),
                claimed_until=None,
                last_polled_at=at,
                poll_count=F("poll_count") + 1,
                polls_unanswered=unanswered,
                kie_state=kie_state,
                # An answer that was under way for long must not set the bar back.
                progress=Greatest(F("progress"), Value(progress)),
            )
            if changed:
                Video.objects.note_changes(changed)


def pause_before_next_look(
    video: Video, *, at: datetime, unanswered: int = 0, hears_callbacks: bool = False
) -> timedelta:
    """Every tick at first and around the time it usually takes, seldom once it is stuck."""
    if video.is_failed:
        return SELDOM
    age = at - (video.accepted_at or video.created_at)
    schedule = WITH_CALLBACKS if hears_callbacks else SCHEDULE
    pause = next((pause for until, pause in schedule if age < until), SELDOM)
    usual = timedelta(seconds=video.expected_seconds or 0)
    if pause < SELDOM and not hears_callbacks and usual / 2 < age < usual * 2:
        pause = OFTEN
    if family := FAMILIES.get(video.family):
        pause = max(pause, timedelta(seconds=family.asked_every))
    if not unanswered or pause >= LONGEST_WHILE_UNANSWERED:
        return pause
    return min(pause * (1 << min(unanswered, 5)), LONGEST_WHILE_UNANSWERED)


def estimated_progress(video: Video, *, at: datetime) -> int:
    """In percent, from how long this model usually takes: 85 then, never above 95; 0 if unknown."""
    if not video.expected_seconds or not video.accepted_at:
        return 0
    elapsed = max((at - video.accepted_at).total_seconds(), 0)
    # Reaches 85/95 of its ceiling after the usual time, then creeps.
    k = -log(1 - 85 / 95)
    return round(95 * (1 - exp(-k * elapsed / video.expected_seconds)))
