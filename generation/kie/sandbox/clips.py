"""The videos of the sandbox: short, calm, really playable, and telling what was asked for.

A clip is three layers that FFmpeg lays over each other. The background moves: soft shapes drift
over a gradient, drawn small and scaled up, or the given picture slowly comes closer (of a video its
first one, out of focus: there is a caption in many a clip already). The caption (prompt and model)
stands still, and a bar along the lower edge shows that time passes.
"""

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from hashlib import sha256
from pathlib import Path
from typing import Any

import av
from av.filter import Graph
from PIL import Image, ImageDraw, ImageFilter, ImageFont, ImageOps

from generation.kie.sandbox.media import Media, look_into

FRAMES_PER_SECOND = 24
LONGEST_SECONDS = 60
SHORTEST_SIDE, LONGEST_SIDE = 240, 1080
# What 854x480 means, or 1366x768.
COMMON_SHAPES, NEARLY = (16 / 9, 9 / 16, 4 / 3, 3 / 4, 1.0), 0.01
# Wan's way to say how long: so many pictures at this rate, where none is asked for.
USUAL_RATE = 16

type Colour = tuple[int, int, int]
type Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@dataclass(frozen=True, slots=True)
class Palette:
    """A gradient from one dark tone to another, and the two colours that drift over it."""

    top: Colour
    bottom: Colour
    warm: Colour
    cool: Colour


PALETTES = (
    Palette((38, 30, 84), (18, 16, 42), (226, 104, 128), (112, 92, 214)),  # dusk
    Palette((10, 66, 92), (5, 26, 38), (126, 206, 186), (24, 132, 158)),  # sea
    Palette((28, 70, 54), (11, 27, 22), (216, 188, 98), (84, 142, 84)),  # forest
    Palette((92, 32, 46), (30, 13, 20), (238, 160, 84), (198, 66, 92)),  # ember
    Palette((26, 38, 92), (9, 13, 34), (176, 136, 230), (58, 104, 212)),  # night
    Palette((96, 62, 50), (34, 23, 20), (236, 196, 150), (186, 104, 80)),  # clay
)


# How tall the prompt's letters may be, as a share of the frame's shorter side, largest first.
TYPE_SIZES = (0.1, 0.08, 0.064, 0.052)
MOST_LINES = 6
MOST_CHARACTERS = 400
# Pillow's own typeface knows little more than ASCII; these are looked up where fonts are installed.
WIDER_TYPEFACES = ("DejaVuSans.ttf", "NotoSans-Regular.ttf", "LiberationSans-Regular.ttf")

BACKGROUND_SCALE = 4
ZOOM = 1.14


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipOrder:
    """What one clip shows, how large in pixels and how long in seconds."""

    prompt: str
    model: str
    width: int
    height: int
    seconds: float
    picture: Path | None = None


def order_clip(
    asked: Mapping[str, Any],
    *,
    prompt: str,
    model: str,
    usual_seconds: float,
    picture: Path | None = None,
) -> ClipOrder:
    """The clip that a creation's settings ask for, in any spelling of KIE.AI's many models.

    What is missing or not understood gets the usual value: 16:9 at 720p, or the shape of the
    picture (of a video its size too), and `usual_seconds`.
    """
    media = look_into(picture) if picture else Media()
    width, height = _frame_size(_shape(asked, media), _shorter_side(asked, media))
    seconds = seconds_asked(asked) or min(usual_seconds, LONGEST_SECONDS)
    return ClipOrder(
        prompt=prompt, model=model, width=width, height=height, seconds=seconds, picture=picture
    )


def _shape(asked: Mapping[str, Any], media: Media) -> float:
    """Width divided by height."""
    wish = str(asked.get("aspect_ratio") or asked.get("aspectRatio") or asked.get("ratio") or "")
    named = {"portrait": 9 / 16, "landscape": 16 / 9}
    if match := re.fullmatch(r"([1-9]\d?):([1-9]\d?)", wish):
        return int(match[1]) / int(match[2])
    if wish in named:
        return named[wish]
    if media.image:
        given = media.image.width / media.image.height
        meant = (shape for shape in COMMON_SHAPES if abs(given / shape - 1) < NEARLY)
        return next(meant, min(max(given, 9 / 21), 21 / 9))
    return 16 / 9


