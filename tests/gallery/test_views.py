"""The gallery's pages."""

import re
import time
from datetime import timedelta
from html import unescape
from threading import Thread
from uuid import UUID, uuid4

import pytest
from django.core.cache import caches
from django.db import connection, transaction
from django.urls import reverse
from django.utils.timezone import now

from gallery.failures import FAILURES
from gallery.models import RAW_ANSWER, Stage, Video
from generation.catalogue import current
from generation.kie.client import KieClient
from generation.models import Offer
from generation.submission import send_queued_videos
from videostudio.models import Heartbeat, Outage

HTMX = {"HX-Request": "true"}


@pytest.fixture(autouse=True)
def _worker_lives(db):
    Heartbeat.objects.beat(Heartbeat.WORKER)


def cards(response):
    """The ids of the cards on a page, in order."""
    return re.findall(r'data-video-id="([0-9a-f-]{36})"', response.content.decode())


def older_url(response):
    """Where the page's "Show older" leads; None on the last one."""
    found = re.search(r'id="older" href="([^"]+)"', response.content.decode())
    return found and found[1].replace("&amp;", "&")


def updates_url(response):
    found = re.search(r'hx-get="(/updates/[^"]+)"', response.content.decode())
    return found and found[1].replace("&amp;", "&")


def test_an_empty_gallery_invites_to_the_first_video(alice_client):
    page = alice_client.get("/")

    assert page.status_code == 200
    assert cards(page) == []
    assert b"/generate/?" in page.content


def test_the_newest_stand_first_in_all_their_states(
    alice_client, make_video, make_completed, make_failed
):
    old = make_failed(created_at=now() - timedelta(minutes=2))
    middle = make_completed(created_at=now() - timedelta(minutes=1))
    new = make_video()

    page = alice_client.get("/")

    assert cards(page) == [str(new.pk), str(middle.pk), str(old.pk)]
    text = page.content.decode()
    assert re.findall(r'data-status="(\w+)"', text) == ["processing", "completed", "failed"]
    assert "<progress" in text
    assert 'preload="none"' in text
    assert old.error_message.replace("'", "&#x27;") in text


