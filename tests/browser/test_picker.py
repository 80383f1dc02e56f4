"""Comparing services in the browser: open, filter, move, choose, close."""

import pytest

from tests.browser.conftest import assert_nothing_to_find
from tests.conftest import kept_input

pytestmark = pytest.mark.browser

SERVICE = "#id_provider"
FILTER = "#picker-filter"


def open_list(page, studio, query=""):
    page.goto(f"{studio.url}/generate/{query}")
    page.get_by_role("link", name="Compare").click()
    page.locator("#services[open]").wait_for()
    return page.locator("#services")


def shown(dialog):
    """The names of the services in sight, top to bottom."""
    rows = dialog.locator("section:not([hidden]) li:not([hidden]) .service-name")
    return [name.removesuffix(" chosen") for name in rows.all_inner_texts()]


def focused(page):
    return page.evaluate(
        "document.activeElement.querySelector('.service-name')?.textContent.trim()"
    )


def test_a_service_is_found_and_chosen_by_keyboard_alone(page, studio, signed_in):
    page.goto(f"{studio.url}/generate/")
    page.get_by_label("Prompt", exact=True).fill("a red kite")
    page.get_by_role("link", name="Compare").focus()
    page.keyboard.press("Enter")
    dialog = page.locator("#services[open]")
    dialog.wait_for()

    page.keyboard.type("hailuo 02 pro")
    assert shown(dialog) == ["Hailuo 02 Pro"]
    page.keyboard.press("Enter")

    page.locator("#settings[data-service=kie-hailuo-02-pro-text2vid]").wait_for()
    assert not page.locator("#services[open]").count()
    assert page.locator(SERVICE).input_value() == "kie-hailuo-02-pro-text2vid"
    assert page.get_by_label("Prompt", exact=True).input_value() == "a red kite"
    assert page.evaluate("document.activeElement.id") == "id_provider"


def test_arrows_walk_through_the_list_and_typing_goes_on_filtering(page, studio, signed_in):
    dialog = open_list(page, studio)
    page.locator(FILTER).fill("kling")
    names = shown(dialog)

    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    second = focused(page)
    page.keyboard.press("End")
    last = focused(page)
    page.keyboard.press("ArrowDown")
    still = focused(page)
    page.keyboard.press("Home")
    page.keyboard.press("ArrowUp")
    page.keyboard.type(" 2.6")

    assert (second, last, still) == (names[1], names[-1], names[-1])
    assert page.locator(FILTER).input_value() == "kling 2.6"
    assert shown(dialog) == ["Kling 2.6"]
    page.keyboard.press("ArrowDown")
    page.keyboard.type("x")
    assert page.locator(FILTER).input_value() == "kling 2.6x"
    assert "No service has all these words." in dialog.inner_text()


def test_escape_the_cross_and_a_click_beside_it_close_the_list(page, studio, signed_in):
    open_list(page, studio)
    page.locator(FILTER).fill("veo")
    page.keyboard.press("Escape")
    assert not page.locator("#services[open]").count()
    assert page.evaluate("document.activeElement.id") == "compare"

    for close in (
        lambda: page.get_by_role("button", name="Close").click(),
        lambda: page.mouse.click(4, 4),
    ):
        page.get_by_role("link", name="Compare").click()
        page.locator("#services[open]").wait_for()
        close()
        assert not page.locator("#services[open]").count()


def test_the_tabs_show_a_purpose_each_and_count_what_the_filter_finds(page, studio, signed_in):
    dialog = open_list(page, studio)
    page.locator(FILTER).fill("infinitetalk")

    assert "Nothing here has all these words. Look under Speech." in dialog.inner_text()
    dialog.get_by_role("link", name="Speech 1").click()

    assert shown(dialog) == ["InfiniteTalk"]
    dialog.get_by_role("link", name="InfiniteTalk").click()
    page.locator("#settings[data-service=kie-infinitalk-lipsync]").wait_for()


def test_with_a_picture_in_the_form_only_what_takes_it_can_be_chosen(page, studio, signed_in):
    file = kept_input(signed_in)
    dialog = open_list(page, studio, f"?provider=kie-veo3-fast&kept_image={file.pk}")

    tabs = dialog.locator(".purposes")
    assert tabs.get_by_role("link", name="Picture").get_attribute("aria-current") == "true"
    assert "chosen" in dialog.locator(".service[aria-current]:visible").inner_text()
    tabs.get_by_role("link", name="Text").click()
    page.locator(FILTER).fill("hailuo 02")
    row = dialog.locator("section:not([hidden]) .service", has_text="Hailuo 02").first
    row.click(force=True)

    assert row.get_attribute("aria-disabled") == "true"
    assert "Takes no picture" in row.inner_text()
    assert page.locator("#services[open]").count()
    page.keyboard.press("Enter")
    assert page.locator(SERVICE).input_value() == "kie-veo3-fast"


def test_a_service_is_chosen_without_a_script(browser, studio, page, signed_in):
    context = browser.new_context(
        java_script_enabled=False, storage_state=page.context.storage_state()
    )
    plain = context.new_page()
    plain.goto(f"{studio.url}/generate/")

    plain.get_by_role("link", name="Compare").click()
    plain.locator("h1", has_text="Compare services").wait_for()
    plain.locator("#services-lipsync").get_by_role("link", name="InfiniteTalk").click()

    assert plain.locator(SERVICE).input_value() == "kie-infinitalk-lipsync"
    context.close()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_the_open_list_and_its_page_pass_the_examination(page, studio, signed_in, width):
    file = kept_input(signed_in)
    page.set_viewport_size({"width": width, "height": 800})

    open_list(page, studio, f"?provider=kie-veo3-fast&kept_image={file.pk}")
    assert_nothing_to_find(page)
    page.goto(f"{studio.url}/generate/services/?kept_image={file.pk}")
    assert_nothing_to_find(page)
