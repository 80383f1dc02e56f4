"""Earlier prompts: found by their words, newest first, each once."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from generation.prompts import PAGE_SIZE, earlier_prompts

HTMX = {"HX-Request": "true"}
NOW = now()


@pytest.fixture
def said(make_video):
    """Videos with these prompts, the first one being the oldest."""

    def make(*prompts, **facts):
        start = NOW - timedelta(hours=1)
        return [
            make_video(prompt=prompt, created_at=start + timedelta(seconds=number), **facts)
            for number, prompt in enumerate(prompts)
        ]

    return make


def found(user, **facts):
    videos, _ = earlier_prompts(user, since=NOW - timedelta(days=30), **facts)
    return [video.prompt for video in videos]


def test_a_larger_version_does_not_stand_in_for_the_words_it_was_made_by(alice, make_completed):
    video = make_completed(prompt="a red kite")
    make_completed(prompt="a red kite", provider="kie-veo3-4k-upscale", parent=video)

    found, _ = earlier_prompts(alice, since=now())

    assert [each.pk for each in found] == [video.pk]


def test_the_newest_prompt_comes_first_and_each_comes_once(alice, said):
    said("a kite", "a fox", "a kite", "a boat", "a fox")

    assert found(alice) == ["a fox", "a boat", "a kite"]


def test_a_prompt_stands_for_its_newest_video(alice, said):
    *_, newest = said("a kite", "a fox", "a kite")

    videos, _ = earlier_prompts(alice, since=NOW)

    assert videos[0].pk == newest.pk


def test_failed_and_trashed_videos_count_and_those_gone_for_good_do_not(alice, said, make_failed):
    make_failed(prompt="refused")
    said("in the trash", deleted_at=NOW - timedelta(days=1))
    said("gone for good", deleted_at=NOW - timedelta(days=31))
    said("")

    assert sorted(found(alice)) == ["in the trash", "refused"]


def test_nobody_sees_another_persons_prompts(alice, bob, said):
    said("a secret", user=bob)

    assert found(alice) == []
    assert found(alice, search="secret") == []


@pytest.mark.parametrize(
    ("search", "hits"),
    [
        ("fox", ["A red FOX at dusk", "a fox and a kite"]),
        ("kite fox", ["a fox and a kite"]),
        ("  DUSK   red ", ["A red FOX at dusk"]),
        ("über", ["Überall Nebel"]),
        ("NEBEL ÜBER", ["Überall Nebel"]),
        ("кот", ["Кот на крыше"]),
        ("100%", ["100% cotton"]),
        ("_", ["snake_case"]),
        ("\\", ["back\\slash"]),
        ("%", ["100% cotton"]),
        ("kite\x00 \ud800zebra", []),
        ("zebra", []),
    ],
)
def test_each_word_has_to_be_in_it_in_capitals_or_not(alice, said, search, hits):
    said(
        "a fox and a kite",
        "A red FOX at dusk",
        "Überall Nebel",
        "Кот на крыше",
        "100% cotton",
        "snake_case",
        "back\\slash",
    )

    assert sorted(found(alice, search=search)) == sorted(hits)


def test_a_search_without_end_is_cut(alice, said):
    said("a kite")

    assert found(alice, search="kite " * 100_000) == ["a kite"]


def test_pages_hold_thirty_each_and_say_whether_there_are_more(alice, said):
    said(*(f"prompt {number:02}" for number in range(PAGE_SIZE + 2)))
    since = NOW - timedelta(days=30)

    first, has_older = earlier_prompts(alice, since=since)
    second, has_still_older = earlier_prompts(alice, since=since, page=2)

    assert (len(first), has_older) == (PAGE_SIZE, True)
    assert [video.prompt for video in second] == ["prompt 01", "prompt 00"]
    assert not has_still_older


def test_it_is_one_query(alice, said, django_assert_num_queries):
    said("a kite", "a fox", "a kite")

    with django_assert_num_queries(1):
        earlier_prompts(alice, since=NOW, search="a kite")


def test_the_page_works_on_its_own(alice_client, said):
    video, _ = said("a red kite <b>over</b> the dunes", "a fox")

    page = alice_client.get("/generate/history/?q=kite").content.decode()

    assert "<html" in page
    assert f"/generate/?from={video.pk}" in page
    assert "a red kite &lt;b&gt;over&lt;/b&gt; the dunes" in page
    assert "Hailuo 02" in page
    assert "a fox" not in page


def test_the_dialog_gets_the_sheet_alone_and_a_search_the_entries_alone(alice_client, said):
    said("a red kite")
    sheet, entries = (
        alice_client.get("/generate/history/", headers=HTMX | {"HX-Target": target})
        for target in ("help-sheet", "past-prompts")
    )

    assert 'type="search"' in sheet.content.decode()
    assert "<html" not in sheet.content.decode()
    assert 'data-prompt="a red kite"' in entries.content.decode()
    assert 'type="search"' not in entries.content.decode()


def test_older_ones_are_a_link_away(alice_client, said):
    said(*(f"prompt {number:02}" for number in range(PAGE_SIZE + 1)))

    first = alice_client.get("/generate/history/?q=prompt").content.decode()
    second = alice_client.get("/generate/history/?q=prompt&page=2").content.decode()

    assert "?q=prompt&amp;page=2" in first
    assert "prompt 00" in second
    assert "Show older" not in second


@pytest.mark.parametrize("page", ["0", "-1", "x", "٣", "9" * 50, "1e3", ""])
def test_a_page_that_is_none_is_answered_all_the_same(alice_client, said, page):
    said("a kite")

    assert alice_client.get("/generate/history/", {"page": page}).status_code == 200


def test_without_prompts_the_page_says_what_will_come(alice_client):
    assert "once you have made a video" in alice_client.get("/generate/history/").content.decode()


def test_signed_out_one_is_sent_to_sign_in(client, db):
    answer = client.get("/generate/history/")

    assert answer.status_code == 302
    assert "/accounts/login/?next=/generate/history/" in answer.url