def test_pages_of_24_reach_every_video_once(alice_client, make_video):
    same_moment = now()
    for number in range(60):
        make_video(created_at=same_moment - timedelta(seconds=number // 10))

    seen, path = [], "/"
    while path:
        page = alice_client.get(path)
        seen += cards(page)
        path = older_url(page)

    assert len(seen) == 60
    assert len(set(seen)) == 60


def test_the_next_page_alone_is_sent_to_a_page_that_grows(alice_client, make_video):
    for _ in range(25):
        make_video()
    older = older_url(alice_client.get("/"))

    part = alice_client.get(older, headers=HTMX | {"HX-Target": "older"})

    assert len(cards(part)) == 1
    assert b"<html" not in part.content


@pytest.mark.parametrize("count", [1, 24, 60])
def test_the_page_takes_as_many_queries_whatever_is_on_it(
    alice_client, make_video, django_assert_max_num_queries, count
):
    for _ in range(count):
        make_video()

    with django_assert_max_num_queries(6):
        alice_client.get("/")


def test_prompts_of_html_and_emoji_are_text(alice_client, make_completed):
    make_completed(prompt="<script>alert(1)</script> 🦊")

    page = alice_client.get("/").content.decode()

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 🦊" in page


def test_a_page_asks_again_only_while_something_is_processing(
    alice_client, make_video, make_completed
):
    make_completed()
    calm = alice_client.get("/")
    make_video()
    busy = alice_client.get("/")

    assert updates_url(calm) is None
    assert "every 10s" in busy.content.decode()
    assert updates_url(busy)


def test_nothing_new_is_204_without_a_body(alice_client, make_video, django_assert_num_queries):
    make_video()
    url = updates_url(alice_client.get("/"))
    alice_client.get(url)

    # The session and its person: who asks is all that has to be looked up.
    with django_assert_num_queries(2):
        answer = alice_client.get(url)

    assert (answer.status_code, answer.content) == (204, b"")


def test_only_the_changed_card_is_sent_once(alice_client, make_video):
    changed = make_video()
    make_video()
    url = updates_url(alice_client.get("/"))
    changed.mark_failed(error_message="It failed.")

    news = alice_client.get(url)

    assert cards(news) == [str(changed.pk)]
    assert 'hx-swap-oob="true"' in news.content.decode()
    assert alice_client.get(updates_url(news)).status_code == 204


def test_a_poll_that_found_nothing_new_disturbs_no_page(alice_client, make_video):
    video = make_video()
    url = updates_url(alice_client.get("/"))

    Video.objects.filter(pk=video.pk).update(poll_count=5, progress=40)

    assert alice_client.get(url).status_code == 204


def test_the_last_change_ends_the_asking(alice_client, make_video):
    video = make_video()
    url = updates_url(alice_client.get("/"))
    video.mark_failed(error_message="It failed.")

    news = alice_client.get(url)

    assert 'id="updates"' in news.content.decode()
    assert updates_url(news) is None


def test_a_new_video_is_prepended(alice_client, make_video):
    make_video(created_at=now() - timedelta(minutes=5))
    url = updates_url(alice_client.get("/"))
    new = make_video()

    news = alice_client.get(url)

    assert cards(news) == [str(new.pk)]
    assert "afterbegin:#grid" in news.content.decode()


def test_on_an_older_page_nothing_is_prepended(alice_client, make_video):
    long_ago = now() - timedelta(minutes=5)
    for _ in range(25):
        make_video(created_at=long_ago)
    older = alice_client.get(older_url(alice_client.get("/")))
    make_video()

    assert cards(alice_client.get(updates_url(older))) == []


def test_a_video_deleted_elsewhere_leaves_the_page(alice_client, make_video):
    gone = make_video()
    make_video()
    url = updates_url(alice_client.get("/"))
    gone.mark_deleted()

    news = alice_client.get(url).content.decode()

    assert f'id="video-{gone.pk}"' in news
    assert 'hx-swap-oob="delete"' in news


@pytest.mark.django_db(transaction=True)
def test_changes_become_visible_in_the_order_of_their_versions(alice, make_video):
    slow, quick = make_video(), make_video()
    order = []

    def change(video, *, wait):
        with transaction.atomic():
            video.mark_failed(error_message="It failed.")
            order.append(video.pk)
            wait()
        connection.close()

    quickly = Thread(target=change, args=(quick,), kwargs={"wait": lambda: None})
    # The second change begins before the first is committed: it has to wait for it.
    slowly = Thread(
        target=change, args=(slow,), kwargs={"wait": lambda: (quickly.start(), time.sleep(0.3))}
    )
    slowly.start()
    slowly.join()
    quickly.join()

    slow.refresh_from_db()
    quick.refresh_from_db()
    assert order == [slow.pk, quick.pk]
    assert slow.version < quick.version


def test_a_page_that_slept_catches_up_in_several_answers(alice_client, make_video):
    videos = [make_video() for _ in range(130)]
    url = updates_url(alice_client.get("/"))
    for video in videos:
        video.set_favorite(is_favorite=True)

    seen = set()
    while (news := alice_client.get(url)).status_code == 200:
        seen.update(cards(news))
        url = updates_url(news)

    assert len(seen) == 130


@pytest.mark.parametrize("since", ["", "nonsense", "-1", "99", "1" * 5000, "²"])
def test_a_cursor_of_nonsense_gets_a_fresh_one(alice_client, make_video, since):
    make_video()

    answer = alice_client.get("/updates/", {"since": since})

    assert answer.status_code == 200
    assert updates_url(answer)


def test_a_silent_worker_is_told_once_and_its_return_too(alice_client, make_video, settings):
    make_video()
    url = updates_url(alice_client.get("/"))
    Heartbeat.objects.update(at=now() - timedelta(minutes=5))
    caches["process"].clear()

    news = alice_client.get(url)
    again = alice_client.get(updates_url(news))
    Heartbeat.objects.beat(Heartbeat.WORKER)
    caches["process"].clear()
    back = alice_client.get(updates_url(news))

    assert "background worker is not answering" in news.content.decode()
    assert again.status_code == 204
    assert "not answering" not in back.content.decode()
    assert back.status_code == 200


def test_kie_being_away_is_told_once_and_its_return_too(alice_client, make_video):
    make_video()
    url = updates_url(alice_client.get("/"))
    Outage.objects.begin(Outage.KIE, why="no connection", at=now(), pause=timedelta(seconds=15))
    caches["process"].clear()

    news = alice_client.get(url)
    again = alice_client.get(updates_url(news))
    Outage.objects.end(Outage.KIE)
    caches["process"].clear()
    back = alice_client.get(updates_url(news))

    assert "KIE.AI is not answering; your videos are safe." in news.content.decode()
    assert again.status_code == 204
    assert "not answering" not in back.content.decode()


def test_an_expired_session_sends_the_whole_page_to_sign_in(client, db):
    answer = client.get(
        "/updates/", headers=HTMX | {"HX-Current-URL": "http://testserver/?before=x"}
    )

    assert answer["HX-Redirect"].startswith("/accounts/login/?next=%2F%3Fbefore")


def test_deleting_can_be_undone(alice_client, make_completed):
    video = make_completed()

    alice_client.post(reverse("gallery:delete", args=[video.pk]))
    gone = cards(alice_client.get("/"))
    alice_client.post(reverse("gallery:restore", args=[video.pk]))

    assert gone == []
    assert cards(alice_client.get("/")) == [str(video.pk)]


def test_deleted_videos_wait_in_the_trash(alice_client, make_completed):
    video = make_completed()
    old = make_completed(deleted_at=now() - timedelta(days=31))
    video.mark_deleted()

    page = alice_client.get("/trash/")

    assert str(video.pk) in page.content.decode()
    assert str(old.pk) not in page.content.decode()


def test_a_favourite_is_set_and_taken_off(alice_client, make_completed):
    video = make_completed()

    for expected in (True, False):
        alice_client.post(reverse("gallery:favourite", args=[video.pk]))
        video.refresh_from_db()
        assert video.is_favorite is expected


@pytest.mark.parametrize("stage", [s for s in Stage if s != Stage.SETTLED])
def test_each_stage_has_words_and_a_page(alice_client, make_video, stage):
    video = make_video(stage=stage)

    assert alice_client.get("/").status_code == 200
    assert alice_client.get(video.get_absolute_url()).status_code == 200


def test_an_empty_gallery_leads_to_the_cheapest_service_and_says_its_price(
    alice_client, alice, settings
):
    settings.IS_SANDBOX = False
    Offer.objects.bulk_create(
        Offer(provider=p.key, is_offered=p.key in {"kie-veo3-fast", "kie-hailuo-text2vid"})
        for p in current()
    )

    page = alice_client.get("/").content.decode()

    assert "for about $0.15 with Hailuo 02" in page
    assert page.count("?provider=kie-hailuo-text2vid&amp;prompt=") == 3


def test_an_empty_gallery_invites_all_the_same_where_nothing_is_offered(alice_client):
    Offer.objects.bulk_create(Offer(provider=p.key, is_offered=False) for p in current())

    page = alice_client.get("/").content.decode()

    assert "Make your first video" in page
    assert page.count("/generate/?prompt=A") == 3


def test_a_video_page_says_its_settings_in_the_forms_words(alice_client, make_completed):
    shots = [{"prompt": "It <rains>.", "duration": 3}, {"prompt": "A door.", "duration": 2}]
    video = make_completed(
        provider="kie-kling-3-0-text2vid",
        parameters={"resolution": "pro", "sound": True, "shots": shots, "seed": None},
    )

    page = alice_client.get(f"/videos/{video.pk}/").content.decode()

    assert "<dt>Resolution</dt><dd>1080p</dd>" in page
    assert "<dt>Sound</dt><dd>On</dd>" in page
    assert "<dt>Shots</dt><dd>It &lt;rains&gt;. · 3 s<br>A door. · 2 s</dd>" in page
    assert "Seed" not in page


def test_settings_that_no_service_has_any_more_are_told_all_the_same(alice_client, make_completed):
    video = make_completed(
        provider="kie-gone-text2vid", parameters={"cameraMotion": "slow", "lists": ["a", "b"]}
    )

    page = alice_client.get(f"/videos/{video.pk}/").content.decode()

    assert "<dt>Camera motion</dt><dd>slow</dd>" in page
    assert "<dt>Lists</dt>" in page


def test_a_video_page_shows_settings_and_history(alice_client, make_completed):
    video = make_completed(aspect_ratio="16:9", cost_estimated=30)
    video.events.create(what="requested", by="alice")

    page = alice_client.get(video.get_absolute_url()).content.decode()

    assert "a red kite" in page
    assert "6 s" in page
    assert video.task_id in page


OWNERS_URLS = ["detail", "file", "download", "poster", "favourite", "delete", "restore"]


@pytest.mark.parametrize("name", OWNERS_URLS)
@pytest.mark.parametrize("method", ["get", "post"])
def test_another_persons_video_is_as_unknown_as_one_that_never_was(
    client, bob, make_completed, name, method
):
    theirs = make_completed()
    client.force_login(bob)

    answers = [
        getattr(client, method)(reverse(f"gallery:{name}", args=[pk]))
        for pk in (theirs.pk, uuid4())
    ]

    assert answers[0].status_code == answers[1].status_code
    assert answers[0].status_code in {404, 405}
    theirs.refresh_from_db()
    assert (theirs.is_favorite, theirs.deleted_at) == (False, None)


def test_another_persons_changes_never_show(client, bob, make_video):
    make_video(user=bob)
    client.force_login(bob)
    url = updates_url(client.get("/"))

    make_video()

    assert client.get(url).status_code == 204
    assert len(cards(client.get("/"))) == 1


def test_news_are_of_ones_own_videos_only(client, bob, make_video):
    mine = make_video(user=bob)
    client.force_login(bob)
    url = updates_url(client.get("/"))
    for _ in range(3):
        make_video()

    mine.mark_failed(error_message="It failed.")

    assert set(cards(client.get(url))) == {str(mine.pk)}


def test_the_trash_and_the_strip_show_ones_own_videos_only(client, bob, make_video):
    make_video(deleted_at=now())
    make_video()
    client.force_login(bob)

    assert cards(client.get("/trash/")) == []
    assert cards(client.get("/generate/")) == []


@pytest.mark.parametrize(
    "path",
    ["/", "/updates/", "/trash/", "/generate/", "/accounts/profile/", f"/videos/{UUID(int=1)}/"],
)
def test_a_stranger_is_asked_to_sign_in(client, db, path):
    answer = client.get(path)

    assert answer.status_code == 302
    assert answer["Location"].startswith("/accounts/login/?next=")


def test_private_pages_are_kept_by_no_cache(alice_client):
    page = alice_client.get("/")

    assert page["Cache-Control"] == "private, no-store"
    assert "unsafe" not in page["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/trash/"])
@pytest.mark.parametrize(
    "moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "nonsense", ""]
)
def test_a_page_key_of_nonsense_shows_the_first_page(alice_client, make_video, path, moment):
    make_video()

    assert alice_client.get(path, {"before": f"{moment}_{'0' * 32}"}).status_code == 200


def test_a_page_that_slept_while_everything_ended_is_told_all_of_it(alice_client, make_video):
    videos = [make_video() for _ in range(130)]
    url = updates_url(alice_client.get("/"))
    for video in videos:
        video.mark_failed(error_message="It failed.")

    seen = set()
    while url:
        news = alice_client.get(url)
        seen.update(cards(news))
        url = updates_url(news)

    assert len(seen) == 130


def test_what_left_the_trash_is_not_brought_back(alice_client, make_completed):
    video = make_completed(deleted_at=now() - timedelta(days=31))

    assert alice_client.post(reverse("gallery:restore", args=[video.pk])).status_code == 404


def test_a_video_that_was_never_confirmed_asks_its_owner_after_45_minutes(
    alice_client, make_video, kie
):
    facts = {"stage": Stage.UNCONFIRMED, "task_id": "", "next_poll_at": now()}
    young = make_video(created_at=now() - timedelta(minutes=44), **facts)
    old = make_video(created_at=now() - timedelta(minutes=46), **facts)
    url = updates_url(alice_client.get("/"))

    send_queued_videos(client=KieClient.from_settings())
    news = alice_client.get(url)

    assert cards(news) == [str(old.pk)]
    assert "may charge twice" in news.content.decode()
    assert len(kie.calls) == 0
    young.refresh_from_db()
    assert young.next_poll_at > now()


def test_a_card_leads_to_its_video(alice_client, make_video):
    video = make_video()

    assert f'href="{video.get_absolute_url()}"' in alice_client.get("/").content.decode()


# --- What a failed card says and offers -----------------------------------------------------


def steps(answer):
    """The steps offered: what each is called and where it leads; None for one not to be pressed."""
    found = re.search(r'<div class="next">(.*?)</div>', answer.content.decode(), re.DOTALL)
    buttons = re.findall(r"<(a|button)([^>]*)>([^<]*)<", found[1]) if found else []
    leads = {}
    for kind, attributes, label in buttons:
        href = re.search(r'href="([^"]+)"', attributes)
        leads[label] = unescape(href[1]) if kind == "a" else None
    return leads


@pytest.mark.parametrize(
    ("failure", "labels"),
    [
        ("prompt", {"Edit & try again": "#id_prompt", "Other service": "#id_provider"}),
        ("picture", {"Replace picture": "#inputs", "Try again · $0.30": "#submit"}),
        ("output", {"Try again · $0.30": "#submit", "Edit & try again": "#id_prompt"}),
        ("settings", {"Fix settings": "#settings", "Other service": "#id_provider"}),
        ("busy", {"Try again · $0.30": "#submit", "Other service": "#id_provider"}),
        ("balance", {"Try again": None, "Use settings": "#submit"}),
        ("", {"Try again · $0.30": "#submit", "Details": "#why"}),
    ],
)
def test_a_failed_card_offers_at_most_two_steps_that_fit(
    alice_client, make_failed, failure, labels
):
    video = make_failed(failure=failure, cost_estimated=60)

    found = {unescape(label): href for label, href in steps(alice_client.get("/")).items()}

    assert list(found) == list(labels)
    for label, place in labels.items():
        if place is None:
            assert found[label] is None
            continue
        assert found[label].endswith(place)
        assert str(video.pk) in found[label]
        assert alice_client.get(found[label]).status_code == 200


@pytest.mark.parametrize("failure", FAILURES)
def test_every_place_that_a_step_names_is_on_the_form(alice_client, make_failed, failure):
    video = make_failed(failure=failure)

    form = alice_client.get(f"/generate/?from={video.pk}").content.decode()
    detail = alice_client.get(video.get_absolute_url()).content.decode()

    for step in FAILURES[failure].steps:
        assert not step.place or f'id="{step.place}"' in form
    assert 'id="why"' in detail


def test_operators_are_told_what_they_can_do_about_the_balance(alice_client, alice, make_failed):
    alice.is_staff = True
    alice.save()
    make_failed(failure="balance")

    assert list(steps(alice_client.get("/"))) == ["Try again", "Top up at KIE.AI"]


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"cost_estimated": 60}, "Estimated $0.30. KIE.AI decides about refunds."),
        ({}, "Price unknown. KIE.AI decides about refunds."),
        (
            {"cost_estimated": 60, "cost_consumed": 0},
            "Estimated $0.30. KIE.AI's record says nothing was charged.",
        ),
        (
            {"cost_estimated": 60, "cost_consumed": 40},
            "KIE.AI's record says 40 credits ($0.20) were taken. KIE.AI decides about refunds.",
        ),
        ({"failure": "never_sent", "task_id": ""}, "Never sent, so nothing was charged."),
        ({"failure": "balance", "task_id": ""}, "KIE.AI refused it before a task was made."),
        (
            {"failure": "operator", "task_id": "", "cost_estimated": 60},
            "Perhaps charged. Estimated $0.30. KIE.AI decides about refunds.",
        ),
    ],
)
def test_a_failed_card_says_what_is_known_about_the_money(alice_client, make_failed, facts, words):
    video = make_failed(**facts)

    for path in ("/", video.get_absolute_url()):
        assert words in unescape(alice_client.get(path).content.decode())


