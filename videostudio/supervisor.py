"""Runs the studio's processes side by side, and starts again what dies."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import FrameType
from typing import TextIO

STOP_SECONDS = 15.0
LONGEST_PAUSE_SECONDS = 15.0
# A process that lived this long was healthy: its next death starts from the shortest pause.
HEALTHY_SECONDS = 30.0


@dataclass(slots=True)
class Program:
    """One process of the studio: how it is started, and how it fares."""

    name: str
    command: Sequence[str]
    process: subprocess.Popen[str] | None = None
    started_at: float = 0.0
    start_again_at: float = 0.0
    pause: float = field(default=1.0)

    def start(self, out: TextIO) -> None:
        self.started_at = time.monotonic()
        # In a session of its own: Ctrl-C reaches us alone, and we stop it with all its children.
        self.process = subprocess.Popen(  # noqa: S603  # our own commands, no shell
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        threading.Thread(target=self._copy_lines, args=(out,), daemon=True).start()

    def signal(self, number: signal.Signals) -> None:
        """To the process and to every child it has made."""
        if self.process:
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def _copy_lines(self, out: TextIO) -> None:
        lines = self.process.stdout if self.process else None
        for line in lines or ():
            out.write(f"{self.name:>7} | {line.rstrip()}\n")
            out.flush()


class Supervisor:
    """Keeps these programs running until it is told to stop; then leaves none behind."""

    def __init__(self, programs: Sequence[Program], *, out: TextIO = sys.stdout) -> None:
        self.programs = programs
        self.out = out
        self._stopping = threading.Event()

    def run(self, *, when_started: Callable[[], None] | None = None) -> None:
        """Blocks until SIGINT, SIGTERM or SIGHUP. `when_started` runs beside the programs."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._stop)
        try:
            for program in self.programs:
                program.start(self.out)
            if when_started:
                threading.Thread(target=when_started, daemon=True).start()
            while not self._stopping.wait(0.5):
                self._start_again_what_died()
        finally:
            self._stop_all()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._stopping.set()

    def _start_again_what_died(self) -> None:
        at = time.monotonic()
        for program in self.programs:
            if program.is_running:
                continue
            if not program.start_again_at:
                if at - program.started_at > HEALTHY_SECONDS:
                    program.pause = 1.0
                self.out.write(f" studio | {program.name} died; again in {program.pause:.0f} s\n")
                program.start_again_at = at + program.pause
                program.pause = min(program.pause * 2, LONGEST_PAUSE_SECONDS)
            elif at >= program.start_again_at:
                program.start_again_at = 0.0
                # What the dead one has left behind must not work beside its successor.
                program.signal(signal.SIGKILL)
                program.start(self.out)

    def _stop_all(self) -> None:
        for program in self.programs:
            program.signal(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while any(p.is_running for p in self.programs) and time.monotonic() < deadline:
            time.sleep(0.1)
        for program in self.programs:
            program.signal(signal.SIGKILL)
            if program.process:
                program.process.wait()
