"""What we know after each answer KIE.AI can give, and after none."""

import gzip
import io
import json
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from contextlib import suppress
from decimal import Decimal

import pytest
import requests

from generation.kie import client as client_module
from generation.kie.client import USER_AGENT, KieClient
from generation.kie.errors import KieError, KieNotSent, KieRefused, KieUnclear
from generation.kie.families import FAMILIES
from generation.kie.live import LiveModel
from generation.kie.snapshot import TaskState
from tests.conftest import (
    CREATE_TASK,
    EXAMPLES,
    KIE,
    RECORD_INFO,
    RESULT,
    UPLOAD,
    VEO_GENERATE,
    VEO_RECORD,
    example,
    picture_bytes,
)

MARKET, VEO = FAMILIES["market"], FAMILIES["veo"]
VEO_4K, VEO_1080P = FAMILIES["veo-4k"], FAMILIES["veo-1080p"]
# Families whose creations make a task, and cost money if they are repeated.
CREATING = [family for family in FAMILIES.values() if family.own_id is None]
GET_1080P = f"{KIE}/veo/get-1080p-video"
SOURCE = {"taskId": "veo_task_source", "index": 1}
CREDIT = f"{KIE}/chat/credit"
KEY = "kie-key-that-nobody-may-see"


def create(client, *, family=MARKET):
    return client.create_task({"model": "m", "input": {"prompt": "a red kite"}}, family=family)


def upload(client):
    return client.upload(io.BytesIO(b"pixels"), name="5f0c.png", media_type="image/png")


def kie_error(call, *arguments, **options):
    """The KieError that this call ends in."""
    with pytest.raises(KieError) as caught:
        call(*arguments, **options)
    return caught.value


# --- What KIE.AI documents ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "url", "family"),
    [
        ("market_create_ok", CREATE_TASK, MARKET),
        ("market_create_ok_with_record_id", CREATE_TASK, MARKET),
        ("veo_create_ok", VEO_GENERATE, VEO),
        ("veo_extend_create_ok", f"{KIE}/veo/extend", FAMILIES["veo-extend"]),
        ("veo_4k_accepted", f"{KIE}/veo/get-4k-video", VEO_4K),
        ("runway_create_ok", f"{KIE}/runway/generate", FAMILIES["runway"]),
        ("runway_create_ok", f"{KIE}/runway/extend", FAMILIES["runway-extend"]),
        ("runway_create_ok", f"{KIE}/aleph/generate", FAMILIES["aleph"]),
    ],
)
def test_an_accepted_creation_gives_its_task_id(kie, kie_client, name, url, family):
    kie.post(url, json=example(name))

    task_id = create(kie_client, family=family)

    assert task_id == example(name)["data"]["taskId"]


def test_a_creation_is_sent_as_given(kie, kie_client):
    kie.post(CREATE_TASK, json=example("market_create_ok"))

    kie_client.create_task(example("market_create_request"), family=MARKET)

    assert json.loads(kie.calls[0].request.body) == example("market_create_request")


def test_the_key_and_an_agent_go_with_every_call(kie, kie_client):
    kie.get(CREDIT, json=example("credit_ok"))

    kie_client.fetch_credits()

    headers = kie.calls[0].request.headers
    assert headers["Authorization"] == "Bearer test-key"
    assert headers["User-Agent"] == USER_AGENT


def test_a_task_is_asked_about_by_its_id(kie, kie_client):
    kie.get(RECORD_INFO, json=example("market_record_generating"))
    kie.get(VEO_RECORD, json=example("veo_record_success"))

    market = kie_client.fetch_task("task-1", family=MARKET)
    veo = kie_client.fetch_task("task-2", family=VEO)

    assert [call.request.params["taskId"] for call in kie.calls] == ["task-1", "task-2"]
    assert (market.state, veo.state) == (TaskState.RUNNING, TaskState.SUCCEEDED)


