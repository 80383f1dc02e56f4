"""Finished videos come home."""

import os
import shutil
import time
from datetime import timedelta
from types import SimpleNamespace
from uuid import uuid4

import pytest
import requests
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils.timezone import now
from PIL import Image

from gallery.models import Stage, Status, Video
from generation.archive import _renew_claim, archive_due_videos, complete_with_link
from generation.clip import inspect_clip
from generation.download import part_file
from generation.kie.budget import status_queries
from generation.kie.client import KieClient
from generation.sweeping import sweep_files, sweep_orphans
from tests.conftest import KIE, RECORD_INFO, RESULT, make_clip, says


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


def test_a_deleted_video_comes_home_while_it_can_be_restored_and_stays_deleted(
    make_saving, kie, clip_bytes
):
    video = make_saving(deleted_at=now() - timedelta(minutes=1))
    kie.get(RESULT, body=clip_bytes)

    assert archive() == 1

    video.refresh_from_db()
    assert (bool(video.file), bool(video.deleted_at)) == (True, True)
    assert not Video.objects.kept().exists()


def test_a_video_that_left_the_trash_meanwhile_leaves_no_file(
    make_saving, kie, clip_bytes, settings
):
    video = make_saving()

    def deleted_meanwhile(request):
        Video.objects.update(deleted_at=now() - timedelta(days=31))
        sweep_files()
        return 200, {}, clip_bytes

    kie.add_callback("GET", RESULT, deleted_meanwhile)

    assert archive() == 0

    video.refresh_from_db()
    assert (video.archived_at, video.next_archive_at) == (None, None)
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


def test_a_video_that_leaves_the_trash_in_the_last_moment_leaves_no_file(
    make_saving, kie, clip_bytes, settings, monkeypatch
):
    make_saving()
    kie.get(RESULT, body=clip_bytes)

    def deleted_meanwhile(*args, **facts):
        Video.objects.update(deleted_at=now() - timedelta(days=31), next_archive_at=None)
        return keep_file(*args, **facts)

    keep_file = Video.keep_file
    monkeypatch.setattr(Video, "keep_file", deleted_meanwhile)

    assert archive() == 0
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


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
    video = make_saving(archive_attempts=60, succeeded_at=now() - timedelta(days=1))
    kie.get(RECORD_INFO, json=says("generating"))
    kie.get(RESULT, status=404)

    archive()

    video.refresh_from_db()
    assert abs(video.next_archive_at - now() - timedelta(minutes=30)) < timedelta(seconds=5)


def test_what_somebody_is_waiting_for_is_tried_again_within_a_minute(make_saving, kie):
    video = make_saving(archive_attempts=60, succeeded_at=now() - timedelta(minutes=30))
    kie.get(RECORD_INFO, json=says("generating"))
    kie.get(RESULT, status=404)

    archive()

    video.refresh_from_db()
    assert video.next_archive_at < now() + timedelta(minutes=1)


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

    video.refresh_from_db()
    assert (bool(video.archived_at), video.next_archive_at) == (True, None)


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


# --- Several results of one task ----------------------------------------------------------------

SECOND = "https://results.kie.example/v/second.mp4"


@pytest.fixture
def make_twins(make_saving):
    """A video whose task has given two results."""

    def make(**facts):
        video = make_saving(**facts)
        video.results.create(position=2, url=SECOND)
        return video

    return make


def test_every_result_comes_home(make_twins, kie, clip_bytes, tmp_path):
    video = make_twins()
    other = make_clip(tmp_path / "other.mp4", size=(180, 320), seconds=2).read_bytes()
    kie.get(RESULT, body=clip_bytes)
    kie.get(SECOND, body=other)

    assert archive() == 1

    video.refresh_from_db()
    second = video.results.get()
    assert (content(video.file), content(second.file)) == (clip_bytes, other)
    assert (second.width, second.height, second.file_size) == (180, 320, len(other))
    assert second.seconds == pytest.approx(2, abs=0.1)
    assert content(second.poster)[8:12] == b"WEBP"
    assert (video.status, video.next_archive_at) == (Status.COMPLETED, None)


def test_a_picture_beside_the_video_comes_home_as_a_picture(make_twins, kie, clip_bytes, tmp_path):
    video = make_twins()
    Image.new("RGB", (640, 360), "teal").save(tmp_path / "last.png")
    picture = (tmp_path / "last.png").read_bytes()
    kie.get(RESULT, body=clip_bytes)
    kie.get(SECOND, body=picture)

    assert archive() == 1

    second = video.results.get()
    assert (second.is_picture, content(second.file)) == (True, picture)
    assert (second.width, second.height, second.seconds) == (640, 360, None)
    assert content(second.poster)[8:12] == b"WEBP"


