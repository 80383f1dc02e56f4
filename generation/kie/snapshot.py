"""What KIE.AI said, in our words: typed, bounded, safe to store."""

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

MOST_TEXT = 500
MOST_URL = 2000

# Control characters, which PostgreSQL and terminals refuse, and bidirectional overrides, which
# make a sentence read as another one.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_URL = re.compile(r"[\s\\\x00-\x1f\x7f\ud800-\udfff]")
TASK_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)


class TaskState(enum.StrEnum):
    """The three things that KIE.AI's many states come down to."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSnapshot:
    """What KIE.AI said about one task at one moment."""

    state: TaskState
    # KIE.AI's own word for the state, for operators.
    kie_state: str = ""
    # In percent, where KIE.AI gives a figure.
    progress: int | None = None
    video_urls: tuple[str, ...] = ()
    thumbnail_url: str = ""
    error_code: str = ""
    failure: str = ""
    # Where KIE.AI was asked to call back, as its record echoes the request.
    call_back_url: str = ""
    # Credits really consumed, where the record says so.
    credits: Decimal | None = None


def text(value: Any, *, most: int = MOST_TEXT) -> str:
    """Somebody's words as text that any database stores and any page shows; "" for none."""
    if value is None or isinstance(value, (dict, list, bool)):
        return ""
    return _UNSAFE.sub("", str(value)[: most * 2])[:most].strip()


def url(value: Any) -> str:
    """An http(s) address, or "" for anything else that was given as one."""
    if not isinstance(value, str) or len(value) > MOST_URL or _UNSAFE_IN_URL.search(value):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    return value if parts.scheme in {"http", "https"} and parts.hostname else ""


def urls(values: Iterable[Any]) -> tuple[str, ...]:
    """The usable addresses among these, in order, each one once."""
    return tuple(dict.fromkeys(address for value in values if (address := url(value))))


def task_id(value: Any) -> str:
    """A task id, or "" for what cannot be one."""
    return value if isinstance(value, str) and TASK_ID.fullmatch(value) else ""


def credits(value: Any) -> Decimal | None:
    """A non-negative amount of credits that fits its column; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # NaN fails the comparison too.
    return round(Decimal(str(value)), 2) if 0 <= value < 10_000_000 else None


def percent(value: Any) -> int | None:
    """A progress figure in 0..100; None where KIE.AI gives none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= 100 else None
