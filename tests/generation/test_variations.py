"""Up to four videos of one click: all or none of them, each charged once."""

import json
from threading import Thread
from uuid import uuid4, uuid5

import pytest
import requests
import responses
from django.db import connection
from django.test import Client

from gallery.models import InputFile, Stage, Video
from generation.kie.client import KieClient
from generation.submission import (
    KeyUsedForAnother,
    VideoRefused,
    send_queued_videos,
    submit_video,
    submit_videos,
)
from generation.views import BEING_SENT, STARTED
from tests.conftest import CREATE_TASK, UPLOAD, VEO_GENERATE, example, kept_input
from tests.generation.test_submission import a_request, calls_to
from videostudio.models import SpendingLimit

HTMX = {"HX-Request": "true"}
REFUSED = example("error_insufficient_credits_402")


def accepted(number):
    return {"code": 200, "msg": "success", "data": {"taskId": f"task-{number}"}}


def accept(kie, *numbers):
    for number in numbers:
        kie.post(CREATE_TASK, json=accepted(number))


def submit(user, number=4, request=None, **options):
    client = KieClient.from_settings()
    request = request or a_request()
    return submit_videos(user=user, request=request, client=client, number=number, **options)


def stages():
    return list(Video.objects.order_by("created_at").values_list("stage", flat=True))


# --- All of them ----------------------------------------------------------------------------


def test_one_click_makes_a_row_and_a_task_for_each(alice, kie):
    accept(kie, 1, 2, 3, 4)

    made = submit(alice)

    assert [video.task_id for video in made.videos] == ["task-1", "task-2", "task-3", "task-4"]
    assert stages() == [Stage.RUNNING] * 4
    assert len({video.idempotency_key for video in Video.objects.all()}) == 1
    assert made.refusal is None


def test_each_has_a_key_of_its_own_that_follows_from_the_clicks(alice, kie):
    accept(kie, 1, 2, 3)
    key = uuid4()

    submit(alice, 3, idempotency_key=key)

    keys = list(Video.objects.order_by("created_at").values_list("idempotency_key", flat=True))
    assert keys[0] == key
    assert len(set(keys)) == 3


def test_all_rows_are_committed_before_kie_is_called(transactional_db, alice, kie):
    seen = []

    def look(request):
        assert not connection.in_atomic_block
        seen.append(sorted(stages()))
        return 200, {}, json.dumps(accepted(len(seen)))

    kie.add_callback(responses.POST, CREATE_TASK, look)

    submit(alice, 3)

    assert seen == [
        ["queued", "queued", "submitting"],
        ["queued", "running", "submitting"],
        ["running", "running", "submitting"],
    ]


def test_one_row_that_cannot_be_inserted_keeps_out_all(alice, make_video, kie):
    key = uuid4()
    make_video(idempotency_key=uuid5(key, "3"), request_digest="of another request")

    with pytest.raises(KeyUsedForAnother):
        submit(alice, idempotency_key=key)

    assert Video.objects.count() == 1
    assert len(kie.calls) == 0


def test_a_file_is_handed_to_kie_once_for_all(alice, kie):
    kie.post(UPLOAD, json=example("upload_ok"))
    accept(kie, 1, 2, 3)
    picture = kept_input(alice)

    submit(alice, 3, a_request(provider="kie-hailuo-img2vid", picture=picture))

    sent = [json.loads(call.request.body)["input"] for call in calls_to(kie, CREATE_TASK)]
    assert len(calls_to(kie, UPLOAD)) == 1
    assert len({fields["image_url"] for fields in sent}) == 1
    assert [video.inputs.get().source for video in Video.objects.all()] == [picture] * 3
    assert InputFile.objects.count() == 1


# --- Seeds ----------------------------------------------------------------------------------


def seeds_of(request, number):
    return [each.values.get("seed") for each in request.variations(number)]


