"""Uploads to the sandbox: by form and in base64, each answered with a URL that works."""

import base64
import binascii
import email
import mimetypes
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import collapse_rfc2231_value
from uuid import uuid4

from generation.kie.sandbox.files import SandboxFiles
from generation.kie.sandbox.http import Answer, Question, enveloped, json_object


@dataclass(frozen=True, slots=True)
class FormPart:
    content: bytes = b""
    file_name: str = ""

    @property
    def text(self) -> str:
        return self.content.decode(errors="replace")


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
    ending = mimetypes.guess_extension(head.removeprefix("data:").partition(";")[0]) or ""
    name = str(form.get("fileName") or f"{uuid4().hex}{ending}")
    return _kept(content, str(form.get("uploadPath") or ""), name, question.origin, files)


def _kept(content: bytes, path: str, name: str, origin: str, files: SandboxFiles) -> Answer:
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
    pieces = (b"\r\n" + question.body).split(b"\r\n--" + boundary.encode(errors="replace"))
    return dict(_form_part(piece) for piece in pieces[1:-1])


def _form_part(piece: bytes) -> tuple[str, FormPart]:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    headers = email.message_from_bytes(head + b"\r\n\r\n")
    name = collapse_rfc2231_value(headers.get_param("name", "", "Content-Disposition") or "")
    return name, FormPart(content, headers.get_filename(""))
