"""The cast: alice, bob, their videos, KIE.AI played over HTTP."""

import io
import itertools
import json
import shutil
import wave
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import av
import pytest
import responses
from django.core.cache import cache, caches
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connection
from django.utils.timezone import now
from PIL import Image
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from gallery.models import Stage, Status, Video, file_name
from generation.catalogue import refusal_of, slot_named
from generation.inputs import keep_input
from generation.kie.client import KieClient, _shared_client
from generation.kie.sandbox import Sandbox, rendering
from generation.kie.sandbox.clips import render_clip
from generation.service_facts import REMEMBERED_AS
from videostudio.models import User

PASSWORD = "correct horse battery"
KIE = "https://api.kie.ai/api/v1"
RECORD_INFO = f"{KIE}/jobs/recordInfo"
CREATE_TASK = f"{KIE}/jobs/createTask"
VEO_GENERATE = f"{KIE}/veo/generate"
VEO_RECORD = f"{KIE}/veo/record-info"
UPLOAD = "https://kieai.redpandaai.co/api/file-stream-upload"
RESULT = "https://results.kie.example/v/clip.mp4"

EXAMPLES = Path(__file__).parent / "data" / "kie"


def example(name):
    """One of KIE.AI's documented payloads."""
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def says(state, url="", *, urls=(), **facts):
    """A market record, as KIE.AI's status answer has it."""
    results = urls or ([url] if url else [])
    result = json.dumps({"resultUrls": results}) if results else ""
    data = {"taskId": "t", "state": state, "resultJson": result, **facts}
    return {"code": 200, "message": "success", "data": data}


@pytest.fixture
def alice(db):
    return User.objects.create_user("alice", "alice@example.com", PASSWORD)


@pytest.fixture
def bob(db):
    return User.objects.create_user("bob", "bob@example.com", PASSWORD)


@pytest.fixture
def alice_client(client, alice):
    client.force_login(alice)
    return client


@pytest.fixture
def make_video(alice):
    """Makes rows; a test names only its own facts. Usual: accepted, running and due."""
    numbers = itertools.count(1)

    def make(**facts):
        usual = {
            "user": alice,
            "provider": "kie-hailuo-text2vid",
            "model": "hailuo/02-text-to-video-standard",
            "generation_type": "text2vid",
            "prompt": "a red kite",
            "parameters": {"duration": "6"},
            "duration": 6,
            "task_id": f"task-{next(numbers)}",
            "stage": Stage.RUNNING,
            "accepted_at": now(),
            "next_poll_at": now(),
        }
        return Video.objects.create(**usual | facts)

    return make


@pytest.fixture
def make_completed(make_video, clip_bytes):
    """A video that is done and whose file is with us."""

    def make(**facts):
        usual = {
            "status": Status.COMPLETED,
            "stage": Stage.SETTLED,
            "progress": 100,
            "video_url": RESULT,
            "completed_at": now(),
            "succeeded_at": now() - timedelta(seconds=2),
            "archived_at": now(),
            "next_poll_at": None,
            "width": 320,
            "height": 180,
        }
        video = make_video(**usual | facts)
        video.file = default_storage.save(file_name(video, "video.mp4"), ContentFile(clip_bytes))
        poster = picture_bytes(320, 180, kind="WEBP")
        video.poster = default_storage.save(file_name(video, "poster.webp"), ContentFile(poster))
        video.save()
        return video

    return make


@pytest.fixture
def make_failed(make_video):
    def make(**facts):
        usual = {
            "status": Status.FAILED,
            "stage": Stage.SETTLED,
            "error_message": "It failed on the service's side. Please try again.",
            "completed_at": now(),
            "next_poll_at": None,
        }
        return make_video(**usual | facts)

    return make


@pytest.fixture
def kie():
    """KIE.AI over HTTP, answering only what a test announces."""
    with responses.RequestsMock(assert_all_requests_are_fired=False) as announced:
        yield announced


@pytest.fixture
def kie_client():
    return KieClient.from_settings()


