"""The end depends on what KIE.AI's record says, not on the order in which we hear of it."""

import itertools
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from django.test import Client
from django.utils.timezone import now
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from gallery.models import Stage, Video
from generation import asking, tasks
from generation.callbacks import callback_url, token_of
from generation.kie.errors import KieRefused, KieUnclear
from generation.kie.snapshot import TaskRequest, TaskSnapshot, TaskState
from generation.polling import poll_due_videos, poll_videos_by_id
from generation.recording import Look, record, record_running

URL = "https://results.kie.example/v/clip.mp4"
# What may differ: when and how often we asked, and what that left in the logs.
OF_NO_MATTER = {
    "created_at",
    "updated_at",
    "completed_at",
    "accepted_at",
    "succeeded_at",
    "next_poll_at",
    "next_archive_at",
    "claimed_until",
    "last_polled_at",
    "poll_count",
    "polls_unanswered",
    # The bar stays where KIE.AI's last figure has put it until the file is here.
    "progress",
    "version",
    "first_version",
    "id",
    "idempotency_key",
}


class Record:
    """KIE.AI in KieClient's place: it knows one task, and what it says of it."""

    def __init__(self, snapshot):
        self.snapshot = snapshot

    def fetch_task(self, task_id, *, family):
        if self.snapshot is None:
            raise KieUnclear("no answer: ReadTimeout")
        if task_id != "task-1":
            raise KieRefused("422 record is null", code=422)
        return self.snapshot


def said(state, word, video, **facts):
    echo = callback_url(video.pk)
    return TaskSnapshot(
        state=state, kie_state=word, request=TaskRequest(call_back_url=echo), **facts
    )


class Facts:
    """Everything that is heard of one video, each as a thing that can happen at any time."""

    def __init__(self, video, ending):
        self.video = video
        self.working = said(TaskState.RUNNING, "generating", video, progress=60)
        self.failed = said(
            TaskState.FAILED, "fail", video, error_code="500", failure="Internal error"
        )
        self.succeeded = said(
            TaskState.SUCCEEDED, "success", video, video_urls=(URL,), credits=Decimal(30)
        )
        self.last = getattr(self, ending)
        # Read before everything else happened, written whenever this process wakes up.
        self.stale = Video.objects.get(pk=video.pk)

    def all(self):
        happenings = [
            lambda: self.poll(self.working),
            lambda: self.poll(None),
            lambda: self.poll(self.last),
            lambda: self.write_late(self.working),
            lambda: self.write_late(self.last),
            lambda: self.call_back("task-1"),
            lambda: self.call_back("task-of-somebody-else"),
            lambda: poll_videos_by_id([self.video.pk], client=Record(self.last)),
        ]
        if self.last is self.succeeded:
            # KIE.AI first called it failed: its record was put right since.
            happenings.append(lambda: self.poll(self.failed))
        return happenings

    def poll(self, snapshot):
        Video.objects.filter(pk=self.video.pk, stage=Stage.RUNNING).update(next_poll_at=now())
        poll_due_videos(client=Record(snapshot))

    def write_late(self, snapshot):
        if self.stale.task_id and not record(self.stale, snapshot):
            record_running([Look(self.stale, snapshot)], since=now())

    def call_back(self, task_id):
        body = {"data": {"taskId": task_id, "state": "success"}}
        path = f"/webhooks/kie/{token_of(self.video.pk)}/"
        Client().post(path, body, content_type="application/json")

    def settle(self):
        """What the next ticks and an operator's check would do, with KIE.AI at its best."""
        for _ in range(3):
            # KIE.AI delivers again; while another id is being looked into, no second one is noted.
            self.call_back("task-1")
            Video.objects.filter(pk=self.video.pk).exclude(stage=Stage.SETTLED).update(
                next_poll_at=now(), claimed_until=None
            )
            poll_due_videos(client=Record(self.last))
        poll_videos_by_id([self.video.pk], client=Record(self.last))

    def end(self):
        row = Video.objects.filter(pk=self.video.pk).values().get()
        return {name: value for name, value in row.items() if name not in OF_NO_MATTER}


class Inline:
    """In place of threads: what is asked in parallel is asked in turn."""

    def __init__(self, max_workers):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def submit(self, ask, *turn):
        ask(*turn)


NUMBER = 9
orders = st.permutations(range(NUMBER)).flatmap(
    lambda order: st.lists(st.sampled_from(range(NUMBER)), max_size=3).map(
        lambda again: [*order, *again]
    )
)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unconfirmed"])
@pytest.mark.parametrize("ending", ["succeeded", "failed"])
def test_any_order_and_any_number_of_news_end_alike(
    make_video, settings, monkeypatch, ending, is_known
):
    settings.PUBLIC_URL = "https://studio.example.com"
    monkeypatch.setattr(tasks, "nudge", lambda *args, **options: None)
    monkeypatch.setattr(asking, "ThreadPoolExecutor", Inline)
    in_order = end_after(range(NUMBER), make_video, ending=ending, is_known=is_known)

    @EXAMPLES
    @given(order=orders)
    def ends_alike(order):
        assert end_after(order, make_video, ending=ending, is_known=is_known) == in_order

    ends_alike()
    place = Stage.SAVING if ending == "succeeded" else Stage.SETTLED
    assert (in_order["stage"], in_order["task_id"]) == (place, "task-1")


EXAMPLES = hypothesis_settings(
    max_examples=5,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def end_after(order, make_video, *, ending, is_known):
    """How the row looks when this has happened in this order, and then everything is healthy."""
    facts = (
        {"task_id": "task-1"}
        if is_known
        else {"task_id": "", "stage": Stage.UNCONFIRMED, "accepted_at": None}
    )
    with transaction.atomic():
        heard = Facts(make_video(**facts, next_poll_at=now() + timedelta(minutes=4)), ending)
        happenings = heard.all()
        for number in itertools.filterfalse(lambda n: n >= len(happenings), order):
            happenings[number]()
        heard.settle()
        end = heard.end()
        transaction.set_rollback(True)
    return end
