"""After the first clip, as people do it: longer, larger, from a frame, several at once."""

import re

import pytest
from playwright.sync_api import expect

from gallery.models import InputFile, Status, Video
from tests.browser.conftest import card, generate, sign_in

pytestmark = pytest.mark.browser

VEO = {"provider": "kie-veo3-fast", "model": "veo3_fast", "duration": 1}
STARTED = "Video generation started!"
PICTURE = {"parameters": {"resolution": "720p", "aspect_ratio": "16:9"}}


def open_page_of(page, studio, video):
    page.goto(f"{studio.url}/videos/{getattr(video, 'pk', video)}/")


def press(page):
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text(STARTED).wait_for()
    return Video.objects.newest_first().first()


def seek(page, seconds):
    """Have the player stand there, and show it."""
    page.wait_for_function("() => document.querySelector('#player').readyState > 0")
    page.evaluate("at => { document.querySelector('#player').currentTime = at }", seconds)
    expect(page.locator("#frame-moment")).to_have_text(f"{seconds:.1f} s")


@pytest.fixture
def veo(studio, signed_in, page):
    """A short Veo video, made by the sandbox."""
    page.goto(f"{studio.url}/generate/?provider=kie-veo3-fast")
    page.get_by_label("Prompt", exact=True).fill("a paper boat")
    page.get_by_label("4 s", exact=True).check()
    video = press(page)
    studio.finish()
    return video


def test_a_veo_video_becomes_a_longer_one_that_plays(page, studio, veo):
    open_page_of(page, studio, veo)

    page.get_by_role("link", name="Veo 3.1 Lite ≈ $0.15").click()
    expect(page.locator("#earlier")).to_contain_text("a paper boat")
    prompt = page.get_by_label("Prompt", exact=True)
    expect(prompt).to_have_value("")
    expect(prompt).to_have_attribute("placeholder", "What happens next?")
    prompt.fill("it reaches the sea")
    longer = press(page)
    studio.finish()

    open_page_of(page, studio, longer)
    player = page.locator("#player")
    page.wait_for_function("() => document.querySelector('#player').duration > 10")
    player.evaluate("video => { video.muted = true; video.currentTime = 9; return video.play() }")
    page.wait_for_function("() => document.querySelector('#player').currentTime > 9.2")
    made_from = page.get_by_role("region", name="Made from")
    made_from.get_by_role("link", name=re.compile("a paper boat")).click()
    expect(page).to_have_url(f"{studio.url}/videos/{veo.pk}/")
    expect(page.get_by_role("region", name="Made into")).to_contain_text("it reaches the sea")


def test_a_version_in_1080p_needs_no_words_and_ends_the_extending(page, studio, veo):
    open_page_of(page, studio, veo)

    page.get_by_role("link", name="1080p ≈ $0.025").click()
    expect(page.get_by_label("Prompt", exact=True)).to_be_hidden()
    larger = press(page)
    studio.finish()

    page.goto(studio.url)
    expect(card(page, larger.pk)).to_have_attribute("data-status", "completed")
    expect(card(page, larger.pk).locator(".what")).to_have_text("1080p")
    expect(card(page, larger.pk).get_by_role("heading")).to_have_text("a paper boat")
    open_page_of(page, studio, veo)
    expect(page.get_by_text("KIE.AI cannot extend it any more after that.")).to_be_visible()
    expect(page.get_by_role("link", name=re.compile("Veo 3.1 Lite"))).to_have_count(0)


def test_a_clip_is_handed_to_topaz(page, studio, signed_in, make_completed):
    video = make_completed(user=signed_in, duration=1)
    open_page_of(page, studio, video)

    page.get_by_role("button", name="Topaz Upscale ≈ $0.04").click()
    expect(page.locator("form#generate-form")).to_contain_text("a red kite (a video of yours)")
    larger = press(page)
    studio.finish()

    larger.refresh_from_db()
    assert (larger.status, larger.parent) == (Status.COMPLETED, video)


def test_the_next_video_continues_from_the_last_frame(page, studio, signed_in, make_completed):
    video = make_completed(user=signed_in, **VEO | PICTURE)
    open_page_of(page, studio, video)

    page.get_by_role("button", name="Continue from last frame").click()
    expect(page.locator("#earlier")).to_contain_text("Made from")
    expect(page.locator(".tile")).to_have_count(1)
    page.get_by_label("Prompt", exact=True).fill("the wind turns")
    child = press(page)

    assert (child.parent, child.generation_type) == (video, "img2vid")
    assert child.inputs.get().source == InputFile.objects.get()


