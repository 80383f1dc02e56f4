"""Uploads to the sandbox, of pictures, video and sound: by form and in base64.

Each is answered with a URL that works. KIE.AI names a limit for base64 alone; what a model takes
is the model's to say.
"""

import base64
import binascii
import email
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import collapse_rfc2231_value
from itertools import pairwise
from uuid import uuid4

from generation.kie.sandbox.files import SandboxFiles
from generation.kie.sandbox.http import Answer, Question, enveloped, json_object

# As the page on base64 uploads says.
MOST_BASE64_BYTES = 10 * 1024 * 1024
MOST_HEAD_BYTES = 4096
NOTHING = memoryview(b"")


@dataclass(frozen=True, slots=True)
class FormPart:
    content: memoryview = NOTHING
    file_name: str = ""

    @property
    def text(self) -> str:
        return bytes(self.content).decode(errors="replace")


def stream_upload(question: Question, *, files: SandboxFiles) -> Answer:
    """Source: docs.kie.ai/file-upload-api/upload-file-stream"""
    parts = _form_parts(question)
    file = parts.get("file")
    if file is None:
        return _refused("file is required")
    path, name = parts.get("uploadPath", FormPart()).text, parts.get("fileName", FormPart()).text
    return _kept(file.content, path, name or file.file_name, question.origin, files)


def base64_upload(question: Question, *, files: SandboxFiles) -> Answer:
    """Takes plain base64 or a data URL. Source: docs.kie.ai/file-upload-api/upload-file-base-64"""
    form = json_object(question)
    head, _, data = str(form.get("base64Data") or "").rpartition(",")
    try:
        content = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        content = b""
    if not content:
        return _refused("base64Data is required")
    if len(content) > MOST_BASE64_BYTES:
        return _refused("The file is too large for base64; please use the stream upload")
    ending = mimetypes.guess_extension(head.removeprefix("data:").partition(";")[0]) or ""
    name = str(form.get("fileName") or f"{uuid4().hex}{ending}")
    return _kept(content, str(form.get("uploadPath") or ""), name, question.origin, files)


def _kept(
    content: bytes | memoryview, path: str, name: str, origin: str, files: SandboxFiles
) -> Answer:
    if not path:
        return _refused("uploadPath is required")
    upload = files.keep(content, path=path, name=name)
    data = {
        "fileName": upload.name,
        "filePath": upload.path,
        "downloadUrl": f"{origin}{upload.url_path}",
        "fileSize": len(content),
        "mimeType": mimetypes.guess_type(upload.name)[0] or "application/octet-stream",
        "uploadedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S}.000Z",
    }
    message = "File uploaded successfully"
    return enveloped({"success": True, "code": 200, "msg": message, "data": data})


def _refused(message: str) -> Answer:
    return enveloped({"success": False, "code": 400, "msg": message})


def _form_parts(question: Question) -> dict[str, FormPart]:
    """The fields of a multipart/form-data body by name; none when it is something else."""
    boundary = question.headers.get_boundary()
    if not boundary:
        return {}
    mark = b"--" + boundary.encode(errors="replace")
    places = list(_places_of(b"\r\n" + mark, question.body))
    if question.body.startswith(mark):
        places.insert(0, 0)
    # Views: a video would not fit twice into memory.
    whole = memoryview(question.body)
    pieces = (whole[start:end] for start, end in pairwise(places))
    return dict(_form_part(piece) for piece in pieces)


def _places_of(mark: bytes, body: bytes) -> Iterator[int]:
    place = body.find(mark)
    while place >= 0:
        yield place
        place = body.find(mark, place + len(mark))


def _form_part(piece: memoryview) -> tuple[str, FormPart]:
    """One field: a line with the boundary, headers, an empty line and the content."""
    lines = bytes(piece[:MOST_HEAD_BYTES])
    start = lines.find(b"\r\n", 2)
    end = lines.find(b"\r\n\r\n", start)
    headers = email.message_from_bytes(lines[start + 2 : end + 4])
    name = collapse_rfc2231_value(headers.get_param("name", "", "Content-Disposition") or "")
    return name, FormPart(piece[end + 4 :] if end >= 0 else NOTHING, headers.get_filename(""))