@pytest.mark.parametrize(
    ("name", "family", "state"),
    [
        ("runway_record_success", "runway", TaskState.SUCCEEDED),
        ("runway_record_fail", "runway-extend", TaskState.FAILED),
        ("aleph_record_pending", "aleph", TaskState.RUNNING),
        ("veo_record_extend_success", "veo-extend", TaskState.SUCCEEDED),
        ("veo_record_generating", "veo-4k", TaskState.RUNNING),
    ],
)
def test_each_family_is_asked_in_its_own_place(kie, kie_client, name, family, state):
    kie.get(f"https://api.kie.ai{FAMILIES[family].status_path}", json=example(name))

    snapshot = kie_client.fetch_task("task-1", family=FAMILIES[family])

    assert snapshot.state is state
    assert kie.calls[0].request.params == {"taskId": "task-1"}


@pytest.mark.parametrize("name", ["upload_ok", "upload_ok_quickstart_shape"])
def test_an_uploaded_picture_gets_an_address(kie, kie_client, name):
    kie.post(UPLOAD, json=example(name))

    address = upload(kie_client)

    assert address == example(name)["data"]["downloadUrl"]
    assert b'filename="5f0c.png"' in kie.calls[0].request.body
    assert b"Content-Type: image/png" in kie.calls[0].request.body


def test_the_balance_is_exact(kie, kie_client):
    kie.get(CREDIT, json=example("credit_ok"))

    assert kie_client.fetch_credits() == Decimal("2450.5")


REFUSALS = [
    ("error_unauthorized_401", KieRefused, 401, "You do not have access permissions"),
    ("error_insufficient_credits_402", KieRefused, 402, "Credits insufficient"),
    ("error_model_not_supported_422", KieRefused, 422, "model name you specified is not supported"),
    ("error_validation_422", KieRefused, 422, "aspect_ratio is not within the range"),
    ("error_rate_limited_429", KieNotSent, 429, "Rate limit exceeded"),
    ("error_subkey_limit_433", KieRefused, 433, "Sub-key Usage Exceeds Limit"),
    ("error_image_fetch_451", KieRefused, 451, "Failed to fetch the image"),
    ("error_maintenance_455", KieNotSent, 455, "undergoing maintenance"),
    ("error_hidden_validation_500", KieRefused, 500, "This field is required"),
    ("error_model_paused_500", KieRefused, 500, "temporarily paused"),
    ("error_server_error_500", KieRefused, 500, "Server exception"),
    ("error_feature_disabled_505", KieRefused, 505, "Feature Disabled"),
]


@pytest.mark.parametrize("is_http_200", [True, False])
@pytest.mark.parametrize(("name", "kind", "code", "words"), REFUSALS)
def test_a_documented_error_is_one_whatever_http_says(
    kie, kie_client, name, kind, code, words, is_http_200
):
    kie.post(CREATE_TASK, json=example(name), status=200 if is_http_200 else code)

    error = kie_error(create, kie_client)

    assert type(error) is kind
    assert error.code == code
    assert words in error.words


def test_no_documented_error_is_forgotten_above():
    documented = {path.stem for path in EXAMPLES.glob("error_*.json")}

    assert documented == {name for name, *_ in REFUSALS}


@pytest.mark.parametrize(
    ("method", "url", "name", "code", "call"),
    [
        ("POST", VEO_GENERATE, "veo_create_ratio_error_422", 422, lambda c: create(c, family=VEO)),
        ("POST", UPLOAD, "upload_error_400", 400, upload),
        (
            "GET",
            RECORD_INFO,
            "market_record_not_found_404",
            404,
            lambda c: c.fetch_task("t", family=MARKET),
        ),
        (
            "GET",
            RECORD_INFO,
            "market_record_not_found_422",
            422,
            lambda c: c.fetch_task("t", family=MARKET),
        ),
        (
            "GET",
            VEO_RECORD,
            "veo_record_expired_422",
            422,
            lambda c: c.fetch_task("t", family=VEO),
        ),
    ],
)
def test_every_call_can_be_refused(kie, kie_client, method, url, name, code, call):
    kie.add(method, url, json=example(name))

    error = kie_error(call, kie_client)

    assert type(error) is KieRefused
    assert error.code == code


def test_a_refusal_without_words_still_has_its_code(kie, kie_client):
    kie.post(CREATE_TASK, json={"code": 418})

    error = kie_error(create, kie_client)

    assert (error.code, error.words) == (418, "")


def test_addresses_in_kies_words_are_cut_where_their_permission_begins(kie, kie_client):
    words = "Failed to fetch https://files.example/a.png?Signature=secret&Expires=9 in time"
    kie.post(CREATE_TASK, json={"code": 451, "msg": words})

    error = kie_error(create, kie_client)

    assert error.words == "Failed to fetch https://files.example/a.png in time"
    assert "secret" not in str(error)


