"""What was chosen for one model, as far as another one takes it: the same, or the nearest."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from generation.catalogue import Mode
from generation.schema import Setting

# What stands for how many lines.
LINES = {"sd": 480, "std": 720, "standard": 720, "pro": 1080, "high": 1080, "2k": 1440, "4k": 2160}

# In characters, of a value in a note.
LONGEST_TOLD = 40


@dataclass(frozen=True, slots=True)
class Carried:
    """The values that another model takes, and a note on each one that was changed or dropped."""

    values: Mapping[str, Any]
    notes: tuple[str, ...]


def carry(values: Mapping[str, Any], *, to: Mode, before: Mode | None = None) -> Carried:
    """These values of ours for another mode. `before`: the mode they were chosen for.

    Without it they are taken or left without a word: nobody has seen them here before.
    """
    known = {setting.name: setting for setting in to.settings}
    earlier = {setting.name: setting for setting in before.settings} if before else {}
    kept: dict[str, Any] = {}
    notes: list[str] = []
    for name, value in values.items():
        if name in earlier and _is_usual(earlier[name], value):
            # Nobody has chosen it: the other model's own default is better.
            continue
        setting = known.get(name)
        found = nearest(setting, value) if setting else None
        if found is not None:
            kept[name] = found
        if name not in earlier:
            continue
        was = _told(earlier[name], value)
        if setting is None or found is None:
            notes.append(f"{earlier[name].label} ({was}) is not offered here")
        elif _told(setting, found).lower() != was.lower():
            notes.append(f"{setting.label}: {_told(setting, found)} in place of {was}")
    return Carried(kept, tuple(notes))


def _told(setting: Setting, value: Any) -> str:
    """The value as people read it; of a long text its beginning."""
    words = setting.words_for(value)
    return words if len(words) <= LONGEST_TOLD else f"{words[:LONGEST_TOLD].rstrip()} …"


def nearest(setting: Setting, value: Any) -> Any:
    """The value this setting takes that comes closest to that one; None when none does."""
    if setting.kind == "choice":
        return _nearest_choice(setting, value)
    if setting.kind in {"integer", "number"}:
        return _within(setting, value)
    if setting.kind in {"rows", "lines"} and isinstance(value, list):
        value = value[: setting.most]
    return value if setting.accepts(value) else None


def _nearest_choice(setting: Setting, value: Any) -> Any:
    text = str(value).lower()
    for choice in setting.choices:
        if text in {str(choice.value).lower(), choice.label.lower()}:
            return choice.value
    amount = _amount(setting, value)
    amounts = {
        choice.value: found
        for choice in setting.choices
        if (found := _amount(setting, choice.value)) is not None
    }
    if amount is None or not amounts:
        return None
    return min(amounts, key=lambda each: abs(amounts[each] - amount))


def _amount(setting: Setting, value: Any) -> float | None:
    """How much of it that is: seconds or lines; None for what is no amount."""
    if setting.name not in {"duration", "resolution", "extend_seconds"}:
        return None
    return number_in(value)


def number_in(value: Any) -> float | None:
    """The seconds, or the lines of a picture, that this value stands for; None for neither."""
    text = str(value).lower()
    if text in LINES:
        return LINES[text]
    number = re.fullmatch(r"(\d+(?:\.\d+)?)p?", text)
    return float(number[1]) if number else None


def _within(setting: Setting, value: Any) -> Any:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    if not isfinite(number):
        return None
    if setting.minimum is not None:
        number = max(number, setting.minimum)
    if setting.maximum is not None:
        number = min(number, setting.maximum)
    found = int(number) if setting.kind == "integer" else number
    return found if setting.accepts(found) else None


def _is_usual(setting: Setting, value: Any) -> bool:
    """Is it what stood there before anybody chose?"""
    if value in ("", None, False, []):
        return setting.default in ("", None, False) or value == ""
    return str(value) == str(setting.default)
