"""KIE.AI nudges: what a callback can do, and what it cannot."""

import json
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.utils.timezone import now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gallery.models import Stage, Status, Video
from generation.callbacks import callback_url, names_video, token_of, video_named_by
from generation.kie.client import KieClient
from generation.kie.signature import sign
from generation.polling import poll_due_videos
from tests.conftest import EXAMPLES, RECORD_INFO, RESULT, example, says
from tests.generation.test_submission import a_request, submit

KEY = "webhook-key"
IN_A_WHILE = timedelta(minutes=4)


def call(client, video, body, **headers):
    token = video if isinstance(video, str) else token_of(video.pk)
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(
        f"/webhooks/kie/{token}/", content, content_type="application/json", headers=headers
    )


def signed(task_id, key=KEY):
    timestamp = str(int(time.time()))
    return {
        "X-Webhook-Timestamp": timestamp,
        "X-Webhook-Signature": sign(task_id, timestamp, key=key),
    }


def facts(video):
    """Everything about a video but when it is looked at next."""
    row = Video.objects.filter(pk=video.pk).values().get()
    return {name: value for name, value in row.items() if name != "next_poll_at"}


@pytest.fixture
def running(make_video):
    return make_video(task_id="task-7", next_poll_at=now() + IN_A_WHILE)


@pytest.fixture
def unconfirmed(make_video):
    return make_video(stage=Stage.UNCONFIRMED, task_id="", next_poll_at=now() + IN_A_WHILE)


@pytest.mark.parametrize(
    "body",
    [
        {"code": 200, "data": {"taskId": "task-7", "state": "success"}},
        {"code": 200, "data": {"task_id": "task-7"}},
        {"code": 400, "msg": "moderated", "data": None, "taskId": "task-7"},
        {"code": 200, "data": {"taskId": "task-7"}, "taskId": "task-7"},
    ],
    ids=["market and Veo", "Runway", "Aleph", "twice the same"],
)
def test_a_callback_makes_the_video_due_and_says_thanks(client, running, body):
    answer = call(client, running, body)

    running.refresh_from_db()
    assert (answer.status_code, answer.json()["code"]) == (200, 200)
    assert running.next_poll_at <= now()


@pytest.mark.parametrize("name", sorted(path.stem for path in EXAMPLES.glob("*_callback_*.json")))
def test_every_documented_callback_wakes_its_video(client, make_video, name):
    body = example(name)
    data = body["data"] or {}
    task_id = body.get("taskId") or data.get("taskId") or data["task_id"]
    video = make_video(task_id=task_id, next_poll_at=now() + IN_A_WHILE)

    answer = call(client, video, body)

    video.refresh_from_db()
    assert answer.status_code == 200
    assert video.next_poll_at <= now()


def test_what_a_callback_claims_is_not_believed(client, running):
    before = facts(running)

    call(client, running, example("market_callback_fail") | {"taskId": ""})
    call(
        client,
        running,
        {"code": 200, "data": {"taskId": "task-7", "state": "success", "resultJson": RESULT}},
    )

    assert facts(running) == before


def test_news_of_another_task_wakes_nobody(client, running):
    call(client, running, {"data": {"taskId": "task-8"}})

    running.refresh_from_db()
    assert running.next_poll_at > now()
    assert running.offered_task_id == ""


@pytest.mark.parametrize("kind", ["completed", "failed", "deleted"])
def test_what_is_settled_or_deleted_stays_so(client, make_completed, make_failed, make_video, kind):
    makers = {
        "completed": make_completed,
        "failed": make_failed,
        "deleted": lambda: make_video(deleted_at=now()),
    }
    video = makers[kind]()
    before = Video.objects.filter(pk=video.pk).values().get()

    answer = call(client, video, {"data": {"taskId": video.task_id}})

    assert answer.status_code == 200
    assert Video.objects.filter(pk=video.pk).values().get() == before


@pytest.mark.parametrize(
    "token", ["x", "a" * 5000, "00000000000000000000000000000000.forged", "%00"]
)
def test_a_stranger_learns_nothing(client, db, token, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert call(client, token, {"data": {"taskId": "task-7"}}).status_code == 404


def test_a_token_names_one_video():
    one, another = uuid4(), uuid4()

    assert video_named_by(token_of(one)) == one
    assert video_named_by(one.hex + token_of(another)[32:]) is None


def test_with_a_key_only_kie_is_heard(client, running, settings, django_assert_max_num_queries):
    settings.KIE_WEBHOOK_KEYS = [KEY]
    body = {"data": {"taskId": "task-7"}}

    unsigned = call(client, running, body)
    forged = call(client, running, body, **signed("task-7", key="guessed"))
    anothers = call(client, running, body, **signed("task-8"))
    with django_assert_max_num_queries(1):
        genuine = call(client, running, body, **signed("task-7"))

    assert [a.status_code for a in (unsigned, forged, anothers)] == [401, 401, 401]
    assert genuine.status_code == 200


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"data": 7}', 400),
        (b'{"taskId": {"a": 1}}', 400),
        (b'{"taskId": "one", "data": {"taskId": "two"}}', 400),
        (b"[" * 60_000, 400),
        (b"\xff\xfe", 400),
        (b" " * 70_000, 413),
    ],
    ids=["empty", "list", "object", "number", "no id", "two ids", "deep", "no text", "large"],
)
def test_nonsense_is_refused_without_a_trace(client, running, body, status):
    before = facts(running)

    assert call(client, running, body).status_code == status
    assert facts(running) == before


