"""What videos are made from: chosen, dropped, pasted, taken from the library, removed again."""

import base64
import re

import pytest
from playwright.sync_api import expect

from gallery.models import InputFile, Status, Video
from tests.browser.conftest import assert_nothing_to_find, card, sign_in
from tests.conftest import (
    kept_input,
    make_clip,
    pdf_bytes,
    picture_bytes,
    running_sandbox,
    sound_bytes,
)

pytestmark = pytest.mark.browser

STARTED = "Video generation started! Check the Gallery tab to see progress."


@pytest.fixture(scope="session")
def clip_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    return make_clip(folder / "clip.mp4", seconds=4, size=(640, 360), fps=6)


@pytest.fixture
def sandbox(tmp_path, settings, clip_path):
    """A KIE.AI whose videos are all rendered already."""
    with running_sandbox(tmp_path / "sandbox", settings, clip=clip_path) as server:
        yield server


def picture(name="kite.png", width=640, height=360):
    return {"name": name, "mimeType": "image/png", "buffer": picture_bytes(width, height)}


def sound(name="wind.wav"):
    return {"name": name, "mimeType": "audio/wav", "buffer": sound_bytes(4)}


def clip(path):
    return {"name": "clip.mp4", "mimeType": "video/mp4", "buffer": path.read_bytes()}


def document(name="kites.pdf", kind="application/pdf", content=None):
    content = pdf_bytes(2) if content is None else content
    return {"name": name, "mimeType": kind, "buffer": content}


def open_form(page, studio, provider):
    page.goto(f"{studio.url}/generate/?provider={provider}")


def slot(page, name):
    return page.locator(f"#slot-{name}")


def tiles(page, name):
    """The files that have arrived in this slot, after the settings have followed."""
    return slot(page, name).locator(".tile:not(.is-coming)")


def choose(page, name, *files):
    """By the file dialog; returns when they have arrived and the settings have followed."""
    with page.expect_response(lambda answer: "follow=1" in answer.url and answer.ok):
        page.locator(f"input[type=file][name={name}]").set_input_files(list(files))
    busy = ".htmx-request, .htmx-swapping, .htmx-settling"
    page.wait_for_function("busy => !document.querySelector(busy)", arg=busy)


# As a person drops or pastes: a DataTransfer full of files, made in the page.
GIVE = """([selector, kind, files]) => {
  const transfer = new DataTransfer();
  for (const { name, mimeType, base64 } of files) {
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name, { type: mimeType }));
  }
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
    : new DragEvent("drop", { ...options, dataTransfer: transfer });
  document.querySelector(selector).dispatchEvent(event);
}"""


def give(page, kind, selector, *files):
    given = [
        {
            "name": file["name"],
            "mimeType": file["mimeType"],
            "base64": base64.b64encode(file["buffer"]).decode(),
        }
        for file in files
    ]
    with page.expect_response(lambda answer: "follow=1" in answer.url and answer.ok):
        page.evaluate(GIVE, [selector, kind, given])


def start(page, prompt):
    """Press the button; the video it has made."""
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text(STARTED).wait_for()
    return Video.objects.newest_first().first()


def expect_it_to_play(page, studio, video):
    """It ends as a card in the gallery that plays."""
    page.goto(studio.url)
    expect(card(page, video.pk)).to_have_attribute("data-status", "processing")
    studio.finish()
    expect(card(page, video.pk)).to_have_attribute("data-status", "completed")
    player = card(page, video.pk).locator("video")
    player.evaluate("video => video.play()")
    page.wait_for_function(
        "id => document.getElementById(id).currentTime > 0.2", arg=player.get_attribute("id")
    )


def sent(studio):
    """What KIE.AI was asked for last."""
    body = studio.sandbox.tasks()[-1].body
    return body.get("input", body)


# --- Five models of five makers -------------------------------------------------------------