def test_the_owner_reads_kies_words_under_details_and_never_the_raw_record(
    alice_client, make_failed
):
    video = make_failed(
        failure="provider", kie_error_code="500", kie_message="Internal Error <b>", poll_count=7
    )
    video.events.create(what=RAW_ANSWER, detail="raw-record-of-kie")

    card = alice_client.get("/").content.decode()
    detail = alice_client.get(video.get_absolute_url()).content.decode()

    assert "Internal Error" not in card
    assert "Internal Error &lt;b&gt;" in detail
    assert "7 times" in detail
    assert "raw-record-of-kie" not in card + detail
    assert RAW_ANSWER not in detail


# --- What a processing card says ------------------------------------------------------------


@pytest.mark.parametrize("where", ["card", "detail"])
def test_a_card_and_its_page_say_the_same_about_a_late_video(alice_client, make_video, where):
    since = now() - timedelta(seconds=300)
    video = make_video(
        created_at=since,
        accepted_at=since,
        expected_seconds=150,
        usually_from_seconds=120,
        usually_to_seconds=180,
        late_after_seconds=235,
        last_polled_at=now() - timedelta(seconds=12),
    )

    text = alice_client.get("/" if where == "card" else video.get_absolute_url()).content.decode()

    assert '<li class="is-now">Rendering</li>' in text
    assert ", usually 2 to 3 minutes, " in text
    assert '<p data-pace="late">Longer than usual: 9 of 10 finish within 4 min' in text
    assert "last checked 1" in text
    assert '<p data-pace="usual" aria-hidden="true" hidden>Usually 2 to 3 min</p>' in text
    assert "Check now" in text


def test_a_look_that_changes_nothing_leaves_the_card_alone(alice_client, make_video):
    video = make_video()
    url = updates_url(alice_client.get("/"))

    Video.objects.filter(pk=video.pk).update(last_polled_at=now(), poll_count=5)

    assert alice_client.get(url).status_code == 204
