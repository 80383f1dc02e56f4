"""Earlier prompts, presets and drafts, as people use them."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.utils.timezone import now
from playwright.sync_api import expect

from gallery.models import Video
from generation.models import Preset
from generation.presets import save_preset
from tests.browser.conftest import assert_nothing_to_find, generate, sign_in
from tests.conftest import PASSWORD, picture_bytes
from videostudio.models import User

pytestmark = pytest.mark.browser

PICTURE = {"name": "kite.png", "mimeType": "image/png", "buffer": picture_bytes(640, 360)}
DRAFTS = "() => [...Object.keys(localStorage), ...Object.keys(sessionStorage)].filter(isDraft)"
DRAFTS = DRAFTS.replace("isDraft", "key => key.startsWith('draft:')")


@pytest.fixture
def said(signed_in, make_failed):
    """Alice has asked for videos with these prompts, the newest first."""

    def make(*prompts):
        for number, prompt in enumerate(prompts):
            created = now() - timedelta(minutes=number)
            make_failed(user=signed_in, prompt=prompt, created_at=created)

    return make


def prompt_of(page):
    return page.get_by_label("Prompt", exact=True)


def open_form(page, studio, query=""):
    page.goto(f"{studio.url}/generate/{query}")
    page.wait_for_load_state("networkidle")
    return prompt_of(page)


def open_history(page):
    page.get_by_role("link", name="History").click()
    page.get_by_role("dialog").wait_for()
    return page.get_by_role("dialog").get_by_role("searchbox")


def open_presets(page, choose, role="link"):
    page.locator("#presets summary").click()
    page.locator("#presets").get_by_role(role, name=choose).click()
    page.get_by_role("dialog").wait_for()
    return page.get_by_role("dialog")


# --- A walk through earlier prompts -------------------------------------------------------------


def test_alt_and_the_arrows_walk_through_earlier_prompts_and_back(page, studio, said):
    said("a fox", "a kite", "a fox", "a boat")
    prompt = open_form(page, studio)
    prompt.fill("half a thought")

    way = [("Up", "a fox"), ("Up", "a kite"), ("Up", "a boat"), ("Up", "a boat")]
    way += [("Down", "a kite"), ("Down", "a fox"), ("Down", "half a thought")]
    for key, shown in way:
        prompt.press(f"Alt+Arrow{key}")
        expect(prompt).to_have_value(shown)
    prompt.press("Alt+ArrowDown")
    page.wait_for_timeout(150)

    expect(prompt).to_have_value("half a thought")


def test_what_was_changed_on_the_way_stays_where_it_was_changed(page, studio, said):
    said("a fox", "a kite")
    prompt = open_form(page, studio)
    prompt.press("Alt+ArrowUp")
    expect(prompt).to_have_value("a fox")
    prompt.press("End")
    prompt.type(" at dusk")

    prompt.press("Alt+ArrowUp")
    expect(prompt).to_have_value("a kite")
    prompt.press("Alt+ArrowDown")

    expect(prompt).to_have_value("a fox at dusk")


def test_the_walk_goes_on_past_the_first_page_and_passes_over_what_stands_there(page, studio, said):
    said(*(f"prompt {number}" for number in range(35)))
    prompt = open_form(page, studio)
    prompt.fill("prompt 0")

    for number in range(1, 35):
        prompt.press("Alt+ArrowUp")
        expect(prompt).to_have_value(f"prompt {number}")
    prompt.press("Alt+ArrowUp")

    expect(page.get_by_text("No older one")).to_be_visible()


def test_shortcuts_rest_while_a_character_is_being_composed(page, studio, said):
    said("a fox")
    prompt = open_form(page, studio)
    prompt.fill("に")
    compose = """(prompt, options) => prompt.dispatchEvent(
        new KeyboardEvent("keydown", { ...options, isComposing: true, bubbles: true }))"""

    prompt.evaluate(compose, {"key": "ArrowUp", "altKey": True})
    prompt.evaluate(compose, {"key": "Enter", "ctrlKey": True})
    page.wait_for_timeout(500)

    expect(prompt).to_have_value("に")
    assert Video.objects.count() == 1


def test_the_browsers_own_undo_takes_a_step_back(page, studio, said):
    said("a fox")
    prompt = open_form(page, studio)
    prompt.type("half a thought")
    prompt.press("Alt+ArrowUp")
    expect(prompt).to_have_value("a fox")

    prompt.press("Control+z")

    expect(prompt).to_have_value("half a thought")


def test_a_prompt_of_a_thousand_lines_is_there_at_once(page, studio, said):
    long = "a line of it\n" * 1000 + "the end"
    said(long)
    prompt = open_form(page, studio)

    prompt.press("Alt+ArrowUp")

    expect(prompt).to_have_value(long, timeout=3000)


# --- History with search ------------------------------------------------------------------------


def test_a_prompt_is_found_by_its_words_with_the_keyboard_alone(page, studio, said):
    said("a red kite", "a fox\nin the snow", "a blue kite")
    prompt = open_form(page, studio)
    prompt.fill("half a thought")

    page.get_by_role("link", name="History").press("Enter")
    search = page.get_by_role("searchbox")
    expect(search).to_be_focused()
    page.keyboard.type("snow fox")
    expect(page.get_by_text("1 with these words")).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")

    expect(prompt).to_have_value("a fox\nin the snow")
    expect(prompt).to_be_focused()
    page.keyboard.press("Alt+ArrowDown")
    expect(prompt).to_have_value("half a thought")


def test_enter_in_the_search_chooses_the_first_once_it_is_answered(page, studio, said):
    said("a red kite", "a fox in the snow")
    prompt = open_form(page, studio)
    search = open_history(page)

    search.type("snow")
    search.press("Enter")
    expect(page.locator("#past-prompts li")).to_have_count(1)
    search.press("Enter")

    expect(prompt).to_have_value("a fox in the snow")


def test_a_prompt_that_was_replaced_can_be_had_back(page, studio, said):
    said("a fox")
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    open_history(page)
    page.get_by_role("dialog").get_by_role("link", name=re.compile("^a fox")).click()
    expect(prompt).to_have_value("a fox")

    page.get_by_role("button", name="Undo").click()

    expect(prompt).to_have_value("half a thought")


@pytest.mark.parametrize("typed", ["", "kite"])
def test_escape_closes_and_gives_the_focus_back(page, studio, said, typed):
    said("a red kite")
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    open_history(page).type(typed)

    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="History")).to_be_focused()
    expect(prompt).to_have_value("half a thought")


def test_an_answer_that_comes_after_the_dialog_has_closed_goes_nowhere(page, studio, said):
    said("a red kite")
    open_form(page, studio)
    search = open_history(page)
    page.route("**/history/?q=*", lambda route: page.wait_for_timeout(700) or route.continue_())

    with page.expect_request("**/history/?q=*"):
        search.type("kite")
    page.keyboard.press("Escape")
    page.wait_for_timeout(1000)

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="History")).to_be_focused()


def test_pressing_beside_the_dialog_closes_it_and_selecting_past_its_edge_does_not(
    page, studio, said
):
    said("a red kite")
    open_form(page, studio)
    search = open_history(page)
    search.fill("kite")
    box = search.bounding_box()

    page.mouse.move(box["x"] + 40, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(5, box["y"] + 10)
    page.mouse.up()
    expect(page.get_by_role("dialog")).to_be_visible()
    page.mouse.click(5, 5)

    expect(page.get_by_role("dialog")).to_have_count(0)


def test_older_prompts_follow_and_the_arrows_go_on_into_them(page, studio, said):
    said(*(f"prompt {number:02}" for number in range(33)))
    open_form(page, studio)
    search = open_history(page)
    search.press("ArrowDown")
    expect(page.locator("[data-prompt='prompt 00']")).to_be_focused()

    page.get_by_role("link", name="Show older").click()

    expect(page.locator("[data-prompt='prompt 30']")).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(page.locator("[data-prompt='prompt 31']")).to_be_focused()
    page.keyboard.press("7")
    expect(search).to_be_focused()


def test_all_settings_of_an_earlier_video_can_be_used(page, studio, signed_in, make_failed):
    make_failed(user=signed_in, prompt="a fox", parameters={"duration": "10"})
    open_form(page, studio)
    open_history(page)

    page.get_by_role("link", name="Use all settings of: a fox").click()

    expect(prompt_of(page)).to_have_value("a fox")
    expect(page.get_by_label("10 s")).to_be_checked()


# --- Presets ------------------------------------------------------------------------------------


def test_a_form_is_saved_applied_renamed_and_deleted(page, studio, signed_in):
    prompt = open_form(page, studio, "?provider=kie-hailuo-text2vid")
    prompt.fill("a red kite")
    page.get_by_label("10 s").check()

    dialog = open_presets(page, "Save as preset…", "button")
    expect(dialog.get_by_label("Name", exact=True)).to_be_focused()
    page.keyboard.type("Kite")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Saved as “Kite”.")).to_be_visible()
    expect(prompt).to_have_value("a red kite")
    expect(page.locator("#presets summary")).to_be_focused()

    open_form(page, studio)
    page.locator("#presets summary").click()
    page.locator("#presets").get_by_role("link", name="Kite").click()
    expect(prompt).to_have_value("a red kite")
    expect(page.get_by_label("10 s")).to_be_checked()

    dialog = open_presets(page, "Rename or delete…")
    dialog.get_by_role("link", name="Rename Kite").click()
    dialog.get_by_label("Name", exact=True).fill("Dune")
    dialog.get_by_role("button", name="Rename").click()
    dialog.get_by_role("link", name="Delete Dune").click()
    expect(dialog.get_by_role("link", name="Keep it")).to_be_focused()
    dialog.get_by_role("button", name="Delete").click()
    expect(dialog.get_by_text("“Dune” is deleted.")).to_be_visible()
    page.keyboard.press("Escape")

    page.locator("#presets summary").click()
    expect(page.locator("#presets")).to_contain_text("keeps the whole form under a name")
    assert not Preset.objects.exists()


def test_a_name_that_is_taken_is_replaced_only_when_that_is_wanted(page, studio, signed_in):
    save_preset(user=signed_in, name="Kite", values={"provider": "x", "prompt": "the old one"})
    open_form(page, studio).fill("the new one")
    dialog = open_presets(page, "Save as preset…", "button")

    dialog.get_by_label("Name", exact=True).fill("Kite")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_text("a preset named “Kite” already")).to_be_visible()
    assert Preset.objects.get().values["prompt"] == "the old one"
    dialog.get_by_role("button", name="Replace “Kite”").click()

    expect(page.get_by_text("Saved as “Kite”.")).to_be_visible()
    assert Preset.objects.get().values["prompt"] == "the new one"


def test_a_preset_brings_its_files_back(page, studio, signed_in):
    open_form(page, studio, "?provider=kie-hailuo-img2vid").fill("it moves")
    page.locator("input[name=image]").set_input_files(PICTURE)
    expect(page.locator(".tile:not(.is-coming)", has_text="kite.png")).to_be_visible()

    dialog = open_presets(page, "Save as preset…", "button")
    dialog.get_by_label("Name", exact=True).fill("Moves")
    dialog.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved as “Moves”.")).to_be_visible()
    open_form(page, studio, f"?preset={Preset.objects.get().pk}")

    expect(page.locator(".tile:not(.is-coming)", has_text="kite.png")).to_be_visible()
    assert Preset.objects.get().files.count() == 1


def test_a_dialog_of_somebody_signed_out_meanwhile_leads_to_signing_in(page, studio, signed_in):
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    forget_session(page)

    page.get_by_role("link", name="History").click()
    page.wait_for_url(re.compile("/accounts/login/"))
    sign_in_here(page)

    expect(prompt_of(page)).to_have_value("half a thought")


# --- Drafts -------------------------------------------------------------------------------------


def forget_session(page):
    page.context.clear_cookies(name=settings.SESSION_COOKIE_NAME)


def sign_in_here(page, name="alice"):
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(re.compile("/generate/"))


def test_a_whole_form_survives_a_reload(page, studio, signed_in):
    prompt = open_form(page, studio, "?provider=kie-hailuo-text2vid")
    prompt.fill("a red kite\nover the dunes")
    page.get_by_label("10 s").check()

    page.reload()

    expect(page.get_by_text("Draft restored")).to_be_visible()
    expect(prompt).to_have_value("a red kite\nover the dunes")
    expect(page.get_by_label("Service")).to_have_value("kie-hailuo-text2vid")
    expect(page.get_by_label("10 s")).to_be_checked()
    expect(page.locator("#price-tag")).to_contain_text("$0.25")


def test_a_file_that_was_handed_in_is_part_of_the_draft(page, studio, signed_in):
    open_form(page, studio, "?provider=kie-hailuo-img2vid")
    prompt_of(page).fill("it begins to move")
    page.locator("input[name=image]").set_input_files(PICTURE)
    expect(page.locator(".tile:not(.is-coming)", has_text="kite.png")).to_be_visible()
    page.wait_for_load_state("networkidle")

    page.reload()
    expect(page.get_by_text("Draft restored")).to_be_visible()
    expect(page.locator(".tile:not(.is-coming)", has_text="kite.png")).to_be_visible()
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Video generation started!").wait_for()

    assert Video.objects.get().inputs.count() == 1


def test_what_is_typed_while_the_draft_comes_back_is_not_lost(page, studio, signed_in):
    prompt = open_form(page, studio)
    prompt.fill("a red kite")
    page.route("**/generate/", lambda route: page.wait_for_timeout(300) or route.continue_())

    page.reload()
    prompt.type(" over the dunes")

    expect(page.locator("form#generate-form.htmx-request")).to_have_count(0)
    page.wait_for_load_state("networkidle")
    expect(prompt).to_have_value("a red kite over the dunes")
    expect(prompt).to_be_focused()


def test_an_untouched_form_is_no_draft(page, studio, signed_in):
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    prompt.fill("")

    page.reload()
    page.wait_for_load_state("networkidle")

    expect(page.get_by_text("Draft restored")).to_have_count(0)
    assert page.evaluate(DRAFTS) == []


def test_a_draft_is_discarded_and_had_back(page, studio, signed_in):
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    page.reload()

    page.get_by_role("button", name="Discard").click()
    expect(prompt).to_have_value("")
    expect(page.get_by_text("Draft restored")).to_have_count(0)
    page.get_by_role("button", name="Undo").click()

    expect(prompt).to_have_value("half a thought")


def test_a_draft_is_discarded_while_it_is_still_coming_back(page, studio, signed_in):
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    page.route("**/generate/", lambda route: page.wait_for_timeout(500) or route.continue_())
    page.reload()

    page.get_by_role("button", name="Discard").click()

    expect(page.get_by_text("Draft discarded")).to_be_visible()
    expect(prompt).to_have_value("")
    assert page.evaluate(DRAFTS) == []


def test_a_studio_that_is_not_reached_leaves_the_draft_where_it_is(page, studio, signed_in):
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    page.route("**/generate/", lambda r: r.abort() if r.request.method == "POST" else r.continue_())
    page.reload()
    expect(page.get_by_text("could not be reached")).to_be_visible()
    page.troubles.clear()

    expect(prompt).to_have_value("half a thought")
    expect(page.get_by_role("button", name="Generate video")).to_be_enabled()
    assert page.evaluate(DRAFTS) != []


def test_a_video_that_has_started_leaves_no_draft(page, studio, signed_in):
    generate(page, studio, "a red kite")

    expect(page.get_by_text("Video generation started!")).to_be_visible()
    assert page.evaluate(DRAFTS) == []
    open_form(page, studio)
    expect(prompt_of(page)).to_have_value("")


def test_a_refusal_leaves_the_draft(page, studio, signed_in):
    prompt = open_form(page, studio, "?provider=kie-hailuo-text2vid")
    prompt.fill("sandbox:402 a red kite")
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_role("alert").first).to_contain_text("balance is too low")

    page.reload()

    expect(prompt).to_have_value("sandbox:402 a red kite")


def test_signing_out_leaves_no_draft(page, studio, signed_in):
    open_form(page, studio).fill("a secret")
    assert page.evaluate(DRAFTS) != []

    page.locator("#account summary").click()
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(re.compile("/accounts/login/"))

    assert page.evaluate(DRAFTS) == []


def test_another_person_at_the_same_browser_sees_no_draft(page, studio, signed_in):
    User.objects.create_user("bob", "bob@example.com", PASSWORD)
    open_form(page, studio).fill("a secret")
    forget_session(page)

    page.reload()
    sign_in_here(page, "bob")
    page.wait_for_load_state("networkidle")

    expect(prompt_of(page)).to_have_value("")


@pytest.mark.parametrize("query", ["", "?provider=kie-hailuo-text2vid"])
def test_a_sign_in_that_expired_costs_nothing_that_was_typed(page, studio, signed_in, query):
    open_form(page, studio, query)
    if not query:
        page.get_by_label("Service").select_option("kie-hailuo-text2vid")
    page.get_by_label("10 s").check()
    prompt_of(page).fill("a red kite")
    expect(page.locator("#price-tag")).to_contain_text("$0.25")
    forget_session(page)

    page.get_by_role("button", name="Generate video").click()
    page.wait_for_url(re.compile("/accounts/login/"))
    sign_in_here(page)

    expect(page.get_by_text("Draft restored")).to_be_visible()
    expect(page.get_by_label("10 s")).to_be_checked()
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Video generation started!").wait_for()
    assert (Video.objects.get().prompt, Video.objects.get().duration) == ("a red kite", 10)


def test_a_click_whose_answer_was_lost_is_not_charged_again_after_a_reload(page, studio, signed_in):
    open_form(page, studio, "?provider=kie-hailuo-text2vid").fill("only once")

    def lose(route):
        route.fetch()
        route.abort()

    page.route("**/generate/", lose, times=1)
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("could not be reached").wait_for()
    page.troubles.clear()
    page.reload()
    expect(page.get_by_text("Draft restored")).to_be_visible()
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Video generation started!").wait_for()

    assert Video.objects.count() == 1
    assert len(studio.sandbox.tasks()) == 1


def test_each_tab_gets_its_own_draft_back(page, studio, signed_in):
    first = open_form(page, studio)
    first.fill("in the first tab")
    other = page.context.new_page()
    second = open_form(other, studio)

    page.goto(studio.url)
    second.fill("in the second tab")
    open_form(page, studio)
    other.reload()

    expect(first).to_have_value("in the first tab")
    expect(second).to_have_value("in the second tab")


def test_a_draft_outlives_its_tab(page, studio, signed_in):
    open_form(page, studio).fill("half a thought")
    other = page.context.new_page()
    page.close()

    open_form(other, studio)

    expect(prompt_of(other)).to_have_value("half a thought")


def test_a_form_filled_in_from_elsewhere_offers_the_draft_instead(page, studio, said):
    said("a fox")
    prompt = open_form(page, studio)
    prompt.fill("half a thought")

    open_form(page, studio, f"?from={Video.objects.get().pk}")
    expect(prompt).to_have_value("a fox")
    page.get_by_role("button", name="Restore it").click()

    expect(prompt).to_have_value("half a thought")


def test_what_was_changed_in_a_form_filled_in_from_elsewhere_survives_a_reload(page, studio, said):
    said("a fox")
    prompt = open_form(page, studio, f"?from={Video.objects.get().pk}")
    prompt.fill("a fox at dusk")

    page.reload()

    expect(prompt).to_have_value("a fox at dusk")


def test_what_was_typed_before_a_walk_survives_a_reload_too(page, studio, said):
    said("a fox")
    prompt = open_form(page, studio)
    prompt.fill("half a thought")
    prompt.press("Alt+ArrowUp")
    expect(prompt).to_have_value("a fox")

    page.reload()
    expect(page.get_by_text("Draft restored")).to_be_visible()
    page.wait_for_load_state("networkidle")
    prompt.press("Alt+ArrowDown")

    expect(prompt).to_have_value("half a thought")


# --- Without JavaScript, and for everybody ------------------------------------------------------


def test_history_and_presets_work_without_javascript(browser, studio, alice, make_failed):
    make_failed(user=alice, prompt="a fox in the snow", parameters={"duration": "10"})
    make_failed(user=alice, prompt="a red kite")
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.set_default_timeout(10_000)
    sign_in(page, studio, alice)

    page.goto(f"{studio.url}/generate/")
    page.get_by_role("link", name="History").click()
    page.get_by_role("searchbox").fill("snow")
    page.get_by_role("button", name="Search").click()
    expect(page.locator(".past li")).to_have_count(1)
    page.get_by_role("link", name=re.compile("^a fox in the snow")).click()
    expect(prompt_of(page)).to_have_value("a fox in the snow")
    expect(page.get_by_label("10 s")).to_be_checked()

    page.locator("#presets summary").click()
    page.get_by_role("button", name="Save as preset…").click()
    page.get_by_role("button", name="Back to the form").click()
    expect(page.get_by_label("10 s")).to_be_checked()
    page.locator("#presets summary").click()
    page.get_by_role("button", name="Save as preset…").click()
    page.get_by_label("Name", exact=True).fill("Fox")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Saved as “Fox”.")).to_be_visible()
    expect(prompt_of(page)).to_have_value("a fox in the snow")

    page.locator("#presets summary").click()
    page.get_by_role("link", name="Rename or delete…").click()
    page.get_by_role("link", name="Delete Fox").click()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("“Fox” is deleted.")).to_be_visible()
    assert not Preset.objects.exists()
    context.close()


@pytest.mark.parametrize("width", [360, 768, 1440])
def test_axe_finds_nothing_in_any_dialog(page, studio, said, signed_in, width):
    said(*(f"prompt {number}" for number in range(32)), "end" * 80)
    name = "A very long name for a preset that goes on and on and does not end"
    gone = {"provider": "kie-sora-2-pro-text2vid", "prompt": "old"}
    preset = save_preset(user=signed_in, name=name, values=gone)
    page.set_viewport_size({"width": width, "height": 740})

    open_form(page, studio).fill("half a thought")
    page.locator("#presets summary").click()
    assert_nothing_to_find(page)
    page.locator("#presets").get_by_role("button").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill(name)
    dialog.get_by_role("button", name="Save").click()
    dialog.get_by_text("already").wait_for()
    assert_nothing_to_find(page)
    page.keyboard.press("Escape")
    open_presets(page, "Rename or delete…")
    assert_nothing_to_find(page)
    dialog.get_by_role("link", name="Rename").click()
    dialog.get_by_role("heading", name="Rename preset").wait_for()
    assert_nothing_to_find(page)
    dialog.get_by_role("link", name="Back").click()
    dialog.get_by_role("link", name="Delete").click()
    dialog.get_by_role("heading", name="Delete this preset?").wait_for()
    assert_nothing_to_find(page)
    page.keyboard.press("Escape")
    search = open_history(page)
    assert_nothing_to_find(page)
    search.fill("nothing like it")
    page.get_by_text("None of your prompts").wait_for()
    assert_nothing_to_find(page)
    page.keyboard.press("Escape")
    for path in (f"generate/?preset={preset.pk}", "generate/history/", "generate/presets/"):
        page.goto(f"{studio.url}/{path}")
        assert_nothing_to_find(page)
