"""Kills the studio's processes at random moments, for as long as it is let."""

import os
import random
import signal
import subprocess
import threading
from collections import Counter
from contextlib import suppress


class Nemesis:
    """Kills one of these processes, or one of its children, every few seconds."""

    def __init__(self, studio, names, *, pauses=(1.0, 4.0), seed=0):
        self.studio, self.names, self.pauses = studio, names, pauses
        self.chance, self.kills = random.Random(seed), Counter()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._kill, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *what_happened):
        self._stopping.set()
        self._thread.join()

    def _kill(self):
        while not self._stopping.wait(self.chance.uniform(*self.pauses)):
            name = self.chance.choice(self.names)
            process = self.studio.processes[name]
            # One that never gets ready would show nothing but that; a busy machine is slow.
            if not process.is_running or process.age < self.studio.startup_seconds:
                continue
            children = _children(process.process.pid)
            # A child alone, as the kernel would when memory is short; or the whole process.
            if children and self.chance.random() < 0.5:
                with suppress(ProcessLookupError):
                    os.kill(self.chance.choice(children), signal.SIGKILL)
                self.kills[f"{name} (a child)"] += 1
            else:
                process.kill()
                self.kills[name] += 1


def _children(pid):
    found = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    return [int(child) for child in found.stdout.split()]
