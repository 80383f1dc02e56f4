"""What the files show that were handed in, and how long they are: pictures, videos and sound."""

from collections import deque
from dataclasses import dataclass
from pathlib import Path

import av
from PIL import Image, ImageOps

STILL_QUALITY = 85


@dataclass(frozen=True, slots=True)
class Media:
    """A picture, or the first one of a video; `seconds` of video and sound, 0 of a picture."""

    image: Image.Image | None = None
    seconds: float = 0.0
    is_video: bool = False


def look_into(file: Path) -> Media:
    """What is in the file; nothing where it is none of these."""
    if image := _open(file):
        return Media(image)
    try:
        with av.open(str(file), options={"protocol_whitelist": "file"}) as container:
            seconds = (container.duration or 0) / av.time_base
            if not container.streams.video:
                return Media(seconds=seconds)
            frame = next(container.decode(video=0), None)
            image = frame.to_image() if frame else None  # type: ignore[no-untyped-call]
            return Media(image, seconds, is_video=True)
    except (av.FFmpegError, OSError, ValueError):
        return Media()


def write_still(clip: Path, target: Path, *, of_its_end: bool = False) -> None:
    """The first or last picture of the clip as a JPEG, which appears whole or not at all."""
    if image := _last_picture(clip) if of_its_end else look_into(clip).image:
        unfinished = target.with_suffix(".part")
        image.save(unfinished, "JPEG", quality=STILL_QUALITY)
        unfinished.replace(target)


def _last_picture(clip: Path) -> Image.Image | None:
    with av.open(str(clip), options={"protocol_whitelist": "file"}) as container:
        frames = deque(container.decode(video=0), maxlen=1)
        return frames[0].to_image() if frames else None  # type: ignore[no-untyped-call]


def _open(file: Path) -> Image.Image | None:
    """The picture, upright; None when these bytes are none."""
    try:
        with Image.open(file) as image:
            return ImageOps.exif_transpose(image).convert("RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
