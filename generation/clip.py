"""Looking into a finished clip: does it play, how large is it, what does it look like?"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

POSTER_PIXELS = 960
# The container says how long a clip is even when its end is missing: so its end is decoded.
SECONDS_DECODED_AT_THE_END = 1.0
FORMATS = {"mov", "mp4", "m4a", "3gp", "3g2", "mj2", "matroska", "webm"}


class NotPlayable(Exception):
    """The file is not a whole video; `str()` says what is wrong with it, for the log."""


@dataclass(frozen=True, slots=True)
class Clip:
    """What a playable file holds."""

    width: int
    height: int
    seconds: float
    media_type: str
    poster: bytes  # WebP


def inspect_clip(path: Path) -> Clip:
    """Decode the first frame and the end of this file. Raises NotPlayable."""
    # Only workers look into clips: FFmpeg's libraries would weigh on every web process.
    import av

    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            names = set(container.format.name.split(","))
            # A JPEG opens as a "video" of one frame, a playlist as whatever it points at.
            if not names & FORMATS or not container.streams.video:
                raise NotPlayable(f"a file of format {container.format.name}")
            stream = container.streams.video[0]
            if not container.duration:
                raise NotPlayable("no duration")
            first = next(container.decode(stream))
            poster = _poster(first.to_image())  # type: ignore[no-untyped-call]
            end = container.duration - int(SECONDS_DECODED_AT_THE_END * av.time_base)
            container.seek(max(end, 0))
            shown = sum(1 for _ in container.decode(stream))
            if shown < _frames_expected_at_the_end(stream, container.duration / av.time_base):
                raise NotPlayable(f"its end holds {shown} frames")
            return Clip(
                width=first.width,
                height=first.height,
                seconds=container.duration / av.time_base,
                media_type="video/webm" if "webm" in names else "video/mp4",
                poster=poster,
            )
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise NotPlayable(f"{type(error).__name__}: {error}"[:200]) from error


def _frames_expected_at_the_end(stream: Any, seconds: float) -> float:
    """Half of what the last second holds: a stream may end a little before its container."""
    per_second = float(stream.average_rate or 1)
    return max(1.0, per_second * min(seconds, SECONDS_DECODED_AT_THE_END) / 2)


def _poster(image: Image.Image) -> bytes:
    image.thumbnail((POSTER_PIXELS, POSTER_PIXELS))
    content = io.BytesIO()
    image.save(content, "WEBP", quality=80)
    return content.getvalue()
