"""Fetching one large file from the web, in as many tries as it takes.

What has arrived stays in a part file between tries, with what proves that the rest still belongs
to it; the next try asks for the rest alone. Only one process writes a part at a time.
"""

import errno
import fcntl
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path

import requests
from django.conf import settings
from urllib3.exceptions import HTTPError

from generation.kie.client import CONNECT_SECONDS, USER_AGENT
from generation.public_web import public_session

logger = logging.getLogger(__name__)

READ_SECONDS = 30
# As much as one look into the socket brings at most; larger ones were measured to gain nothing.
CHUNK_BYTES = 256 * 1024
# Never taken by a download: databases, logs and people need room too.
ROOM_LEFT_BYTES = 256 * 1024**2
# Of a file whose length is not known, room is looked for again after so many bytes.
BYTES_BETWEEN_LOOKS = 64 * 1024**2
DISK_FULL = {errno.ENOSPC, errno.EDQUOT}
# HTTP's words for "later", unlike the other 4xx.
NOT_NOW = {408, 425, 429}
CONTENT_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", re.ASCII)


class NotFetched(Exception):
    """The file is not here whole; `str()` is for the event log, and names no address."""


class LinkRefused(NotFetched):
    """The server knows the link and gives nothing for it: dead, expired, forbidden."""


class PartInUse(Exception):
    """Another process is fetching this very file right now."""


@dataclass(frozen=True, slots=True)
class Origin:
    """What a part is a part of: the proof to resume by (If-Range), and the whole length."""

    validator: str
    total: int