@pytest.mark.parametrize("garbage", [b"\x89PNG\r\n\x1a\n and no more", b"GIF89a", b"<html>"])
def test_what_is_neither_clip_nor_picture_is_fetched_again(make_twins, kie, clip_bytes, garbage):
    video = make_twins()
    kie.get(RESULT, body=clip_bytes)
    kie.get(SECOND, body=garbage)

    assert archive() == 0

    second = video.results.get()
    assert not second.file
    assert video.events.last().detail.startswith("result 2: not a whole video")


def test_a_picture_is_never_taken_for_the_video(make_saving, kie, tmp_path):
    video = make_saving()
    Image.new("RGB", (640, 360), "teal").save(tmp_path / "last.png")
    kie.get(RESULT, body=(tmp_path / "last.png").read_bytes())

    assert archive() == 0

    video.refresh_from_db()
    assert (video.status, bool(video.file)) == (Status.PROCESSING, False)


def test_a_picture_of_too_many_pixels_is_not_unpacked(make_twins, kie, clip_bytes, tmp_path):
    video = make_twins()
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    kie.get(RESULT, body=clip_bytes)
    kie.get(SECOND, body=(tmp_path / "bomb.png").read_bytes())

    assert archive() == 0
    assert not video.results.get().file


def test_a_mov_stays_a_mov(make_saving, kie, tmp_path, alice_client):
    video = make_saving()
    kie.get(RESULT, body=make_clip(tmp_path / "clip.mov").read_bytes())

    assert archive() == 1

    video.refresh_from_db()
    assert video.file.name.endswith("/video.mov")
    played = alice_client.get(f"/videos/{video.pk}/file/")
    assert played.headers["Content-Type"] == "video/quicktime"
    saved = alice_client.get(f"/videos/{video.pk}/download/")
    assert saved.headers["Content-Disposition"].endswith('.mov"')
    played.close()
    saved.close()


def test_a_further_result_that_fails_never_harms_the_first_and_is_tried_again(
    make_twins, kie, clip_bytes
):
    video = make_twins()
    kie.get(RESULT, body=clip_bytes)
    kie.get(SECOND, status=503)

    assert archive() == 0

    video.refresh_from_db()
    assert (video.status, bool(video.file)) == (Status.COMPLETED, True)
    assert now() < video.next_archive_at < now() + timedelta(minutes=1)
    assert video.events.last().detail == "result 2: the link answered HTTP 503"

    kie.get(RECORD_INFO, json=says("success", urls=[RESULT, SECOND]))
    kie.replace("GET", SECOND, body=clip_bytes)
    Video.objects.update(next_archive_at=now())
    assert archive() == 1

    video.refresh_from_db()
    assert video.next_archive_at is None
    assert video.results.get().file
    assert len([call for call in kie.calls if call.request.url == RESULT]) == 1


def test_a_first_result_that_fails_does_not_hold_up_the_second(make_twins, kie, clip_bytes):
    video = make_twins()
    kie.get(RESULT, status=503)
    kie.get(SECOND, body=clip_bytes)

    archive()

    video.refresh_from_db()
    assert (video.stage, bool(video.results.get().file)) == (Stage.SAVING, True)


def test_a_further_result_that_stays_away_is_given_up_after_two_weeks(make_twins, kie, clip_bytes):
    video = make_twins(succeeded_at=now() - timedelta(days=15))
    kie.get(RESULT, body=clip_bytes)
    kie.get(SECOND, status=404)

    archive()

    video.refresh_from_db()
    assert (video.status, bool(video.file), video.next_archive_at) == ("completed", True, None)


def test_files_of_further_results_leave_with_the_trash(make_twins, kie, clip_bytes, settings):
    video = make_twins()
    kie.get(RESULT, body=clip_bytes)
    kie.get(SECOND, body=clip_bytes)
    archive()
    Video.objects.update(deleted_at=now() - timedelta(days=31))

    assert sweep_files() == 4

    assert not video.results.get().file
    assert [path for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()] == []


# --- Fresh links --------------------------------------------------------------------------------

DOWNLOAD_URL = f"{KIE}/common/download-url"


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_link_that_stays_dead_is_exchanged_for_a_fresh_one(make_saving, kie, clip_bytes, status):
    video = make_saving(archive_attempts=1)
    kie.get(RECORD_INFO, json=says("success", RESULT))
    kie.get(RESULT, status=status)
    kie.post(DOWNLOAD_URL, json={"code": 200, "data": f"{RESULT}?token=secret"})
    kie.get(f"{RESULT}?token=secret", body=clip_bytes)

    assert archive() == 1

    video.refresh_from_db()
    assert (video.status, video.video_url) == (Status.COMPLETED, RESULT)


