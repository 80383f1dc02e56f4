"""A KIE.AI of our own: a small HTTP server that speaks its API and costs nothing.

It checks the key, validates, walks tasks through their states in a few seconds, renders real
videos, calls back and keeps the rate limits. Words in the prompt make it fail: see `words`.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from generation.kie.sandbox.books import RequestBook, RequestSeen
from generation.kie.sandbox.callbacks import call_back
from generation.kie.sandbox.catalogue import (
    MODELS_PATH,
    ModelOnOffer,
    no_models,
    tell_about_one,
    tell_models,
)
from generation.kie.sandbox.clips import ClipOrder
from generation.kie.sandbox.families import (
    BY_CREATE_PATH,
    BY_NAME,
    BY_STATUS_PATH,
    FAMILIES,
    VEO_1080P,
    Family,
    Results,
)
from generation.kie.sandbox.faults import (
    CALLBACK,
    CREATION,
    FILE,
    NOT_A_VIDEO,
    QUESTION,
    Fault,
    Faults,
)
from generation.kie.sandbox.files import (
    CLIPS_PATH,
    LAST_STILL,
    PART,
    SECOND,
    STILL,
    UPLOADS_PATH,
    SandboxFiles,
    result_name,
)
from generation.kie.sandbox.http import (
    HANG_UP,
    Answer,
    Question,
    Refused,
    Server,
    envelope,
    enveloped,
    html_error,
    json_object,
    part_of_file,
    text,
)
from generation.kie.sandbox.orders import Creation, lengths_in, strings_in
from generation.kie.sandbox.rendering import Rendering
from generation.kie.sandbox.tasks import SandboxTask, TaskBook
from generation.kie.sandbox.uploads import base64_upload, stream_upload
from generation.kie.sandbox.words import REFUSALS, words_in

# Source: docs.kie.ai, Veo records and results live 14 days.
KEPT_FOR = timedelta(days=14)
# So long a link lives that download-url gives. Source: docs.kie.ai/common-api/download-url
DOWNLOAD_SECONDS = 20 * 60
MOST_DOWNLOADS_REMEMBERED = 1000
SILENCE_SECONDS = 60
CALLBACK_TICK_SECONDS = 0.1

LEAST_CREDITS = 60
CREDITS_A_SECOND = 12

# What KIE.AI's edge takes for a robot, and refuses before anyone looks at the key.
LIBRARY_AGENTS = ("python-requests/", "Python-urllib/", "python-httpx/", "Python/", "aiohttp/")

logger = logging.getLogger(__name__)


def accept_everything(path: str, body: Mapping[str, Any]) -> str:
    """The validation of a sandbox that is given none."""
    return ""


def usual_price(creation: Creation) -> Decimal | None:
    """The prices of a sandbox that is given none: by the length of the clip."""
    return None


class RateLimit:
    """At most so many in any so many seconds. What is refused does not count."""

    def __init__(self, count: int, seconds: float) -> None:
        self._seconds = seconds
        self._taken: deque[float] = deque([float("-inf")] * count, maxlen=count)
        self._lock = threading.Lock()

    def take(self) -> None:
        with self._lock:
            now = time.monotonic()
            if now - self._taken[0] < self._seconds:
                raise Refused(*REFUSALS["429"])
            self._taken.append(now)


class Sandbox:
    """The server. What `refusal_of` says about a body is answered with code 422, "" accepts it.

    `credits_for` says what a creation costs; None: as the sandbox likes.
    `models` is what the live catalogue tells. `clip`: the file that every task results in, in
    place of a clip rendered for it.
    """

    def __init__(
        self,
        *,
        folder: Path,
        api_key: str,
        refusal_of: Callable[[str, Mapping[str, Any]], str] = accept_everything,
        credits_for: Callable[[Creation], Decimal | None] = usual_price,
        models: Callable[[], Iterable[ModelOnOffer]] = no_models,
        seconds: float = 20.0,
        host: str = "127.0.0.1",
        port: int = 0,
        credits: float = 10_000,
        create_rate: tuple[int, float] = (20, 10.0),
        status_rate: tuple[int, float] = (10, 1.0),
        models_rate: tuple[int, float] = (1, 1.0),
        webhook_key: str = "",
        clip: Path | None = None,
        faults: Faults | None = None,
    ) -> None:
        self._files = SandboxFiles(folder)
        self._book = TaskBook(folder / "tasks.sqlite3")
        self._seen = RequestBook(folder / "requests.sqlite3")
        self._faults = faults or Faults()
        self._api_key, self._webhook_key = api_key, webhook_key
        self._refusal_of, self._credits_for, self._models = refusal_of, credits_for, models
        self._seconds, self._credits = seconds, credits
        self._creations, self._questions = RateLimit(*create_rate), RateLimit(*status_rate)
        self._looks_at_models = RateLimit(*models_rate)
        self._asked_about: Counter[str] = Counter()
        # Each fresh link's own part of its address, and until when it opens.
        self._downloads: deque[tuple[str, float]] = deque(maxlen=MOST_DOWNLOADS_REMEMBERED)
        self._accepting, self._making_1080p = threading.Lock(), threading.Lock()
        self._stopping = threading.Event()
        self._serving: threading.Thread | None = None
        self._calling_back = threading.Thread(target=self._call_back_in_time, daemon=True)
        self._rendering = Rendering(self._book, self._files, clip=clip)
        self._endpoints = self._all_endpoints()
        self._server = Server((host, port), self._answer)
        self.url = f"http://{host}:{self._server.server_port}"
        self._go_on()

    def _all_endpoints(self) -> dict[tuple[str, str], Callable[[Question], Answer]]:
        endpoints: dict[tuple[str, str], Callable[[Question], Answer]] = {
            ("GET", "/api/v1/chat/credit"): self._balance,
            ("POST", "/api/v1/common/download-url"): self._download_url,
            ("GET", MODELS_PATH): self._catalogue,
            ("POST", "/api/file-stream-upload"): partial(stream_upload, files=self._files),
            ("POST", "/api/file-base64-upload"): partial(base64_upload, files=self._files),
        }
        for family in FAMILIES:
            endpoints["POST", family.create_path] = partial(self._create, family)
            endpoints["GET", family.status_path] = partial(self._record, family)
        # Asking is creating.
        del endpoints["POST", VEO_1080P]
        endpoints["GET", VEO_1080P] = partial(self._record_1080p, BY_STATUS_PATH[VEO_1080P])
        return endpoints

    # --- From outside -------------------------------------------------------------------------

    def start(self) -> None:
        """Serve in a thread, until `stop`."""
        self._serving = threading.Thread(target=self.serve_forever, daemon=True)
        self._serving.start()

    def serve_forever(self) -> None:
        self._calling_back.start()
        self._server.serve_forever(poll_interval=0.05)

    def stop(self) -> None:
        """Hang up on everyone. What was accepted goes on when a sandbox starts in this folder."""
        self._stopping.set()
        if self._serving:
            self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()
        self._rendering.stop()
        if self._calling_back.is_alive():
            self._calling_back.join()
        self._book.close()
        self._seen.close()

    def finish(self, task_id: str = "") -> None:
        """Let that task, or every task, reach its end now. Returns when its clip is rendered."""
        now = datetime.now(UTC)
        for task in self._book.all():
            if task_id in {"", task.task_id} and task.ends_at and task.ends_at > now:
                self._book.change(task.task_id, ends_at=now)
        self._rendering.wait_for(task_id)

    def tasks(self) -> list[SandboxTask]:
        """Everything ever accepted, oldest first."""
        return self._book.all()

    def requests_seen(self) -> list[RequestSeen]:
        """Everything that was asked, in the order of the answers; and each callback."""
        return self._seen.all()

    # --- Answering ----------------------------------------------------------------------------

    def _answer(self, question: Question) -> Answer:
        at = time.time()
        call, kinds = _kind_of(question)
        fault = self._faults.draw(call, kinds)
        done: list[Answer] = []

        def honest() -> Answer:
            done.append(self._route(question))
            return done[-1]

        try:
            answer = kinds[fault].spoil(honest, self._wait_a_moment) if fault else honest()
        except Refused as refusal:
            answer = envelope(refusal.code, refusal.message)
        except Exception:
            logger.exception("sandbox_failed path=%s", question.path)
            answer = envelope(500, "Server exception, please try again later")
        self._note(
            RequestSeen(
                method=question.method,
                path=question.path,
                at=at,
                code=answer.code,
                until=time.time(),
                task_id=question.query.get("taskId") or (done[0].task_id if done else ""),
                fault=fault,
            )
        )
        return answer

    def _wait_a_moment(self) -> None:
        self._stopping.wait(self._faults.pause_seconds)

    def _note(self, seen: RequestSeen) -> None:
        # While it stops, the books may be closed before the last answer is given.
        with suppress(sqlite3.ProgrammingError):
            self._seen.add(seen)

    def _route(self, question: Question) -> Answer:
        if question.path.startswith((CLIPS_PATH, UPLOADS_PATH)):
            return self._file(question)
        if _is_robot(question.headers.get("User-Agent", "")):
            return text(403, "error code: 1010")
        endpoint = self._endpoints.get((question.method, question.path))
        if question.method == "GET" and question.path.startswith(f"{MODELS_PATH}/"):
            endpoint = self._catalogue
        if endpoint is None:
            return envelope(404, "Not Found", status=404)
        if question.headers.get("Authorization") != f"Bearer {self._api_key}":
            raise Refused(*REFUSALS["401"])
        return endpoint(question)

    # --- Tasks --------------------------------------------------------------------------------

    def _create(self, family: Family, question: Question) -> Answer:
        self._creations.take()
        body = json_object(question)
        if any(not isinstance(body.get(name), kind) for name, kind in family.required.items()):
            raise Refused(*REFUSALS["500"])
        words = words_in(_prompt_of(family, body))
        if answer := self._misbehaviour(words):
            return answer
        source = self._source(family, body)
        if family.known and (made := self._made_before(family, body)) and made.state != "fail":
            results = self._results(made, question.origin)
            return enveloped(family.known(made, made.state, results))
        task = self._accept(family, body, source=source, origin=question.origin)
        answer = envelope(200, "success", {"taskId": task.task_id, **(family.created or {})})
        return replace(HANG_UP if "lost" in words else answer, task_id=task.task_id)

    def _misbehaviour(self, words: Mapping[str, str]) -> Answer | None:
        """The answer to a creation whose prompt asks for trouble at once."""
        for word in words:
            if word in REFUSALS:
                raise Refused(*REFUSALS[word])
        if "html" in words:
            return html_error(502)
        if "timeout" in words:
            self._stopping.wait(SILENCE_SECONDS)
            return HANG_UP
        return envelope(200, "success") if "no-id" in words else None

    def _source(self, family: Family, body: Mapping[str, Any]) -> SandboxTask | None:
        """The earlier task that this is made from; None where it is made from none."""
        if not (source_id := family.source_in(body)):
            return None
        source = self._book.get(source_id)
        if source is None or BY_NAME[source.family].status_path != family.sources_path:
            raise Refused(422, family.unknown_task)
        if source.state != "success":
            raise Refused(422, "record status is not success")
        # As the page on extending says.
        if family.joins and self._book.made_from(source_id, family="veo-1080p"):
            raise Refused(422, "record result data is 1080P, which cannot be extended")
        return source

    def _made_before(self, family: Family, body: Mapping[str, Any]) -> SandboxTask | None:
        """The task of the same request, where there is one."""
        made = self._book.made_from(family.source_in(body), family=family.name)
        index = body.get("index") or 0
        return next((task for task in made if (task.body.get("index") or 0) == index), None)

    def _refuse_what_is_wrong(self, family: Family, body: Mapping[str, Any], origin: str) -> None:
        if message := self._refusal_of(family.create_path, body):
            raise Refused(422, message)
        for url in strings_in(body):
            if self._is_ours(url, origin) and not self._files.at(url):
                raise Refused(*REFUSALS["451"])

    def _accept(
        self, family: Family, body: Mapping[str, Any], *, source: SandboxTask | None, origin: str
    ) -> SandboxTask:
        """The task, written down and being rendered. Its credits are held."""
        self._refuse_what_is_wrong(family, body, origin)
        now = datetime.now(UTC)
        prompt = _prompt_of(family, body) or (source.prompt if source else "")
        words = words_in(prompt)
        takes = timedelta(seconds=float(words.get("seconds") or self._seconds))
        order = self._rendering.order(family, body, prompt=prompt, source=source)
        task = SandboxTask(
            task_id=family.new_task_id(),
            family=family.name,
            model=order.model,
            prompt=prompt,
            body=body,
            price=self._price(family, body, order, source),
            file_name=f"{uuid4().hex}_{int(now.timestamp())}.{_container_asked(family, body)}",
            created_at=now,
            ends_at=None if "forever" in words else now + takes,
            failure=next((word for word in words if word in family.failures), ""),
            source_id=source.task_id if source else "",
        )
        with self._accepting:
            if task.price > self._credits - self._book.credits_held(now):
                raise Refused(*REFUSALS["402"])
            self._book.add(task)
        self._rendering.begin(task, order)
        logger.info("sandbox_accepted task=%s family=%s", task.task_id, family.name)
        return task

    def _price(
        self,
        family: Family,
        body: Mapping[str, Any],
        order: ClipOrder,
        source: SandboxTask | None,
    ) -> float:
        creation = Creation(
            path=family.create_path,
            body=body,
            seconds=lengths_in(body, self._files),
            source=Creation(path=BY_NAME[source.family].create_path, body=source.body)
            if source
            else None,
        )
        price = self._credits_for(creation)
        usual = max(LEAST_CREDITS, CREDITS_A_SECOND * order.seconds)
        return usual if price is None else float(price)

    def _record(self, family: Family, question: Question) -> Answer:
        self._questions.take()
        task = self._book.get(question.query.get("taskId", ""))
        if task is None or BY_NAME[task.family].status_path != family.status_path:
            raise Refused(422, family.unknown_task)
        return self._tell(task, question)

    def _record_1080p(self, family: Family, question: Question) -> Answer:
        """Asking is creating: the first question makes the task that the others are about."""
        self._questions.take()
        index = question.query.get("index", "0")
        if not (index.isascii() and index.isdigit()) or not question.query.get("taskId"):
            raise Refused(*REFUSALS["500"])
        body = {"taskId": question.query["taskId"], "index": int(index)}
        source = self._source(family, body)
        with self._making_1080p:
            task = self._made_before(family, body) or self._accept(
                family, body, source=source, origin=question.origin
            )
        return self._tell(task, question)

    def _tell(self, task: SandboxTask, question: Question) -> Answer:
        self._asked_about[task.task_id] += 1
        if "flaky" in words_in(task.prompt) and self._asked_about[task.task_id] % 2 == 0:
            return html_error(500)
        results = self._results(task, question.origin)
        return enveloped(BY_NAME[task.family].record(task, task.state, results))

    def _balance(self, question: Question) -> Answer:
        held = self._book.credits_held(datetime.now(UTC))
        return envelope(200, "success", round(self._credits - held, 2))

    def _catalogue(self, question: Question) -> Answer:
        self._looks_at_models.take()
        if question.path == MODELS_PATH:
            return tell_models(question, models=self._models())
        return tell_about_one(question, models=self._models(), tasks=self._book.all())

    # --- Callbacks ----------------------------------------------------------------------------

    def _call_back_in_time(self) -> None:
        while not self._stopping.wait(CALLBACK_TICK_SECONDS):
            for task in self._book.to_call_back(datetime.now(UTC)):
                self._book.change(task.task_id, is_called_back=True)
                threading.Thread(target=self._call_back, args=(task,), daemon=True).start()

    def _call_back(self, task: SandboxTask) -> None:
        at = time.time()
        content = BY_NAME[task.family].callback(task, self._results(task, self.url))
        post = partial(
            call_back,
            task.callback_url,
            content,
            task_id=task.task_id,
            key=self._webhook_key,
            stopping=self._stopping,
        )
        fault = self._faults.draw("callback", CALLBACK)
        code = CALLBACK[fault].spoil(post, self._wait_a_moment) if fault else post()
        self._note(RequestSeen("CALL", "", at, code, time.time(), task.task_id, fault))

    def _go_on(self) -> None:
        """Take up what an earlier sandbox left in this folder, and drop what is too old."""
        now = datetime.now(UTC)
        for task in self._book.older_than(KEPT_FOR, at=now):
            self._book.forget(task.task_id)
        self._files.drop_older_than(KEPT_FOR)
        self._seen.drop_older_than(KEPT_FOR, at=now.timestamp())
        for task in self._book.all():
            if task.clip_at is None:
                self._rendering.begin(task)

    # --- Files --------------------------------------------------------------------------------

    def _results(self, task: SandboxTask, origin: str) -> Results:
        words, name, joins = words_in(task.prompt), task.file_name, BY_NAME[task.family].joins
        names = [] if "no-url" in words else [PART + name if joins else name]
        if "two-results" in words:
            names.append(SECOND + name)
        if names and BY_NAME[task.family].settings_in(task.body).get("return_last_frame") is True:
            names.append(name + LAST_STILL)
        urls = [f"{origin}{CLIPS_PATH}{name}" for name in names]
        whole = [f"{origin}{CLIPS_PATH}{name}"] if joins and "no-url" not in words else []
        return Results(urls=urls, whole=whole, stills=[url + STILL for url in urls])

    def _file(self, question: Question) -> Answer:
        """A result or an upload, to whoever knows its URL."""
        file = self._files.find(question.path)
        task = self._book.with_file(result_name(file.name)) if file else None
        words = words_in(task.prompt) if task else {}
        if question.method not in {"GET", "HEAD"}:
            return html_error(405)
        if file is None or "dead-link" in words:
            return html_error(404)
        if "expired-link" in words and not self._is_fresh(question.query.get("download", "")):
            return html_error(403)
        if "not-video" in words:
            return NOT_A_VIDEO
        return part_of_file(file, question.headers, is_cut="cut" in words)

    def _is_fresh(self, secret: str) -> bool:
        return any(known == secret and until > time.monotonic() for known, until in self._downloads)

    def _download_url(self, question: Question) -> Answer:
        """Another link to a file, for 20 minutes. Source: docs.kie.ai/common-api/download-url"""
        url = str(json_object(question).get("url", ""))
        if not self._is_ours(url, question.origin):
            raise Refused(422, "Invalid URL: external file URLs are not supported")
        secret = uuid4().hex
        self._downloads.append((secret, time.monotonic() + DOWNLOAD_SECONDS))
        return envelope(200, "success", f"{url}?download={secret}")

    def _is_ours(self, url: str, origin: str) -> bool:
        return url.startswith((f"{self.url}/", f"{origin}/"))


def _kind_of(question: Question) -> tuple[str, Mapping[str, Fault[Answer]]]:
    """What kind of call this is, and what can go wrong with it by chance."""
    if question.method == "POST" and question.path in BY_CREATE_PATH:
        return "creation", CREATION
    if question.method == "GET" and question.path in BY_STATUS_PATH:
        return "question", QUESTION
    if question.path.startswith(CLIPS_PATH):
        return "file", FILE
    return "", {}


def _is_robot(agent: str) -> bool:
    return not agent or agent.startswith(LIBRARY_AGENTS)


def _container_asked(family: Family, body: Mapping[str, Any]) -> str:
    return "mov" if family.settings_in(body).get("output_format") == "mov" else "mp4"


def _prompt_of(family: Family, body: Mapping[str, Any]) -> str:
    return str(family.settings_in(body).get("prompt") or "")
