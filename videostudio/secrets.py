"""What this installation keeps secret, and the one filter that keeps it out of what is read.

Log lines, debug pages, error mails, the event log and KIE.AI's words all pass `redacted()`: nobody
has to remember it. It knows two things: the values of our own secrets, in the spellings in which
they turn up, and what a secret looks like that is not ours.
"""

import html
import json
import os
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from django.conf import settings
from django.core.signals import setting_changed

MARK = "[redacted]"
# Shorter ones are parts of ordinary words. "sandbox" is the sandbox's key, and no secret.
SHORTEST = 6
PUBLIC = {"sandbox"}

# Read by the libraries themselves, so no setting of ours holds them.
ENVIRONMENT = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "PGPASSWORD")
# Settings that hold addresses with a password, or options of which some are secret.
NESTED = (
    *("DATABASES", "CACHES", "STORAGES", "MAILERS"),
    *("CELERY_BROKER_URL", "REDIS_URL", "KIE_API_BASE_URL", "KIE_UPLOAD_BASE_URL"),
)
# Also in an address that nobody can parse because of the signs in its password.
_PASSWORD = re.compile(r"://[^:/@\s]*:(\S+)@")
_SECRET_OPTION = re.compile("pass|secret|access_key|token", re.IGNORECASE)

# Headers that prove who somebody is, as a header, in JSON or in a dict.
_HEADER = (
    r"\b({}[\"']?\s{{0,3}}[:=]\s{{0,3}})"
    r"(?:\"[^\"\r\n]*|'[^'\r\n]*|[^\r\n\"'<]+)"
)
# What a secret looks like, whoever's it is: a sign without which there is none (most lines have
# none, and are done), how it goes on, and what is kept of it. Each looks only forward, so that no
# text, however hostile, takes long.
PATTERNS = tuple(
    (sign, re.compile(pattern, re.IGNORECASE), kept + MARK)
    for sign, pattern, kept in (
        *((name, _HEADER.format(name), r"\1") for name in ("authorization", "x-api-key", "cookie")),
        ("bearer", r"\b(bearer\s{1,3})[\w.~+/=-]{8,}", r"\1"),
        ("sk-", r"\bsk-[\w-]{8,}", ""),
        # A callback's address and a password link name what they permit.
        ("/webhooks/kie/", r"(/webhooks/kie/)[^\s/?\"'<>\\]+", r"\1"),
        ("reset/", r"(\breset/[\w-]{1,40}/)(?!set-password)[\w-]+", r"\1"),
        ("@", r"(://)[^\s/?#@\"'<>]+(?=@)", r"\1"),
        # Everything behind the "?" of an address: signed links carry their permission there.
        ("?", r"(?<=[\w/.~%=-])(\?)[\w%&=][^\s\"'<>]*", r"\1"),
        (
            "x-amz-",
            r"\b(x-amz-(?:signature|credential|security-token)[\"']?[:=]\s?)[^\s&,;]+",
            r"\1",
        ),
    )
)


def redacted(text: object) -> str:
    """This text without secrets. Never raises: what it cannot read, it lets nobody read."""
    try:
        clear = str(text)
        for spelling in _spellings():
            if spelling in clear:
                clear = clear.replace(spelling, MARK)
        lower = clear.lower()
        for sign, pattern, replacement in PATTERNS:
            if sign in lower:
                clear = pattern.sub(replacement, clear)
    except Exception:
        return MARK
    return clear


def holds_key(text: str) -> bool:
    """Is one of the keys that KIE.AI knows part of this? Then it is no id and no address."""
    return any(spelling in text for spelling in _key_spellings())


@cache
def _key_spellings() -> frozenset[str]:
    keys = filter(_is_secret, (settings.KIE_API_KEY, *settings.KIE_WEBHOOK_KEYS))
    return frozenset(spelling for key in keys for spelling in _spelled(key))


@cache
def _spellings() -> tuple[str, ...]:
    """Every secret in every spelling. Longest first: one may be the beginning of another."""
    values = {value for value in _values() if _is_secret(value)}
    spellings = {spelling for value in values for spelling in _spelled(value)}
    return tuple(sorted(spellings, key=len, reverse=True))


def _forget(**kwargs: Any) -> None:
    _spellings.cache_clear()
    _key_spellings.cache_clear()


# Sent by tests only: settings do not change in a process.
setting_changed.connect(_forget)


def _is_secret(value: Any) -> bool:
    return isinstance(value, str) and len(value) >= SHORTEST and value not in PUBLIC


def _values() -> Iterator[Any]:
    yield from (settings.KIE_API_KEY, *settings.KIE_WEBHOOK_KEYS)
    yield from (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    yield from (os.environ.get(name) for name in ENVIRONMENT)
    for name in NESTED:
        yield from _secrets_in(getattr(settings, name, None))


def _secrets_in(value: Any, name: str = "") -> Iterator[str]:
    """The secret options and the passwords of addresses, however deep."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _secrets_in(inner, str(key))
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _secrets_in(inner, name)
    elif isinstance(value, str):
        if _SECRET_OPTION.search(name):
            yield value
        for password in _PASSWORD.findall(value):
            yield from (password, unquote(password))


def _spelled(value: str) -> Iterator[str]:
    """How this value is written: plain, in an address, in HTML, JSON or Python, inside base64."""
    in_address, in_json = quote(value, safe=""), json.dumps(value)[1:-1]
    in_python = value.replace("\\", r"\\").replace("'", r"\'")
    yield from (in_address, quote(value), quote_plus(value))
    yield re.sub("%..", lambda code: code[0].lower(), in_address)
    for text in (value, repr(value)[1:-1], in_python, in_json, in_json.replace("/", r"\/")):
        yield from (text, html.escape(text))
    # Three bytes make four signs: as part of a longer text it begins at one of three places, and
    # only what its neighbours do not touch is always the same.
    for before in range(3) if len(value) >= 2 * SHORTEST else ():
        content = b"\0" * before + value.encode()
        first, whole = -(-before * 8 // 6), len(content) * 8 // 6
        for encode in (b64encode, urlsafe_b64encode):
            yield encode(content).decode()[first:whole]
