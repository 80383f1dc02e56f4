"""Asking KIE.AI about many tasks at once, within the budget that all processes share."""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from math import ceil
from queue import Empty, SimpleQueue

from django.conf import settings
from django.utils.timezone import now

from gallery.models import Video
from generation.catalogue import family_of
from generation.kie.budget import sleep_until, status_queries
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieUnclear
from generation.kie.snapshot import TaskSnapshot
from generation.outage import SUSPICIOUS

logger = logging.getLogger(__name__)

# Turns are taken a moment ahead and no further: a nudged video of another process comes between.
AHEAD = timedelta(seconds=0.6)
# Turns lie a little further apart than they would have to. A call later than that would be one too
# many in the second that follows: it waits for another turn.
PUNCTUAL = timedelta(seconds=0.03)
LOOK_UP_SECONDS = 0.2
# Without a budget of ours so many are claimed together.
MOST_AT_ONCE = 1000
# What has been learned is written at the latest after this long, however much more comes.
REST_SECONDS = 1.0

type Answer = tuple[Video, TaskSnapshot | KieError]


class Inquiry:
    """One round of questions. Iterated, it yields the answers as they come.

    `claim(most)` takes up to so many videos for this round: few at a time, so that one which KIE.AI
    has just called back about is rarely held by a round that will come to it much later.
    The threads only ask. Everything is written by the thread that iterates, over one connection;
    None now and then gives it time to write. What was not asked in the end is in `unasked`: there
    was no more time, or KIE.AI did not answer anybody.
    """

    def __init__(
        self, claim: Callable[[int], Sequence[Video]], *, client: KieClient, until: datetime
    ) -> None:
        self.unasked: list[Video] = []
        # Questions in a row that brought no word of KIE.AI's, not even a refusal.
        self.silences = 0
        self._claim = claim
        self._waiting: deque[Video] = deque()
        self._is_exhausted = False
        self._under_way = 0
        self._turns_until = now()
        self._client = client
        self._until = until
        self._answers: SimpleQueue[tuple[Video, TaskSnapshot | KieError | None]] = SimpleQueue()

    def __iter__(self) -> Iterator[Answer | None]:
        rested_at = time.monotonic()
        with ThreadPoolExecutor(max_workers=settings.KIE_STATUS_CONNECTIONS) as threads:
            while self._waiting or self._under_way or not self._is_exhausted:
                self._take_turns(threads, at=now())
                if time.monotonic() - rested_at > REST_SECONDS:
                    rested_at = time.monotonic()
                    yield None
                try:
                    video, said = self._answers.get(timeout=LOOK_UP_SECONDS)
                except Empty:
                    continue
                self._under_way -= 1
                if said is None:
                    self._waiting.appendleft(video)
                else:
                    yield video, said

    def _take_turns(self, threads: ThreadPoolExecutor, *, at: datetime) -> None:
        """Send off the next questions, each for a moment that is its own."""
        if self._is_over(at):
            self._drop()
        if self._turns_until - at >= AHEAD / 2:
            return
        budget = status_queries()
        self._claim_more(budget.rate)
        if not self._waiting:
            return
        # None is taken that would lie beyond the end: it would be lost for everybody.
        turns = budget.reserve(len(self._waiting), within=min(AHEAD, self._until - at))
        for moment in turns:
            threads.submit(self._ask, self._waiting.popleft(), moment)
            self._under_way += 1
            self._turns_until = moment
        if not turns and not budget.has_room(within=self._until - at):
            # KIE.AI has asked for a pause that outlasts this round.
            self._drop()

    def _claim_more(self, rate: tuple[int, float] | None) -> None:
        if self._waiting or self._is_exhausted:
            return
        few = MOST_AT_ONCE if rate is None else ceil(AHEAD.total_seconds() * rate[0] / rate[1])
        claimed = self._claim(few)
        self._waiting.extend(claimed)
        self._is_exhausted = len(claimed) < few

    def _is_over(self, at: datetime) -> bool:
        return at > self._until or self.silences >= SUSPICIOUS

    def _drop(self) -> None:
        self.unasked += self._waiting
        self._waiting.clear()
        self._is_exhausted = True

    def _ask(self, video: Video, moment: datetime) -> None:
        sleep_until(moment)
        is_late = settings.KIE_STATUS_RATE is not None and now() - moment > PUNCTUAL
        if is_late or self.silences >= SUSPICIOUS:
            self._answers.put((video, None))
            return
        said = ask_about(video, client=self._client)
        is_silence = isinstance(said, KieError) and said.is_silence
        # Counted here: the next thread is to know before the answer has been written down.
        self.silences = self.silences + 1 if is_silence else 0
        self._answers.put((video, said))


def ask_about(video: Video, *, client: KieClient) -> TaskSnapshot | KieError:
    """What KIE.AI says about this video's task, or why it said nothing."""
    try:
        return client.fetch_task(video.task_id, family=family_of(video.model, video.family))
    except KieError as error:
        return error
    # One video whose answer breaks us must not stop the round for the others.
    except Exception as error:
        logger.exception("task_unreadable video=%s task=%s", video.pk, video.task_id)
        return KieUnclear(f"unreadable: {type(error).__name__}")
