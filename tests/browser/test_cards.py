"""What a card says, and where its buttons lead."""

from datetime import timedelta

import pytest
from django.utils.timezone import now
from playwright.sync_api import expect

from tests.browser.conftest import card

pytestmark = pytest.mark.browser

PAST = {
    "expected_seconds": 150,
    "usually_from_seconds": 120,
    "usually_to_seconds": 180,
    "late_after_seconds": 235,
}


@pytest.mark.parametrize(
    ("failure", "label", "control"),
    [
        ("prompt", "Edit & try again", "id_prompt"),
        ("prompt", "Other service", "id_provider"),
        ("picture", "Replace picture", "id_image"),
        ("provider", "Try again · $0.30", "submit"),
    ],
)
def test_a_failed_cards_button_leads_to_what_is_to_be_changed(
    page, studio, signed_in, make_failed, failure, label, control
):
    video = make_failed(
        user=signed_in,
        failure=failure,
        cost_estimated=60,
        provider="kie-hailuo-img2vid",
        prompt="a quarrel",
    )
    page.goto(studio.url)

    card(page, video.pk).get_by_role("link", name=label).click()

    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a quarrel")
    expect(page.locator(f"#{control}")).to_be_focused()
    expect(page.get_by_label("Service")).to_have_value("kie-hailuo-img2vid")


def test_fixing_the_settings_begins_at_the_first_one(page, studio, signed_in, make_failed):
    video = make_failed(user=signed_in, failure="settings")
    page.goto(studio.url)

    card(page, video.pk).get_by_role("link", name="Fix settings").click()

    expect(page.locator("#settings input:focus")).to_have_count(1)


def test_details_show_kies_own_words(page, studio, signed_in, make_failed):
    video = make_failed(user=signed_in, kie_error_code="500", kie_message="Internal Error")
    page.goto(studio.url)

    card(page, video.pk).get_by_role("link", name="Details").click()
    expect(page).to_have_url(f"{studio.url}{video.get_absolute_url()}#why")
    if not page.locator("#why").is_visible():
        page.get_by_text("Details", exact=True).click()

    expect(page.locator("#why")).to_contain_text("Internal Error")


def test_nothing_can_be_pressed_that_would_fail_again(page, studio, signed_in, make_failed):
    video = make_failed(user=signed_in, failure="balance")
    page.goto(studio.url)

    expect(card(page, video.pk).get_by_role("button", name="Try again")).to_be_disabled()
    expect(card(page, video.pk).get_by_role("link", name="Use settings")).to_be_visible()


def test_a_card_says_where_its_video_stands(page, studio, signed_in, make_video):
    since = now() - timedelta(seconds=62)
    video = make_video(
        user=signed_in, created_at=since, accepted_at=since, kie_state="generating", **PAST
    )
    page.goto(studio.url)

    here = card(page, video.pk)

    assert here.locator(".steps li").all_inner_texts() == ["Sent", "Queued", "Rendering", "Saving"]
    expect(here.locator(".steps .is-now")).to_have_text("Rendering")
    expect(here.get_by_text("Usually 2 to 3 min", exact=True)).to_be_visible()
    expect(here.locator(".stage")).to_contain_text("usually 2 to 3 minutes, 1 minute")
    expect(here.get_by_role("button", name="Check now")).to_be_hidden()


@pytest.mark.parametrize("where", ["card", "detail"])
def test_being_late_shows_by_the_clock_alone(page, studio, signed_in, make_video, where, settings):
    settings.GALLERY_REFRESH_SECONDS = 1000
    video = make_video(user=signed_in, last_polled_at=now(), **PAST)
    page.clock.install()
    page.goto(studio.url + (video.get_absolute_url() if where == "detail" else "/"))
    here = card(page, video.pk)
    expect(here.get_by_text("Longer than usual")).to_be_hidden()

    page.clock.fast_forward("04:00")

    expect(here.get_by_text("Longer than usual: 9 of 10 finish within 4 min")).to_be_visible()
    expect(here.get_by_text("Usually 2 to 3 min", exact=True)).to_be_hidden()
    # This page was told of one look; that the worker goes on looking is what it can say.
    expect(here.locator(".checked")).to_have_text("checked every 20 s")
    expect(here.get_by_role("button", name="Check now")).to_be_visible()

    page.clock.fast_forward("56:30")

    expect(here.get_by_text("Needs attention: still being checked every 5 min")).to_be_visible()


def test_checking_now_is_told_on_the_late_card(page, studio, signed_in, make_video):
    long_ago = now() - timedelta(minutes=5)
    video = make_video(
        user=signed_in, created_at=long_ago, accepted_at=long_ago, last_polled_at=long_ago, **PAST
    )
    page.goto(studio.url)
    here = card(page, video.pk)
    expect(here.locator(".checked")).to_contain_text("last checked 5 min ago")

    with page.expect_response(lambda answer: "/refresh/" in answer.url and answer.ok):
        here.get_by_role("button", name="Check now").click()

    expect(here.locator(".checked")).to_contain_text("s ago")


def test_large_letters_cut_nothing_off(page, studio, signed_in, make_failed, make_video):
    videos = [make_failed(user=signed_in, failure="picture", cost_estimated=60)]
    videos.append(make_video(user=signed_in, accepted_at=now() - timedelta(hours=2), **PAST))
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(studio.url)
    page.evaluate("() => { document.documentElement.style.fontSize = '32px' }")

    for video in videos:
        state = card(page, video.pk).locator(".screen")
        cut = "screen => screen.scrollHeight > screen.clientHeight + 1"
        assert not state.evaluate(cut)
    assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
