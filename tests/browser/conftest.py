"""A person at a browser: the pages over real HTTP, KIE.AI played by the sandbox."""

import os
import shutil
from types import SimpleNamespace

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings as studio_settings
from django.test import Client

from gallery.models import Video
from generation.archive import archive_due_videos
from generation.kie.client import KieClient
from generation.polling import poll_due_videos
from generation.submission import send_queued_videos
from tests.conftest import PASSWORD
from videostudio.models import Heartbeat

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --mute-audio"
)
# Playwright's synchronous interface runs an event loop in this thread; our ORM calls between its
# steps wait for nobody.
os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"


@pytest.fixture(scope="session")
def browser_type_launch_args():
    """How Chromium is started; where it is missing, a skip that says so, and in CI a failure."""
    if not CHROMIUM:
        missing = pytest.fail if os.environ.get("CI") else pytest.skip
        missing("Chromium is missing: apt install chromium")
    return {"executable_path": CHROMIUM, "args": FLAGS.split()}


@pytest.fixture(scope="session")
def browser_context_args():
    return {"viewport": {"width": 1280, "height": 900}, "reduced_motion": "reduce"}


@pytest.fixture
def studio(transactional_db, live_server, sandbox, settings):
    """The pages at `url`, KIE.AI at `sandbox`, and `tick()` in beat's place."""
    settings.GALLERY_REFRESH_SECONDS = 1
    Heartbeat.objects.beat(Heartbeat.WORKER)

    def tick():
        Video.objects.make_due()
        client = KieClient.from_settings()
        send_queued_videos(client=client)
        poll_due_videos(client=client)
        archive_due_videos(client=client)

    def finish():
        """KIE.AI is done with everything, and a tick brings it home."""
        sandbox.finish()
        tick()

    return SimpleNamespace(url=live_server.url, sandbox=sandbox, tick=tick, finish=finish)


@pytest.fixture
def page(page):
    """A page on which nothing may go wrong unseen: no console error, no refused script."""
    troubles = []
    page.on("pageerror", lambda error: troubles.append(f"page error: {error}"))
    page.on("console", lambda message: is_trouble(message) and troubles.append(message.text))
    page.set_default_timeout(15_000)
    page.troubles = troubles
    yield page
    assert not troubles


def assert_nothing_to_find(page, *, themes=("light", "dark")):
    """In either theme nothing for axe, and nothing that scrolls sideways.

    The theme is a matter of the stylesheet alone: it may change while one looks at a page.
    """
    for theme in themes:
        page.emulate_media(color_scheme=theme)
        results = Axe().run(page)
        assert results.violations_count == 0, f"{page.url}, {theme}: {results.generate_report()}"
        too_wide = page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
        assert not too_wide, f"{page.url} scrolls sideways"


# Chromium reports every form that is sent back with its errors marked, and htmx every question
# whose place a newer one has taken.
NO_TROUBLE = ("status of 422", "htmx:sendAbort", "htmx:afterRequest")


def is_trouble(message):
    return message.type == "error" and not any(words in message.text for words in NO_TROUBLE)


@pytest.fixture
def signed_in(page, studio, alice):
    """Alice, who has signed in before. What a test is about begins at its own first page."""
    page.context.add_cookies([session_of(alice) | {"url": studio.url}])
    return alice


def session_of(user):
    """The cookie that signing in leaves in the browser."""
    client = Client()
    client.force_login(user)
    return {"name": studio_settings.SESSION_COOKIE_NAME, "value": client.session.session_key}


def sign_in(page, studio, user):
    """By the form, as a person does it."""
    page.goto(f"{studio.url}/accounts/login/")
    page.get_by_label("Username").fill(user.get_username())
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{studio.url}/")


def generate(page, studio, prompt, *, provider="kie-hailuo-text2vid"):
    """Write a prompt, choose a service, press the button."""
    page.goto(f"{studio.url}/generate/?provider={provider}")
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Video generation started! Check the Gallery tab to see progress.").wait_for()
    return str(Video.objects.newest_first().first().pk)


def card(page, pk):
    return page.locator(f'article[data-video-id="{pk}"]')
