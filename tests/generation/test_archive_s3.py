"""The same with a bucket in the folder's place, over real HTTP."""

import io
import runpy
from datetime import timedelta
from urllib.parse import urlsplit

import boto3
import pytest
import requests
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.urls import reverse
from django.utils.timezone import now
from moto.server import ThreadedMotoServer

from gallery.models import Stage, Status, Video, file_name
from generation.archive import archive_due_videos
from generation.catalogue import PROVIDERS
from generation.inputs import InputRefused, keep_frame
from generation.kie.client import KieClient
from generation.request import GenerationRequest
from generation.storage import STORAGE_ERRORS, flaw_of
from generation.submission import send_queued_videos, submit_video
from generation.sweeping import sweep_files, sweep_orphans
from tests.conftest import kept_input
from videostudio import settings as product

BUCKET = "studio-media"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
REGION = "eu-central-1"


@pytest.fixture(scope="session")
def s3_server():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(s3_server, settings):
    requests.post(f"{s3_server}/moto-api/reset", timeout=10).raise_for_status()
    made = boto3.resource("s3", endpoint_url=s3_server, region_name=REGION, **KEYS).Bucket(BUCKET)
    made.create(CreateBucketConfiguration={"LocationConstraint": REGION})
    point_storage_at(s3_server, settings)
    return made


def point_storage_at(address, settings):
    """Storage as the product's own settings make it for this address."""
    variables = {
        "BUCKET": BUCKET,
        "ENDPOINT_URL": address,
        "REGION": REGION,
        "ACCESS_KEY": "test",
        "SECRET_KEY": "test",
        "ADDRESSING_STYLE": "path",
    }
    with pytest.MonkeyPatch.context() as environment:
        for name, value in variables.items():
            environment.setenv(f"MEDIA_S3_{name}", value)
        default = runpy.run_path(product.__file__)["STORAGES"]["default"]
    # Another mapping: the one in hand is given back to the tests after this one.
    settings.STORAGES = settings.STORAGES | {"default": default}


@pytest.fixture
def make_saving(make_video, sandbox, clip_bytes, tmp_path):
    """A video KIE.AI has just finished, its result on a server of its own."""

    def make(**facts):
        (tmp_path / "sandbox" / "clips" / "clip.mp4").write_bytes(clip_bytes)
        usual = {
            "stage": Stage.SAVING,
            "video_url": f"{sandbox.url}/v/clip.mp4",
            "succeeded_at": now(),
            "next_poll_at": now() + timedelta(minutes=2),
            "next_archive_at": now(),
        }
        return make_video(**usual | facts)

    return make


def archive():
    return archive_due_videos(client=KieClient.from_settings())


def keys(bucket):
    return {entry.key for entry in bucket.objects.all()}


def test_a_finished_video_comes_home_into_the_bucket(bucket, make_saving, clip_bytes, settings):
    video = make_saving()

    assert archive() == 1

    video.refresh_from_db()
    assert keys(bucket) == {file_name(video, "video.mp4"), file_name(video, "poster.webp")}
    stored = bucket.Object(video.file.name).get()
    assert (stored["Body"].read(), stored["ContentType"]) == (clip_bytes, "video/mp4")
    assert video.status == Status.COMPLETED
    assert flaw_of(video) == ""
    assert list(settings.MEDIA_ROOT.glob(".incoming/*")) == []


def test_its_owner_is_sent_to_a_link_that_answers_ranges(
    bucket, make_saving, clip_bytes, alice_client
):
    video = make_saving()
    archive()

    answer = alice_client.get(reverse("gallery:download", args=[video.pk]))
    part = requests.get(answer["Location"], headers={"Range": "bytes=10-19"}, timeout=10)
    poster = alice_client.get(reverse("gallery:poster", args=[video.pk]))

    assert (part.status_code, part.content) == (206, clip_bytes[10:20])
    assert part.headers["Content-Disposition"].startswith("attachment; filename=")
    assert "X-Amz-Signature" in urlsplit(answer["Location"]).query
    assert requests.get(poster["Location"], timeout=10).content[8:12] == b"WEBP"


