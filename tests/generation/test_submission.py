"""From a request to a task of KIE.AI."""

import json
from datetime import timedelta
from threading import Thread
from types import SimpleNamespace
from uuid import uuid4

import pytest
import requests
import responses
import urllib3
from django.core.files.storage import default_storage
from django.db import connection
from django.db.models import Q
from django.db.models.signals import post_save
from django.utils.timezone import now

from gallery.models import InputFile, Stage, Status, Video, VideoEvent
from generation import submission
from generation.catalogue import PROVIDERS
from generation.kie.budget import creations
from generation.kie.client import KieClient
from generation.kie.errors import KieRefused
from generation.request import GenerationRequest
from generation.submission import (
    KeyUsedForAnother,
    VideoRefused,
    send_queued_videos,
    send_video,
    submit_video,
)
from tests.conftest import CREATE_TASK, UPLOAD, VEO_GENERATE, example, kept_input

ACCEPTED = {"code": 200, "msg": "success", "data": {"taskId": "task-1"}}
NEVER_CONNECTED = requests.ConnectionError(
    urllib3.exceptions.MaxRetryError(
        None, "/", urllib3.exceptions.NewConnectionError(None, "refused")
    )
)


def a_request(prompt="a red kite", *, provider="kie-hailuo-text2vid", picture=None, **values):
    chosen = PROVIDERS[provider]
    files = {"image": [picture]} if picture else {}
    mode = chosen.mode_for(files)
    defaults = {s.name: s.default for s in mode.settings if s.default is not None}
    return GenerationRequest.checked(
        provider=chosen, prompt=prompt, values=defaults | values, files=files
    )


def submit(user, request=None, **options):
    return submit_video(
        user=user, request=request or a_request(), client=KieClient.from_settings(), **options
    )


def send_queued():
    return send_queued_videos(client=KieClient.from_settings())


def calls_to(kie, url):
    return [call for call in kie.calls if call.request.url == url]


def test_an_accepted_video_is_running_and_due_at_once(alice, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)

    video = submit(alice)

    video.refresh_from_db()
    assert (video.status, video.stage, video.task_id) == ("processing", "running", "task-1")
    assert video.next_poll_at <= now()
    assert video.cost_estimated == 30
    assert (video.duration, video.parameters["duration"]) == (6, "6")


def test_the_row_is_committed_before_kie_is_called(transactional_db, alice, kie):
    seen = []

    def look(request):
        seen.extend(Video.objects.values_list("stage", flat=True))
        assert not connection.in_atomic_block
        return 200, {}, json.dumps(ACCEPTED)

    kie.add_callback(responses.POST, CREATE_TASK, look)

    submit(alice)

    assert seen == ["submitting"]


def test_kie_is_asked_for_just_what_was_chosen(alice, kie):
    kie.post(VEO_GENERATE, json=example("veo_create_ok"))

    submit(alice, a_request(provider="kie-veo3-fast", aspect_ratio="9:16", duration=4))

    sent = json.loads(kie.calls[0].request.body)
    assert sent == {
        "model": "veo3_fast",
        "prompt": "a red kite",
        "generationType": "TEXT_2_VIDEO",
        "aspect_ratio": "9:16",
        "aspectRatio": "9:16",
        "resolution": "720p",
        "duration": 4,
        "enableTranslation": False,
    }


def test_a_refusal_tells_kies_own_words_where_they_help(alice, kie):
    kie.post(CREATE_TASK, json={"code": 418, "msg": "I am a teapot."})

    with pytest.raises(VideoRefused) as refused:
        submit(alice)

    assert refused.value.failure == "refused"
    assert refused.value.user_message == (
        "KIE.AI refused this video. Please try again, or choose another service. "
        "KIE.AI says “I am a teapot” (code 418)."
    )


@pytest.mark.parametrize(
    "name",
    [
        "error_unauthorized_401",
        "error_insufficient_credits_402",
        "error_validation_422",
        "error_subkey_limit_433",
        "error_image_fetch_451",
        "error_feature_disabled_505",
        "error_hidden_validation_500",
        "error_model_paused_500",
    ],
)
def test_a_refusal_keeps_no_row_and_says_why(alice, kie, name):
    kie.post(CREATE_TASK, json=example(name))

    with pytest.raises(KieRefused) as refused:
        submit(alice)

    assert Video.objects.count() == 0
    assert refused.value.user_message.endswith(".")
    assert "test-key" not in str(refused.value)


