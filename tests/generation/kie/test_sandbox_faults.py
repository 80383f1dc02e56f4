"""The sandbox on a bad day: what goes wrong by chance, and books that tell the truth about it."""

import re
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from generation.kie.sandbox import FAULTS, Faults
from tests.generation.kie.test_sandbox import (
    CREATE,
    Caller,
    make_sandbox,  # noqa: F401  # a fixture
    receiver,  # noqa: F401  # a fixture
    wait_for,
)

ACCEPTED = {"lost", "silent", "held", "504", "id-lost"}


class Always(Faults):
    """This one kind of call goes wrong in this one way, every time."""

    def __init__(self, call, fault):
        super().__init__(1.0, pause_seconds=0.2)
        self.call, self.fault = call, fault

    def draw(self, call, kinds):
        return self.fault if call == self.call else ""


@pytest.fixture
def spoiled(make_sandbox, tmp_path, clip_bytes):  # noqa: F811
    """A sandbox in which one thing goes wrong, and somebody who calls it."""
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(clip_bytes)

    def spoil(call, fault, **options):
        sandbox = make_sandbox(faults=Always(call, fault), clip=clip, **options)
        return sandbox, Caller(sandbox)

    return spoil


@pytest.mark.parametrize("fault", FAULTS["creation"])
def test_the_books_know_whether_a_task_was_made(spoiled, fault):
    sandbox, caller = spoiled("creation", fault)

    with suppress(requests.RequestException, ValueError):
        caller.create()

    (seen,) = sandbox.requests_seen()
    made = {task.task_id for task in sandbox.tasks()}
    assert (seen.path, seen.fault) == (CREATE, fault)
    assert bool(made) == (fault in ACCEPTED)
    assert {seen.task_id} - {""} == made


@pytest.mark.parametrize("fault", ["lost", "silent", "hang-up"])
def test_some_creations_are_never_answered(spoiled, fault):
    _, caller = spoiled("creation", fault)

    with pytest.raises(requests.ConnectionError):
        caller.create()


@pytest.mark.parametrize("fault", FAULTS["question"])
def test_a_question_may_go_wrong_in_each_way(spoiled, fault):
    sandbox, caller = spoiled("question", fault)
    task_id = caller.create()["data"]["taskId"]

    started = time.monotonic()
    try:
        heard = caller.record(task_id)["code"]
    except (requests.RequestException, ValueError):
        heard = "nothing"

    assert heard == (200 if fault == "slow" else "nothing")
    assert (time.monotonic() - started > 0.2) == (fault == "slow")
    assert sandbox.requests_seen()[-1].task_id == task_id


@pytest.mark.parametrize("fault", FAULTS["file"])
def test_a_file_may_go_wrong_in_each_way(spoiled, fault, clip_bytes):
    sandbox, caller = spoiled("file", fault)
    caller.create()
    sandbox.finish()
    url = f"{sandbox.url}/v/{sandbox.tasks()[0].file_name}"

    try:
        content = requests.get(url, timeout=10).content
    except requests.RequestException:
        content = b""

    assert (content == clip_bytes) == (fault == "drip")


@pytest.mark.parametrize(("fault", "calls"), [("lost", 0), ("twice", 2), ("late", 1)])
def test_a_callback_may_go_wrong_in_each_way(spoiled, receiver, fault, calls):  # noqa: F811
    sandbox, caller = spoiled("callback", fault)
    caller.create(callBackUrl=receiver.url)
    sandbox.finish()

    wait_for(lambda: [x for x in sandbox.requests_seen() if x.method == "CALL"])

    assert len(receiver.calls) == calls
    noted = sandbox.requests_seen()[-1]
    assert (noted.fault, noted.code) == (fault, 200 if calls else 0)
    assert noted.task_id == sandbox.tasks()[0].task_id


def test_a_callback_may_overtake_the_answer(spoiled, receiver):  # noqa: F811
    sandbox, caller = spoiled("creation", "held", seconds=0)
    sandbox._faults.pause_seconds = 1.0
    answers = []

    asking = threading.Thread(
        target=lambda: answers.append(caller.create(callBackUrl=receiver.url))
    )
    asking.start()
    wait_for(lambda: receiver.calls)

    assert not answers
    asking.join()
    assert answers[0]["data"]["taskId"] == sandbox.tasks()[0].task_id


def test_the_same_seed_draws_the_same_faults():
    first, second, other = (Faults(0.3, seed=seed) for seed in (1, 1, 2))

    draws = [
        [faults.draw("creation", FAULTS["creation"]) for _ in range(200)]
        for faults in (first, second, other)
    ]

    assert draws[0] == draws[1] != draws[2]
    assert set(draws[0]) == {"", *FAULTS["creation"]}
    assert 0.15 < sum(map(bool, draws[0])) / 200 < 0.45


def test_without_a_rate_nothing_goes_wrong():
    assert {Faults().draw("file", FAULTS["file"]) for _ in range(100)} == {""}


def test_the_books_outlive_the_sandbox(make_sandbox):  # noqa: F811
    sandbox = make_sandbox()
    Caller(sandbox).create()
    sandbox.stop()

    again = make_sandbox()

    assert [x.path for x in again.requests_seen()] == [CREATE]


def test_every_fault_is_documented():
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    rows = set(re.findall(r"^\| (\w+) \| `([\w-]+)` \| (.+) \|$", page, re.MULTILINE))

    faults = {
        (call, name, fault.meaning)
        for call, kinds in FAULTS.items()
        for name, fault in kinds.items()
    }

    assert faults <= rows
