"""What KIE.AI said, in our words: typed, bounded, safe to store."""

import enum
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

from videostudio.secrets import holds_key, redacted

MOST_TEXT = 500
MOST_URL = 2000
MOST_RAW = 2000
# Of one list in a raw record, and so deep: more tells an operator nothing.
MOST_RAW_ITEMS, MOST_RAW_DEPTH = 10, 6

# Control characters, which PostgreSQL and terminals refuse, and bidirectional overrides, which
# make a sentence read as another one.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSAFE_IN_URL = re.compile(r"[\s\\\x00-\x1f\x7f\ud800-\udfff]")
# What follows the ? of an address is its permission. Addresses also stand in JSON in a text, where
# slashes and & may be escaped.
_LINK_QUERY = re.compile(
    r"""(https?:(?:\\*/){2}(?:[^\s"'\\<>?#]|\\+/)*)[?#](?:[^\s"'\\<>]|\\+(?:/|u[0-9a-fA-F]{4}))*"""
)
# Where a record echoes what we asked for: the prompt, the pictures, and our callback's token.
_ECHOES = frozenset({"param", "paramjson", "callbackurl", "input", "prompt"})
TASK_ID = re.compile(r"[A-Za-z0-9_.:-]{1,128}", re.ASCII)


class TaskState(enum.StrEnum):
    """The three things that KIE.AI's many states come down to."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRequest:
    """The creation as KIE.AI's record echoes it: what it was asked for, and by whom."""

    model: str = ""
    # As KIE.AI wants them named: prompt, duration …
    fields: Mapping[str, Any] = field(default_factory=dict)
    # Where KIE.AI was asked to call back.
    call_back_url: str = ""


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
    request: TaskRequest = field(default_factory=TaskRequest)
    # By KIE.AI's clock, which decides nothing here: for the age of what was made elsewhere.
    created_at: datetime | None = None
    completed_at: datetime | None = None
    # Credits really consumed, where the record says so.
    credits: Decimal | None = None
    # The record itself where it ended without a video, for the event log.
    raw: str = ""


def text(value: Any, *, most: int = MOST_TEXT) -> str:
    """Somebody's words as text that any database stores and any page shows; "" for none."""
    if value is None or isinstance(value, (dict, list, bool)):
        return ""
    # KIE.AI may quote our key. In this order: what is removed must not have split it, and what is
    # cut off must not leave half of it.
    return redacted(_UNSAFE.sub("", str(value)))[:most].strip()


def prompt(value: Any, *, most: int) -> str:
    """A prompt as KIE.AI echoes it: a person's own words, without what is unsafe."""
    return _UNSAFE.sub("", value)[:most].strip() if isinstance(value, str) else ""


def words(value: Any, *, without: str = "") -> str:
    """Somebody's words, with the addresses in them cut where their permission begins.

    `without`: the callback address that KIE.AI was given, which names our token.
    """
    if without and isinstance(value, str):
        value = value.replace(without, "…")
    return _LINK_QUERY.sub(r"\1", text(value))


def raw(data: Any, *, without: str = "") -> str:
    """A record as operators may read it: bounded, without links' permissions and echoed requests.

    `without`: as for words().
    """
    found = json.dumps(_trimmed(data, MOST_RAW_DEPTH), ensure_ascii=False)
    if without:
        found = found.replace(without, "…")
    # Cut twice, for what is taken out makes room.
    return _LINK_QUERY.sub(r"\1", text(found, most=2 * MOST_RAW))[:MOST_RAW]


def _trimmed(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        items = list(value.items())[: MOST_RAW_ITEMS * 4]
        kept = ((k, v) for k, v in items if str(k).replace("_", "").lower() not in _ECHOES)
        return {text(k, most=40): _trimmed(v, depth - 1) for k, v in kept} if depth else "…"
    if isinstance(value, list):
        return [_trimmed(item, depth - 1) for item in value[:MOST_RAW_ITEMS]] if depth else "…"
    return text(value) if isinstance(value, str) else value


def url(value: Any) -> str:
    """An http(s) address, or "" for anything else that was given as one."""
    if not isinstance(value, str) or len(value) > MOST_URL or _UNSAFE_IN_URL.search(value):
        return ""
    try:
        parts = urlsplit(value)
    except ValueError:
        return ""
    is_usable = parts.scheme in {"http", "https"} and parts.hostname and not holds_key(value)
    return value if is_usable else ""


def urls(values: Iterable[Any]) -> tuple[str, ...]:
    """The usable addresses among these, in order, each one once."""
    return tuple(dict.fromkeys(address for value in values if (address := url(value))))


def task_id(value: Any) -> str:
    """A task id, or "" for what cannot be one."""
    is_usable = isinstance(value, str) and TASK_ID.fullmatch(value) and not holds_key(value)
    return value if is_usable else ""


def credits(value: Any) -> Decimal | None:
    """A non-negative amount of credits that fits its column; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    # NaN fails the comparison too.
    return round(Decimal(str(value)), 2) if 0 <= value < 10_000_000 else None


def count(value: Any) -> int | None:
    """A number of things that fits a column; None for anything else."""
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and 0 <= value < 10**9 else None


def percent(value: Any) -> int | None:
    """A progress figure in 0..100; None where KIE.AI gives none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value <= 100 else None


def moment(value: Any) -> datetime | None:
    """A time in any of KIE.AI's spellings: epoch milliseconds, or text (without a zone: UTC)."""
    try:
        if isinstance(value, str):
            read = datetime.fromisoformat(value)
            return read.replace(tzinfo=read.tzinfo or UTC)
        if isinstance(value, int) and not isinstance(value, bool):
            return datetime.fromtimestamp(value / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
