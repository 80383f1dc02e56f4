"""Misbehaviour by chance: what a provider, its gateway and the network do on a bad day.

A fault is given what would honestly be done, not yet done, and a way to wait a moment. It decides
whether it is done at all, and what the caller hears of it.
"""

import random
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from generation.kie.sandbox.http import HANG_UP, Answer, envelope, html_error, text
from generation.kie.sandbox.words import REFUSALS

NOT_A_VIDEO = text(
    200,
    "<!DOCTYPE html><html><body><h1>This file is not available</h1></body></html>",
    "text/html",
)
GARBAGE = text(200, '{"code": 200, "data": {"taskId": "', "application/json")

type Wait = Callable[[], object]


@dataclass(frozen=True, slots=True)
class Fault[T]:
    """What goes wrong in words, and the answer that comes of it."""

    meaning: str
    spoil: Callable[[Callable[[], T], Wait], T]


def _instead[T](answer: T) -> Callable[[Callable[[], T], Wait], T]:
    return lambda honest, wait: answer


def _done_but[T](answer: T) -> Callable[[Callable[[], T], Wait], T]:
    def spoil(honest: Callable[[], T], wait: Wait) -> T:
        honest()
        return answer

    return spoil


def _held[T](honest: Callable[[], T], wait: Wait) -> T:
    answer = honest()
    wait()
    return answer


def _late[T](honest: Callable[[], T], wait: Wait) -> T:
    wait()
    return honest()


def _twice[T](honest: Callable[[], T], wait: Wait) -> T:
    honest()
    return honest()


def _silent(honest: Callable[[], Answer], wait: Wait) -> Answer:
    honest()
    wait()
    return HANG_UP


def _cut(honest: Callable[[], Answer], wait: Wait) -> Answer:
    answer = honest()
    return replace(answer, cut_after=max(answer.length // 2, 1)) if answer.file else answer


def _drip(honest: Callable[[], Answer], wait: Wait) -> Answer:
    return replace(honest(), pause=wait)


CREATION: Mapping[str, Fault[Answer]] = {
    "hang-up": Fault("The connection breaks before anything is read.", _instead(HANG_UP)),
    "lost": Fault("The task is accepted, the connection breaks.", _done_but(HANG_UP)),
    "silent": Fault("The task is accepted, a silence, then the connection breaks.", _silent),
    "held": Fault("The answer is held back: the callback may come first.", _held),
    "502": Fault("HTML of a gateway, and no task.", _instead(html_error(502))),
    "504": Fault("The task is accepted, HTML of a gateway.", _done_but(html_error(504))),
    "no-id": Fault("Code 200, and no task.", _instead(envelope(200, "success"))),
    "id-lost": Fault(
        "The task is accepted, code 200 without its id.", _done_but(envelope(200, "success"))
    ),
    "429": Fault("Refused unread: too many.", _instead(envelope(*REFUSALS["429"]))),
    "455": Fault("Refused unread: maintenance.", _instead(envelope(*REFUSALS["455"]))),
}
QUESTION: Mapping[str, Fault[Answer]] = {
    "hang-up": Fault("The connection breaks.", _instead(HANG_UP)),
    "500": Fault("HTTP 500 and HTML.", _instead(html_error(500))),
    "garbage": Fault("JSON that ends in the middle.", _instead(GARBAGE)),
    "slow": Fault("The answer comes late.", _held),
}
FILE: Mapping[str, Fault[Answer]] = {
    "cut": Fault("The connection breaks in the middle.", _cut),
    "404": Fault("It is not there, this time.", _instead(html_error(404))),
    "not-video": Fault("HTML in its place.", _instead(NOT_A_VIDEO)),
    "drip": Fault("It comes in a trickle.", _drip),
}
# What comes of a callback is the status it is answered with; 0: none.
CALLBACK: Mapping[str, Fault[int]] = {
    "lost": Fault("It is never sent.", _instead(0)),
    "twice": Fault("It is sent twice.", _twice),
    "late": Fault("It is sent late.", _late),
}


class Faults:
    """How often things go wrong. The same seed draws the same faults for each kind of call."""

    def __init__(self, rate: float = 0.0, *, seed: int = 0, pause_seconds: float = 3.0) -> None:
        self.rate, self.seed, self.pause_seconds = rate, seed, pause_seconds
        self._lock = threading.Lock()
        self._chances: dict[str, random.Random] = {}

    def draw(self, call: str, kinds: Mapping[str, object]) -> str:
        """The name of what goes wrong this time with this kind of call; "" for nothing."""
        if not self.rate:
            return ""
        with self._lock:
            # Which faults come when is for tests to repeat, not for anybody to guess.
            chance = self._chances.setdefault(call, random.Random(f"{self.seed} {call}"))  # noqa: S311
            return chance.choice(list(kinds)) if chance.random() < self.rate else ""
