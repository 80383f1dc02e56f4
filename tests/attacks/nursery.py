"""Processes on demand, of which each runs one step of the studio and can be killed in the middle.

Started once with `python -m tests.attacks.nursery`, it loads the studio and then forks: a child is
there within milliseconds, and many can be let go at the same moment.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import UUID

ROOT = Path(__file__).parent.parent.parent


class Nursery:
    """From the test's side: `run` a step in so many processes at once."""

    def __init__(self, *, database, **settings):
        command = [sys.executable, "-m", "tests.attacks.nursery"]
        self.process = subprocess.Popen(
            [*command, json.dumps({"database": str(database), "settings": settings})],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *steps, kill_after=None):
        """What each of these steps returned, all started together; None for what was killed.

        A step is its name and its arguments.
        """
        order = {"steps": steps, "kill_after": kill_after}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self):
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


# --- What can be run: in the child ----------------------------------------------------------------


def submit(user, prompt, key, number=1):
    from generation.kie.client import KieClient
    from generation.submission import submit_videos
    from tests.generation.test_submission import a_request
    from videostudio.models import User

    made = submit_videos(
        user=User.objects.get(pk=user),
        request=a_request(prompt),
        client=KieClient.from_settings(),
        idempotency_key=UUID(key),
        number=number,
    )
    return " ".join(str(video.pk) for video in made.videos)


def submit_within_limits(user, prompt, key):
    """As submit; "" when a limit leaves no room."""
    from generation.limits import LimitReached

    try:
        return submit(user, prompt, key)
    except LimitReached:
        return ""


def post(session, form):
    from django.test import Client

    client = Client()
    client.cookies["sessionid"] = session
    return client.post("/generate/", form).status_code


def send():
    from generation.kie.client import KieClient
    from generation.submission import send_queued_videos

    return send_queued_videos(client=KieClient.from_settings())


def poll(limit=None):
    from generation.kie.client import KieClient
    from generation.polling import poll_due_videos

    return poll_due_videos(client=KieClient.from_settings(), limit=limit).checked


def archive():
    from generation.archive import archive_due_videos
    from generation.kie.client import KieClient

    return archive_due_videos(client=KieClient.from_settings())


def delete(video):
    from gallery.models import Video

    return Video.objects.get(pk=video).mark_deleted()


STEPS = {
    step.__name__: step
    for step in (submit, submit_within_limits, post, send, poll, archive, delete)
}

# --- The process itself ---------------------------------------------------------------------------


def main(given):
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    from django.conf import settings

    settings.DATABASES["default"]["NAME"] = given["database"]
    for name, value in given["settings"].items():
        setattr(settings, name, Path(value) if name == "MEDIA_ROOT" else value)
    options = {"location": settings.MEDIA_ROOT, "allow_overwrite": True}
    settings.STORAGES["default"]["OPTIONS"] = options
    import django

    django.setup()
    # Loaded once here, not in each child.
    import av  # noqa: F401
    from django.urls import resolve

    import tests.generation.test_submission  # noqa: F401

    resolve("/generate/")
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(_run(order["steps"], order["kill_after"])), flush=True)
    # The folder that the tests' settings have made for this process.
    shutil.rmtree(settings.VAR_DIR, ignore_errors=True)


def _run(steps, kill_after):
    gate, opener = os.pipe()
    children = [_fork(name, arguments, gate, opener) for name, *arguments in steps]
    os.close(gate)
    os.close(opener)
    if kill_after is not None:
        time.sleep(kill_after)
        for pid, _ in children:
            os.kill(pid, signal.SIGKILL)
    results = []
    for pid, answer in children:
        with os.fdopen(answer) as file:
            text = file.read()
        os.waitpid(pid, 0)
        results.append(json.loads(text) if text else None)
    return results


def _fork(name, arguments, gate, opener):
    answer, sender = os.pipe()
    pid = os.fork()
    if pid:
        os.close(sender)
        return pid, answer
    os.close(opener)
    # Nothing is ever written into it: it ends when the nursery opens it for all at once.
    os.read(gate, 1)
    random.seed()
    status = 1
    try:
        result = STEPS[name](*arguments)
        os.write(sender, json.dumps(result).encode())
        status = 0
    finally:
        if status:
            sys.excepthook(*sys.exc_info())
        # Without the parent's farewells: only the step's own traces are to be left.
        os._exit(status)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
