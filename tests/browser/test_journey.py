"""What people do, as they see it."""

import re
from datetime import timedelta

import pytest
from django.utils.timezone import now
from playwright.sync_api import expect

from gallery.models import Status, Video
from tests.browser.conftest import card, generate, sign_in
from tests.conftest import PASSWORD, picture_bytes
from videostudio.models import Heartbeat, User

pytestmark = pytest.mark.browser

PLAYING = "video => !video.paused && video.currentTime"
HOUR_AGO = timedelta(hours=1)


def play(video):
    """Press play and wait until pictures move."""
    video.evaluate("video => video.play()")
    video.page.wait_for_function(
        "id => document.getElementById(id).currentTime > 0.2", arg=video.get_attribute("id")
    )


def test_from_signing_up_to_a_playing_video_without_a_reload(page, studio):
    page.goto(studio.url)
    page.get_by_role("link", name=re.compile("sign up|create", re.IGNORECASE)).click()
    page.get_by_label("Username").fill("alice")
    page.get_by_label("Email").fill("alice@example.com")
    page.get_by_label("Password", exact=True).fill("long and winding road")
    page.get_by_label("Password again").fill("long and winding road")
    page.get_by_role("button", name=re.compile("create|sign up", re.IGNORECASE)).click()
    expect(page.get_by_role("heading", name="Make your first video")).to_be_visible()

    pk = generate(page, studio, "a red kite over the dunes")
    page.get_by_role("navigation").get_by_role("link", name="Gallery").first.click()
    expect(card(page, pk)).to_have_attribute("data-status", "processing")
    expect(card(page, pk).locator("progress")).to_be_visible()
    page.evaluate("() => { window.notReloaded = true }")
    studio.finish()

    expect(card(page, pk)).to_have_attribute("data-status", "completed")
    play(card(page, pk).locator("video"))
    assert page.evaluate("() => window.notReloaded")
    assert card(page, pk).locator("video").evaluate("video => video.videoWidth") > 0


def test_a_second_video_finishes_while_the_first_plays_on(page, studio, signed_in, make_completed):
    first = make_completed(user=signed_in, created_at=now() - HOUR_AGO)
    second = generate(page, studio, "the second one")
    page.goto(studio.url)
    video = card(page, first.pk).locator("video")
    video.evaluate("video => { video.loop = true; video.mark = 'the same element' }")
    play(video)

    studio.finish()
    expect(card(page, second)).to_have_attribute("data-status", "completed")

    assert video.evaluate(PLAYING)
    assert video.evaluate("video => video.mark") == "the same element"


def test_a_playing_card_that_changes_waits_until_it_is_paused(
    page, studio, signed_in, make_completed, make_video
):
    playing = make_completed(user=signed_in)
    make_video(user=signed_in)
    page.goto(studio.url)
    video = card(page, playing.pk).locator("video")
    video.evaluate("video => { video.loop = true; video.mark = 'the same element' }")
    play(video)

    with page.expect_response(lambda r: "/updates/" in r.url and r.status == 200):
        Video.objects.get(pk=playing.pk).set_favorite(is_favorite=True)
    assert video.evaluate(PLAYING)
    video.evaluate("video => video.pause()")

    expect(card(page, playing.pk).get_by_role("button", name="Favourite")).to_have_attribute(
        "aria-pressed", "true"
    )


def test_a_failure_is_told_and_can_be_tried_again(page, studio, signed_in):
    pk = generate(page, studio, "sandbox:fail-policy a quarrel")
    page.goto(studio.url)

    studio.finish()

    expect(card(page, pk)).to_have_attribute("data-status", "failed")
    expect(card(page, pk)).to_contain_text("safety filter refused this prompt")
    card(page, pk).get_by_role("link", name="Try again").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("sandbox:fail-policy a quarrel")


def test_a_refusal_keeps_what_was_typed(page, studio, signed_in):
    page.goto(f"{studio.url}/generate/?provider=kie-hailuo-text2vid")
    page.get_by_label("Prompt", exact=True).fill("sandbox:402 a red kite")
    page.get_by_label("10 s").check()
    page.get_by_role("button", name="Generate video").click()

    expect(page.get_by_role("alert").first).to_contain_text("balance is too low")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("sandbox:402 a red kite")
    expect(page.get_by_label("10 s")).to_be_checked()
    assert Video.objects.count() == 0


