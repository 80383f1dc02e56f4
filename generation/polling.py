"""One pass over the videos that are due: claim them, ask KIE.AI, write down what it said."""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import batched
from uuid import UUID

from django.db import IntegrityError
from django.db.models import Q
from django.utils.timezone import now

from gallery.models import CLAIM, Stage, Status, Video, VideoQuerySet
from generation import outage
from generation.asking import MOST_AT_ONCE, Answer, Inquiry
from generation.callbacks import names_video
from generation.catalogue import family_of
from generation.kie.budget import sleep_until, status_queries
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieNotSent, KieRefused
from generation.kie.snapshot import TaskSnapshot, TaskState
from generation.recording import (
    GIVE_UP_AFTER,
    Look,
    record,
    record_running,
    record_unreadable,
)
from videostudio.models import User

logger = logging.getLogger(__name__)

# A pass goes on a little longer than a tick: between it and the next one no turn is left unused.
# Answers under way then may take their time, and its claims still outlive it.
PASS = timedelta(seconds=11)
MOST_ADOPTED_AT_ONCE = 20
TURN_WAITS = timedelta(seconds=2)
# KIE.AI asks for a pause without saying how long.
USUAL_PAUSE_SECONDS = 2.0


@dataclass(slots=True)
class PollReport:
    """What came of a pass: how many videos were asked about, and how it stands with them."""

    checked: int = 0
    finished: int = 0
    failed: int = 0
    running: int = 0
    unanswered: int = 0
    # The ids of those that KIE.AI gave no usable answer about, for the operator.
    without_answer: list[UUID] = field(default_factory=list)

    def add(self, other: "PollReport") -> None:
        """Count what came of another pass to this one."""
        self.checked += other.checked
        self.finished += other.finished
        self.failed += other.failed
        self.running += other.running
        self.unanswered += other.unanswered
        self.without_answer += other.without_answer

    def __str__(self) -> str:
        return (
            f"{self.checked} checked, {self.finished} finished, {self.failed} failed, "
            f"{self.running} still running, {self.unanswered} unanswered"
        )


def poll_due_videos(
    *,
    client: KieClient,
    user: User | None = None,
    ids: Collection[UUID] | None = None,
    limit: int | None = None,
    when_finished: Callable[[], None] | None = None,
) -> PollReport:
    """Ask KIE.AI about the videos that are due (of this person alone, or of these, if given).

    `when_finished` is called as soon as some are done, while the pass goes on with the others.
    """
    if not outage.may_ask(client=client):
        return PollReport()
    videos = Video.objects.for_user(user) if user else Video.objects.all()
    if ids is not None:
        videos = videos.filter(pk__in=ids)
    _adopt_offered(videos, client=client)
    return _poll(
        videos.due(now()),
        client=client,
        limit=limit,
        when_finished=when_finished,
    )


def checkable(ids: Collection[UUID]) -> VideoQuerySet:
    """Which of these KIE.AI can be asked about: running ones, and failed ones that have a task."""
    asked = Q(stage=Stage.RUNNING) | Q(status=Status.FAILED)
    return Video.objects.kept().filter(asked, pk__in=ids).exclude(task_id="")


def poll_videos_by_id(ids: Collection[UUID], *, client: KieClient) -> PollReport:
    """Ask about just these, due or not. A failed one is taken back if KIE.AI proves a success."""
    report = PollReport()
    for some in batched(ids, _most_per_pass()):
        checkable(some).make_due()
        for group in (Q(stage=Stage.RUNNING), Q(status=Status.FAILED)):
            report.add(_poll(checkable(some).filter(group), client=client, limit=None))
    return report


