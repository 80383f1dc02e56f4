"""Looking into a document that somebody hands in: what it is, its pages, nothing beside them."""

from __future__ import annotations

import codecs
import re
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers import expat
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from generation import pdf

OOXML = "application/vnd.openxmlformats-officedocument"
PDF, TEXT = "application/pdf", "text/plain"
WORDS, SLIDES, SHEETS = (
    f"{OOXML}.{kind}"
    for kind in (
        "wordprocessingml.document",
        "presentationml.presentation",
        "spreadsheetml.sheet",
    )
)
# Media type -> the ending of its name, and what people call it.
DOCUMENTS = {
    PDF: ("pdf", "PDF"),
    WORDS: ("docx", "DOCX"),
    SLIDES: ("pptx", "PPTX"),
    SHEETS: ("xlsx", "XLSX"),
    TEXT: ("txt", "text"),
}

CHUNK_BYTES = 1024 * 1024
NO_DOCUMENT = (
    "This file is no document that can be read. PDF, DOCX, PPTX, XLSX and text in UTF-8 are taken. "
    "Save it as PDF, please."
)
OLD_OFFICE = "This is an old Office file, or one with a password. Save it as PDF, please."
WITH_MACROS = "This document has macros, which are not taken. Save it as PDF, please."
LOCKED = "This PDF is locked with a password. Save it without one, please."
DAMAGED = "This document is damaged. Open it and save it as PDF, please."
TOO_LARGE_INSIDE = "This document is too large when it is unpacked. Save it as PDF, please."
EMPTY = "This document is empty. Please choose another one."


class NotReadable(Exception):
    """The file is no document that is taken; `str()` is the sentence for the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """What a document's content says it is."""

    media_type: str
    # Pages of a PDF, slides of a presentation; None where only a printer would know.
    pages: int | None = None

    @property
    def ending(self) -> str:
        return DOCUMENTS[self.media_type][0]


def inspect_document(path: Path) -> Document:
    """What kind of document this is, by its content, and its pages. Raises NotReadable."""
    with path.open("rb") as file:
        head = file.read(1024)
    if not head:
        raise NotReadable(EMPTY)
    if head.lstrip().startswith(b"%PDF-"):
        return Document(media_type=PDF, pages=_pages_of(path))
    if head.startswith(b"PK\x03\x04"):
        return _inspect_package(path)
    if head.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        raise NotReadable(OLD_OFFICE)
    _refuse_what_is_no_text(path)
    return Document(media_type=TEXT)


def copy_document(source: Path, target: Path, found: Document) -> None:
    """The document anew, without what is written beside its content. Raises NotReadable."""
    copy: Callable[[Path, Path], None] = {PDF: _copy_pdf, TEXT: _copy_text}.get(
        found.media_type, _copy_package
    )
    copy(source, target)


# --- PDF ------------------------------------------------------------------------------------

# What a small file can keep pypdf busy with is almost without end.
PDF_SECONDS = 20
REFUSALS = {pdf.LOCKED: LOCKED, pdf.EMPTY: EMPTY}


def _pages_of(path: Path) -> int:
    return int(_asked_of_pypdf("pages", str(path)))


def _copy_pdf(source: Path, target: Path) -> None:
    _asked_of_pypdf("copy", str(source), str(target))


