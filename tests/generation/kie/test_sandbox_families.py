"""The sandbox speaks as KIE.AI documents it, in every family, and our client understands it.

Everything goes over real HTTP, and every answer and callback is held against the document.
"""

import io
import math
import wave
from dataclasses import dataclass, field
from decimal import Decimal

import av
import pytest
import requests
from PIL import Image

from generation.clip import frame_at, inspect_clip
from generation.kie.client import KieClient
from generation.kie.errors import KieNotSent, KieRefused
from generation.kie.families import FAMILIES
from generation.kie.sandbox import Creation, ModelOnOffer
from generation.kie.snapshot import TaskState
from tests.conftest import EXAMPLES, example, make_clip
from tests.generation.kie.documented import (
    assert_documented_answer,
    assert_documented_callback,
    assert_documented_request,
)
from tests.generation.kie.test_sandbox import (
    CREATE,
    KEY,
    RECORD,
    Caller,
    make_sandbox,  # noqa: F401  # a fixture
    png,
    receiver,  # noqa: F401  # a fixture
    task_id_of,
    wait_for,
)

# Those whose creations make a task.
CREATING = [name for name in FAMILIES if name != "veo-1080p"]
RUNNING, SUCCEEDED, FAILED = TaskState.RUNNING, TaskState.SUCCEEDED, TaskState.FAILED
VEO_RECORD = "/api/v1/veo/record-info"
GET_1080P, GET_4K = "/api/v1/veo/get-1080p-video", "/api/v1/veo/get-4k-video"


class DocumentedCaller(Caller):
    """Holds every answer against the document."""

    def get(self, path, **query):
        answer = super().get(path, **query)
        assert_documented_answer("GET", path, answer.json())
        return answer

    def post(self, path, body=None, **options):
        answer = super().post(path, body, **options)
        assert_documented_answer("POST", path, answer.json())
        return answer


@dataclass
class Studio:
    """Our client, somebody who reads the answers themselves, and the sandbox they both call."""

    sandbox: object
    client: KieClient
    caller: DocumentedCaller
    made: list = field(default_factory=list)

    def create(self, family, fields, *, model="", call_back_url=""):
        """A task, asked for as our families ask."""
        body = FAMILIES[family].body(model or FAMILIES[family].model, fields, call_back_url)
        if family != "veo-1080p":
            assert_documented_request(FAMILIES[family].create_path, body)
        return self.client.create_task(body, family=FAMILIES[family])

    def done(self, family, fields, **options):
        """The same, and its end."""
        task_id = self.create(family, fields, **options)
        self.sandbox.finish()
        return task_id

    def ask(self, family, task_id):
        return self.client.fetch_task(task_id, family=FAMILIES[family])

    def veo(self, prompt="a red kite", **fields):
        """A finished Veo video, small and of one second: shorter than any that KIE.AI makes."""
        task_id = task_id_of(self.caller.create_veo(prompt, **fields))
        self.sandbox.finish(task_id)
        return task_id


@pytest.fixture
def make_studio(make_sandbox):  # noqa: F811
    def make(**options):
        sandbox = make_sandbox(**{"create_rate": (1000, 1.0), "models_rate": (1000, 1.0)} | options)
        client = KieClient(api_key=KEY, base_url=sandbox.url, upload_base_url=sandbox.url)
        return Studio(sandbox, client, DocumentedCaller(sandbox))

    return make


@pytest.fixture
def one_clip(tmp_path, clip_bytes):
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(clip_bytes)
    return clip


@pytest.fixture
def studio(make_studio, one_clip):
    """One whose clips are all the same: most tests do not look at them."""
    return make_studio(clip=one_clip)


@dataclass(frozen=True)
class Clip:
    """What a served video is."""

    size: tuple
    seconds: float


def clip_at(url):
    answer = requests.get(url, timeout=10)
    assert answer.headers["Content-Type"] == "video/mp4"
    with av.open(io.BytesIO(answer.content)) as container:
        stream = container.streams.video[0]
        return Clip((stream.width, stream.height), container.duration / av.time_base)