@pytest.mark.parametrize(
    ("provider", "seed", "seeds"),
    [
        ("kie-veo3-fast", 20_000, [20_000, 20_001, 20_002]),
        ("kie-veo3-fast", 99_998, [99_998, 99_999, 10_000]),
        ("kie-veo3-fast", None, [None, None, None]),
        ("kie-seedance-1-0-pro-text2vid", -1, [-1, -1, -1]),
    ],
    ids=["in the middle", "over the end", "none", "a random one"],
)
def test_a_fixed_seed_moves_on(provider, seed, seeds):
    chosen = {} if seed is None else {"seed": seed}

    assert seeds_of(a_request(provider=provider, **chosen), 3) == seeds


def test_the_seed_is_sent_as_it_moved_on(alice, kie):
    for number in (1, 2):
        kie.post(VEO_GENERATE, json=accepted(number))

    submit(alice, 2, a_request(provider="kie-veo3-fast", seed=20_000))

    sent = [json.loads(call.request.body)["seeds"] for call in kie.calls]
    assert sent == [20_000, 20_001]
    assert [v.parameters["seed"] for v in Video.objects.order_by("created_at")] == sent


# --- The same click again -------------------------------------------------------------------


def test_a_second_click_gets_the_same_videos_in_the_same_order(alice, kie):
    accept(kie, 1, 2, 3, 4)
    key = uuid4()

    first = submit(alice, idempotency_key=key)
    second = submit(alice, idempotency_key=key)

    assert [v.pk for v in first.videos] == [v.pk for v in second.videos]
    assert (first.is_repeated, second.is_repeated) == (False, True)
    assert len(kie.calls) == 4


@pytest.mark.parametrize(("before", "after"), [(4, 2), (2, 4), (1, 4), (4, 1)])
def test_a_key_stands_for_one_number_of_variations(alice, kie, before, after):
    accept(kie, 1, 2, 3, 4)
    key = uuid4()
    submit(alice, before, idempotency_key=key)

    with pytest.raises(KeyUsedForAnother):
        submit(alice, after, idempotency_key=key)

    assert Video.objects.count() == before
    assert len(kie.calls) == before


def test_one_variation_is_what_a_program_without_them_asks_for(alice, kie):
    accept(kie, 1)
    key = uuid4()

    first = submit_video(
        user=alice,
        request=a_request(),
        client=KieClient.from_settings(),
        idempotency_key=key,
    )

    assert [v.pk for v in submit(alice, 1, idempotency_key=key).videos] == [first.pk]