def test_veo_with_a_picture_for_reference(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    give(page, "drop", "#slot-reference_images .drop", picture())
    expect(tiles(page, "reference_images")).to_have_count(1)
    # With references Veo makes eight seconds and no others.
    expect(page.locator("#setting-duration label")).to_have_text(["8 s"])

    video = start(page, "the kite of the picture")

    assert (video.generation_type, video.model) == ("ref2vid", "veo3_fast")
    assert sent(studio)["generationType"] == "REFERENCE_2_VIDEO"
    assert len(sent(studio)["imageUrls"]) == 1
    expect_it_to_play(page, studio, video)


def test_hailuo_from_a_first_frame_to_a_last_one(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-img2vid")
    choose(page, "image", picture("first.png"))
    choose(page, "last_image", picture("last.png", 360, 640))
    expect(tiles(page, "image")).to_contain_text("first.png")
    expect(tiles(page, "last_image")).to_contain_text("last.png")

    video = start(page, "from the one to the other")

    assert [given.field for given in video.inputs.all()] == ["end_image_url", "image_url"]
    assert {"image_url", "end_image_url"} <= sent(studio).keys()
    expect_it_to_play(page, studio, video)


def test_kling_in_shots_of_ones_own(page, studio, signed_in):
    open_form(page, studio, "kie-kling-3-0-text2vid")
    page.get_by_label("Several shots").check()
    for number, (words, seconds) in enumerate([("It rains.", 2), ("The sun comes out.", 3)], 1):
        page.get_by_label(f"What happens, {number}", exact=True).fill(words)
        page.get_by_label(f"Seconds, {number}", exact=True).fill(str(seconds))

    video = start(page, "a day at sea")

    shots = [
        {"prompt": "It rains.", "duration": 2},
        {"prompt": "The sun comes out.", "duration": 3},
    ]
    assert video.parameters["shots"] == shots
    assert (sent(studio)["multi_shots"], sent(studio)["multi_prompt"]) == (True, shots)
    expect_it_to_play(page, studio, video)


def test_seedance_after_a_clip(page, studio, signed_in, clip_path):
    open_form(page, studio, "kie-seedance-2-0-ref2vid")
    without = page.locator("#price").inner_text()
    choose(page, "reference_videos", clip(clip_path))
    expect(tiles(page, "reference_videos")).to_contain_text("640 × 360 · 4.0 s")
    # The clip's seconds are charged as well, at another rate.
    expect(page.locator("#price")).not_to_have_text(without)

    video = start(page, "the same, in the rain")

    assert video.inputs.get().kind == "video"
    assert len(sent(studio)["reference_video_urls"]) == 1
    expect_it_to_play(page, studio, video)


def test_wan_to_a_recording(page, studio, signed_in):
    open_form(page, studio, "kie-wan-2-7-text2vid")
    give(page, "paste", "#id_prompt", sound())
    expect(tiles(page, "audio")).to_contain_text("wind.wav")

    video = start(page, "she sings what is played")

    assert video.inputs.get().media_type == "audio/wav"
    assert sent(studio)["audio_url"].endswith(".wav")
    expect_it_to_play(page, studio, video)


def test_wan_of_a_document(page, studio, signed_in):
    open_form(page, studio, "kie-wan-3-0-text2vid")
    page.get_by_label("480P").check()

    give(page, "drop", "h1", document())

    expect(page.get_by_label("Service")).to_have_value("kie-wan-3-0-ref2vid")
    expect(page.locator("#toasts")).to_contain_text("Switched to “References”, which takes")
    expect(tiles(page, "document")).to_contain_text("kites.pdf2 pages · 1 KB")
    options = "[...document.querySelector('#id_provider').options]"
    possible = page.evaluate(f"{options}.filter((o) => !o.disabled).map((o) => o.value)")
    assert possible == ["kie-wan-3-0-ref2vid", "kie-wan-3-0-prime-ref2vid"]

    video = start(page, "as a film in three scenes")

    assert (video.generation_type, video.inputs.get().kind) == ("ref2vid", "document")
    assert [url.rpartition(".")[2] for url in sent(studio)["reference_file_urls"]] == ["pdf"]
    expect_it_to_play(page, studio, video)


# --- Handing in -----------------------------------------------------------------------------


def test_a_document_of_an_old_kind_says_what_to_do(page, studio, signed_in):
    open_form(page, studio, "kie-wan-3-0-ref2vid")
    old = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512)

    give(page, "drop", "h1", document("kites.doc", "application/msword", old))

    expect(slot(page, "document")).to_contain_text("Save it as PDF, please.")
    expect(tiles(page, "document")).to_have_count(0)


def test_a_document_is_known_where_the_browser_knows_no_type(page, studio, signed_in):
    open_form(page, studio, "kie-wan-3-0-ref2vid")

    give(page, "drop", "#slot-document .drop", document("kites.md", "", b"# Kites"))

    expect(tiles(page, "document")).to_contain_text("kites.md")


def test_an_earlier_document_is_chosen_from_the_library(page, studio, signed_in):
    kept_input(signed_in, "document", pdf_bytes(2), name="kites.pdf")
    open_form(page, studio, "kie-wan-3-0-ref2vid")

    page.get_by_role("button", name="Earlier files for Document").click()
    with page.expect_response(lambda answer: "follow=1" in answer.url and answer.ok):
        page.locator("#library .shelf-entry").click()

    expect(tiles(page, "document")).to_contain_text("kites.pdf")


def test_a_picture_pasted_anywhere_chooses_a_service_that_takes_it(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-text2vid")
    page.get_by_label("Prompt", exact=True).fill("kept words")
    page.get_by_label("10 s").check()

    give(page, "paste", "body", picture())

    expect(page.get_by_label("Service")).to_have_value("kie-hailuo-img2vid")
    expect(page.locator("#toasts")).to_contain_text("Switched to “Picture”, which takes this file.")
    expect(tiles(page, "image")).to_have_count(1)
    expect(page.get_by_label("10 s")).to_be_checked()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("kept words")


def test_text_is_pasted_as_text(page, studio, signed_in, context):
    open_form(page, studio, "kie-veo3-fast")
    prompt = page.get_by_label("Prompt", exact=True)
    prompt.fill("from elsewhere")
    prompt.select_text()
    page.keyboard.press("Control+X")

    page.keyboard.press("Control+V")

    expect(prompt).to_have_value("from elsewhere")


def test_files_find_the_first_place_of_their_kind_that_has_room(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-img2vid")

    give(page, "drop", "h1", picture("one.png", 640, 360), picture("two.png", 360, 640))

    expect(tiles(page, "image")).to_contain_text("one.png")
    expect(tiles(page, "last_image")).to_contain_text("two.png")


def test_a_place_takes_as_many_as_it_has_room_for(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    files = [picture(f"{n}.png", 640, 360 + n) for n in range(3)]

    choose(page, "image", *files)

    expect(tiles(page, "image")).to_have_count(2)
    expect(slot(page, "image")).to_contain_text("0.png")


def test_a_lost_connection_is_not_called_stopped(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    page.route("**/inputs/**", lambda route: route.abort("connectionreset"))

    page.locator("input[type=file][name=image]").set_input_files([picture()])

    expect(slot(page, "image")).to_contain_text("The studio could not be reached.")
    expect(slot(page, "image").locator(".tile")).to_have_count(0)
    page.troubles.clear()  # Chromium reports the lost connection


def test_an_upload_that_is_stopped_says_so(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    page.route("**/inputs/**", lambda route: None)
    page.locator("input[type=file][name=image]").set_input_files([picture()])

    page.get_by_role("button", name="Stop").click()

    expect(slot(page, "image")).to_contain_text("The upload was stopped.")
    expect(slot(page, "image").locator(".tile")).to_have_count(0)


def test_a_file_that_was_refused_while_sending_waited_keeps_the_form_from_being_sent(
    page, studio, signed_in
):
    open_form(page, studio, "kie-veo3-fast")
    held = []
    page.route("**/inputs/**", lambda route: held.append(route))
    page.get_by_label("Prompt", exact=True).fill("only with its picture")
    broken = {"name": "kite.png", "mimeType": "image/png", "buffer": b"no picture"}
    with page.expect_request("**/inputs/**"):
        page.locator("input[type=file][name=image]").set_input_files([broken])
    page.get_by_role("button", name="Generate video").click()

    with page.expect_response(lambda answer: "follow=1" in answer.url and answer.ok):
        held[0].continue_()

    expect(slot(page, "image").locator(".upload-error")).to_be_visible()
    expect(page.locator("#submit")).to_contain_text("Generate video")
    page.wait_for_timeout(500)
    assert not Video.objects.exists()


def test_what_was_wrong_with_a_file_is_forgotten_with_its_service(page, studio, signed_in):
    open_form(page, studio, "kie-seedance-2-0-ref2vid")
    choose(page, "reference_images", picture("small.png", 100, 100))
    expect(slot(page, "reference_images")).to_contain_text("at least 300 on each side")

    with page.expect_response(lambda answer: "provider=kie-veo3-fast" in answer.url):
        page.get_by_label("Service").select_option("kie-veo3-fast")

    expect(page.locator("#settings")).to_have_attribute("data-service", "kie-veo3-fast")
    page.wait_for_function("() => !document.querySelector('.htmx-request, .htmx-settling')")
    expect(page.locator(".upload-error:visible")).to_have_count(0)


def test_the_same_file_twice_is_there_once(page, studio, signed_in):
    open_form(page, studio, "kie-seedance-2-0-ref2vid")

    choose(page, "reference_images", picture("one.png"))
    choose(page, "reference_images", picture("copy.png"))

    expect(tiles(page, "reference_images")).to_have_count(1)
    assert InputFile.objects.count() == 1


def test_a_file_that_cannot_be_used_says_why_and_leaves_the_others(page, studio, signed_in):
    open_form(page, studio, "kie-seedance-2-0-ref2vid")
    choose(page, "reference_images", picture())

    choose(page, "reference_images", picture("small.png", 100, 100))

    expect(slot(page, "reference_images")).to_contain_text("at least 300 on each side")
    expect(tiles(page, "reference_images")).to_have_count(1)


def test_an_archive_is_no_file_to_start_from(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    archive = {"name": "kites.zip", "mimeType": "application/zip", "buffer": None}

    page.evaluate(GIVE, ["body", "drop", [archive | {"base64": "d29yZHM="}]])

    words = "Pictures, clips, recordings and documents are taken."
    expect(page.locator("#toasts")).to_contain_text(words)


def test_a_file_is_removed_and_the_settings_follow(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    choose(page, "reference_images", picture())
    expect(page.locator("#setting-duration label")).to_have_text(["8 s"])

    with page.expect_response(lambda answer: "follow=1" in answer.url):
        page.get_by_role("button", name="Remove kite.png").click()

    expect(tiles(page, "reference_images")).to_have_count(0)
    expect(page.locator("#setting-duration label")).to_have_text(["4 s", "6 s", "8 s"])
    # It stays in the library.
    assert InputFile.objects.count() == 1


def test_what_was_removed_is_not_sent(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    choose(page, "image", picture())
    with page.expect_response(lambda answer: "follow=1" in answer.url):
        page.get_by_role("button", name="Remove kite.png").click()

    video = start(page, "words alone")

    assert (video.generation_type, video.inputs.count()) == ("text2vid", 0)


def test_files_outlive_an_error_and_a_reload_of_the_form(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-img2vid")
    choose(page, "image", picture())

    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Describe the video you want.").wait_for()

    expect(tiles(page, "image")).to_have_count(1)
    assert start(page, "it begins to move").inputs.count() == 1


def test_services_that_do_not_take_the_files_cannot_be_chosen(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-img2vid")
    choose(page, "image", picture())

    def option(key):
        return page.locator(f'#id_provider option[value="{key}"]')

    expect(option("kie-hailuo-text2vid")).to_be_disabled()
    expect(option("kie-veo3-fast")).to_be_enabled()


def test_services_with_too_little_room_for_the_files_cannot_be_chosen(page, studio, signed_in):
    open_form(page, studio, "kie-seedance-2-0-ref2vid")
    choose(page, "reference_images", *(picture(f"{n}.png", 640 + n) for n in range(4)))

    def option(key):
        return page.locator(f'#id_provider option[value="{key}"]')

    expect(option("kie-veo3-fast")).to_be_disabled()
    expect(option("kie-gemini-omni-ref2vid")).to_be_enabled()


# --- The library ----------------------------------------------------------------------------


def open_library(page, label):
    page.get_by_role("button", name=f"Earlier files for {label}").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    return dialog


def test_an_earlier_file_is_taken_from_the_library(page, studio, signed_in):
    kept_input(signed_in, content=picture_bytes(640, 360), name="earlier.png")
    kept_input(signed_in, "audio", sound_bytes(4), name="wind.wav")
    open_form(page, studio, "kie-hailuo-img2vid")

    dialog = open_library(page, "Last frame")
    expect(dialog.locator("#library-title")).to_be_focused()
    expect(dialog).not_to_contain_text("wind.wav")
    with page.expect_response(lambda answer: "follow=1" in answer.url):
        dialog.get_by_role("button", name="earlier.png", exact=False).first.click()

    expect(dialog).to_be_hidden()
    expect(tiles(page, "last_image")).to_contain_text("earlier.png")


def test_a_full_place_keeps_its_files_and_says_that_there_is_no_room(page, studio, signed_in):
    kept_input(signed_in, content=picture_bytes(500, 500), name="earlier.png")
    open_form(page, studio, "kie-veo3-fast")
    choose(page, "image", picture("first.png", 640, 360), picture("last.png", 640, 361))

    page.get_by_role("button", name="Earlier files for First and last frame").click()

    expect(slot(page, "image")).to_contain_text("There is no room for more. Remove one first.")
    expect(page.get_by_role("dialog")).to_be_hidden()
    expect(tiles(page, "image")).to_have_count(2)


def test_a_place_that_fills_up_while_the_library_is_open_keeps_its_files(page, studio, signed_in):
    kept_input(signed_in, content=picture_bytes(500, 500), name="earlier.png")
    open_form(page, studio, "kie-veo3-fast")
    choose(page, "image", picture("first.png", 640, 360))
    dialog = open_library(page, "First and last frame")
    give(page, "paste", "#library", picture("last.png", 640, 361))

    dialog.get_by_role("button", name=re.compile("^earlier")).click()

    expect(slot(page, "image")).to_contain_text("There is no room for more. Remove one first.")
    expect(tiles(page, "image")).to_have_count(2)
    expect(tiles(page, "image").nth(0)).to_contain_text("first.png")


def test_an_earlier_file_joins_those_that_are_there(page, studio, signed_in):
    kept_input(signed_in, content=picture_bytes(500, 500), name="earlier.png")
    open_form(page, studio, "kie-veo3-fast")
    choose(page, "image", picture("first.png", 640, 360))

    dialog = open_library(page, "First and last frame")
    with page.expect_response(lambda answer: "follow=1" in answer.url):
        dialog.get_by_role("button", name=re.compile("^earlier")).click()

    expect(tiles(page, "image")).to_have_count(2)


def test_a_session_that_ends_while_the_library_is_open_leaves_the_form_as_it_is(
    page, studio, signed_in, context
):
    kept_input(signed_in, content=picture_bytes(500, 500), name="earlier.png")
    open_form(page, studio, "kie-hailuo-img2vid")
    choose(page, "image", picture("first.png"))
    dialog = open_library(page, "Picture")
    context.clear_cookies()

    dialog.get_by_role("button", name=re.compile("^earlier")).click()

    expect(slot(page, "image")).to_contain_text("This page is out of date.")
    expect(slot(page, "image").locator(".tile")).to_have_count(1)
    expect(tiles(page, "image")).to_contain_text("first.png")
    expect(page.locator("#generate-form #id_username")).to_have_count(0)


def test_an_earlier_file_that_does_not_fit_says_why(page, studio, signed_in):
    kept_input(signed_in, content=picture_bytes(100, 100), name="small.png")
    open_form(page, studio, "kie-seedance-2-0-ref2vid")

    open_library(page, "Pictures").get_by_role("button", name=re.compile("^small")).click()

    expect(slot(page, "reference_images")).to_contain_text("at least 300 on each side")
    expect(tiles(page, "reference_images")).to_have_count(0)


def test_a_file_is_taken_out_of_the_library(page, studio, signed_in):
    kept_input(signed_in, content=picture_bytes(640, 360), name="earlier.png")
    open_form(page, studio, "kie-veo3-fast")
    dialog = open_library(page, "First and last frame")

    page.once("dialog", lambda question: question.accept())
    dialog.get_by_role("button", name="Take earlier.png out of the library").click()

    expect(dialog.locator(".shelf-entry")).to_have_count(0)
    assert not InputFile.objects.exists()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_file_that_leaves_the_library_leaves_the_form_and_the_focus_stays(
    page, studio, signed_in
):
    first = kept_input(signed_in, content=picture_bytes(640, 360), name="first.png")
    kept_input(signed_in, content=picture_bytes(641, 360), name="second.png")
    page.goto(f"{studio.url}/generate/?provider=kie-veo3-fast&kept_image={first.pk}")
    expect(tiles(page, "image")).to_have_count(1)
    dialog = open_library(page, "First and last frame")
    page.once("dialog", lambda question: question.accept())

    dialog.get_by_role("button", name="Take first.png out of the library").click()

    expect(tiles(page, "image")).to_have_count(0)
    expect(dialog.get_by_role("button", name=re.compile("^second"))).to_be_focused()


# --- For everybody --------------------------------------------------------------------------


@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_with_files_in_the_form(page, studio, signed_in, clip_path, width):
    page.set_viewport_size({"width": width, "height": 800})
    open_form(page, studio, "kie-seedance-2-0-ref2vid")
    choose(page, "reference_images", picture("one.png"), picture("a" * 90 + ".png", 400, 640))
    choose(page, "reference_videos", clip(clip_path))
    choose(page, "reference_audios", sound())
    choose(page, "reference_images", picture("small.png", 100, 100))

    assert_nothing_to_find(page)
    open_library(page, "Pictures")
    assert_nothing_to_find(page)


@pytest.mark.parametrize("width", [360, 1440])
def test_axe_finds_nothing_in_rows_and_foreign_files(page, studio, signed_in, alice, width):
    page.set_viewport_size({"width": width, "height": 800})
    entry = kept_input(alice)
    page.goto(f"{studio.url}/generate/?provider=kie-kling-3-0-text2vid&kept_image={entry.pk}")
    page.get_by_label("Several shots").check()
    page.get_by_label("What happens, 1", exact=True).fill("It rains.")
    page.get_by_text("More settings").click()

    assert_nothing_to_find(page)


def test_a_file_is_chosen_and_removed_by_keyboard_alone(page, studio, signed_in):
    open_form(page, studio, "kie-hailuo-img2vid")
    choose(page, "image", picture())

    page.get_by_role("button", name="Remove kite.png").focus()
    with page.expect_response(lambda answer: "follow=1" in answer.url):
        page.keyboard.press("Enter")

    expect(tiles(page, "image")).to_have_count(0)
    expect(page.locator("input[type=file][name=image]")).to_be_focused()


def test_without_javascript_several_files_are_sent_with_the_form(browser, studio, alice):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, studio, alice)
    open_form(page, studio, "kie-hailuo-img2vid")
    page.locator("input[name=image]").set_input_files([picture("first.png")])
    page.locator("input[name=last_image]").set_input_files([picture("last.png", 360, 640)])
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_text("Describe the video you want.")).to_be_visible()
    # Both are there still, each with a box that is ticked.
    expect(page.get_by_role("checkbox", name="first.png")).to_be_checked()
    page.get_by_role("checkbox", name="last.png").uncheck()
    page.get_by_label("Prompt", exact=True).fill("plain and simple")

    page.get_by_role("button", name="Generate video").click()

    expect(page.get_by_text(STARTED)).to_be_visible()
    video = Video.objects.get()
    assert [given.field for given in video.inputs.all()] == ["image_url"]
    studio.finish()
    video.refresh_from_db()
    assert video.status == Status.COMPLETED
    context.close()


# --- Shapes, elements -----------------------------------------------------------------------


def test_a_picture_of_another_shape_is_cropped_with_one_press(page, studio, signed_in, alice):
    open_form(page, studio, "kie-veo3-fast")
    page.get_by_label("Prompt", exact=True).fill("a kite")
    choose(page, "image", picture("square.png", 600, 600))

    expect(page.locator(".misfit")).to_contain_text(
        "square.png is 1:1, and the video will be 16:9."
    )
    page.get_by_role("button", name="Crop to 16:9").click()

    expect(tiles(page, "image")).to_contain_text("600 × 338")
    expect(page.get_by_role("button", name="Use the whole picture")).to_be_visible()
    expect(page.get_by_role("button", name="Remove square.png (16:9)")).to_be_focused()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a kite")
    # Another shape, another misfit: asked for by the choice alone.
    page.get_by_label("9:16").check()
    expect(page.locator(".misfit")).to_contain_text("is 16:9, and the video will be 9:16.")


def test_an_element_is_made_of_a_clip_and_a_voice(page, studio, signed_in, clip_path):
    open_form(page, studio, "kie-kling-3-0-text2vid")
    page.get_by_text("More settings").click()
    page.get_by_label("Name, 1").fill("kite")
    page.get_by_label("What it is, 1").fill("a red one")
    page.get_by_text("Clip, voice").first.click()
    choose(page, "elements_1_clip", clip(clip_path))
    choose(page, "elements_1_voice", {**sound(), "buffer": sound_bytes(6)})
    page.get_by_label("Clip to (ms), 1").fill("3500")

    video = start(page, "@kite flies")

    assert video.parameters["elements"] == [
        {"name": "kite", "description": "a red one", "end_time": 3500}
    ]
    assert [given.kind for given in video.inputs.order_by("position")] == ["video", "audio"]
    expect_it_to_play(page, studio, video)


def test_the_last_frame_comes_home_beside_a_mov(page, studio, signed_in):
    open_form(page, studio, "kie-seedance-2-5-text2vid")
    page.get_by_text("More settings").click()
    page.get_by_label("Last frame as a picture").check()
    page.get_by_label("MOV").check()
    video = start(page, "a red kite")
    studio.finish()

    page.goto(f"{studio.url}/videos/{video.pk}/")

    more = page.get_by_role("heading", name="More from this task")
    more.wait_for()
    frame = page.get_by_role("img", name="Picture 2, which came with the video")
    frame.scroll_into_view_if_needed()
    page.wait_for_function("() => document.querySelector('.more-results img').naturalWidth > 0")
    assert frame.bounding_box()["height"] > 50


def test_what_is_wrong_in_an_element_is_gone_to(page, studio, signed_in):
    open_form(page, studio, "kie-kling-3-0-text2vid")
    page.get_by_label("Prompt", exact=True).fill("@rook flies")
    page.get_by_text("More settings").click()
    page.get_by_label("Name, 1").fill("rook")
    page.get_by_label("What it is, 1").fill("a black bird")
    choose(page, "elements_1", picture(width=400, height=400))
    expect(page.locator("#price")).to_contain_text("Elements, row 1: pictures: at least 2")

    page.get_by_role("button", name="Generate video").click()

    wrong = page.locator("#setting-elements .error").first
    expect(wrong).to_be_focused()
    expect(wrong).to_have_text("Elements, row 1: pictures: at least 2, please.")
    expect(wrong).to_be_in_viewport()


def test_files_move_to_the_one_service_that_takes_them_together(page, studio, signed_in):
    open_form(page, studio, "kie-veo3-fast")
    choose(page, "image", picture())

    give(page, "drop", "#generate-form", document())

    expect(tiles(page, "document")).to_have_count(1)
    expect(tiles(page, "reference_images")).to_have_count(1)
    expect(page.get_by_label("Service", exact=True)).to_have_value("kie-wan-3-0-ref2vid")
    page.get_by_text("Switched to Wan 3.0, which takes this file.").wait_for()
