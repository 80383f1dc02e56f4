"""Pictures of another shape than the video is to have: a service would cut or stretch them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gallery.models import InputFile
from generation.catalogue import Mode
from generation.schema import Slot

# The places of pictures that the video begins or ends with.
FRAMES = {"image", "last_image"}
# Nobody sees so little.
NEARLY = 0.03
COMMON = ("1:1", "16:9", "9:16", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21", "5:4", "4:5")

RATIO = re.compile(r"([1-9]\d?):([1-9]\d?)")


@dataclass(frozen=True, slots=True)
class Misfit:
    """A picture, and the shape that the video is to have."""

    slot: Slot
    file: InputFile
    shape: str  # "16:9"; "" for a picture that is the middle of another, and fits

    @property
    def name(self) -> str:
        return self.file.name or self.slot.label

    @property
    def own_shape(self) -> str:
        """ "4:3", or how many pixels where it is none of the usual ones."""
        usual = (shape for shape in COMMON if _has_shape(self.file, shape))
        return next(usual, f"{self.file.width} × {self.file.height}")


def misfits(
    mode: Mode, values: Mapping[str, Any], kept: Mapping[str, Sequence[InputFile]]
) -> Iterator[Misfit]:
    """The pictures in these slots that do not have the shape that is chosen for the video.

    And those that have it because they are cropped: one can go back.
    """
    shape = str(values.get("aspect_ratio") or "")
    if mode.generation_type != "img2vid":
        return
    for slot in mode.slots:
        for file in kept.get(slot.name, ()) if slot.name in FRAMES else ():
            if not _has_shape(file, shape):
                yield Misfit(slot, file, shape)
            elif file.whole_id:
                yield Misfit(slot, file, "")


def _has_shape(file: InputFile, shape: str) -> bool:
    """About this shape; what is none, or what nobody has measured, counts as having it."""
    ratio = ratio_of(shape)
    if ratio is None or not file.width or not file.height:
        return True
    return abs(file.width / file.height / ratio - 1) < NEARLY


def ratio_of(shape: str) -> float | None:
    """Width by height; None for what names no shape: "auto"."""
    found = RATIO.fullmatch(shape)
    return int(found[1]) / int(found[2]) if found else None
