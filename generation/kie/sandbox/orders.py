"""What a task's clip shows: its settings, what was handed in, and the task it was made from."""

import mimetypes
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generation.kie.sandbox.clips import LONGEST_SECONDS, ClipOrder, order_clip
from generation.kie.sandbox.families import Family
from generation.kie.sandbox.files import SandboxFiles
from generation.kie.sandbox.media import look_into


@dataclass(frozen=True, slots=True, kw_only=True)
class Creation:
    """What a price is asked for: the call, and what only the sandbox knows about it."""

    path: str
    body: Mapping[str, Any]
    # Of the clips and sounds that were handed in, by their addresses.
    seconds: Mapping[str, float] = field(default_factory=dict)
    # The earlier task that it is made from.
    source: "Creation | None" = None


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


def lengths_in(body: Mapping[str, Any], files: SandboxFiles) -> dict[str, float]:
    """How long the clips and sounds are that were handed in here, by their addresses."""
    handed_in = {url: file for url in strings_in(body) if (file := files.at(url))}
    lasting = _of_kind("video", [*handed_in.values()]) + _of_kind("audio", [*handed_in.values()])
    return {url: look_into(file).seconds for url, file in handed_in.items() if file in lasting}


def _of_kind(kind: str, files: list[Path]) -> list[Path]:
    return [file for file in files if (mimetypes.guess_type(file)[0] or "").startswith(f"{kind}/")]
