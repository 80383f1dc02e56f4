"""Attacks run against real processes, the sandbox, and a database that all of them see."""

import pytest
from django.db import connection

from generation.catalogue import refusal_of
from generation.kie.sandbox import Faults, Sandbox
from tests.attacks.nursery import Nursery


@pytest.fixture
def clip(tmp_path, clip_bytes):
    """What every task results in."""
    path = tmp_path / "clip.mp4"
    path.write_bytes(clip_bytes)
    return path


class SlowAnswers(Faults):
    """Answers take a moment: time for others to come between, or to be killed in."""

    def __init__(self):
        super().__init__(1.0, pause_seconds=0.05)

    def draw(self, call, kinds):
        return {"creation": "held", "question": "slow", "file": "drip"}.get(call, "")


@pytest.fixture
def kie(tmp_path, settings, clip):
    """A sandbox whose tasks are done at once."""
    server = Sandbox(
        folder=tmp_path / "sandbox",
        api_key=settings.KIE_API_KEY,
        refusal_of=refusal_of,
        seconds=0,
        create_rate=(10_000, 1.0),
        status_rate=(10_000, 1.0),
        clip=clip,
        faults=SlowAnswers(),
    )
    server.start()
    settings.KIE_API_BASE_URL = settings.KIE_UPLOAD_BASE_URL = server.url
    # Nobody listens there: callbacks are delivered by the test that wants them.
    settings.PUBLIC_URL = "http://127.0.0.1:9"
    yield server
    server.stop()


@pytest.fixture
def make_nursery(transactional_db, settings, kie):
    made = []

    def make(**more):
        nursery = Nursery(
            database=connection.settings_dict["NAME"],
            MEDIA_ROOT=str(settings.MEDIA_ROOT),
            KIE_API_BASE_URL=kie.url,
            KIE_UPLOAD_BASE_URL=kie.url,
            PUBLIC_URL=settings.PUBLIC_URL,
            **more,
        )
        made.append(nursery)
        return nursery

    yield make
    for nursery in made:
        nursery.close()


@pytest.fixture
def nursery(make_nursery):
    return make_nursery()
