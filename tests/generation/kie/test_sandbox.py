import base64
import http.client
import io
import json
import socket
import threading
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer

import av
import pytest
import requests
from PIL import Image

from generation.kie.sandbox import WORDS, Sandbox
from generation.kie.sandbox.clips import order_clip, render_clip
from generation.kie.sandbox.tasks import SandboxTask, TaskBook
from generation.kie.signature import sign

CREATE = "/api/v1/jobs/createTask"
RECORD = "/api/v1/jobs/recordInfo"
VEO_CREATE = "/api/v1/veo/generate"
VEO_RECORD = "/api/v1/veo/record-info"
KEY = "sandbox-key"
# Small and short: most tests do not look at the clip.
QUICK = {"resolution": "240p", "duration": 1}


class Caller:
    """A client of the sandbox that knows its key and how a browser introduces itself."""

    def __init__(self, sandbox):
        self.url = sandbox.url
        self.session = requests.Session()
        self.session.headers.update({"Authorization": f"Bearer {KEY}", "User-Agent": "Mozilla/5.0"})

    def get(self, path, **query):
        return self.session.get(self.url + path, params=query, timeout=10)

    def post(self, path, body=None, **options):
        return self.session.post(self.url + path, json=body, **{"timeout": 10, **options})

    def create(self, prompt="a red kite", **more):
        body = {"model": "kling-2.6/text-to-video", "input": {"prompt": prompt, **QUICK}}
        return self.post(CREATE, body | more).json()

    def create_veo(self, prompt="a red kite", **more):
        body = {"prompt": prompt, "model": "veo3_fast", **QUICK}
        return self.post(VEO_CREATE, body | more).json()

    def record(self, task_id):
        return self.get(RECORD, taskId=task_id).json()

    def veo_record(self, task_id):
        return self.get(VEO_RECORD, taskId=task_id).json()

    def upload(self, content, name="frame.png", **fields):
        files = {"file": (name, content)}
        data = {"uploadPath": "studio/2026", **fields}
        return self.post("/api/file-stream-upload", files=files, data=data).json()


@pytest.fixture
def make_sandbox(tmp_path):
    made = []

    def make(**options):
        usual = {"folder": tmp_path, "api_key": KEY, "seconds": 30.0, "status_rate": (100, 0.1)}
        sandbox = Sandbox(**usual | options)
        made.append(sandbox)
        sandbox.start()
        return sandbox

    yield make
    for sandbox in made:
        sandbox.stop()


@pytest.fixture
def sandbox(make_sandbox):
    return make_sandbox()


@pytest.fixture
def caller(sandbox):
    return Caller(sandbox)


@pytest.fixture
def receiver():
    """Somewhere to be called back: `.calls` holds (headers, body), `.answers` what it says."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            server.calls.append((self.headers, json.loads(body)))
            self.send_response(server.answers.pop(0) if server.answers else 200)
            self.end_headers()

        def log_message(self, *args):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.calls, server.answers = [], []
    server.url = f"http://127.0.0.1:{server.server_port}/webhooks/kie/token"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    yield server
    server.shutdown()
    server.server_close()


def task_id_of(answer):
    assert answer["code"] == 200
    return answer["data"]["taskId"]


def wait_for(claim, seconds=10):
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def png(width=320, height=200):
    file = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(file, "PNG")
    return file.getvalue()


def result_of(caller, sandbox, prompt):
    """The URL of a finished task's result."""
    task_id = task_id_of(caller.create(prompt))
    sandbox.finish(task_id)
    return json.loads(caller.record(task_id)["data"]["resultJson"])["resultUrls"][0]


# --- At the door --------------------------------------------------------------------------------


def test_a_wrong_key_is_refused_with_http_200_and_code_401(caller):
    caller.session.headers["Authorization"] = "Bearer guessed"

    answer = caller.get("/api/v1/chat/credit")

    assert answer.status_code == 200
    assert answer.json() == {
        "code": 401,
        "msg": "You do not have access permissions",
        "data": None,
    }


@pytest.mark.parametrize("agent", ["", "python-requests/2.34.2", "Python-urllib/3.13"])
def test_the_edge_refuses_libraries_before_it_looks_at_the_key(caller, agent):
    caller.session.headers["User-Agent"] = agent

    answer = caller.get("/api/v1/chat/credit")

    assert (answer.status_code, answer.text) == (403, "error code: 1010")