def test_deleting_and_undoing(page, studio, signed_in, make_completed):
    video = make_completed(user=signed_in)
    page.goto(studio.url)

    card(page, video.pk).get_by_role("button", name="Delete").click()
    expect(card(page, video.pk)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()

    expect(card(page, video.pk)).to_have_count(1)
    video.refresh_from_db()
    assert video.deleted_at is None


def test_the_last_card_leaves_the_invitation(page, studio, signed_in, make_completed):
    video = make_completed(user=signed_in)
    page.goto(studio.url)

    card(page, video.pk).get_by_role("button", name="Delete").click()

    expect(page.get_by_role("heading", name="Make your first video")).to_be_visible()


def test_a_favourite_stays_after_a_reload(page, studio, signed_in, make_completed):
    video = make_completed(user=signed_in)
    page.goto(studio.url)

    heart = card(page, video.pk).get_by_role("button", name="Favourite")
    heart.click()
    expect(heart).to_have_attribute("aria-pressed", "true")
    page.reload()

    expect(heart).to_have_attribute("aria-pressed", "true")


def test_a_download_arrives_under_a_readable_name(
    page, studio, signed_in, make_completed, clip_bytes
):
    video = make_completed(user=signed_in, prompt="A red fox")
    page.goto(studio.url)

    with page.expect_download() as download:
        card(page, video.pk).get_by_role("link", name="Download").click()

    assert download.value.suggested_filename == f"a-red-fox-{video.pk.hex[:8]}.mp4"
    assert download.value.path().read_bytes() == clip_bytes


def test_another_persons_gallery_is_empty_and_every_url_unknown(
    page, studio, signed_in, make_completed
):
    video = make_completed(user=signed_in)
    page.context.clear_cookies()
    sign_in(page, studio, User.objects.create_user("bob", "bob@example.com", PASSWORD))

    expect(page.locator("article")).to_have_count(0)
    for path in ("", "file/", "download/", "poster/"):
        answer = page.request.get(f"{studio.url}/videos/{video.pk}/{path}")
        assert answer.status == 404


def test_focus_selection_and_scroll_survive_a_refresh(
    page, studio, signed_in, make_completed, make_video
):
    for number in range(20):
        make_completed(user=signed_in, created_at=now() - HOUR_AGO - timedelta(seconds=number))
    changing = make_video(user=signed_in)
    page.goto(studio.url)
    quiet = page.locator("article").nth(15)
    quiet.get_by_role("button", name="Favourite").focus()
    quiet.locator("h2").evaluate("title => getSelection().selectAllChildren(title)")
    state = "() => [scrollY, document.activeElement.id, `${getSelection()}`]"
    before = page.evaluate(state)

    with page.expect_response(lambda r: "/updates/" in r.url and r.status == 200):
        changing.mark_failed(error_message="It failed.")
    expect(card(page, changing.pk)).to_have_attribute("data-status", "failed")

    assert (
        page.evaluate("() => [scrollY, document.activeElement.id, `${getSelection()}`]") == before
    )


def test_focus_returns_to_the_same_button_of_a_card_that_changed(
    page, studio, signed_in, make_video
):
    video = make_video(user=signed_in)
    page.goto(studio.url)
    card(page, video.pk).get_by_role("button", name="Delete").focus()

    video.mark_failed(error_message="It failed.")
    expect(card(page, video.pk)).to_have_attribute("data-status", "failed")

    expect(card(page, video.pk).get_by_role("button", name="Delete")).to_be_focused()


def test_new_videos_wait_behind_a_pill_while_one_reads_further_down(
    page, studio, signed_in, make_completed, make_video
):
    for number in range(24):
        make_completed(user=signed_in, created_at=now() - HOUR_AGO - timedelta(seconds=number))
    make_video(user=signed_in, created_at=now() - HOUR_AGO)
    page.set_viewport_size({"width": 1000, "height": 500})
    page.goto(studio.url)
    page.evaluate("() => scrollTo(0, 1200)")

    new = make_video(user=signed_in)
    pill = page.get_by_role("button", name=re.compile("1 new"))
    pill.wait_for()
    assert page.evaluate("() => scrollY") == 1200
    pill.click()

    expect(card(page, new.pk)).to_be_in_viewport()


def test_nothing_is_asked_when_nothing_is_processing(page, studio, signed_in, make_completed):
    make_completed(user=signed_in)
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(studio.url)
    page.wait_for_load_state("networkidle")
    asked.clear()

    page.wait_for_timeout(2500)

    assert asked == []


def test_a_hidden_tab_rests_and_asks_at_once_when_it_is_back(page, studio, signed_in, make_video):
    make_video(user=signed_in)
    asked = []
    page.on("request", lambda request: "/updates/" in request.url and asked.append(request.url))
    page.goto(studio.url)
    become = """hidden => {
        Object.defineProperty(document, 'hidden', { get: () => hidden, configurable: true });
        document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(become, True)
    page.wait_for_timeout(300)
    asked.clear()

    page.wait_for_timeout(2500)
    assert asked == []
    with page.expect_request(lambda request: "/updates/" in request.url, timeout=500):
        page.evaluate(become, False)


def test_refresh_asks_kie_and_shows_what_it_said(page, studio, signed_in):
    pk = generate(page, studio, "sandbox:fail a storm")
    page.goto(studio.url)
    studio.sandbox.finish()

    page.get_by_role("button", name="Refresh").click()

    expect(card(page, pk)).to_have_attribute("data-status", "failed")


def test_choosing_a_service_keeps_what_was_typed(page, studio, signed_in):
    page.goto(f"{studio.url}/generate/")
    page.get_by_label("Prompt", exact=True).fill("kept words")

    page.get_by_label("Service").select_option("kie-hailuo-text2vid")
    expect(page.get_by_label("10 s")).to_be_visible()
    page.get_by_label("10 s").check()

    expect(page.locator("form#generate-form")).to_contain_text("$0.25")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("kept words")


def test_a_picture_becomes_a_video(page, studio, signed_in):
    page.goto(f"{studio.url}/generate/?provider=kie-hailuo-img2vid")
    page.get_by_label("Prompt", exact=True).fill("it begins to move")
    picture = {"name": "kite.png", "mimeType": "image/png", "buffer": picture_bytes(640, 360)}
    page.locator("input[name=image]").set_input_files(picture)
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Video generation started!").wait_for()

    studio.finish()

    assert Video.objects.get().generation_type == "img2vid"
    assert Video.objects.get().status == Status.COMPLETED


def test_a_chosen_picture_survives_an_error(page, studio, signed_in):
    page.goto(f"{studio.url}/generate/?provider=kie-hailuo-img2vid")
    picture = {"name": "kite.png", "mimeType": "image/png", "buffer": picture_bytes(640, 360)}
    page.locator("input[name=image]").set_input_files(picture)
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_text("Describe the video you want.")).to_be_visible()

    page.get_by_label("Prompt", exact=True).fill("it begins to move")
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Video generation started!").wait_for()

    assert Video.objects.get().inputs.count() == 1


def test_an_impatient_double_click_is_one_video(page, studio, signed_in):
    page.goto(f"{studio.url}/generate/?provider=kie-hailuo-text2vid")
    page.get_by_label("Prompt", exact=True).fill("only once")

    page.get_by_role("button", name="Generate video").dblclick()
    page.get_by_text("Video generation started!").wait_for()
    page.wait_for_timeout(500)

    assert Video.objects.count() == 1
    assert len(studio.sandbox.tasks()) == 1


def test_a_silent_worker_is_told_to_who_waits(page, studio, signed_in, make_video):
    make_video(user=signed_in)
    Heartbeat.objects.update(at=now() - HOUR_AGO)

    page.goto(studio.url)

    expect(page.get_by_text("background worker is not answering")).to_be_visible()


def test_the_whole_way_without_javascript(browser, studio, alice):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, studio, alice)

    page.goto(f"{studio.url}/generate/")
    page.get_by_label("Prompt", exact=True).fill("plain and simple")
    page.get_by_label("Service").select_option("kie-hailuo-text2vid")
    page.get_by_role("button", name="Show its settings").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("plain and simple")
    page.get_by_label("10 s").check()
    page.get_by_role("button", name="Generate video").click()
    expect(page.get_by_text("Video generation started! Check the Gallery tab")).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="Gallery").first.click()
    pk = Video.objects.get().pk
    expect(card(page, pk)).to_have_attribute("data-status", "processing")
    studio.finish()
    page.get_by_role("button", name="Refresh").click()
    expect(card(page, pk)).to_have_attribute("data-status", "completed")
    card(page, pk).get_by_role("button", name="Favourite").click()
    expect(card(page, pk).get_by_role("button", name="Favourite")).to_have_attribute(
        "aria-pressed", "true"
    )
    card(page, pk).get_by_role("button", name="Delete").click()
    expect(card(page, pk)).to_have_count(0)
    page.get_by_role("button", name="Undo").click()
    expect(card(page, pk)).to_have_count(1)
    context.close()


def test_every_result_of_a_task_plays_on_its_videos_page(page, studio, signed_in):
    pk = generate(page, studio, "sandbox:two-results two kites")
    studio.finish()

    page.goto(f"{studio.url}/videos/{pk}/")
    page.get_by_role("heading", name="More from this task").wait_for()
    page.evaluate("() => { document.querySelector('#player-2').play() }")

    page.wait_for_function("() => document.querySelector('#player-2').currentTime > 0.2")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download video 2").click()
    assert download.value.suggested_filename.endswith("-2.mp4")
