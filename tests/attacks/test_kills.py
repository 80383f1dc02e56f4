"""Killed at any moment: nothing paid for is lost, nothing is paid for twice, no file is half."""

import random
import time
from collections import Counter
from itertools import batched
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import settings
from django.db.models import Q
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation.callbacks import PATH, video_named_by

KILLS = 60


def pass_time():
    """What the dead have held is free again, and whatever waits is due."""
    at = now()
    Video.objects.processing().update(next_poll_at=at, claimed_until=None)
    Video.objects.filter(next_archive_at__isnull=False).update(next_archive_at=at)


def call_back(kie):
    """KIE.AI calls back about every task it has ever finished."""
    for task in kie.tasks():
        token = urlsplit(task.callback_url).path.removeprefix(PATH).strip("/")
        Video.objects.filter(pk=video_named_by(token)).nudge(task_id=task.task_id)


def heal(nursery, kie, clicks):
    """Nobody is killed any more. People press again, KIE.AI calls back, passes run."""
    for some in batched(clicks, 8):
        nursery.run(*[("submit", *click) for click in some])
    for _ in range(8):
        pass_time()
        call_back(kie)
        for step in ("send", "poll", "archive"):
            nursery.run((step,))
        if not Video.objects.processing().exclude(stage=Stage.UNCONFIRMED, task_id="").exists():
            break


def kept_files():
    root = settings.MEDIA_ROOT
    files = [path for path in root.rglob("*") if path.is_file()]
    parts = [path for path in files if path.suffix == ".part"]
    return {str(path.relative_to(root)) for path in files if path not in parts}, parts


def assert_files_are_whole(content):
    """What says that it is here is here, at every moment."""
    for video in Video.objects.exclude(file=""):
        path = Path(video.file.path)
        assert path.exists(), f"{video.status}, and there is no file"
        assert path.read_bytes() == content


class Killer:
    """Runs steps in processes that it kills somewhere between their first and their last moment."""

    def __init__(self, nursery, seed):
        self.nursery, self.chance = nursery, random.Random(seed)
        # How long a step takes here and today, as far as is known: a busy machine is slow.
        self.seconds = {}

    def run(self, step, *arguments):
        """Whether it was killed before it was done."""
        usual = self.seconds.get(step)
        began = time.monotonic()
        after = self.chance.uniform(0, usual) if usual else None
        killed = self.nursery.run((step, *arguments), kill_after=after) == [None]
        if not killed:
            self.seconds[step] = min(max(time.monotonic() - began, 0.02), 1.0)
        return killed


@pytest.mark.parametrize("seed", [1])
def test_sixty_kills_at_random_moments_lose_nothing_and_pay_nothing_twice(
    nursery, kie, alice, clip_bytes, seed
):
    killer, clicks = Killer(nursery, seed), []
    kills = kills_while_archiving = 0
    for number in range(10 * KILLS):
        # People click, and in between passes die.
        step = ("submit", "archive", "poll", "submit", "archive", "send")[number % 6]
        arguments = ()
        if step == "submit":
            clicks.append((alice.pk, f"a red kite, take {number}", str(uuid4())))
            arguments = clicks[-1]
        is_killed = killer.run(step, *arguments)
        kills += is_killed
        kills_while_archiving += is_killed and step == "archive"
        assert_files_are_whole(clip_bytes)
        pass_time()
        if kills == KILLS:
            break

    heal(nursery, kie, clicks)

    videos = list(Video.objects.all())
    asked = [task.prompt for task in kie.tasks()]
    assert kills == KILLS
    assert len(asked) == len(set(asked)), "no click was charged twice"
    assert {video.prompt for video in videos} == {prompt for _, prompt, _ in clicks}
    done = {video.task_id for video in videos if video.status == Status.COMPLETED}
    assert done == {task.task_id for task in kie.tasks()}, "every task came home"
    left = [video for video in videos if video.status != Status.COMPLETED]
    assert {video.stage for video in left} <= {Stage.UNCONFIRMED}
    assert_files_are_whole(clip_bytes)
    files, parts = kept_files()
    assert files == {name for v in videos for name in (v.file.name, v.poster.name) if name}
    assert len(parts) <= kills_while_archiving


def test_kills_between_variations_lose_none_and_pay_for_none_twice(nursery, kie, alice, clip_bytes):
    killer, clicks = Killer(nursery, 3), []
    for number in range(16):
        clicks.append((alice.pk, f"a red kite, take {number}", str(uuid4()), 3))
        killer.run("submit", *clicks[-1])
        pass_time()

    heal(nursery, kie, clicks)

    videos = list(Video.objects.all())
    asked = Counter(task.prompt for task in kie.tasks())
    assert Counter(video.prompt for video in videos) == {prompt: 3 for _, prompt, *_ in clicks}
    assert max(asked.values()) <= 3, "no variation was charged twice"
    done = {video.task_id for video in videos if video.status == Status.COMPLETED}
    assert done == {task.task_id for task in kie.tasks()}, "every task came home"
    left = {video.stage for video in videos if video.status != Status.COMPLETED}
    assert left <= {Stage.UNCONFIRMED}
    assert_files_are_whole(clip_bytes)


def test_a_settled_video_stays_so_whoever_dies_beside_it(nursery, kie, make_completed, make_failed):
    done, failed = make_completed(), make_failed()
    before = list(Video.objects.order_by("pk").values())

    for kill_after in (0.01, 0.03, 0.05, 0.07):
        for step in ("send", "poll", "archive"):
            nursery.run((step,), kill_after=kill_after)

    assert list(Video.objects.order_by("pk").values()) == before
    assert Video.objects.filter(Q(pk=done.pk) | Q(pk=failed.pk)).count() == 2