def _shorter_side(asked: Mapping[str, Any], media: Media) -> int:
    """Length of the shorter side in pixels: as asked, but never more than 1080.

    4K is rendered at 1080 lines: sixteen times the pixels of a preview would only cost time.
    """
    for name in ("resolution", "size", "quality", "output_resolution", "mode"):
        wish = str(asked.get(name, "")).lower()
        if wish in {"2k", "4k", "high", "pro"}:
            return LONGEST_SIDE
        if match := re.fullmatch(r"(\d{3,4})p?", wish):
            return _within(int(match[1]))
    if media.is_video and media.image:
        factor = str(asked.get("upscale_factor") or "")
        return _within(min(media.image.size) * (int(factor) if factor in {"2", "4"} else 1))
    return 720


def _within(side: int) -> int:
    return min(max(side, SHORTEST_SIDE), LONGEST_SIDE)


def _frame_size(shape: float, lines: int) -> tuple[int, int]:
    # H.264 in yuv420p halves both sides for its colours: they must be even.
    longer = round(lines * max(shape, 1 / shape) / 2) * 2
    return (longer, lines // 2 * 2) if shape >= 1 else (lines // 2 * 2, longer)


def seconds_asked(asked: Mapping[str, Any]) -> float:
    """Asked length: `5`, `"5"`, Sora's `n_frames` (seconds too), Wan's pictures. 0: not said."""
    named = asked.get("duration") or asked.get("n_frames") or asked.get("extend_times") or 0
    try:
        rate = float(asked.get("frames_per_second") or USUAL_RATE)
        seconds = float(named) or float(asked.get("num_frames") or 0) / rate
    except (TypeError, ValueError, ZeroDivisionError):
        return 0
    return min(seconds, LONGEST_SECONDS) if seconds > 0 else 0


def render_clip(order: ClipOrder, target: Path) -> None:
    """Write the clip as H.264 to `target`, MP4 or MOV, which appears whole or not at all."""
    unfinished, muxer = target.with_suffix(".part"), target.suffix.removeprefix(".")
    with av.open(str(unfinished), "w", format=muxer, options={"movflags": "+faststart"}) as output:
        options = {"preset": "ultrafast", "crf": "23", "g": str(FRAMES_PER_SECOND), "threads": "1"}
        stream = output.add_stream("libx264", rate=FRAMES_PER_SECOND, options=options)
        stream.width, stream.height, stream.pix_fmt = order.width, order.height, "yuv420p"
        for frame in _layered(order):
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    unfinished.replace(target)


# --- Layers -------------------------------------------------------------------------------------


def _layered(order: ClipOrder) -> Iterator[av.VideoFrame]:
    """Every frame of the clip. FFmpeg scales and blends the layers, which keeps them cheap."""
    palette = _palette(order.prompt)
    stills = [_frame(_caption(order, palette)), _frame(_bar(order))]
    moving = _background(order, palette)
    opening = _frame(next(moving))
    graph = _layer_graph(order, [opening, *stills])
    for number, still in enumerate(stills, start=1):
        # One frame each and the end of the stream: FFmpeg repeats it to the end of the background.
        graph.vpush(still, at=number)
        graph.vpush(None, at=number)
    graph.vpush(opening, at=0)
    for number, image in enumerate(moving, start=1):
        graph.vpush(_frame(image, number), at=0)
        yield from _finished(graph)
    graph.vpush(None, at=0)
    yield from _finished(graph)


def _layer_graph(order: ClipOrder, layers: list[av.VideoFrame]) -> Graph:
    """The caption laid over the background, and over both the bar that comes in from the left."""
    graph = Graph()
    background, caption, bar = (graph.add_buffer(template=layer) for layer in layers)
    scale = graph.add("scale", f"{order.width}:{order.height}:flags=bicubic")
    flat = graph.add("format", "yuv420p")
    captioned = graph.add("overlay", "0:0")
    complete = graph.add("overlay", f"x=-w+w*t/{order.seconds}:y=main_h-h")
    graph.link_nodes(background, scale, flat, captioned, complete, graph.add("buffersink"))
    caption.link_to(captioned, 0, 1)
    bar.link_to(complete, 0, 1)
    graph.configure()
    return graph


def _frame(image: Image.Image, number: int = 0) -> av.VideoFrame:
    if image.mode == "RGBA":
        frame = av.VideoFrame.from_bytes(image.tobytes(), image.width, image.height)
    else:
        frame = av.VideoFrame(image.width, image.height, "rgb24")
        frame.set_image(image)
    frame.pts, frame.time_base = number, Fraction(1, FRAMES_PER_SECOND)
    return frame


def _finished(graph: Graph) -> Iterator[av.VideoFrame]:
    with suppress(av.BlockingIOError, av.EOFError):
        while True:
            yield graph.vpull()


# --- What moves ---------------------------------------------------------------------------------


def _palette(prompt: str) -> Palette:
    return PALETTES[_chance(prompt, "palette") % len(PALETTES)]


def _chance(prompt: str, what: str) -> int:
    """A number between 0 and 255 that looks random and is always the same for this prompt."""
    return sha256(f"{what}:{prompt}".encode(errors="replace")).digest()[0]


def _background(order: ClipOrder, palette: Palette) -> Iterator[Image.Image]:
    """One image per frame: the picture that was given, else shapes over a gradient."""
    count = max(1, round(order.seconds * FRAMES_PER_SECOND))
    media = look_into(order.picture) if order.picture else Media()
    if media.image is None:
        return _drift(order, palette, count)
    width, height = order.width, order.height
    if not media.is_video:
        return _approach(media.image, (width, height), count)
    # Out of focus there is nothing sharp in it: drawn small, like the shapes.
    blurred = media.image.filter(ImageFilter.GaussianBlur(max(media.image.size) / 40))
    return _approach(blurred, (width // BACKGROUND_SCALE, height // BACKGROUND_SCALE), count)


def _approach(picture: Image.Image, size: tuple[int, int], count: int) -> Iterator[Image.Image]:
    """The picture fills the frame and slowly comes closer."""
    width, height = size
    large = ImageOps.fit(picture, (round(width * ZOOM), round(height * ZOOM)))
    for number in range(count):
        share = 1 - (1 - 1 / ZOOM) * number / count
        left, top = large.width * (1 - share) / 2, large.height * (1 - share) / 2
        box = (left, top, large.width - left, large.height - top)
        yield large.resize(size, Image.Resampling.BILINEAR, box=box)


def _drift(order: ClipOrder, palette: Palette, count: int) -> Iterator[Image.Image]:
    """Four soft shapes on slow paths. Drawn small: there is nothing sharp in it."""
    width, height = order.width // BACKGROUND_SCALE, order.height // BACKGROUND_SCALE
    ground = _gradient(palette).resize((width, height), Image.Resampling.BICUBIC)
    across = round(max(width, height) * 0.85)
    shape = _soft_disc(across)
    start = _chance(order.prompt, "start") / 40
    for number in range(count):
        image, angle = ground.copy(), start + number / FRAMES_PER_SECOND * 0.22
        for index, colour in enumerate((palette.cool, palette.warm, palette.top, palette.warm)):
            x = width * (0.5 + 0.46 * math.sin(angle * (1 + index * 0.23) + index * 2.1))
            y = height * (0.36 + 0.4 * math.cos(angle * (1.3 - index * 0.17) + index * 1.3))
            image.paste(colour, (round(x - across / 2), round(y - across / 2)), shape)
        yield image


def _gradient(palette: Palette) -> Image.Image:
    corners = Image.new("RGB", (2, 2))
    middle = _blend(palette.top, palette.bottom)
    corners.putdata([palette.top, middle, middle, palette.bottom])
    return corners


def _blend(one: Colour, other: Colour) -> Colour:
    red, green, blue = ((a + b) // 2 for a, b in zip(one, other, strict=True))
    return red, green, blue


def _soft_disc(across: int) -> Image.Image:
    """A mask, densest in the middle and gone at its edge."""
    disc = ImageOps.invert(Image.radial_gradient("L")).resize((across, across))
    # The gradient is 0 in the corners and 74 where the circle touches the sides.
    nearness = (max(0, level - 74) / 181 for level in range(256))
    return disc.point([round(215 * near * near * (3 - 2 * near)) for near in nearness])


# --- What stands still --------------------------------------------------------------------------


def _bar(order: ClipOrder) -> Image.Image:
    thickness = max(4, min(order.width, order.height) // 120)
    return Image.new("RGBA", (order.width, thickness), (255, 255, 255, 205))


def _caption(order: ClipOrder, palette: Palette) -> Image.Image:
    """Model and prompt at the lower left, on a shade that keeps them readable on any picture."""
    shorter = min(order.width, order.height)
    margin = round(shorter * 0.09)
    font, lines = _set_prompt(order.prompt, order.width - 2 * margin, shorter)
    small = _typeface(order.model, round(shorter * 0.034))
    leading = round(_height(font) * 1.12)
    top = order.height - margin - leading * len(lines)
    layer = _shade(order, from_=top - 4 * margin)
    draw = ImageDraw.Draw(layer)
    side = round(_height(small) * 0.62)
    mark = (margin, top - 2 * side - side, margin + side, top - 2 * side)
    draw.rounded_rectangle(mark, radius=side // 4, fill=palette.warm)
    beside = (margin + 2 * side, mark[1] + side / 2)
    draw.text(beside, order.model, font=small, fill=(255, 255, 255, 205), anchor="lm")
    for number, line in enumerate(lines):
        draw.text((margin, top + number * leading), line, font=font, fill="white")
    return layer


def _shade(order: ClipOrder, *, from_: int) -> Image.Image:
    """Black, from nothing at that height to half dark at the lower edge."""
    black = Image.new("RGBA", (order.width, order.height), "black")
    height = order.height - max(from_, 0)
    alpha = Image.new("L", black.size, 0)
    slope = Image.linear_gradient("L").point([round(160 * (x / 255) ** 1.6) for x in range(256)])
    alpha.paste(slope.resize((order.width, height)), (0, order.height - height))
    black.putalpha(alpha)
    return black


def _set_prompt(prompt: str, width: int, shorter: int) -> tuple[Font, list[str]]:
    """The prompt in the largest type in which it fits; a long one ends in an ellipsis."""
    text = " ".join(prompt[:MOST_CHARACTERS].split())
    for share in TYPE_SIZES:
        font = _typeface(text, round(shorter * share))
        lines = _wrap(_drawable(text, font), font, width)
        if len(lines) <= MOST_LINES:
            break
    if len(lines) > MOST_LINES or len(prompt) > MOST_CHARACTERS:
        lines = [*lines[: MOST_LINES - 1], lines[MOST_LINES - 1][:-2].rstrip(" ,.") + "…"]
    return font, lines


def _typeface(text: str, size: int) -> Font:
    """Pillow's own typeface, or an installed one where the text needs more than ASCII."""
    names = () if text.isascii() else WIDER_TYPEFACES
    for name in names:
        with suppress(OSError):
            return ImageFont.truetype(name, size)
    return ImageFont.load_default(size=size)


def _drawable(text: str, font: Font) -> str:
    """The text without what the typeface has no sign for, such as emoji: no empty boxes."""
    no_sign = bytes(font.getmask("\U0010fffe"))

    def has_sign(letter: str) -> bool:
        return bytes(font.getmask(letter)) != no_sign

    plain = (x if has_sign(x) else unicodedata.normalize("NFKD", x) for x in text)
    return " ".join("".join(filter(has_sign, "".join(plain))).split())


def _wrap(text: str, font: Font, width: int) -> list[str]:
    """Lines no wider than that; a word that is wider alone is broken."""
    lines = [""]
    for word in text.split():
        if font.getlength(f"{lines[-1]} {word}".strip()) <= width:
            lines[-1] = f"{lines[-1]} {word}".strip()
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def _height(font: Font) -> int:
    _, top, _, bottom = font.getbbox("Ag|")
    return round(bottom - top)