def test_creations_over_the_rate_are_refused_and_not_queued(make_sandbox):
    sandbox = make_sandbox(create_rate=(2, 60))
    caller = Caller(sandbox)

    codes = [caller.create()["code"] for _ in range(3)]

    assert codes == [200, 200, 429]
    assert len(sandbox.tasks()) == 2


def test_questions_over_the_rate_are_refused_until_the_second_has_passed(make_sandbox):
    sandbox = make_sandbox(status_rate=(2, 0.5))
    caller = Caller(sandbox)

    codes = [caller.record("unknown")["code"] for _ in range(3)]
    time.sleep(0.5)

    assert codes == [422, 422, 429]
    assert caller.record("unknown")["code"] == 422


def test_what_was_asked_can_be_looked_up(sandbox, caller):
    caller.create()
    caller.get("/api/v1/nowhere")

    seen = sandbox.requests_seen()

    assert [(x.method, x.path, x.code) for x in seen] == [
        ("POST", CREATE, 200),
        ("GET", "/api/v1/nowhere", 404),
    ]
    assert seen[0].at < seen[1].at


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_body_that_is_no_json_object_is_answered_with_code_400(caller, body):
    answer = caller.session.post(caller.url + CREATE, data=body, timeout=10)

    assert answer.json()["code"] == 400


@pytest.mark.parametrize(
    "body", [{}, {"model": 5, "input": {}}, {"model": "m", "input": "text"}, {"model": "m"}]
)
def test_a_missing_field_hides_behind_code_500(caller, body):
    answer = caller.post(CREATE, body).json()

    assert (answer["code"], answer["msg"]) == (500, "This field is required")


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Length": str(10**12)}, 413),
        ({"Content-Length": "many"}, 400),
        ({"Transfer-Encoding": "chunked"}, 411),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(sandbox, headers, status):
    connection = http.client.HTTPConnection(sandbox.url.removeprefix("http://"), timeout=10)

    connection.putrequest("POST", CREATE)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()

    assert connection.getresponse().status == status


def test_garbage_on_the_line_does_no_harm(sandbox, caller):
    address = ("127.0.0.1", int(sandbox.url.rpartition(":")[2]))
    with socket.create_connection(address) as line:
        line.sendall(b"\x16\x03\x01 hello\r\n\r\n")

    assert caller.get("/api/v1/chat/credit").json()["code"] == 200


# --- Tasks --------------------------------------------------------------------------------------


def test_a_market_task_walks_through_its_states(make_sandbox):
    sandbox = make_sandbox(seconds=2)
    caller = Caller(sandbox)
    task_id = task_id_of(caller.create())
    states = []

    def is_done():
        states.append(caller.record(task_id)["data"]["state"])
        time.sleep(0.1)
        return states[-1] == "success"

    wait_for(is_done)

    assert list(dict.fromkeys(states)) == ["waiting", "queuing", "generating", "success"]


def test_a_finished_market_record_says_what_was_asked_and_what_it_cost(sandbox, caller):
    task_id = task_id_of(caller.create("a red kite", callBackUrl="http://127.0.0.1:9/none"))

    sandbox.finish(task_id)

    data = caller.record(task_id)["data"]
    assert json.loads(data["param"]) == {
        "model": "kling-2.6/text-to-video",
        "input": {"prompt": "a red kite", **QUICK},
        "callBackUrl": "http://127.0.0.1:9/none",
    }
    assert data["creditsConsumed"] == 60
    assert data["completeTime"] >= data["createTime"] > 1_700_000_000_000


