"""Removes the files that nobody can reach any more. Rows stay: what was paid for is counted."""

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import batched
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.files.storage import default_storage
from django.db.models import Q, QuerySet
from django.utils.timezone import now

from gallery.models import InputFile, Video, VideoInput, VideoResult
from generation.download import sweep_parts
from generation.storage import STORAGE_ERRORS

logger = logging.getLogger(__name__)

# A younger file may belong to somebody who is just about to say so.
YOUNG = timedelta(days=1)
# So long a library keeps what no video was made from.
KEPT_UNUSED = timedelta(days=30)
# Folders of videos begin with two hexadecimal digits; in a day all of these are walked.
PREFIXES = tuple(f"{number:02x}" for number in range(256))
HOURS = 24
FOLDERS_AT_ONCE = 200


def sweep_files() -> int:
    """Remove what nobody can reach any more. Returns how many files."""
    swept = sweep_parts(age=YOUNG)
    sweeps: tuple[Callable[[], int], ...] = (_sweep_trash, _sweep_inputs, sweep_orphans)
    for sweep in sweeps:
        try:
            swept += sweep()
        except STORAGE_ERRORS as error:
            # The next hour sweeps as well.
            logger.warning("sweep_broken_off what=%s: %s", sweep.__name__, type(error).__name__)
    return swept


def _sweep_trash() -> int:
    """The files of videos deleted too long ago to be brought back."""
    expired = Video.objects.filter(deleted_at__lt=now() - timedelta(days=settings.TRASH_DAYS))
    # Whoever is just fetching one of them finds that nobody wants it.
    expired.filter(next_archive_at__isnull=False).update(next_archive_at=None)
    # Their pictures are then nobody's, unless another video was made from them too.
    VideoInput.objects.filter(video__in=expired).delete()
    return _sweep_rows(expired) + _sweep_rows(VideoResult.objects.filter(video__in=expired))


def _sweep_rows(rows: QuerySet[Any]) -> int:
    with_files = rows.exclude(file="", poster="").values_list("pk", "file", "poster")
    names = {pk: [name for name in files if name] for pk, *files in with_files}
    swept = _remove(name for files in names.values() for name in files)
    rows.filter(pk__in=names).update(file="", poster="")
    return swept


def _sweep_inputs() -> int:
    """Files that were handed in and neither sent nor kept in a library or for a preset."""
    InputFile.objects.unused_since(now() - KEPT_UNUSED).filter(presets=None).delete()
    swept = 0
    for folder in _folders_in("inputs"):
        names = _files_in(f"inputs/{folder}")
        names -= set(VideoInput.objects.filter(file__in=names).values_list("file", flat=True))
        entries = InputFile.objects.filter(Q(file__in=names) | Q(preview__in=names))
        names -= {name for row in entries.values_list("file", "preview") for name in row}
        swept += _remove(name for name in names if _is_old(name))
    return swept


def sweep_orphans(*, hour: int | None = None) -> int:
    """Files of videos that no row refers to, in this hour's share of the folders."""
    number = int(now().timestamp() // 3600) % HOURS if hour is None else hour
    share = PREFIXES[len(PREFIXES) * number // HOURS : len(PREFIXES) * (number + 1) // HOURS]
    swept = 0
    for prefix in share:
        for folders in batched(_folders_in(f"videos/{prefix}"), FOLDERS_AT_ONCE):
            swept += _sweep_folders([f"videos/{prefix}/{folder}" for folder in folders])
    return swept


def _sweep_folders(folders: list[str]) -> int:
    names = set().union(*(_files_in(folder) for folder in folders))
    ids = [pk for folder in folders if (pk := _id_in(folder))]
    # By key, which is quick, for the many; each of the few that are left is asked about by name.
    names -= _referred_to(Q(pk__in=ids), Q(video__in=ids))
    # What has come home just before its process died may be all there is: it stays till then.
    awaited = Video.objects.filter(pk__in=ids, next_archive_at__isnull=False)
    kept = {f"/{pk}/" for pk in awaited.values_list("pk", flat=True)}
    return _remove(
        name
        for name in sorted(names)
        if not any(part in name for part in kept)
        and _is_old(name)
        and not _referred_to(*[Q(file=name) | Q(poster=name)] * 2)
    )


def _referred_to(videos: Q, results: Q) -> set[str]:
    """The names of files and posters in these rows."""
    rows = [
        *Video.objects.filter(videos).values_list("file", "poster"),
        *VideoResult.objects.filter(results).values_list("file", "poster"),
    ]
    return {name for row in rows for name in row if name}


def _folders_in(path: str) -> list[str]:
    with suppress(FileNotFoundError):
        return sorted(default_storage.listdir(path)[0])
    return []


def _files_in(folder: str) -> set[str]:
    with suppress(FileNotFoundError):
        return {f"{folder}/{name}" for name in default_storage.listdir(folder)[1]}
    return set()


def _is_old(name: str) -> bool:
    with suppress(FileNotFoundError):
        modified: datetime = default_storage.get_modified_time(name)
        return modified < now() - YOUNG
    return False


def _id_in(folder: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(folder.rpartition("/")[2])
    return None


def _remove(names: Collection[str] | Iterator[str]) -> int:
    removed = 0
    for name in names:
        default_storage.delete(name)
        removed += 1
    return removed
