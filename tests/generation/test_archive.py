"""Finished videos come home."""

import os
from datetime import timedelta

import pytest
import requests
from django.core.files.storage import default_storage
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation.archive import _renew_claim, archive_due_videos, complete_with_link, sweep_files
from generation.kie.budget import status_queries
from generation.kie.client import KieClient
from tests.conftest import RECORD_INFO, RESULT, says


def archive():
    complete_with_link()
    return archive_due_videos(client=KieClient.from_settings())


@pytest.fixture
def make_saving(make_video):
    """A video KIE.AI has just finished."""

    def make(**facts):
        usual = {
            "stage": Stage.SAVING,
            "video_url": RESULT,
            "succeeded_at": now(),
            "next_poll_at": now() + timedelta(minutes=2),
            "next_archive_at": now(),
        }
        return make_video(**usual | facts)

    return make


def content(field):
    with field.open() as file:
        return file.read()


def leftovers(settings):
    return list(settings.MEDIA_ROOT.glob(".incoming/*"))


def test_a_finished_video_comes_home_whole(make_saving, kie, clip_bytes, settings):
    video = make_saving()
    kie.get(RESULT, body=clip_bytes)

    assert archive() == 1

    video.refresh_from_db()
    assert (video.status, video.stage, video.progress) == ("completed", "settled", 100)
    assert content(video.file) == clip_bytes
    assert (video.width, video.height, video.file_size) == (320, 180, len(clip_bytes))
    assert content(video.poster)[8:12] == b"WEBP"
    assert video.next_archive_at is None
    assert leftovers(settings) == []


def test_our_key_never_goes_to_where_results_lie(make_saving, kie, clip_bytes):
    make_saving()
    kie.get(RESULT, body=clip_bytes)

    archive()

    assert "Authorization" not in kie.calls[0].request.headers


@pytest.mark.parametrize(
    "answer",
    [
        {"body": b"<html>gone</html>"},
        {"body": b""},
        {"body": b"x", "status": 404},
        {"body": requests.ConnectionError("reset")},
    ],
    ids=["HTML", "empty", "404", "reset"],
)
def test_what_is_no_video_is_never_called_completed(make_saving, kie, answer, settings):
    video = make_saving()
    kie.get(RESULT, **answer)

    assert archive() == 0

    video.refresh_from_db()
    assert (video.status, video.stage) == (Status.PROCESSING, Stage.SAVING)
    assert not video.file
    assert now() < video.next_archive_at < now() + timedelta(minutes=1)
    assert leftovers(settings) == []


