"""What is left and what was spent, as somebody sees it in a browser."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import Group
from django.utils.timezone import now

from tests.browser.conftest import assert_nothing_to_find, generate
from tests.browser.test_accessibility import WIDTHS, examine
from videostudio.models import KieBalance, SpendingLimit

pytestmark = pytest.mark.browser


@pytest.fixture
def operator(signed_in):
    """Alice, who may see everything."""
    signed_in.is_staff = signed_in.is_superuser = True
    signed_in.save()
    return signed_in


@pytest.fixture
def spent(operator, bob, make_video, make_failed):
    """Some spending of two people, one of whom has a long name, on two days."""
    bob.username = "bartholomew.of.the.long.name@example.com"
    bob.save()
    for days, user in enumerate([operator, bob, operator]):
        at = now() - timedelta(days=days)
        make_video(user=user, created_at=at, cost_estimated="1234.50", cost_consumed=None)
        make_video(user=user, created_at=at, cost_consumed="987654.25")
        make_failed(user=user, created_at=at, cost_estimated=30)
    make_video(user=operator, cost_estimated=None)


def test_the_days_are_chosen_and_taken_home_as_a_file(page, studio, spent, make_video, bob):
    make_video(user=bob, created_at=now() - timedelta(days=400), cost_consumed=7)
    page.goto(f"{studio.url}/")

    page.locator("#account summary").click()
    page.get_by_role("link", name="Spend").click()
    page.get_by_label("From").fill(f"{now() - timedelta(days=410):%Y-%m-%d}")
    page.get_by_label("To", exact=True).fill(f"{now() - timedelta(days=390):%Y-%m-%d}")
    page.get_by_role("button", name="Show").click()

    table = page.get_by_role("table", name="By person")
    table.get_by_text("bartholomew").wait_for()
    assert "alice" not in table.inner_text()
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 2
    assert "bartholomew" in lines[1]


def test_an_open_gallery_shows_a_new_balance_with_the_card_that_changed(page, studio, signed_in):
    pk = generate(page, studio, "a red kite")
    page.goto(f"{studio.url}/")
    KieBalance.objects.keep(Decimal(9970), asked_at=now())

    studio.finish()

    page.locator(f'article[data-video-id="{pk}"][data-status="completed"]').wait_for()
    assert page.get_by_role("link", name="9,970 credits").is_visible()


@pytest.mark.parametrize("width", WIDTHS)
def test_large_sums_and_long_names_fit(page, studio, spent, width):
    KieBalance.objects.keep(Decimal(12), asked_at=now())
    page.set_viewport_size({"width": width, "height": 800})

    examine(page, f"{studio.url}/spend/")


@pytest.mark.parametrize("credits", [12, 150, 100_000])
@pytest.mark.parametrize("minutes", [0, 42])
def test_the_header_holds_it_in_every_width(page, studio, signed_in, settings, credits, minutes):
    settings.IS_SANDBOX = True
    asked_at = now() - timedelta(minutes=minutes)
    KieBalance.objects.keep(Decimal(credits), asked_at=asked_at)
    team = Group.objects.create(name="Marketing")
    team.user_set.add(signed_in)
    SpendingLimit.objects.create(group=team, videos_per_day=0)

    page.goto(f"{studio.url}/accounts/profile/")
    for width in (360, 420, 480, 520, 560, 640, 700, 768, 860, 920, 1024, 1440):
        page.set_viewport_size({"width": width, "height": 800})
        assert_nothing_to_find(page, themes=["light"])
        overlaps = page.evaluate(
            """() => {
                const boxes = [...document.querySelectorAll(
                    ".brand, .tabs a, .balance .chip, .chip.sandbox, .top-end .icon-button")]
                    .map((element) => element.getBoundingClientRect())
                    .filter(({width}) => width);
                return boxes.some((a, i) => boxes.slice(i + 1).some((b) =>
                    a.left < b.right - 1 && b.left < a.right - 1
                    && a.top < b.bottom - 1 && b.top < a.bottom - 1));
            }"""
        )
        assert not overlaps, f"something overlaps at {width} px"


def test_who_has_reached_a_limit_is_told_and_keeps_what_was_typed(page, studio, signed_in):
    SpendingLimit.objects.create(user=signed_in, videos_per_day=1)
    generate(page, studio, "a red kite")
    page.get_by_label("Prompt", exact=True).fill("a blue kite")

    page.get_by_role("button", name="Generate video").click()

    page.get_by_text("You have made 1 of your 1 video for today").wait_for()
    assert page.get_by_label("Prompt", exact=True).input_value() == "a blue kite"
