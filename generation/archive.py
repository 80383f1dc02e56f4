"""Brings finished videos home before KIE.AI's links die.

Fetched into a file of its own, checked, moved into storage, and only then is the row changed:
a video that says "completed" with a file has that file, whole.
"""

import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db import DatabaseError, connection
from django.db.models import F
from django.utils.timezone import now

from gallery.models import (
    CLAIM,
    KEPT_BY_KIE_FOR,
    Stage,
    Video,
    VideoQuerySet,
    VideoResult,
    file_name,
)
from generation.catalogue import family_of
from generation.clip import Found, NotPlayable, inspect_clip, inspect_picture
from generation.download import LinkRefused, NotFetched, Part, PartInUse, part_file
from generation.kie.budget import sleep_until, status_queries
from generation.kie.client import KieClient
from generation.kie.errors import KieError
from generation.kie.snapshot import TaskState
from generation.storage import STORAGE_ERRORS, flaw_of, words_for

logger = logging.getLogger(__name__)

# While a row is worked on, the claim on it is renewed this often, and no longer than that in all:
# a fetch at its slowest, and as much again for looking inside and for the bucket.
RENEW_SECONDS = 15.0
HELD_FOR_TIMES = 2
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=30)
# Somebody is waiting: what was in the way is noticed to be gone within a minute, for this long.
FRESH, LONGEST_PAUSE_WHILE_FRESH = timedelta(hours=1), timedelta(seconds=40)
TURN_WAITS = timedelta(seconds=5)
GIVE_UP_AFTER = KEPT_BY_KIE_FOR
BUSY = "another process is saving it right now"


class NotSaved(Exception):
    """Our copy could not be made this time; `str()` is for the event log."""


class NotWanted(Exception):
    """Meanwhile another process has made our copy, or the video is gone for good."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One result that has to be fetched: which one it is, and how its arrival is written down."""

    position: int
    url: str
    keep: Callable[[Found, dict[str, Any]], bool]


def archive_due_videos(*, client: KieClient, limit: int = 50) -> int:
    """Save what KIE.AI has finished, one after the other. Returns how many are whole with us."""
    saved = 0
    for _ in range(limit):
        claimed = Video.objects.to_archive(now()).claim(
            most=1, until=now() + CLAIM, by="next_archive_at"
        )
        if not claimed:
            break
        saved += not archive_video(claimed[0], client=client)
    return saved


def obtainable() -> VideoQuerySet:
    """Videos whose results KIE.AI should still have, and that somebody can still reach."""
    young = Video.objects.filter(succeeded_at__gt=now() - GIVE_UP_AFTER).exclude(task_id="")
    return young.reachable(since=oldest_in_trash())


def archive_this_video(pk: UUID, *, client: KieClient) -> str:
    """Make our copy of this video now, due or not. Returns why not; "" when it is with us."""
    Video.objects.filter(pk=pk).lacking_files().update(next_archive_at=now())
    due = Video.objects.filter(pk=pk).to_archive(now())
    claimed = due.claim(most=1, until=now() + CLAIM, by="next_archive_at")
    return archive_video(claimed[0], client=client) if claimed else BUSY


def archive_video(video: Video, *, client: KieClient) -> str:
    """Make our copies of this claimed video's results.

    Returns why that was not possible, and then it is due again later; "" when all are with us.
    """
    with _held_claim(video):
        try:
            links = _fresh_links(video, client=client)
            failures = [
                why
                for wanted in _wanted(video, links)
                if (why := _save(video, wanted, client=client))
            ]
        except (PartInUse, NotWanted):
            # Whoever has it writes down what comes of it.
            return BUSY
    if not failures:
        video.end_archiving()
        return ""
    return _try_later(video, why="; ".join(failures))


def _wanted(video: Video, links: dict[int, str]) -> Iterator[Wanted]:
    """What is not with us yet. The first result is the video itself and completes it."""
    if video.archived_at is None:
        yield Wanted(1, links.get(1, video.video_url), _keeper(video))
    for result in video.results.filter(archived_at=None):
        url = links.get(result.position, result.url)
        yield Wanted(result.position, url, _keeper(video, result))


