"""The Generate tab."""

import json
import re
from datetime import timedelta
from uuid import uuid4

import pytest
import requests
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.utils.html import escape
from django.utils.timezone import now

from gallery.models import Stage, Video
from generation.views import STARTED
from tests.conftest import (
    CREATE_TASK,
    RECORD_INFO,
    UPLOAD,
    VEO_GENERATE,
    example,
    picture_bytes,
    says,
)

HTMX = {"HX-Request": "true"}
ACCEPTED = {"code": 200, "msg": "success", "data": {"taskId": "task-1"}}


def typed(**facts):
    usual = {
        "prompt": "a red kite over the dunes",
        "provider": "kie-hailuo-text2vid",
        "idempotency_key": str(uuid4()),
    }
    return usual | facts


def picture(content=None, name="kite.png"):
    return SimpleUploadedFile(name, picture_bytes() if content is None else content)


def value_of(name, page):
    """What a hidden field of the page holds."""
    found = re.search(rf'name="{name}"[^>]*value="([^"]*)"', page.content.decode())
    return found and found[1]


def send(client, **facts):
    return client.post("/generate/", typed(**facts))


def test_the_form_offers_services_with_prices_and_their_settings(alice_client):
    page = alice_client.get("/generate/").content.decode()

    assert "Veo 3.1 Fast" in page
    assert "Hailuo 02" in page
    assert "Sora" not in page
    assert 'name="aspect_ratio"' in page
    assert "Generate video" in page
    assert "$0.30" in page
    assert "60 credits" in page


def test_retired_services_are_offered_only_by_choice(alice_client, settings):
    settings.OFFER_RETIRED_SERVICES = True

    assert "Sora 2 Pro" in alice_client.get("/generate/").content.decode()


def test_another_service_brings_its_own_settings(alice_client):
    page = alice_client.get("/generate/?provider=kie-hailuo-img2vid").content.decode()

    assert "512P" in page
    assert 'name="aspect_ratio"' not in page


def test_choosing_a_service_swaps_the_settings_alone(alice_client):
    part = alice_client.get(
        "/generate/",
        {"provider": "kie-hailuo-img2vid", "settings_of": "kie-veo3-fast", "prompt": "kept"},
        headers=HTMX | {"HX-Target": "settings"},
    ).content.decode()

    assert "<html" not in part
    assert 'id="settings"' in part
    assert "512P" in part


def test_the_price_follows_the_settings(alice_client):
    part = alice_client.get(
        "/generate/",
        {"provider": "kie-veo3-fast", "settings_of": "kie-veo3-fast", "resolution": "4k"},
        headers=HTMX | {"HX-Target": "settings"},
    ).content.decode()

    assert "$0.90" in part


def test_a_submission_starts_a_video_and_says_so(alice_client, alice, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)

    page = alice_client.post("/generate/", typed(duration="10"), follow=True)

    video = Video.objects.for_user(alice).get()
    assert (video.status, video.duration, video.cost_estimated) == ("processing", 10, 50)
    assert STARTED in page.content.decode()
    assert "a red kite over the dunes" in page.content.decode()