def test_what_came_instead_of_an_answer_is_kept_and_bounded(kie, kie_client):
    kie.get(RECORD_INFO, body="<html>Bad gateway</html>" + "x" * 5000, status=502)

    error = kie_error(lambda client: client.fetch_task("t", family=MARKET), kie_client)

    assert error.raw.startswith("<html>Bad gateway</html>")
    assert len(error.raw) <= 2000


def test_kies_words_are_cleaned_before_anybody_reads_them(kie, kie_client):
    kie.post(CREATE_TASK, json={"code": 422, "msg": "bad\x00 \u202eword \ud800" + "x" * 5000})

    error = kie_error(create, kie_client)

    assert "bad word x" in error.words
    assert len(error.words) <= 500
    error.words.encode()


# --- What KIE.AI does not document ----------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"taskId": None},
        {"taskId": ""},
        {"taskId": 17},
        {"taskId": "a b"},
        {"taskId": "../recordInfo"},
        {"taskId": "x" * 129},
        {"taskId": ["t"]},
        [],
        "task-1",
    ],
    ids=str,
)
def test_accepted_without_a_usable_task_id_is_unclear(kie, kie_client, data):
    kie.post(CREATE_TASK, json={"code": 200, "msg": "success", "data": data})

    assert type(kie_error(create, kie_client)) is KieUnclear


def test_an_error_with_a_task_id_is_unclear(kie, kie_client):
    kie.post(CREATE_TASK, json={"code": 500, "msg": "oops", "data": {"taskId": "task-1"}})

    error = kie_error(create, kie_client)

    assert type(error) is KieUnclear
    assert error.code == 500


@pytest.mark.parametrize("code", ["200", None, True, 200.0, [200]], ids=str)
def test_without_a_usable_code_http_decides(kie, kie_client, code):
    kie.post(CREATE_TASK, json={"code": code, "data": {"taskId": "task-1"}}, status=200)

    assert create(kie_client) == "task-1"


@pytest.mark.parametrize("status", [500, 502, 503, 504, 404, 400, 401, 200])
def test_a_page_in_place_of_an_envelope_is_unclear(kie, kie_client, status):
    page = "<html><body><h1>Bad gateway</h1></body></html>"
    kie.post(CREATE_TASK, body=page, status=status, content_type="text/html")

    error = kie_error(create, kie_client)

    assert type(error) is KieUnclear
    assert error.code == status


def test_the_edges_bare_403_is_a_refusal(kie, kie_client):
    kie.post(CREATE_TASK, body="error code: 1010", status=403)

    error = kie_error(create, kie_client)

    assert type(error) is KieRefused
    assert error.code == 403


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("30", 30.0),
        ("0", 0.0),
        ("86400", 900.0),
        ("9" * 4000, 900.0),
        ("-5", None),
        ("1.5", None),
        ("²", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("answer", [{"json": {"code": 429}}, {"body": "slow down", "status": 429}])
def test_a_pause_kie_asks_for_is_kept_but_not_for_ever(kie, kie_client, answer, header, wait):
    headers = {} if header is None else {"Retry-After": header}
    kie.post(CREATE_TASK, headers=headers, **answer)

    error = kie_error(create, kie_client)

    assert type(error) is KieNotSent
    assert error.retry_after == wait


@pytest.mark.parametrize(
    "body",
    [
        "",
        "null",
        "[]",
        "17",
        '"success"',
        "{",
        '{"code": 200, "data": {"taskId": "t"}',
        "[" * 200_000,
        '{"data":' * 100_000,
        b"\xff\xfe\x00",
        '{"code": ' + "9" * 5000 + "}",
        json.dumps({"code": 200, "data": {"taskId": "t"}, "msg": "x" * 1024 * 1024}),
    ],
    ids=lambda body: f"{body[:20]!r}…",
)
def test_what_cannot_be_read_is_unclear(kie, kie_client, body):
    kie.post(CREATE_TASK, body=body)

    assert type(kie_error(create, kie_client)) is KieUnclear


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nobody_is_sent_elsewhere_with_the_key(kie, kie_client, status):
    kie.post(CREATE_TASK, status=status, headers={"Location": "https://elsewhere.example/"})
    kie.post("https://elsewhere.example/", json=example("market_create_ok"))
    kie.get("https://elsewhere.example/", json=example("market_create_ok"))

    error = kie_error(create, kie_client)

    assert type(error) is KieUnclear
    assert len(kie.calls) == 1


@pytest.mark.parametrize("data", [None, "task", [], 3], ids=str)
def test_a_record_that_is_no_object_is_unclear(kie, kie_client, data):
    kie.get(RECORD_INFO, json={"code": 200, "data": data})

    error = kie_error(kie_client.fetch_task, "t", family=MARKET)

    assert type(error) is KieUnclear


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"downloadUrl": "file:///etc/passwd"},
        {"downloadUrl": "/x.png"},
        "https://x.example",
    ],
    ids=str,
)
def test_an_upload_without_an_address_is_unclear(kie, kie_client, data):
    kie.post(UPLOAD, json={"success": True, "code": 200, "data": data})

    assert type(kie_error(upload, kie_client)) is KieUnclear


