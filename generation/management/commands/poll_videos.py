"""`manage.py poll_videos`: the pass that beat runs, by hand or from cron."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils.timezone import now

from gallery.models import Video, VideoQuerySet
from generation.archive import archive_due_videos, complete_with_link
from generation.balance import refresh_balance
from generation.kie.client import KieClient
from generation.polling import PollReport, checkable, poll_due_videos, poll_videos_by_id
from generation.submission import send_queued_videos


class Command(BaseCommand):
    help = (
        "Ask KIE.AI about the videos that are due, and save what is finished. "
        "Exit status: 0 all answered, 1 KIE.AI gave no usable answer about some, 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--all", action="store_true", help="all that are processing, due or not")
        which.add_argument(
            "--video", type=UUID, action="append", metavar="ID", help="this one; may be repeated"
        )
        parser.add_argument("--limit", type=int, help="at most so many")
        parser.add_argument("--dry-run", action="store_true", help="say what would be asked about")

    def handle(
        self, *args: Any, all: bool, video: list[UUID] | None, limit: int | None, **options: Any
    ) -> None:
        if limit is not None and limit < 1:
            raise CommandError("--limit has to be 1 or more", returncode=2)
        if options["dry_run"]:
            self._say_what_would_be_asked(ids=video, every=all, limit=limit)
            return
        client = KieClient.from_settings()
        if video:
            report = self._poll_these(video, client=client)
        else:
            send_queued_videos(client=client)
            if all:
                ids = list(self._running().values_list("pk", flat=True)[:limit])
                report = poll_videos_by_id(ids, client=client)
            else:
                report = poll_due_videos(client=client, limit=limit)
        complete_with_link()
        saved = archive_due_videos(client=client)
        refresh_balance(client=client)
        self.stdout.write(f"{report}, {saved} saved")
        for pk in report.without_answer:
            self.stderr.write(f"no usable answer about video {pk}")
        if report.unanswered:
            raise SystemExit(1)

    def _poll_these(self, ids: list[UUID], *, client: KieClient) -> PollReport:
        known = set(Video.objects.filter(pk__in=ids).values_list("pk", flat=True))
        if missing := [str(pk) for pk in ids if pk not in known]:
            raise CommandError(f"no such video: {', '.join(missing)}", returncode=2)
        return poll_videos_by_id(ids, client=client)

    def _running(self) -> VideoQuerySet:
        return Video.objects.kept().processing().filter(stage=Video.Stage.RUNNING)

    def _say_what_would_be_asked(
        self, *, ids: list[UUID] | None, every: bool, limit: int | None
    ) -> None:
        videos = Video.objects.due(now())
        if ids:
            videos = checkable(ids)
        elif every:
            videos = self._running()
        rows = videos[:limit]
        for video in rows:
            self.stdout.write(f"{video.pk} {video.provider} {video.task_id} {video.stage}")
        self.stdout.write(f"{len(rows)} would be checked")
