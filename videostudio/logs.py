"""Log lines: one per event, nobody can forge one, and none holds a secret."""

import logging
import re
import sys
import threading
from types import TracebackType
from typing import Any

from django.utils.log import AdminEmailHandler

from videostudio.secrets import redacted

logger = logging.getLogger(__name__)

# What moves a terminal's cursor, ends a line, or makes a line read as another one.
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _escaped(text: str) -> str:
    return _CONTROL.sub(lambda sign: repr(sign[0])[1:-1], text)


class LineFormatter(logging.Formatter):
    """One line per event; a traceback follows indented, so that its words begin no line."""

    def format(self, record: logging.LogRecord) -> str:
        try:
            text = super().format(record)
        # A message that does not fit its arguments: logging itself would print them as they are.
        except Exception:
            text = _escaped(f"{record.levelname} {record.name} {record.msg!r} {record.args!r}")
        return redacted(text)

    def formatMessage(self, record: logging.LogRecord) -> str:
        return _escaped(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _indented(super().formatStack(stack_info))


def _indented(traceback: str) -> str:
    return "\n".join(f"    {_escaped(line)}" for line in traceback.split("\n"))


class ErrorMailHandler(AdminEmailHandler):
    """Django's error mails; their text is a debug page's, only the subject is its own."""

    def format_subject(self, subject: str) -> str:
        return redacted(super().format_subject(subject))


def log_what_nobody_catches() -> None:
    """Warnings and uncaught exceptions become log lines, where Python would print them bare."""
    logging.captureWarnings(capture=True)
    # Only in the interpreter's place: a test runner or a debugger keeps its own.
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _log_uncaught
    if threading.excepthook is threading.__excepthook__:
        threading.excepthook = _log_uncaught_in_thread
    if sys.unraisablehook is sys.__unraisablehook__:
        sys.unraisablehook = _log_unraisable


def _log_uncaught(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    if issubclass(kind, Exception):
        logger.critical("uncaught", exc_info=(kind, error, traceback))
    else:
        sys.__excepthook__(kind, error, traceback)


def _log_uncaught_in_thread(args: threading.ExceptHookArgs) -> None:
    if args.exc_value is not None and isinstance(args.exc_value, Exception):
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def _log_unraisable(args: "sys.UnraisableHookArgs") -> None:
    if args.exc_value is not None:
        _log_uncaught(args.exc_type, args.exc_value, args.exc_traceback)
