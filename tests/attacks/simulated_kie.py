"""KIE.AI and the web its results lie on, played in one process, with books of their own.

`SimulatedKie` stands in KieClient's place. What it writes into its books is what really happened
at the provider; the checker compares the studio's rows with them.
"""

import enum
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal

from django.db import connection
from django.utils.timezone import now

from generation.kie.errors import KieNotSent, KieRefused, KieUnclear
from generation.kie.snapshot import TaskRequest, TaskSnapshot, TaskState

RESULTS = "https://results.kie.example"


class Creation(enum.Enum):
    """What becomes of a call that asks for a video."""

    ACCEPTED = "accepted"
    LOST = "accepted, the answer is lost"
    GARBLED = "accepted, the answer cannot be read"
    NEVER_CAME = "lost on the way to KIE.AI"
    BROKEN = "HTTP 502, nothing was made"
    UNREACHABLE = "never left"
    BUSY = "429"
    REFUSED = "402"
    SURPRISE = "accepted, then our own code breaks"


# A task exists afterwards.
MADE = {Creation.ACCEPTED, Creation.LOST, Creation.GARBLED, Creation.SURPRISE}
# As far as the studio can know, a task may exist afterwards.
PERHAPS_MADE = MADE | {Creation.NEVER_CAME, Creation.BROKEN}


class Reading(enum.Enum):
    """What becomes of a question about a task."""

    TRUE = "what the record says"
    STALE = "what the record said before"
    SILENT = "no answer"
    BUSY = "429"
    REFUSED = "401"
    UNREADABLE = "an answer that breaks our own code"


class Fetching(enum.Enum):
    """What becomes of a download."""

    WHOLE = "the file"
    CUT = "less than announced"
    CUT_UNANNOUNCED = "half of it, and no length was announced"
    PAGE = "an HTML page"
    EMPTY = "nothing"
    GONE = "404"
    RESET = "the connection breaks"


@dataclass
class Click:
    """What one press of the button has led to at KIE.AI."""

    prompt: str
    owner: int
    answers: list[Creation] = field(default_factory=list)
    # Creations that were made or, as far as we can know, may have been.
    possible: int = 0
    refused: bool = False
    # Did the answer reach code of ours that lived on to write it down?
    is_told: bool = False

    @property
    def is_provably_unsent(self) -> bool:
        return self.possible == 0


@dataclass
class Task:
    """One task in KIE.AI's books."""

    id: str
    prompt: str
    owner: int
    call_back_url: str
    said: list[TaskSnapshot]
    link: int = 1

    @property
    def url(self) -> str:
        return f"{RESULTS}/{self.id}/{self.link}.mp4"

    @property
    def now(self) -> TaskSnapshot:
        return self.said[-1]

    @property
    def is_over(self) -> bool:
        return self.now.state is not TaskState.RUNNING

    @property
    def has_succeeded(self) -> bool:
        return any(said.video_urls for said in self.said)

    @property
    def has_failed(self) -> bool:
        over = [said for said in self.said if said.state is not TaskState.RUNNING]
        return any(not said.video_urls for said in over)

    def works(self) -> None:
        self._say(TaskState.RUNNING, "generating", progress=60)

    def succeeds(self) -> None:
        self._say(TaskState.SUCCEEDED, "success", video_urls=(self.url,), credits=Decimal("30.00"))

    def fails(self) -> None:
        self._say(TaskState.FAILED, "fail", error_code="500", failure="Internal error")

    def succeeds_without_a_result(self) -> None:
        self._say(TaskState.SUCCEEDED, "success")

    def _say(self, state: TaskState, word: str, **facts: object) -> None:
        echo = TaskRequest(call_back_url=self.call_back_url)
        self.said.append(TaskSnapshot(state=state, kie_state=word, request=echo, **facts))