@pytest.mark.parametrize(
    "answer",
    [
        {"body": NEVER_CONNECTED},
        {"body": requests.ConnectTimeout("slow")},
        {"json": example("error_rate_limited_429")},
        {"json": example("error_maintenance_455")},
    ],
    ids=["refused connection", "connect timeout", "429", "455"],
)
def test_what_never_arrived_waits_and_is_sent_again(alice, kie, answer):
    kie.post(CREATE_TASK, **answer)

    video = submit(alice)

    video.refresh_from_db()
    assert video.stage == Stage.QUEUED
    assert timedelta(seconds=4) < video.next_poll_at - now() < timedelta(minutes=5)

    kie.replace(responses.POST, CREATE_TASK, json=ACCEPTED)
    Video.objects.update(next_poll_at=now())
    send_queued()

    video.refresh_from_db()
    assert (video.stage, video.task_id) == (Stage.RUNNING, "task-1")


@pytest.mark.parametrize(
    "answer",
    [
        {"body": requests.ReadTimeout("slow")},
        {"body": requests.ConnectionError("reset after sending")},
        {"body": "<html>Bad gateway</html>", "status": 502},
        {"json": {"code": 200, "data": {}}},
        {"json": {"code": 200, "data": {"taskId": "../../etc"}}},
        {"body": ""},
    ],
    ids=["read timeout", "reset", "HTML", "no task id", "a task id that is none", "empty"],
)
def test_what_may_have_been_charged_is_never_sent_again(alice, kie, answer):
    kie.post(CREATE_TASK, **answer)

    video = submit(alice)
    Video.objects.update(next_poll_at=now() - timedelta(hours=1))
    send_queued()

    video.refresh_from_db()
    assert (video.status, video.stage) == (Status.PROCESSING, Stage.UNCONFIRMED)
    assert len(kie.calls) == 1
    assert now() < video.next_poll_at <= now() + timedelta(minutes=5)


