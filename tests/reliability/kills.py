"""Everything at once: people click, a fifth of all calls goes wrong, processes are killed."""

import hashlib
import threading
import time
from queue import Empty, SimpleQueue

from tests.reliability.checker import Books, check, is_explained
from tests.reliability.nemesis import Nemesis
from tests.reliability.people import Person
from tests.reliability.report import Report, share

PEOPLE = ("ada", "ben", "cem", "dee", "eva", "fay")
KILLED_FOR_SECONDS = 30
GENEROUS = {"KIE_CREATE_RATE": "100/1s", "KIE_STATUS_RATE": "100/1s"}
SETTLED = "SELECT * FROM generated_videos WHERE status = 'processing'"
UNSENT = "SELECT id FROM generated_videos WHERE stage IN ('queued', 'submitting')"


def measure(world, *, submissions, faults=0.2, seed=1, settle_seconds=900):
    report = Report(
        "kills",
        f"{submissions:,} submissions, {faults:.0%} of all calls gone wrong, processes killed",
    )
    sandbox = ["--clip", str(world.clip), "--seconds", "3", "--pause", "3"]
    chance = ["--faults", str(faults), "--seed", str(seed)]
    with world.studio(workers=2, webs=2, sandbox=[*sandbox, *chance], **GENEROUS) as studio:
        studio.start(people=PEOPLE)
        studio.watch_states()
        victims = ["web", "worker0", "worker1", "beat0"]
        began = time.monotonic()
        with Nemesis(studio, victims, seed=seed) as nemesis:
            clicks = click_all(studio, submissions)
            clicked = time.monotonic() - began
            # What waits in the queue is sent under the same conditions, and what was sent last is
            # made and fetched under them.
            sent = wait_until_sent(studio, seconds=settle_seconds)
            time.sleep(KILLED_FOR_SECONDS)
        studio.restart_sandbox(*sandbox)
        settled = settle(studio, seconds=settle_seconds)
        found = check(studio, clicks=clicks, digest=world.digest)
        books = Books.of(studio.sandbox_folder)
    _tell(report, found, books, clicks, nemesis)
    report.add("time for the clicks", clicked, unit=" s")
    report.add("until the last one was sent after that", sent, unit=" s")
    report.add("until everything was settled, once faults and kills had ended", settled, unit=" s")
    return report


def _tell(report, found, books, clicks, nemesis):
    spoiled = sum(1 for seen in books.requests if seen.fault)
    report.add("processes killed", sum(nemesis.kills.values()), "≥", 1)
    report.add("calls that went wrong", spoiled)
    report.add("tasks that KIE.AI accepted", len(books.tasks))
    for what, findings in {
        "accepted tasks missing": found.missing,
        "clicks charged twice": found.twice,
        "clicks that made two videos": found.rows_twice,
        "started videos without a row": found.clicks_lost,
        "settled states changed, or stages gone back": found.changed,
        "videos stuck without explanation": found.stuck,
        "completed videos without their whole file": found.broken_files,
        "videos called failed that KIE.AI made": found.wrongly_failed,
    }.items():
        report.add(what, len(findings), "=", 0)
        report.remarks += [f"{what}: {finding}" for finding in findings[:5]]
    report.add("clicks that got no answer", sum(not click.said for click in clicks))
    report.add("answers of 500 and above", sum(click.errors for click in clicks))
    report.add("a click, p95", share([click.seconds for click in clicks], 95), unit=" s")
    report.add("unconfirmed in the end, nobody called back", found.states["processing/unconfirmed"])
    report.remarks += [f"states: {dict(found.states)}", f"kills: {dict(nemesis.kills)}"]


def click_all(studio, submissions, *, pause=0.0):
    """Several people press the button until there are so many clicks. Returns the clicks."""
    prompts, clicks = SimpleQueue(), []
    for number in range(submissions):
        prompts.put(f"A red kite over the sea, take {number:05}")

    def use(name):
        person = Person(studio, name)
        person.sign_in()
        while True:
            try:
                prompt = prompts.get_nowait()
            except Empty:
                return
            # Every tenth press is a double one.
            clicks.append(person.click(prompt, twice=prompt.endswith("0")))
            time.sleep(pause)

    using = [threading.Thread(target=use, args=(name,)) for name in PEOPLE]
    for thread in using:
        thread.start()
    for thread in using:
        thread.join()
    return clicks


def wait_until_sent(studio, *, seconds):
    """Wait until nothing is left in the queue. Returns how many seconds it took."""
    began = time.monotonic()
    while studio.rows(UNSENT) and time.monotonic() - began < seconds:
        time.sleep(1)
    return time.monotonic() - began


def settle(studio, *, seconds):
    """Wait until nothing moves by itself any more. Returns how many seconds it took."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        waiting = studio.rows(SETTLED)
        if all(row["stage"] == "unconfirmed" for row in waiting):
            books = Books.of(studio.sandbox_folder)
            if all(is_explained(row, books) for row in waiting):
                late = "SELECT id FROM generated_videos WHERE next_archive_at IS NOT NULL"
                if not studio.rows(late):
                    break
        time.sleep(1)
    return time.monotonic() - began


def digest_of(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()