def wav(seconds):
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(int(8000 * seconds)))
    return content.getvalue()


# --- From the request to the file ---------------------------------------------------------------

REQUESTS = {
    "veo": ("veo3_fast", {"prompt": "a red kite", "duration": 4}),
    "runway": ("", {"prompt": "a red kite", "duration": 5, "quality": "720p"}),
    "aleph": ("", {"prompt": "in winter", "videoUrl": "https://example.com/source.mp4"}),
    "market": ("kling-2.6/text-to-video", {"prompt": "a red kite", "duration": "5"}),
}
# Of these, the videos they are made from.
FROM_EARLIER = {
    "veo-extend": ("fast", "veo", {"prompt": "on it flies"}),
    "veo-4k": ("", "veo", {"index": 0}),
    "veo-1080p": ("", "veo", {"index": 0}),
    "runway-extend": ("", "runway", {"prompt": "on it flies", "quality": "720p"}),
}


def request_of(studio, family):
    """A model and fields of this family, and the video they need."""
    if family in REQUESTS:
        return REQUESTS[family]
    model, source, fields = FROM_EARLIER[family]
    of_source, source_fields = REQUESTS[source]
    return model, {"taskId": studio.done(source, source_fields, model=of_source)} | fields


@pytest.mark.parametrize("family", FAMILIES)
def test_a_task_of_each_family_is_followed_to_its_file(studio, family, clip_bytes):
    model, fields = request_of(studio, family)

    task_id = studio.create(family, fields, model=model)
    before = studio.ask(family, task_id)
    studio.sandbox.finish()
    after = studio.ask(family, task_id)

    assert (before.state, after.state) == (RUNNING, SUCCEEDED)
    assert requests.get(after.video_urls[0], timeout=10).content == clip_bytes


@pytest.mark.parametrize("family", CREATING)
def test_a_record_echoes_what_its_task_was_made_from(studio, family):
    model, fields = request_of(studio, family)

    task_id = studio.create(family, fields, model=model, call_back_url="http://127.0.0.1:9/x")

    request = studio.ask(family, task_id).request
    # Runway's records tell little of what was asked for.
    told = {name: fields[name] for name in fields if name in request.fields}
    assert told.items() <= dict(request.fields).items()
    assert told.keys() >= fields.keys() & {"prompt", "taskId"}
    assert request.model == model
    expected = "" if family.startswith("runway") else "http://127.0.0.1:9/x"
    assert request.call_back_url == expected


@pytest.mark.parametrize("family", ["runway", "runway-extend", "aleph"])
def test_runways_results_have_a_picture(studio, family):
    model, fields = request_of(studio, family)
    task_id = studio.done(family, fields, model=model)

    still = requests.get(studio.ask(family, task_id).thumbnail_url, timeout=10)

    assert still.headers["Content-Type"] == "image/jpeg"
    assert still.content.startswith(b"\xff\xd8")


@pytest.mark.parametrize(
    ("family", "code"), [("runway", "400"), ("runway-extend", "400"), ("aleph", "400")]
)
def test_a_runway_generation_can_fail(studio, family, code):
    model, fields = request_of(studio, family)

    task_id = studio.done(family, fields | {"prompt": "sandbox:fail-policy"}, model=model)

    told = studio.ask(family, task_id)
    assert (told.state, told.error_code) == (FAILED, code)
    assert "AI moderator" in told.failure


@pytest.mark.parametrize(
    ("family", "words"),
    [
        ("runway", ["wait", "queueing", "generating", "success"]),
        ("market", ["waiting", "queuing", "generating", "success"]),
    ],
)
def test_each_family_has_its_own_words_for_its_states(make_studio, one_clip, family, words):
    studio = make_studio(seconds=2, clip=one_clip)
    model, fields = REQUESTS[family]
    task_id = studio.create(family, fields, model=model)
    heard = []

    def is_done():
        heard.append(studio.ask(family, task_id))
        return heard[-1].state is SUCCEEDED

    wait_for(is_done)

    assert list(dict.fromkeys(told.kie_state for told in heard)) == words


