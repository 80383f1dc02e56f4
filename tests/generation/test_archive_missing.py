"""`manage.py archive_missing`, as an operator uses it."""

import io
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import CommandError, call_command
from django.utils.timezone import now

from gallery.models import Status, Video
from tests.conftest import RECORD_INFO, RESULT, says


def archive_missing(*arguments):
    """What it printed, line by line, and its exit status."""
    out = io.StringIO()
    status = 0
    try:
        call_command("archive_missing", *arguments, stdout=out, stderr=out)
    except SystemExit as end:
        status = end.code
    return out.getvalue().splitlines(), status


@pytest.fixture
def make_linked(make_completed):
    """A video that was completed with KIE.AI's link, and given up."""

    def make(**facts):
        video = make_completed(**facts)
        for name in (video.file.name, video.poster.name):
            default_storage.delete(name)
        Video.objects.filter(pk=video.pk).update(file="", poster="", archived_at=None)
        return video

    return make


@pytest.fixture
def kept(make_completed, clip_bytes):
    return make_completed(file_size=len(clip_bytes))


def test_what_is_missing_is_fetched_and_each_is_told(make_linked, kept, kie, clip_bytes):
    missing, dead = make_linked(), make_linked(video_url=f"{RESULT}?dead")
    kie.get(RESULT, body=clip_bytes)
    kie.get(f"{RESULT}?dead", status=404)

    said, status = archive_missing()

    missing.refresh_from_db()
    assert said == [
        f"{missing.pk} saved",
        f"{dead.pk} not saved: the link answered HTTP 404",
        "1 saved, 1 not saved, 0 gone",
    ]
    assert (status, bool(missing.file)) == (1, True)
    assert Video.objects.get(pk=dead.pk).next_archive_at > now()


def test_nothing_missing_is_the_best_news(kept):
    assert archive_missing() == (["0 saved, 0 not saved, 0 gone"], 0)


def test_one_video_can_be_named(make_linked, kie, clip_bytes):
    wanted, other = make_linked(), make_linked()
    kie.get(RESULT, body=clip_bytes)

    said, status = archive_missing("--video", str(wanted.pk))

    assert (said[0], status) == (f"{wanted.pk} saved", 0)
    assert not Video.objects.get(pk=other.pk).file


def test_a_further_result_is_missed_too(kept, kie, clip_bytes):
    second = "https://results.kie.example/v/second.mp4"
    kept.results.create(position=2, url=second)
    kie.get(second, body=clip_bytes)

    assert archive_missing()[0] == [f"{kept.pk} saved", "1 saved, 0 not saved, 0 gone"]


def test_a_video_nobody_knows_is_a_wrong_usage(db):
    with pytest.raises(CommandError) as wrong:
        archive_missing("--video", str(uuid4()))

    assert wrong.value.returncode == 2


def test_what_has_left_the_trash_is_nobodys(make_linked):
    make_linked(deleted_at=now() - timedelta(days=31))

    assert archive_missing() == (["0 saved, 0 not saved, 0 gone"], 0)


def test_a_dry_run_says_what_it_would_do_and_does_nothing(make_linked, kept, kie):
    missing = make_linked()
    default_storage.delete(kept.file.name)

    said, status = archive_missing("--dry-run", "--verify")

    kept.refresh_from_db()
    assert said == [
        f"{kept.pk} the file is missing",
        f"{missing.pk} is not with us",
        "2 would be fetched, 0 gone",
    ]
    assert (status, bool(kept.archived_at), len(kie.calls)) == (0, True, 0)


@pytest.mark.parametrize("harm", ["gone", "short", "no poster"])
def test_verifying_finds_what_storage_has_lost_and_fetches_it(kept, kie, clip_bytes, harm):
    name = (kept.poster if harm == "no poster" else kept.file).name
    default_storage.delete(name)
    if harm == "short":
        with default_storage.open(name, "wb") as file:
            file.write(clip_bytes[:-1])
    kie.get(RECORD_INFO, json=says("success", RESULT))
    kie.get(RESULT, body=clip_bytes)

    said, status = archive_missing("--verify")

    kept.refresh_from_db()
    assert said[1:] == [f"{kept.pk} saved", "1 saved, 0 not saved, 0 gone"]
    assert status == 0
    assert default_storage.size(kept.file.name) == len(clip_bytes)
    assert default_storage.exists(kept.poster.name)
    assert kept.status == Status.COMPLETED


def test_what_kie_has_no_longer_is_named_and_its_row_still_says_where_it_should_be(kept, kie):
    Video.objects.update(succeeded_at=now() - timedelta(days=15))
    default_storage.delete(kept.file.name)

    said, status = archive_missing("--verify")

    kept.refresh_from_db()
    assert said == [
        f"{kept.pk} the file is missing; KIE.AI has it no longer",
        "0 saved, 0 not saved, 1 gone",
    ]
    assert (status, bool(kept.file), len(kie.calls)) == (1, True, 0)


def test_storage_that_is_away_says_nothing_about_its_files(kept, monkeypatch):
    def away(storage, name):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileSystemStorage, "size", away)

    with pytest.raises(CommandError, match="Nothing more can be verified: PermissionError"):
        archive_missing("--verify")

    kept.refresh_from_db()
    assert kept.archived_at
