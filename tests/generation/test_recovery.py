"""What was paid for and has no video here comes home by the id of its task."""

import json
from datetime import timedelta
from io import StringIO

import pytest
import requests
from django.core.management import CommandError, call_command
from django.urls import reverse
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation.archive import archive_due_videos
from generation.callbacks import callback_url
from generation.kie.client import KieClient
from generation.polling import poll_due_videos
from generation.recovery import NotRecovered, attach_task, ids_in, recover_task
from generation.submission import submit_video
from tests.conftest import KIE, RECORD_INFO, RESULT, VEO_RECORD, example, says
from tests.generation.test_whole_way import a_request

GONE = example("market_record_not_found_422")
VEO_GONE = example("veo_record_expired_422")
RUNWAY_RECORD, ALEPH_RECORD = f"{KIE}/runway/record-detail", f"{KIE}/aleph/record-info"


def recover(task_id, user):
    return recover_task(task_id, user=user, client=KieClient.from_settings())


def attach(video, task_id):
    attach_task(video, task_id, client=KieClient.from_settings(), by="alice")


def record_of(model="hailuo/02-text-to-video-standard", *, call_back_url="", **fields):
    """A finished market record of a request with these fields."""
    echo = {"model": model, "input": {"prompt": "a red kite"} | fields}
    if call_back_url:
        echo["callBackUrl"] = call_back_url
    return says("success", RESULT, model=model, param=json.dumps(echo))


def answers(kie, **families):
    """Every place of KIE.AI's answers: as given, and else that it knows no such task."""
    for family, url in (
        ("market", RECORD_INFO),
        ("veo", VEO_RECORD),
        ("runway", RUNWAY_RECORD),
        ("aleph", ALEPH_RECORD),
    ):
        kie.get(url, json=families.get(family, VEO_GONE if family == "veo" else GONE))


@pytest.fixture
def unconfirmed(make_video):
    """A video of alice's whose creation was never answered."""
    return make_video(stage=Stage.UNCONFIRMED, task_id="", accepted_at=None)


def test_a_task_made_elsewhere_becomes_a_normal_video(alice, kie):
    kie.get(RECORD_INFO, json=record_of(duration="10", prompt_optimizer=True))

    found = recover("task-elsewhere", alice)

    video = Video.objects.get()
    assert found.is_new
    assert (video.user, video.task_id, video.prompt) == (alice, "task-elsewhere", "a red kite")
    assert (video.provider, video.duration) == ("kie-hailuo-text2vid", 10)
    assert video.parameters == {"duration": "10", "improve_prompt": True}
    assert (video.stage, video.video_url) == (Stage.SAVING, RESULT)
    assert video.next_archive_at <= now()


def test_a_veo_task_is_found_in_its_own_family(alice, kie):
    kie.get(VEO_RECORD, json=example("veo_record_success"))

    recover("veo_task_abcdef123456", alice)

    video = Video.objects.get()
    assert (video.provider, video.family) == ("kie-veo3-fast", "veo")
    assert (video.parameters["duration"], video.parameters["aspect_ratio"]) == (8, "16:9")
    assert video.created_at.isoformat() == "2026-09-21T13:20:00+00:00"
    assert video.succeeded_at - video.accepted_at == timedelta(minutes=3, seconds=10)


def of_tomorrow(record):
    """The same record of a model that no catalogue has yet."""
    return json.loads(json.dumps(record).replace("kling-2.6/", "kling-9.9/"))


def test_a_model_we_do_not_offer_comes_home_all_the_same(alice, kie):
    kie.get(RECORD_INFO, json=of_tomorrow(example("market_record_success")))
    kie.get(VEO_RECORD, json=VEO_GONE)

    recover("task_kling-2.6_1765182425861", alice)

    video = Video.objects.get()
    assert (video.model, video.provider) == (
        "kling-9.9/text-to-video",
        "kie-kling-9-9-text-to-video",
    )
    assert video.parameters == {"sound": False, "aspect_ratio": "16:9", "duration": "5"}