class Part:
    """A file on its way here, locked for this process. See `part_file`."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file
        self._note = note_of(path)

    def fetch(self, url: str) -> int:
        """Bring what is missing, and all of it onto the disk. Returns the size in bytes.

        Raises NotFetched, and OSError when the disk refuses.
        """
        origin = self._origin()
        have = self._size() if origin else 0
        if origin and have == origin.total:
            return have
        try:
            return self._ask(url, have=have, origin=origin)
        except requests.RequestException as error:
            raise NotFetched(f"fetching failed: {type(error).__name__}") from None
        except HTTPError as error:
            raise NotFetched(f"cut off: {type(error).__name__} at {self._size()} bytes") from None

    def discard(self) -> None:
        """What is here is good for nothing: the next try starts from the beginning."""
        self._note.unlink(missing_ok=True)
        self._file.truncate(0)

    def close(self) -> None:
        """Let others write. What nobody could resume does not stay."""
        if not self._origin() or not self._size():
            self._note.unlink(missing_ok=True)
            self._forget()
        self._file.close()

    def forget(self) -> None:
        """Its content has gone elsewhere."""
        self._note.unlink(missing_ok=True)
        self._forget()

    def _forget(self) -> None:
        # Only our own: the path may already be another process's new part.
        if _is_same_file(self.path, self._file):
            self.path.unlink(missing_ok=True)

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _origin(self) -> Origin | None:
        """None: nothing says what the bytes here belong to."""
        try:
            known = json.loads(self._note.read_text())
            return Origin(validator=str(known["validator"]), total=int(known["total"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _ask(self, url: str, *, have: int, origin: Origin | None) -> int:
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        is_rest = bool(origin and 0 < have < origin.total)
        if origin and is_rest:
            headers |= {"Range": f"bytes={have}-", "If-Range": origin.validator}
        with (
            # A plain request: the link carries its own permission, our key stays at home.
            public_session(trusted_url=settings.KIE_API_BASE_URL) as session,
            session.get(
                url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
            ) as answer,
        ):
            if origin and is_rest and answer.status_code == 206:
                self._check_rest(answer, have=have, origin=origin)
                return self._receive(answer, start=have, total=origin.total)
            if not (is_rest and answer.status_code == 416):
                return self._receive_all(answer)
        # It is shorter than what we have: another file. Once more, from the beginning.
        self.discard()
        return self._ask(url, have=0, origin=None)

    def _check_rest(self, answer: requests.Response, *, have: int, origin: Origin) -> None:
        """Is this what was asked for: the rest of the same file? Else nothing is glued on."""
        span = CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        etag = answer.headers.get("ETag", "")
        is_other = etag and origin.validator.startswith('"') and etag != origin.validator
        expected = (have, origin.total - 1, origin.total)
        if is_other or not span or tuple(map(int, span.groups())) != expected or _encoding(answer):
            self.discard()
            raise NotFetched("the rest was another part than asked for")

    def _receive_all(self, answer: requests.Response) -> int:
        status = answer.status_code
        if status != 200:
            refused = 400 <= status < 500 and status not in NOT_NOW
            raise (LinkRefused if refused else NotFetched)(f"the link answered HTTP {status}")
        self.discard()
        length = answer.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() and not _encoding(answer) else None
        validator = _strong_validator(answer.headers)
        if total and validator:
            _write_whole(self._note, json.dumps({"validator": validator, "total": total}))
        return self._receive(answer, start=0, total=total)

    def _receive(self, answer: requests.Response, *, start: int, total: int | None) -> int:
        if (total or 0) > settings.ARCHIVE_MAX_BYTES:
            self.discard()
            raise NotFetched(f"too large: {total} bytes")
        self._look_for_room((total or start) - start)
        self._file.seek(start)
        size = self._copy(answer, size=start)
        os.fsync(self._file.fileno())
        if total is not None and size != total:
            raise NotFetched(f"cut off: {size} of {total} bytes")
        if size == 0:
            raise NotFetched("an empty file")
        return size

    def _copy(self, answer: requests.Response, *, size: int) -> int:
        started, looked_at = time.monotonic(), size
        # read1 gives what is there: neither a trickle nor a cut swallows what has arrived.
        while chunk := answer.raw.read1(CHUNK_BYTES, decode_content=True):
            size += self._write(chunk)
            if size > settings.ARCHIVE_MAX_BYTES:
                self.discard()
                raise NotFetched(f"too large: over {settings.ARCHIVE_MAX_BYTES} bytes")
            if (seconds := time.monotonic() - started) > settings.ARCHIVE_MAX_SECONDS:
                raise NotFetched(f"too slow: {size} bytes after {seconds:.0f} s")
            if size - looked_at > BYTES_BETWEEN_LOOKS:
                looked_at = size
                self._look_for_room(0)
        return size

    def _write(self, chunk: bytes) -> int:
        # Unbuffered: nothing waits in this process to be lost with it, or to fail once more when
        # a full disk is being tidied up. Such a write may take less than it is given.
        rest = memoryview(chunk)
        while rest:
            rest = rest[self._file.write(rest) :]
        return len(chunk)

    def _look_for_room(self, needed: int) -> None:
        free = shutil.disk_usage(self.path.parent).free
        if free < needed + ROOM_LEFT_BYTES:
            # What is here would keep the disk full, and whatever frees it may take days.
            self.discard()
            raise NotFetched(
                f"not enough room on the disk: {_megabytes(free)} free, "
                f"{_megabytes(needed + ROOM_LEFT_BYTES)} needed"
            )


@contextmanager
def part_file(name: str) -> Iterator[Part]:
    """The part of that name, for this process alone. Raises PartInUse.

    Afterwards it is kept only if a later try can resume it.
    """
    folder = settings.MEDIA_ROOT / ".incoming"
    folder.mkdir(parents=True, exist_ok=True)
    part = Part(folder / f"{name}.part", _locked(folder / f"{name}.part"))
    try:
        yield part
    except OSError as error:
        # Also when something else was being written: what is here would keep the disk full.
        if error.errno in DISK_FULL:
            part.discard()
        raise
    finally:
        part.close()


def sweep_parts(*, age: timedelta) -> int:
    """Remove what has not grown for so long. Returns how many files."""
    before = time.time() - age.total_seconds()
    swept = 0
    for path in settings.MEDIA_ROOT.glob(".incoming/*"):
        # Another process may be moving or removing it right now.
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before:
                path.unlink()
                swept += path.suffix == ".part"
    return swept


def note_of(part: Path) -> Path:
    """Where it stands what a part is a part of."""
    return part.with_name(f"{part.name}.json")


def _locked(path: Path) -> FileIO:
    """This file, open, and nobody else's for as long as it stays open."""
    while True:
        file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o640), "r+b", buffering=0)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise PartInUse from None
        # Whoever held it may have moved it away between our opening and our locking.
        if _is_same_file(path, file):
            return file
        file.close()


def _is_same_file(path: Path, file: FileIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _write_whole(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    draft.write_text(text)
    draft.replace(path)


def _encoding(answer: requests.Response) -> bool:
    """Is the content packed, against our wish? Then its length and its ranges say nothing."""
    return answer.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}


def _strong_validator(headers: Mapping[str, str]) -> str:
    """What proves byte for byte the same file in If-Range; "" for none. Source: RFC 9110, 13.1.5"""
    etag = headers.get("ETag", "")
    if etag.startswith('"'):
        return etag
    modified = headers.get("Last-Modified", "")
    try:
        age = parsedate_to_datetime(headers["Date"]) - parsedate_to_datetime(modified)
    except (KeyError, TypeError, ValueError):
        return ""
    # Younger than its own clock's tick it could still change unseen.
    return modified if age >= timedelta(seconds=1) else ""


def _megabytes(size: int) -> str:
    return f"{size / 1024**2:.0f} MB"
