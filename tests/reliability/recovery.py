"""One thing breaks for a while. After its return, how long until every video has moved again?"""

import os
import random
import subprocess
import threading
import time
from contextlib import contextmanager

from tests.reliability.kills import GENEROUS
from tests.reliability.people import Person
from tests.reliability.report import Report

FAULT_SECONDS = 20
VIDEOS = 20
PATIENCE_SECONDS = 150
# What of a row changes when somebody has looked at it.
MOVING = "id, status, stage, poll_count, archive_attempts, archived_at, offered_task_id, prompt"
UNSETTLED = (
    f"SELECT {MOVING} FROM generated_videos "
    "WHERE status = 'processing' OR next_archive_at IS NOT NULL"
)


@contextmanager
def redis_stopped_and_flushed(world, studio):
    world.redis.stop()
    yield
    world.redis.start()


@contextmanager
def postgres_restarted(world, studio):
    world.postgres.stop()
    yield
    world.postgres.start()


@contextmanager
def worker_killed(world, studio):
    studio.hold("worker0")
    yield
    studio.release("worker0")


@contextmanager
def beat_killed(world, studio):
    studio.hold("beat0")
    yield
    studio.release("beat0")


@contextmanager
def kie_down(world, studio):
    studio.hold("sandbox")
    yield
    studio.release("sandbox")


@contextmanager
def disk_full(world, studio):
    ballast = studio.media / "ballast"
    with ballast.open("wb") as file:
        try:
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        except OSError:
            pass
    yield
    ballast.unlink()


FAULTS = {
    "redis": ("Redis stopped and emptied", redis_stopped_and_flushed),
    "postgres": ("PostgreSQL stopped", postgres_restarted),
    "worker": ("the worker killed", worker_killed),
    "beat": ("beat killed", beat_killed),
    "kie": ("KIE.AI down", kie_down),
    "disk": ("the disk full", disk_full),
}


def measure(world, *, only=None):
    report = Report(
        "recovery",
        f"One fault of {FAULT_SECONDS} s, {VIDEOS} videos in all stages",
    )
    chosen = only or [name for name in FAULTS if _can(name, world, report)]
    with small_disk(world) as media:
        sandbox = ["--clip", str(world.clip), "--pause", "1"]
        with world.studio(sandbox=sandbox, media=media, **GENEROUS) as studio:
            studio.start(people=["ada"])
            for name in chosen:
                _measure_one(report, name, world=world, studio=studio)
    return report


def _can(name, world, report):
    if name == "disk" and os.geteuid() != 0:
        report.remarks.append("the disk full: not measured, only root can make a small disk")
        return False
    return not (world.is_embedded and name in {"redis", "postgres"})


@contextmanager
def small_disk(world):
    """A folder that is full with 512 MB, of which the archive leaves half; None without root."""
    if os.geteuid() != 0:
        yield None
        return
    folder = world.folder / "small-disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512m", "tmpfs", folder], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=True)


def _measure_one(report, name, *, world, studio):
    words, fault = FAULTS[name]
    chance = random.Random(name)
    person = Person(studio, "ada")
    person.sign_in()
    # Some will be finished before the fault, some in it, some after it.
    early = [f"{name} {n} sandbox:seconds={chance.uniform(1, 45):.0f}" for n in range(VIDEOS - 6)]
    late = [f"{name} late {n} sandbox:seconds={chance.uniform(1, 20):.0f}" for n in range(6)]
    for prompt in early:
        person.click(prompt)
    time.sleep(5)
    with fault(world, studio):
        clicking = threading.Thread(target=_click, args=(person, late))
        clicking.start()
        time.sleep(FAULT_SECONDS)
    waits, left = _until_all_moved(studio)
    clicking.join()
    report.add(
        f"{words}: until the last has moved", max(waits.values(), default=0.0), "≤", 60, " s"
    )
    report.add(f"{words}: not moved after {PATIENCE_SECONDS} s", len(left), "=", 0)
    report.remarks += [f"{name}: left behind: {row}" for row in left]
    slow = {prompt: round(seconds, 1) for prompt, seconds in waits.items() if seconds > 30}
    report.remarks.append(f"{name}: {len(waits)} were waiting; slower than 30 s: {slow}")
    studio.wait_until(
        lambda: all(row["stage"] == "unconfirmed" for row in studio.rows(UNSETTLED)),
        seconds=300,
        what="the last fault's videos are done",
    )


def _click(person, prompts):
    for prompt in prompts:
        person.click(prompt, seconds=60)


def _until_all_moved(studio):
    """Seconds until each unsettled video has moved, by prompt; and the rows that never did."""
    began = time.monotonic()
    before = {row["id"]: row for row in studio.rows(UNSETTLED) if row["stage"] != "unconfirmed"}
    waits = {}
    while len(waits) < len(before) and time.monotonic() - began < PATIENCE_SECONDS:
        rows = {row["id"]: row for row in studio.rows(f"SELECT {MOVING} FROM generated_videos")}
        for pk, row in before.items():
            if row["prompt"] not in waits and rows.get(pk) != row:
                waits[row["prompt"]] = time.monotonic() - began
        time.sleep(0.25)
    return waits, [row for row in before.values() if row["prompt"] not in waits]
