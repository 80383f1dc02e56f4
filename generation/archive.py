"""Brings finished videos home before KIE.AI's links die.

Fetched into a file of its own, checked, moved into storage, and only then is the row changed:
a video that says "completed" with a file has that file, whole.
"""

import logging
import os
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import requests
from django.conf import settings
from django.core.files.base import ContentFile, File
from django.core.files.storage import default_storage
from django.db.models import F
from django.utils.timezone import now

from gallery.models import CLAIM, Stage, Video, VideoInput, file_name
from generation.catalogue import family_of
from generation.clip import Clip, NotPlayable, inspect_clip
from generation.kie.budget import sleep_until, status_queries
from generation.kie.client import CONNECT_SECONDS, USER_AGENT, KieClient
from generation.kie.errors import KieError
from generation.kie.snapshot import TaskState
from generation.public_web import public_session

logger = logging.getLogger(__name__)

READ_SECONDS = 30
CHUNK_BYTES = 256 * 1024
# While a file arrives, the claim on its row is renewed this often.
RENEW_SECONDS = 15.0
# So long a download waits for its turn to ask KIE.AI for a fresh link.
PATIENCE = timedelta(seconds=10)
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=30)
# KIE.AI deletes results after 14 days at the latest.
GIVE_UP_AFTER = timedelta(days=14)


class NotSaved(Exception):
    """Our copy could not be made this time; `str()` is for the event log."""


def archive_due_videos(*, client: KieClient, limit: int = 50) -> int:
    """Save what KIE.AI has finished, one file after the other. Returns how many came home."""
    saved = 0
    for _ in range(limit):
        claimed = Video.objects.to_archive(now()).claim(
            most=1, until=now() + CLAIM, by="next_archive_at"
        )
        if not claimed:
            break
        saved += archive_video(claimed[0], client=client)
    return saved


def archive_video(video: Video, *, client: KieClient) -> bool:
    """Make our copy of this claimed video. False: not this time; it is due again later."""
    try:
        clip, size = _bring_home(video, client=client)
    except NotSaved as error:
        _try_later(video, why=str(error))
        return False
    # Storage full, storage away: the row stays due, and KIE.AI's link is good for days.
    except OSError as error:
        _try_later(video, why=f"{type(error).__name__}: {error.strerror or 'storage'}")
        return False
    # One row that breaks us must not stop the pass, nor be tried every minute for ever.
    except Exception as error:
        logger.exception("video_not_archivable video=%s", video.pk)
        _try_later(video, why=type(error).__name__)
        return False
    kept = video.keep_file(
        file=_name(video, clip),
        poster=file_name(video, "poster.webp"),
        width=clip.width,
        height=clip.height,
        file_size=size,
        **({} if video.duration else {"duration": round(clip.seconds)}),
    )
    logger.info("video_archived video=%s task=%s bytes=%d", video.pk, video.task_id, size)
    return kept


def _bring_home(video: Video, *, client: KieClient) -> tuple[Clip, int]:
    """The clip, checked and in storage, and its size in bytes. Raises NotSaved and OSError."""
    incoming = settings.MEDIA_ROOT / ".incoming"
    incoming.mkdir(parents=True, exist_ok=True)
    part = incoming / f"{video.pk}-{uuid4().hex}.part"
    try:
        size = _fetch(_link(video, client=client), part, video=video)
        try:
            clip = inspect_clip(part)
        except NotPlayable as error:
            raise NotSaved(f"not a whole video: {error}") from error
        poster = file_name(video, "poster.webp")
        default_storage.save(poster, ContentFile(clip.poster))
        with IncomingFile(part) as file:
            default_storage.save(_name(video, clip), file)
        return clip, size
    finally:
        part.unlink(missing_ok=True)


class IncomingFile(File):  # type: ignore[type-arg]  # generic in the stubs only
    """A finished download. A local storage takes it by renaming, which is all or nothing."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb"), name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


def _name(video: Video, clip: Clip) -> str:
    return file_name(video, "video.webm" if clip.media_type == "video/webm" else "video.mp4")


def _link(video: Video, *, client: KieClient) -> str:
    """KIE.AI's link; after a first failure a fresh one, for links die before records do."""
    # Asking for it is a status query like any other: without a turn the old link has to do.
    turn = status_queries().reserve(1, within=PATIENCE) if video.archive_attempts else []
    if turn:
        sleep_until(turn[0])
        with suppress(KieError):
            snapshot = client.fetch_task(video.task_id, family=family_of(video.model))
            if snapshot.state is TaskState.SUCCEEDED and snapshot.video_urls:
                Video.objects.filter(pk=video.pk).update(video_url=snapshot.video_urls[0])
                return snapshot.video_urls[0]
    return video.video_url


