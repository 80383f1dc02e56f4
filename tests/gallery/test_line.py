"""What a video was made from, and what was made from it."""

import re
from html import unescape

import pytest
from django.utils.timezone import now

from gallery.views import GENERATIONS, MOST_CHILDREN


def section(client, video, title):
    """The ids of the videos under this title of a video's page, in order; and its words."""
    page = unescape(client.get(video.get_absolute_url()).content.decode())
    found = re.search(
        rf'<section class="line"[^>]*>\s*<h2[^>]*>{title}</h2>(.*?)</section>', page, re.S
    )
    text = found[1] if found else ""
    return re.findall(r'href="/videos/([0-9a-f-]{36})/"', text), text


def ids(*videos):
    return [str(video.pk) for video in videos]


def test_a_video_that_comes_from_none_shows_no_line(alice_client, make_completed):
    video = make_completed()

    assert section(alice_client, video, "Made from") == ([], "")
    assert section(alice_client, video, "Made into") == ([], "")


def test_a_video_shows_where_it_comes_from_the_first_one_first(alice_client, make_completed):
    root = make_completed()
    middle = make_completed(parent=root)
    video = make_completed(parent=middle)

    assert section(alice_client, video, "Made from")[0] == ids(root, middle)
    assert section(alice_client, root, "Made into")[0] == ids(middle)


def test_what_was_made_from_it_stands_newest_first_in_all_its_states(
    alice_client, make_completed, make_video, make_failed
):
    root = make_completed()
    done, failed, running = (
        make(parent=root) for make in (make_completed, make_failed, make_video)
    )

    found, text = section(alice_client, root, "Made into")

    assert found == ids(running, failed, done)
    assert "Being made ·" in text
    assert "Failed ·" in text
    assert f"/videos/{done.pk}/poster/" in text


def test_deleted_ones_are_named_as_deleted_and_show_no_picture(alice_client, make_completed):
    root = make_completed(deleted_at=now())
    video = make_completed(parent=root)
    child = make_completed(parent=video, deleted_at=now())

    for title, deleted in (("Made from", root), ("Made into", child)):
        found, text = section(alice_client, video, title)
        assert found == ids(deleted)
        assert "Deleted ·" in text
        assert "poster" not in text


def test_other_peoples_videos_are_on_neither_side(client, alice, bob, make_completed):
    theirs = make_completed(user=bob)
    mine = make_completed(parent=theirs)
    make_completed(user=bob, parent=mine)
    client.force_login(alice)

    assert section(client, mine, "Made from")[0] == []
    assert section(client, mine, "Made into")[0] == []


def test_a_long_line_is_shown_in_part(alice_client, make_completed, make_video):
    line = [make_completed()]
    for _ in range(GENERATIONS + 1):
        line.append(make_video(parent=line[-1]))
    for _ in range(MOST_CHILDREN):
        make_video(parent=line[0])

    assert section(alice_client, line[-1], "Made from")[0] == ids(*line[1:-1])
    children, text = section(alice_client, line[0], "Made into")
    assert len(children) == MOST_CHILDREN
    assert "And more" in text


@pytest.mark.parametrize("count", [0, 1, 12])
def test_the_page_takes_as_many_queries_whatever_its_family(
    alice_client, make_completed, make_video, django_assert_max_num_queries, count
):
    video = make_completed()
    for _ in range(count):
        video = make_completed(parent=video)
    for _ in range(count):
        make_video(parent=video)

    alice_client.get(video.get_absolute_url())

    # Who asks (2), the video with its line, what came of it (2), its history, its results.
    with django_assert_max_num_queries(9):
        alice_client.get(video.get_absolute_url())


@pytest.mark.parametrize(
    ("provider", "mark"),
    [
        ("kie-veo3-fast-extend", "Extended"),
        ("kie-veo3-4k-upscale", "4K"),
        ("kie-veo3-1080p-upscale", "1080p"),
        ("kie-topaz-upscale", "Enlarged"),
        ("kie-veo3-fast", None),
        ("kie-of-long-ago", None),
    ],
)
def test_a_card_says_what_was_made_of_an_earlier_video(
    alice_client, make_completed, provider, mark, django_assert_max_num_queries
):
    for _ in range(3):
        make_completed(provider=provider)

    with django_assert_max_num_queries(6):
        page = alice_client.get("/").content.decode()

    assert re.findall(r'<span class="what">([^<]+)</span>', page) == ([mark] * 3 if mark else [])


@pytest.mark.parametrize("path", ["/", "/trash/", "its page"])
def test_a_video_without_a_prompt_is_called_by_its_service(alice_client, make_completed, path):
    deleted = {"deleted_at": now()} if path == "/trash/" else {}
    video = make_completed(provider="kie-topaz-upscale", prompt="", **deleted)

    page = alice_client.get(video.get_absolute_url() if path == "its page" else path)

    found = re.findall(r">([^<>]*Topaz Upscale)</(?:a|h1)>", page.content.decode())
    assert len(found) == 1