def test_a_task_is_known_where_its_family_is_asked_and_nowhere_else(studio):
    task_id = studio.create("runway", REQUESTS["runway"][1])

    for family in ("market", "veo", "aleph"):
        with pytest.raises(KieRefused):
            studio.ask(family, task_id)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v1/runway/generate", {"prompt": "a kite"}),
        ("/api/v1/runway/generate", {"prompt": "a kite", "duration": "5", "quality": "720p"}),
        ("/api/v1/runway/extend", {"prompt": "a kite", "quality": "720p"}),
        ("/api/v1/aleph/generate", {"prompt": "a kite"}),
        ("/api/v1/veo/extend", {"prompt": "a kite"}),
        (GET_4K, {"index": 0}),
    ],
)
def test_a_missing_field_is_refused_in_every_family(studio, path, body):
    assert studio.caller.post(path, body).json()["code"] == 500


# --- Callbacks ----------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["", "sandbox:fail"])
@pytest.mark.parametrize("family", CREATING)
def test_each_family_calls_back_as_documented(studio, receiver, family, word):  # noqa: F811
    model, fields = request_of(studio, family)
    if "prompt" in fields:
        fields = fields | {"prompt": f"a red kite {word}"}

    task_id = studio.done(family, fields, model=model, call_back_url=receiver.url)
    wait_for(lambda: receiver.calls)

    body = receiver.calls[0][1]
    data = body["data"] or {}
    named = {body.get("taskId"), data.get("taskId"), data.get("task_id")} - {None}
    assert named == {task_id}
    assert (body["code"] == 200) == (not word or family == "veo-4k")
    assert_documented_callback(FAMILIES[family].create_path, body)


def test_a_1080p_version_calls_nobody_back(studio, receiver):  # noqa: F811
    source = studio.veo()

    studio.done("veo-1080p", {"taskId": source}, call_back_url=receiver.url)

    assert all(not task.callback_url for task in studio.sandbox.tasks())


def test_every_documented_example_is_one_the_document_allows():
    """What the tests of our readers are made of, and what the sandbox is held against, agree."""
    places = {
        "market_record": ("GET", RECORD),
        "veo_record": ("GET", VEO_RECORD),
        "veo_1080p": ("GET", GET_1080P),
        "veo_4k_accepted": ("POST", GET_4K),
        "runway_record": ("GET", "/api/v1/runway/record-detail"),
        "runway_create": ("POST", "/api/v1/runway/generate"),
        "aleph_record": ("GET", "/api/v1/aleph/record-info"),
        "models_list": ("GET", "/api/v1/models"),
    }
    callbacks = {
        "market_callback": CREATE,
        "veo_callback": "/api/v1/veo/generate",
        "veo_4k_callback": GET_4K,
        "runway_callback": "/api/v1/runway/extend",
        "aleph_callback": "/api/v1/aleph/generate",
    }

    for path in EXAMPLES.glob("*.json"):
        for start, place in places.items():
            if path.stem.startswith(start):
                assert_documented_answer(*place, example(path.stem))
        for start, place in callbacks.items():
            if path.stem.startswith(start):
                assert_documented_callback(place, example(path.stem))


# --- Made from an earlier task ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("family", "model", "fields"),
    [
        ("veo-extend", "fast", {"taskId": "unknown", "prompt": "on"}),
        ("veo-4k", "", {"taskId": "unknown", "index": 0}),
        ("veo-1080p", "", {"taskId": "unknown", "index": 0}),
        ("runway-extend", "", {"taskId": "unknown", "prompt": "on", "quality": "720p"}),
        ("market", "grok-imagine/upscale", {"task_id": "unknown"}),
    ],
)
def test_a_task_that_nobody_knows_cannot_be_gone_on_from(studio, family, model, fields):
    with pytest.raises(KieRefused) as refusal:
        studio.create(family, fields, model=model)

    assert refusal.value.code == 422
    assert studio.sandbox.tasks() == []