def test_a_second_click_gets_the_first_video(alice, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    key = uuid4()

    first = submit(alice, idempotency_key=key)
    second = submit(alice, idempotency_key=key)

    assert first.pk == second.pk
    assert len(kie.calls) == 1


def test_a_key_stands_for_one_request_only(alice, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    key = uuid4()
    submit(alice, idempotency_key=key)

    with pytest.raises(KeyUsedForAnother):
        submit(alice, a_request("a blue kite"), idempotency_key=key)

    assert Video.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", [None, uuid4()])
def test_a_file_that_is_taken_away_in_this_moment_is_told_and_makes_nothing(alice, kie, key):
    picture = kept_input(alice)
    request = a_request(provider="kie-hailuo-img2vid", picture=picture, duration="6")
    InputFile.objects.all().delete()

    with pytest.raises(VideoRefused) as refused:
        submit(alice, request, idempotency_key=key)

    assert refused.value.failure == "picture_gone"
    assert not Video.objects.exists()
    assert len(kie.calls) == 0


def test_two_people_may_use_the_same_key(alice, bob, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    kie.post(CREATE_TASK, json={"code": 200, "data": {"taskId": "task-2"}})
    key = uuid4()

    submit(alice, idempotency_key=key)
    submit(bob, idempotency_key=key)

    assert Video.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_many_clicks_at_once_are_charged_once(alice, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    key, videos = uuid4(), []

    def click():
        videos.append(submit(alice, idempotency_key=key).pk)
        connection.close()

    clicks = [Thread(target=click) for _ in range(8)]
    for thread in clicks:
        thread.start()
    for thread in clicks:
        thread.join()

    assert len(set(videos)) == 1
    assert len(videos) == 8
    assert len(kie.calls) == 1


def test_a_refused_click_may_be_tried_again_with_the_same_key(alice, kie):
    kie.post(CREATE_TASK, json=example("error_insufficient_credits_402"))
    kie.post(CREATE_TASK, json=ACCEPTED)
    key = uuid4()
    with pytest.raises(KieRefused):
        submit(alice, idempotency_key=key)

    video = submit(alice, idempotency_key=key)

    assert video.task_id == "task-1"


def test_a_queued_video_that_is_refused_later_says_why_on_its_card(make_video, kie):
    video = make_video(stage=Stage.QUEUED, task_id="", accepted_at=None)
    kie.post(CREATE_TASK, json=example("error_insufficient_credits_402"))

    send_queued()

    video.refresh_from_db()
    assert video.status == Status.FAILED
    assert "balance is too low" in video.error_message
    assert (video.failure, video.kie_error_code) == ("balance", "402")
    assert video.kie_message == "Credits insufficient"


def test_a_video_that_could_not_be_sent_for_a_day_is_given_up_unpaid(make_video, kie):
    day = timedelta(hours=25)
    video = make_video(stage=Stage.QUEUED, task_id="", created_at=now() - day)

    send_queued()

    video.refresh_from_db()
    assert video.status == Status.FAILED
    assert "cost nothing" in video.error_message
    assert len(kie.calls) == 0


def test_who_died_while_sending_leaves_an_unconfirmed_video(make_video, kie):
    video = make_video(stage=Stage.SUBMITTING, task_id="", next_poll_at=now())

    send_queued()

    video.refresh_from_db()
    assert video.stage == Stage.UNCONFIRMED
    assert len(kie.calls) == 0


def test_who_died_before_sending_leaves_a_video_that_is_sent(make_video, kie):
    video = make_video(stage=Stage.QUEUED, task_id="")
    kie.post(CREATE_TASK, json=ACCEPTED)

    send_queued()

    video.refresh_from_db()
    assert video.stage == Stage.RUNNING


def test_what_was_sent_meanwhile_is_not_called_never_sent(make_video, kie):
    for _ in range(2):
        make_video(stage=Stage.QUEUED, task_id="", created_at=now() - timedelta(hours=25))

    def send_the_other(instance, **facts):
        # Somebody else's pass, between the look at the queue and the step.
        others = Video.objects.filter(stage=Stage.QUEUED).exclude(pk=instance.video_id)
        others.update(stage=Stage.RUNNING, task_id="task-meanwhile")

    post_save.connect(send_the_other, sender=VideoEvent)
    try:
        send_queued_videos(client=KieClient.from_settings())
    finally:
        post_save.disconnect(send_the_other, sender=VideoEvent)

    assert sorted(Video.objects.values_list("status", flat=True)) == ["failed", "processing"]


def test_a_deleted_video_is_no_longer_sent(make_video, kie):
    make_video(stage=Stage.QUEUED, task_id="", deleted_at=now())

    assert send_queued() == 0
    assert len(kie.calls) == 0


def test_the_creation_budget_is_kept_and_the_rest_waits(alice, kie, settings):
    settings.KIE_CREATE_RATE = (1, 10.0)
    kie.post(CREATE_TASK, json=ACCEPTED)

    submit(alice)
    second = submit(alice)

    assert second.stage == Stage.QUEUED
    assert len(kie.calls) == 1


def test_who_has_a_turn_later_waits_for_it(make_video, kie, settings, monkeypatch):
    settings.KIE_CREATE_RATE = (10, 9.0)
    kie.post(CREATE_TASK, json=ACCEPTED)
    slept = []
    monkeypatch.setattr("generation.kie.budget.time", SimpleNamespace(sleep=slept.append))
    creations().reserve(1, within=timedelta(0))
    make_video(stage=Stage.QUEUED, task_id="")

    send_queued()

    assert len(kie.calls) == 1
    assert [0 < seconds <= 1 for seconds in slept] == [True]


def test_a_video_given_up_while_it_was_being_sent_keeps_its_task_id(make_video):
    video = make_video(stage=Stage.SUBMITTING, task_id="")
    sender = Video.objects.get(pk=video.pk)
    video.mark_failed(error_message="An operator gave it up.", by="root")

    sender.mark_accepted(task_id="task-99")

    video.refresh_from_db()
    assert (video.status, video.task_id) == (Status.FAILED, "task-99")


def test_a_picture_is_uploaded_and_its_address_sent(alice, kie, tmp_path):
    kie.post(UPLOAD, json=example("upload_ok"))
    kie.post(CREATE_TASK, json=ACCEPTED)

    video = submit(alice, a_request(provider="kie-hailuo-img2vid", picture=kept_input(alice)))

    sent = json.loads(calls_to(kie, CREATE_TASK)[0].request.body)
    assert sent["input"]["image_url"] == (
        "https://tempfile.redpandaai.co/xxx/studio/2026/first-frame.png"
    )
    assert video.generation_type == "img2vid"
    assert video.inputs.get().file


def test_what_takes_long_to_hand_over_is_left_to_the_worker(alice, kie):
    picture = kept_input(alice)
    picture.size = 20 * 1024**2

    video = submit(alice, a_request(provider="kie-veo3-fast", picture=picture))

    video.refresh_from_db()
    assert (video.stage, len(kie.calls)) == (Stage.QUEUED, 0)
    assert video.next_poll_at <= now()


def test_a_video_deleted_while_its_files_are_on_their_way_is_not_sent(alice, sandbox, monkeypatch):
    monkeypatch.setattr(submission, "HELD_AGAIN_AFTER", timedelta(0))
    request = a_request(provider="kie-hailuo-img2vid", picture=kept_input(alice))
    content_for = submission.content_for

    def delete_meanwhile(*given):
        Video.objects.get().mark_deleted()
        return content_for(*given)

    monkeypatch.setattr(submission, "content_for", delete_meanwhile)

    submit(alice, request)

    assert sandbox.tasks() == []
    assert Video.objects.get().stage == Stage.QUEUED


def test_an_upload_that_fails_is_tried_again_later(alice, kie):
    kie.post(UPLOAD, body="<html>Bad gateway</html>", status=502)

    video = submit(alice, a_request(provider="kie-hailuo-img2vid", picture=kept_input(alice)))

    video.refresh_from_db()
    assert video.stage == Stage.QUEUED
    assert calls_to(kie, CREATE_TASK) == []


def test_the_usual_time_is_learned_from_this_models_past(alice, make_completed, kie):
    for seconds in (50, 60, 70):
        done = now()
        make_completed(accepted_at=done - timedelta(seconds=seconds), succeeded_at=done)
    kie.post(CREATE_TASK, json={"code": 200, "data": {"taskId": "task-new"}})

    video = submit(alice)

    assert video.expected_seconds == 60


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (504, {"message": "Endpoint request timed out"}),
        (502, {"error": "bad gateway"}),
        (500, {}),
        (503, {"code": "503"}),
    ],
    ids=str,
)
def test_a_gateways_json_is_no_refusal(alice, kie, status, body):
    kie.post(CREATE_TASK, json=body, status=status)

    assert submit(alice).stage == Stage.UNCONFIRMED


def test_a_video_deleted_while_it_waits_for_its_turn_is_not_sent(make_video, kie):
    video = make_video(stage=Stage.QUEUED, task_id="")
    claimed = Video.objects.get(pk=video.pk)
    video.mark_deleted()

    send_video(claimed, client=KieClient.from_settings(), patience=timedelta(seconds=1))

    assert len(kie.calls) == 0


def test_what_was_sent_in_the_last_moment_is_not_given_up_as_never_sent(make_video):
    video = make_video(stage=Stage.QUEUED, task_id="")
    stale = Video.objects.get(pk=video.pk)
    video.claim_sending(until=now())
    video.mark_accepted(task_id="task-1")

    given_up = stale.mark_failed(error_message="never sent", only=Q(stage=Stage.QUEUED))

    video.refresh_from_db()
    assert (given_up, video.stage) == (False, Stage.RUNNING)


def test_a_proof_that_nothing_was_sent_counts_however_late_it_comes(make_video):
    video = make_video(stage=Stage.SUBMITTING, task_id="")
    sender = Video.objects.get(pk=video.pk)
    video.mark_unconfirmed(why="taken for dead", at=now())

    sender.send_again_at(now(), why="429")

    video.refresh_from_db()
    assert video.stage == Stage.QUEUED


def test_a_picture_that_has_vanished_is_a_refusal_in_words(alice, kie):
    request = a_request(provider="kie-hailuo-img2vid", picture=kept_input(alice))
    default_storage.delete(str(request.files["image"][0].file))

    with pytest.raises(KieRefused) as refused:
        submit(alice, request)

    assert "no longer here" in refused.value.user_message
    assert Video.objects.count() == 0


def test_nothing_more_is_spent_for_an_account_that_was_closed(alice, make_video, kie, kie_client):
    make_video(stage=Stage.QUEUED, task_id="", accepted_at=None)
    alice.is_active = False
    alice.save()

    send_queued_videos(client=kie_client)

    assert len(kie.calls) == 0
    assert Video.objects.get().stage == Stage.QUEUED