def test_a_running_task_of_a_model_we_do_not_offer_is_asked_about_like_every_other(alice, kie):
    record = of_tomorrow(example("market_record_generating"))
    kie.get(RECORD_INFO, json=record)
    recover("task_kling-2.6_1765182425861", alice)
    kie.replace("GET", RECORD_INFO, json=of_tomorrow(example("market_record_success")))
    Video.objects.make_due()

    report = poll_due_videos(client=KieClient.from_settings())

    assert report.finished == 1


def veo_record_of(**asked):
    """A finished Veo record of a request with these fields."""
    record = example("veo_record_success")
    return record | {"data": record["data"] | {"paramJson": json.dumps(asked)}}


def runway_record_of(**facts):
    record = example("runway_record_success")
    return record | {"data": record["data"] | facts}


@pytest.mark.parametrize(
    ("answered", "family", "model", "prompt"),
    [
        ({"veo": example("veo_record_success")}, "veo", "veo3_fast", "A red paper boat"),
        (
            {"veo": veo_record_of(taskId="veo_1", prompt="On it drifts", model="fast")},
            "veo-extend",
            "fast",
            "On it drifts",
        ),
        ({"veo": veo_record_of(taskId="veo_1", index=0)}, "veo-4k", "veo-get-4k", ""),
        ({"veo": veo_record_of()}, "veo", "unknown", ""),
        ({"runway": runway_record_of()}, "runway", "runway", "A fox trots"),
        (
            {"runway": runway_record_of(parentTaskId="ee60")},
            "runway-extend",
            "runway-extend",
            "A fox trots",
        ),
        ({"aleph": example("aleph_record_success")}, "aleph", "aleph", "Turn the street"),
    ],
    ids=["Veo", "Veo on", "Veo in 4K", "no echo", "Runway", "Runway on", "Aleph"],
)
def test_a_task_of_each_family_comes_home_as_what_it_is(
    alice, kie, answered, family, model, prompt
):
    answers(kie, **answered)

    recover("ee603959-debb-48d1-98c4-a6d1c717eba6", alice)

    video = Video.objects.get()
    assert (video.family, video.model) == (family, model)
    assert video.prompt.startswith(prompt)
    assert (video.stage, bool(video.video_url)) == (Stage.SAVING, True)


PICTURE, CLIP = "https://files.example/a.png", "https://files.example/a.mp4"


@pytest.mark.parametrize(
    ("model", "fields", "service", "credits"),
    [
        (
            "minimax-h3/reference-to-video",
            {"reference_image_urls": [PICTURE] * 9, "duration": 5, "resolution": "768P"},
            "kie-minimax-h3-ref2vid",
            112,
        ),
        ("bytedance/seedance-2", {"first_frame_url": PICTURE}, "kie-seedance-2-0-img2vid", 205),
        # How long the clip is, and with it the price, nobody knows here.
        (
            "bytedance/seedance-2",
            {"reference_video_urls": [CLIP]},
            "kie-seedance-2-0-ref2vid",
            None,
        ),
    ],
)
def test_a_task_made_from_files_comes_home_as_what_it_is_with_its_own_price(
    alice, kie, model, fields, service, credits
):
    kie.get(RECORD_INFO, json=record_of(model, **fields))

    recover("task-elsewhere", alice)

    video = Video.objects.get()
    assert video.provider == service
    assert video.cost_estimated == credits


def test_each_place_is_asked_once_and_the_likeliest_first(alice, kie):
    answers(kie)

    with pytest.raises(NotRecovered):
        recover("veo_task_abcdef123456", alice)

    asked = [call.request.url.partition("?")[0] for call in kie.calls]
    assert asked == [VEO_RECORD, RECORD_INFO, RUNWAY_RECORD, ALEPH_RECORD]


