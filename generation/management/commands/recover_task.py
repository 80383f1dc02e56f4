"""`manage.py recover_task`: what was paid for comes home, by the id of its task."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from generation.archive import archive_due_videos
from generation.kie.client import KieClient
from generation.recovery import NotRecovered, recover_task
from videostudio.models import User


class Command(BaseCommand):
    help = (
        "Make each of these KIE.AI tasks a video of that user's, whoever made it, up to 14 days "
        "ago. Exit status: 0 all are here, 1 some are not, 2 wrong usage."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("task_ids", nargs="+", metavar="TASK_ID")
        parser.add_argument("--user", required=True, help="whose videos they become: the username")

    def handle(self, *args: Any, task_ids: list[str], user: str, **options: Any) -> None:
        owner = User.objects.filter(username=user).first()
        if owner is None:
            raise CommandError(f"no such user: {user}", returncode=2)
        client = KieClient.from_settings()
        missing = 0
        for task_id in task_ids:
            try:
                found = recover_task(task_id, user=owner, client=client, by="recover_task")
            except NotRecovered as error:
                missing += 1
                self.stderr.write(f"{task_id}: {error}")
                continue
            known = "recovered" if found.is_new else "known already"
            self.stdout.write(f"{task_id}: {known}, video {found.video.pk}, {found.video.status}")
        archive_due_videos(client=client)
        if missing:
            raise SystemExit(1)