@pytest.mark.parametrize("balance", ["NaN", "Infinity", "-1", "true", '"2450"', "null", "1e300"])
def test_a_balance_that_is_no_amount_is_unclear(kie, kie_client, balance):
    kie.get(CREDIT, body=f'{{"code": 200, "data": {balance}}}')

    assert type(kie_error(kie_client.fetch_credits)) is KieUnclear


# --- Veo in 4K and in 1080p -----------------------------------------------------------------


@pytest.mark.parametrize("found", [None, [RESULT]])
def test_a_4k_version_that_is_made_already_is_that_task(kie, kie_client, found):
    data = {"taskId": "veo_4k_task", "resultUrls": found, "imageUrls": None}
    kie.post(f"{KIE}/veo/get-4k-video", json={"code": 422, "msg": "4k is processing", "data": data})

    assert kie_client.create_task(SOURCE, family=VEO_4K) == "veo_4k_task"


def test_a_4k_version_that_cannot_be_made_is_refused(kie, kie_client):
    refusal = {"code": 422, "msg": "record is null", "data": {"taskId": None}}
    kie.post(f"{KIE}/veo/get-4k-video", json=refusal)

    assert type(kie_error(kie_client.create_task, SOURCE, family=VEO_4K)) is KieRefused


def test_a_task_under_the_id_of_the_one_it_was_made_from_is_unclear(kie, kie_client):
    kie.post(f"{KIE}/veo/get-4k-video", json={"code": 200, "data": {"taskId": SOURCE["taskId"]}})

    assert type(kie_error(kie_client.create_task, SOURCE, family=VEO_4K)) is KieUnclear


@pytest.mark.parametrize(
    ("answer", "state"),
    [
        ("veo_1080p_processing_400", TaskState.RUNNING),
        ("veo_1080p_ok", TaskState.SUCCEEDED),
    ],
)
def test_to_ask_for_a_1080p_version_is_to_create_it(kie, kie_client, answer, state):
    kie.get(GET_1080P, json=example(answer))

    task_id = kie_client.create_task(SOURCE, family=VEO_1080P)
    snapshot = kie_client.fetch_task(task_id, family=VEO_1080P)

    assert snapshot.state is state
    asked = {"taskId": "veo_task_source", "index": "1"}
    assert [call.request.params for call in kie.calls] == [asked, asked]


def test_a_1080p_version_that_kie_will_not_make_is_refused(kie, kie_client):
    kie.get(GET_1080P, json={"code": 422, "msg": "record status is not success", "data": None})

    error = kie_error(kie_client.create_task, SOURCE, family=VEO_1080P)

    assert type(error) is KieRefused
    assert (error.code, error.words) == (422, "record status is not success")