@pytest.mark.django_db(transaction=True)
def test_many_clicks_at_once_make_each_variation_once(alice, kie):
    accept(kie, 1, 2, 3)
    key, clicks = uuid4(), []

    def click():
        clicks.append([v.pk for v in submit(alice, 3, idempotency_key=key).videos])
        connection.close()

    threads = [Thread(target=click) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(clicks) == 6
    assert all(click == clicks[0] for click in clicks)
    assert Video.objects.count() == 3
    assert len(kie.calls) == 3


# --- Refusals -------------------------------------------------------------------------------


def test_when_kie_refuses_the_first_no_row_of_any_is_kept(alice, kie):
    kie.post(CREATE_TASK, json=REFUSED)

    with pytest.raises(VideoRefused) as refused:
        submit(alice)

    assert refused.value.failure == "balance"
    assert Video.objects.count() == 0
    assert len(kie.calls) == 1


def test_when_kie_refuses_a_later_one_the_accepted_ones_stay(alice, kie):
    accept(kie, 1, 2)
    kie.post(CREATE_TASK, json=REFUSED)

    made = submit(alice)

    assert [video.task_id for video in made.videos] == ["task-1", "task-2"]
    assert made.refusal.failure == "balance"
    assert stages() == [Stage.RUNNING] * 2
    assert len(kie.calls) == 3


def test_a_second_click_after_that_gets_those_and_starts_no_more(alice, kie):
    accept(kie, 1)
    kie.post(CREATE_TASK, json=REFUSED)
    key = uuid4()
    submit(alice, 3, idempotency_key=key)

    again = submit(alice, 3, idempotency_key=key)

    assert [video.task_id for video in again.videos] == ["task-1"]
    assert len(kie.calls) == 2


def test_a_click_of_which_all_were_refused_may_be_tried_again(alice, kie):
    kie.post(CREATE_TASK, json=REFUSED)
    accept(kie, 1, 2)
    key = uuid4()
    with pytest.raises(VideoRefused):
        submit(alice, 2, idempotency_key=key)

    made = submit(alice, 2, idempotency_key=key)

    assert [video.task_id for video in made.videos] == ["task-1", "task-2"]


def test_what_a_pass_has_sent_meanwhile_is_not_taken_back(alice, kie):
    client = KieClient.from_settings()

    def be_slow_and_refuse(request):
        # So slow that a pass takes the last one for forgotten, and KIE.AI accepts it.
        last = Video.objects.order_by("created_at").last()
        Video.objects.filter(pk=last.pk).update(next_poll_at=last.created_at)
        kie.replace("POST", CREATE_TASK, json=accepted(9))
        send_queued_videos(client=client)
        return 200, {}, json.dumps(REFUSED)

    kie.add_callback("POST", CREATE_TASK, be_slow_and_refuse)

    made = submit(alice, 3)

    assert [video.task_id for video in Video.objects.all()] == ["task-9"]
    assert [video.pk for video in made.videos] == [Video.objects.get().pk]
    assert made.refusal


# --- What is in the way ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "stage"),
    [
        ({"body": requests.ConnectTimeout("away")}, Stage.QUEUED),
        ({"json": {"code": 429, "msg": "too many"}}, Stage.QUEUED),
        ({"body": requests.ReadTimeout("silent")}, Stage.UNCONFIRMED),
        ({"body": "<html>502</html>", "status": 502}, Stage.UNCONFIRMED),
    ],
    ids=["away", "429", "silent", "HTML"],
)
def test_nobody_waits_for_the_next_when_kie_does_not_take_one(alice, kie, answer, stage):
    accept(kie, 1)
    kie.post(CREATE_TASK, **answer)

    made = submit(alice)

    assert stages() == [Stage.RUNNING, stage, Stage.QUEUED, Stage.QUEUED]
    assert len(made.videos) == 4
    assert len(kie.calls) == 2


def test_those_that_wait_are_sent_in_the_background_once(alice, kie):
    accept(kie, 1)
    kie.post(CREATE_TASK, body=requests.ReadTimeout("silent"))
    submit(alice, 3)
    kie.replace("POST", CREATE_TASK, json=accepted(3))

    for _ in range(3):
        send_queued_videos(client=KieClient.from_settings())

    assert stages() == [Stage.RUNNING, Stage.UNCONFIRMED, Stage.RUNNING]
    assert len(kie.calls) == 3


def test_who_dies_between_two_leaves_the_rest_to_the_next_pass(alice, kie, monkeypatch):
    accept(kie, 1)

    def die(*_, **__):
        raise KeyboardInterrupt

    kie.add_callback("POST", CREATE_TASK, die)
    with pytest.raises(KeyboardInterrupt):
        submit(alice, 3)
    left = stages()
    Video.objects.update(next_poll_at=Video.objects.first().created_at)
    kie.replace("POST", CREATE_TASK, json=accepted(3))

    send_queued_videos(client=KieClient.from_settings())

    assert left == [Stage.RUNNING, Stage.SUBMITTING, Stage.QUEUED]
    assert stages() == [Stage.RUNNING, Stage.UNCONFIRMED, Stage.RUNNING]


# --- At the form ----------------------------------------------------------------------------


def typed(**facts):
    usual = {
        "prompt": "a red kite over the dunes",
        "provider": "kie-hailuo-text2vid",
        "idempotency_key": str(uuid4()),
        "variations": "3",
    }
    return usual | facts


def test_the_price_on_the_button_is_that_of_all(alice_client):
    part = alice_client.get(
        "/generate/",
        {"provider": "kie-veo3-fast", "settings_of": "kie-veo3-fast", "variations": "4"},
        headers=HTMX | {"HX-Target": "settings"},
    ).content.decode()

    assert "≈ $1.20" in part
    assert "240 credits" in part


