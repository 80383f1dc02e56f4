"""Pictures, clips, sounds and documents handed in: checked by their content, stripped, kept.

A file is what its bytes say, whatever its name; what is kept is made anew from what it shows:
no position, no camera, nothing hidden behind it.
"""

from __future__ import annotations

import hashlib
import io
import logging
import shutil
import uuid
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, TYPE_CHECKING, Any

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from gallery.models import InputFile, MediaKind, Video, VideoInput
from generation.clip import (
    CONTAINERS,
    SOUNDS,
    NotPlayable,
    copy_streams,
    frame_at,
    inspect_recording,
)
from generation.documents import DOCUMENTS, NotReadable, copy_document, inspect_document
from generation.schema import MEGABYTE, Slot
from generation.storage import STORAGE_ERRORS
from videostudio.models import User

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

# What Pillow may try, and what each is called. Nothing else is opened, whatever its name.
PICTURES = {
    "JPEG": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "WEBP": ("image/webp", "webp"),
}
PREVIEW_PIXELS = 320
# Quality of a JPEG or WebP that is made anew: lower where it would not fit otherwise.
QUALITIES = (95, 85, 75)
# What is kept of it in the end is made anew, and is measured then.
MOST_CROPPED = 1024 * MEGABYTE
CHUNK_BYTES = MEGABYTE

WORDS = {
    MediaKind.IMAGE: "picture",
    MediaKind.VIDEO: "clip",
    MediaKind.AUDIO: "recording",
    MediaKind.DOCUMENT: "document",
}
NOT_STORED = "The studio could not store the {thing}. Please try again in a while."
GONE = "The {thing} is no longer here. Please choose it again."