def _fetch(url: str, part: Path, *, video: Video) -> int:
    """Stream the link into this file and onto the disk. Returns bytes. Raises NotSaved."""
    started = renewed = time.monotonic()
    size = 0
    try:
        # A plain request: the link carries its own permission, our key stays at home.
        with (
            public_session(trusted_url=settings.KIE_API_BASE_URL) as session,
            session.get(
                url,
                headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
                stream=True,
                timeout=(CONNECT_SECONDS, READ_SECONDS),
            ) as answer,
            part.open("wb") as file,
        ):
            if answer.status_code != 200:
                raise NotSaved(f"the link answered HTTP {answer.status_code}")
            for chunk in answer.iter_content(CHUNK_BYTES):
                size += file.write(chunk)
                at = time.monotonic()
                if size > settings.ARCHIVE_MAX_BYTES or at - started > settings.ARCHIVE_MAX_SECONDS:
                    raise NotSaved(f"too large or too slow: {size} bytes in {at - started:.0f} s")
                if at - renewed > RENEW_SECONDS:
                    renewed = at
                    _renew_claim(video)
            file.flush()
            os.fsync(file.fileno())
            announced = answer.headers.get("Content-Length", "")
    except requests.RequestException as error:
        raise NotSaved(f"fetching failed: {type(error).__name__}") from None
    if announced.isdigit() and int(announced) != size:
        raise NotSaved(f"cut off: {size} of {announced} bytes")
    if size == 0:
        raise NotSaved("an empty file")
    return size


def _renew_claim(video: Video) -> None:
    """Go on holding the row; one that somebody else has settled stays settled."""
    held = Video.objects.filter(pk=video.pk, archived_at=None, next_archive_at__isnull=False)
    held.update(next_archive_at=now() + CLAIM)


def _try_later(video: Video, *, why: str) -> None:
    logger.warning("video_not_archived video=%s task=%s: %s", video.pk, video.task_id, why)
    if video.succeeded_at and video.succeeded_at < now() - GIVE_UP_AFTER:
        video.give_up_saving(why=why)
        return
    # Doubled no further than needed: after a day it would no longer fit a timedelta.
    pause = min(SHORTEST_PAUSE * 2 ** min(video.archive_attempts, 10), LONGEST_PAUSE)
    attempts = F("archive_attempts") + 1
    row = Video.objects.filter(pk=video.pk, archived_at=None)
    row.update(next_archive_at=now() + pause, archive_attempts=attempts)
    video.events.create(what="not saved yet", detail=why)


def complete_with_link() -> None:
    """Who has waited two minutes for our copy gets KIE.AI's link; saving goes on."""
    for video in Video.objects.awaited(Stage.SAVING, now()):
        video.mark_completed(event="completed with KIE.AI's link")


def sweep_files() -> int:
    """Remove what nobody can reach any more. Returns how many files."""
    long_ago = now() - timedelta(days=1)
    return _sweep_trash() + _sweep_inputs(long_ago.timestamp()) + _sweep_parts(long_ago.timestamp())


def _sweep_trash() -> int:
    """The files of videos deleted too long ago to be brought back. Rows stay: they cost."""
    expired = Video.objects.filter(deleted_at__lt=now() - timedelta(days=settings.TRASH_DAYS))
    # Their pictures are then nobody's, unless another video was made from them too.
    VideoInput.objects.filter(video__in=expired).delete()
    swept = 0
    for video in expired.exclude(file="", poster=""):
        for name in (video.file.name, video.poster.name):
            if name:
                default_storage.delete(name)
                swept += 1
        Video.objects.filter(pk=video.pk).update(file="", poster="")
    return swept


def _sweep_inputs(before: float) -> int:
    """Pictures that were handed in and never sent."""
    root = "inputs"
    swept = 0
    with suppress(FileNotFoundError):
        for folder in default_storage.listdir(root)[0]:
            names = {
                f"{root}/{folder}/{name}" for name in default_storage.listdir(f"{root}/{folder}")[1]
            }
            names -= set(VideoInput.objects.filter(file__in=names).values_list("file", flat=True))
            for name in names:
                if default_storage.get_modified_time(name).timestamp() < before:
                    default_storage.delete(name)
                    swept += 1
    return swept


def _sweep_parts(before: float) -> int:
    """Downloads whose process died."""
    parts = list(settings.MEDIA_ROOT.glob(".incoming/*.part"))
    old = [path for path in parts if path.stat().st_mtime < before]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)
