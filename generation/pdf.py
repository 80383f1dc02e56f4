"""A PDF's pages, and a copy of it without what is written beside them.

Run as a process of its own, by documents.py: a PDF of 60 kB can keep pypdf busy for a minute, and
nothing in it could be stopped from outside.

    python -m generation.pdf pages <file>
    python -m generation.pdf copy <from> <to>
"""

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pypdf import PdfReader

# How it ends, beside 0 and Python's own 1: the file is damaged.
LOCKED, EMPTY = 3, 4
MOST_MEMORY_BYTES = 1024**3
# Of one stream of objects: what a page shows is not unpacked here.
MOST_UNPACKED_BYTES = 16 * 1024**2

# Of the catalogue only what decides how pages look: no bookmarks, attachments, scripts, names.
KEPT_OF_CATALOGUE = {"/Type", "/Version", "/Pages", "/OCProperties", "/AcroForm"}
# Said beside the content of a page, a picture or a form; or done when somebody opens or clicks it.
BESIDE = {"/Metadata", "/PieceInfo", "/LastModified", "/AF", "/Thumb", "/XFA", "/A", "/AA"}
# By these a dictionary is known as a thing of its own: elsewhere any name may be a picture's.
OF_A_THING = {"/Type", "/Subtype", "/FT", "/Fields"}
# Notes lie on a page and are not part of it; others lose who made them, and when.
NOTES = {
    *("/Text", "/Popup", "/FileAttachment", "/Sound", "/Movie", "/Screen", "/RichMedia", "/3D"),
}
BESIDE_A_MARK = {"/T", "/Subj", "/Popup", "/CreationDate", "/M", "/NM"}


def main(question: str, source: str, *target: str) -> int:
    # Loaded here: the web processes import this module for its names.
    from pypdf import PdfReader, overwrite_configuration
    from pypdf.errors import DependencyError, FileNotDecryptedError

    _limit_memory()
    overwrite_configuration(
        zlib_maximum_output_length=MOST_UNPACKED_BYTES,
        lzw_maximum_output_length=MOST_UNPACKED_BYTES,
        run_length_maximum_output_length=MOST_UNPACKED_BYTES,
        brotli_maximum_output_length=MOST_UNPACKED_BYTES,
    )
    try:
        reader = PdfReader(source)
        if reader.is_encrypted:
            return LOCKED
    except (DependencyError, FileNotDecryptedError):
        return LOCKED
    if not (pages := len(reader.pages)):
        return EMPTY
    if question == "copy":
        _copy(reader, Path(*target))
    sys.stdout.write(str(pages))
    return 0


def _limit_memory() -> None:
    # Not every system has them, and one that has may not know this one.
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY_BYTES, MOST_MEMORY_BYTES))


def _copy(reader: "PdfReader", target: Path) -> None:
    from pypdf import PdfWriter

    _forget_what_is_beside(reader)
    writer = PdfWriter()
    # What nothing refers to any more does not come along.
    writer.clone_reader_document_root(reader)
    writer.metadata = None
    with target.open("wb") as file:
        writer.write(file)


def _forget_what_is_beside(reader: "PdfReader") -> None:
    """Take it out of everything that can be reached from the catalogue."""
    from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

    root = reader.root_object
    for key in root.keys() - KEPT_OF_CATALOGUE:
        del root[key]
    seen: set[int] = set()
    waiting: list[Any] = [root]
    while waiting:
        each = waiting.pop()
        if isinstance(each, IndirectObject):
            if each.idnum in seen:
                continue
            seen.add(each.idnum)
            each = each.get_object()
        if isinstance(each, DictionaryObject):
            _forget_in(each)
            waiting += each.values()
        elif isinstance(each, ArrayObject):
            waiting += each


def _forget_in(thing: dict[Any, Any]) -> None:
    from pypdf.generic import NameObject, StreamObject

    if not thing.keys() & OF_A_THING and not isinstance(thing, StreamObject):
        return
    for key in thing.keys() & BESIDE:
        del thing[key]
    if "/Annots" in thing:
        thing[NameObject("/Annots")] = _marks_among(thing["/Annots"])


def _marks_among(annotations: Any) -> Any:
    """Of what lies on a page, what belongs to it: links, forms, what was drawn."""
    from pypdf.generic import ArrayObject, DictionaryObject

    kept = ArrayObject()
    for each in annotations.get_object():
        mark = each.get_object()
        kind = mark["/Subtype"] if isinstance(mark, DictionaryObject) else "/Text"
        if kind in NOTES:
            continue
        # Of a form's field the title is its name.
        if kind != "/Widget":
            for key in mark.keys() & BESIDE_A_MARK:
                del mark[key]
        kept.append(each)
    return kept


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