class InputRefused(Exception):
    """The file cannot be used; `str()` is the sentence for the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stripped:
    """A checked copy of a file, and what is known about it."""

    media_type: str
    ending: str
    content: File[bytes]
    preview: bytes = b""
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    pages: int | None = None


def most_bytes(kind: str) -> int:
    """How large a file of that kind may be at all."""
    limits = {
        MediaKind.IMAGE: settings.INPUT_IMAGE_MAX_BYTES,
        MediaKind.VIDEO: settings.INPUT_VIDEO_MAX_BYTES,
        MediaKind.AUDIO: settings.INPUT_AUDIO_MAX_BYTES,
        MediaKind.DOCUMENT: settings.INPUT_DOCUMENT_MAX_BYTES,
    }
    most: int = limits[MediaKind(kind)]
    return most


def keep_input(
    upload: IO[bytes], *, size: int, slot: Slot, user: User, name: str = ""
) -> InputFile:
    """Check a file for this slot and put a clean copy of it into the person's library.

    The same file twice is one entry. Raises InputRefused.
    """
    thing = WORDS[MediaKind(slot.kind)]
    most = min(most_bytes(slot.kind), slot.most_bytes or most_bytes(slot.kind))
    if not size:
        raise InputRefused("This file is empty. Please choose another one.")
    _refuse_size(size, most, thing)
    digest = _digest(upload, kind=slot.kind)
    if known := InputFile.objects.for_user(user).filter(digest=digest).first():
        if _is_there(str(known.file)):
            refuse_what_does_not_fit(slot, known)
            _note_use(known)
            return known
        known.delete()
    with TemporaryDirectory(prefix="studio-input-") as folder:
        match slot.kind:
            case MediaKind.IMAGE:
                stripped = _strip_picture(upload, most=most)
            case MediaKind.DOCUMENT:
                stripped = _strip_document(upload, slot=slot, folder=Path(folder))
            case _:
                stripped = _strip_recording(upload, kind=slot.kind, folder=Path(folder))
        with stripped.content:
            return _store(stripped, slot=slot, user=user, name=name, digest=digest)


def keep_upload(upload: UploadedFile[Any], *, slot: Slot, user: User) -> InputFile:
    """The same for a file of a form. Raises InputRefused."""
    size, name = upload.size or 0, upload.name or ""
    return keep_input(upload, size=size, slot=slot, user=user, name=name)


def refuse_what_does_not_fit(slot: Slot, file: InputFile | VideoInput) -> None:
    """Raises InputRefused, with the reason, for a file that this slot of a model does not take."""
    thing = WORDS[MediaKind(slot.kind)]
    if file.kind != slot.kind:
        raise InputRefused(
            f"{slot.label} takes a {thing}; this is a {WORDS[MediaKind(file.kind)]}."
        )
    if slot.most_bytes and isinstance(file, InputFile):
        _refuse_size(file.size, slot.most_bytes, thing)
    if slot.media_types and slot.kind != MediaKind.IMAGE and not _is_taken(file.media_type, slot):
        taken = ", ".join(sorted({_spoken(each) for each in slot.media_types}))
        raise InputRefused(f"The service takes {taken} here; this is {_spoken(file.media_type)}.")
    _refuse_sides(slot, file, thing)
    _refuse_length(slot, file, thing)
    _refuse_pages(slot, file.pages, thing)


def _refuse_size(size: int, most: int, thing: str) -> None:
    if size > most:
        had, takes = size / MEGABYTE, most / MEGABYTE
        raise InputRefused(f"This {thing} has {had:.0f} MB; the service takes {takes:.0f} MB.")


def _refuse_sides(slot: Slot, file: InputFile | VideoInput, thing: str) -> None:
    if not file.width or not file.height:
        return
    if min(file.width, file.height) < slot.least_pixels:
        raise InputRefused(
            f"This {thing} has {file.width} × {file.height} pixels; the service wants at least "
            f"{slot.least_pixels} on each side."
        )
    if slot.aspect and not slot.aspect[0] <= file.width / file.height <= slot.aspect[1]:
        raise InputRefused(
            f"This {thing} is too long and narrow for the service ({file.width} × {file.height} "
            "pixels). Please crop it."
        )


def _refuse_length(slot: Slot, file: InputFile | VideoInput, thing: str) -> None:
    # A player's clock and ours may differ by a frame.
    if not slot.seconds or file.seconds is None:
        return
    low, high = slot.seconds
    if not low - 0.1 <= file.seconds <= high + 0.1:
        wanted = spoken_length(low, high)
        raise InputRefused(f"This {thing} lasts {file.seconds:.1f} s; the service takes {wanted}.")


def spoken_length(low: float, high: float) -> str:
    """In seconds: "2 to 15 s", "at most 15 s", "at least 3 s"."""
    if high == inf:
        return f"at least {low:g} s"
    return f"{low:g} to {high:g} s" if low else f"at most {high:g} s"


def _refuse_pages(slot: Slot, pages: int | None, thing: str) -> None:
    if slot.most_pages and pages and pages > slot.most_pages:
        raise InputRefused(
            f"This {thing} has {pages} pages; the service takes {slot.most_pages}. "
            "Please choose a shorter one."
        )


def inputs_of(user: User, ids: list[str]) -> list[InputFile]:
    """These files of this person's library, in that order.

    Raises InputRefused for one that is not there: without it another video would be made.
    """
    keys = [_uuid(text) for text in ids]
    found = InputFile.objects.for_user(user).in_bulk([key for key in keys if key])
    files = [found.get(key) for key in keys if key]
    whole = [file for file in files if file]
    if len(whole) < len(ids):
        raise InputRefused(GONE.format(thing="file"))
    for file in whole:
        if not _is_there(str(file.file)):
            raise InputRefused(GONE.format(thing=WORDS[MediaKind(file.kind)]))
    return whole


def input_again(given: VideoInput) -> InputFile | None:
    """The library's entry for a file that an earlier video was made from; None when it is gone."""
    user = given.video.user
    if known := InputFile.objects.for_user(user).filter(digest=given.digest).first():
        return known
    try:
        size = default_storage.size(str(given.file))
    except STORAGE_ERRORS:
        return None
    facts = {
        "kind": given.kind,
        "file": str(given.file),
        "media_type": given.media_type,
        "size": size,
        "width": given.width,
        "height": given.height,
        "seconds": given.seconds,
        "pages": given.pages,
    }
    entry, _ = InputFile.objects.get_or_create(user=user, digest=given.digest, defaults=facts)
    return entry


def _is_there(path: str) -> bool:
    """Is this file still stored? While nobody can tell, it counts as there: it is looked for again
    when it is sent, and that waits for the storage."""
    try:
        return default_storage.exists(path)
    except STORAGE_ERRORS:
        return True


