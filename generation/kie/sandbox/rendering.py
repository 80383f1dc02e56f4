"""The clips of the sandbox's tasks: ordered, rendered in the background, put where they belong."""

import logging
import shutil
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from generation.kie.sandbox.clips import ClipOrder, render_clip
from generation.kie.sandbox.families import BY_NAME, Family
from generation.kie.sandbox.files import PART, SECOND, SandboxFiles
from generation.kie.sandbox.orders import joined, order_for
from generation.kie.sandbox.tasks import SandboxTask, TaskBook
from generation.kie.sandbox.words import words_in

RENDERERS = 2

logger = logging.getLogger(__name__)


class Rendering:
    """Renders what is ordered, and writes down when a task's clip is there.

    `clip`: the file that every task results in, in place of a clip rendered for it.
    """

    def __init__(self, book: TaskBook, files: SandboxFiles, *, clip: Path | None) -> None:
        self._book, self._files, self._clip = book, files, clip
        self._renderers = ThreadPoolExecutor(RENDERERS, thread_name_prefix="sandbox-clip")
        self._renders: dict[str, Future[None]] = {}

    def order(
        self, family: Family, body: Mapping[str, Any], *, prompt: str, source: SandboxTask | None
    ) -> ClipOrder:
        """What this creation asks for."""
        clip = self._clip_of(source) if source else None
        return order_for(family, body, prompt=prompt, source=clip, files=self._files)

    def begin(self, task: SandboxTask, order: ClipOrder | None = None) -> None:
        """Have this task's clip made. No order: as its request asks for it."""
        if task.failure or not task.ends_at:
            return
        if order is None:
            source = self._book.get(task.source_id)
            order = self.order(BY_NAME[task.family], task.body, prompt=task.prompt, source=source)
        self._renders[task.task_id] = self._renderers.submit(self._make, task, order)

    def wait_for(self, task_id: str = "") -> None:
        """Until the clip of that task, or every clip, is there."""
        wait([x for name, x in list(self._renders.items()) if task_id in {"", name}])

    def stop(self) -> None:
        self._renderers.shutdown(cancel_futures=True)

    def _make(self, task: SandboxTask, order: ClipOrder) -> None:
        try:
            self._put_all(task, order)
        except Exception:
            logger.exception("sandbox_clip_failed task=%s", task.task_id)
            self._book.change(task.task_id, failure="fail")
        else:
            self._book.change(task.task_id, clip_at=datetime.now(UTC))

    def _put_all(self, task: SandboxTask, order: ClipOrder) -> None:
        source = self._book.get(task.source_id)
        if "two-results" in words_in(task.prompt):
            self._put(replace(order, prompt=f"2: {order.prompt}"), SECOND + task.file_name)
        if BY_NAME[task.family].joins and source:
            self._put(order, PART + task.file_name)
            order = joined(order, self._clip_of(source))
        self._put(order, task.file_name)

    def _put(self, order: ClipOrder, name: str) -> None:
        target = self._files.clip(name)
        if self._clip:
            shutil.copyfile(self._clip, target)
        else:
            render_clip(order, target)

    def _clip_of(self, task: SandboxTask) -> Path:
        return self._files.clip(task.file_name)
