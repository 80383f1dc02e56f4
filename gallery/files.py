"""A video's bytes, to its owner only: play, download, poster.

Django's FileResponse ignores Range, without which Safari plays nothing and nobody can seek.
"""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import IO

from django.core.files.storage import FileSystemStorage, storages
from django.db.models.fields.files import FieldFile
from django.http import FileResponse, Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.cache import get_conditional_response
from django.utils.http import content_disposition_header, http_date
from django.utils.text import slugify
from django.views.decorators.http import require_safe

from gallery.models import InputFile, MediaKind, Video, VideoResult
from videostudio.http import StudioRequest

CHUNK_BYTES = 256 * 1024
type Stored = Video | VideoResult | InputFile
# One range of bytes. Several, or another unit, get the whole file, as RFC 9110 allows.
ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


@require_safe
def play(request: StudioRequest, pk: uuid.UUID, position: int = 1) -> HttpResponseBase:
    """The video or a further result of its task, for the player."""
    row = _mine(request, pk, position)
    return _send(request, row.file, row=row)


@require_safe
def download(request: StudioRequest, pk: uuid.UUID, position: int = 1) -> HttpResponseBase:
    """The same, to keep, under a name that says what it is."""
    row = _mine(request, pk, position)
    prompt = row.prompt if isinstance(row, Video) else row.video.prompt
    words = slugify(re.sub(r"\W+", " ", prompt[:60]), allow_unicode=True) or "video"
    number = f"-{position}" if position > 1 else ""
    ending = _ending(row.file) or "mp4"
    return _send(request, row.file, row=row, save_as=f"{words}-{pk.hex[:8]}{number}.{ending}")


@require_safe
def poster(request: StudioRequest, pk: uuid.UUID, position: int = 1) -> HttpResponseBase:
    row = _mine(request, pk, position)
    return _send(request, row.poster, row=row)


@require_safe
def input_file(request: StudioRequest, pk: uuid.UUID) -> HttpResponseBase:
    """A file of the person's own library."""
    row = get_object_or_404(InputFile.objects.for_user(request.user), pk=pk)
    # What a browser would open and run itself is handed over to be kept.
    is_active = row.kind == MediaKind.DOCUMENT
    name = f"{row.name.rpartition('.')[0] or row.name or 'document'}.{_ending(row.file)}"
    return _send(request, row.file, row=row, save_as=name if is_active else "")


@require_safe
def input_preview(request: StudioRequest, pk: uuid.UUID) -> HttpResponseBase:
    row = get_object_or_404(InputFile.objects.for_user(request.user), pk=pk)
    return _send(request, row.preview, row=row)


def _mine(request: StudioRequest, pk: uuid.UUID, position: int) -> Video | VideoResult:
    """What its owner asks for: the first result is the video itself."""
    videos = Video.objects.for_user(request.user)
    if position == 1:
        return get_object_or_404(videos, pk=pk)
    results = VideoResult.objects.select_related("video").filter(video__in=videos)
    return get_object_or_404(results, video=pk, position=position)


def _send(
    request: StudioRequest, field: FieldFile, *, row: Stored, save_as: str = ""
) -> HttpResponseBase:
    if not field:
        raise Http404("There is no such file.")
    if not isinstance(storages["default"], FileSystemStorage):
        # The bucket serves it, with ranges, under a link that dies within minutes.
        disposition = content_disposition_header(bool(save_as), save_as) or "inline"
        parameters = {"ResponseContentDisposition": disposition}
        return redirect(storages["default"].url(str(field), parameters=parameters))  # type: ignore[call-arg]  # S3's takes them
    try:
        file, size = field.open("rb"), field.size
    except FileNotFoundError:
        raise Http404("The file is missing.") from None
    response = _answer(request, file, size=size, row=row)
    response["Content-Disposition"] = content_disposition_header(bool(save_as), save_as) or "inline"
    response["Content-Type"] = MEDIA_TYPES[_ending(field)]
    response["X-Content-Type-Options"] = "nosniff"
    return response


MEDIA_TYPES = {
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "mkv": "video/x-matroska",
    "webp": "image/webp",
    "jpg": "image/jpeg",
    "png": "image/png",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "m4a": "audio/mp4",
    "aac": "audio/aac",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "txt": "text/plain; charset=utf-8",
}


def _ending(field: FieldFile) -> str:
    return (field.name or "").rpartition(".")[2]


def _answer(request: StudioRequest, file: IO[bytes], *, size: int, row: Stored) -> HttpResponseBase:
    """The whole file, the range asked for, or the news that the browser has it already."""
    # A file of the library never changes.
    saved_at = getattr(row, "archived_at", None) or datetime.fromtimestamp(0, UTC)
    name = f"{row.video_id.hex}.{row.position}" if isinstance(row, VideoResult) else row.pk.hex
    etag = f'"{name}-{size}-{saved_at.timestamp():.0f}"'
    known = get_conditional_response(request, etag, int(saved_at.timestamp()))
    response = known or _whole_or_range(request, file, size=size, etag=etag)
    if not isinstance(response, StreamingHttpResponse):
        file.close()
    response["Accept-Ranges"] = "bytes"
    response["ETag"] = etag
    response["Last-Modified"] = http_date(saved_at.timestamp())
    # The file never changes, but its owner may sign out: the browser keeps it, and asks.
    response["Cache-Control"] = "private, max-age=0, must-revalidate"
    return response


def _whole_or_range(
    request: StudioRequest, file: IO[bytes], *, size: int, etag: str
) -> HttpResponseBase:
    wanted = ONE_RANGE.fullmatch(request.headers.get("Range", ""))
    if not wanted or wanted.groups() == ("", "") or request.headers.get("If-Range", etag) != etag:
        return FileResponse(file)
    first, last = _bounds(*wanted.groups(), size=size)
    if first > last or first >= size:
        return HttpResponse(status=416, headers={"Content-Range": f"bytes */{size}"})
    response = StreamingHttpResponse(_chunks(file, first, last - first + 1), status=206)
    # Django closes what the response holds, also when the player hangs up half-way.
    response._resource_closers.append(file.close)  # type: ignore[attr-defined]
    response["Content-Range"] = f"bytes {first}-{last}/{size}"
    response["Content-Length"] = str(last - first + 1)
    return response


def _bounds(first: str, last: str, *, size: int) -> tuple[int, int]:
    """The first and the last byte of `first-last`, `first-` or `-suffix` in a file of that size."""
    if not first:
        return (max(size - int(last), 0), size - 1) if int(last) else (size, size - 1)
    return int(first), min(int(last), size - 1) if last else size - 1


def _chunks(file: IO[bytes], first: int, length: int) -> Iterator[bytes]:
    file.seek(first)
    while length > 0 and (chunk := file.read(min(CHUNK_BYTES, length))):
        length -= len(chunk)
        yield chunk
