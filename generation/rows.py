"""What does not go together within a row: pictures and a clip, a part that its clip has not."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gallery.models import InputFile
from generation.catalogue import Mode
from generation.schema import Setting, Slot, Span

# A player's clock and ours may differ by a frame.
NEARLY_MS = 100


def objections_in_rows(
    mode: Mode, values: Mapping[str, Any], files: Mapping[str, Sequence[InputFile]]
) -> dict[str, str]:
    """For each setting of rows the first thing that is wrong within one, as a sentence."""
    every = ((s, next(_objections_to(s, values, files), "")) for s in mode.settings if s.row_slots)
    return {setting.name: why for setting, why in every if why}


def _objections_to(
    setting: Setting, values: Mapping[str, Any], files: Mapping[str, Sequence[InputFile]]
) -> Iterator[str]:
    rows = values.get(setting.name) or ()
    if not rows and not any(slot.name in files for slot in setting.row_slots):
        return
    for number in range(setting.most):
        places = [slot for slot in setting.row_slots if slot.row == number]
        filled = [slot for slot in places if files.get(slot.name)]
        which = f"{setting.label}, row {number + 1}"
        for slot in filled:
            if why := _objection_to_files(slot, filled, len(files[slot.name])):
                yield f"{which}: {why}"
        clip = next((files[slot.name][0] for slot in filled if slot.kind == "video"), None)
        row = rows[number] if number < len(rows) else {}
        if why := _objection_to_span(setting.span, row, clip):
            yield f"{which}: {why}"


def _objection_to_files(slot: Slot, filled: Sequence[Slot], count: int) -> str:
    words = slot.label_in_row.lower()
    rivals = [each.label_in_row.lower() for each in filled if each.part == slot.part]
    if len(rivals) > 1:
        return f"{' or '.join(rivals)}, please, not both."
    if count > slot.most:
        return f"{words}: at most {slot.most}, please."
    if count < slot.least:
        return f"{words}: at least {slot.least}, please."
    return ""


def _objection_to_span(span: Span | None, row: Mapping[str, Any], clip: InputFile | None) -> str:
    """What is wrong with the part of the clip that a row names; "" where it names none."""
    if span is None or not row.keys() & {span.start.field, span.end.field}:
        return ""
    if clip is None:
        return f"“{span.start.label}” and “{span.end.label}” are about a clip, and there is none."
    start = row.get(span.start.field, span.start.default)
    end = row.get(span.end.field, span.end.default)
    if not span.least <= end - start <= span.most:
        return (
            f"from “{span.start.label}” to “{span.end.label}” there have to be "
            f"{span.least} to {span.most}."
        )
    length = None if clip.seconds is None else round(clip.seconds * 1000)
    if length is not None and end > length + NEARLY_MS:
        return f"“{span.end.label}” is {end}, but the clip ends at {length}."
    return ""
