"""Secrets are planted, everything goes wrong, and then everything that can be read is searched."""

import io
import json
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import uuid4

import pytest
import requests
import responses
from django.core import mail
from django.core.management import call_command
from django.db import connection
from django.utils.timezone import now

from gallery.models import Video
from generation import tasks
from generation.callbacks import token_of
from generation.kie.client import KieClient
from generation.kie.sandbox.words import WORDS
from tests.conftest import CREATE_TASK, RECORD_INFO, says
from videostudio.logs import LineFormatter
from videostudio.models import User

ROOT = Path(__file__).parent.parent
KEY = "canary-kie-key-5b1f0c"
HOOK = "canary-hook-key-77e2"
SECRET = "canary-secret-key-that-signs-0123456789"
SIGNED = "canary-signature-of-a-link"
# Each secret of ours in the ways it could be written, and the permission of a signed link.
SOUGHT = re.compile("canary-(kie|hook|secret|signature)", re.IGNORECASE)


@pytest.fixture
def planted(settings):
    settings.KIE_API_KEY = KEY
    settings.KIE_WEBHOOK_KEYS = [HOOK]
    settings.SECRET_KEY = SECRET
    settings.PUBLIC_URL = "https://studio.example"
    settings.ALLOWED_HOSTS = ["testserver"]


class Evidence:
    """Everything that somebody could read: log lines, pages, mails, tables, files."""

    def __init__(self):
        self.lines, self.bare = io.StringIO(), io.StringIO()
        self.pages, self.printed = [], io.StringIO()
        self.handlers = [logging.StreamHandler(self.lines), logging.StreamHandler(self.bare)]
        self.handlers[0].setFormatter(LineFormatter())
        self.handlers[1].setFormatter(logging.Formatter("%(message)s"))

    def keep(self, response):
        content = response.getvalue() if response.streaming else response.content
        self.pages.append(f"{response.headers}\n{content.decode(errors='replace')}")
        return response

    def everything(self, settings):
        yield "log", self.lines.getvalue()
        yield "printed", self.printed.getvalue()
        yield from (("page", page) for page in self.pages)
        yield from (("mail", sent.message().as_string()) for sent in mail.outbox)
        yield from _tables()
        folders = (settings.VAR_DIR / "queue", settings.VAR_DIR / "cache")
        for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
            with suppress(FileNotFoundError):
                yield str(path), path.read_bytes().decode(errors="replace")

    def hits(self, settings):
        return [
            (where, text[max(found.start() - 80, 0) : found.end() + 20])
            for where, text in self.everything(settings)
            for found in SOUGHT.finditer(text)
        ]


