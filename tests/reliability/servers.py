"""Throw-away servers: a Redis and a PostgreSQL of one's own, which may be stopped without harm."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import psycopg


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, seconds=20):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing answers on port {port} after {seconds} s")


def postgres_programs():
    """The folder of the newest PostgreSQL's programs; None when none is installed."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin")
    return max(folders, key=lambda path: int(path.parent.name), default=None)


def what_is_missing():
    """What has to be installed before these servers can be started; "" when nothing is."""
    missing = []
    if not shutil.which("redis-server"):
        missing.append("redis-server")
    if not postgres_programs():
        missing.append("postgresql")
    return f"apt install {' '.join(missing)}" if missing else ""


class Redis:
    """A Redis that keeps nothing: stopped and started again, it is empty."""

    def __init__(self, folder):
        self.folder, self.port, self.process = folder, free_port(), None
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def start(self):
        command = ["redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""]
        with (self.folder / "redis.log").open("a") as log:
            self.process = subprocess.Popen([*command, "--dir", self.folder], stdout=log)
        wait_for_port(self.port)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Postgres:
    """A PostgreSQL with an empty database named studio."""

    def __init__(self):
        # Not below a private folder: the server runs as somebody else when we are root.
        self.folder = Path(tempfile.mkdtemp(prefix="studio-postgres-"))
        self.port, self.process = free_port(), None
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/studio"
        self._server = self.url.replace("/studio", "/postgres")
        self._programs = postgres_programs()
        # PostgreSQL refuses to run as root.
        self._as = {"user": "postgres", "group": "postgres", "extra_groups": []}
        if os.geteuid() != 0:
            self._as = {}
        self._initialise()

    def _initialise(self):
        if self._as:
            shutil.chown(self.folder, "postgres", "postgres")
        options = ["-D", self.folder, "-U", "postgres", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [self._programs / "initdb", *options],
            check=True,
            capture_output=True,
            cwd=self.folder,
            **self._as,
        )
        self.start()
        with psycopg.connect(self._server, autocommit=True) as server:
            server.execute("CREATE DATABASE studio")

    def start(self):
        options = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "max_connections": 200,
        }
        command = [self._programs / "postgres", "-D", self.folder]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with (self.folder.with_suffix(".log")).open("a") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, **self._as
            )
        self._wait_until_ready()

    def _wait_until_ready(self):
        """Connections are refused for a moment after the port is open, while it recovers."""
        wait_for_port(self.port)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with suppress(psycopg.OperationalError):
                psycopg.connect(self._server).close()
                return
            time.sleep(0.05)
        raise TimeoutError("PostgreSQL does not take connections")

    def stop(self, *, how=signal.SIGINT):
        """SIGINT hangs up on everybody at once (fast), SIGQUIT leaves it to recover (crash)."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            self.process.wait(30)

    def remove(self):
        self.stop(how=signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.with_suffix(".log").unlink(missing_ok=True)