def test_a_link_that_kie_will_not_renew_is_tried_again_later(make_saving, kie, caplog):
    video = make_saving(archive_attempts=1)
    kie.get(RECORD_INFO, json=says("success", RESULT))
    kie.get(RESULT, status=404)
    kie.post(DOWNLOAD_URL, json={"code": 422, "msg": "The file has been deleted"})

    assert archive() == 0

    video.refresh_from_db()
    assert video.archive_attempts == 2
    assert "The file has been deleted" in video.events.get().detail
    assert RESULT not in caplog.text


# --- Several archivers, deaths in between -------------------------------------------------------


def test_two_on_one_host_never_fetch_the_same_file_at_once(make_saving, kie, clip_bytes):
    video = make_saving()
    kie.get(RESULT, body=clip_bytes)

    with part_file(str(video.pk)):
        assert archive() == 0

    video.refresh_from_db()
    assert (video.archive_attempts, len(kie.calls)) == (0, 0)
    assert now() < video.next_archive_at <= now() + timedelta(minutes=1)


def test_whoever_is_slower_leaves_the_quicker_ones_file_alone(
    make_saving, kie, clip_bytes, settings
):
    video = make_saving()
    here, there = settings.MEDIA_ROOT, settings.MEDIA_ROOT / "another-host"
    answers = []

    def another_is_quicker(request):
        # The claim was lost: another host fetches the same, and is done first.
        if not answers:
            answers.append("slow")
            settings.MEDIA_ROOT = there
            Video.objects.update(next_archive_at=now())
            answers.append(archive())
            settings.MEDIA_ROOT = here
        return 200, {}, clip_bytes

    kie.add_callback("GET", RESULT, another_is_quicker)

    assert (archive(), answers) == (0, ["slow", 1])

    video.refresh_from_db()
    assert (video.status, video.next_archive_at) == (Status.COMPLETED, None)
    assert [event.what for event in video.events.all()] == ["archived"]
    assert content(video.file) == clip_bytes


def test_a_death_between_storing_and_writing_it_down_leaves_one_file(
    make_saving, kie, clip_bytes, settings, monkeypatch
):
    video = make_saving()
    kie.get(RESULT, body=clip_bytes)

    class Killed(BaseException):
        pass

    def killed(*args, **facts):
        raise Killed

    with monkeypatch.context() as death:
        death.setattr(Video, "keep_file", killed)
        with pytest.raises(Killed):
            archive()
    video.refresh_from_db()
    assert (video.stage, bool(video.file)) == (Stage.SAVING, False)

    Video.objects.update(next_archive_at=now())
    assert archive() == 1

    video.refresh_from_db()
    files = {path.name for path in settings.MEDIA_ROOT.rglob("*") if path.is_file()}
    assert files == {"video.mp4", "poster.webp"}
    assert content(video.file) == clip_bytes


def test_a_full_disk_leaves_no_part_that_fills_it(make_saving, kie, clip_bytes, settings):
    make_saving()
    headers = {"ETag": '"one"', "Content-Length": str(len(clip_bytes))}
    kie.get(RESULT, body=clip_bytes[:5000], headers=headers)
    archive()
    assert len(leftovers(settings)) == 2

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1024**2))
        kie.get(RECORD_INFO, json=says("success", RESULT))
        rest = {"Content-Range": f"bytes 5000-{len(clip_bytes) - 1}/{len(clip_bytes)}"}
        kie.replace("GET", RESULT, status=206, body=clip_bytes[5000:], headers=rest)
        Video.objects.update(next_archive_at=now())
        archive()

    why = Video.objects.get().events.last().detail
    assert why.startswith("not enough room on the disk: 1 MB free, 256 MB needed")
    assert leftovers(settings) == []


def test_what_arrived_whole_and_is_no_video_is_never_resumed(make_saving, kie, settings):
    make_saving()
    kie.get(RESULT, body=b"<html>", headers={"ETag": '"one"', "Content-Length": "6"})

    archive()

    assert leftovers(settings) == []


def test_a_disk_that_fills_up_while_storing_gets_the_part_back(
    make_saving, kie, clip_bytes, settings, monkeypatch
):
    make_saving()
    headers = {"ETag": '"one"', "Content-Length": str(len(clip_bytes))}
    kie.get(RESULT, body=clip_bytes, headers=headers)

    def full(storage, name, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "_save", full)
    archive()

    assert Video.objects.get().events.get().detail == "OSError: No space left on device"
    assert leftovers(settings) == []


@pytest.mark.parametrize("error", [ValueError("odd"), MemoryError()], ids=["odd", "huge"])
def test_what_breaks_whoever_looks_into_it_is_never_resumed(
    make_saving, kie, clip_bytes, settings, monkeypatch, error
):
    make_saving()
    headers = {"ETag": '"one"', "Content-Length": str(len(clip_bytes))}
    kie.get(RESULT, body=clip_bytes, headers=headers)

    def broken(path):
        raise error

    monkeypatch.setattr("generation.archive.inspect_clip", broken)

    assert archive() == 0
    assert leftovers(settings) == []