def test_with_htmx_the_form_comes_back_ready_for_the_next_one(alice_client, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    key = str(uuid4())

    answer = alice_client.post("/generate/", typed(idempotency_key=key), headers=HTMX)

    assert answer.status_code == 200
    assert STARTED in answer.content.decode()
    assert "a red kite over the dunes" in answer.content.decode()
    assert value_of("idempotency_key", answer) not in {key, None}


def test_a_form_sent_twice_makes_one_video(alice_client, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    form = typed()

    alice_client.post("/generate/", form)
    alice_client.post("/generate/", form)

    assert Video.objects.count() == 1
    assert len(kie.calls) == 1


def test_a_form_changed_after_it_was_sent_is_asked_about_first(alice_client, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    form = typed()
    alice_client.post("/generate/", form)

    answer = alice_client.post("/generate/", form | {"prompt": "a blue kite"})

    assert answer.status_code == 422
    assert "a blue kite" in answer.content.decode()
    assert "already sent" in answer.content.decode()
    assert value_of("idempotency_key", answer) != form["idempotency_key"]
    assert Video.objects.count() == 1


WRONG = {
    "an empty prompt": ({"prompt": "  "}, "Describe the video you want."),
    "an endless prompt": (
        {"prompt": "x" * 50_000},
        "Hailuo 02 takes 1,500 characters; this prompt has 50,000. Please shorten it.",
    ),
    "a length that is not offered": ({"duration": "7"}, "Length can be 6 s, 10 s."),
    "a setting of another service": (
        {"aspect_ratio": "16:9"},
        "Hailuo 02 has no setting “Shape”.",
    ),
    "a service that is none": (
        {"provider": "kie-nothing"},
        "This service is not offered here. Please choose another one.",
    ),
    "a retired service": (
        {"provider": "kie-sora-2-text2vid"},
        "This service is not offered here. Please choose another one.",
    ),
    "no picture where one is needed": (
        {"provider": "kie-hailuo-img2vid"},
        "Hailuo 02 needs a picture.",
    ),
    "two settings that exclude each other": (
        {
            "provider": "kie-hailuo-2-3-pro-img2vid",
            "resolution": "1080P",
            "duration": "10",
            "image": lambda: picture(),
        },
        "Length has to be 6 s with resolution 1080p.",
    ),
    "settings shown for another service": (
        {"settings_of": "kie-veo3-fast"},
        "Below are the settings of Hailuo 02 now.",
    ),
}


@pytest.mark.parametrize(("facts", "sentence"), WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_what_cannot_be_made_is_said_in_a_sentence_and_kept(
    alice_client, kie, facts, sentence, headers
):
    given = {name: value() if callable(value) else value for name, value in facts.items()}
    form = typed(**given)

    answer = alice_client.post("/generate/", form, headers=headers)

    text = answer.content.decode()
    assert answer.status_code == 422
    assert escape(sentence) in text
    assert escape(form["prompt"].strip() or "<textarea") in text or not form["prompt"].strip()
    assert Video.objects.count() == 0
    assert len(kie.calls) == 0


NOT_PICTURES = {
    "a text named .png": b"hello",
    "nothing": b"",
    "half a picture": picture_bytes()[:60],
    "a GIF": picture_bytes(kind="GIF"),
    "an SVG": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
}


@pytest.mark.parametrize("content", NOT_PICTURES.values(), ids=NOT_PICTURES)
def test_what_is_no_picture_is_refused_and_the_words_are_kept(alice_client, kie, content):
    answer = send(alice_client, provider="kie-hailuo-img2vid", image=picture(content))

    assert answer.status_code == 422
    assert "a red kite over the dunes" in answer.content.decode()
    assert re.search(r"picture|empty", answer.content.decode())
    assert Video.objects.count() == 0


def test_a_picture_of_40_mb_is_refused_in_words(alice_client, kie):
    answer = send(alice_client, provider="kie-hailuo-img2vid", image=picture(b"x" * 40 * 1024**2))

    assert answer.status_code == 422
    assert "This picture has 40 MB; the service takes 10 MB." in answer.content.decode()


def test_a_picture_makes_a_video_from_it(alice_client, alice, kie):
    kie.post(UPLOAD, json=example("upload_ok"))
    kie.post(VEO_GENERATE, json=example("veo_create_ok"))

    send(alice_client, provider="kie-veo3-fast", image=picture())

    video = Video.objects.for_user(alice).get()
    assert video.generation_type == "img2vid"
    assert video.inputs.get().media_type == "image/png"


def test_a_picture_survives_an_error_elsewhere(alice_client, kie):
    first = send(alice_client, provider="kie-hailuo-img2vid", prompt="", image=picture())
    kie.post(UPLOAD, json=example("upload_ok"))
    kie.post(CREATE_TASK, json=ACCEPTED)

    ticket = value_of("kept_image", first)
    second = send(alice_client, provider="kie-hailuo-img2vid", kept_image=ticket)

    assert ticket
    assert second.status_code == 302
    assert Video.objects.get().inputs.count() == 1


def test_another_persons_picture_is_not_taken(client, alice_client, bob, kie):
    first = send(alice_client, provider="kie-hailuo-img2vid", prompt="", image=picture())
    client.force_login(bob)

    answer = send(client, provider="kie-hailuo-img2vid", kept_image=value_of("kept_image", first))

    assert answer.status_code == 422
    assert "The file is no longer here." in answer.content.decode()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("error_unauthorized_401", "refused the studio's key"),
        ("error_insufficient_credits_402", "balance is too low"),
        ("error_validation_422", "aspect_ratio is not within the range of allowed options"),
        ("error_hidden_validation_500", "This field is required"),
        ("error_server_error_500", "Server exception"),
        ("error_model_paused_500", "does not offer this service at the moment"),
    ],
)
def test_kies_refusal_is_told_and_what_was_typed_stays(alice_client, kie, name, words):
    kie.post(CREATE_TASK, json=example(name))

    answer = send(alice_client)

    assert answer.status_code == 422
    assert escape(words) in answer.content.decode()
    assert "a red kite over the dunes" in answer.content.decode()
    assert "test-key" not in answer.content.decode()
    assert Video.objects.count() == 0


@pytest.mark.parametrize(
    ("answer", "stage"),
    [
        ({"body": requests.ConnectTimeout("down")}, Stage.QUEUED),
        ({"body": "<html>502</html>", "status": 502}, Stage.UNCONFIRMED),
        ({"body": requests.ReadTimeout("slow")}, Stage.UNCONFIRMED),
    ],
    ids=["down", "HTML", "silent"],
)
def test_when_kie_is_down_the_video_is_kept_all_the_same(alice_client, kie, answer, stage):
    kie.post(CREATE_TASK, **answer)

    assert send(alice_client).status_code == 302
    assert Video.objects.get().stage == stage


def test_prompts_of_html_and_emoji_arrive_as_typed(alice_client, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    prompt = "<b>bold</b> & 🦊 <script>alert(1)</script>"

    page = alice_client.post("/generate/", typed(prompt=prompt), follow=True)

    assert Video.objects.get().prompt == prompt
    assert "<script>alert" not in page.content.decode()


def test_a_prompt_with_a_zero_byte_is_refused_in_words(alice_client, kie):
    answer = send(alice_client, prompt="a\x00b")

    assert answer.status_code == 422
    assert Video.objects.count() == 0


def test_try_again_fills_the_form_in(alice_client, make_failed):
    video = make_failed(prompt="a green kite", parameters={"duration": "10"})

    page = alice_client.get(f"/generate/?from={video.pk}").content.decode()

    assert "a green kite" in page
    assert re.search(r'name="duration"[^>]*value="10"[^>]*checked', page)


def test_try_again_on_another_persons_video_is_404(client, bob, make_failed):
    video = make_failed()
    client.force_login(bob)

    assert client.get(f"/generate/?from={video.pk}").status_code == 404
    assert client.get("/generate/?from=nonsense").status_code == 404


def test_a_forged_post_is_refused(alice):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice)

    assert careful.post("/generate/", typed()).status_code == 403


def test_refresh_asks_kie_now_and_at_most_once_in_three_seconds(alice_client, make_video, kie):
    video = make_video(next_poll_at=now() + timedelta(minutes=5))
    kie.get(RECORD_INFO, json=says("generating"))

    alice_client.post("/refresh/")
    alice_client.post("/refresh/")

    video.refresh_from_db()
    assert video.poll_count == 1


def test_refresh_asks_about_nobody_elses_videos(client, bob, make_video, kie):
    make_video()
    client.force_login(bob)

    client.post("/refresh/")

    assert len(kie.calls) == 0


def test_refresh_works_without_javascript(alice_client, make_video, kie):
    make_video()
    kie.get(RECORD_INFO, json=says("generating"))

    assert alice_client.post("/refresh/")["Location"] == "/"


def test_without_javascript_another_services_settings_are_shown_and_nothing_is_lost(
    alice_client, kie
):
    form = typed(
        prompt="long " * 2000,
        provider="kie-hailuo-img2vid",
        settings_of="kie-veo3-fast",
        aspect_ratio="9:16",
        show_settings="1",
        image=picture(),
    )

    page = alice_client.post("/generate/", form)

    assert page.status_code == 200
    assert "512P" in page.content.decode()
    assert "long long" in page.content.decode()
    assert value_of("kept_image", page)
    assert 'role="alert"' not in page.content.decode()
    assert Video.objects.count() == 0


def test_a_retired_services_video_can_be_made_again_with_another_one(alice_client, make_failed):
    video = make_failed(provider="kie-sora-2-text2vid", model="sora-2-text-to-video")

    page = alice_client.get(f"/generate/?from={video.pk}")

    assert page.status_code == 200
    assert "a red kite" in page.content.decode()


def test_a_program_that_names_no_settings_gets_the_defaults(alice_client, kie, settings):
    settings.OFFER_RETIRED_SERVICES = True
    kie.post(CREATE_TASK, json=ACCEPTED)

    send(alice_client, provider="kie-sora-2-text2vid")

    assert Video.objects.get().parameters == {
        "aspect_ratio": "landscape",
        "duration": "10",
        "remove_watermark": True,
    }


def test_a_lost_picture_is_said_instead_of_making_another_video(alice_client, kie):
    answer = send(alice_client, provider="kie-veo3-fast", kept_image="forged")

    assert answer.status_code == 422
    assert "The file is no longer here." in answer.content.decode()
    assert Video.objects.count() == 0


def test_a_picture_that_the_service_does_not_take_is_kept_for_another_one(alice_client, kie):
    answer = send(alice_client, image=picture())

    assert answer.status_code == 422
    assert "Hailuo 02 takes no picture." in answer.content.decode()
    assert value_of("kept_image", answer)
    assert Video.objects.count() == 0


def test_a_damaged_form_says_so_and_works_the_next_time(alice_client, kie):
    answer = send(alice_client, idempotency_key="nonsense")

    assert answer.status_code == 422
    assert "damaged on its way" in answer.content.decode()
    assert value_of("idempotency_key", answer) != "nonsense"


def test_settings_that_exclude_each_other_are_told_before_they_are_sent(alice_client):
    part = alice_client.get(
        "/generate/",
        {
            "provider": "kie-hailuo-2-3-pro-img2vid",
            "settings_of": "kie-hailuo-2-3-pro-img2vid",
            "resolution": "1080P",
            "duration": "10",
        },
        headers=HTMX | {"HX-Target": "settings"},
    ).content.decode()

    assert "Length has to be 6 s with resolution 1080p." in part
    assert "Price unknown" not in part


def test_a_second_click_while_the_first_is_on_its_way_loses_nothing(alice, kie):
    form, seen = typed(), {}

    def refuse_after_a_second_click(request):
        impatient = Client()
        impatient.force_login(alice)
        seen["answer"] = impatient.post("/generate/", form)
        return 200, {}, json.dumps(example("error_validation_422"))

    kie.add_callback("POST", CREATE_TASK, refuse_after_a_second_click)
    patient = Client()
    patient.force_login(alice)

    patient.post("/generate/", form)

    answer = seen["answer"]
    assert answer.status_code == 200
    assert "is being sent already" in answer.content.decode()
    assert "a red kite over the dunes" in answer.content.decode()
    assert value_of("idempotency_key", answer) == form["idempotency_key"]
    assert Video.objects.count() == 0