def _tables():
    """Every row of every table, as text. KIE.AI's link has to be kept whole, to be followed."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # our own tables
            columns = [column[0] for column in cursor.description]
            for row in cursor.fetchall():
                facts = dict(zip(columns, row, strict=True))
                if table == "generated_videos":
                    facts["video_url"] = facts["video_url"].replace(SIGNED, "")
                yield table, repr(facts)


@pytest.fixture
def evidence():
    kept, root = Evidence(), logging.getLogger()
    level = root.level
    root.setLevel(logging.DEBUG)
    for handler in kept.handlers:
        root.addHandler(handler)
    yield kept
    for handler in kept.handlers:
        root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def olga(client, planted, db):
    client.force_login(User.objects.create_superuser("olga", "olga@example.com", "x"))
    client.raise_request_exception = False
    return client


def ask_for(prompt, olga, evidence):
    form = {
        "prompt": prompt,
        "provider": "kie-hailuo-text2vid",
        "duration": "6",
        "idempotency_key": str(uuid4()),
    }
    evidence.keep(olga.post("/generate/", form, follow=True))


def a_tick(evidence):
    Video.objects.filter(status="processing").update(next_poll_at=now())
    Video.objects.filter(next_archive_at__isnull=False).update(next_archive_at=now())
    for task in (tasks.send_queued_videos, tasks.poll_videos, tasks.archive_videos):
        task.apply()
    with suppress(SystemExit):
        call_command("poll_videos", "--all", stdout=evidence.printed, stderr=evidence.printed)


def look_at_everything(olga, evidence):
    addresses = [
        *("/", "/generate/", "/updates/?since=0", "/trash/", "/accounts/profile/"),
        *("/admin/", "/admin/gallery/video/", "/healthz/", "/readyz/", "/nowhere/"),
    ]
    for video in Video.objects.all():
        addresses.append(f"/admin/gallery/video/{video.pk}/change/")
        if SIGNED not in video.video_url:
            addresses.append(f"/videos/{video.pk}/")
        for token in (token_of(video.pk), f"{KEY}.{SECRET}"):
            body = json.dumps({"taskId": video.task_id, "msg": KEY})
            path = f"/webhooks/kie/{token}/"
            evidence.keep(olga.post(path, body, content_type="application/json"))
    for address in addresses:
        evidence.keep(olga.get(address, follow=True))


ECHO = {"code": 401, "msg": f"invalid key {KEY}", "data": {"key": KEY}}
CREATIONS = {
    "refused": {"json": ECHO},
    "validation": {"json": ECHO | {"code": 422}},
    "hidden": {"json": ECHO | {"code": 500, "msg": f"Authorization: Bearer {KEY}"}},
    "busy": {"json": ECHO | {"code": 429}, "headers": {"Retry-After": KEY}},
    "maintained": {"json": ECHO | {"code": 455}},
    "id": {"json": {"code": 200, "msg": KEY, "data": {"taskId": KEY}}},
    "html": {"status": 502, "body": f"<html>{KEY}</html>"},
    "redirect": {"status": 302, "headers": {"Location": f"https://kie.example/?k={KEY}"}},
    "lost": {"body": requests.ReadTimeout(f"timeout with {KEY}")},
    "away": {"body": requests.ConnectionError(f"Bearer {KEY}")},
    "broken": {"body": RuntimeError(f"cannot send {KEY}")},
}
LINK = "https://results.kie.example/v/clip.mp4?X-Amz-Signature={}"
RECORDS = {
    "failed": {"json": says("fail", failMsg=f"your key {KEY} is bad", failCode=KEY)},
    "state": {"json": says(KEY, progress=KEY, param=json.dumps({"callBackUrl": KEY}))},
    "link-with-key": {"json": says("success", LINK.format(KEY))},
    "signed-link": {"json": says("success", LINK.format(SIGNED))},
    "refused": {"json": ECHO},
    "html": {"status": 500, "body": f"<html>{KEY}</html>"},
    "away": {"body": requests.ConnectionError(f"Bearer {KEY}")},
    "broken": {"body": RuntimeError(f"cannot ask with {KEY}")},
}


@pytest.mark.parametrize("debug", [False, True], ids=["debug-off", "debug-on"])
def test_nothing_tells_a_secret_when_kie_quotes_it(olga, evidence, settings, make_video, debug):
    settings.DEBUG = debug
    for name, answer in CREATIONS.items():
        with responses.RequestsMock(assert_all_requests_are_fired=False) as kie:
            kie.post(CREATE_TASK, **answer)
            ask_for(f"a red kite {name}", olga, evidence)
    for answer in RECORDS.values():
        for video in Video.objects.filter(status="processing"):
            video.mark_failed(error_message="over")
        make_video()
        with responses.RequestsMock(assert_all_requests_are_fired=False) as kie:
            kie.get(RECORD_INFO, **answer)
            failure = requests.ConnectionError(f"url: /v/clip.mp4?X-Amz-Signature={SIGNED}")
            kie.get(re.compile("https://results.kie.example/.*"), body=failure)
            a_tick(evidence)
    look_at_everything(olga, evidence)

    assert Video.objects.filter(video_url__contains=SIGNED).exists()
    assert "[redacted]" in evidence.lines.getvalue()
    assert evidence.hits(settings) == []


@pytest.mark.parametrize("debug", [False, True], ids=["debug-off", "debug-on"])
def test_an_error_of_our_own_tells_no_secret(olga, evidence, settings, monkeypatch, debug):
    settings.DEBUG = debug

    def explode():
        headers = {"X-Odd": KEY, "link": LINK.format(SIGNED)}
        raise RuntimeError(f"cannot use {settings.KIE_API_KEY} with {SECRET}", headers)

    monkeypatch.setattr(KieClient, "from_settings", explode)
    ask_for("a red kite", olga, evidence)
    for task in (tasks.send_queued_videos, tasks.poll_videos, tasks.archive_videos):
        task.apply()
    tasks.check_videos.apply(args=[[KEY]])

    assert "RuntimeError" in evidence.lines.getvalue()
    assert ("cannot use" in evidence.pages[0]) is debug
    assert evidence.hits(settings) == []
    # The search sees: the same records, formatted as usual, tell it all.
    assert SOUGHT.search(evidence.bare.getvalue())


def test_no_word_of_the_sandboxs_makes_anything_tell(planted, sandbox, olga, evidence, settings):
    settings.PUBLIC_URL = ""
    for word in sorted(set(WORDS) - {"timeout", "seconds"}):
        ask_for(f"sandbox:{word} a red kite", olga, evidence)
    sandbox.finish()
    a_tick(evidence)
    look_at_everything(olga, evidence)

    assert len(sandbox.tasks()) > 8
    assert evidence.hits(settings) == []


# --- The same as processes, with secrets from the environment -----------------------------------


class Echo(BaseHTTPRequestHandler):
    """A KIE.AI that answers every question with the question's own headers."""

    def answer(self):
        said = json.dumps({"code": 422, "msg": f"bad request: {dict(self.headers)}"}).encode()
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST = answer

    def log_message(self, *args):
        pass


