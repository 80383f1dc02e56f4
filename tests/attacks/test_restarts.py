"""Redis and PostgreSQL go away and come back under a running studio."""

import signal
import tempfile
import time
from pathlib import Path
from shutil import rmtree

import pytest

from generation.kie.sandbox.clips import ClipOrder, render_clip
from tests.reliability.checker import check
from tests.reliability.kills import digest_of, settle
from tests.reliability.people import Person
from tests.reliability.servers import Postgres, Redis, what_is_missing
from tests.reliability.studio import Studio

pytestmark = [
    pytest.mark.studio,
    pytest.mark.skipif(bool(what_is_missing()), reason=f"servers missing: {what_is_missing()}"),
]
AWAY_SECONDS = 2


@pytest.fixture
def folder():
    folder = Path(tempfile.mkdtemp(prefix="studio-restarts-"))
    yield folder
    rmtree(folder)


@pytest.fixture
def redis(folder):
    server = Redis(folder)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def postgres():
    server = Postgres()
    yield server
    server.remove()


@pytest.fixture
def studio(folder, redis, postgres):
    clip = folder / "clip.mp4"
    order = ClipOrder(prompt="a red kite", model="rig", width=320, height=180, seconds=1)
    render_clip(order, clip)
    studio = Studio(
        folder,
        database_url=postgres.url,
        redis_url=redis.url,
        sandbox=["--clip", str(clip)],
        KIE_CREATE_RATE="100/1s",
    )
    yield studio
    studio.stop()


def test_servers_come_and_go_and_every_video_is_made_once(studio, redis, postgres):
    studio.start(people=["ada"])
    studio.watch_states()
    ada = Person(studio, "ada")
    ada.sign_in()

    clicks = [ada.click(f"before sandbox:seconds={seconds}") for seconds in (1, 5, 9)]
    redis.stop()
    clicks.append(ada.click("without Redis sandbox:seconds=1"))
    time.sleep(AWAY_SECONDS)
    redis.start()
    # First as an operator restarts it, then as the kernel kills it.
    for how in (signal.SIGINT, signal.SIGQUIT):
        postgres.stop(how=how)
        time.sleep(AWAY_SECONDS)
        postgres.start()
        clicks.append(ada.click(f"after {how.name} sandbox:seconds=1"))
    settle(studio, seconds=90)

    found = check(studio, clicks=clicks, digest=digest_of(studio.folder / "clip.mp4"))
    assert [click.said for click in clicks] == ["started"] * 6, studio.last_words()
    assert dict(found.states) == {"completed/settled": 6}, studio.last_words()
    for findings in (found.missing, found.twice, found.rows_twice, found.changed):
        assert findings == []
    assert found.broken_files == []