def test_the_cards_of_all_come_first_and_the_form_is_ready_for_the_next(alice_client, kie):
    accept(kie, 1, 2, 3)

    page = alice_client.post("/generate/", typed(), headers=HTMX).content.decode()

    assert page.count('hx-swap-oob="afterbegin:#grid"') == 3
    assert f"{STARTED} 3 are on their way." in page
    assert 'value="3" id="id_variations_2" checked' in page


def test_without_javascript_the_form_keeps_its_number(alice_client, kie):
    accept(kie, 1, 2, 3)

    page = alice_client.post("/generate/", typed(), follow=True).content.decode()

    assert STARTED in page
    assert 'value="3" id="id_variations_2" checked' in page


def test_a_refused_later_one_says_how_many_were_started(alice_client, kie):
    accept(kie, 1, 2)
    kie.post(CREATE_TASK, json=REFUSED)

    page = alice_client.post("/generate/", typed(), headers=HTMX)

    text = page.content.decode()
    assert "2 of 3 videos were started. KIE.AI would not take the next:" in text
    assert "balance is too low" in text
    assert STARTED not in text
    assert text.count('hx-swap-oob="afterbegin:#grid"') == 2


def test_a_refused_first_one_keeps_the_form_as_it_was(alice_client, kie):
    kie.post(CREATE_TASK, json=REFUSED)

    page = alice_client.post("/generate/", typed())

    assert page.status_code == 422
    assert 'value="3" id="id_variations_2" checked' in page.content.decode()
    assert Video.objects.count() == 0


def test_the_same_form_with_another_number_is_asked_about_first(alice_client, kie):
    accept(kie, 1, 2, 3)
    form = typed()
    alice_client.post("/generate/", form)

    answer = alice_client.post("/generate/", form | {"variations": "2"})

    assert answer.status_code == 422
    assert "already sent" in answer.content.decode()
    assert Video.objects.count() == 3


@pytest.mark.parametrize("number", ["0", "5", "-1", "many", "1.5"])
def test_a_number_that_is_not_offered_is_refused_in_words(alice_client, kie, number):
    answer = alice_client.post("/generate/", typed(variations=number))

    assert answer.status_code == 422
    assert "At most 4 at once, please." in answer.content.decode()
    assert Video.objects.count() == 0


def test_a_second_click_between_two_of_them_loses_nothing(alice, kie):
    form, seen = typed(), {}

    def click_again(request):
        impatient = Client()
        impatient.force_login(alice)
        seen["answer"] = impatient.post("/generate/", form)
        return 200, {}, json.dumps(accepted(2))

    accept(kie, 1)
    kie.add_callback("POST", CREATE_TASK, click_again)
    accept(kie, 3)
    patient = Client()
    patient.force_login(alice)

    patient.post("/generate/", form)

    assert BEING_SENT in seen["answer"].content.decode()
    assert Video.objects.count() == 3
    assert len(kie.calls) == 3


# --- Limits ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "limit", [{"videos_per_day": 3}, {"credits_per_month": 4 * 30 - 1}], ids=["videos", "credits"]
)
def test_a_limit_has_room_for_all_of_them_or_for_none(alice_client, alice, kie, limit):
    SpendingLimit.objects.create(user=alice, **limit)
    accept(kie, 1, 2, 3)

    refused = alice_client.post("/generate/", typed(variations="4"))
    taken = alice_client.post("/generate/", typed(variations="3"))

    assert refused.status_code == 422
    assert taken.status_code == 302
    assert Video.objects.count() == 3
    assert len(kie.calls) == 3


def test_a_second_click_gets_them_also_when_the_limit_is_reached_by_the_first(alice, kie):
    SpendingLimit.objects.create(user=alice, videos_per_day=2)
    accept(kie, 1, 2)
    key = uuid4()
    first = submit(alice, 2, idempotency_key=key)

    second = submit(alice, 2, idempotency_key=key)

    assert [v.pk for v in second.videos] == [v.pk for v in first.videos]
