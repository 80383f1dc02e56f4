"""`manage.py poll_videos`, as an operator and cron use it."""

import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from gallery.models import Stage, Status
from tests.conftest import CREATE_TASK, RECORD_INFO, RESULT, says


def poll(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("poll_videos", *arguments, stdout=out, stderr=err)
    return out.getvalue().strip()


def test_it_brings_a_finished_video_all_the_way_home(make_video, kie, clip_bytes):
    video = make_video()
    kie.get(RECORD_INFO, json=says("success", RESULT))
    kie.get(RESULT, body=clip_bytes)

    said = poll()

    video.refresh_from_db()
    assert said == "1 checked, 1 finished, 0 failed, 0 still running, 0 unanswered, 1 saved"
    assert (video.status, bool(video.file)) == (Status.COMPLETED, True)


def test_it_sends_what_waits_for_its_turn(make_video, kie):
    video = make_video(stage=Stage.QUEUED, task_id="")
    kie.post(CREATE_TASK, json={"code": 200, "data": {"taskId": "task-1"}})
    kie.get(RECORD_INFO, json=says("waiting"))

    poll()

    video.refresh_from_db()
    assert video.task_id == "task-1"


def test_only_due_videos_are_asked_about_unless_all_are_wanted(make_video, kie):
    make_video(next_poll_at=now() + timedelta(minutes=5))
    kie.get(RECORD_INFO, json=says("generating"))

    assert poll().startswith("0 checked")
    assert poll("--all").startswith("1 checked")


def test_one_video_can_be_named(make_video, kie):
    wanted, other = make_video(next_poll_at=now() + timedelta(minutes=5)), make_video()
    kie.get(RECORD_INFO, json=says("generating"))

    assert poll("--video", str(wanted.pk)).startswith("1 checked")
    other.refresh_from_db()
    assert other.poll_count == 0


def test_a_video_nobody_knows_is_a_wrong_usage(db):
    with pytest.raises(CommandError) as wrong:
        poll("--video", str(uuid4()))

    assert wrong.value.returncode == 2


def test_a_dry_run_says_what_it_would_do_and_does_nothing(make_video, kie):
    video = make_video()

    said = poll("--dry-run")

    assert said.splitlines() == [
        f"{video.pk} kie-hailuo-text2vid {video.task_id} running",
        "1 would be checked",
    ]
    assert len(kie.calls) == 0


def test_cron_learns_from_the_exit_status_that_kie_did_not_answer(make_video, kie):
    make_video()
    kie.get(RECORD_INFO, body="<html>", status=502)

    with pytest.raises(SystemExit) as unanswered:
        poll()

    assert unanswered.value.code == 1
