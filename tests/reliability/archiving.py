"""How fast a result comes home against a plain download, and what memory it takes.

`python -m tests.reliability.archiving RESULT_URL` is what runs with a size of its own: one process
that archives that one file, and tells in JSON how long both ways took and how large it grew.
"""

import json
import os
import resource
import struct
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from generation.kie.sandbox import Sandbox
from tests.reliability.report import Report
from tests.reliability.studio import ROOT

SMALL_MEGABYTES = 8
ROUNDS = 6


def measure(world, *, megabytes):
    report = Report("archive", f"A result of {megabytes} MB against a plain `requests` stream")
    small = _run(world, SMALL_MEGABYTES)
    large = _run(world, megabytes)
    speed = megabytes / large["archive"]
    report.add("plain stream to disk, with fsync", megabytes / large["plain"], unit=" MB/s")
    report.add("archived: fetched, checked, poster made, in storage", speed, unit=" MB/s")
    report.add("of the plain stream's throughput", large["plain"] / large["archive"], "≥", 0.8)
    growth = (large["peak_kb"] - small["peak_kb"]) / 1024
    report.add(f"memory above that of a file of {SMALL_MEGABYTES} MB", growth, "≤", 16, " MB")
    report.remarks.append(f"seconds of each round: {large['rounds']}")
    return report


def _run(world, megabytes):
    folder = world.folder / f"archive{megabytes}"
    folder.mkdir()
    clip = folder / "large.mp4"
    write_large_clip(world.clip, clip, megabytes=megabytes)
    sandbox = Sandbox(folder=folder / "sandbox", api_key="rig-key", clip=clip)
    sandbox.start()
    try:
        environment = {
            "PATH": os.environ["PATH"],
            "VAR_DIR": str(folder / "var"),
            "KIE_API_KEY": "rig-key",
            "KIE_API_BASE_URL": sandbox.url,
            "DJANGO_SETTINGS_MODULE": "videostudio.settings",
            "LOG_LEVEL": "WARNING",
        }
        # A file that stands there already, under the address of an upload.
        kept = sandbox._files.keep(b"", path="rig", name="large.mp4")
        clip.replace(sandbox._files.find(kept.url_path))
        command = [sys.executable, "-m", "tests.reliability.archiving", sandbox.url + kept.url_path]
        done = subprocess.run(
            command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE, text=True
        )
        return json.loads(done.stdout.splitlines()[-1])
    finally:
        sandbox.stop()


def write_large_clip(clip, target, *, megabytes):
    """The same clip with an empty box behind it: as playable, and as large as is wished."""
    content = clip.read_bytes()
    padding = megabytes * 1024 * 1024 - len(content)
    with target.open("wb") as file:
        file.write(content)
        # A box of type `free`: players skip it. Size 1 means that the true one follows.
        file.write(struct.pack(">I4sQ", 1, b"free", padding))
        block = os.urandom(1024 * 1024)
        for _ in range(padding // len(block)):
            file.write(block)
        file.write(block[: padding % len(block) - 16])


def archive_once(url):
    """In a process of its own: the seconds of both ways in turn, and the peak of its memory."""
    import django

    django.setup()
    from django.core.management import call_command

    from generation.archive import archive_due_videos
    from generation.kie.client import KieClient

    call_command("migrate", verbosity=0)
    client = KieClient.from_settings()
    plain, archive = [], []
    # What lies in no cache yet, or is still to be written, would be paid for by the first alone.
    _plain(url)
    os.sync()
    for number in range(ROUNDS):
        _make_row(url, number=number)
        ways = [
            (plain, lambda: _plain(url)),
            (archive, lambda: archive_due_videos(client=client)),
        ]
        # In turn: whoever goes first may find the disk busy with what came before.
        for seconds, way in ways if number % 2 else reversed(ways):
            began = time.perf_counter()
            assert way()
            seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    rounds = [[round(seconds, 3) for seconds in way] for way in (plain, archive)]
    return {
        "plain": median(plain),
        "archive": median(archive),
        "peak_kb": peak,
        "rounds": rounds,
    }


def _make_row(url, *, number):
    from django.utils.timezone import now

    from gallery.models import Video
    from videostudio.models import User

    user, _ = User.objects.get_or_create(username="ada")
    video = Video.objects.create(
        user=user,
        provider="kie-hailuo-text2vid",
        model="hailuo/02-text-to-video-standard",
        generation_type="text2vid",
        prompt="a red kite",
        task_id=f"task-{number}",
        stage=Video.Stage.RUNNING,
        accepted_at=now(),
        next_poll_at=now(),
    )
    assert video.mark_succeeded(video_url=url)


def _plain(url):
    """The bytes that were fetched."""
    import requests
    from django.conf import settings

    target = Path(settings.VAR_DIR) / "plain"
    size = 0
    with requests.get(url, stream=True, timeout=30) as answer, target.open("wb") as file:
        for chunk in answer.iter_content(256 * 1024):
            size += file.write(chunk)
        file.flush()
        os.fsync(file.fileno())
    target.unlink()
    return size


if __name__ == "__main__":
    print(json.dumps(archive_once(sys.argv[1])))