@pytest.mark.parametrize(
    ("answer", "is_silence"),
    [
        ({"body": requests.ReadTimeout("slow")}, True),
        ({"body": requests.ConnectionError("reset")}, True),
        ({"body": requests.ConnectTimeout("no answer")}, True),
        ({"body": "<html>", "status": 502}, True),
        ({"json": {"code": 429, "msg": "Rate limit exceeded"}}, False),
        ({"json": {"code": 200, "data": None}}, False),
        ({"json": {"code": 200, "data": {"resultUrl": ""}}}, False),
    ],
    ids=str,
)
def test_what_may_be_asked_for_twice_is_asked_for_again(kie, kie_client, answer, is_silence):
    kie.get(GET_1080P, **answer)

    error = kie_error(kie_client.create_task, SOURCE, family=VEO_1080P)

    assert type(error) is KieNotSent
    assert error.is_silence is is_silence
    assert error.__cause__ is error.__context__ is None, "a context carries the request"


@pytest.mark.parametrize("body", [{}, {"taskId": ""}, {"taskId": "a b"}], ids=str)
def test_a_1080p_version_of_nothing_is_refused_without_asking(kie, kie_client, body):
    assert type(kie_error(kie_client.create_task, body, family=VEO_1080P)) is KieRefused
    assert len(kie.calls) == 0


# --- All four outcomes, in every family -------------------------------------------------------


@pytest.mark.parametrize("family", CREATING, ids=lambda family: family.name)
@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ({"json": {"code": 422, "msg": "Validation failed", "data": None}}, KieRefused),
        ({"json": {"code": 402, "msg": "Credits insufficient"}}, KieRefused),
        ({"body": "error code: 1010", "status": 403}, KieRefused),
        ({"json": {"code": 429, "msg": "Rate limit exceeded"}}, KieNotSent),
        ({"json": {"code": 455, "msg": "maintenance"}}, KieNotSent),
        ({"body": requests.ConnectTimeout("no answer")}, KieNotSent),
        ({"body": requests.ReadTimeout("slow")}, KieUnclear),
        ({"body": requests.ConnectionError("reset")}, KieUnclear),
        ({"body": "<html>", "status": 502}, KieUnclear),
        ({"json": {"code": 200, "data": {"taskId": None}}}, KieUnclear),
        ({"json": {"code": 500, "data": {"taskId": "task-1"}}}, KieUnclear),
    ],
    ids=str,
)
def test_every_family_knows_afterwards_what_became_of_a_creation(
    kie, kie_client, family, answer, kind
):
    kie.post(f"https://api.kie.ai{family.create_path}", **answer)

    error = kie_error(kie_client.create_task, SOURCE | {"prompt": "a red kite"}, family=family)

    assert type(error) is kind


# --- The key --------------------------------------------------------------------------------


def client_of(url, *, key=KEY):
    return KieClient(api_key=key, base_url=url, upload_base_url=url)


@pytest.mark.parametrize(
    "answer",
    [
        {"body": requests.ConnectTimeout("no answer")},
        {"body": requests.ReadTimeout("slow")},
        {"body": requests.ConnectionError("reset")},
        {"body": ValueError(KEY)},
        {"body": "<html>", "status": 502},
        {"body": "forbidden", "status": 403},
        {"json": {"code": 401, "msg": "You do not have access permissions"}},
        {"json": {"code": 429, "msg": "Rate limit exceeded"}},
        {"json": {"code": 200}},
    ],
    ids=str,
)
def test_no_error_carries_the_key(kie, answer, caplog):
    kie.post(CREATE_TASK, **answer)

    error = kie_error(create, client_of("https://api.kie.ai"))

    assert error.__cause__ is error.__context__ is None, "a context carries the request"
    assert KEY not in repr((str(error), repr(error), error.args, vars(error)))
    assert KEY not in caplog.text


@pytest.mark.parametrize("key", [f"{KEY}\n", f"{KEY}\u2026"], ids=["newline", "ellipsis"])
def test_a_key_that_no_header_can_carry_is_not_repeated(key):
    error = kie_error(create, client_of("https://api.kie.ai", key=key))

    assert error.__cause__ is error.__context__ is None
    assert KEY not in repr((str(error), repr(error), error.args))


def test_a_client_does_not_show_its_key():
    assert KEY not in repr(client_of("https://api.kie.ai"))


def test_a_proxy_of_the_environment_is_not_given_the_key(serve, monkeypatch):
    proxy = serve(answer_with(b""))
    monkeypatch.setenv("http_proxy", proxy.url)
    url = serve(answer_with(CREATED)).url

    create(client_of(url))

    assert not proxy.received


# --- Broken connections, on real sockets ----------------------------------------------------

CREATED = json.dumps(example("market_create_ok")).encode()


