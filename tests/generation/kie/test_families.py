"""How each family's answers read, whatever shape they arrive in."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.kie.errors import KieError, KieUnclear
from generation.kie.families import (
    FAMILIES,
    flat_body,
    market_body,
    read_market_task,
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

RUNNING, SUCCEEDED, FAILED = TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED
CLIP = "https://tempfile.aiquickdraw.com/k/1790000123_demo.mp4"
# Where the documented requests asked to be called back.
ECHO = "https://studio.example.com/webhooks/kie/5f0c6a1e"
VEO_CLIP = "https://tempfile.aiquickdraw.com/v/9c1d2e3f4a5b_1790000300.mp4"
VEO_WHOLE = "https://tempfile.aiquickdraw.com/v/full_1790000900.mp4"


def market(**facts):
    return read_market_task({"taskId": "t", "state": "success", "resultJson": ""} | facts)


def veo(**facts):
    return read_veo_task({"taskId": "t", "successFlag": 1, "response": None} | facts)


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
    "read", [lambda: market_failed(), lambda: market(**ECHOING), lambda: veo(**ECHOING)]
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


# --- What both share ------------------------------------------------------------------------


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


def test_each_family_lives_where_kie_documents_it():
    paths = {name: (family.create_path, family.status_path) for name, family in FAMILIES.items()}

    assert paths == {
        "market": ("/api/v1/jobs/createTask", "/api/v1/jobs/recordInfo"),
        "veo": ("/api/v1/veo/generate", "/api/v1/veo/record-info"),
    }


# --- Records nobody has thought of ----------------------------------------------------------

RECORDS = [
    (FAMILIES["market" if "market" in name else "veo"], example(name)["data"])
    for name in (
        "market_record_success",
        "market_record_success_late_2026",
        "market_record_generating",
        "market_record_fail",
        "veo_record_success",
        "veo_record_extend_success",
        "veo_record_failed_3",
    )
]
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
        | st.dictionaries(st.sampled_from(["resultUrls", "resultUrl", "fullResultUrls"]), inner)
        | inner.map(json.dumps)
    ),
    max_leaves=6,
)
FIELDS = sorted({field for _, record in RECORDS for field in record} | {"progress", "resultUrls"})
CHANGES = st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=6)
DELETIONS = st.sets(st.sampled_from(FIELDS), max_size=3)


def assert_storable(snapshot):
    texts = [snapshot.kie_state, snapshot.error_code, snapshot.failure, *snapshot.video_urls]
    texts += [snapshot.request.call_back_url, snapshot.request.model]
    json.loads(json.dumps(texts).encode())
    "".join(texts).encode("utf-8")
    assert "\x00" not in "".join(texts)
    assert len(snapshot.kie_state) <= 40
    assert len(snapshot.error_code) <= 16
    assert len(snapshot.failure) <= MOST_TEXT
    for url in snapshot.video_urls:
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
    except KieError:
        return

    assert isinstance(snapshot.state, TaskState)
    assert_storable(snapshot)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_addresses_in_any_value_are_read_without_complaint(value):
    assert isinstance(url_list(value), list)