def test_looking_at_the_address_is_not_calling(client, running):
    assert client.get(f"/webhooks/kie/{token_of(running.pk)}/").status_code == 405


@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    data=st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["data", "status", "user", "info", "state", "cost", "url"]), inner
            )
        ),
        max_leaves=10,
    )
)
def test_nothing_that_a_callback_carries_changes_a_video(client, running, data):
    before = facts(running)

    answer = call(client, running, {"taskId": "task-7", "data": data})

    assert answer.status_code == 200
    assert facts(running) == before


def poll():
    return poll_due_videos(client=KieClient.from_settings())


def record_naming(video, settings, **record):
    settings.PUBLIC_URL = "https://studio.example.com"
    echo = {"callBackUrl": callback_url(video.pk), "input": "{}"}
    return says("generating", param=json.dumps(echo), **record)


def test_a_lost_answer_is_made_good_by_a_callback(client, unconfirmed, kie, settings):
    kie.get(RECORD_INFO, json=record_naming(unconfirmed, settings))

    call(client, unconfirmed, {"data": {"taskId": "task-9"}})
    report = poll()

    unconfirmed.refresh_from_db()
    assert (unconfirmed.stage, unconfirmed.task_id) == (Stage.RUNNING, "task-9")
    assert report.checked == 1, "and it is asked about at once"


def test_a_task_of_somebody_else_is_not_adopted(client, unconfirmed, make_video, kie, settings):
    other = make_video()
    kie.get(RECORD_INFO, json=record_naming(other, settings))

    call(client, unconfirmed, {"data": {"taskId": "task-9"}})
    poll()

    unconfirmed.refresh_from_db()
    assert (unconfirmed.stage, unconfirmed.task_id) == (Stage.UNCONFIRMED, "")
    assert unconfirmed.offered_task_id == ""
    assert unconfirmed.events.get().what == "task refused"


def test_a_task_that_another_video_has_is_not_adopted_and_stops_nobody(
    client, unconfirmed, make_video, kie, settings
):
    make_video(task_id="task-9", next_poll_at=now() + IN_A_WHILE)
    kie.get(RECORD_INFO, json=record_naming(unconfirmed, settings))

    call(client, unconfirmed, {"data": {"taskId": "task-9"}})
    poll()

    unconfirmed.refresh_from_db()
    assert unconfirmed.task_id == ""


def test_a_callback_that_overtakes_the_answer_is_remembered(client, make_video, kie, settings):
    video = make_video(stage=Stage.SUBMITTING, task_id="", next_poll_at=now() + IN_A_WHILE)
    kie.get(RECORD_INFO, json=record_naming(video, settings))

    call(client, video, {"data": {"taskId": "task-9"}})
    poll()
    video.refresh_from_db()
    held = (video.stage, video.next_poll_at > now())
    video.mark_unconfirmed(why="read timeout", at=now() + IN_A_WHILE)
    poll()

    video.refresh_from_db()
    assert held == (Stage.SUBMITTING, True)
    assert video.task_id == "task-9"


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>502</html>", "status": 502},
        {"json": example("error_unauthorized_401")},
        {"json": example("error_rate_limited_429")},
    ],
    ids=["broken", "key refused", "busy"],
)
def test_an_offer_that_kie_cannot_confirm_yet_is_kept(client, unconfirmed, kie, answer):
    kie.get(RECORD_INFO, **answer)

    call(client, unconfirmed, {"data": {"taskId": "task-9"}})
    poll()

    unconfirmed.refresh_from_db()
    assert unconfirmed.offered_task_id == "task-9"
    assert unconfirmed.next_poll_at > now()


def test_creations_carry_an_address_only_when_the_world_can_reach_us(settings):
    video_id = uuid4()
    settings.PUBLIC_URL = ""
    assert callback_url(video_id) == ""

    settings.PUBLIC_URL = "https://studio.example.com"
    url = callback_url(video_id)

    assert url.startswith("https://studio.example.com/webhooks/kie/")
    assert names_video(url, video_id)
    assert not names_video(url, uuid4())


@pytest.mark.django_db(transaction=True)
def test_the_sandbox_calls_back_and_a_lost_answer_is_made_good(
    live_server, sandbox, alice, settings
):
    settings.PUBLIC_URL = live_server.url
    lost = submit(alice, a_request("sandbox:lost a red kite"))
    assert lost.stage == Stage.UNCONFIRMED
    sandbox.finish()

    for _ in range(50):
        poll()
        lost.refresh_from_db()
        if lost.stage == Stage.SAVING:
            break
        time.sleep(0.1)

    assert (lost.status, lost.task_id) == (Status.PROCESSING, sandbox.tasks()[0].task_id)
    assert lost.stage == Stage.SAVING