class Server:
    """Accepts connections on loopback and lets a test's function answer each one."""

    def __init__(self, handle):
        self.handle = handle
        self.received = []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.url = "http://{}:{}".format(*self.listening.getsockname())
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while True:
            connection, _ = self.listening.accept()
            with connection:
                connection.settimeout(5)
                request = connection.recv(65536)
                if not request:
                    return
                self.received.append(request)
                self.handle(connection)

    def stop(self):
        # A connection that says nothing is the sign to stop.
        socket.create_connection(self.listening.getsockname()).close()
        self.thread.join()
        self.listening.close()


@pytest.fixture
def serve():
    servers = []

    def start(handle):
        servers.append(Server(handle))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


def answer_with(body, *, length=None, headers=b""):
    """Answers 200 with this body, announced as `length` bytes."""

    def handle(connection):
        announced = b"Content-Length: %d\r\n" % (len(body) if length is None else length)
        connection.sendall(b"HTTP/1.1 200 OK\r\n" + announced + headers + b"\r\n" + body)

    return handle


def reset(connection):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def answer_in_half_a_chunk(connection):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n" + CREATED[:9])


def test_a_real_answer_over_a_real_socket(serve):
    server = serve(answer_with(CREATED))

    task_id = create(client_of(server.url))

    assert task_id == "task_kling-2.6_1765182425861"
    assert f"Authorization: Bearer {KEY}".encode() in server.received[0]


@pytest.mark.parametrize(
    "handle",
    [
        pytest.param(reset, id="reset after sending"),
        pytest.param(lambda connection: None, id="closed after sending"),
        pytest.param(answer_with(CREATED[:20], length=len(CREATED)), id="half an answer"),
        pytest.param(answer_in_half_a_chunk, id="half a chunk"),
        pytest.param(lambda connection: connection.sendall(b"what?\r\n\r\n"), id="no HTTP"),
        pytest.param(
            answer_with(b"no gzip", headers=b"Content-Encoding: gzip\r\n"), id="broken gzip"
        ),
        pytest.param(
            answer_with(gzip.compress(b" " * 20_000_000), headers=b"Content-Encoding: gzip\r\n"),
            id="a gzip bomb",
        ),
    ],
)
def test_once_it_was_sent_a_broken_answer_is_unclear(serve, handle):
    server = serve(handle)

    error = kie_error(create, client_of(server.url))

    assert type(error) is KieUnclear
    assert len(server.received) == 1, "a creation is never repeated by itself"
    assert error.__context__ is None


def test_no_more_of_an_answer_is_fetched_than_may_be_kept(serve):
    sent = []

    def flood(connection):
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        # The reset that tells us nobody is reading any more.
        with suppress(OSError):
            for _ in range(100):
                connection.sendall(b" " * 1_000_000)
                sent.append(1)

    error = kie_error(create, client_of(serve(flood).url))

    assert type(error) is KieUnclear
    assert len(sent) < 50


def test_an_answer_that_does_not_come_is_unclear(serve, monkeypatch):
    done = threading.Event()
    server = serve(lambda connection: done.wait(5))
    monkeypatch.setitem(KieClient._call.__kwdefaults__, "read_seconds", 0.2)

    error = kie_error(create, client_of(server.url))
    done.set()

    assert type(error) is KieUnclear


def test_an_answer_that_stops_halfway_is_unclear(serve, monkeypatch):
    done = threading.Event()

    def stop_halfway(connection):
        answer_with(CREATED[:20], length=len(CREATED))(connection)
        done.wait(5)

    server = serve(stop_halfway)
    monkeypatch.setitem(KieClient._call.__kwdefaults__, "read_seconds", 0.2)

    error = kie_error(create, client_of(server.url))
    done.set()

    assert type(error) is KieUnclear


@pytest.mark.parametrize("part", ["head", "body"])
def test_an_answer_that_comes_drop_by_drop_is_not_waited_for(serve, monkeypatch, part):
    done = threading.Event()
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(CREATED)}\r\n\r\n".encode()

    def drip(connection):
        if part == "body":
            connection.sendall(head)
        for byte in head + CREATED if part == "head" else CREATED:
            with suppress(OSError):
                connection.sendall(bytes([byte]))
            if done.wait(0.05):
                return

    server = serve(drip)
    monkeypatch.setitem(KieClient._call.__kwdefaults__, "read_seconds", 0.3)
    started = time.monotonic()

    error = kie_error(create, client_of(server.url))
    took = time.monotonic() - started
    done.set()

    assert type(error) is KieUnclear
    assert took < 2