def test_nobody_makes_a_1080p_version_by_looking_for_one(alice, kie):
    answers(kie)

    with pytest.raises(NotRecovered, match="knows no such task"):
        recover("1080p:0:0123abcd:veo_task_abcdef123456", alice)

    assert not any("1080p-video" in call.request.url for call in kie.calls)


def test_a_lost_runway_creation_gets_its_task(alice, make_video, kie):
    lost = make_video(
        stage=Stage.UNCONFIRMED,
        task_id="",
        accepted_at=None,
        provider="kie-runway",
        model="runway",
        family="runway",
        prompt="A fox trots across snow",
    )
    answers(kie, runway=runway_record_of())

    found = recover("ee603959-debb-48d1-98c4-a6d1c717eba6", alice)

    assert (found.video, found.is_new) == (lost, False)


def test_a_task_without_words_fills_no_gap(alice, make_video, kie):
    lost = make_video(
        stage=Stage.UNCONFIRMED,
        task_id="",
        accepted_at=None,
        model="veo-get-4k",
        family="veo-4k",
        prompt="",
    )
    answers(kie, veo=veo_record_of(taskId="veo_1"))

    found = recover("veo_4k_task", alice)

    assert found.is_new
    assert found.video != lost


def test_a_failed_task_comes_home_with_its_reason(alice, kie):
    kie.get(RECORD_INFO, json=example("market_record_fail"))

    recover("task-failed", alice)

    assert Video.objects.get().status == Status.FAILED


def test_the_same_id_twice_is_the_same_video(alice, kie):
    kie.get(RECORD_INFO, json=record_of())

    first, second = recover("task-1", alice), recover("task-1", alice)

    assert (first.is_new, second.is_new) == (True, False)
    assert first.video == second.video


def test_what_its_owner_has_deleted_is_brought_back(alice, make_video, kie):
    video = make_video(task_id="task-1")
    video.mark_deleted()

    recover("task-1", alice)

    video.refresh_from_db()
    assert video.deleted_at is None


def test_a_task_nobody_knows_is_said_in_a_sentence(alice, kie):
    answers(kie)

    with pytest.raises(NotRecovered, match="knows no such task of yours"):
        recover("task-unknown", alice)

    assert not Video.objects.exists()


def test_a_kie_that_is_away_is_not_taken_for_an_unknown_task(alice, kie):
    kie.get(RECORD_INFO, body=requests.ConnectTimeout("no answer"))
    kie.get(VEO_RECORD, json=VEO_GONE)

    with pytest.raises(NotRecovered, match="try again in a minute"):
        recover("task-1", alice)


@pytest.mark.parametrize("text", ["", "two words", "<script>", "x" * 200, "ü"])
def test_nonsense_is_not_asked_about(alice, kie, text):
    with pytest.raises(NotRecovered, match="not a task id"):
        recover(text, alice)

    assert len(kie.calls) == 0


def test_somebody_elses_video_is_as_unknown_as_none(alice, bob, make_video, kie):
    make_video(user=bob, task_id="task-of-bob")
    answers(kie)

    with pytest.raises(NotRecovered) as of_bob:
        recover("task-of-bob", alice)
    with pytest.raises(NotRecovered) as of_nobody:
        recover("task-of-nobody", alice)

    assert str(of_bob.value) == str(of_nobody.value)


def test_a_task_that_names_somebody_elses_video_is_not_given_away(
    alice, bob, make_video, kie, settings
):
    settings.PUBLIC_URL = "https://studio.example.com"
    lost = make_video(user=bob, stage=Stage.UNCONFIRMED, task_id="", accepted_at=None)
    kie.get(RECORD_INFO, json=record_of(call_back_url=callback_url(lost.pk)))

    with pytest.raises(NotRecovered, match="no such task of yours"):
        recover("task-1", alice)

    assert Video.objects.count() == 1


