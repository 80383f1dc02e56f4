"""The studio as processes, each of which can be killed; and what its database says from outside."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import requests
from psycopg.rows import dict_row

from tests.reliability.servers import free_port

ROOT = Path(__file__).parent.parent.parent
WEBHOOK_KEY = "rig-webhook-key"
PASSWORD = "correct horse battery"


class Process:
    """One of the studio's processes. Dead, it is started again unless it is held down."""

    def __init__(self, name, command, *, environment, log):
        self.name, self.command, self.environment = name, command, environment
        self.log, self.process, self.is_held, self.died_at = log, None, False, 0.0
        self.started_at = 0.0

    def start(self):
        self.started_at = time.monotonic()
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def age(self):
        """Seconds since it was started last."""
        return time.monotonic() - self.started_at

    @property
    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        """To the process and to every child it has made."""
        if self.process:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def stop(self, seconds=15):
        self.signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        self.kill()


class Studio:
    """Web, workers, beats and a sandbox, on the servers that are given (none: SQLite, files)."""

    def __init__(
        self,
        folder,
        *,
        database_url="",
        redis_url="",
        webs=1,
        workers=1,
        beats=1,
        callbacks=True,
        media=None,
        sandbox=(),
        **settings,
    ):
        self.folder = folder
        self.port, self.sandbox_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.media = media or folder / "media"
        self.database_url = database_url or f"sqlite:///{folder}/studio.sqlite3"
        self.sandbox_folder = folder / "sandbox"
        self.sandbox_options = list(sandbox)
        sandbox_url = f"http://127.0.0.1:{self.sandbox_port}"
        # Only what a shell would give: what runs us must not leak into the studio.
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "VAR_DIR": str(folder / "var"),
            "MEDIA_ROOT": str(self.media),
            "PORT": str(self.port),
            "SECRET_KEY": "not-a-secret-because-nothing-here-is-worth-protecting",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": redis_url,
            "KIE_API_KEY": "rig-key",
            "KIE_API_BASE_URL": sandbox_url,
            "KIE_UPLOAD_BASE_URL": sandbox_url,
            "KIE_SANDBOX_PORT": str(self.sandbox_port),
            "KIE_WEBHOOK_KEY": WEBHOOK_KEY,
            "PUBLIC_URL": self.url if callbacks else "",
            "DJANGO_SETTINGS_MODULE": "videostudio.settings",
        } | settings
        (folder / "var").mkdir(parents=True, exist_ok=True)
        granian = (
            "-m granian --interface wsgi videostudio.wsgi:application --host 127.0.0.1 "
            f"--port {self.port} --workers {webs} --blocking-threads 8 --backpressure 64 "
            "--respawn-failed-workers --no-ws --log-level error"
        )
        celery = "-m celery -A videostudio --quiet"
        self.processes = {"web": self._process("web", granian.split())}
        for number in range(workers):
            worker = f"{celery} worker --pool threads --concurrency 4 -l INFO -n w{number}@rig"
            self.processes[f"worker{number}"] = self._process(f"worker{number}", worker.split())
        for number in range(beats):
            beat = f"{celery} beat -l INFO -s {folder}/var/beat{number}"
            self.processes[f"beat{number}"] = self._process(f"beat{number}", beat.split())
        self.processes["sandbox"] = self._process("sandbox", self._sandbox_command())
        self._stopping = threading.Event()
        self._watching = threading.Thread(target=self._start_again_what_died, daemon=True)

    def _process(self, name, command):
        log = self.folder / f"{name}.log"
        return Process(name, command, environment=self.environment, log=log)

    def _sandbox_command(self):
        options = ["--folder", str(self.sandbox_folder), "--credits", "1e9", *self.sandbox_options]
        # A limit of the sandbox would hide what the studio does: it only counts.
        rates = ["--create-rate", "100000", "--status-rate", "100000"]
        return ["manage.py", "kie_sandbox", *rates, *options]

    def manage(self, *arguments):
        subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            check=True,
            stdout=subprocess.DEVNULL,
        )

    def start(self, *, people=()):
        """Everything runs, and these accounts exist."""
        self.manage("migrate", "--verbosity", "0")
        self.manage("collectstatic", "--no-input", "--verbosity", "0")
        made = "; ".join(
            f"User.objects.create_user({name!r}, '{name}@example.com', {PASSWORD!r})"
            for name in people
        )
        if made:
            self.manage("shell", "-c", f"from videostudio.models import User; {made}")
        began = time.monotonic()
        for process in self.processes.values():
            process.start()
        self._watching.start()
        self.wait_until(self.is_ready, seconds=180, what="the studio is ready")
        self.startup_seconds = time.monotonic() - began

    def is_ready(self):
        try:
            return requests.get(f"{self.url}/readyz/", timeout=3).status_code == 200
        except requests.RequestException:
            return False

    def is_up(self):
        try:
            return requests.get(f"{self.url}/healthz/", timeout=3).status_code == 200
        except requests.RequestException:
            return False

    def restart_sandbox(self, *options):
        """The same sandbox with other options; it goes on with the tasks it has."""
        sandbox = self.processes["sandbox"]
        sandbox.is_held = True
        sandbox.stop()
        self.sandbox_options = list(options)
        sandbox.command = self._sandbox_command()
        sandbox.start()
        sandbox.is_held = False

    def _start_again_what_died(self):
        while not self._stopping.wait(0.2):
            for process in self.processes.values():
                if process.is_held or process.is_running:
                    process.died_at = 0.0
                elif not process.died_at:
                    process.died_at = time.monotonic()
                elif time.monotonic() - process.died_at > 0.5:
                    # What the dead one has left behind must not work beside its successor.
                    process.signal(signal.SIGKILL)
                    process.start()

    def hold(self, name):
        """Kill it, and keep it down until `release`."""
        self.processes[name].is_held = True
        self.processes[name].kill()

    def release(self, name):
        self.processes[name].start()
        self.processes[name].is_held = False

    def stop(self):
        self._stopping.set()
        if self._watching.is_alive():
            self._watching.join()
        for process in self.processes.values():
            process.signal(signal.SIGTERM)
        deadline = time.monotonic() + 15
        while any(p.is_running for p in self.processes.values()) and time.monotonic() < deadline:
            time.sleep(0.1)
        for process in self.processes.values():
            process.kill()

    def wait_until(self, claim, *, seconds, what):
        deadline = time.monotonic() + seconds
        while not (found := claim()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not after {seconds} s: {what}\n{self.last_words()}")
            time.sleep(0.25)
        return found

    def last_words(self):
        return "\n".join(
            f"--- {name}\n" + "\n".join(process.log.read_text().splitlines()[-8:])
            for name, process in self.processes.items()
            if process.log.exists()
        )

    # --- What the database says ---------------------------------------------------------------

    def rows(self, query, *values):
        """What this SELECT gives, over a new connection: the server may have been away."""
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=30)) as database:
                database.row_factory = sqlite3.Row
                return [dict(row) for row in database.execute(query, values)]
        with psycopg.connect(self.database_url, row_factory=dict_row, autocommit=True) as database:
            return database.execute(query.replace("?", "%s"), values or None).fetchall()

    def run(self, script):
        """Statements that give nothing."""
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=30)) as database:
                database.executescript(script)
            return
        with psycopg.connect(self.database_url, autocommit=True) as database:
            database.execute(script)

    def watch_states(self):
        """From now on the database itself notes each change of a video's state."""
        is_sqlite = urlsplit(self.database_url).scheme == "sqlite"
        self.run(WATCH_SQLITE if is_sqlite else WATCH_POSTGRES)

    def changes(self):
        return self.rows("SELECT * FROM rig_changes ORDER BY id")


COLUMNS = "video {id}, was {text}, became {text}, stage_was {text}, stage_became {text}"
WATCH_SQLITE = f"""
CREATE TABLE rig_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT, {COLUMNS.format(id="TEXT", text="TEXT")}
);
CREATE TRIGGER rig_change AFTER UPDATE ON generated_videos
WHEN OLD.status <> NEW.status OR OLD.stage <> NEW.stage
BEGIN
    INSERT INTO rig_changes (video, was, became, stage_was, stage_became)
    VALUES (NEW.id, OLD.status, NEW.status, OLD.stage, NEW.stage);
END;
"""
WATCH_POSTGRES = f"""
CREATE TABLE rig_changes (
    id bigserial PRIMARY KEY, {COLUMNS.format(id="uuid", text="text")}
);
CREATE FUNCTION rig_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO rig_changes (video, was, became, stage_was, stage_became)
    VALUES (NEW.id, OLD.status, NEW.status, OLD.stage, NEW.stage);
    RETURN NULL;
END $$;
CREATE TRIGGER rig_change AFTER UPDATE ON generated_videos FOR EACH ROW
WHEN (OLD.status <> NEW.status OR OLD.stage <> NEW.stage) EXECUTE FUNCTION rig_change();
"""