def test_a_file_may_take_longer_than_a_connection(serve, monkeypatch):
    file = b"x" * 12_000_000

    def read_slowly(connection):
        left = len(file) - 100_000
        while left > 0 and (piece := connection.recv(200_000)):
            left -= len(piece)
            time.sleep(0.02)
        answer_with(json.dumps(example("upload_ok")).encode())(connection)

    # So long urllib3 lets a single block of a body take: in one piece it would not be gone by then.
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.5)
    client = client_of(serve(read_slowly).url)
    started = time.monotonic()

    address = client.upload(io.BytesIO(file), name="5f0c.mp4", media_type="video/mp4")

    assert time.monotonic() - started > 0.5
    assert address == example("upload_ok")["data"]["downloadUrl"]


def assert_never_sent(error):
    assert type(error) is KieNotSent
    assert error.retry_after is None
    assert error.__context__ is None


def test_a_refused_connection_is_not_sent():
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]

    error = kie_error(create, client_of(f"http://127.0.0.1:{port}"))

    assert_never_sent(error)


def test_a_name_that_nobody_knows_is_not_sent():
    error = kie_error(create, client_of("http://no-such-host.invalid"))

    assert_never_sent(error)


def test_a_connection_that_is_not_made_in_time_is_not_sent(monkeypatch):
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.2)
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        # Two fill the queue of a socket that accepts nobody; the third finds no room.
        waiting = [socket.socket() for _ in range(2)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())

        error = kie_error(create, client_of("http://{}:{}".format(*full.getsockname())))
        for one in waiting:
            one.close()

    assert_never_sent(error)


def test_a_port_without_tls_is_not_sent(serve):
    server = serve(answer_with(b""))

    error = kie_error(create, client_of(server.url.replace("http:", "https:")))

    assert_never_sent(error)
    assert KEY.encode() not in server.received[0]


def test_a_handshake_that_breaks_off_is_not_sent(serve):
    server = serve(lambda connection: None)

    error = kie_error(create, client_of(server.url.replace("http:", "https:")))

    assert_never_sent(error)


def test_a_handshake_that_never_ends_is_not_sent(serve, monkeypatch):
    done = threading.Event()
    server = serve(lambda connection: done.wait(5))
    monkeypatch.setattr(client_module, "CONNECT_SECONDS", 0.2)

    error = kie_error(create, client_of(server.url.replace("http:", "https:")))
    done.set()

    assert_never_sent(error)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """A certificate for loopback with its key, both in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=studio -addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    )
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return both


@pytest.fixture
def tls_server(certificate):
    """An https server that hears one request and hangs up without a word."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(5)
    heard = []

    def hear_one():
        connection, _ = listening.accept()
        connection.settimeout(5)
        with connection, suppress(ssl.SSLError, OSError):
            secured = context.wrap_socket(connection, server_side=True)
            with secured:
                heard.append(secured.recv(65536))

    thread = threading.Thread(target=hear_one)
    thread.start()
    yield "https://{}:{}".format(*listening.getsockname()), heard
    thread.join()
    listening.close()


def test_a_certificate_nobody_vouches_for_is_not_sent(tls_server):
    url, heard = tls_server

    error = kie_error(create, client_of(url))

    assert_never_sent(error)
    assert not heard


def test_tls_that_breaks_off_after_sending_is_unclear(tls_server, certificate):
    url, heard = tls_server
    client = client_of(url)
    client._session.verify = str(certificate)

    error = kie_error(create, client)

    assert type(error) is KieUnclear
    assert KEY.encode() in heard[0]


# --- Another link to a result -------------------------------------------------------------------

DOWNLOAD_URL = f"{KIE}/common/download-url"


def test_a_dead_link_is_exchanged_for_a_fresh_one(kie, kie_client):
    kie.post(DOWNLOAD_URL, json={"code": 200, "data": f"{RESULT}?token=x"})

    assert kie_client.fetch_download_url(RESULT) == f"{RESULT}?token=x"
    assert json.loads(kie.calls[0].request.body) == {"url": RESULT}