def test_a_bucket_that_is_away_makes_it_late_and_nothing_is_fetched_twice(
    bucket, make_saving, settings, s3_server, sandbox
):
    video = make_saving()
    point_storage_at("http://127.0.0.1:9", settings)
    assert archive() == 0
    waiting = list(settings.MEDIA_ROOT.glob(".incoming/*.part"))

    point_storage_at(s3_server, settings)
    Video.objects.update(next_archive_at=now())
    assert archive() == 1

    video.refresh_from_db()
    assert video.status == Status.COMPLETED
    assert len(waiting) == 1
    assert video.events.filter(what="not saved yet").get().detail.startswith("EndpointConnection")
    assert [seen.code for seen in sandbox.requests_seen() if "/v/" in seen.path] == [200]


def test_a_bucket_that_refuses_makes_it_late(bucket, make_saving):
    video = make_saving()
    bucket.delete()

    assert archive() == 0

    video.refresh_from_db()
    assert (video.stage, video.archive_attempts) == (Stage.SAVING, 1)
    assert video.events.get().detail == "storage refused: NoSuchBucket"


def submit_with_a_picture(user, picture):
    request = GenerationRequest.checked(
        provider=PROVIDERS["kie-hailuo-img2vid"],
        prompt="a red kite",
        values={"duration": "6", "resolution": "768P"},
        files={"image": [picture]},
    )
    return submit_video(user=user, request=request, client=KieClient.from_settings())


def test_a_picture_handed_in_goes_through_the_bucket_to_kie(bucket, sandbox, alice):
    picture = kept_input(alice)

    video = submit_with_a_picture(alice, picture)

    assert keys(bucket) == {str(picture.file), str(picture.preview)}
    assert video.stage == Stage.RUNNING
    assert sandbox.tasks()[0].body["input"]["image_url"].startswith(sandbox.url)


def test_a_bucket_that_is_away_takes_no_picture_and_says_so(bucket, alice, settings):
    point_storage_at("http://127.0.0.1:9", settings)

    with pytest.raises(InputRefused, match="could not store the picture"):
        kept_input(alice)


def test_while_the_bucket_is_away_a_video_with_a_picture_waits(
    bucket, sandbox, alice, settings, s3_server
):
    picture = kept_input(alice)
    point_storage_at("http://127.0.0.1:9", settings)
    video = submit_with_a_picture(alice, picture)
    assert video.stage == Stage.QUEUED

    point_storage_at(s3_server, settings)
    Video.objects.update(next_poll_at=now())
    send_queued_videos(client=KieClient.from_settings())

    video.refresh_from_db()
    assert video.stage == Stage.RUNNING


def test_a_frame_of_a_video_comes_out_of_the_bucket(bucket, make_saving):
    video = make_saving()
    archive()
    video.refresh_from_db()

    frame = keep_frame(video, seconds=None)

    assert (frame.width, frame.height) == (320, 180)
    assert str(frame.file) in keys(bucket)


def test_files_that_no_row_refers_to_are_swept_from_the_bucket(bucket, make_saving, monkeypatch):
    video = make_saving()
    archive()
    video.refresh_from_db()
    kept = keys(bucket)
    orphan = f"videos/{video.pk.hex[:2]}/{video.pk}/other.mp4"
    default_storage.save(orphan, ContentFile(b"x"))

    assert sum(sweep_orphans(hour=hour) for hour in range(24)) == 0
    later = now() + timedelta(days=2)
    monkeypatch.setattr("generation.sweeping.now", lambda: later)
    assert sum(sweep_orphans(hour=hour) for hour in range(24)) == 1

    assert keys(bucket) == kept


def test_a_sweep_that_finds_no_bucket_is_no_error(bucket, make_completed, settings):
    make_completed(deleted_at=now() - timedelta(days=31))
    point_storage_at("http://127.0.0.1:9", settings)

    assert sweep_files() == 0
    assert Video.objects.exclude(file="").count() == 1


def test_a_file_lost_from_the_bucket_is_found_and_fetched_again(bucket, make_saving):
    video = make_saving()
    archive()
    video.refresh_from_db()
    bucket.Object(video.file.name).delete()
    out = io.StringIO()

    call_command("archive_missing", "--verify", stdout=out)

    assert out.getvalue().splitlines() == [
        f"{video.pk} the file is missing",
        f"{video.pk} saved",
        "1 saved, 0 not saved, 0 gone",
    ]
    assert flaw_of(video) == ""


def test_a_bucket_that_is_away_says_nothing_about_its_files(bucket, make_saving, settings):
    video = make_saving()
    archive()
    video.refresh_from_db()
    point_storage_at("http://127.0.0.1:9", settings)

    with pytest.raises(STORAGE_ERRORS):
        flaw_of(video)
