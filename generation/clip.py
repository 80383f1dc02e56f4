"""Looking into a finished clip: does it play, how large is it, what does it look like?

FFmpeg's libraries and Pillow are loaded by the first file that is looked into: most web processes
never see one, and they would weigh 25 MB on each.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL import Image

POSTER_PIXELS = 960
# The container says how long a clip is even when its end is missing: so its end is decoded.
SECONDS_DECODED_AT_THE_END = 1.0
# Of one picture: 8K. More would not fit into memory a few times over, as decoding wants it.
MOST_PIXELS = 7680 * 4320

# FFmpeg's name of a container -> its media type, the ending of its name, and its own muxer.
CONTAINERS = {
    "mp4": ("video/mp4", "mp4", "mp4"),
    "mov": ("video/quicktime", "mov", "mov"),
    "matroska": ("video/x-matroska", "mkv", "matroska"),
    "webm": ("video/webm", "webm", "webm"),
}
# Pillow's name of a kind of picture -> the ending of its name.
STILLS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}


class NotPlayable(Exception):
    """The file is not a whole video; `str()` says what is wrong with it, for the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a result of a task holds: a clip, or a picture beside it."""

    ending: str  # of its name
    width: int
    height: int
    poster: bytes  # WebP
    seconds: float | None = None  # None: a picture


def inspect_clip(path: Path) -> Found:
    """Decode the first frame and the end of this file. Raises NotPlayable."""
    import av

    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            # A JPEG opens as a "video" of one frame, a playlist as whatever it points at.
            known = CONTAINERS.get(_container_name(container))
            if known is None or not container.streams.video:
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
            return Found(
                ending=known[1],
                width=first.width,
                height=first.height,
                seconds=container.duration / av.time_base,
                poster=poster,
            )
    except (av.FFmpegError, StopIteration, IndexError) as error:
        raise NotPlayable(f"{type(error).__name__}: {error}"[:200]) from error


def inspect_picture(path: Path) -> Found:
    """Decode this picture. Raises NotPlayable."""
    from PIL import Image

    try:
        with Image.open(path, formats=list(STILLS)) as image:
            # The header tells the size before anything is unpacked.
            if image.width * image.height > MOST_PIXELS:
                raise NotPlayable(f"a picture of {image.width} x {image.height} pixels")
            return Found(
                ending=STILLS[image.format or ""],
                width=image.width,
                height=image.height,
                poster=_poster(image.convert("RGB")),
            )
    # Pillow raises what its decoders raise: OSError, SyntaxError, ValueError, struct.error …
    except Exception as error:
        if isinstance(error, NotPlayable):
            raise
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


# --- What people hand in --------------------------------------------------------------------

# The same of sounds.
SOUNDS = {
    "mp3": ("audio/mpeg", "mp3", "mp3"),
    "wav": ("audio/wav", "wav", "wav"),
    "mp4": ("audio/mp4", "m4a", "ipod"),
    "mov": ("audio/mp4", "m4a", "ipod"),
    "aac": ("audio/aac", "aac", "adts"),
    "ogg": ("audio/ogg", "ogg", "ogg"),
    "flac": ("audio/flac", "flac", "flac"),
}
# Turns in degrees, against the clock.
QUARTERS = {-270, -180, -90, 90, 180, 270}
OF_THE_WEB = {"vp8", "vp9", "av1", "opus", "vorbis"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What a clip or sound that somebody hands in holds."""

    media_type: str
    ending: str
    muxer: str
    width: int | None = None
    height: int | None = None
    picture: Image.Image | None = None  # its first frame