def keep_frame(video: Video, *, seconds: float | None) -> InputFile:
    """One frame of a finished video as a picture of its owner's library; None: its last one.

    Raises InputRefused.
    """
    with _copy_of(video) as path:
        try:
            image = frame_at(path, seconds)
        except NotPlayable as error:
            logger.info("frame_not_found video=%s: %s", video.pk, error)
            raise InputRefused("This video has no such frame.") from None
    content = io.BytesIO()
    image.save(content, "PNG")
    moment = "the last frame" if seconds is None else f"{seconds:.1f} s"
    return _keep_own(content, kind=MediaKind.IMAGE, video=video, name=f"{moment} of a video")


def keep_cropped(whole: InputFile, *, ratio: float, slot: Slot, name: str) -> InputFile:
    """The middle of this picture in another shape, as a picture of its own of the same library.

    `ratio`: width by height. Raises InputRefused.
    """
    try:
        with whole.file.open("rb") as stored:
            image, kind = _decode(stored)
    except STORAGE_ERRORS:
        raise InputRefused(GONE.format(thing=WORDS[MediaKind.IMAGE])) from None
    width = min(image.width, round(image.height * ratio))
    height = min(image.height, round(image.width / ratio))
    left, top = (image.width - width) // 2, (image.height - height) // 2
    data = _encode(image.crop((left, top, left + width, top + height)), kind, most=MOST_CROPPED)
    words = f"{whole.name} ({name})" if whole.name else name
    made = keep_input(io.BytesIO(data), size=len(data), slot=slot, user=whole.user, name=words)
    if made.pk != whole.pk:
        made.whole = whole
        made.save(update_fields=["whole"])
    return made


def keep_video(video: Video) -> InputFile:
    """A finished video as a clip of its owner's library. Raises InputRefused."""
    with _copy_of(video) as path, path.open("rb") as content:
        return _keep_own(content, kind=MediaKind.VIDEO, video=video, name="a video of yours")


def _keep_own(content: IO[bytes], *, kind: str, video: Video, name: str) -> InputFile:
    size = content.seek(0, io.SEEK_END)
    words = f"{video.prompt[:80]} ({name})" if video.prompt else name
    anything = Slot(name=kind, field="", schema={"x-media": kind, "x-label": ""}, is_required=False)
    return keep_input(content, size=size, slot=anything, user=video.user, name=words)


@contextmanager
def _copy_of(video: Video) -> Iterator[Path]:
    """The video's file where FFmpeg can read it, wherever it is stored. Raises InputRefused."""
    if not video.file:
        raise InputRefused("This video is not saved yet. Please try again in a moment.")
    with TemporaryDirectory(prefix="studio-frame-") as folder:
        path = Path(folder) / "video"
        try:
            with video.file.open("rb") as stored, path.open("wb") as copy:
                shutil.copyfileobj(stored, copy, CHUNK_BYTES)
        except STORAGE_ERRORS as error:
            logger.warning("video_not_readable video=%s: %s", video.pk, type(error).__name__)
            raise InputRefused("The file of this video cannot be read now.") from None
        yield path


def content_for(slot: Slot | None, given: VideoInput) -> tuple[IO[bytes], str, str]:
    """The file as this slot takes it, its media type and the ending of its name.

    A picture of a kind that the model does not take is made a JPEG. Raises FileNotFoundError.
    """
    file = given.file.open("rb")
    ending = Path(str(given.file)).suffix.removeprefix(".")
    is_odd = slot and slot.media_types and given.media_type not in slot.media_types
    if given.kind != MediaKind.IMAGE or not is_odd:
        return file, given.media_type, ending
    from PIL import Image

    with file, Image.open(file) as image:
        content = io.BytesIO()
        _on_white(image).save(content, "JPEG", quality=QUALITIES[0])
    content.seek(0)
    return content, "image/jpeg", "jpg"


# --- Pictures -------------------------------------------------------------------------------


