"""The machine's clock jumps: things may come late, never twice, and nothing settled moves."""

import sys
from datetime import timedelta

import pytest
from django.utils import timezone

from gallery.models import Stage, Status, Video
from generation.archive import archive_due_videos
from generation.kie.client import KieClient
from generation.polling import poll_due_videos
from generation.submission import send_queued_videos
from tests.generation.test_submission import submit

FORWARD, BACK = timedelta(minutes=10), timedelta(minutes=-10)


class Clock:
    """The clock that all of the studio reads; `jump` sets it wrong."""

    def __init__(self):
        self.offset = timedelta()
        self._true = timezone.now

    def __call__(self):
        return self._true() + self.offset

    def jump(self, by):
        self.offset += by


@pytest.fixture
def clock(monkeypatch):
    clock, true = Clock(), timezone.now
    rooms = ("gallery.", "generation.", "videostudio.")
    for name, module in list(sys.modules.items()):
        if name.startswith(rooms) and getattr(module, "now", None) is true:
            monkeypatch.setattr(module, "now", clock)
    return clock


def a_tick():
    client = KieClient.from_settings()
    send_queued_videos(client=client)
    poll_due_videos(client=client)
    archive_due_videos(client=client)


def test_the_clock_is_really_another_one(clock, alice, kie):
    clock.jump(FORWARD)

    video = submit(alice)

    assert video.next_poll_at - timezone.now() > timedelta(minutes=9)


@pytest.mark.parametrize("jump", [FORWARD, BACK], ids=["forward", "back"])
def test_a_video_that_waits_for_kie_survives_a_jump(clock, kie, alice, jump):
    video = submit(alice)
    clock.jump(jump)

    a_tick()
    # Back: what was due in a few seconds is due ten minutes later by the clock on the wall.
    clock.jump(max(-jump, timedelta()) + timedelta(minutes=6))
    a_tick()

    video.refresh_from_db()
    assert (video.status, len(kie.tasks())) == (Status.COMPLETED, 1)


def test_a_jump_while_the_creation_is_on_the_wire_sends_it_no_second_time(clock, kie, alice):
    video = submit(alice)
    Video.objects.filter(pk=video.pk).update(stage=Stage.SUBMITTING, task_id="", accepted_at=None)
    clock.jump(FORWARD)

    a_tick()
    clock.jump(2 * BACK)
    a_tick()

    video.refresh_from_db()
    assert (video.stage, len(kie.tasks())) == (Stage.UNCONFIRMED, 1)


@pytest.mark.parametrize("jump", [FORWARD, BACK, timedelta(days=20), timedelta(days=-20)], ids=str)
def test_what_is_settled_stays_so(clock, make_completed, make_failed, kie, jump):
    make_completed()
    make_failed()
    before = list(Video.objects.order_by("pk").values())
    clock.jump(jump)

    a_tick()

    assert list(Video.objects.order_by("pk").values()) == before


@pytest.mark.parametrize("jump", [FORWARD, BACK, timedelta(days=-400)], ids=str)
def test_everything_goes_on_at_once_after_a_jump(clock, kie, make_video, alice, settings, jump):
    settings.KIE_STATUS_RATE, settings.KIE_CREATE_RATE = (10, 1.0), (18, 10.0)
    waiting = make_video()
    a_tick()
    clock.jump(jump)
    later = make_video()
    sent = submit(alice)

    a_tick()

    asked = {seen.task_id for seen in kie.requests_seen() if seen.method == "GET"}
    sent.refresh_from_db()
    assert {waiting.task_id, later.task_id} <= asked
    assert sent.task_id


def test_a_small_step_back_makes_it_late_by_no_more_than_that(clock, kie, make_video):
    video = make_video()
    clock.jump(timedelta(minutes=-3))

    a_tick()
    clock.jump(timedelta(minutes=3))
    a_tick()

    assert [seen.task_id for seen in kie.requests_seen()] == [video.task_id]