def _keeper(
    video: Video, result: VideoResult | None = None
) -> Callable[[Found, dict[str, Any]], bool]:
    """How the arrival of this result, or of the first one, is written down."""

    def keep(found: Found, facts: dict[str, Any]) -> bool:
        if result:
            return video.keep_result(result, seconds=found.seconds, **facts)
        length = {} if video.duration else {"duration": round(found.seconds or 0)}
        return video.keep_file(**facts, **length)

    return keep


def _save(video: Video, wanted: Wanted, *, client: KieClient) -> str:
    """Make our copy of this result. Returns why not; "" when it is with us."""
    which = f"result {wanted.position}: " if wanted.position > 1 else ""
    try:
        _bring_home(video, wanted, client=client)
    except (NotSaved, NotFetched) as error:
        return f"{which}{error}"
    except STORAGE_ERRORS as error:
        return f"{which}{words_for(error)}"
    except (PartInUse, NotWanted):
        raise
    # One row that breaks us must not stop the pass, nor be tried every minute for ever.
    except Exception as error:
        logger.exception("video_not_archivable video=%s", video.pk)
        return f"{which}{type(error).__name__}"
    return ""


def _bring_home(video: Video, wanted: Wanted, *, client: KieClient) -> None:
    """Fetch, check, store, and only then change the row."""
    suffix = f"-{wanted.position}" if wanted.position > 1 else ""
    with part_file(f"{video.pk}{suffix}") as part:
        size = _fetch(part, wanted.url, video=video, client=client)
        found = _inspect(part, wanted.position)
        if not _is_wanted(video):
            part.discard()
            raise NotWanted
        names = {
            "file": file_name(video, f"video{suffix}.{found.ending}"),
            "poster": file_name(video, f"poster{suffix}.webp"),
        }
        _store(part, found, **names)
        facts = {"width": found.width, "height": found.height, "file_size": size}
        if not wanted.keep(found, names | facts):
            _remove_unwanted(video, list(names.values()))
            raise NotWanted
    logger.info("video_archived video=%s task=%s bytes=%d", video.pk, video.task_id, size)


def _inspect(part: Part, position: int) -> Found:
    """What the part holds. One that cannot be looked into is never resumed. Raises NotSaved.

    Beside the video a task may give a picture: Seedance's last frame.
    """
    try:
        return inspect_clip(part.path)
    except NotPlayable as error:
        if position > 1:
            with suppress(NotPlayable):
                return inspect_picture(part.path)
        part.discard()
        raise NotSaved(f"not a whole video: {error}") from error
    except Exception:
        part.discard()
        raise


def _fetch(part: Part, url: str, *, video: Video, client: KieClient) -> int:
    """The size of the file that is now in the part. Raises NotFetched and OSError."""
    try:
        return part.fetch(url)
    except LinkRefused:
        # The first time KIE.AI's record is asked before; its links die before the record does.
        if not video.archive_attempts:
            raise
        try:
            fresh = client.fetch_download_url(url)
        except KieError as error:
            raise NotFetched(f"the link is dead, and KIE.AI gives no other: {error}") from error
    return part.fetch(fresh)


def _store(part: Part, found: Found, *, file: str, poster: str) -> None:
    """Both into storage. The names say what it is: done again after a crash they replace."""
    default_storage.save(poster, ContentFile(found.poster))
    # The sweep goes by age: from here on it is a file of ours, however long it took to arrive.
    os.utime(part.path)
    with IncomingFile(part.path) as content:
        default_storage.save(file, content)
    part.forget()


