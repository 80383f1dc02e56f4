"""One pass over the videos that are due: claim them, ask KIE.AI, write down what it said."""

import logging
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched
from queue import Empty, SimpleQueue
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError
from django.db.models import Q
from django.utils.timezone import now

from gallery.models import CLAIM, Stage, Status, Video, VideoQuerySet
from generation.callbacks import names_video
from generation.catalogue import family_of
from generation.kie.budget import sleep_until, status_queries
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieNotSent, KieRefused, KieUnclear
from generation.kie.snapshot import TaskSnapshot
from generation.recording import GIVE_UP_AFTER, record, record_running, record_unreadable
from videostudio.models import User

logger = logging.getLogger(__name__)

# A pass asks no longer than this into the future; what does not fit is due again in the next.
HORIZON = timedelta(seconds=8)
# Without a budget of ours a pass takes at most so many videos at once.
MOST_AT_ONCE = 1000
# What has been learned is written at the latest after this long, however slow the rest is.
FLUSH_SECONDS = 1.0
MOST_ADOPTED_AT_ONCE = 20
# KIE.AI asks for a pause without saying how long.
USUAL_PAUSE_SECONDS = 2.0

type Answer = tuple[Video, TaskSnapshot | KieError]


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
    *, client: KieClient, user: User | None = None, limit: int | None = None
) -> PollReport:
    """Ask KIE.AI about the videos that are due (of this person alone, if given)."""
    _adopt_offered(client=client)
    due = Video.objects.due(now())
    return _poll(due.for_user(user) if user else due, client=client, limit=limit)


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


def _adopt_offered(*, client: KieClient) -> None:
    """Videos whose creation was never answered get the task a callback has named, if it is theirs.

    The proof is KIE.AI's own record of that task: it echoes the address we gave, and with it our
    token of this video. Whatever else a callback says, anybody could have written.
    """
    videos = Video.objects.offered(now()).claim(most=MOST_ADOPTED_AT_ONCE, until=now() + CLAIM)
    turns = status_queries().reserve(len(videos), within=HORIZON) if videos else []
    for video, moment in zip(videos, turns, strict=False):
        sleep_until(moment)
        try:
            family = family_of(video.model)
            snapshot = client.fetch_task(video.offered_task_id, family=family)
        except KieRefused as error:
            video.refuse_offer(why=str(error))
        except KieError as error:
            logger.info("offer_unanswered video=%s: %s", video.pk, error)
        else:
            _adopt(video, snapshot)


def _adopt(video: Video, snapshot: TaskSnapshot) -> None:
    if not names_video(snapshot.call_back_url, video.pk):
        video.refuse_offer(why="its record does not name this video")
        return
    try:
        video.mark_accepted(task_id=video.offered_task_id)
    except IntegrityError:
        video.refuse_offer(why="another video has it")


def _poll(due: VideoQuerySet, *, client: KieClient, limit: int | None) -> PollReport:
    at = now()
    most = min(limit or MOST_AT_ONCE, _most_per_pass())
    videos = due.claim(most=most, until=at + CLAIM, by="claimed_until")
    turns = status_queries().reserve(len(videos), within=HORIZON) if videos else []
    _put_back(videos[len(turns) :])
    report = PollReport()
    running: list[tuple[Video, TaskSnapshot | None]] = []
    for answer in _answers(list(zip(videos, turns, strict=False)), client=client):
        if answer is None:
            _write_running(running)
            continue
        report.checked += 1
        _sort_in(answer, running=running, report=report)
    _write_running(running)
    if report.checked:
        logger.info("videos_polled %s", report)
    return report


def _most_per_pass() -> int:
    rate = status_queries().rate
    return MOST_AT_ONCE if rate is None else round(rate[0] / rate[1] * HORIZON.total_seconds()) or 1


def _put_back(videos: list[Video]) -> None:
    """The budget is spent: these are for whoever has budget next."""
    if videos:
        rows = Video.objects.filter(pk__in=[video.pk for video in videos])
        rows.update(claimed_until=None)


def _answers(turns: list[tuple[Video, datetime]], *, client: KieClient) -> Iterator[Answer | None]:
    """KIE.AI's answers as they come; None when none has come for a while.

    The threads only ask. Everything is written by the thread that iterates, over one connection.
    """
    answers: SimpleQueue[Answer] = SimpleQueue()

    def ask(turn: tuple[Video, datetime]) -> None:
        video, moment = turn
        sleep_until(moment)
        answers.put((video, _ask(video, client=client)))

    with ThreadPoolExecutor(max_workers=settings.KIE_STATUS_CONNECTIONS) as threads:
        for turn in turns:
            threads.submit(ask, turn)
        left = len(turns)
        while left:
            try:
                yield answers.get(timeout=FLUSH_SECONDS)
                left -= 1
            except Empty:
                yield None


def _ask(video: Video, *, client: KieClient) -> TaskSnapshot | KieError:
    try:
        return client.fetch_task(video.task_id, family=family_of(video.model))
    except KieError as error:
        return error
    # One video whose answer breaks us must not stop the pass for the others.
    except Exception as error:
        logger.exception("task_unreadable video=%s task=%s", video.pk, video.task_id)
        return KieUnclear(f"unreadable: {type(error).__name__}")


def _sort_in(
    answer: Answer,
    *,
    running: list[tuple[Video, TaskSnapshot | None]],
    report: PollReport,
) -> None:
    video, said = answer
    if isinstance(said, KieError):
        report.unanswered += 1
        report.without_answer.append(video.pk)
        logger.info("task_unanswered video=%s task=%s: %s", video.pk, video.task_id, said)
        if isinstance(said, KieNotSent) and said.code:
            status_queries().pause(said.retry_after or USUAL_PAUSE_SECONDS)
        record_unreadable(video, said)
        # One wrong answer never fails a video.
        if video.is_processing and not _give_up(video, report=report):
            running.append((video, None))
        return
    if record(video, said):
        report.finished += video.stage == Stage.SAVING
        report.failed += video.status == Status.FAILED
    elif video.is_processing and not _give_up(video, report=report):
        report.running += 1
        running.append((video, said))


def _give_up(video: Video, *, report: PollReport) -> bool:
    """After two weeks nothing will come any more."""
    if not video.accepted_at or video.accepted_at > now() - GIVE_UP_AFTER:
        return False
    report.failed += video.mark_failed(failure="lost")
    return True


def _write_running(running: list[tuple[Video, TaskSnapshot | None]]) -> None:
    record_running(running, at=now())
    running.clear()
