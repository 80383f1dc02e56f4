"""`manage.py archive_missing`: bring home, now, what KIE.AI has finished and we do not have."""

from argparse import ArgumentParser
from collections.abc import Iterator
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from gallery.models import Video, VideoQuerySet, VideoResult
from generation.archive import archive_this_video, obtainable, oldest_in_trash
from generation.kie.client import KieClient
from generation.storage import STORAGE_ERRORS, flaw_of, words_for

AT_ONCE = 500
GONE = "KIE.AI has it no longer"


class Command(BaseCommand):
    help = (
        "Fetch every video that KIE.AI has finished and whose file is not with us. "
        "Exit status: 0 nothing is missing any more, 1 something still is, 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--video", type=UUID, action="append", metavar="ID", help="this one; may be repeated"
        )
        parser.add_argument(
            "--verify",
            action="store_true",
            help="also look whether each file is really in storage, with its size",
        )
        parser.add_argument("--dry-run", action="store_true", help="say what would be fetched")

    def handle(
        self, *args: Any, video: list[UUID] | None, verify: bool, dry_run: bool, **options: Any
    ) -> None:
        videos = self._chosen(video)
        flawed, gone = self._flawed(videos, dry_run=dry_run) if verify else (0, 0)
        missing = list(videos.lacking_files().values_list("pk", flat=True))
        if dry_run:
            for pk in missing:
                self.stdout.write(f"{pk} is not with us")
            self.stdout.write(f"{len(missing) + flawed} would be fetched, {gone} gone")
            return
        saved = self._fetch(missing)
        left = len(missing) - saved
        self.stdout.write(f"{saved} saved, {left} not saved, {gone} gone")
        if left or gone:
            raise SystemExit(1)

    def _chosen(self, ids: list[UUID] | None) -> VideoQuerySet:
        videos = Video.objects.reachable(since=oldest_in_trash()).order_by("created_at")
        if not ids:
            return videos
        known = set(videos.filter(pk__in=ids).values_list("pk", flat=True))
        if missing := [str(pk) for pk in ids if pk not in known]:
            raise CommandError(f"no such video: {', '.join(missing)}", returncode=2)
        return videos.filter(pk__in=ids)

    def _fetch(self, missing: list[UUID]) -> int:
        client = KieClient.from_settings()
        saved = 0
        for pk in missing:
            why = archive_this_video(pk, client=client)
            saved += not why
            self.stdout.write(f"{pk} not saved: {why}" if why else f"{pk} saved")
        return saved

    def _flawed(self, videos: VideoQuerySet, *, dry_run: bool) -> tuple[int, int]:
        """How many are set up to be fetched again, and how many cannot be fetched any more."""
        flawed = gone = 0
        try:
            for video, flaw in _flaws(videos):
                # A row keeps saying where its file should be: a folder may only be unmounted.
                can_be_had = obtainable().filter(pk=video.pk).exists()
                self.stdout.write(f"{video.pk} {flaw}{'' if can_be_had else f'; {GONE}'}")
                flawed += can_be_had
                gone += not can_be_had
                if can_be_had and not dry_run:
                    video.archive_again(why=flaw)
        except STORAGE_ERRORS as error:
            raise CommandError(f"Nothing more can be verified: {words_for(error)}") from error
        return flawed, gone


def _flaws(videos: VideoQuerySet) -> Iterator[tuple[Video, str]]:
    """Each video of which a file that should be in storage is not there as it should be."""
    archived = videos.filter(archived_at__isnull=False).prefetch_related("results")
    for video in archived.iterator(chunk_size=AT_ONCE):
        rows: list[Video | VideoResult] = [video]
        rows += [row for row in video.results.all() if row.archived_at]
        if flaws := [flaw for row in rows if (flaw := flaw_of(row))]:
            yield video, "; ".join(flaws)