def test_a_finished_veo_record_has_its_own_shape(sandbox, caller):
    task_id = task_id_of(caller.create_veo())
    assert caller.veo_record(task_id)["data"]["successFlag"] == 0

    sandbox.finish(task_id)

    data = caller.veo_record(task_id)["data"]
    assert data["successFlag"] == 1
    assert data["response"]["resultUrls"][0].startswith(f"{sandbox.url}/v/")
    assert datetime.strptime(data["completeTime"], "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)


def test_a_task_is_known_to_its_own_family_only(caller):
    task_id = task_id_of(caller.create())

    assert caller.veo_record(task_id)["msg"] == "record is null"
    assert caller.record("unknown") == {"code": 422, "msg": "recordInfo is null", "data": None}


def test_a_body_that_fails_validation_is_refused_with_its_message(make_sandbox):
    sandbox = make_sandbox(refusal_of=lambda path, body: f"{path}: {body['model']} is wrong")

    answer = Caller(sandbox).create()

    assert (answer["code"], answer["msg"]) == (422, f"{CREATE}: kling-2.6/text-to-video is wrong")
    assert sandbox.tasks() == []


def test_a_picture_that_is_not_there_is_answered_with_code_451(sandbox, caller):
    gone = f"{sandbox.url}/u/{'0' * 32}/studio/gone.png"

    answer = caller.create_veo(imageUrls=[gone])

    assert answer["code"] == 451


def test_credits_are_held_and_given_back_when_the_generation_fails(sandbox, caller):
    task_id = task_id_of(caller.create("sandbox:fail"))
    held = caller.get("/api/v1/chat/credit").json()["data"]

    sandbox.finish(task_id)

    assert (held, caller.get("/api/v1/chat/credit").json()["data"]) == (9_940, 10_000)


def test_a_creation_nobody_can_pay_is_refused(make_sandbox):
    sandbox = make_sandbox(credits=100)
    caller = Caller(sandbox)

    codes = [caller.create()["code"] for _ in range(2)]

    assert codes == [200, 402]


def test_tasks_and_results_outlive_a_restart(make_sandbox):
    first = make_sandbox()
    done, running = (task_id_of(Caller(first).create()) for _ in range(2))
    first.finish(done)
    first.stop()

    caller = Caller(make_sandbox())

    url = json.loads(caller.record(done)["data"]["resultJson"])["resultUrls"][0]
    assert requests.get(url, timeout=10).status_code == 200
    assert caller.record(running)["data"]["state"] == "waiting"


def test_a_clip_that_a_restart_interrupted_is_rendered_afterwards(make_sandbox, tmp_path):
    first = make_sandbox()
    task_id = task_id_of(Caller(first).create())
    first.finish(task_id)
    first.stop()
    book = TaskBook(tmp_path / "tasks.sqlite3")
    book.change(task_id, clip_at=None)
    book.close()

    second = make_sandbox()
    second.finish(task_id)

    assert second.tasks()[0].state == "success"


def test_tasks_of_more_than_two_weeks_are_forgotten_at_the_start(make_sandbox, tmp_path):
    first = make_sandbox()
    task_id = task_id_of(Caller(first).create())
    first.stop()
    book = TaskBook(tmp_path / "tasks.sqlite3")
    book.change(task_id, created_at=datetime.now(UTC) - timedelta(days=15))
    book.close()

    assert make_sandbox().tasks() == []


# --- Files --------------------------------------------------------------------------------------


def test_a_result_needs_no_key_and_comes_in_ranges(sandbox, caller):
    url = result_of(caller, sandbox, "a red kite")
    whole = requests.get(url, timeout=10)
    size = len(whole.content)

    def part(wanted):
        answer = requests.get(url, headers={"Range": wanted}, timeout=10)
        return answer.status_code, answer.headers.get("Content-Range"), answer.content

    assert whole.headers["Content-Type"] == "video/mp4"
    assert requests.head(url, timeout=10).headers["Content-Length"] == str(size)
    assert part("bytes=4-7") == (206, f"bytes 4-7/{size}", b"ftyp")
    assert part("bytes=-10") == (206, f"bytes {size - 10}-{size - 1}/{size}", whole.content[-10:])
    assert part("bytes=8-") == (206, f"bytes 8-{size - 1}/{size}", whole.content[8:])
    assert part(f"bytes={size}-") == (416, f"bytes */{size}", b"")
    assert part("bytes=0-1,4-5") == (200, None, whole.content)


@pytest.mark.parametrize("path", ["/v/none.mp4", "/v/../tasks.sqlite3", "/u/x/y", "/u/../../x"])
def test_other_files_are_not_served(caller, path):
    with closing(http.client.HTTPConnection(caller.url.removeprefix("http://"))) as connection:
        connection.request("GET", path)

        assert connection.getresponse().status == 404


def test_an_upload_is_served_as_it_came(caller):
    content = bytes(range(256)) + b"\r\n--\r\n" + png()

    answer = caller.upload(content, "../my frame.png")

    data = answer["data"]
    assert answer["success"] is True
    assert data["filePath"] == f"studio/2026/{data['fileName']}"
    assert (data["fileSize"], data["mimeType"]) == (len(content), "image/png")
    assert requests.get(data["downloadUrl"], timeout=10).content == content


def test_an_upload_in_base64_may_be_a_data_url(caller):
    content = png()
    data_url = f"data:image/png;base64,{base64.b64encode(content).decode()}"

    answer = caller.post(
        "/api/file-base64-upload", {"base64Data": data_url, "uploadPath": "studio"}
    ).json()

    assert answer["data"]["fileName"].endswith(".png")
    assert requests.get(answer["data"]["downloadUrl"], timeout=10).content == content


def test_an_upload_names_what_it_lacks(caller):
    nothing = caller.post("/api/file-stream-upload", {"uploadPath": "studio"}).json()

    assert nothing == {"success": False, "code": 400, "msg": "file is required"}
    assert caller.upload(png(), uploadPath="")["msg"] == "uploadPath is required"


def test_download_links_are_for_files_of_kie_only(sandbox, caller):
    url = result_of(caller, sandbox, "a red kite")

    ours = caller.post("/api/v1/common/download-url", {"url": url}).json()
    foreign = caller.post("/api/v1/common/download-url", {"url": "https://example.com/x"}).json()

    assert requests.get(ours["data"], timeout=10).status_code == 200
    assert foreign["code"] == 422


# --- Clips --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "size", "seconds"),
    [
        ({}, (1280, 720), 5),
        ({"aspect_ratio": "9:16", "resolution": "480p", "duration": "10"}, (480, 854), 10),
        ({"aspectRatio": "1:1", "resolution": "768P", "duration": 6}, (768, 768), 6),
        ({"aspect_ratio": "21:9", "resolution": "512P"}, (1194, 512), 5),
        ({"aspect_ratio": "portrait", "n_frames": "15", "size": "high"}, (1080, 1920), 15),
        ({"resolution": "4k", "duration": -1}, (1920, 1080), 5),
        ({"aspect_ratio": "1:0", "resolution": [], "duration": {}}, (1280, 720), 5),
        ({"aspect_ratio": "Auto", "duration": "nan"}, (1280, 720), 5),
        ({"extend_times": "6", "mode": "pro"}, (1920, 1080), 6),
        ({"num_frames": 80, "resolution": "580p"}, (1032, 580), 5),
        ({"num_frames": 96, "frames_per_second": 24, "output_resolution": "720"}, (1280, 720), 4),
        ({"num_frames": 80, "frames_per_second": "0"}, (1280, 720), 5),
    ],
)
def test_a_clip_has_the_size_and_length_that_were_asked_for(asked, size, seconds):
    order = order_clip(asked, prompt="a kite", model="m", usual_seconds=5)

    assert (order.width, order.height) == size
    assert order.seconds == seconds