def test_a_task_that_names_our_own_video_becomes_that_video(alice, unconfirmed, kie, settings):
    settings.PUBLIC_URL = "https://studio.example.com"
    kie.get(RECORD_INFO, json=record_of(call_back_url=callback_url(unconfirmed.pk)))

    found = recover("task-1", alice)

    unconfirmed.refresh_from_db()
    assert (found.video, found.is_new) == (unconfirmed, False)
    assert (unconfirmed.task_id, unconfirmed.stage) == ("task-1", Stage.SAVING)


def test_a_task_of_the_same_words_fills_the_gap_it_left(alice, unconfirmed, kie):
    kie.get(RECORD_INFO, json=record_of())

    recover("task-1", alice)

    unconfirmed.refresh_from_db()
    assert Video.objects.count() == 1
    assert unconfirmed.task_id == "task-1"


def test_a_video_given_up_by_an_operator_is_taken_back_by_a_success(alice, unconfirmed, kie):
    unconfirmed.mark_failed(error_message="An operator has marked this video as failed.")
    kie.get(RECORD_INFO, json=record_of())

    recover("task-1", alice)

    unconfirmed.refresh_from_db()
    assert (unconfirmed.status, unconfirmed.stage) == (Status.PROCESSING, Stage.SAVING)


def test_a_task_attached_to_a_video_that_was_given_up_is_followed_to_its_end(unconfirmed, kie):
    unconfirmed.mark_failed(error_message="An operator has marked this video as failed.")
    kie.get(RECORD_INFO, json=record_of() | {"data": record_of()["data"] | {"state": "queuing"}})
    attach(unconfirmed, "task-1")
    unconfirmed.refresh_from_db()
    kie.replace("GET", RECORD_INFO, json=record_of())

    report = poll_due_videos(client=KieClient.from_settings())

    assert (unconfirmed.status, unconfirmed.task_id) == (Status.FAILED, "task-1")
    assert report.finished == 1


def test_a_task_of_other_words_is_not_attached(unconfirmed, kie):
    kie.get(RECORD_INFO, json=record_of(prompt="a blue kite"))

    with pytest.raises(NotRecovered, match="made from another prompt"):
        attach(unconfirmed, "task-1")

    unconfirmed.refresh_from_db()
    assert unconfirmed.stage == Stage.UNCONFIRMED


def test_a_task_that_another_video_has_is_not_attached(unconfirmed, make_video, kie):
    make_video(task_id="task-1")

    with pytest.raises(NotRecovered, match="another video of yours"):
        attach(unconfirmed, "task-1")


@pytest.mark.parametrize(
    "fields",
    [
        {"duration": "999"},
        {"duration": {"deep": []}},
        {"duration": 10**40},
        {"x\x00y": "z"},
        {"prompt": {"not": "text"}},
        {"prompt": "a\x00b\ud800"},
        {"secret_url": "https://x.example/?sig=1"},
    ],
)
@pytest.mark.parametrize("model", ["hailuo/02-text-to-video-standard", "brand/new", "", "\x00"])
def test_a_hostile_record_is_stored_harmlessly(alice, kie, model, fields):
    kie.get(RECORD_INFO, json=record_of(model, **fields))

    recover("task-1", alice)

    video = Video.objects.get()
    assert "://" not in json.dumps(video.parameters)
    assert "\x00" not in video.prompt
    assert (video.duration or 0) < 100


def test_ids_are_found_however_they_are_pasted():
    assert ids_in(" a\nb,c;  d\ta\n") == ["a", "b", "c", "d"]


def test_the_whole_way_from_a_lost_answer_to_the_file(alice, sandbox):
    client = KieClient.from_settings()
    video = submit_video(user=alice, request=a_request("sandbox:lost kite", alice), client=client)
    sandbox.finish()

    attach(video, sandbox.tasks()[0].task_id)
    archive_due_videos(client=client)

    video.refresh_from_db()
    assert video.status == Status.COMPLETED
    assert video.file


