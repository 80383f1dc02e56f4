"""`make screenshots`: the README's pictures, taken from a running studio with its sandbox."""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "docs" / "images"
PORT = 18600
FLAGS = "--no-sandbox --disable-gpu --no-first-run --disable-background-networking --disable-sync"
PROMPTS = {
    "A red fox trots through fresh snow at dusk, its breath glowing": "16:9",
    "A paper boat sails down a rain gutter in a neon-lit city": "16:9",
    "Slow drone flight over terraced rice fields at sunrise": "16:9",
    "A lighthouse keeper climbs the stairs, lamp in hand": "9:16",
    "Jellyfish drift through a sunken library": "16:9",
    "A tram glides over a bridge in autumn rain": "16:9",
    "Two paper cranes dance on a windowsill": "9:16",
}


def start(folder):
    environment = {
        "PATH": os.environ["PATH"],
        "VAR_DIR": folder,
        "PORT": str(PORT),
        "KIE_API_KEY": "",
        "KIE_SANDBOX_SECONDS": "6",
        "PYTHONUNBUFFERED": "1",
    }
    return subprocess.Popen(
        [sys.executable, "manage.py", "run_studio"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
    )


def password_from(studio):
    for line in studio.stdout:
        if found := re.search(r"with the password (\S+)", line):
            return found[1]
    raise SystemExit("the studio did not start")


def sign_in(page, password):
    page.goto(f"http://127.0.0.1:{PORT}/")
    page.get_by_label("Username").fill("demo")
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"http://127.0.0.1:{PORT}/")


def send(page, prompt, ratio="16:9"):
    page.goto(f"http://127.0.0.1:{PORT}/generate/?provider=kie-veo3-lite")
    page.get_by_label("Prompt", exact=True).fill(prompt)
    page.get_by_label(ratio, exact=True).check()
    page.get_by_label("4 s", exact=True).check()
    page.get_by_role("button", name="Generate video").click()
    page.get_by_text("Video generation started!").wait_for()


def wait_for_all(page, count):
    page.goto(f"http://127.0.0.1:{PORT}/")
    for _ in range(120):
        if page.locator('article[data-status="completed"]').count() >= count:
            return
        time.sleep(1)
    raise SystemExit("the videos were never finished")


def take(page, name, *, width, height, theme, path="/"):
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"http://127.0.0.1:{PORT}{path}")
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(600)
    page.screenshot(path=PICTURES / f"{name}.png")


def main():
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        studio = start(folder)
        try:
            password = password_from(studio)
            with sync_playwright() as playwright:
                browser = playwright.chromium.launch(
                    executable_path="/usr/bin/chromium", args=FLAGS.split()
                )
                page = browser.new_page()
                sign_in(page, password)
                for prompt, ratio in PROMPTS.items():
                    send(page, prompt, ratio)
                wait_for_all(page, len(PROMPTS))
                send(page, "sandbox:fail-policy Two knights quarrel over a bridge")
                page.wait_for_timeout(20_000)
                send(page, "sandbox:seconds=90 A glass city wakes up under the northern lights")
                take(page, "gallery-dark", width=1440, height=900, theme="dark")
                take(page, "gallery-light", width=1440, height=900, theme="light")
                take(page, "gallery-phone", width=360, height=740, theme="dark")
                form = "/generate/?provider=kie-veo3-fast&prompt=A+red+fox+in+the+snow+at+dusk"
                take(page, "generate-dark", width=1440, height=900, theme="dark", path=form)
                take(page, "generate-light", width=768, height=1000, theme="light", path=form)
                browser.close()
        finally:
            studio.terminate()
            studio.wait(30)


if __name__ == "__main__":
    main()
