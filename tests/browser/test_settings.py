"""The settings of a service as somebody tries them out: what stays, what follows, what is said."""

import re
from decimal import Decimal

import pytest
from django.utils.timezone import now
from playwright.sync_api import expect

from gallery.models import Video
from tests.browser.conftest import assert_nothing_to_find
from videostudio.models import KieBalance

pytestmark = pytest.mark.browser


def open_form(page, studio, provider, **values):
    given = "".join(f"&{name}={value}" for name, value in values.items())
    page.goto(f"{studio.url}/generate/?provider={provider}{given}")


# --- Another service ------------------------------------------------------------------------


def test_the_way_back_leads_to_the_service_as_it_was(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-text2vid", duration=10)
    page.get_by_label("Prompt", exact=True).fill("kept words")
    page.get_by_label("Service").select_option("kie-veo3-fast")
    back = page.get_by_role("button", name="Back to Hailuo 02")

    back.press("Enter")

    expect(page.locator("#settings")).to_have_attribute("data-service", "kie-hailuo-text2vid")
    expect(page.get_by_label("Service")).to_have_value("kie-hailuo-text2vid")
    expect(page.get_by_label("Service")).to_be_focused()
    expect(page.get_by_label("10 s")).to_be_checked()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("kept words")
    expect(page.locator(".notice.is-changed")).to_have_count(0)
    expect(page.locator("#price-tag")).to_have_text("· ≈ $0.25")


def test_a_kind_of_video_that_is_chosen_is_not_put_down_to_a_file(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-text2vid")

    page.get_by_role("link", name="Picture").click()

    expect(page.get_by_label("Service")).to_have_value("kie-hailuo-img2vid")
    expect(page.locator("#toasts")).not_to_contain_text("Switched")


# --- What is not as usual -------------------------------------------------------------------


def setting(page, name):
    return page.locator(f"#setting-{name}")


def test_what_is_chosen_is_marked_and_taken_back_by_keyboard(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-text2vid")
    length = setting(page, "duration")
    expect(page.get_by_role("button", name="Reset")).to_have_count(0)
    page.get_by_label("10 s").check()
    expect(length).to_have_class(re.compile("is-unusual"))
    expect(page.locator("#price-tag")).to_have_text("· ≈ $0.25")

    page.get_by_role("button", name="Reset Length", exact=True).press("Enter")

    expect(page.get_by_label("6 s")).to_be_checked()
    expect(page.get_by_label("6 s")).to_be_focused()
    expect(length).not_to_have_class(re.compile("is-unusual"))
    expect(page.get_by_role("button", name="Reset")).to_have_count(0)
    expect(page.locator("#price-tag")).to_have_text("· ≈ $0.15")


@pytest.mark.parametrize(
    ("provider", "name", "change"),
    [
        ("kie-wan-2-7-text2vid", "resolution", lambda part: part.get_by_label("720p").check()),
        ("kie-wan-2-7-text2vid", "duration", lambda part: part.get_by_role("slider").fill("8")),
        ("kie-wan-2-7-text2vid", "improve_prompt", lambda part: part.locator("input").uncheck()),
        ("kie-wan-2-7-text2vid", "seed", lambda part: part.locator(".dice").click()),
        (
            "kie-wan-2-7-text2vid",
            "negative_prompt",
            lambda part: part.locator("textarea, input").fill("no rain"),
        ),
        ("kie-seedance-2-0-ref2vid", "sound", lambda part: part.locator("input").uncheck()),
    ],
    ids=["one of few", "slider", "switch", "dice", "words", "switch that is on"],
)
def test_every_kind_of_setting_is_taken_back(page, studio, signed_in, provider, name, change):
    open_form(page, studio, provider)
    page.get_by_text("More settings").click()
    part = setting(page, name)
    control = part.locator("input:not([type=range]), textarea").first
    state = "control => /radio|checkbox/.test(control.type) ? control.checked : control.value"
    before = control.evaluate(state)

    change(part)
    expect(part).to_have_class(re.compile("is-unusual"))
    part.hover()
    part.get_by_role("button", name=re.compile("^Reset ")).click()

    assert control.evaluate(state) == before
    expect(part).not_to_have_class(re.compile("is-unusual"))


def test_no_service_begins_with_anything_unusual(page, studio, signed_in):
    for provider in ("kie-veo3-fast", "kie-kling-3-0-text2vid", "kie-seedance-2-0-ref2vid"):
        open_form(page, studio, provider)
        expect(page.locator("[data-usual]").first).to_be_attached()
        expect(page.locator(".is-unusual")).to_have_count(0)


@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_in_a_form_that_is_too_dear_and_much_changed(
    page, studio, signed_in, width
):
    KieBalance.objects.keep(Decimal(40), asked_at=now())
    page.set_viewport_size({"width": width, "height": 800})
    open_form(page, studio, "kie-hailuo-text2vid", duration=10)
    page.get_by_label("Service").select_option("kie-veo3-fast")
    page.get_by_label("9:16").check()
    page.get_by_text("More settings").click()
    page.get_by_label("Seed", exact=True).fill("12345")
    page.keyboard.press("Tab")
    expect(page.locator("#more-changed")).to_have_text("1 changed")
    expect(page.locator("#price")).to_contain_text("more than the 40 credits left at KIE.AI")

    assert_nothing_to_find(page)


# --- More settings --------------------------------------------------------------------------


def test_how_many_are_changed_follows_while_they_stay_open(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    changed = page.locator("#more-changed")
    expect(changed).to_be_hidden()
    page.get_by_text("More settings").click()

    page.get_by_label("Seed", exact=True).fill("12345")
    page.keyboard.press("Tab")
    expect(changed).to_have_text("1 changed")
    page.get_by_label("Watermark").fill("mine")
    page.keyboard.press("Tab")

    expect(changed).to_have_text("2 changed")
    expect(page.locator("#more-settings")).to_have_attribute("open", "")
    page.get_by_label("Watermark").fill("")
    page.get_by_label("Seed", exact=True).fill("")
    page.keyboard.press("Tab")
    expect(changed).to_be_hidden()


def test_another_services_settings_come_with_what_is_changed_among_them(page, studio, signed_in):
    open_form(page, studio, "kie-kling-3-0-text2vid")

    page.get_by_label("Service").select_option("kie-veo3-fast")

    expect(page.locator("#settings")).to_have_attribute("data-service", "kie-veo3-fast")
    expect(page.locator("#more-changed")).to_have_count(1)


# --- Enter ----------------------------------------------------------------------------------


def test_enter_in_a_field_ends_what_is_typed_and_sends_nothing(page, studio, signed_in):
    open_form(page, studio, "kie-seedance-2-0-text2vid")
    page.get_by_label("Prompt", exact=True).fill("a kite")
    price = page.locator("#price").inner_text()
    length = page.locator("#id_duration")
    length.fill("15")

    length.press("Enter")

    expect(page.locator("#price")).not_to_have_text(price)
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(length).to_be_focused()
    assert not Video.objects.exists()


def test_without_a_script_enter_shows_the_price_and_sends_nothing(browser, studio, page, signed_in):
    context = browser.new_context(
        java_script_enabled=False, storage_state=page.context.storage_state()
    )
    plain = context.new_page()
    plain.goto(f"{studio.url}/generate/?provider=kie-seedance-2-0-text2vid")
    plain.get_by_label("Prompt", exact=True).fill("a kite")
    before = plain.locator("#price").inner_text()
    plain.locator("#id_duration").fill("15")

    plain.locator("#id_duration").press("Enter")

    expect(plain.locator("#price")).not_to_have_text(before)
    expect(plain.get_by_label("Prompt", exact=True)).to_have_value("a kite")
    assert not Video.objects.exists()
    context.close()