def _adopt_offered(videos: VideoQuerySet, *, client: KieClient) -> None:
    """Videos whose creation was never answered get the task a callback has named, if it is theirs.

    The proof is KIE.AI's own record of that task: it echoes the address we gave, and with it our
    token of this video. Whatever else a callback says, anybody could have written.
    """
    offered = videos.offered(now()).claim(most=MOST_ADOPTED_AT_ONCE, until=now() + CLAIM)
    for video in offered:
        turn = status_queries().reserve(1, within=TURN_WAITS)
        if not turn:
            break
        sleep_until(turn[0])
        try:
            family = family_of(video.model, video.family)
            snapshot = client.fetch_task(video.offered_task_id, family=family)
        except KieError as error:
            if isinstance(error, KieRefused) and not error.is_silence:
                video.refuse_offer(why=str(error))
                continue
            # A key that is refused for a while says nothing about this task.
            logger.info("offer_unanswered video=%s: %s", video.pk, error)
        else:
            _adopt(video, snapshot)


def _adopt(video: Video, snapshot: TaskSnapshot) -> None:
    if not names_video(snapshot.request.call_back_url, video.pk):
        video.refuse_offer(why="its record does not name this video")
        return
    try:
        video.mark_accepted(task_id=video.offered_task_id)
    except IntegrityError:
        video.refuse_offer(why="another video has it")


def _poll(
    due: VideoQuerySet,
    *,
    client: KieClient,
    limit: int | None,
    when_finished: Callable[[], None] | None = None,
) -> PollReport:
    at = now()
    most = min(limit or MOST_AT_ONCE, _most_per_pass())
    claimed: list[UUID] = []

    def claim(few: int) -> list[Video]:
        # Each once in a pass, also where they are asked about whether they are due or not.
        rest = due.exclude(pk__in=claimed) if claimed else due
        videos = rest.claim(
            most=min(few, most - len(claimed)), until=now() + CLAIM, by="claimed_until"
        )
        claimed.extend(video.pk for video in videos)
        return videos

    report = PollReport()
    inquiry = Inquiry(claim, client=client, until=at + PASS)
    looks: list[Look] = []
    told = 0
    for answer in inquiry:
        if answer is not None:
            report.checked += 1
            _sort_in(answer, looks=looks, report=report)
            continue
        record_running(looks, since=at)
        looks.clear()
        if when_finished and report.finished > told:
            told = report.finished
            when_finished()
    record_running(looks, since=at)
    _put_back(inquiry.unasked)
    if report.checked:
        logger.info("videos_polled %s", report)
    if report.checked and inquiry.silences >= min(report.checked, outage.SUSPICIOUS):
        outage.is_away(client=client)
    if when_finished and report.finished > told:
        when_finished()
    return report


def _most_per_pass() -> int:
    rate = status_queries().rate
    return MOST_AT_ONCE if rate is None else round(rate[0] / rate[1] * PASS.total_seconds()) or 1


def _put_back(videos: Collection[Video]) -> None:
    """There was no time for these: they are for whoever comes next."""
    if videos:
        rows = Video.objects.filter(pk__in=[video.pk for video in videos])
        rows.update(claimed_until=None)


def _sort_in(answer: Answer, *, looks: list[Look], report: PollReport) -> None:
    video, said = answer
    if isinstance(said, KieError):
        report.unanswered += 1
        report.without_answer.append(video.pk)
        logger.info("task_unanswered video=%s task=%s: %s", video.pk, video.task_id, said)
        if isinstance(said, KieNotSent) and said.code and not said.is_silence:
            status_queries().pause(said.retry_after or USUAL_PAUSE_SECONDS)
        record_unreadable(video, said)
        # One wrong answer never fails a video.
        if _goes_on(video, report=report):
            looks.append(Look(video, None))
        return
    if record(video, said):
        report.finished += video.stage == Stage.SAVING
        report.failed += video.status == Status.FAILED
    elif said.state is TaskState.FAILED:
        video.stop_looking()
    elif _goes_on(video, report=report):
        report.running += video.is_processing
        looks.append(Look(video, said))


def _goes_on(video: Video, *, report: PollReport) -> bool:
    """Is there anything more to come? After two weeks nothing will."""
    if video.next_poll_at is None:
        return False
    if not video.accepted_at or video.accepted_at > now() - GIVE_UP_AFTER:
        return True
    report.failed += video.mark_failed(failure="lost")
    video.stop_looking()
    return False