def test_a_task_of_another_maker_cannot_be_gone_on_from(studio):
    runway = studio.done("runway", REQUESTS["runway"][1])

    with pytest.raises(KieRefused, match="record is null"):
        studio.create("veo-4k", {"taskId": runway})


@pytest.mark.parametrize("family", FROM_EARLIER)
def test_only_what_has_succeeded_can_be_gone_on_from(studio, family):
    model, source, fields = FROM_EARLIER[family]
    of_source, source_fields = REQUESTS[source]
    running = studio.create(source, source_fields, model=of_source)

    with pytest.raises(KieRefused, match="record status is not success"):
        studio.create(family, {"taskId": running} | fields, model=model)


def test_an_extension_is_the_new_part_and_the_whole(make_studio):
    studio = make_studio()
    source = studio.veo(aspect_ratio="9:16")

    task_id = studio.done("veo-extend", {"taskId": source, "prompt": "on it flies"}, model="lite")

    response = studio.caller.get(VEO_RECORD, taskId=task_id).json()["data"]["response"]
    (part,), (whole,) = response["resultUrls"], response["fullResultUrls"]
    assert studio.ask("veo-extend", task_id).video_urls == (whole,)
    assert clip_at(part) == Clip((240, 426), 8.0)
    assert clip_at(whole) == Clip((240, 426), 9.0)


def test_an_extension_can_be_extended(studio):
    once = studio.done("veo-extend", {"taskId": studio.veo(), "prompt": "on"}, model="fast")

    twice = studio.done("veo-extend", {"taskId": once, "prompt": "and on"}, model="fast")

    assert studio.ask("veo-extend", twice).state is SUCCEEDED


def test_what_was_made_in_1080p_cannot_be_extended_any_more(studio):
    source = studio.veo()
    studio.create("veo-1080p", {"taskId": source})

    with pytest.raises(KieRefused) as refusal:
        studio.create("veo-extend", {"taskId": source, "prompt": "on"}, model="fast")

    assert refusal.value.code == 422


@pytest.mark.parametrize("family", ["veo-1080p", "veo-4k"])
def test_an_upgrade_is_the_same_video_in_large(make_studio, family):
    studio = make_studio()
    source = studio.veo(aspect_ratio="9:16")

    task_id = studio.done(family, {"taskId": source, "index": 0})

    told = studio.ask(family, task_id)
    assert clip_at(told.video_urls[0]) == Clip((1080, 1920), 1.0)


@pytest.mark.parametrize("family", ["veo-1080p", "veo-4k"])
def test_an_upgrade_can_fail(studio, family):
    source = studio.veo("sandbox:fail-upgrade")

    task_id = studio.done(family, {"taskId": source})

    told = studio.ask(family, task_id)
    assert (told.state, bool(told.failure)) == (FAILED, True)


def test_a_1080p_version_is_processing_until_it_is_there(studio):
    source = studio.veo()

    first = studio.caller.get(GET_1080P, taskId=source, index=0).json()
    again = studio.caller.get(GET_1080P, taskId=source).json()
    studio.sandbox.finish()
    done = studio.caller.get(GET_1080P, taskId=source, index=0).json()

    assert first == again == example("veo_1080p_processing_400")
    assert (done["code"], list(done["data"])) == (200, ["resultUrl"])
    assert len(studio.sandbox.tasks()) == 2


def test_asking_again_for_a_1080p_version_costs_nothing_more(studio):
    source = studio.veo()
    held = studio.client.fetch_credits()

    first, second = (studio.create("veo-1080p", {"taskId": source}) for _ in range(2))

    assert first != second
    assert studio.ask("veo-1080p", first) == studio.ask("veo-1080p", second)
    assert held - studio.client.fetch_credits() == 60


@pytest.mark.parametrize("index", ["x", "-1", "²"])
def test_a_video_that_is_none_has_no_1080p_version(studio, index):
    source = studio.veo()

    assert studio.caller.get(GET_1080P, taskId=source, index=index).json()["code"] == 500


