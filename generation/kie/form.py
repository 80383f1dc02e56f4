"""A form with a file in it that is read while it is sent: a video need not fit into memory.

In one piece it would have to be gone within the time for connecting: that is how long urllib3 lets
a single block take. So it goes in many.
"""

import io
import os
from collections.abc import Iterator, Mapping
from functools import partial
from typing import IO
from uuid import uuid4

from urllib3.fields import RequestField

BLOCK_BYTES = 64 * 1024


class FileForm:
    """A multipart/form-data body of these fields and one file, in the way requests streams it."""

    def __init__(
        self, fields: Mapping[str, str], *, file: IO[bytes], name: str, media_type: str
    ) -> None:
        self._boundary = uuid4().hex
        heads = [self._headed(field) + text for field, text in fields.items()]
        heads.append(self._headed("file", filename=name, content_type=media_type))
        start = io.BytesIO("".join(heads).removeprefix("\r\n").encode())
        end = io.BytesIO(f"\r\n--{self._boundary}--\r\n".encode())
        self._parts = [start, file, end]
        self._length = sum(map(_length_of, self._parts))

    @property
    def content_type(self) -> str:
        return f"multipart/form-data; boundary={self._boundary}"

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[bytes]:
        return iter(partial(self.read, BLOCK_BYTES), b"")

    def read(self, most: int = -1) -> bytes:
        """The next bytes, up to so many (all that are left, if negative); b"" at the end."""
        if most < 0:
            return b"".join(self)
        while self._parts:
            if block := self._parts[0].read(most):
                return block
            self._parts.pop(0)
        return b""

    def _headed(
        self, name: str, *, filename: str | None = None, content_type: str | None = None
    ) -> str:
        field = RequestField(name, "", filename=filename)
        field.make_multipart(content_type=content_type)
        return f"\r\n--{self._boundary}\r\n{field.render_headers()}"


def _length_of(part: IO[bytes]) -> int:
    start = part.tell()
    part.seek(0, os.SEEK_END)
    end = part.tell()
    part.seek(start)
    return end - start