def test_a_clip_that_is_cut_is_noticed_even_when_its_head_is_fine(make_saving, kie, clip_bytes):
    video = make_saving()
    kie.get(RESULT, body=clip_bytes[: len(clip_bytes) // 2])

    archive()

    video.refresh_from_db()
    assert not video.file


def test_a_file_shorter_than_announced_is_refused(make_saving, kie, clip_bytes):
    video = make_saving()
    kie.get(RESULT, body=clip_bytes, headers={"Content-Length": str(len(clip_bytes) + 1)})

    archive()

    video.refresh_from_db()
    assert not video.file


def test_a_file_that_is_too_large_is_not_kept(make_saving, kie, clip_bytes, settings):
    settings.ARCHIVE_MAX_BYTES = 100
    video = make_saving()
    kie.get(RESULT, body=clip_bytes)

    archive()

    video.refresh_from_db()
    assert not video.file
    assert leftovers(settings) == []


def test_after_a_first_failure_a_fresh_link_is_asked_for(make_saving, kie, clip_bytes):
    fresh = "https://results.kie.example/v/fresh.mp4"
    video = make_saving(archive_attempts=1)
    kie.get(RECORD_INFO, json=says("success", fresh))
    kie.get(fresh, body=clip_bytes)

    archive()

    video.refresh_from_db()
    assert video.status == Status.COMPLETED
    assert video.video_url == fresh


def test_asking_for_a_fresh_link_keeps_to_the_budget(make_saving, kie, clip_bytes, settings):
    settings.KIE_STATUS_RATE = (1, 60.0)
    status_queries().reserve(1, within=timedelta(0))
    make_saving(archive_attempts=1)
    kie.get(RESULT, body=clip_bytes)

    assert archive() == 1

    assert [call.request.url for call in kie.calls] == [RESULT], "KIE.AI was not asked"


def test_after_two_minutes_the_person_gets_kies_link_and_saving_goes_on(
    make_saving, kie, clip_bytes
):
    video = make_saving(next_poll_at=now(), next_archive_at=now() + timedelta(minutes=1))

    archive()

    video.refresh_from_db()
    assert (video.status, bool(video.file)) == (Status.COMPLETED, False)

    Video.objects.update(next_archive_at=now())
    kie.get(RESULT, body=clip_bytes)
    archive()

    video.refresh_from_db()
    assert video.file
    assert [e.what for e in video.events.all()] == ["completed with KIE.AI's link", "archived"]


def test_a_link_that_stays_dead_is_given_up_after_two_weeks(make_saving, kie):
    video = make_saving(succeeded_at=now() - timedelta(days=15), next_poll_at=now())
    kie.get(RESULT, status=410)

    archive()

    video.refresh_from_db()
    assert (video.status, video.next_archive_at) == (Status.COMPLETED, None)
    assert video.events.filter(what="could not be saved").exists()


def test_a_full_disk_makes_things_late_not_wrong(make_saving, kie, clip_bytes, monkeypatch):
    video = make_saving()
    kie.get(RESULT, body=clip_bytes)

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    archive()
    monkeypatch.undo()

    video.refresh_from_db()
    assert not video.file
    Video.objects.update(next_archive_at=now(), archive_attempts=0)
    assert archive() == 1


def test_a_deleted_video_is_not_brought_home(make_saving, kie):
    make_saving(deleted_at=now())

    assert archive() == 0
    assert len(kie.calls) == 0


def test_files_of_videos_deleted_long_ago_are_removed_and_their_cost_stays(
    make_completed, settings
):
    old = make_completed(deleted_at=now() - timedelta(days=31), cost_consumed=30)
    young = make_completed(deleted_at=now() - timedelta(days=1))
    names = old.file.name, old.poster.name

    assert sweep_files() == 2

    old.refresh_from_db()
    young.refresh_from_db()
    assert not any(default_storage.exists(name) for name in names)
    assert old.cost_consumed == 30
    assert default_storage.exists(young.file.name)


def test_pictures_that_were_never_sent_and_dead_downloads_are_swept(alice, settings, make_video):
    long_ago = (now() - timedelta(days=2)).timestamp()
    for name in ("inputs/1/old.png", "inputs/1/sent.png", "inputs/1/new.png", ".incoming/x.part"):
        path = settings.MEDIA_ROOT / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        if "new" not in name:
            os.utime(path, (long_ago, long_ago))
    make_video().inputs.create(
        field="image_url", file="inputs/1/sent.png", media_type="image/png", width=1, height=1
    )

    assert sweep_files() == 2

    left = sorted(path.name for path in settings.MEDIA_ROOT.rglob("*.p*"))
    assert left == ["new.png", "sent.png"]


def test_a_link_that_has_been_dead_for_a_day_is_still_tried_every_half_hour(make_saving, kie):
    video = make_saving(archive_attempts=60)
    kie.get(RECORD_INFO, json=says("generating"))
    kie.get(RESULT, status=404)

    archive()

    video.refresh_from_db()
    assert abs(video.next_archive_at - now() - timedelta(minutes=30)) < timedelta(seconds=5)


def test_one_row_that_cannot_be_fetched_does_not_hold_up_the_others(make_saving, kie, clip_bytes):
    broken = make_saving(
        video_url=f"http://{'a' * 70}.example/v.mp4",
        next_archive_at=now() - timedelta(minutes=1),
    )
    fine = make_saving()
    kie.add_passthru("http://a")
    kie.get(RESULT, body=clip_bytes)

    assert archive() == 1

    broken.refresh_from_db()
    fine.refresh_from_db()
    assert (broken.archive_attempts, bool(fine.file)) == (1, True)


def test_a_saved_video_is_not_taken_up_again_by_who_was_slow(make_completed):
    video = make_completed()

    _renew_claim(video)
    Video.objects.filter(pk=video.pk).update(next_archive_at=now())

    assert Video.objects.to_archive(now()).count() == 0
    video.refresh_from_db()
    assert video.archived_at


def test_a_picture_goes_with_the_last_video_that_was_made_from_it(make_completed, settings):
    gone = make_completed(deleted_at=now() - timedelta(days=31))
    kept = make_completed()
    long_ago = (now() - timedelta(days=40)).timestamp()
    facts = {"field": "image_url", "media_type": "image/png", "width": 1, "height": 1}
    for name, videos in (("alone.png", [gone]), ("shared.png", [gone, kept])):
        path = settings.MEDIA_ROOT / "inputs" / "1" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
        os.utime(path, (long_ago, long_ago))
        for position, video in enumerate(videos):
            place = len(name) + position
            video.inputs.create(file=f"inputs/1/{name}", position=place, **facts)

    sweep_files()

    assert [path.name for path in (settings.MEDIA_ROOT / "inputs").rglob("*.png")] == ["shared.png"]