def inspect_recording(path: Path, *, with_video: bool) -> Recording:
    """What kind of clip or sound this is, by its content; its beginning is decoded.

    Raises NotPlayable.
    """
    import av

    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            known = (CONTAINERS if with_video else SOUNDS).get(_container_name(container))
            streams = container.streams.video if with_video else container.streams.audio
            if known is None or not streams:
                raise NotPlayable(f"a file of format {container.format.name}")
            sizes = [each.width * each.height for each in container.streams.video]
            if with_video and max(sizes) > MOST_PIXELS:
                raise NotPlayable(f"pictures of {max(sizes)} pixels")
            first = next(container.decode(streams[0]))
            picture = _upright(first) if isinstance(first, av.VideoFrame) else None
            media_type, ending, muxer = known
            return Recording(
                media_type=media_type,
                ending=ending,
                muxer=muxer,
                width=picture.width if picture else None,
                height=picture.height if picture else None,
                picture=picture,
            )
    except (av.FFmpegError, StopIteration, IndexError, ValueError) as error:
        raise NotPlayable(f"{type(error).__name__}: {error}"[:200]) from error


def copy_streams(source: Path, target: Path, recording: Recording) -> float:
    """The sound, and a clip's pictures, as they are, in a container with nothing beside them.

    Returns how many seconds there are: what a container says about that may be wrong or missing.
    Raises NotPlayable.
    """
    import av

    fast = {"movflags": "+faststart"} if recording.muxer in {"mp4", "mov", "ipod"} else {}
    try:
        with (
            av.open(str(source), options={"protocol_whitelist": "file"}) as given,
            av.open(str(target), "w", format=recording.muxer, options=fast) as made,
        ):
            wanted: list[Any] = [*given.streams.audio[:1]]
            wanted += given.streams.video[:1] if recording.width else ()
            copies = {stream.index: made.add_stream_from_template(stream) for stream in wanted}
            for stream in copies.values():
                stream.metadata.clear()
            begins, ends = inf, -inf
            for packet in given.demux(wanted):
                # The last one of each stream is empty; that of a file that was cut off is torn.
                if not packet.size or packet.is_corrupt or packet.time_base is None:
                    continue
                # Some containers give only one of the two for a picture.
                at = packet.dts if packet.pts is None else packet.pts
                begins = min(begins, float((at or 0) * packet.time_base))
                ends = max(ends, float(((at or 0) + (packet.duration or 0)) * packet.time_base))
                packet.stream = copies[packet.stream.index]
                made.mux(packet)
    except (av.FFmpegError, ValueError, IndexError) as error:
        raise NotPlayable(f"{type(error).__name__}: {error}"[:200]) from error
    if ends <= begins:
        raise NotPlayable("it lasts no time")
    return ends - begins


def frame_at(path: Path, seconds: float | None) -> Image.Image:
    """The frame that is shown at that moment; the last one for None. Raises NotPlayable."""
    import av

    try:
        with av.open(str(path), options={"protocol_whitelist": "file"}) as container:
            stream = container.streams.video[0]
            length = (container.duration or 0) / av.time_base
            wanted = length if seconds is None else min(max(seconds, 0.0), length)
            container.seek(int(max(wanted - 1, 0) * av.time_base))
            frame = None
            for each in container.decode(stream):
                if frame is not None and each.time is not None and each.time > wanted:
                    break
                frame = each
            if frame is None:
                raise NotPlayable("no frame at that moment")
            return _upright(frame)
    except (av.FFmpegError, IndexError) as error:
        raise NotPlayable(f"{type(error).__name__}: {error}"[:200]) from error


def _upright(frame: Any) -> Image.Image:
    """The frame as players show it: telephones film on their side and say so beside it."""
    image: Image.Image = frame.to_image()
    return image.rotate(frame.rotation, expand=True) if frame.rotation in QUARTERS else image


def _container_name(container: Any) -> str:
    names = set(container.format.name.split(","))
    if "webm" in names:
        codecs = {stream.codec_context.name.removeprefix("lib") for stream in container.streams}
        return "webm" if codecs <= OF_THE_WEB else "matroska"
    if "mp4" in names:
        brand = container.metadata.get("major_brand", "").strip()
        return "mov" if brand == "qt" else "mp4"
    return str(container.format.name)