def test_the_profile_brings_videos_home(alice_client, kie):
    kie.get(RECORD_INFO, json=record_of())
    kie.get(VEO_RECORD, json=VEO_GONE)

    profile = alice_client.get(reverse("profile"))
    answer = alice_client.post(reverse("generation:recover"), {"task_ids": "task-1\n!!!"})

    assert reverse("generation:recover") in profile.content.decode()
    assert "is in your gallery now" in answer.content.decode()
    assert "This is not a task id." in answer.content.decode()


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [("  ", "Paste at least one"), (" ".join(f"t{n}" for n in range(21)), "At most 20")],
)
def test_what_was_typed_survives_a_mistake(alice_client, kie, typed, sentence):
    answer = alice_client.post(reverse("generation:recover"), {"task_ids": typed})

    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert typed in answer.content.decode()
    assert len(kie.calls) == 0


def test_a_waiting_video_is_checked_by_its_task_id(alice_client, unconfirmed, kie):
    kie.get(RECORD_INFO, json=record_of())
    page = alice_client.get(unconfirmed.get_absolute_url())

    answer = alice_client.post(
        reverse("generation:attach", args=[unconfirmed.pk]), {"task_id": "task-1"}, follow=True
    )

    unconfirmed.refresh_from_db()
    assert "Check by task id" in page.content.decode()
    assert "The video goes on." in answer.content.decode()
    assert unconfirmed.task_id == "task-1"


def test_nobody_attaches_a_task_to_somebody_elses_video(alice_client, bob, make_video, kie):
    video = make_video(user=bob, stage=Stage.UNCONFIRMED, task_id="", accepted_at=None)

    answer = alice_client.post(reverse("generation:attach", args=[video.pk]), {"task_id": "task-1"})

    assert answer.status_code == 404
    assert len(kie.calls) == 0


def test_the_command_recovers_and_tells_what_it_could_not(alice, kie):
    kie.get(RECORD_INFO, json=record_of())
    kie.get(RESULT, status=404)
    out, err = StringIO(), StringIO()

    with pytest.raises(SystemExit) as ended:
        call_command("recover_task", "task-1", "!!!", user="alice", stdout=out, stderr=err)

    assert ended.value.code == 1
    assert "task-1: recovered" in out.getvalue()
    assert "!!!: This is not a task id." in err.getvalue()


def test_the_command_knows_only_our_users(db):
    with pytest.raises(CommandError, match="no such user: nobody"):
        call_command("recover_task", "task-1", user="nobody")


def test_an_operator_recovers_for_anybody(admin_client, alice, kie):
    kie.get(RECORD_INFO, json=record_of())
    kie.get(VEO_RECORD, json=VEO_GONE)

    desk = admin_client.get(reverse("admin:gallery_video_changelist"))
    answer = admin_client.post(
        reverse("admin:recover_tasks"), {"user": alice.pk, "task_ids": "task-1 ???"}, follow=True
    )

    assert reverse("admin:recover_tasks") in desk.content.decode()
    assert "Recovered task-1 as video" in answer.content.decode()
    assert Video.objects.get().user == alice
    assert Video.objects.get().events.filter(what="recovered", by="admin").exists()


def test_an_operator_attaches_a_task(admin_client, unconfirmed, kie):
    kie.get(RECORD_INFO, json=record_of())
    page = admin_client.get(reverse("admin:gallery_video_change", args=[unconfirmed.pk]))

    admin_client.post(reverse("admin:attach_task", args=[unconfirmed.pk]), {"task_id": "task-1"})

    unconfirmed.refresh_from_db()
    assert "Attach a task id" in page.content.decode()
    assert unconfirmed.task_id == "task-1"


@pytest.mark.parametrize("name", ["recover_tasks", "attach_task"])
def test_the_desk_is_closed_to_everybody_else(alice_client, unconfirmed, kie, name):
    url = reverse(f"admin:{name}", args=[unconfirmed.pk] if name == "attach_task" else [])

    answer = alice_client.post(url, {"task_ids": "task-1", "task_id": "task-1"})

    assert answer.status_code == 302
    assert len(kie.calls) == 0
