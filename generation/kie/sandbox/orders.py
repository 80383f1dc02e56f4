"""What a task's clip shows: its settings, what was handed in, and the task it was made from."""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from generation.kie.sandbox.clips import LONGEST_SECONDS, ClipOrder, order_clip
from generation.kie.sandbox.families import Family
from generation.kie.sandbox.files import SandboxFiles
from generation.kie.sandbox.media import look_into


def order_for(
    family: Family,
    body: Mapping[str, Any],
    *,
    prompt: str,
    source: Path | None,
    files: SandboxFiles,
) -> ClipOrder:
    """The clip of this creation. Where no length is asked for, it lasts as long as its sound, or
    as the video it was made from. Other hosts are not asked for what they have.
    """
    asked = family.settings_in(body)
    handed_in = [file for url in strings_in(asked) if (file := files.at(url))]
    pictures, videos, sounds = (_of_kind(kind, handed_in) for kind in ("image", "video", "audio"))
    if source:
        videos.append(source)
    usual = 0.0
    if not family.continues:
        usual = next((length for x in sounds + videos if (length := look_into(x).seconds)), 0.0)
    return order_clip(
        asked,
        prompt=prompt,
        model=str(body.get("model") or family.usual_model),
        usual_seconds=usual or family.usual_seconds,
        picture=next(iter(pictures + videos), None),
    )


def joined(order: ClipOrder, source: Path) -> ClipOrder:
    """The whole of an extension: the earlier video, and what was added to it."""
    seconds = min(look_into(source).seconds + order.seconds, LONGEST_SECONDS)
    return replace(order, seconds=seconds)


def strings_in(value: Any) -> Iterator[str]:
    """Every text in a JSON value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for inner in value.values() if isinstance(value, Mapping) else value:
            yield from strings_in(inner)


def _of_kind(kind: str, files: list[Path]) -> list[Path]:
    return [file for file in files if (mimetypes.guess_type(file)[0] or "").startswith(f"{kind}/")]