def _strip_picture(upload: IO[bytes], *, most: int) -> Stripped:
    image, kind = _decode(upload)
    media_type, ending = PICTURES[kind]
    data = _encode(image, kind, most=most)
    return Stripped(
        media_type=media_type,
        ending=ending,
        content=ContentFile(data),
        preview=_preview(image),
        width=image.width,
        height=image.height,
    )


def _decode(upload: IO[bytes]) -> tuple[Image.Image, str]:
    # Loaded by the first picture, as clip.py says.
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(upload, formats=list(PICTURES))
            # The header tells the size before anything is unpacked: 10 kB can hold 80 megapixels.
            if image.width * image.height > settings.INPUT_IMAGE_MAX_PIXELS:
                raise InputRefused(
                    f"This picture has {image.width} x {image.height} pixels, which is too many. "
                    "Please choose a smaller one."
                )
            # Phones write a second picture (depth, preview) behind a JPEG; Pillow calls that MPO.
            kind = "JPEG" if image.format == "MPO" else image.format or ""
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGBA" if _is_transparent(upright, kind) else "RGB"), kind
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputRefused("This picture is too large to open. Please choose another.") from None
    except UnidentifiedImageError:
        raise InputRefused("This file is no JPEG, PNG or WebP picture.") from None
    # Pillow raises what its decoders raise: OSError, SyntaxError, ValueError, struct.error …
    except Exception as error:
        if isinstance(error, InputRefused):
            raise
        raise InputRefused("This picture is damaged. Please choose another one.") from error


def _is_transparent(image: Image.Image, kind: str) -> bool:
    return kind != "JPEG" and image.has_transparency_data


def _on_white(image: Image.Image) -> Image.Image:
    """The picture without transparency, which a JPEG has not."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    ground = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(ground, image.convert("RGBA")).convert("RGB")


def _encode(image: Image.Image, kind: str, *, most: int) -> bytes:
    """The picture anew, as good as fits: noise can grow when it is encoded again."""
    # Without being asked Pillow would write comments and colour profiles out again.
    image.info.clear()
    qualities: tuple[dict[str, Any], ...] = tuple({"quality": q} for q in QUALITIES)
    for options in ({},) if kind == "PNG" else qualities:
        content = io.BytesIO()
        image.save(content, kind, **options)
        if content.tell() <= most:
            return content.getvalue()
    raise InputRefused("This picture is too large for the service. Please choose a smaller one.")


def _preview(image: Image.Image) -> bytes:
    small = image.copy()
    small.thumbnail((PREVIEW_PIXELS, PREVIEW_PIXELS))
    content = io.BytesIO()
    small.save(content, "WEBP", quality=80)
    return content.getvalue()


# --- Clips and sounds -----------------------------------------------------------------------

NO_CLIP = "This file is no clip that can be read. MP4, MOV, MKV and WebM are taken."
NO_SOUND = "This file is no recording that can be read. MP3, WAV, M4A, AAC, OGG and FLAC are taken."


def _strip_recording(upload: IO[bytes], *, kind: str, folder: Path) -> Stripped:
    """A clip's or sound's streams in a new container, without what was written beside them."""
    source, target = _written(upload, folder), folder / "target"
    try:
        found = inspect_recording(source, with_video=kind == MediaKind.VIDEO)
        seconds = copy_streams(source, target, found)
    except NotPlayable as error:
        logger.info("input_not_playable kind=%s: %s", kind, error)
        raise InputRefused(NO_CLIP if kind == MediaKind.VIDEO else NO_SOUND) from None
    return Stripped(
        media_type=found.media_type,
        ending=found.ending,
        content=File(target.open("rb")),
        preview=_preview(found.picture) if found.picture else b"",
        width=found.width,
        height=found.height,
        seconds=seconds,
    )


def _strip_document(upload: IO[bytes], *, slot: Slot, folder: Path) -> Stripped:
    """A document's content alone, without who wrote it, when and with what."""
    source, target = _written(upload, folder), folder / "target"
    try:
        found = inspect_document(source)
        # Before it is made anew: a book would take minutes.
        _refuse_pages(slot, found.pages, WORDS[MediaKind.DOCUMENT])
        copy_document(source, target, found)
    except NotReadable as refused:
        logger.info("input_not_readable: %s", refused)
        raise InputRefused(str(refused)) from None
    return Stripped(
        media_type=found.media_type,
        ending=found.ending,
        content=File(target.open("rb")),
        pages=found.pages,
    )


