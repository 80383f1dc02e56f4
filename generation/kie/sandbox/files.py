"""The files of the sandbox: uploads that came in, clips that were rendered."""

import re
import shutil
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit
from uuid import uuid4

from generation.kie.sandbox.media import write_still

CLIPS_PATH = "/v/"
UPLOADS_PATH = "/u/"
# Before the name of a task's result: its second one, and of an extension the new part alone.
SECOND, PART = "second-", "part-"
# Behind it: a still of the clip, and the one of its end.
STILL, LAST_STILL = ".jpg", ".last.jpg"


@dataclass(frozen=True, slots=True)
class Upload:
    """A kept upload. `path` is what its sender called the place, `url_path` where it is served."""

    name: str
    path: str
    url_path: str


class SandboxFiles:
    """One folder of clips, and one of uploads with a random folder for each."""

    def __init__(self, folder: Path) -> None:
        self._clips, self._uploads = folder / "clips", folder / "uploads"
        self._clips.mkdir(parents=True, exist_ok=True)
        self._uploads.mkdir(exist_ok=True)

    def clip(self, name: str) -> Path:
        """Where the clip of that name is, or is to be written."""
        return self._clips / name

    def keep(self, content: bytes | memoryview, *, path: str, name: str) -> Upload:
        """Store an upload. Names are reduced to what is safe in a URL and in a folder."""
        secret, name = uuid4().hex, _safe(name) or "file"
        place = "/".join(filter(None, map(_safe, path.split("/"))))
        (self._uploads / secret).mkdir()
        (self._uploads / secret / name).write_bytes(content)
        kept_path = str(PurePosixPath(place, name))
        return Upload(name, kept_path, f"{UPLOADS_PATH}{secret}/{kept_path}")

    def at(self, url: str) -> Path | None:
        """The file behind this address, whichever name the sandbox goes by in it."""
        try:
            return self.find(urlsplit(url).path)
        except ValueError:
            return None

    def find(self, url_path: str) -> Path | None:
        """The file that is served under that path, if there is one."""
        name = url_path.rpartition("/")[2]
        if name != _safe(name):
            return None
        if url_path == f"{CLIPS_PATH}{name}":
            file = self._clips / name
            self._make_still(file)
        elif match := re.match(rf"{UPLOADS_PATH}([0-9a-f]{{32}})/", url_path):
            file = self._uploads / match[1] / name
        else:
            return None
        return file if file.is_file() else None

    def _make_still(self, file: Path) -> None:
        """A clip's still is there as soon as somebody asks for it."""
        clip = file.with_name(file.name.removesuffix(LAST_STILL).removesuffix(STILL))
        if clip != file and clip.is_file() and not file.exists():
            write_still(clip, file, of_its_end=file.name.endswith(LAST_STILL))

    def drop_older_than(self, age: timedelta) -> None:
        oldest = time.time() - age.total_seconds()
        for clip in self._clips.iterdir():
            if clip.stat().st_mtime < oldest:
                clip.unlink()
        for upload in self._uploads.iterdir():
            if upload.stat().st_mtime < oldest:
                shutil.rmtree(upload)


def result_name(name: str) -> str:
    """The name of the result to which this file, a further one or a still, belongs."""
    name = name.removeprefix(SECOND).removeprefix(PART)
    return name.removesuffix(LAST_STILL).removesuffix(STILL)


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", name).lstrip(".")[-100:]