@pytest.mark.django_db(transaction=True)
def test_the_claim_is_held_as_long_as_the_work_takes(
    make_saving, kie, clip_bytes, monkeypatch, settings
):
    make_saving()
    kie.get(RESULT, body=clip_bytes)
    monkeypatch.setattr("generation.archive.RENEW_SECONDS", 0.01)
    due = []

    def slow(path):
        # As if this took longer than a claim lasts.
        Video.objects.update(next_archive_at=now())
        deadline = time.monotonic() + 10
        while Video.objects.to_archive(now()).exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        due.append(Video.objects.to_archive(now()).exists())
        return inspect_clip(path)

    monkeypatch.setattr("generation.archive.inspect_clip", slow)

    assert (archive(), due) == (1, [False])


# --- Fetched again ------------------------------------------------------------------------------


def test_a_new_copy_replaces_the_old_one_when_it_is_good(
    make_completed, kie, clip_bytes, settings, tmp_path
):
    video = make_completed()
    better = make_clip(tmp_path / "better.mp4", size=(640, 360)).read_bytes()
    kie.get(RECORD_INFO, json=says("success", RESULT))
    kie.get(RESULT, body=better)
    version = video.version

    assert video.archive_again(by="olga")
    assert archive() == 1

    video.refresh_from_db()
    assert (video.status, video.width, video.file_size) == (Status.COMPLETED, 640, len(better))
    assert (content(video.file), video.next_archive_at) == (better, None)
    assert video.archived_at
    assert video.version > version
    assert [(e.what, e.by) for e in video.events.all()] == [
        ("archive again", "olga"),
        ("archived", ""),
    ]


def test_the_old_copy_stays_as_long_as_the_new_one_is_no_good(make_completed, kie, clip_bytes):
    video = make_completed()
    kie.get(RECORD_INFO, json=says("success", RESULT))
    kie.get(RESULT, body=clip_bytes[: len(clip_bytes) // 2])
    video.archive_again()

    archive()

    video.refresh_from_db()
    assert content(video.file) == clip_bytes
    assert not Video.objects.changing().exists()

    Video.objects.update(succeeded_at=now() - timedelta(days=15), next_archive_at=now())
    archive()

    video.refresh_from_db()
    assert (bool(video.archived_at), video.next_archive_at) == (True, None)


# --- Orphans ------------------------------------------------------------------------------------


def put(settings, name, *, days=2):
    path = settings.MEDIA_ROOT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    then = (now() - timedelta(days=days)).timestamp()
    os.utime(path, (then, then))
    return path


def test_files_of_videos_that_no_row_refers_to_are_swept_within_a_day(
    make_completed, make_saving, settings
):
    video = make_completed()
    result = video.results.create(position=2, url=SECOND)
    waiting = make_saving()
    folder = f"videos/{video.pk.hex[:2]}/{video.pk}"
    result.file, result.poster = f"{folder}/video-2.mp4", f"{folder}/poster-2.webp"
    result.save()
    kept = [
        put(settings, video.file.name),
        put(settings, video.poster.name),
        put(settings, result.file.name),
        put(settings, result.poster.name),
        put(settings, f"{folder}/young.mp4", days=0),
        # Its process died just before it could be written down.
        put(settings, f"videos/{waiting.pk.hex[:2]}/{waiting.pk}/video.mp4"),
    ]
    gone = [
        put(settings, f"{folder}/video.webm"),
        put(settings, f"videos/00/{uuid4()}/video.mp4"),
        put(settings, f"videos/ff/{uuid4()}/poster.webp"),
        put(settings, "videos/7f/no-id/video.mp4"),
    ]

    assert sum(sweep_orphans(hour=hour) for hour in range(24)) == len(gone)

    assert all(path.exists() for path in kept)
    assert not any(path.exists() for path in gone)


def test_a_file_that_a_row_elsewhere_refers_to_is_never_swept(make_completed, settings):
    video = make_completed()
    name = f"videos/00/{uuid4()}/video.mp4"
    path = put(settings, name)
    Video.objects.filter(pk=video.pk).update(file=name)

    sum(sweep_orphans(hour=hour) for hour in range(24))

    assert path.exists()


def test_every_hour_walks_its_share(db, settings):
    for prefix in range(256):
        put(settings, f"videos/{prefix:02x}/{uuid4()}/video.mp4")

    shares = [sweep_orphans(hour=hour) for hour in range(24)]

    assert sum(shares) == 256
    assert {10, 11} == set(shares)
