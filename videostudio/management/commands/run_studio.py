"""`manage.py run_studio`: the whole studio on one machine. `make run` calls it."""

import secrets
import socket
import sys
import time
from argparse import ArgumentParser
from typing import Any

import requests
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from videostudio.models import User
from videostudio.supervisor import Program, Supervisor

DEMO = "demo"
READY_SECONDS = 60


class Command(BaseCommand):
    help = "Migrate, then run web, worker with beat and (without a KIE.AI key) the sandbox."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
        parser.add_argument("--workers", type=int, default=2, help="web processes")

    def handle(self, *args: Any, host: str, workers: int, **options: Any) -> None:
        self._refuse_taken_ports()
        call_command("migrate", verbosity=0)
        call_command("collectstatic", verbosity=0, interactive=False)
        password = self._make_demo_account()
        programs = [web(host=host, workers=workers), worker()]
        if settings.IS_SANDBOX:
            programs.append(sandbox())
        studio = Supervisor(programs, out=sys.stdout)
        studio.run(when_started=lambda: self._announce(studio, password=password))
        self.stdout.write(" studio | stopped")

    def _refuse_taken_ports(self) -> None:
        ports = [settings.PORT, *([settings.KIE_SANDBOX_PORT] if settings.IS_SANDBOX else [])]
        for port in ports:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    raise CommandError(
                        f"Port {port} is taken by another program. "
                        f"Choose another one in .env, for all commands alike: PORT={port + 100}"
                    )

    def _make_demo_account(self) -> str:
        """An account to begin with, on the very first run. Returns its password, else ""."""
        if User.objects.exists():
            return ""
        password = secrets.token_urlsafe(9)
        User.objects.create_superuser(DEMO, f"{DEMO}@localhost", password)
        return password

    def _announce(self, studio: Supervisor, *, password: str) -> None:
        address = f"http://127.0.0.1:{settings.PORT}"
        deadline = time.monotonic() + READY_SECONDS
        while not studio.is_stopping and not _answers(f"{address}/healthz/"):
            if time.monotonic() > deadline:
                self.stderr.write(" studio | not ready after a minute; see the lines above")
                return
            time.sleep(0.3)
        lines = ["", f"  Video Studio is ready: {address}/"]
        if password:
            lines.append(f"  Sign in as {DEMO} with the password {password} (shown only now).")
        if settings.IS_SANDBOX:
            lines.append("  Sandbox: no KIE_API_KEY is set, so nothing is charged.")
        lines += ["  Ctrl-C stops everything.", ""]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def web(*, host: str, workers: int) -> Program:
    command = f"""
        -m granian --interface wsgi videostudio.wsgi:application --host {host}
        --port {settings.PORT} --workers {workers} --blocking-threads 8 --backpressure 64
        --respawn-failed-workers --no-ws --log-level error
    """
    return Program("web", [sys.executable, *command.split()])


def worker() -> Program:
    # Threads: the work is waiting for KIE.AI. Beat rides along; a second one would do no harm.
    command = """
        -m celery -A videostudio --quiet worker --beat --pool threads --concurrency 8
    """
    return Program("worker", [sys.executable, *command.split()])


def sandbox() -> Program:
    return Program("sandbox", [sys.executable, "manage.py", "kie_sandbox"])


def _answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=3).status_code == 200
    except requests.RequestException:
        return False