def _asked_of_pypdf(*question: str) -> str:
    """What generation/pdf.py answers: a process of its own, which can be ended.

    It is told nothing of the studio's environment, where the keys are.
    """
    command = [sys.executable, "-m", pdf.__name__, *question]
    folder = Path(__file__).parent.parent
    try:
        done = subprocess.run(  # noqa: S603  # our own module, and names of our own making
            command, cwd=folder, env={}, capture_output=True, text=True, timeout=PDF_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise NotReadable(TOO_LARGE_INSIDE) from None
    if done.returncode:
        raise NotReadable(REFUSALS.get(done.returncode, DAMAGED))
    return done.stdout


# --- Office: a ZIP of parts, each with a type ------------------------------------------------

CONTENT_TYPES = "[Content_Types].xml"
# What a file of this size is allowed to be unpacked, and how many parts it may have.
MOST_UNPACKED_BYTES = 200 * 1024 * 1024
MOST_TYPES_BYTES = 4 * 1024 * 1024
MOST_DIRECTORY_BYTES = 2 * 1024 * 1024
MAIN = ".main+xml"
SLIDE = f"{OOXML}.presentationml.slide+xml"
XML = b'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>'
# Who made it, when, with what and for whom: the parts stay, as other parts name them.
EMPTIED = {
    "application/vnd.openxmlformats-package.core-properties+xml": XML
    + b'<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/'
    b'core-properties"/>',
    f"{OOXML}.extended-properties+xml": XML
    + b'<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/'
    b'extended-properties"/>',
    f"{OOXML}.custom-properties+xml": XML
    + b'<Properties xmlns="http://schemas.openxmlformats.org/officeDocument/2006/'
    b'custom-properties"/>',
}
# Beside these, whatever else stands where they usually do: a picture of the first page, mostly.
PROPERTIES = "docProps/"


def _inspect_package(path: Path) -> Document:
    with _package(path) as (_, types):
        said = " ".join(types.values()).lower()
        if "macro" in said or "vbaproject" in said:
            raise NotReadable(WITH_MACROS)
        mains = {type_.removesuffix(MAIN) for type_ in types.values() if type_.endswith(MAIN)}
        if len(mains) != 1 or not mains <= DOCUMENTS.keys():
            raise NotReadable(NO_DOCUMENT)
        kind = mains.pop()
        slides = sum(type_ == SLIDE for type_ in types.values())
        return Document(media_type=kind, pages=slides if kind == SLIDES else None)


def _copy_package(source: Path, target: Path) -> None:
    """The parts that have a type, each packed anew; nothing between, before or after them."""
    with _package(source) as (archive, types), ZipFile(target, "w", ZIP_DEFLATED) as made:
        for part in archive.infolist():
            name = part.filename
            if name != CONTENT_TYPES and name not in types:
                continue
            # Without the day and the system that it was packed on.
            anew = ZipInfo(name)
            anew.compress_type = part.compress_type
            if (nothing := _emptied(name, types.get(name, ""))) is not None:
                made.writestr(anew, nothing)
                continue
            with archive.open(part) as content, made.open(anew, "w") as copy:
                shutil.copyfileobj(content, copy, CHUNK_BYTES)


def _emptied(name: str, type_: str) -> bytes | None:
    """What stands in this part's place; None where it stays."""
    return EMPTIED.get(type_, b"" if name.startswith(PROPERTIES) else None)


@contextmanager
def _package(path: Path) -> Iterator[tuple[ZipFile, dict[str, str]]]:
    """The archive, open, and the type of each part, once it is known to unpack harmlessly."""
    try:
        _refuse_a_large_directory(path)
        with ZipFile(path) as archive:
            parts = archive.infolist()
            # zipfile unpacks of a part what it is said to have, and not a byte more.
            if sum(part.file_size for part in parts) > MOST_UNPACKED_BYTES:
                raise NotReadable(TOO_LARGE_INSIDE)
            if any(part.compress_type not in {ZIP_STORED, ZIP_DEFLATED} for part in parts):
                raise NotReadable(NO_DOCUMENT)
            if len({part.filename.lower() for part in parts}) < len(parts):
                raise NotReadable(DAMAGED)
            yield archive, _types_in(archive)
    except NotReadable:
        raise
    # RuntimeError: a part with a password. NotImplementedError: packed in an unknown way.
    except (
        *(BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
        *(OSError, ValueError, expat.ExpatError),
    ) as error:
        raise NotReadable(DAMAGED) from error


def _refuse_a_large_directory(path: Path) -> None:
    """A directory that takes the whole file would take ten times as much in memory."""
    with path.open("rb") as file:
        file.seek(max(path.stat().st_size - 42, 0))
        tail = file.read()
    # Office ends with the directory's end, without a remark behind it or larger numbers before.
    larger, end = tail[:-22], tail[-22:]
    if not end.startswith(b"PK\x05\x06") or larger.startswith(b"PK\x06\x07"):
        raise NotReadable(DAMAGED)
    if int.from_bytes(end[12:16], "little") > MOST_DIRECTORY_BYTES:
        raise NotReadable(TOO_LARGE_INSIDE)


def _types_in(archive: ZipFile) -> dict[str, str]:
    """By name the type of each part that is there and has one."""
    listed = {part.filename: part for part in archive.infolist()}
    if CONTENT_TYPES not in listed or listed[CONTENT_TYPES].file_size > MOST_TYPES_BYTES:
        raise NotReadable(NO_DOCUMENT)
    by_ending: dict[str, str] = {}
    by_name: dict[str, str] = {}

    def read(tag: str, said: Mapping[str, str]) -> None:
        match tag.rpartition(" ")[2]:
            case "Default":
                by_ending[said.get("Extension", "").lower()] = said.get("ContentType", "")
            case "Override":
                by_name[said.get("PartName", "").lower()] = said.get("ContentType", "")

    parser = expat.ParserCreate(namespace_separator=" ")
    parser.StartElementHandler = read
    parser.StartDoctypeDeclHandler = _refuse_entities
    parser.Parse(archive.read(CONTENT_TYPES), True)  # noqa: FBT003  # the last piece
    named = {
        name: by_name.get(f"/{name.lower()}") or by_ending.get(name.rpartition(".")[2].lower())
        for name in listed
        if not name.endswith("/")
    }
    return {name: type_ for name, type_ in named.items() if type_}


def _refuse_entities(*declaration: Any) -> None:
    # Office writes none, and what they stand for could be without end.
    raise NotReadable(DAMAGED)


# --- Text -----------------------------------------------------------------------------------

# Control characters beside tab, line and page breaks.
NO_LETTERS = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")
# Text that is written for a program, which makes something else of it.
MARKUP = ("<!doctype", "<html", "<?xml", "<svg", "{\\rtf", "%!ps")


def _refuse_what_is_no_text(path: Path) -> None:
    beginning = ""
    try:
        for text in _text_in(path):
            if NO_LETTERS.search(text):
                raise NotReadable(NO_DOCUMENT)
            beginning = beginning or text.lstrip()[:100]
    except UnicodeDecodeError:
        raise NotReadable(NO_DOCUMENT) from None
    if not beginning:
        raise NotReadable(EMPTY)
    if beginning.lower().startswith(MARKUP):
        raise NotReadable(NO_DOCUMENT)


def _copy_text(source: Path, target: Path) -> None:
    with target.open("wb") as file:
        for text in _text_in(source):
            file.write(text.encode())


def _text_in(path: Path) -> Iterator[str]:
    """Piece by piece, without a mark of the encoding. Raises UnicodeDecodeError."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield decoder.decode(chunk)
    yield decoder.decode(b"", final=True)
