"""Killed at any moment: nothing paid for is lost, nothing is paid for twice, no file is half."""

import random
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
    for click in clicks:
        nursery.run(("submit", *click))
    for _ in range(8):
        pass_time()
        call_back(kie)
        for step in ("send", "poll", "archive"):
            nursery.run((step,))


def kept_files():
    root = settings.MEDIA_ROOT
    files = [path for path in root.rglob("*") if path.is_file()]
    parts = [path for path in files if path.suffix == ".part"]
    return {str(path.relative_to(root)) for path in files if path not in parts}, parts


@pytest.mark.parametrize("seed", [1])
def test_sixty_kills_at_random_moments_lose_nothing_and_pay_nothing_twice(
    nursery, kie, alice, clip_bytes, seed
):
    chance = random.Random(seed)
    clicks = []
    killed_while_archiving = 0
    for number in range(KILLS):
        # Every fourth is a new click; in between its passes die.
        step = ("submit", "send", "poll", "archive")[number % 4]
        arguments = ()
        if step == "submit":
            clicks.append((alice.pk, f"a red kite, take {number}", str(uuid4())))
            arguments = clicks[-1]
        results = nursery.run((step, *arguments), kill_after=chance.uniform(0.005, 0.09))
        killed_while_archiving += step == "archive" and results == [None]
        pass_time()

    heal(nursery, kie, clicks)

    videos = list(Video.objects.all())
    asked = [task.prompt for task in kie.tasks()]
    assert len(asked) == len(set(asked)), "no click was charged twice"
    assert {video.prompt for video in videos} == {prompt for _, prompt, _ in clicks}
    done = {video.task_id for video in videos if video.status == Status.COMPLETED}
    assert done == {task.task_id for task in kie.tasks()}, "every task came home"
    left = [video for video in videos if video.status != Status.COMPLETED]
    assert {video.stage for video in left} <= {Stage.UNCONFIRMED}
    for video in videos:
        assert not video.file or Path(video.file.path).read_bytes() == clip_bytes
    files, parts = kept_files()
    assert files == {name for v in videos for name in (v.file.name, v.poster.name) if name}
    assert len(parts) <= killed_while_archiving


def test_a_settled_video_stays_so_whoever_dies_beside_it(nursery, kie, make_completed, make_failed):
    done, failed = make_completed(), make_failed()
    before = list(Video.objects.order_by("pk").values())

    for kill_after in (0.01, 0.03, 0.05, 0.07):
        for step in ("send", "poll", "archive"):
            nursery.run((step,), kill_after=kill_after)

    assert list(Video.objects.order_by("pk").values()) == before
    assert Video.objects.filter(Q(pk=done.pk) | Q(pk=failed.pk)).count() == 2
