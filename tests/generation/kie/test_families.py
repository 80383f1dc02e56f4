"""How each family's answers read, whatever shape they arrive in."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.kie import snapshot as said
from generation.kie.errors import KieRefused, KieUnclear
from generation.kie.families import (
    FAMILIES,
    flat_body,
    market_body,
    read_aleph_task,
    read_market_task,
    read_runway_task,
    read_veo_task,
    url_list,
)
from generation.kie.snapshot import (
    MOST_RAW,
    MOST_TEXT,
    MOST_URL,
    TaskRequest,
    TaskSnapshot,
    TaskState,
    moment,
)
from tests.conftest import example, says
from tests.generation.kie.documented import document

RUNNING, SUCCEEDED, FAILED = TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED
CLIP = "https://tempfile.aiquickdraw.com/k/1790000123_demo.mp4"
# Where the documented requests asked to be called back.
ECHO = "https://studio.example.com/webhooks/kie/5f0c6a1e"
VEO_CLIP = "https://tempfile.aiquickdraw.com/v/9c1d2e3f4a5b_1790000300.mp4"
RUNWAY_CLIP, RUNWAY_STILL = "https://file.com/k/xxxxxxx.mp4", "https://file.com/m/xxxxxxxx.png"
MODERATED = "Your prompt was caught by our AI moderator"
VEO_WHOLE = "https://tempfile.aiquickdraw.com/v/full_1790000900.mp4"


def market(**facts):
    return read_market_task({"taskId": "t", "state": "success", "resultJson": ""} | facts)


def veo(**facts):
    return read_veo_task({"taskId": "t", "successFlag": 1, "response": None} | facts)


def runway(**facts):
    return read_runway_task({"taskId": "t", "state": "success", "videoInfo": None} | facts)


def aleph(**facts):
    usual = {"taskId": "t", "successFlag": 0, "errorCode": 0, "errorMessage": ""}
    return read_aleph_task(usual | facts)


# --- Market ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "snapshot"),
    [
        ("market_record_waiting", TaskSnapshot(state=RUNNING, kie_state="waiting")),
        ("market_record_queuing", TaskSnapshot(state=RUNNING, kie_state="queuing")),
        ("market_record_generating", TaskSnapshot(state=RUNNING, kie_state="generating")),
        (
            "market_record_success",
            TaskSnapshot(
                state=SUCCEEDED, kie_state="success", video_urls=(CLIP,), credits=Decimal("55.00")
            ),
        ),
        (
            "market_record_success_late_2026",
            TaskSnapshot(
                state=SUCCEEDED, kie_state="success", video_urls=(CLIP,), credits=Decimal("55.00")
            ),
        ),
        (
            "market_record_fail",
            TaskSnapshot(
                state=FAILED,
                kie_state="fail",
                error_code="422",
                failure="Invalid prompt: prompt contains prohibited content",
                credits=Decimal("0.00"),
            ),
        ),
    ],
)
def test_a_documented_market_record_reads_as_documented(name, snapshot):
    read = read_market_task(example(name)["data"])

    assert read.request.call_back_url == ECHO
    assert told_by(read) == told_by(snapshot)
    assert bool(read.raw) == (snapshot.state is FAILED)


def told_by(snapshot):
    """What became of the task: without what was asked for, and when."""
    return replace(snapshot, request=TaskRequest(), created_at=None, completed_at=None, raw="")


@pytest.mark.parametrize("name", ["market_record_success", "market_record_success_late_2026"])
def test_a_market_record_echoes_what_was_asked_for(name):
    read = read_market_task(example(name)["data"])

    assert read.request.model == "kling-2.6/text-to-video"
    assert read.request.fields["prompt"] == "A host unrolls a carpet"
    assert read.request.fields["duration"] == "5"
    assert read.created_at == datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
    assert read.completed_at - read.created_at == timedelta(seconds=123)


def test_a_veo_record_echoes_what_was_asked_for():
    read = read_veo_task(example("veo_record_success")["data"])

    assert read.request.model == "veo3_fast"
    assert read.request.fields["prompt"] == "A red paper boat drifts down a rain gutter"
    assert "callBackUrl" not in read.request.fields
    assert read.completed_at - read.created_at == timedelta(minutes=3, seconds=10)


@pytest.mark.parametrize("time", ["", "soon", True, 10**60, -(10**60), "9" * 30, [], None, 1e999])
def test_a_time_that_is_none_is_not_taken_for_one(time):
    assert moment(time) is None


@pytest.mark.parametrize(
    "read",
    [
        lambda: market_failed(),
        lambda: market(**ECHOING),
        lambda: veo(**ECHOING),
        lambda: runway(**ECHOING),
        lambda: aleph(errorCode=500, **ECHOING),
    ],
)
def test_the_raw_record_is_without_secrets_permissions_and_echoes(read):
    raw = read().raw

    assert "taskId" in raw
    assert "https://files.example/a.png" in raw
    for secret in ("Signature", "5f0c6a1e", "a red kite", "also-secret"):
        assert secret not in raw
    assert len(raw) <= MOST_RAW


# A record that repeats the request, and links with the permission to use them.
ECHOING = {
    "param": json.dumps({"callBackUrl": ECHO, "input": {"prompt": "a red kite"}}),
    "paramJson": json.dumps({"callBackUrl": ECHO, "prompt": "a red kite"}),
    "generateParam": {"callBackUrl": ECHO, "prompt": "a red kite"},
    "note": f"called {ECHO}",
    "links": ["https://files.example/a.png?Expires=1&Signature=abc"],
    "inText": json.dumps({"a": "https://files.example/b?x=1&Signature=abc"}).replace(
        "&", "\\u0026"
    ),
    "escaped": json.dumps({"a": "https://files.example/c?x=1/also-secret"}).replace("/", "\\/"),
    "long": "x" * 5000,
}


def market_failed():
    return market(state="fail", failMsg=f"POST {ECHO} failed", **ECHOING)


def test_a_failures_words_do_not_repeat_our_callback():
    assert market_failed().failure == "POST … failed"


def test_a_record_nobody_understands_is_kept_for_operators():
    with pytest.raises(KieUnclear) as unclear:
        market(state="", **ECHOING)

    assert "taskId" in unclear.value.raw
    assert "a red kite" not in unclear.value.raw


def test_a_callbacks_record_of_2025_tells_its_credits_under_their_old_name():
    snapshot = read_market_task(example("market_callback_success_2025")["data"])

    assert (snapshot.state, snapshot.credits) == (SUCCEEDED, Decimal("55.00"))


@pytest.mark.parametrize("state", ["paused", "SUCCESS", "succeeded", "done", "failed", "1", 1])
def test_a_state_nobody_knows_is_one_that_still_runs(state):
    assert market(state=state).state is RUNNING


@pytest.mark.parametrize("state", [None, "", " ", {}, [], True, "\x00"])
def test_a_record_without_a_state_is_unclear(state):
    with pytest.raises(KieUnclear):
        market(state=state)


def test_the_state_decides_and_never_the_address():
    waiting = read_market_task(says("waiting", CLIP)["data"])
    failed = read_market_task(says("fail", CLIP)["data"])
    empty = read_market_task(says("success")["data"])

    assert (waiting.state, waiting.video_urls) == (RUNNING, ())
    assert (failed.state, failed.video_urls) == (FAILED, ())
    assert (empty.state, empty.video_urls) == (SUCCEEDED, ())


@pytest.mark.parametrize(
    "facts",
    [
        {"resultJson": json.dumps({"resultUrls": [CLIP]})},
        {"resultJson": json.dumps({"resultUrls": json.dumps([CLIP])})},
        {"resultJson": json.dumps({"resultUrls": f"[{CLIP}]"})},
        {"resultJson": json.dumps({"resultUrl": CLIP})},
        {"resultJson": "", "response": {"resultUrls": [CLIP]}},
        {"resultJson": "{broken", "response": {"resultUrls": [CLIP]}},
        {"resultJson": json.dumps({"resultUrls": ["javascript:alert(1)", CLIP]})},
        {"resultJson": json.dumps({"resultUrls": []}), "response": {"resultUrls": [CLIP]}},
    ],
    ids=str,
)
def test_a_market_address_is_found_in_each_of_its_places(facts):
    assert market(**facts).video_urls == (CLIP,)


FRAME = "https://tempfile.aiquickdraw.com/f/last.PNG"


@pytest.mark.parametrize(
    "result",
    [
        {"resultUrls": [CLIP, FRAME]},
        {"resultUrls": [FRAME, CLIP]},
        {"resultUrls": [CLIP], "last_frame_url": FRAME},
        {"resultUrls": [CLIP], "lastFrameUrl": FRAME},
        {"resultUrls": [CLIP, FRAME], "lastFrameUrl": FRAME},
    ],
)
def test_a_picture_beside_the_video_comes_after_it(result):
    assert market(resultJson=json.dumps(result)).video_urls == (CLIP, FRAME)


@pytest.mark.parametrize(
    ("figure", "progress"),
    [(42, 42), (0, 0), (99.9, 99), (100, 100), (101, None), (-1, None)]
    + [(odd, None) for odd in (None, "42", True, float("nan"), float("inf"), [])],
)
def test_progress_is_a_percentage_or_nothing(figure, progress):
    assert market(state="generating", progress=figure).progress == progress


@pytest.mark.parametrize(
    ("figure", "credits"),
    [(55, Decimal(55)), (30.456, Decimal("30.46")), (0, Decimal(0)), (1e-320, Decimal(0))]
    + [(odd, None) for odd in (-1, "55", True, None, float("nan"), float("inf"), 1e7, 10**400)],
)
def test_credits_are_an_amount_that_fits_its_column_or_nothing(figure, credits):
    assert market(creditsConsumed=figure).credits == credits


# --- Veo ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "snapshot"),
    [
        ("veo_record_generating", TaskSnapshot(state=RUNNING, kie_state="0")),
        (
            "veo_record_success",
            TaskSnapshot(state=SUCCEEDED, kie_state="1", video_urls=(VEO_CLIP,)),
        ),
        (
            "veo_record_extend_success",
            TaskSnapshot(state=SUCCEEDED, kie_state="1", video_urls=(VEO_WHOLE,)),
        ),
        (
            "veo_record_failed_2",
            TaskSnapshot(
                state=FAILED,
                kie_state="2",
                error_code="400",
                failure="Your prompt was flagged by Website as violating content policies.",
            ),
        ),
        (
            "veo_record_failed_3",
            TaskSnapshot(
                state=FAILED,
                kie_state="3",
                error_code="501",
                failure="Failed - Video generation task failed",
            ),
        ),
    ],
)
def test_a_documented_veo_record_reads_as_documented(name, snapshot):
    read = read_veo_task(example(name)["data"])

    assert read.request.call_back_url == ECHO
    assert told_by(read) == told_by(snapshot)
    assert bool(read.raw) == (snapshot.state is FAILED)


@pytest.mark.parametrize("flag", [2, 3, 4, -1, 99, 10**60])
def test_any_other_flag_is_a_failure(flag):
    response = {"resultUrls": [VEO_CLIP]}

    snapshot = veo(successFlag=flag, response=response)

    assert (snapshot.state, snapshot.video_urls) == (FAILED, ())


@pytest.mark.parametrize("flag", [None, "1", True, 1.0, [1], {}])
def test_a_record_without_a_flag_is_unclear(flag):
    with pytest.raises(KieUnclear):
        veo(successFlag=flag)


def test_a_running_veo_task_with_an_address_still_runs():
    snapshot = veo(successFlag=0, response={"resultUrls": [VEO_CLIP]})

    assert (snapshot.state, snapshot.video_urls) == (RUNNING, ())


@pytest.mark.parametrize(
    "facts",
    [
        {"response": {"resultUrls": [VEO_CLIP]}},
        {"response": {"resultUrls": [VEO_CLIP], "fullResultUrls": None}},
        {"response": {"resultUrls": [VEO_CLIP], "fullResultUrls": "[]"}},
        {"response": {"resultUrls": json.dumps([VEO_CLIP])}},
        {"response": {"resultUrls": f"[{VEO_CLIP}]"}},
        {"resultUrls": [VEO_CLIP]},
        {"response": [], "resultUrls": VEO_CLIP},
    ],
    ids=str,
)
def test_a_veo_address_is_found_in_each_of_its_places(facts):
    assert veo(**facts).video_urls == (VEO_CLIP,)


# --- Veo in 1080p ---------------------------------------------------------------------------

VEO_1080P = FAMILIES["veo-1080p"]
SOURCE = "veo_task_abcdef123456"


def test_a_1080p_version_has_an_id_of_ours_that_can_be_asked_about():
    own_id = VEO_1080P.own_id({"taskId": SOURCE, "index": 2})

    assert own_id == said.task_id(own_id)
    assert VEO_1080P.query(own_id) == {"taskId": SOURCE, "index": 2}


def test_each_request_for_a_1080p_version_has_an_id_of_its_own():
    body = {"taskId": SOURCE}

    assert VEO_1080P.own_id(body) != VEO_1080P.own_id(body)
    assert VEO_1080P.query(VEO_1080P.own_id(body)) == {"taskId": SOURCE, "index": 0}


@pytest.mark.parametrize(
    "body",
    [{}, {"taskId": ""}, {"taskId": None}, {"taskId": "a b"}, {"taskId": "x" * 120}]
    + [{"taskId": "t", "index": index} for index in (-1, "x", [1], 10**9)],
    ids=str,
)
def test_what_names_no_video_of_a_task_gets_no_id(body):
    assert VEO_1080P.own_id(body) == ""


@pytest.mark.parametrize(
    "task_id", ["", "veo_task_1", "1080p:0:t", "1080p:x:00000000:t", "1080p:0:00000000:"]
)
def test_an_id_of_another_family_is_not_asked_about(task_id):
    with pytest.raises(KieUnclear):
        VEO_1080P.query(task_id)


def test_a_documented_1080p_version_reads_as_documented():
    answer = example("veo_1080p_ok")["data"]

    read = VEO_1080P.read(answer)

    assert (read.state, read.video_urls) == (SUCCEEDED, (answer["resultUrl"],))


@pytest.mark.parametrize("address", [None, "", "clip.mp4", "file:///etc/passwd", [VEO_CLIP], 7])
def test_a_1080p_version_without_an_address_is_unclear(address):
    with pytest.raises(KieUnclear):
        VEO_1080P.read({"resultUrl": address})


@pytest.mark.parametrize(
    ("code", "words", "state"),
    [
        (400, "1080P is processing. It should be ready in 1-2 minutes.", RUNNING),
        (400, "", RUNNING),
        (422, "1080P is processing. Please check back shortly.", RUNNING),
        (500, "The video is not ready yet", RUNNING),
        (501, "Failed - Video generation task failed", FAILED),
    ],
)
def test_a_refusal_says_how_far_a_1080p_version_is(code, words, state):
    told = VEO_1080P.read_refusal(KieRefused("no", code=code, words=words))

    assert told.state is state
    assert told.failure == (words if state is FAILED else "")


@pytest.mark.parametrize(
    ("code", "words"),
    [(401, "You do not have access permissions"), (404, "Not Found"), (422, "record is null")],
)
def test_another_refusal_says_nothing_about_it(code, words):
    refusal = KieRefused("no", code=code, words=words)

    assert [family.read_refusal(refusal) for family in FAMILIES.values()] == [None] * len(FAMILIES)


# --- Runway ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "snapshot"),
    [
        ("runway_record_generating", TaskSnapshot(state=RUNNING, kie_state="generating")),
        (
            "runway_record_success",
            TaskSnapshot(
                state=SUCCEEDED,
                kie_state="success",
                video_urls=(RUNWAY_CLIP,),
                thumbnail_url=RUNWAY_STILL,
            ),
        ),
        (
            "runway_record_fail",
            TaskSnapshot(
                state=FAILED,
                kie_state="fail",
                error_code="400",
                failure=f"{MODERATED}. Please adjust it and try again!",
            ),
        ),
    ],
)
def test_a_documented_runway_record_reads_as_documented(name, snapshot):
    read = read_runway_task(example(name)["data"])

    assert told_by(read) == told_by(snapshot)
    assert read.request.fields["prompt"] == "A fox trots across snow"
    assert bool(read.raw) == (snapshot.state is FAILED)


@pytest.mark.parametrize("state", ["wait", "queueing", "generating", "paused", "waiting"])
def test_a_runway_task_runs_until_it_says_that_it_has_ended(state):
    snapshot = runway(state=state, videoInfo={"videoUrl": RUNWAY_CLIP})

    assert (snapshot.state, snapshot.video_urls) == (RUNNING, ())


def test_an_extended_runway_video_names_the_one_it_goes_on_from():
    param = {"prompt": "on it goes", "callBackUrl": ECHO}

    read = runway(parentTaskId="ee603959-debb", generateParam=param)

    assert read.request == TaskRequest(
        fields={"prompt": "on it goes", "taskId": "ee603959-debb"}, call_back_url=ECHO
    )


def test_the_one_time_of_a_runway_record_is_its_end_once_it_has_succeeded():
    time, moment_meant = "2026-09-21 13:22:45", datetime(2026, 9, 21, 13, 22, 45, tzinfo=UTC)

    done, running = runway(generateTime=time), runway(state="generating", generateTime=time)

    assert (done.created_at, done.completed_at) == (moment_meant, moment_meant)
    assert (running.created_at, running.completed_at) == (moment_meant, None)


def test_a_runway_video_whose_two_weeks_are_over_has_no_results():
    info = {"videoUrl": RUNWAY_CLIP, "imageUrl": RUNWAY_STILL}

    read = runway(videoInfo=info, expireFlag=1)

    assert (read.state, read.video_urls, read.thumbnail_url) == (SUCCEEDED, (), "")
    assert read.raw


@pytest.mark.parametrize(
    "info",
    [None, [], RUNWAY_CLIP, {}, {"videoUrl": ""}, {"videoUrl": [RUNWAY_CLIP]}, {"videoUrl": "x"}],
    ids=str,
)
def test_a_runway_success_without_an_address_has_none(info):
    assert runway(videoInfo=info).video_urls == ()


# --- Aleph ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "snapshot"),
    [
        ("aleph_record_pending", TaskSnapshot(state=RUNNING, kie_state="0")),
        (
            "aleph_record_success",
            TaskSnapshot(
                state=SUCCEEDED,
                kie_state="1",
                video_urls=(RUNWAY_CLIP,),
                thumbnail_url=RUNWAY_STILL,
            ),
        ),
        (
            "aleph_record_failed",
            TaskSnapshot(state=FAILED, kie_state="0", error_code="400", failure=f"{MODERATED}."),
        ),
    ],
)
def test_a_documented_aleph_record_reads_as_documented(name, snapshot):
    read = read_aleph_task(example(name)["data"])

    assert told_by(read) == told_by(snapshot)
    assert read.request.fields["videoUrl"] == "https://example.com/media/source.mp4"
    assert bool(read.raw) == (snapshot.state is FAILED)


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        ({}, RUNNING),
        ({"errorCode": None, "errorMessage": None}, RUNNING),
        ({"errorCode": "0"}, RUNNING),
        ({"errorCode": 500}, FAILED),
        ({"errorCode": "400"}, FAILED),
        ({"errorMessage": "moderated"}, FAILED),
        ({"successFlag": 2}, RUNNING),
        ({"successFlag": 3, "errorCode": 501}, FAILED),
        ({"successFlag": 1, "errorCode": 200, "errorMessage": "success"}, SUCCEEDED),
    ],
    ids=str,
)
def test_an_aleph_task_that_failed_says_so_by_its_error_alone(facts, state):
    response = {"resultVideoUrl": RUNWAY_CLIP}

    snapshot = aleph(response=response, **facts)

    assert snapshot.state is state
    assert bool(snapshot.video_urls) == (state is SUCCEEDED)


@pytest.mark.parametrize("flag", [None, "1", True, 1.0, [1], {}])
def test_an_aleph_record_without_a_flag_is_unclear(flag):
    with pytest.raises(KieUnclear):
        aleph(successFlag=flag)


# --- What they share ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spelling", "addresses"),
    [
        ([CLIP, VEO_CLIP], [CLIP, VEO_CLIP]),
        (json.dumps([CLIP, VEO_CLIP]), [CLIP, VEO_CLIP]),
        (f"[{CLIP}, {VEO_CLIP}]", [CLIP, VEO_CLIP]),
        (f"['{CLIP}']", [CLIP]),
        (CLIP, [CLIP]),
        ("[]", []),
        (None, []),
        (7, []),
        ({"url": CLIP}, []),
    ],
)
def test_addresses_are_read_in_each_of_kies_spellings(spelling, addresses):
    assert url_list(spelling) == addresses


@pytest.mark.parametrize(
    "address",
    [
        "",
        "clip.mp4",
        "//host/clip.mp4",
        "ftp://host/clip.mp4",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "data:video/mp4;base64,AAAA",
        "https://",
        "https:///clip.mp4",
        "https://[::1/clip.mp4",
        "https://host/a b.mp4",
        "https://host/a\nb.mp4",
        "https://host\\@evil.example/",
        "https://host/\x00.mp4",
        "https://host/\ud800.mp4",
        "https://host/" + "x" * MOST_URL,
        None,
        17,
        b"https://host/clip.mp4",
    ],
    ids=lambda address: repr(address)[:40],
)
def test_what_is_no_address_is_left_out(address):
    response = {"resultUrls": [address, CLIP]}

    assert veo(response=response).video_urls == (CLIP,)
    assert market(response=response).video_urls == (CLIP,)


def test_kies_words_are_kept_as_text_that_can_be_stored():
    said = "first\x00\x1b[31m\ud83d line\n\u202esecond" + "x" * 10_000

    snapshot = market(state="fail", failMsg=said, failCode="9" * 100)

    assert snapshot.failure.startswith("first[31m line\nsecondxxx")
    assert len(snapshot.failure) <= MOST_TEXT
    assert snapshot.error_code == "9" * 16


def test_a_market_body_keeps_its_fields_apart_from_the_model():
    request = example("market_create_request")

    body = market_body(request["model"], request["input"], request["callBackUrl"])

    assert body == request


def test_a_veo_body_is_flat():
    request = example("veo_create_request")
    fields = {k: v for k, v in request.items() if k not in {"model", "callBackUrl"}}

    body = flat_body("veo3_fast", fields, request["callBackUrl"])

    assert body == request


def test_without_a_callback_address_none_is_sent():
    assert market_body("m", {"prompt": "p"}, "") == {"model": "m", "input": {"prompt": "p"}}
    assert flat_body("m", {"prompt": "p"}, "") == {"model": "m", "prompt": "p"}
    for family in FAMILIES.values():
        assert "callBackUrl" not in family.body("m", {"prompt": "p"}, "")


@pytest.mark.parametrize("name", ["runway", "runway-extend", "aleph", "veo-4k"])
def test_where_the_path_names_the_model_the_body_does_not(name):
    family = FAMILIES[name]

    body = family.body(family.model, {"taskId": "t"}, ECHO)

    assert body == {"taskId": "t", "callBackUrl": ECHO}


def test_a_veo_extension_names_its_tier():
    body = FAMILIES["veo-extend"].body("lite", {"taskId": "t", "prompt": "on"}, ECHO)

    assert body == {"model": "lite", "taskId": "t", "prompt": "on", "callBackUrl": ECHO}


def test_for_a_1080p_version_nobody_is_called_back():
    body = VEO_1080P.body("veo-get-1080p", {"taskId": "t", "index": 1}, ECHO)

    assert body == {"taskId": "t", "index": 1}


def test_each_family_lives_where_kie_documents_it():
    paths = {name: (family.create_path, family.status_path) for name, family in FAMILIES.items()}

    assert paths == {
        "market": ("/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo"),
        "veo": ("/api/v1/veo/generate", "/api/v1/veo/record-info"),
        "veo-extend": ("/api/v1/veo/extend", "/api/v1/veo/record-info"),
        "veo-4k": ("/api/v1/veo/get-4k-video", "/api/v1/veo/record-info"),
        "veo-1080p": ("/api/v1/veo/get-1080p-video", "/api/v1/veo/get-1080p-video"),
        "runway": ("/api/v1/runway/generate", "/api/v1/runway/record-detail"),
        "runway-extend": ("/api/v1/runway/extend", "/api/v1/runway/record-detail"),
        "aleph": ("/api/v1/aleph/generate", "/api/v1/aleph/record-info"),
    }
    assert all(set(paths[name]) <= set(document()["paths"]) for name in paths)


# --- Records nobody has thought of ----------------------------------------------------------

RECORDS = [
    (FAMILIES[name.split("_")[0]], example(name)["data"])
    for name in (
        "runway_record_success",
        "runway_record_generating",
        "runway_record_fail",
        "aleph_record_success",
        "aleph_record_pending",
        "aleph_record_failed",
        "market_record_success",
        "market_record_success_late_2026",
        "market_record_generating",
        "market_record_fail",
        "veo_record_success",
        "veo_record_extend_success",
        "veo_record_failed_3",
    )
] + [(VEO_1080P, example("veo_1080p_ok")["data"])]
# Surrogates on purpose: JSON can carry half a character.
WORDS = st.text(st.characters(), max_size=40) | st.sampled_from(
    [
        "\x00",
        "\ud800",
        "x" * 100_000,
        "https://h/\x00",
        "https://[",
        "[" * 5000,
        "\u202e",
    ]
)
INNER_FIELDS = [
    "resultUrls",
    "resultUrl",
    "fullResultUrls",
    "videoUrl",
    "imageUrl",
    "resultVideoUrl",
    "resultImageUrl",
    "prompt",
    "model",
    "callBackUrl",
]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.integers(min_value=-(10**400), max_value=10**400)
    | st.floats()
    | WORDS
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(INNER_FIELDS), inner)
        | inner.map(json.dumps)
    ),
    max_leaves=6,
)
FIELDS = sorted({field for _, record in RECORDS for field in record} | {"progress", "resultUrls"})
CHANGES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)
DELETIONS = st.sets(st.sampled_from(FIELDS), max_size=3)


def assert_storable(snapshot):
    texts = [snapshot.kie_state, snapshot.error_code, snapshot.failure, *snapshot.video_urls]
    texts += [snapshot.request.call_back_url, snapshot.request.model, snapshot.thumbnail_url]
    texts += [snapshot.raw]
    json.loads(json.dumps(texts).encode())
    "".join(texts).encode("utf-8")
    assert "\x00" not in "".join(texts)
    assert len(snapshot.kie_state) <= 40
    assert len(snapshot.error_code) <= 16
    assert len(snapshot.failure) <= MOST_TEXT
    for url in filter(None, (*snapshot.video_urls, snapshot.thumbnail_url)):
        assert url.lower().startswith(("http://", "https://"))
        assert len(url) <= MOST_URL
    assert snapshot.progress is None or 0 <= snapshot.progress <= 100
    assert snapshot.credits is None or 0 <= snapshot.credits < 10**8


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(RECORDS), CHANGES, DELETIONS)
def test_a_mangled_record_reads_as_something_storable_or_as_unclear(case, changes, deletions):
    family, record = case
    mangled = {k: v for k, v in (record | changes).items() if k not in deletions}

    try:
        snapshot = family.read(mangled)
    except KieUnclear:
        return

    assert isinstance(snapshot.state, TaskState)
    assert_storable(snapshot)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_addresses_in_any_value_are_read_without_complaint(value):
    assert isinstance(url_list(value), list)
