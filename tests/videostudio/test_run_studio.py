"""The whole studio as processes: one command starts it, Ctrl-C leaves nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).parent.parent.parent
pytestmark = pytest.mark.studio


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Studio:
    def __init__(self, folder):
        self.port, self.log = free_port(), folder / "log"
        # Only what a shell would give: the tests' own settings must not leak into it.
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "VAR_DIR": str(folder / "var"),
            "KIE_API_KEY": "",
            "PORT": str(self.port),
            "KIE_SANDBOX_PORT": str(free_port()),
            "KIE_SANDBOX_SECONDS": "2",
        }
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "run_studio", "--workers", "1"],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.mark = str(folder / "var").encode()

    def wait_until(self, claim, seconds, what):
        deadline = time.monotonic() + seconds
        while not (found := claim()):
            assert time.monotonic() < deadline, f"{what}\n{self.log.read_text()}"
            time.sleep(0.3)
        return found

    def said(self, pattern):
        return re.search(pattern, self.log.read_text())

    def processes(self):
        """The processes that belong to this studio, by their environment."""
        found = {}
        for environment in Path("/proc").glob("[0-9]*/environ"):
            try:
                if b"VAR_DIR=" + self.mark in environment.read_bytes():
                    command = (environment.parent / "cmdline").read_bytes().replace(b"\0", b" ")
                    found[int(environment.parent.name)] = command.decode()
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def stop(self):
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


@pytest.fixture
def studio(tmp_path):
    running = Studio(tmp_path)
    yield running
    if running.process.poll() is None:
        running.stop()


def sign_in(studio, password):
    session = requests.Session()
    url = f"http://127.0.0.1:{studio.port}"
    session.get(f"{url}/accounts/login/", timeout=10)
    form = {
        "username": "demo",
        "password": password,
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }
    home = session.post(f"{url}/accounts/login/", form, timeout=10)
    assert home.url == f"{url}/"
    return session, url


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_one_command_makes_a_video_survives_a_dead_worker_and_stops_clean(studio):
    studio.wait_until(lambda: studio.said("is ready"), 60, "the studio never got ready")
    password = studio.said(r"Sign in as demo with the password (\S+)")[1]
    session, url = sign_in(studio, password)

    # The worker dies; the video is made all the same.
    worker = [pid for pid, command in studio.processes().items() if "celery" in command]
    for pid in worker:
        os.kill(pid, signal.SIGKILL)
    form = {
        "prompt": "a red kite",
        "provider": "kie-hailuo-text2vid",
        "csrfmiddlewaretoken": session.cookies["csrftoken"],
    }
    started = session.post(f"{url}/generate/", form, timeout=30)
    assert "Video generation started!" in started.text

    def finished():
        page = session.get(f"{url}/", timeout=10).text
        return re.search(r'data-video-id="([^"]+)" data-status="completed"', page)

    pk = studio.wait_until(finished, 90, "the video was never finished")[1]
    video = session.get(f"{url}/videos/{pk}/file/", headers={"Range": "bytes=4-7"}, timeout=10)
    assert (video.status_code, video.content) == (206, b"ftyp")

    studio.stop()

    assert studio.processes() == {}


def test_a_taken_port_is_said_in_a_sentence(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        answer = subprocess.run(
            [sys.executable, "manage.py", "run_studio"],
            cwd=ROOT,
            env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path), "PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    assert answer.returncode != 0
    assert f"Port {port} is taken by another program." in answer.stderr
    assert "Traceback" not in answer.stderr


def test_a_reader_that_has_enough_of_a_list_is_no_trouble(tmp_path):
    manage = f"{sys.executable} manage.py"
    answer = subprocess.run(
        ["bash", "-c", f"{manage} migrate -v 0 && {manage} prices | head -n 1"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "VAR_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert answer.stdout.count("\n") == 1
    assert "BrokenPipe" not in answer.stderr
    assert "Traceback" not in answer.stderr
