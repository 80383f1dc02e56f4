"""Callbacks that are not KIE.AI's: forged, replayed, mangled. None may change anything."""

import http.client
import json
import random
import threading
import time
from uuid import UUID, uuid4

from django.core.signing import Signer

from generation.kie.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign
from tests.reliability.kills import GENEROUS
from tests.reliability.people import Person
from tests.reliability.report import Report, share
from tests.reliability.studio import WEBHOOK_KEY

A_SECOND = 50
THREADS = 8
# What asking KIE.AI changes by itself; everything else of a row has to stay.
BOOKKEEPING = {
    "next_poll_at",
    "last_polled_at",
    "poll_count",
    "claimed_until",
    "updated_at",
    "progress",
    # Taken only when KIE.AI's own record of that task names the video; until then a question.
    "offered_task_id",
    "kie_state",
    "version",
}


def signed(task_id, *, at=None, key=WEBHOOK_KEY):
    timestamp = str(int(at or time.time()))
    return {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: sign(task_id, timestamp, key=key)}


def says(task_id, **facts):
    return json.dumps({"code": 200, "data": {"taskId": task_id, **facts}}).encode()


def lie(task_id):
    result = json.dumps({"resultUrls": ["http://127.0.0.1:9/elsewhere.mp4"]})
    return says(task_id, state="success", resultJson=result)


# Each gives path, headers and body for a task and its callback's path, and another of both.
FORGERIES = {
    "a token made up": lambda task, path, other: ("/webhooks/kie/x.y/", signed(task), lie(task)),
    "a token cut": lambda task, path, other: (path[:-4] + "/", signed(task), lie(task)),
    "not signed": lambda task, path, other: (path, {}, lie(task)),
    "signed with another key": lambda task, path, other: (
        path,
        signed(task, key="guessed"),
        lie(task),
    ),
    "signed for another task": lambda task, path, other: (path, signed(other), lie(task)),
    "another's task, well signed": lambda task, path, other: (path, signed(other), lie(other)),
    "an old one again": lambda task, path, other: (
        path,
        signed(task, at=time.time() - 400),
        lie(task),
    ),
    "a fresh one again, lying": lambda task, path, other: (path, signed(task), lie(task)),
    "a failure that is none": lambda task, path, other: (
        path,
        signed(task),
        says(task, state="fail", failMsg="refused"),
    ),
    "no JSON": lambda task, path, other: (path, signed(task), b"\xff\xfe{"),
    "too deep": lambda task, path, other: (path, signed(task), b"[" * 60_000),
    "too large": lambda task, path, other: (path, signed(task), b" " * 70_000),
    "two tasks": lambda task, path, other: (
        path,
        signed(task),
        json.dumps({"taskId": task, "data": {"taskId": other}}).encode(),
    ),
    "a text with zeros": lambda task, path, other: (path, signed(task), says("\0" + task)),
}


def measure(world, *, calls):
    report = Report("callbacks", f"{calls:,} forged or replayed callbacks")
    sandbox = ["--clip", str(world.clip), "--seconds", "1"]
    with world.studio(webs=2, sandbox=sandbox, **GENEROUS) as studio:
        studio.start(people=["ada"])
        person = Person(studio, "ada")
        person.sign_in()
        for word in ("sandbox:forever", "sandbox:no-id", "sandbox:fail", ""):
            for number in range(4):
                person.click(f"{word} a red kite {number}")
        time.sleep(25)
        tasks = _tasks(studio)
        for how, pace in ((f"at {A_SECOND} a second", A_SECOND), ("as fast as they come", None)):
            before = _facts(studio)
            answers = _call(studio, tasks, calls=calls, pace=pace)
            # What was nudged is asked about; nothing may come of it.
            time.sleep(12)
            changed = _changed(before, _facts(studio))
            _tell(report, how, answers, changed, calls)
    return report


def _tasks(studio):
    """Each task with its callback's path; a video without one, with the id of nobody's task."""
    rows = studio.rows("SELECT id, task_id FROM generated_videos")
    signer = Signer(
        key=studio.environment["SECRET_KEY"],
        fallback_keys=[],
        sep=".",
        salt="generation.callbacks",
        algorithm="sha256",
    )
    return [
        (row["task_id"] or uuid4().hex, f"/webhooks/kie/{signer.sign(UUID(str(row['id'])).hex)}/")
        for row in rows
    ]


def _tell(report, how, answers, changed, calls):
    statuses = [status for status, _ in answers]
    report.add(f"{how}: answered", sum(1 for status in statuses if status), "=", calls)
    report.add(f"{how}: states changed", len(changed), "=", 0)
    report.add(f"{how}: answers of 500 and above", sum(s >= 500 for s in statuses), "=", 0)
    seconds = [took for _, took in answers]
    report.add(f"{how}: p50", share(seconds, 50) * 1000, unit=" ms")
    report.add(f"{how}: p99", share(seconds, 99) * 1000, "≤", 100, " ms")
    for status in sorted(set(statuses)):
        took = [seconds for answered, seconds in answers if answered == status]
        p99 = share(took, 99) * 1000
        report.remarks.append(f"{how}: {len(took)} times {status}, p99 {p99:.0f} ms")
    report.remarks += [f"{how}: changed {change}" for change in changed[:5]]


def _facts(studio):
    rows = studio.rows("SELECT * FROM generated_videos")
    return {
        row["id"]: {name: value for name, value in row.items() if name not in BOOKKEEPING}
        for row in rows
    }


def _changed(before, after):
    return [
        (str(pk), name, before[pk][name], row[name])
        for pk, row in after.items()
        for name in row
        if row[name] != before[pk][name]
    ]


def _call(studio, tasks, *, calls, pace):
    """Status and seconds of each call. With a pace the seconds count from when it was due."""
    answers, began = [], time.monotonic()

    def call(mine):
        chance = random.Random(mine)
        connection = http.client.HTTPConnection("127.0.0.1", studio.port, timeout=30)
        for number in range(mine, calls, THREADS):
            (task, path), (other, _) = chance.sample(tasks, 2)
            forge = chance.choice(list(FORGERIES.values()))
            path, headers, body = forge(task, path, other)
            due = began + number / pace if pace else time.monotonic()
            time.sleep(max(0.0, due - time.monotonic()))
            answers.append((_post(connection, path, headers, body), time.monotonic() - due))

    calling = [threading.Thread(target=call, args=(mine,)) for mine in range(THREADS)]
    for thread in calling:
        thread.start()
    for thread in calling:
        thread.join()
    return answers


def _post(connection, path, headers, body):
    """The status; 0 when there was no answer, also not over a new connection."""
    for _ in range(2):
        try:
            connection.request("POST", path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException):
            # One that was kept alive may have been closed after the last answer.
            connection.close()
        else:
            return answer.status
    return 0
