"""People who use the studio as a browser does, and press again when the page does not load."""

import re
import time
from dataclasses import dataclass

import requests

from tests.reliability.studio import PASSWORD

STARTED = "Video generation started!"
BEING_SENT = "This video is being sent already"
KEY = re.compile(r'name="idempotency_key" value="([0-9a-f-]{36})"')
CSRF = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')
PROVIDER = "kie-hailuo-text2vid"


@dataclass(slots=True)
class Click:
    """One press of the button: what was asked, and what the page said in the end."""

    prompt: str
    said: str = ""  # started, refused, or nothing
    tries: int = 0
    seconds: float = 0.0
    errors: int = 0  # answers of 500 and above


class Person:
    def __init__(self, studio, name):
        self.url, self.name = studio.url, name
        self.session = requests.Session()

    def sign_in(self, *, seconds=180):
        def attempt():
            page = self.session.get(f"{self.url}/accounts/login/", timeout=30)
            form = {
                "username": self.name,
                "password": PASSWORD,
                "csrfmiddlewaretoken": CSRF.search(page.text)[1],
            }
            home = self.session.post(f"{self.url}/accounts/login/", form, timeout=30)
            heard.append((home.status_code, home.url))
            return heard[-1] == (200, f"{self.url}/")

        heard = []
        if not self._until(attempt, seconds=seconds):
            raise TimeoutError(f"{self.name} could not sign in: {heard[-3:]}")

    def click(self, prompt, *, seconds=120, twice=False):
        """Fill in the form and press the button; again with the same form until it answers."""
        click = Click(prompt)
        form = {}

        def open_form():
            page = self.session.get(f"{self.url}/generate/?provider={PROVIDER}", timeout=30)
            click.errors += page.status_code >= 500
            if found := KEY.search(page.text):
                form.update(
                    prompt=prompt,
                    provider=PROVIDER,
                    idempotency_key=found[1],
                    csrfmiddlewaretoken=CSRF.search(page.text)[1],
                )
            return found

        def press():
            click.tries += 1
            answer = self.session.post(f"{self.url}/generate/", form, timeout=40)
            click.errors += answer.status_code >= 500
            if STARTED in answer.text or BEING_SENT in answer.text:
                click.said = "started"
            elif answer.status_code == 422:
                click.said = "refused"
            return click.said

        began = time.monotonic()
        if self._until(open_form, seconds=seconds):
            self._until(press, seconds=seconds)
            if twice:
                self._until(press, seconds=seconds)
        click.seconds = time.monotonic() - began
        return click

    def _until(self, attempt, *, seconds):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if done := attempt():
                    return done
            # The process that was to answer has died.
            except requests.RequestException:
                # Its half-dead connections must not be taken for the next one's.
                self.session.close()
            time.sleep(0.3)
        return None
