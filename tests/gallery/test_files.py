"""A video's bytes, to its owner, whole or in parts."""

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.urls import reverse
from django.utils.timezone import now

from gallery.models import file_name
from tests.conftest import RESULT, kept_input


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


# --- Further results ----------------------------------------------------------------------------


@pytest.fixture
def second(video):
    file = default_storage.save(file_name(video, "video-2.mp4"), ContentFile(b"0123456789"))
    poster = default_storage.save(file_name(video, "poster-2.webp"), ContentFile(b"picture"))
    return video.results.create(position=2, url=RESULT, file=file, poster=poster, archived_at=now())


def ask_for(client, video, position, name="file", **headers):
    return client.get(reverse(f"gallery:{name}", args=[video.pk, position]), headers=headers)


def test_a_further_result_is_played_and_downloaded_like_the_first(alice_client, video, second):
    part = ask_for(alice_client, video, 2, range="bytes=2-4")
    whole = ask_for(alice_client, video, 2, "download")
    poster = ask_for(alice_client, video, 2, "poster")

    assert (part.status_code, body(part)) == (206, b"234")
    assert part["Content-Range"] == "bytes 2-4/10"
    assert f'-{video.pk.hex[:8]}-2.mp4"' in whole["Content-Disposition"]
    assert (body(whole), body(poster)) == (b"0123456789", b"picture")
    first = ask(alice_client, video)
    body(first)
    assert part["ETag"] != first["ETag"]


def test_the_first_result_is_the_video_itself(alice_client, video, clip_bytes):
    assert body(ask_for(alice_client, video, 1)) == clip_bytes


@pytest.mark.parametrize("position", [0, 3, 99999, 10**30])
def test_a_result_that_never_was_is_404(alice_client, video, second, position):
    assert ask_for(alice_client, video, position).status_code == 404


@pytest.mark.parametrize("name", ["file", "download", "poster"])
def test_nobody_else_gets_a_further_result(client, bob, video, second, name):
    client.force_login(bob)

    assert ask_for(client, video, 2, name).status_code == 404


def test_the_page_of_a_video_shows_more_from_its_task(alice_client, video, second):
    video.results.create(position=3, url=RESULT)

    page = alice_client.get(video.get_absolute_url()).content.decode()

    assert "More from this task" in page
    assert f'src="/videos/{video.pk}/file/2/"' in page
    assert f'href="/videos/{video.pk}/download/2/"' in page
    assert "Result 3 could not be saved" in page


def test_the_page_of_a_video_names_the_files_it_was_made_from(alice_client, alice, make_completed):
    video = make_completed(provider="kie-seedance-2-0-img2vid", generation_type="img2vid")
    kite = kept_input(alice, name="kite.png")
    facts = {"kind": "image", "file": str(kite.file), "digest": "d", "media_type": "image/png"}
    video.inputs.create(field="first_frame_url", source=kite, **facts)
    video.inputs.create(field="last_frame_url", **facts)

    page = alice_client.get(video.get_absolute_url()).content.decode()

    files = page[page.index('id="files-title"') :]
    assert f'src="/inputs/{kite.pk}/preview/"' in files
    assert f'<a href="/inputs/{kite.pk}/">kite.png</a>' in files
    assert "First frame · 320 × 180" in files
    assert "<strong>Last frame</strong>" in files
    assert "No longer in the library" in files


def test_the_page_of_a_video_made_from_words_names_no_files(alice_client, video):
    assert 'id="files-title"' not in alice_client.get(video.get_absolute_url()).content.decode()


def test_the_page_of_a_video_with_one_result_says_nothing_of_more(alice_client, video):
    page = alice_client.get(video.get_absolute_url()).content.decode()

    assert "More from this task" not in page
