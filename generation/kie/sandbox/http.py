"""HTTP as the sandbox needs it: questions in, answers out, and the ways an answer can go wrong."""

import json
import logging
import mimetypes
import re
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

# As large as the largest video that any of KIE.AI's models takes, and a little for the form.
LARGEST_BODY_BYTES = 501 * 1024 * 1024
CHUNK_BYTES = 64 * 1024

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One HTTP request, read to its end."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: bytes
    origin: str  # http://host:port, as the caller knows this server


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP response. `code` is KIE.AI's: the envelope's, or the status where there is none.

    The bytes are `body`, or `length` bytes of `file` from `start` on; `cut_after` breaks the
    connection after that many of them, 0 before the first word. `pause` is waited for in the
    middle of a file. `task_id` is for the books: the task that this answer has made.
    """

    status: int = 200
    code: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    file: Path | None = None
    start: int = 0
    length: int = 0
    cut_after: int | None = None
    pause: Callable[[], object] | None = None
    task_id: str = ""


class Refused(Exception):
    """Answered with an envelope of that code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message


def json_object(question: Question) -> dict[str, Any]:
    try:
        content = json.loads(question.body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise Refused(400, "The request body is not a JSON object")
    return content


def envelope(code: int, message: str, data: Any = None, *, status: int = 200) -> Answer:
    """KIE.AI's usual answer: HTTP 200 even for a refusal, and the truth in `code`."""
    return enveloped({"code": code, "msg": message, "data": data}, status=status)


def enveloped(content: Mapping[str, Any], *, status: int = 200) -> Answer:
    return Answer(
        status=status,
        code=content["code"],
        headers={"Content-Type": "application/json"},
        body=json.dumps(content).encode(),
    )


def text(status: int, content: str, content_type: str = "text/plain") -> Answer:
    headers = {"Content-Type": f"{content_type}; charset=utf-8"}
    return Answer(status=status, code=status, headers=headers, body=content.encode())


def html_error(status: int) -> Answer:
    """What a gateway says when what is behind it does not answer."""
    phrase = HTTPStatus(status).phrase
    page = f"<!DOCTYPE html><html><head><title>{status} {phrase}</title></head>"
    return text(status, f"{page}<body><h1>{status} {phrase}</h1></body></html>", "text/html")


HANG_UP = Answer(status=0, code=0, cut_after=0)


def part_of_file(file: Path, asked: Message, *, is_cut: bool = False) -> Answer:
    """The file, or the single range of it that a Range header asks for (206, or 416).

    With `is_cut` the connection breaks in the middle of the file: only who asks for the rest ever
    sees its end.
    """
    size = file.stat().st_size
    content_type = mimetypes.guess_type(file)[0] or "application/octet-stream"
    etag = f'"{size:x}-{file.stat().st_mtime_ns:x}"'
    headers = {"Content-Type": content_type, "Accept-Ranges": "bytes", "ETag": etag}
    span = _span(asked.get("Range", ""), size) if asked.get("If-Range", etag) == etag else None
    if span is None:
        answer = Answer(headers=headers, file=file, length=size)
    elif not span:
        headers["Content-Range"] = f"bytes */{size}"
        return Answer(status=416, code=416, headers=headers)
    else:
        headers["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
        answer = Answer(
            status=206, code=206, headers=headers, file=file, start=span.start, length=len(span)
        )
    middle = size // 2
    if is_cut and answer.start < middle:
        return replace(answer, cut_after=min(middle - answer.start, answer.length))
    return answer


def _span(wanted: str, size: int) -> range | None:
    """The bytes a Range header means, empty when there are none; None: it means all of them."""
    match = re.fullmatch(r"bytes=(\d*)-(\d*)", wanted.strip())
    if not match or match.group() == "bytes=-":
        return None
    first, last = match.groups()
    if not first:
        return range(max(0, size - int(last)), size)
    return range(int(first), min(int(last) + 1, size) if last else size)


# --- The server ---------------------------------------------------------------------------------


class Server(ThreadingHTTPServer):
    """Asks `answer` about every question, each connection in a thread of its own."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], answer: Callable[[Question], Answer]) -> None:
        self.answer = answer
        self._connections: set[socket.socket] = set()
        super().__init__(address, Handler)

    def hang_up(self) -> None:
        """Close every connection, so that none outlives the server."""
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        # A caller that went away in the middle: not worth a traceback.
        logger.debug("sandbox_connection_broke peer=%s", client_address[0])


class Handler(BaseHTTPRequestHandler):
    """Reads a question, and writes the answer that the server has for it."""

    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120

    def answer(self) -> None:
        length = self._length()
        if isinstance(length, Answer):
            self.close_connection = True
            self._write(length)
            return
        path, _, query = self.path.partition("?")
        question = Question(
            method=self.command,
            path=path,
            query={name: values[0] for name, values in parse_qs(query).items()},
            headers=self.headers,
            body=self.rfile.read(length),
            origin=f"http://{self.headers.get('Host', '')}",
        )
        self._write(self.server.answer(question))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def _length(self) -> int | Answer:
        """How long the body is; an answer when it cannot be read."""
        if "Transfer-Encoding" in self.headers:
            return envelope(400, "Content-Length is required", status=411)
        given = self.headers.get("Content-Length", "0")
        if not given.isascii() or not given.isdigit():
            return envelope(400, "Content-Length is not a number", status=400)
        if int(given) > LARGEST_BODY_BYTES:
            return envelope(413, "Request body is too large", status=413)
        return int(given)

    def _write(self, answer: Answer) -> None:
        if answer.cut_after is not None:
            self.close_connection = True
        if answer.cut_after == 0:
            return
        length = answer.length if answer.file else len(answer.body)
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(answer.body)
        if answer.file:
            self._write_file(answer.file, answer, answer.cut_after or length)

    def _write_file(self, file: Path, answer: Answer, length: int) -> None:
        with file.open("rb") as source:
            source.seek(answer.start)
            if answer.pause:
                self.wfile.write(first := source.read(length // 2))
                length -= len(first)
                answer.pause()
            while length > 0 and (chunk := source.read(min(CHUNK_BYTES, length))):
                self.wfile.write(chunk)
                length -= len(chunk)

    def version_string(self) -> str:
        return "kie-sandbox"

    def log_message(self, format: str, *args: Any) -> None:
        logger.debug("sandbox_answered %s", format % args)