def test_the_frame_that_the_player_shows_is_the_one_that_is_used(
    page, studio, signed_in, make_completed
):
    video = make_completed(user=signed_in, **VEO)
    open_page_of(page, studio, video)
    sent = []
    page.on("request", lambda request: sent.append(request.post_data or ""))

    for moment in (0.5, 0.8):
        seek(page, moment)
        page.get_by_role("button", name=re.compile("Use this frame")).click()
        expect(page.locator(".tile")).to_have_count(1)
        open_page_of(page, studio, video)

    moments = [float(found[1]) for body in sent if (found := re.search(r"at=([\d.]+)", body))]
    assert moments == [0.5, 0.8]
    assert InputFile.objects.filter(kind="image").count() == 2


def test_without_javascript_a_frame_is_named_by_its_second(browser, studio, alice, make_completed):
    video = make_completed(user=alice, **VEO)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, studio, alice)

    open_page_of(page, studio, video)
    page.get_by_label("Second").fill("0.5")
    page.get_by_role("button", name="Use this frame").click()
    expect(page.get_by_role("checkbox", name=re.compile("0.5 s of a video"))).to_be_checked()
    open_page_of(page, studio, video)
    page.get_by_role("button", name="Continue from last frame").click()
    last_frame = page.get_by_role("checkbox", name=re.compile("the last frame of a video"))
    expect(last_frame).to_be_checked()
    page.get_by_label("Prompt", exact=True).fill("plain and simple")
    page.get_by_label("2", exact=True).check()
    page.get_by_role("button", name="Generate video").click()

    expect(page.get_by_text(STARTED)).to_be_visible()
    expect(page.get_by_label("2", exact=True)).to_be_checked()
    assert video.children.count() == 2
    context.close()


def test_four_variations_come_first_each_once(page, studio, signed_in, make_completed):
    earlier = make_completed(user=signed_in)
    page.goto(f"{studio.url}/generate/?provider=kie-hailuo-text2vid")
    page.get_by_label("Prompt", exact=True).fill("sandbox:seconds=60 four of a kind")
    page.get_by_label("4", exact=True).check()
    expect(page.locator("#price-tag")).to_have_text("· ≈ $0.60")

    press(page)

    expect(page.locator("#grid article")).to_have_count(5)
    # Whatever is asked afterwards adds none.
    page.wait_for_timeout(1500)
    shown = page.locator("#grid article").evaluate_all("all => all.map(one => one.dataset.videoId)")
    made = [str(pk) for pk in Video.objects.newest_first().values_list("pk", flat=True)]
    assert shown == made
    assert shown[-1] == str(earlier.pk)
    assert len(studio.sandbox.tasks()) == 4
    expect(page.get_by_label("4", exact=True)).to_be_checked()


def test_an_impatient_double_click_makes_each_variation_once(page, studio, signed_in):
    page.goto(f"{studio.url}/generate/?provider=kie-hailuo-text2vid")
    page.get_by_label("Prompt", exact=True).fill("only once each")
    page.get_by_label("3", exact=True).check()

    page.get_by_role("button", name="Generate video").dblclick()
    page.get_by_text(STARTED).wait_for()
    page.wait_for_timeout(500)

    assert Video.objects.count() == 3
    assert len(studio.sandbox.tasks()) == 3


def test_what_it_was_made_from_can_be_taken_off_the_form(page, studio, signed_in, make_completed):
    video = make_completed(user=signed_in)
    open_page_of(page, studio, video)

    page.get_by_role("link", name="Make another").click()
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("a red kite")
    page.wait_for_load_state("load")
    page.get_by_role("button", name="Not made from this video").click()
    expect(page.locator("#earlier")).to_have_count(0)
    press(page)

    assert video.children.count() == 0


def test_another_one_keeps_its_line_however_often_it_is_made(
    page, studio, signed_in, make_completed
):
    video = make_completed(user=signed_in)
    open_page_of(page, studio, video)

    page.get_by_role("link", name="Make another").click()
    press(page)
    page.get_by_label("Prompt", exact=True).fill("a blue kite")
    page.get_by_role("button", name="Generate video").click()
    expect(page.locator("#grid article")).to_have_count(3)

    assert video.children.count() == 2


def test_a_service_without_words_hides_the_prompt_and_keeps_it(page, studio, signed_in, veo):
    assert generate(page, studio, "something else")
    open_page_of(page, studio, veo)
    page.get_by_role("link", name="4K ≈ $0.60").click()

    page.get_by_label("Service").select_option("kie-veo3-lite-extend")

    expect(page.get_by_label("Prompt", exact=True)).to_be_visible()
    expect(page.locator("#price-tag")).to_have_text("· ≈ $0.15")
    expect(page.get_by_role("group", name="How many")).to_be_visible()