@contextmanager
def running_sandbox(folder, settings, **options):
    """A KIE.AI of our own over real HTTP, in place of the real one."""
    usual = {"seconds": 1.0, "create_rate": (1000, 1.0), "status_rate": (1000, 1.0)}
    server = Sandbox(
        folder=folder, api_key=settings.KIE_API_KEY, refusal_of=refusal_of, **usual | options
    )
    server.start()
    settings.KIE_API_BASE_URL = settings.KIE_UPLOAD_BASE_URL = server.url
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def sandbox(tmp_path, settings):
    with running_sandbox(tmp_path / "sandbox", settings) as server:
        yield server


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    yield
    # A browser that is still open keeps a thread of the server's, and that its connection: the
    # database could not be dropped.
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


@pytest.fixture(scope="session", autouse=True)
def _rendered_once(tmp_path_factory):
    """The same order makes the same clip: what the sandbox has rendered once is copied after."""
    folder, clips = tmp_path_factory.mktemp("rendered"), {}

    def render_or_copy(order, target):
        picture = order.picture if order.picture and order.picture.exists() else None
        shown = picture and sha256(picture.read_bytes()).digest()
        asked = (replace(order, picture=None), shown, target.suffix)
        if asked in clips:
            shutil.copyfile(clips[asked], target.with_suffix(".part"))
            target.with_suffix(".part").replace(target)
            return
        render_clip(order, target)
        clips[asked] = shutil.copyfile(target, folder / uuid4().hex)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rendering, "render_clip", render_or_copy)
        yield


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """What a process keeps for a moment must not pass from one test to the next."""
    caches["process"].clear()
    _shared_client.cache_clear()
    cache.delete(REMEMBERED_AS)


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Names for folders that are made by whoever first writes there."""
    root = tmp_path_factory.mktemp("media")
    return (root / str(number) for number in itertools.count(1))


@pytest.fixture(autouse=True)
def _media_of_its_own(settings, folders):
    # Most tests keep no file: a folder made for each of them would cost more than they do.
    settings.MEDIA_ROOT = next(folders)
    storages = settings.STORAGES
    storages["default"]["OPTIONS"] = {"location": settings.MEDIA_ROOT, "allow_overwrite": True}
    settings.STORAGES = storages
    yield
    shutil.rmtree(settings.MEDIA_ROOT, ignore_errors=True)


def picture_bytes(width=64, height=48, *, kind="PNG", **options):
    content = io.BytesIO()
    Image.new("RGB", (width, height), (180, 60, 40)).save(content, kind, **options)
    return content.getvalue()


def sound_bytes(seconds=4.0):
    """Silence, as a WAV."""
    content = io.BytesIO()
    with wave.open(content, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(2 * int(8000 * seconds)))
    return content.getvalue()


def pdf_bytes(pages=1, *, words="Kites fly in the wind."):
    """A PDF with these words on each page."""
    writer = PdfWriter()
    font = DictionaryObject({NameObject("/Type"): NameObject("/Font")})
    font[NameObject("/Subtype")] = NameObject("/Type1")
    font[NameObject("/BaseFont")] = NameObject("/Helvetica")
    for _ in range(pages):
        page = writer.add_blank_page(width=200, height=100)
        content = DecodedStreamObject()
        content.set_data(f"BT /F1 12 Tf 10 50 Td ({words}) Tj ET".encode())
        page[NameObject("/Contents")] = writer._add_object(content)
        fonts = DictionaryObject({NameObject("/F1"): font})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def kept_input(user, slot="image", content=None, *, name="kite.png", provider=None):
    """A file of this person's library, handed in for that slot."""
    content = picture_bytes(320, 180) if content is None else content
    return keep_input(
        io.BytesIO(content),
        size=len(content),
        slot=slot_named(slot, provider=provider),
        user=user,
        name=name,
    )


def make_clip(path, *, seconds=1.0, size=(320, 180), fps=12):
    """A small real H.264 MP4."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.options = {"preset": "ultrafast"}
        for number in range(int(seconds * fps)):
            image = Image.new("RGB", size, (number * 9 % 255, 80, 120))
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def clip_bytes(tmp_path_factory):
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.mp4").read_bytes()