class IncomingFile(File):  # type: ignore[type-arg]  # generic in the stubs only
    """A finished download. A local storage takes it by renaming, which is all or nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def _is_wanted(video: Video) -> bool:
    """Is something of it still to be fetched? Not once it is gone for good."""
    return Video.objects.filter(pk=video.pk, next_archive_at__isnull=False).exists()


def _remove_unwanted(video: Video, names: list[str]) -> None:
    """Files that came home to nobody. Those that another process has just kept stay."""
    reachable = Video.objects.reachable(since=oldest_in_trash())
    if reachable.filter(pk=video.pk).exists():
        return
    for name in names:
        default_storage.delete(name)


def oldest_in_trash() -> datetime:
    """Videos deleted before that cannot be brought back any more."""
    return now() - timedelta(days=settings.TRASH_DAYS)


def _fresh_links(video: Video, *, client: KieClient) -> dict[int, str]:
    """After a first failure KIE.AI's links as its record has them now, by position; else none."""
    if not video.archive_attempts:
        return {}
    turn = status_queries().reserve(1, within=TURN_WAITS)
    if not turn:
        return {}
    sleep_until(turn[0])
    with suppress(KieError):
        snapshot = client.fetch_task(video.task_id, family=family_of(video.model, video.family))
        if snapshot.state is TaskState.SUCCEEDED and snapshot.video_urls:
            video.note_links(snapshot.video_urls)
            return dict(enumerate(snapshot.video_urls, start=1))
    return {}


@contextmanager
def _held_claim(video: Video) -> Iterator[None]:
    """Go on holding this row while the block runs: a bucket or a codec may take its time.

    A process that dies lets go of it within a minute; one that hangs, after a while.
    """
    done = threading.Event()
    holder = threading.Thread(target=_hold, args=(video, done), daemon=True)
    holder.start()
    try:
        yield
    finally:
        done.set()
        holder.join()


def _hold(video: Video, done: threading.Event) -> None:
    until = monotonic() + settings.ARCHIVE_MAX_SECONDS * HELD_FOR_TIMES
    try:
        while not done.wait(RENEW_SECONDS) and monotonic() < until:
            try:
                _renew_claim(video)
            except DatabaseError as error:
                logger.warning("claim_not_renewed video=%s: %s", video.pk, type(error).__name__)
                connection.close()
    finally:
        # This thread's own: nobody else would close it.
        connection.close()


def _renew_claim(video: Video) -> None:
    """One that somebody else has settled meanwhile stays settled."""
    held = Video.objects.filter(pk=video.pk, next_archive_at__isnull=False)
    held.update(next_archive_at=now() + CLAIM)


def _try_later(video: Video, *, why: str) -> str:
    logger.warning("video_not_archived video=%s task=%s: %s", video.pk, video.task_id, why)
    if video.succeeded_at and video.succeeded_at < now() - GIVE_UP_AFTER:
        _give_up(video, why=why)
        return f"given up: {why}"
    # Doubled no further than needed: after a day it would no longer fit a timedelta.
    is_fresh = video.succeeded_at and video.succeeded_at > now() - FRESH
    longest = LONGEST_PAUSE_WHILE_FRESH if is_fresh else LONGEST_PAUSE
    pause = min(SHORTEST_PAUSE * 2 ** min(video.archive_attempts, 10), longest)
    row = Video.objects.filter(pk=video.pk, next_archive_at__isnull=False)
    if row.update(next_archive_at=now() + pause, archive_attempts=F("archive_attempts") + 1):
        video.events.create(what="not saved yet", detail=why)
    return why


def _give_up(video: Video, *, why: str) -> None:
    """A copy that was to be replaced, and is still good, stays."""
    facts = {}
    if video.archived_at is None and video.file:
        with suppress(*STORAGE_ERRORS):
            facts = {} if flaw_of(video) else {"archived_at": now()}
    video.give_up_saving(why=why, **facts)


def complete_with_link() -> None:
    """Who has waited two minutes for our copy gets KIE.AI's link; saving goes on."""
    for video in Video.objects.awaited(Stage.SAVING, now()):
        video.mark_completed(event="completed with KIE.AI's link")