class SimulatedKie:
    """KieClient's public methods, and the books behind them."""

    def __init__(self, clip: bytes, *, reach: Callable[[str], None]) -> None:
        self._clip = clip
        # A named place where the process that calls us may die.
        self._reach = reach
        # What else happens in the studio while this call is on the wire.
        self.meanwhile: Callable[[str], None] = lambda prompt: None
        self.clicks: dict[str, Click] = {}
        self.tasks: dict[str, Task] = {}
        self.creation = Creation.ACCEPTED
        self.reading = Reading.TRUE
        self.fetching = Fetching.WHOLE
        # Our process hangs between its turn and its call: the budget cannot know.
        self.is_stalled = False
        self.created_at: list[float] = []
        self.asked_at: list[float] = []
        self.complaints: list[str] = []
        self._depth = len(connection.savepoint_ids)

    # --- KieClient's ------------------------------------------------------------------------

    def create_task(self, body, *, family, **_):
        self._outside_transactions("create_task")
        self._note_moment(self.created_at)
        prompt = body.get("input", body)["prompt"]
        click, answer = self.clicks[prompt], self.creation
        click.answers.append(answer)
        click.is_told = False
        # Whoever dies from here on cannot know.
        click.possible += 1
        self._reach("while sending")
        task = self._make(click, body) if answer in MADE else None
        self.meanwhile(prompt)
        self._reach("after acceptance")
        if answer not in PERHAPS_MADE:
            click.possible -= 1
        click.is_told = True
        return self._answer(answer, click, task)

    def fetch_task(self, task_id, *, family, **_):
        self._outside_transactions("fetch_task")
        self._note_moment(self.asked_at)
        task = self.tasks.get(task_id)
        # The answer is on its way back while other things happen.
        said = task.said[-1] if task else None
        if said and self.reading is Reading.STALE:
            said = task.said[max(len(task.said) - 2, 0)]
        reading = self.reading
        if task:
            self.meanwhile(task.prompt)
        match reading:
            case Reading.SILENT:
                raise KieUnclear("no answer: ReadTimeout", is_silence=True)
            case Reading.BUSY:
                raise KieNotSent("429", code=429, retry_after=3.0)
            case Reading.REFUSED:
                raise KieRefused("401 unauthorized", code=401, is_silence=True)
            case Reading.UNREADABLE:
                raise TypeError("a shape nobody has thought of")
        if said is None:
            raise KieRefused("422 record is null", code=422)
        return said

    def upload(self, file, *, name, media_type, **_):
        return f"{RESULTS}/uploads/{name}"

    def fetch_credits(self, **_):
        # What nobody's video gets an answer to, gets none either.
        if self.creation is Creation.UNREACHABLE or self.reading is Reading.SILENT:
            raise KieUnclear("no answer: ReadTimeout", is_silence=True)
        return Decimal(1000)

    def __getattr__(self, name):
        if name.startswith("_"):
            raise AttributeError(name)

        # A call this simulation does not know is one that KIE.AI does not answer.
        def unanswered(*args, **kwargs):
            raise KieUnclear(f"no answer: {name}")

        return unanswered

    # --- The web that results lie on --------------------------------------------------------

    def download(self, request):
        """Answers `responses`' callback: status, headers, body."""
        self._outside_transactions("download")
        _, task_id, name = request.url.removeprefix("https://").split("/")
        task, fetching = self.tasks[task_id], self.fetching
        self._reach("while fetching")
        self.meanwhile(task.prompt)
        if not task.url.endswith(f"/{name}") or fetching is Fetching.GONE:
            return 404, {}, b"gone"
        whole = self.clip_of(task)
        length = {"Content-Length": str(len(whole))}
        match fetching:
            case Fetching.CUT:
                # Only the length tells: what is missing is padding.
                return 200, length, whole[:-3]
            case Fetching.CUT_UNANNOUNCED:
                return 200, {}, whole[: len(self._clip) // 2]
            case Fetching.PAGE:
                return 200, {}, b"<html>Your link has expired</html>"
            case Fetching.EMPTY:
                return 200, {}, b""
            case Fetching.RESET:
                raise ConnectionResetError("reset by peer")
        return self._range_of(whole, request.headers.get("Range", ""))

    def _range_of(self, whole, wanted):
        first = wanted.removeprefix("bytes=").removesuffix("-")
        if not first.isdigit():
            return 200, {"Content-Length": str(len(whole))}, whole
        part = whole[int(first) :]
        place = {"Content-Range": f"bytes {first}-{len(whole) - 1}/{len(whole)}"}
        return 206, place | {"Content-Length": str(len(part))}, part

    def clip_of(self, task):
        """A clip that plays and is this task's alone: its id stands in a box players skip."""
        name = task.id.encode()
        return self._clip + struct.pack(">I4s", 8 + len(name), b"free") + name

    # --- Behind the counter -----------------------------------------------------------------

    def _make(self, click: Click, body) -> Task:
        address = body.get("callBackUrl", "")
        echo = TaskRequest(call_back_url=address)
        waiting = TaskSnapshot(state=TaskState.RUNNING, kie_state="waiting", request=echo)
        task = Task(f"task-{len(self.tasks)}", click.prompt, click.owner, address, [waiting])
        self.tasks[task.id] = task
        return task

    def _answer(self, answer: Creation, click: Click, task: Task | None) -> str:
        match answer:
            case Creation.ACCEPTED:
                return task.id
            case Creation.SURPRISE:
                raise RuntimeError("our own code breaks")
            case Creation.UNREACHABLE:
                raise KieNotSent("no connection: NewConnectionError", is_silence=True)
            case Creation.BUSY:
                raise KieNotSent("429", code=429, retry_after=7.0)
            case Creation.REFUSED:
                click.refused = True
                raise KieRefused("402", code=402)
        raise KieUnclear(answer.value)

    def _note_moment(self, moments: list[float]) -> None:
        if not self.is_stalled:
            moments.append(now().timestamp())

    def _outside_transactions(self, call: str) -> None:
        if len(connection.savepoint_ids) != self._depth:
            self.complaints.append(f"{call} inside a database transaction")
