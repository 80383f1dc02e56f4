"""How fast KIE.AI is asked when far more is due than may be asked: as the sandbox saw it."""

import time
from itertools import pairwise

from tests.reliability.checker import Books, asked_twice_at_once, most_in_a_second
from tests.reliability.kills import PEOPLE, click_all
from tests.reliability.report import Report

DUE = 300
WARM_UP_SECONDS = 15


def measure(world, *, seconds, workers):
    report = Report(
        "rates", f"Two beats and {workers} workers, {DUE} videos that never end, {seconds} s"
    )
    # The usual status rate; what is measured is not how fast videos are made.
    sandbox = ["--clip", str(world.clip), "--seconds", "100000"]
    settings = {"KIE_CREATE_RATE": "1000/1s"}
    with world.studio(workers=workers, beats=2, sandbox=sandbox, **settings) as studio:
        studio.start(people=PEOPLE)
        click_all(studio, DUE)
        time.sleep(WARM_UP_SECONDS)
        since = time.time()
        time.sleep(seconds)
        until = time.time()
        due = len(studio.rows("SELECT id FROM generated_videos WHERE stage = 'running'"))
        books = Books.of(studio.sandbox_folder)
    asked = books.questions()
    measured = [x for x in asked if since <= x.at < until]
    per_second = len(measured) / (until - since)
    report.add("videos to be asked about", due)
    report.add(
        "questions in any one second, at most", most_in_a_second([x.at for x in asked]), "≤", 10
    )
    report.add("questions a second, while more was due", per_second, "≥", 9.5, "/s")
    report.add("videos asked about twice at once", len(asked_twice_at_once(asked)), "=", 0)
    gaps = sorted((b.at - a.at for a, b in pairwise(measured)), reverse=True)
    report.remarks.append(f"longest silences in s: {[round(gap, 2) for gap in gaps[:5]]}")
    return report