def test_a_second_request_for_4k_names_the_first_ones_task(studio):
    source = studio.veo()
    task_id = studio.create("veo-4k", {"taskId": source, "index": 0})

    again = studio.caller.post(GET_4K, {"taskId": source}).json()
    studio.sandbox.finish()
    done = studio.caller.post(GET_4K, {"taskId": source, "index": 0}).json()

    assert (again["code"], again["data"]["taskId"]) == (422, task_id)
    assert (done["code"], len(done["data"]["resultUrls"])) == (422, 1)
    assert studio.create("veo-4k", {"taskId": source}) == task_id
    assert studio.create("veo-4k", {"taskId": source, "index": 1}) != task_id


def test_a_market_video_is_upscaled_by_its_task(make_studio):
    studio = make_studio()
    fields = {"prompt": "a red kite", "resolution": "480p", "duration": "1"}
    source = studio.done("market", fields, model="grok-imagine/text-to-video")

    task_id = studio.done("market", {"task_id": source}, model="grok-imagine/upscale")

    (url,) = studio.ask("market", task_id).video_urls
    assert clip_at(url) == Clip((854, 480), 1.0)


def test_what_is_made_from_another_task_outlives_a_restart(make_studio):
    first = make_studio()
    source = first.veo()
    task_id = first.create("veo-extend", {"taskId": source, "prompt": "on"}, model="fast")
    own_id = first.create("veo-4k", {"taskId": source})
    first.sandbox.stop()

    second = make_studio()
    second.sandbox.finish()

    assert second.ask("veo-extend", task_id).state is SUCCEEDED
    assert second.ask("veo-4k", own_id).state is SUCCEEDED


# --- What is handed in --------------------------------------------------------------------------


@pytest.fixture
def video(tmp_path):
    return make_clip(tmp_path / "source.mp4", seconds=2.0, size=(240, 320)).read_bytes()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.mp4", "video/mp4"),
        ("a.mov", "video/quicktime"),
        ("a.wav", "audio/x-wav"),
        ("a.mp3", "audio/mpeg"),
        ("a.m4a", "audio/mp4"),
    ],
)
def test_pictures_videos_and_sound_are_kept_as_they_came(studio, name, media_type):
    content = bytes(range(256)) * 2000

    url = studio.client.upload(io.BytesIO(content), name=name, media_type=media_type)

    answer = requests.get(url, timeout=10)
    assert answer.content == content
    assert answer.headers["Content-Type"].split("/")[0] == media_type.split("/")[0]


def test_an_upload_is_answered_as_documented(studio):
    files, data = {"file": ("a.mp4", b"x" * 100)}, {"uploadPath": "studio"}

    answer = studio.caller.post("/api/file-stream-upload", files=files, data=data).json()
    nothing = studio.caller.post("/api/file-stream-upload", files=files).json()

    assert (answer["data"]["mimeType"], answer["data"]["fileSize"]) == ("video/mp4", 100)
    assert nothing["success"] is False


def test_base64_is_for_small_files(studio):
    body = {"base64Data": "A" * (14 * 1024 * 1024), "uploadPath": "studio"}

    answer = studio.caller.post("/api/file-base64-upload", body).json()

    assert (answer["code"], answer["success"]) == (400, False)


def test_a_video_that_was_handed_in_gives_shape_and_length(make_studio, video):
    studio = make_studio()
    url = studio.client.upload(io.BytesIO(video), name="a.mp4", media_type="video/mp4")

    task_id = studio.done("aleph", {"prompt": "in winter", "videoUrl": url})

    (result,) = studio.ask("aleph", task_id).video_urls
    clip = clip_at(result)
    assert clip.size == (240, 320)
    assert math.isclose(clip.seconds, 2.0, abs_tol=0.1)