def _written(upload: IO[bytes], folder: Path) -> Path:
    path = folder / "source"
    with path.open("wb") as file:
        for chunk in _chunks(upload):
            file.write(chunk)
    return path


# The names under which KIE.AI lists what is one and the same.
SAME_AS = {
    "audio/mp3": "audio/mpeg",
    "audio/x-wav": "audio/wav",
    "audio/m4a": "audio/mp4",
    "audio/x-m4a": "audio/mp4",
}
SPOKEN = {
    "video/quicktime": "MOV",
    "video/x-matroska": "MKV",
    "video/webm": "WebM",
    "audio/mpeg": "MP3",
    "audio/mp4": "M4A",
    "audio/x-ms-wma": "WMA",
    **{media_type: words for media_type, (_, words) in DOCUMENTS.items()},
}


def taken_by(slot: Slot) -> list[str]:
    """What may be handed in for this slot, as people call it: what we can read and it takes.

    A picture may be any of ours: it is made into one that the service takes.
    """
    if slot.kind == MediaKind.IMAGE:
        return ["JPEG", "PNG", "WebP"]
    types: Iterable[str] = DOCUMENTS
    if slot.kind != MediaKind.DOCUMENT:
        readable = CONTAINERS if slot.kind == MediaKind.VIDEO else SOUNDS
        types = dict.fromkeys(media_type for media_type, _, _ in readable.values())
    return [_spoken(each) for each in types if not slot.media_types or _is_taken(each, slot)]


def _is_taken(media_type: str, slot: Slot) -> bool:
    return media_type in {SAME_AS.get(each, each) for each in slot.media_types}


def _spoken(media_type: str) -> str:
    """A media type as people call it: MP4, MP3 …"""
    media_type = SAME_AS.get(media_type, media_type)
    return SPOKEN.get(media_type) or media_type.partition("/")[2].upper()


# --- Storage --------------------------------------------------------------------------------


def _store(stripped: Stripped, *, slot: Slot, user: User, name: str, digest: str) -> InputFile:
    pk = uuid.uuid4()
    path = f"inputs/{user.pk}/{pk.hex}"
    entry = InputFile(
        pk=pk,
        user=user,
        kind=slot.kind,
        name=_label(name),
        media_type=stripped.media_type,
        size=stripped.content.size,
        width=stripped.width,
        height=stripped.height,
        seconds=stripped.seconds,
        pages=stripped.pages,
        digest=digest,
        file=f"{path}.{stripped.ending}",
        preview=f"{path}-preview.webp" if stripped.preview else "",
    )
    refuse_what_does_not_fit(slot, entry)
    try:
        default_storage.save(str(entry.file), stripped.content)
        if stripped.preview:
            default_storage.save(str(entry.preview), ContentFile(stripped.preview))
    except STORAGE_ERRORS as error:
        thing = WORDS[MediaKind(slot.kind)]
        logger.exception("input_not_stored user=%s kind=%s", user.pk, slot.kind)
        raise InputRefused(NOT_STORED.format(thing=thing)) from error
    try:
        with transaction.atomic():
            entry.save(force_insert=True)
    except IntegrityError:
        # Twice the same file at the same moment: the other one is the entry.
        return InputFile.objects.for_user(user).get(digest=digest)
    return entry


def _note_use(entry: InputFile) -> None:
    InputFile.objects.filter(pk=entry.pk).update(used_at=now())


def _label(name: str) -> str:
    """A file's name as a label: the last part of it, printable."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in last if c.isprintable())[:120].strip()


def _digest(upload: IO[bytes], *, kind: str) -> str:
    """Equal for the same file of one kind: the sound of a clip is another one than the clip."""
    found = hashlib.sha256(kind.encode())
    for chunk in _chunks(upload):
        found.update(chunk)
    upload.seek(0)
    return found.hexdigest()


def _chunks(upload: IO[bytes]) -> Iterator[bytes]:
    upload.seek(0)
    while chunk := upload.read(CHUNK_BYTES):
        yield chunk


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text)
    except ValueError:
        return None
