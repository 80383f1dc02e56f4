"""From KIE.AI's success to a video that plays, with callbacks and without."""

import random
import threading
from datetime import UTC, datetime

from tests.reliability.checker import Books
from tests.reliability.people import Person
from tests.reliability.report import Report, median, share

PEOPLE = ("ada", "ben", "cem")
DONE = "SELECT id FROM generated_videos WHERE file <> '' AND status = 'completed'"


def measure(world, *, videos):
    report = Report("completion", f"From KIE.AI's success to `completed`, {videos} videos each")
    for with_callbacks, limit in ((True, 2.0), (False, 12.0)):
        waits = _waits(world, videos=videos, callbacks=with_callbacks)
        how = "with callbacks" if with_callbacks else "without callbacks"
        report.add(f"{how}: completed", len(waits), "=", videos)
        report.add(f"{how}: median", median(waits), unit=" s")
        report.add(f"{how}: p95", share(waits, 95), "≤", limit, " s")
        report.add(f"{how}: longest", max(waits, default=0.0), unit=" s")
    return report


def _waits(world, *, videos, callbacks):
    """The seconds of each video between the sandbox's success and the row's completion."""
    chance = random.Random(7)
    # They end one after the other within a minute, as videos of several people do.
    prompts = [
        f"A red kite, take {number} sandbox:seconds={chance.uniform(10, 70):.1f}"
        for number in range(videos)
    ]
    sandbox = ["--clip", str(world.clip)]
    settings = {"KIE_CREATE_RATE": "1000/1s"}
    with world.studio(callbacks=callbacks, sandbox=sandbox, **settings) as studio:
        studio.start(people=PEOPLE)
        click(studio, prompts)
        studio.wait_until(
            lambda: len(studio.rows(DONE)) == videos, seconds=240, what="all are completed"
        )
        rows = studio.rows("SELECT task_id, completed_at FROM generated_videos")
        books = Books.of(studio.sandbox_folder)
    return [_timestamp(row["completed_at"]) - books.ended_at(row["task_id"]) for row in rows]


def _timestamp(value):
    # SQLite gives text without a zone.
    moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def click(studio, prompts):
    """Each of these prompts once, shared between several people."""

    def use(name, mine):
        person = Person(studio, name)
        person.sign_in()
        for prompt in mine:
            person.click(prompt)

    using = [
        threading.Thread(target=use, args=(name, prompts[number :: len(PEOPLE)]))
        for number, name in enumerate(PEOPLE)
    ]
    for thread in using:
        thread.start()
    for thread in using:
        thread.join()