@pytest.fixture
def echo():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def process(tmp_path, echo):
    """Runs Python in an installation whose every secret is a canary. Returns all it said."""
    environment = {
        "PATH": os.environ["PATH"],
        "DJANGO_SETTINGS_MODULE": "videostudio.settings",
        "VAR_DIR": str(tmp_path / "var"),
        "DATABASE_URL": "",
        "REDIS_URL": "",
        "KIE_API_KEY": KEY,
        "KIE_API_BASE_URL": echo,
        "KIE_WEBHOOK_KEY": HOOK,
        "SECRET_KEY": SECRET,
        "EMAIL_URL": "smtp://mail:canary-secret-mail@127.0.0.1:9/",
        "MEDIA_S3_SECRET_KEY": "canary-secret-s3-key",
        "MEDIA_S3_ACCESS_KEY": "canary-secret-s3-id",
        "LOG_LEVEL": "DEBUG",
        "PYTHONUNBUFFERED": "1",
    }

    def start(*command, **variables):
        return subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    return start


MAKE_VIDEO = """
import django; django.setup()
from django.utils.timezone import now
from gallery.models import Video
from videostudio.models import User
Video.objects.create(
    user=User.objects.create_user("alice"), provider="kie-hailuo-text2vid", task_id="task-1",
    model="hailuo/02-text-to-video-standard", generation_type="text2vid", prompt="a red kite",
    stage="running", accepted_at=now(), next_poll_at=now(),
)
"""


def test_a_command_tells_no_secret_that_kie_quotes(process):
    process("manage.py", "migrate", "-v0").communicate(timeout=120)
    process("-c", MAKE_VIDEO).communicate(timeout=120)

    said, _ = process("manage.py", "poll_videos").communicate(timeout=120)

    assert "1 checked" in said
    assert "bad request" in said
    assert "[redacted]" in said
    assert not SOUGHT.search(said)


@pytest.mark.parametrize(
    "variables",
    [
        {"DATABASE_URL": "postgres://u:canary-secret-db@127.0.0.1:9/canary"},
        {"DATABASE_URL": "postgres://u:canary-secret/db@127.0.0.1:9/db"},
    ],
    ids=["away", "unreadable"],
)
def test_a_command_without_its_database_tells_no_password(process, variables):
    said, _ = process("manage.py", "poll_videos", **variables).communicate(timeout=120)

    assert "Error" in said or "ImproperlyConfigured" in said
    assert not SOUGHT.search(said)


UNCAUGHT = """
import django, threading, warnings
django.setup()
from django.conf import settings

def explode():
    raise RuntimeError(f"exploding with {settings.KIE_API_KEY}")

class Fragile:
    def __del__(self):
        explode()

warnings.warn(f"warning of {settings.KIE_API_KEY}")
thread = threading.Thread(target=explode)
thread.start()
thread.join()
Fragile()
explode()
"""


def test_what_nobody_catches_tells_no_secret(process):
    running = process("-c", UNCAUGHT)
    said, _ = running.communicate(timeout=120)

    assert running.returncode == 1
    assert said.count("RuntimeError: exploding with [redacted]") == 3
    assert "warning of [redacted]" in said
    assert not SOUGHT.search(said)


SEND = f"""
import django; django.setup()
from videostudio.celery import app
app.send_task("tell", args=["{KEY}"])
app.send_task("no.such.task", args=["{KEY}"])
app.send_task("generation.tasks.check_videos", args=[["{KEY}"]])
app.send_task("generation.tasks.check_videos", args=["{KEY}", "{SECRET}"])
"""


WORKER = """
from celery.utils.log import get_task_logger
from videostudio.celery import app

@app.task(name="tell")
def tell(key):
    get_task_logger("tell").warning("telling %s", key)
    print("printing", key)

app.worker_main(["worker", "--pool", "threads"])
"""


def test_a_worker_tells_no_secret_whatever_its_tasks_do(process):
    process("manage.py", "migrate", "-v0").communicate(timeout=120)
    process("-c", SEND).communicate(timeout=120)

    words = ("unregistered task", "hexadecimal UUID", "TypeError", "telling", "printing")
    said = stopped_after(process("-c", WORKER), words)

    assert "[redacted]" in said
    assert not SOUGHT.search(said)


def test_a_worker_without_its_broker_tells_no_password(process):
    broker = "redis://:canary-secret-redis@127.0.0.1:9/0"

    worker = process("-m", "celery", "-A", "videostudio", "worker", REDIS_URL=broker)
    said = stopped_after(worker, ("Cannot connect to",))

    assert not SOUGHT.search(said)


def stopped_after(worker, words, *, seconds=90):
    """Everything a worker says until all of these words have been among it."""
    said = []
    reader = threading.Thread(target=lambda: said.extend(iter(worker.stdout.readline, "")))
    reader.start()
    deadline = time.monotonic() + seconds
    while not all(word in "".join(said) for word in words) and time.monotonic() < deadline:
        time.sleep(0.1)
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(10)
    except subprocess.TimeoutExpired:
        worker.kill()
    reader.join(10)
    worker.stdout.close()
    text = "".join(said)
    assert all(word in text for word in words), text
    return text
