"""Versions of a video whose task went astray: found by its id, and looking costs nothing."""

from pathlib import Path

import pytest

from gallery.models import Stage, Status, Video
from generation.kie.client import KieClient
from generation.recovery import NotRecovered, attach_task, recover_task
from tests.conftest import running_sandbox
from tests.generation.test_whole_way import a_tick, finished, take_up


@pytest.fixture
def sandbox(tmp_path, settings, clip_bytes):
    """What is in the files is none of these tests' business: each is the same."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(clip_bytes)
    with running_sandbox(tmp_path / "sandbox", settings, clip=clip) as server:
        yield server


def test_a_1080p_version_is_fetched_again_by_its_id(sandbox, alice):
    video = take_up(finished(sandbox, alice), "kie-veo3-1080p-upscale")
    sandbox.finish()
    a_tick()
    video.refresh_from_db()

    video.archive_again()
    a_tick()

    video.refresh_from_db()
    assert video.archived_at
    assert Path(video.file.path).stat().st_size == video.file_size


def test_a_1080p_version_is_found_by_its_id_here_and_never_made_by_looking(sandbox, alice, bob):
    video = take_up(finished(sandbox, alice), "kie-veo3-1080p-upscale")
    tasks = len(sandbox.tasks())
    other_id = video.task_id.replace("1080p:0:", "1080p:1:")

    found = recover_task(video.task_id, user=alice, client=KieClient.from_settings())

    assert (found.video, found.is_new) == (video, False)
    for task_id, person in ((other_id, alice), (video.task_id, bob), (other_id, bob)):
        with pytest.raises(NotRecovered, match="no such task of yours"):
            recover_task(task_id, user=person, client=KieClient.from_settings())
    assert len(sandbox.tasks()) == tasks


@pytest.mark.parametrize("provider", ["kie-veo3-fast-extend", "kie-veo3-4k-upscale"])
def test_what_took_up_a_task_comes_home_by_its_id_with_where_it_came_from(sandbox, alice, provider):
    parent = finished(sandbox, alice)
    lost = take_up(parent, provider)
    sandbox.finish()
    task_id = lost.task_id
    lost.delete()

    recover_task(task_id, user=alice, client=KieClient.from_settings())
    a_tick()

    video = Video.objects.get(task_id=task_id)
    assert (video.provider, video.parent) == (provider, parent)
    assert video.status == Status.COMPLETED
    assert video.prompt in {"on it flies", parent.prompt}


def test_what_took_up_somebody_elses_task_is_not_given_away(sandbox, alice, bob):
    lost = take_up(finished(sandbox, alice), "kie-veo3-4k-upscale")
    sandbox.finish()
    task_id = lost.task_id
    lost.delete()

    with pytest.raises(NotRecovered, match="no such task of yours"):
        recover_task(task_id, user=bob, client=KieClient.from_settings())

    assert not Video.objects.filter(user=bob).exists()


def test_a_version_whose_answer_was_lost_takes_its_task_by_hand(sandbox, alice):
    parent = finished(sandbox, alice)
    other = finished(sandbox, alice, "a blue kite")
    mine = take_up(parent, "kie-veo3-4k-upscale")
    take_up(other, "kie-veo3-4k-upscale")
    sandbox.finish()
    task_id, other_id = (task.task_id for task in sandbox.tasks() if task.family == "veo-4k")
    Video.objects.filter(model="veo-get-4k").exclude(pk=mine.pk).delete()
    Video.objects.filter(pk=mine.pk).update(stage=Stage.UNCONFIRMED, task_id="")
    mine.refresh_from_db()

    with pytest.raises(NotRecovered, match="made from another prompt"):
        attach_task(mine, other_id, client=KieClient.from_settings())
    attach_task(mine, task_id, client=KieClient.from_settings())

    mine.refresh_from_db()
    assert (mine.task_id, mine.stage) == (task_id, Stage.SAVING)
