"""Every page, in both themes and three widths: nothing for axe to find, nothing cut off."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from gallery.models import Stage
from tests.browser.conftest import assert_nothing_to_find
from tests.conftest import RESULT

pytestmark = pytest.mark.browser

WIDTHS = (360, 768, 1440)
OPEN = ["/accounts/login/", "/accounts/signup/", "/accounts/password-reset/"]
OWN = ["/", "/generate/", "/trash/", "/accounts/profile/", "/accounts/password/", "/spend/"]


@pytest.fixture
def full_gallery(signed_in, make_video, make_completed, make_failed):
    videos = [make_video(user=signed_in, stage=stage) for stage in (Stage.RUNNING, Stage.QUEUED)]
    videos.append(make_video(user=signed_in, stage=Stage.UNCONFIRMED, task_id=""))
    long_ago = now() - timedelta(minutes=5)
    videos.append(make_video(user=signed_in, accepted_at=long_ago, late_after_seconds=200))
    videos += [make_failed(user=signed_in, failure=failure) for failure in ("prompt", "balance")]
    videos.append(make_completed(user=signed_in, prompt="A long prompt without " + "end" * 80))
    file, poster = str(videos[-1].file), str(videos[-1].poster)
    facts = {"width": 320, "height": 180, "archived_at": now()}
    videos[-1].results.create(position=2, url=RESULT, file=file, poster=poster, **facts)
    videos[-1].results.create(position=3, url=RESULT)
    veo = {"user": signed_in, "provider": "kie-veo3-fast", "model": "veo3_fast"}
    veo |= {"parent": videos[-1], "parameters": {"resolution": "720p"}}
    videos.append(make_completed(**veo, prompt="Another one " + "without a blank" * 20))
    larger = {"user": signed_in, "provider": "kie-veo3-4k-upscale", "parent": videos[-1]}
    videos += [make_completed(**larger, prompt=""), make_video(**larger, deleted_at=now())]
    return videos


def examine(page, url):
    page.goto(url)
    assert_nothing_to_find(page)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_way_in(page, studio, width):
    page.set_viewport_size({"width": width, "height": 800})

    for path in OPEN:
        examine(page, studio.url + path)


@pytest.mark.parametrize("width", WIDTHS)
def test_ones_own_pages(page, studio, full_gallery, width):
    page.set_viewport_size({"width": width, "height": 800})

    for path in OWN:
        examine(page, studio.url + path)
    parent = next(video for video in full_gallery if video.model == "veo3_fast")
    for provider in ("kie-veo3-lite-extend", "kie-veo3-1080p-upscale", "kie-hailuo-img2vid"):
        examine(page, f"{studio.url}/generate/?provider={provider}&parent={parent.pk}")


@pytest.mark.parametrize("width", WIDTHS)
def test_the_pages_of_ones_videos(page, studio, full_gallery, width):
    page.set_viewport_size({"width": width, "height": 800})

    for video in full_gallery:
        examine(page, studio.url + video.get_absolute_url())


def test_an_empty_gallery_and_a_form_with_errors(page, studio, signed_in):
    examine(page, studio.url)
    page.goto(f"{studio.url}/generate/")
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Describe the video you want.").wait_for()

    assert_nothing_to_find(page)