def test_a_clip_takes_the_shape_of_its_picture(tmp_path):
    picture = tmp_path / "picture.png"
    picture.write_bytes(png(300, 400))

    order = order_clip({}, prompt="", model="m", usual_seconds=5, picture=picture)

    assert (order.width, order.height) == (720, 960)


@pytest.mark.parametrize(
    "prompt",
    ["", "a red kite", "<script>alert(1)</script>", "🪁" * 50, "x" * 50_000, "Кот\x00\ud800 é 猫"],
)
def test_a_clip_plays_whatever_the_prompt(tmp_path, prompt):
    order = order_clip(QUICK, prompt=prompt, model="m", usual_seconds=5)

    render_clip(order, tmp_path / "clip.mp4")

    with av.open(str(tmp_path / "clip.mp4")) as clip:
        stream = clip.streams.video[0]
        frames = sum(1 for _ in clip.decode(stream))
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (stream.width, stream.height) == (426, 240)
        assert (frames, clip.duration) == (24, 1_000_000)


def test_an_uploaded_picture_fills_its_clip(sandbox, caller):
    picture = caller.upload(png())["data"]["downloadUrl"]
    task_id = task_id_of(caller.create_veo("", imageUrls=[picture]))
    sandbox.finish(task_id)
    url = caller.veo_record(task_id)["data"]["response"]["resultUrls"][0]

    with av.open(io.BytesIO(requests.get(url, timeout=10).content)) as clip:
        red, green, blue = next(clip.decode(video=0)).to_image().getpixel((20, 20))

    assert red < 40
    assert abs(green - 128) < 20
    assert abs(blue - 128) < 20


