"""A video's bytes, to its owner, whole or in parts."""

import pytest
from django.core.files.storage import default_storage
from django.urls import reverse


@pytest.fixture
def video(make_completed):
    return make_completed(prompt="A red fox, in the snow!")


def body(response):
    return b"".join(response) if response.streaming else response.content


def ask(client, video, name="file", **headers):
    return client.get(reverse(f"gallery:{name}", args=[video.pk]), headers=headers)


def test_the_player_gets_the_whole_file(alice_client, video, clip_bytes):
    answer = ask(alice_client, video)

    assert answer.status_code == 200
    assert answer["Content-Type"] == "video/mp4"
    assert answer["Accept-Ranges"] == "bytes"
    assert answer["Content-Length"] == str(len(clip_bytes))
    assert answer["Content-Disposition"] == "inline"
    assert body(answer) == clip_bytes


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [("bytes=0-", 0, None), ("bytes=10-19", 10, 20), ("bytes=-5", -5, None), ("bytes=3-3", 3, 4)],
)
def test_a_range_is_answered_with_just_that(alice_client, video, clip_bytes, wanted, first, last):
    answer = ask(alice_client, video, range=wanted)

    part = clip_bytes[first:last]
    start = first % len(clip_bytes)
    assert answer.status_code == 206
    assert answer["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/{len(clip_bytes)}"
    assert answer["Content-Length"] == str(len(part))
    assert body(answer) == part


def test_a_range_longer_than_the_file_ends_with_it(alice_client, video, clip_bytes):
    answer = ask(alice_client, video, range="bytes=5-99999999")

    assert answer.status_code == 206
    assert body(answer) == clip_bytes[5:]


@pytest.mark.parametrize("wanted", ["bytes=99999999-", "bytes=9-3", "bytes=-0"])
def test_a_range_outside_the_file_is_416(alice_client, video, clip_bytes, wanted):
    answer = ask(alice_client, video, range=wanted)

    assert answer.status_code == 416
    assert answer["Content-Range"] == f"bytes */{len(clip_bytes)}"


@pytest.mark.parametrize(
    "wanted", ["bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=a-b", "bytes=" + "9" * 400 + "-"]
)
def test_a_range_we_do_not_speak_gets_the_whole_file(alice_client, video, clip_bytes, wanted):
    answer = ask(alice_client, video, range=wanted)

    assert answer.status_code == 200
    assert body(answer) == clip_bytes


def test_a_part_of_another_version_is_not_glued_on(alice_client, video, clip_bytes):
    answer = ask(alice_client, video, range="bytes=0-9", **{"if-range": '"another"'})

    assert answer.status_code == 200
    assert body(answer) == clip_bytes


def test_what_the_browser_has_is_not_sent_again(alice_client, video):
    first = ask(alice_client, video)
    body(first)

    answer = ask(alice_client, video, **{"if-none-match": first["ETag"]})

    assert answer.status_code == 304


def test_a_head_request_tells_the_length(alice_client, video, clip_bytes):
    answer = alice_client.head(reverse("gallery:file", args=[video.pk]))

    assert answer["Content-Length"] == str(len(clip_bytes))
    body(answer)


def test_a_download_has_a_name_that_says_what_it_is(alice_client, video):
    answer = ask(alice_client, video, "download")

    name = f"a-red-fox-in-the-snow-{video.pk.hex[:8]}.mp4"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    body(answer)


def test_the_poster_is_a_picture(alice_client, video):
    answer = ask(alice_client, video, "poster")

    assert answer["Content-Type"] == "image/webp"
    assert body(answer)[8:12] == b"WEBP"


@pytest.mark.parametrize("name", ["file", "download", "poster"])
def test_a_video_without_a_file_has_none(alice_client, make_video, name):
    assert ask(alice_client, make_video(), name).status_code == 404


def test_a_file_that_has_vanished_is_404(alice_client, video):
    default_storage.delete(video.file.name)

    assert ask(alice_client, video).status_code == 404
