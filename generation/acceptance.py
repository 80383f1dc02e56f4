"""KIE.AI has accepted, and the database is away: the task's id is on disk until it is back.

Without its id a task that costs money would have to wait for a callback to be found again.
"""

import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection

from gallery.models import Video

logger = logging.getLogger(__name__)

# A failover takes seconds: worth waiting for, since the row then tells the truth at once.
PAUSES_SECONDS = (0.1, 0.5, 2.0)
AWAY = (OperationalError, InterfaceError)


def keep_acceptance(video: Video, *, task_id: str) -> None:
    """Write down that this video's task is known: in its row, or on disk until there is one."""
    for pause in PAUSES_SECONDS:
        with suppress(*AWAY):
            video.mark_accepted(task_id=task_id)
            return
        time.sleep(pause)
        connection.close_if_unusable_or_obsolete()
    logger.error("acceptance_kept_on_disk video=%s task=%s", video.pk, task_id)
    with _locked(_file(), "a") as file:
        file.write(json.dumps({"video": str(video.pk), "task": task_id}) + "\n")


def write_down_kept_acceptances() -> int:
    """Bring what waits on this machine's disk into the rows. Returns how many came home."""
    if not _file().exists():
        return 0
    written = 0
    with _locked(_file(), "r+") as file:
        lines = [json.loads(line) for line in file]
        for line in lines:
            for video in Video.objects.filter(pk=line["video"]):
                video.mark_accepted(task_id=line["task"])
                logger.warning("acceptance_found video=%s task=%s", video.pk, line["task"])
                written += 1
        # All or nothing: a line that is read twice finds its row accepted already.
        file.truncate(0)
    return written


def _file() -> Path:
    return Path(settings.VAR_DIR) / "acceptances.jsonl"


@contextmanager
def _locked(path: Path, mode: str) -> Iterator[IO[str]]:
    """The file, for this process alone, and on the disk before anybody else has it."""
    with path.open(mode) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file
        file.flush()
        os.fsync(file.fileno())