def test_a_task_succeeds_only_once_its_clip_is_there(make_sandbox):
    sandbox = make_sandbox(seconds=0)
    caller = Caller(sandbox)
    task_id = task_id_of(caller.create(input={"prompt": "long", "duration": 5}))

    state = caller.record(task_id)["data"]["state"]
    sandbox.finish(task_id)

    assert state == "generating"
    assert caller.record(task_id)["data"]["state"] == "success"


# --- Callbacks ----------------------------------------------------------------------------------


def test_a_market_task_calls_back_signed(make_sandbox, receiver):
    sandbox = make_sandbox(webhook_key="secret")
    task_id = task_id_of(Caller(sandbox).create(callBackUrl=receiver.url))

    sandbox.finish(task_id)
    wait_for(lambda: receiver.calls)

    headers, body = receiver.calls[0]
    timestamp = headers["X-Webhook-Timestamp"]
    assert headers["X-Webhook-Signature"] == sign(task_id, timestamp, key="secret")
    assert (body["code"], body["data"]["taskId"]) == (200, task_id)
    assert body["data"]["state"] == "success"


def test_the_signature_is_the_documented_one():
    signature = sign("task_kling-2.6_1765182425861", "1790000000", key="kie-demo-webhook-key-0001")

    assert signature == "cIQMt6OBBgR3xPQsjaoAmQO8ZV3J4IY15z3FmUqWod8="


def test_a_failed_veo_task_calls_back_without_signature_when_there_is_no_key(
    sandbox, caller, receiver
):
    task_id = task_id_of(caller.create_veo("sandbox:fail-policy", callBackUrl=receiver.url))

    sandbox.finish(task_id)
    wait_for(lambda: receiver.calls)

    headers, body = receiver.calls[0]
    assert "X-Webhook-Signature" not in headers
    assert body["code"] == 400
    assert body["data"] == {"taskId": task_id, "fallbackFlag": False}


def test_a_callback_is_tried_three_times(sandbox, caller, receiver, monkeypatch):
    monkeypatch.setattr("generation.kie.sandbox.callbacks.PAUSE_SECONDS", 0.01)
    receiver.answers = [500, 503, 500, 500]

    task_id = task_id_of(caller.create("sandbox:fail", callBackUrl=receiver.url))
    sandbox.finish(task_id)
    wait_for(lambda: len(receiver.calls) == 3)
    time.sleep(0.2)

    assert len(receiver.calls) == 3


# --- Magic words --------------------------------------------------------------------------------


@pytest.mark.parametrize("word", [word for word in WORDS if word.isdigit()])
def test_a_creation_can_be_refused_on_demand(sandbox, caller, word):
    answer = caller.create(f"a kite sandbox:{word}")

    assert answer["code"] == int(word)
    assert answer["data"] is None
    assert sandbox.tasks() == []


def test_a_creation_can_be_answered_by_a_gateway(sandbox, caller):
    answer = caller.post(CREATE, {"model": "m", "input": {"prompt": "sandbox:html"}})

    assert answer.status_code == 502
    assert answer.headers["Content-Type"].startswith("text/html")
    assert sandbox.tasks() == []


def test_a_creation_can_stay_unanswered(sandbox, caller):
    body = {"model": "m", "input": {"prompt": "sandbox:timeout"}}

    with pytest.raises(requests.ReadTimeout):
        caller.post(CREATE, body, timeout=0.3)

    assert sandbox.tasks() == []


def test_the_answer_to_an_accepted_creation_can_be_lost(sandbox, caller):
    with pytest.raises(requests.ConnectionError):
        caller.create("sandbox:lost")

    assert [task.prompt for task in sandbox.tasks()] == ["sandbox:lost"]


def test_a_creation_can_be_answered_without_a_task_id(sandbox, caller):
    assert caller.create("sandbox:no-id") == {"code": 200, "msg": "success", "data": None}
    assert sandbox.tasks() == []