def test_an_address_that_is_not_kies_is_refused(kie, kie_client):
    kie.post(DOWNLOAD_URL, json={"code": 422, "msg": "Invalid URL"})

    with pytest.raises(KieRefused):
        kie_client.fetch_download_url(RESULT)


@pytest.mark.parametrize("data", [None, "", {"url": RESULT}, "file:///etc/passwd", 7])
def test_a_fresh_link_that_is_no_address_is_none(kie, kie_client, data):
    kie.post(DOWNLOAD_URL, json={"code": 200, "data": data})

    with pytest.raises(KieUnclear):
        kie_client.fetch_download_url(RESULT)


# --- The live catalogue ---------------------------------------------------------------------

MODEL = "kling/v2-1-master-text-to-video"


def test_the_live_catalogue_is_read_as_documented(kie, kie_client):
    kie.get(f"{KIE}/models", json=example("models_list_ok"))

    listed = kie_client.fetch_models()

    assert listed.total == 1
    assert listed.models == (
        LiveModel(
            model=MODEL,
            title="Kling 2.1 Master",
            provider="Kling",
            task_types=("Text to Video",),
            description="",
            pricing="A 5-second video costs 160 credits (0.80 USD)",
        ),
    )


def test_a_model_is_asked_about_with_its_slash_as_it_is(kie, kie_client):
    openapi = {"openapi": "3.0.1", "paths": {"/api/v1/jobs/createTask": {"post": {}}}}
    point = {"start": "2026-09-21T13:20:00Z", "end": "2026-09-21T13:30:00Z", "successRate": 98.5}
    for aspect, data in (
        ("schema", {"model": MODEL, "openapi": openapi}),
        ("price", {"model": MODEL, "pricingDesc": "160 credits"}),
        ("success-rate", {"model": MODEL, "points": [point | {"isNormal": True}]}),
    ):
        kie.get(f"{KIE}/models/{MODEL}/{aspect}", json={"code": 200, "data": data})

    schema = kie_client.fetch_model_schema(MODEL)
    price = kie_client.fetch_model_price(MODEL)
    rate = kie_client.fetch_success_rate(MODEL)

    assert (schema.openapi, price.pricing) == (openapi, "160 credits")
    assert [(x.success_rate, x.error_rate, x.is_normal) for x in rate.points] == [
        (98.5, None, True)
    ]


@pytest.mark.parametrize(
    "model", ["", "../chat/credit", "a//b", "a/../b", "a?b", "a#b", "a b", "ä", "x" * 200, "/a"]
)
def test_what_is_no_id_of_a_model_is_not_asked_about(kie, kie_client, model):
    for ask in (
        kie_client.fetch_model_schema,
        kie_client.fetch_model_price,
        kie_client.fetch_success_rate,
    ):
        assert type(kie_error(ask, model)) is KieRefused
    assert len(kie.calls) == 0


def test_too_many_questions_to_the_catalogue_may_be_asked_later(kie, kie_client):
    kie.get(f"{KIE}/models", json=example("error_rate_limited_429"))

    assert type(kie_error(kie_client.fetch_models)) is KieNotSent


class Watched(io.BytesIO):
    """A file that remembers how much of it was wanted at once."""

    most = 0

    def read(self, size=-1):
        chunk = super().read(size)
        self.most = max(self.most, len(chunk))
        return chunk


def test_a_large_file_is_handed_over_piece_by_piece(sandbox):
    file = Watched(picture_bytes() + b"\0" * 8_000_000)

    address = KieClient.from_settings().upload(file, name="large.png", media_type="image/png")

    assert requests.get(address, timeout=10).headers["Content-Length"] == str(len(file.getvalue()))
    assert file.most < 1_000_000


def test_whoever_sends_a_file_is_asked_all_along_whether_to_go_on(sandbox):
    asked = []

    def ask():
        asked.append(len(asked))
        if len(asked) == 3:
            raise ValueError("not wanted any more")

    file = io.BytesIO(picture_bytes() + b"\0" * 8_000_000)

    with pytest.raises(KieUnclear):
        KieClient.from_settings().upload(
            file, name="large.png", media_type="image/png", while_sending=ask
        )

    assert asked == [0, 1, 2]
