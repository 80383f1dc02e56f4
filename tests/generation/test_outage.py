"""KIE.AI as a whole does not answer: a few probes, nobody fails, all goes on by itself."""

from datetime import timedelta

import pytest
import requests
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation import outage
from generation.kie.client import KieClient
from generation.polling import poll_due_videos
from generation.submission import send_queued_videos
from tests.conftest import CREATE_TASK, KIE, RECORD_INFO, RESULT, example, says
from videostudio.models import Outage

CREDIT = f"{KIE}/chat/credit"
AWAY = requests.ConnectTimeout("no answer")


def poll():
    return poll_due_videos(client=KieClient.from_settings())


def in_the_next_pause():
    Outage.objects.update(try_again_at=now())
    Video.objects.make_due()


@pytest.fixture
def kie_is_away(kie):
    """Nothing of KIE.AI's answers."""
    kie.get(RECORD_INFO, body=AWAY)
    kie.post(CREATE_TASK, body=AWAY)
    kie.get(CREDIT, body=AWAY)
    return kie


def test_an_outage_costs_a_few_questions_not_one_per_video(make_video, kie_is_away, settings):
    settings.KIE_STATUS_CONNECTIONS = 1
    videos = [make_video() for _ in range(20)]

    first, second = poll(), poll()

    assert first.checked == outage.SUSPICIOUS
    assert second.checked == 0
    assert Video.objects.processing().count() == len(videos)
    assert Outage.objects.is_ongoing(Outage.KIE)


def test_in_an_outage_one_free_question_is_asked_per_pause(make_video, kie_is_away):
    make_video()
    poll()
    asked = len(kie_is_away.calls)

    for _ in range(5):
        poll()
    in_the_next_pause()
    poll()
    poll()

    assert len(kie_is_away.calls) - asked == 1
    assert kie_is_away.calls[-1].request.url == CREDIT


def test_when_kie_is_back_everything_goes_on_at_once(make_video, kie_is_away):
    make_video()
    make_video()
    poll()
    kie_is_away.replace("GET", CREDIT, json=example("credit_ok"))
    kie_is_away.replace("GET", RECORD_INFO, json=says("success", RESULT))
    in_the_next_pause()

    report = poll()

    assert report.finished == 2
    assert not Outage.objects.exists()


def test_one_task_that_nobody_can_read_is_no_outage(make_video, kie):
    make_video()
    kie.get(RECORD_INFO, status=500, body="<html>Internal Server Error</html>")
    kie.get(CREDIT, json=example("credit_ok"))

    poll()

    assert not Outage.objects.exists()


@pytest.mark.parametrize("answer", ["error_unauthorized_401", "error_maintenance_455"])
def test_a_refused_key_and_maintenance_pause_all_and_fail_nobody(make_video, kie, answer):
    make_video()
    kie.get(RECORD_INFO, json=example(answer))
    kie.get(CREDIT, json=example(answer))

    poll()

    assert Outage.objects.is_ongoing(Outage.KIE)
    assert Video.objects.get().status == Status.PROCESSING


def test_a_refusal_is_an_answer_and_no_outage(db, kie, kie_client):
    kie.get(f"{KIE}/chat/credit", json=example("error_insufficient_credits_402"))

    assert not outage.is_away(client=kie_client)

    assert not Outage.objects.exists()


def test_a_rate_limit_is_no_outage(make_video, kie):
    make_video()
    kie.get(RECORD_INFO, json=example("error_rate_limited_429"))

    poll()

    assert not Outage.objects.exists()


def test_the_queue_waits_for_kie_and_is_not_tried_one_by_one(make_video, kie_is_away):
    for _ in range(4):
        make_video(stage=Stage.QUEUED, task_id="", accepted_at=None)

    send_queued_videos(client=KieClient.from_settings())
    send_queued_videos(client=KieClient.from_settings())

    creations = [call for call in kie_is_away.calls if call.request.method == "POST"]
    assert len(creations) == 1
    assert Video.objects.filter(stage=Stage.QUEUED).count() == 4


def test_the_queue_is_sent_when_kie_is_back(make_video, kie_is_away):
    make_video(stage=Stage.QUEUED, task_id="", accepted_at=None)
    send_queued_videos(client=KieClient.from_settings())
    kie_is_away.replace("GET", CREDIT, json=example("credit_ok"))
    kie_is_away.replace("POST", CREATE_TASK, json=example("market_create_ok"))
    in_the_next_pause()
    Video.objects.update(next_poll_at=now())

    send_queued_videos(client=KieClient.from_settings())

    assert Video.objects.get().stage == Stage.RUNNING


def test_a_page_does_not_wait_for_a_kie_that_is_known_to_be_away(alice_client, kie_is_away):
    Outage.objects.begin(Outage.KIE, why="", at=now(), pause=timedelta(seconds=15))
    form = {"prompt": "a red kite", "provider": "kie-hailuo-text2vid"}

    answer = alice_client.post("/generate/", form, follow=True)

    assert "Video generation started!" in answer.content.decode()
    assert Video.objects.get().stage == Stage.QUEUED
    assert len(kie_is_away.calls) == 0


def test_why_it_is_away_is_kept_for_operators(make_video, kie_is_away):
    make_video()

    poll()

    assert Outage.objects.get().why == "connect timeout"