@pytest.mark.parametrize(
    ("word", "market_code", "veo_flag", "veo_code"),
    [("fail", "500", 3, 501), ("fail-policy", "422", 2, 400), ("fail-image", "400", 2, 400)],
)
def test_a_generation_can_fail(sandbox, caller, word, market_code, veo_flag, veo_code):
    market, veo = (
        task_id_of(create(f"sandbox:{word}")) for create in (caller.create, caller.create_veo)
    )

    sandbox.finish()

    record, veo_record = caller.record(market)["data"], caller.veo_record(veo)["data"]
    assert (record["state"], record["failCode"]) == ("fail", market_code)
    assert record["creditsConsumed"] == 0
    assert (veo_record["successFlag"], veo_record["errorCode"]) == (veo_flag, veo_code)


def test_a_success_can_come_without_a_url(sandbox, caller):
    task_id = task_id_of(caller.create("sandbox:no-url"))

    sandbox.finish(task_id)

    data = caller.record(task_id)["data"]
    assert (data["state"], data["resultJson"]) == ("success", '{"resultUrls": []}')


def test_a_result_can_be_gone(sandbox, caller):
    url = result_of(caller, sandbox, "sandbox:dead-link")

    assert requests.get(url, timeout=10).status_code == 404


def test_a_result_can_be_cut_in_the_middle(sandbox, caller):
    url = result_of(caller, sandbox, "sandbox:cut")

    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        requests.get(url, timeout=10)


def test_who_asks_for_the_rest_of_a_cut_result_gets_it(sandbox, caller):
    url = result_of(caller, sandbox, "sandbox:cut")
    size = int(requests.head(url, timeout=10).headers["Content-Length"])
    etag = requests.head(url, timeout=10).headers["ETag"]

    rest = requests.get(url, headers={"Range": f"bytes={size // 2}-", "If-Range": etag}, timeout=10)
    changed = requests.get(
        url, headers={"Range": f"bytes={size // 2}-", "If-Range": '"x"'}, stream=True, timeout=10
    )

    assert (rest.status_code, len(rest.content)) == (206, size - size // 2)
    assert changed.status_code == 200
    changed.close()


def test_a_result_whose_link_has_expired_opens_by_a_fresh_one(sandbox, caller):
    url = result_of(caller, sandbox, "sandbox:expired-link")

    fresh = caller.post("/api/v1/common/download-url", {"url": url}).json()["data"]

    assert requests.get(url, timeout=10).status_code == 403
    assert requests.get(f"{url}?download=guessed", timeout=10).status_code == 403
    assert requests.get(fresh, timeout=10).status_code == 200


def test_a_task_can_have_two_results(sandbox, caller):
    task_id = task_id_of(caller.create("sandbox:two-results"))
    sandbox.finish(task_id)

    urls = json.loads(caller.record(task_id)["data"]["resultJson"])["resultUrls"]

    first, second = (requests.get(url, timeout=10).content for url in urls)
    assert first[4:8] == second[4:8] == b"ftyp"
    assert first != second


def test_a_result_can_be_a_web_page(sandbox, caller):
    url = result_of(caller, sandbox, "sandbox:not-video")

    assert requests.get(url, timeout=10).text.startswith("<!DOCTYPE html>")


def test_every_second_question_can_break(caller):
    task_id = task_id_of(caller.create("sandbox:flaky"))

    statuses = [caller.get(RECORD, taskId=task_id).status_code for _ in range(4)]

    assert statuses == [200, 500, 200, 500]


def test_a_task_can_go_on_forever(sandbox, caller):
    task_id = task_id_of(caller.create("sandbox:forever"))

    sandbox.finish(task_id)

    assert caller.record(task_id)["data"]["state"] == "generating"


def test_a_task_can_take_its_own_time(caller):
    task_id = task_id_of(caller.create("sandbox:seconds=0.2"))

    wait_for(lambda: caller.record(task_id)["data"]["state"] == "success", seconds=5)


def test_a_task_is_not_begun_before_it_was_made_however_short_it_is():
    made = datetime.now(UTC)
    task = SandboxTask(
        task_id="t",
        family="market",
        model="m",
        prompt="a kite",
        body={},
        price=1,
        file_name="t.mp4",
        created_at=made,
        ends_at=made,
    )

    assert task.state_at(made - timedelta(milliseconds=1)) == "waiting"
    assert task.state_at(made) == "generating"