def test_seedance_gives_the_container_and_the_last_frame_that_are_asked_for(make_studio, tmp_path):
    studio = make_studio()
    wishes = {"prompt": "a kite", "duration": 1, "resolution": "480p"}
    wishes |= {"output_format": "mov", "return_last_frame": True}

    task_id = studio.done("market", wishes, model="bytedance/seedance-2-5")

    clip, frame = studio.ask("market", task_id).video_urls
    (tmp_path / "result").write_bytes(requests.get(clip, timeout=10).content)
    assert inspect_clip(tmp_path / "result").ending == "mov"
    last = frame_at(tmp_path / "result", None)
    given = Image.open(io.BytesIO(requests.get(frame, timeout=10).content))
    assert given.size == last.size
    # The bar along the lower edge has come all the way.
    corner = (given.width - 4, given.height - 3)
    assert given.getpixel(corner) == pytest.approx(last.getpixel(corner), abs=24)


def test_a_speaker_talks_as_long_as_the_sound(make_studio):
    studio = make_studio()
    picture = studio.client.upload(io.BytesIO(png()), name="a.png", media_type="image/png")
    sound = studio.client.upload(io.BytesIO(wav(1.5)), name="a.wav", media_type="audio/wav")
    fields = {"image_url": picture, "audio_url": sound, "prompt": "", "resolution": "480p"}

    task_id = studio.done("market", fields, model="infinitalk/from-audio")

    (result,) = studio.ask("market", task_id).video_urls
    assert clip_at(result) == Clip((768, 480), 1.5)


@pytest.mark.parametrize(
    ("wishes", "size", "seconds"),
    [
        ({"upscale_factor": "2"}, (480, 640), 2.0),
        ({"upscale_factor": "4"}, (960, 1280), 2.0),
        ({"resolution": "480p", "duration": 1}, (480, 640), 1.0),
        ({"mode": "720p"}, (720, 960), 2.0),
    ],
)
def test_what_is_asked_for_comes_before_what_was_handed_in(
    make_studio, video, wishes, size, seconds
):
    studio = make_studio()
    url = studio.client.upload(io.BytesIO(video), name="a.mp4", media_type="video/mp4")

    task_id = studio.done("market", {"video_url": url, **wishes}, model="topaz/video-upscale")

    (result,) = studio.ask("market", task_id).video_urls
    clip = clip_at(result)
    assert clip.size == size
    assert math.isclose(clip.seconds, seconds, abs_tol=0.1)


def test_a_handed_in_video_that_is_none_does_no_harm(make_studio):
    studio = make_studio()
    url = studio.client.upload(io.BytesIO(b"no video"), name="a.mp4", media_type="video/mp4")

    fields = {"video_url": url, "resolution": "240p", "duration": 1}
    task_id = studio.done("market", fields, model="topaz/video-upscale")

    assert studio.ask("market", task_id).state is SUCCEEDED


def test_a_video_that_is_not_there_any_more_is_refused(studio):
    gone = f"{studio.sandbox.url}/u/{'0' * 32}/studio/gone.mp4"

    with pytest.raises(KieRefused) as refusal:
        studio.create("aleph", {"prompt": "in winter", "videoUrl": gone})

    assert refusal.value.code == 451


# --- What it costs ------------------------------------------------------------------------------


def test_a_task_costs_what_the_sandbox_is_told(make_studio):
    asked = []

    def credits_for(creation):
        asked.append(creation)
        return Decimal("12.5")

    studio = make_studio(credits_for=credits_for)
    task_id = studio.done("market", {"prompt": "a kite", "duration": 1}, model="m")

    body = {"model": "m", "input": {"prompt": "a kite", "duration": 1}}
    assert asked == [Creation(path=CREATE, body=body)]
    assert studio.ask("market", task_id).credits == Decimal("12.50")
    assert studio.client.fetch_credits() == Decimal("9987.50")


def test_an_upgrade_costs_what_the_sandbox_is_told(make_studio):
    asked = []

    def credits_for(creation):
        asked.append(creation)
        return Decimal(5) if creation.path == GET_1080P else None

    studio = make_studio(credits_for=credits_for)
    source = studio.veo()
    before = studio.client.fetch_credits()

    studio.create("veo-1080p", {"taskId": source, "index": 1})

    assert before - studio.client.fetch_credits() == 5
    # A price may depend on what the earlier video was asked for.
    assert asked[1].source == asked[0]


