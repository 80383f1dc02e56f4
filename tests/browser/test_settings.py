"""The settings of a service as somebody tries them out: what stays, what follows, what is said."""

import pytest
from playwright.sync_api import expect

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