def test_without_a_price_it_costs_what_it_used_to(make_studio):
    studio = make_studio(credits_for=lambda creation: None)

    studio.veo()

    assert studio.client.fetch_credits() == 9_940


def test_an_upgrade_that_nobody_can_pay_is_refused(make_studio):
    studio = make_studio(credits=100)
    source = studio.veo()

    with pytest.raises(KieRefused) as refusal:
        studio.create("veo-1080p", {"taskId": source})

    assert refusal.value.code == 402


# --- The live catalogue -------------------------------------------------------------------------

KLING = ModelOnOffer(
    model="kling/v2-1-master-text-to-video",
    title="Kling 2.1 Master",
    provider="Kling",
    task_types=("Text to Video",),
    pricing="160 credits",
    openapi={"openapi": "3.0.1"},
)
WAN = ModelOnOffer(model="wan/2-6-image-to-video", provider="Wan", task_types=("Image to Video",))


def test_a_sandbox_that_is_told_of_no_models_has_none(studio):
    assert studio.client.fetch_models().models == ()
    with pytest.raises(KieRefused):
        studio.client.fetch_model_price(KLING.model)


def test_the_live_catalogue_tells_what_the_sandbox_is_told(make_studio):
    studio = make_studio(models=lambda: [KLING, WAN])

    listed = studio.client.fetch_models()

    assert [x.model for x in listed.models] == [KLING.model, WAN.model]
    assert (listed.total, listed.models[0].pricing) == (2, "160 credits")
    assert studio.client.fetch_model_schema(KLING.model).openapi == {"openapi": "3.0.1"}
    assert studio.client.fetch_model_schema(WAN.model).openapi is None
    assert studio.client.fetch_model_price(KLING.model).pricing == "160 credits"
    assert studio.client.fetch_model_price(WAN.model).pricing == ""


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"taskType": "Text to Video"}, [KLING.model]),
        ({"taskType": "Text to Video,Image to Video"}, [KLING.model, WAN.model]),
        ({"provider": "wan"}, [WAN.model]),
        ({"q": "master"}, [KLING.model]),
        ({"q": "nothing of that kind"}, []),
    ],
)
def test_the_live_catalogue_can_be_searched(make_studio, query, found):
    studio = make_studio(models=lambda: [KLING, WAN])

    answer = studio.caller.get("/api/v1/models", **query).json()

    assert [x["model"] for x in answer["data"]["models"]] == found


def test_each_place_of_the_catalogue_answers_as_documented(make_studio):
    studio = make_studio(models=lambda: [KLING])

    for aspect in ("schema", "price", "success-rate"):
        studio.caller.get(f"/api/v1/models/{KLING.model}/{aspect}")

    nothing = requests.get(
        f"{studio.sandbox.url}/api/v1/models/{KLING.model}/nothing",
        headers=studio.caller.session.headers,
        timeout=10,
    )
    codes = [seen.code for seen in studio.sandbox.requests_seen()]
    assert codes == [200, 200, 200, 404]
    assert nothing.json()["data"] is None


def test_the_success_rate_is_that_of_the_sandboxs_own_tasks(make_studio):
    studio = make_studio(models=lambda: [KLING])
    for prompt in ("a kite", "sandbox:fail"):
        fields = {"prompt": prompt, "resolution": "240p", "duration": 1}
        studio.done("market", fields, model=KLING.model)

    points = studio.client.fetch_success_rate(KLING.model).points

    used = [point for point in points if point.success_rate is not None]
    assert len(points) == 144
    assert [(x.success_rate, x.error_rate, x.is_normal) for x in used] == [(50.0, 50.0, False)]


def test_the_catalogue_is_asked_once_a_second(make_studio):
    studio = make_studio(models_rate=(1, 30.0))
    studio.client.fetch_models()

    with pytest.raises(KieNotSent):
        studio.client.fetch_models()


def test_the_catalogue_is_for_who_has_the_key(studio):
    studio.caller.session.headers["Authorization"] = "Bearer guessed"

    assert studio.caller.get("/api/v1/models/a/b/price").json()["code"] == 401
