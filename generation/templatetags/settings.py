"""How the form shows services, settings and files."""

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any, Literal, cast

from django import forms
from django.template import Library
from django.template.defaultfilters import pluralize
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from gallery.models import InputFile, Video, VideoInput
from generation.catalogue import PROVIDERS, Provider
from generation.fields import MOST_RADIOS, RowsField, is_cell
from generation.forms import GenerateForm, SlotOnForm
from generation.inputs import most_bytes, spoken_length, taken_by
from generation.offers import cheapest_from_words, offered
from generation.price_list import PriceList
from generation.prices import Price
from generation.schema import MEGABYTE, Setting, Slot
from videostudio.models import User

register = Library()

# A change of settings asks for the new price: the words and the files are not needed for it.
NOT_FOR_THE_PRICE = ("prompt", "csrfmiddlewaretoken", "idempotency_key")


# What looks the same to everybody is rendered once: most of the time of showing another model
# goes into its settings.
_remembered: dict[tuple[Hashable, ...], SafeString] = {}


@register.simple_tag
def show_setting(form: GenerateForm, field: forms.BoundField) -> SafeString:
    """One setting of the form, or how many videos it makes."""
    setting = form.mode.setting(field.name)
    value = _plain_value(setting, form, field)
    context = {"form": form, "field": field, "usual": _usual_value(field)}
    known_by = (setting or field.name, field.help_text, value)
    return _shown("generation/_setting.html", context, value is not None and known_by)


def _plain_value(
    setting: Setting | None, form: GenerateForm, field: forms.BoundField
) -> str | None:
    """The value by which it is known what the setting looks like; None for one of many."""
    has_files = any(form.kept.get(slot.name) for slot in (setting.row_slots if setting else ()))
    if form.is_bound or has_files:
        return None
    value = field.value()
    if isinstance(field.field, forms.BooleanField):
        return str(bool(value))
    text = "" if value in (None, []) else str(value)
    plain = {"", str(field.field.initial)}
    if isinstance(field.field, forms.ChoiceField):
        choices = [str(choice) for choice, _ in cast(list[tuple[Any, str]], field.field.choices)]
        plain |= set(choices) if len(choices) <= MOST_RADIOS else set()
    return text if text in plain else None


def _usual_value(field: forms.BoundField) -> str | None:
    """What its control holds before anybody chooses, as a browser tells it; None for rows."""
    if is_rows(field):
        return None
    usual = field.field.prepare_value(field.field.initial)
    if isinstance(field.field, forms.BooleanField):
        return "on" if usual else ""
    return "" if usual is None else str(usual)


@register.simple_tag
def show_place(form: GenerateForm, place: SlotOnForm) -> SafeString:
    """One place for files."""
    is_plain = place.is_taken and not place.files and not form.is_bound
    context = {"form": form, "place": place}
    return _shown("generation/_slot.html", context, is_plain and (place.slot, place.is_needed))


def _shown(
    template: str, context: dict[str, Any], key: tuple[Hashable, ...] | Literal[False]
) -> SafeString:
    """The template with this context; under the same key it is the same."""
    if not key:
        return render_to_string(template, context)
    if key not in _remembered:
        _remembered[key] = render_to_string(template, context)
    return _remembered[key]


@register.simple_tag
@cache
def unsent_fields() -> str:
    """What a change of settings does not send, as htmx wants it told."""
    slots = {slot.name for provider in PROVIDERS.values() for slot in provider.slots}
    return f"not {','.join((*NOT_FOR_THE_PRICE, *sorted(slots)))}"


@register.filter
def described(provider: Provider, prices: PriceList) -> str:
    """ "Veo 3.1 Fast · from $0.30" """
    cheapest = prices.cheapest(provider)
    return f"{provider.label} · from {cheapest}" if cheapest else provider.label


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One input of a row."""

    part: str
    name: str
    id: str
    label: str
    kind: str
    value: Any
    minimum: float | None
    maximum: float | None
    longest: int
    is_wrong: bool
    is_more: bool


@register.filter
def is_rows(field: forms.BoundField) -> bool:
    return isinstance(field.field, RowsField)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a setting: its inputs, and its places for files."""

    parts: list[Cell | SlotOnForm]
    # What is folded away, and in a word what that is: "Clip, voice".
    more: list[Cell | SlotOnForm]
    summary: str

    @property
    def has_more(self) -> bool:
        """Does something stand in what is folded away?"""
        return any(part.files if isinstance(part, SlotOnForm) else part.value for part in self.more)


@register.filter
def rows(field: forms.BoundField) -> list[Row]:
    """The rows of such a setting: those that are filled in, and the empty ones below."""
    setting: Setting = field.field.setting  # type: ignore[attr-defined]  # a RowsField has one
    values = list(field.value() or [])
    # Empty rows below the last one say nothing.
    checked = len(values) if field.errors else 0
    values += [{}] * (setting.most - len(values))
    form = field.form
    return [
        _row(
            setting,
            [
                _cell(field.html_name, number, column, row, is_checked=number < checked)
                for column in setting.columns
            ],
            form.slots_of_row(setting, number) if isinstance(form, GenerateForm) else [],
        )
        for number, row in enumerate(values[: setting.most])
    ]


def _row(setting: Setting, cells: list[Cell], places: list[SlotOnForm]) -> Row:
    """In the order in which the schema has them."""
    order = list(setting.schema["items"]["properties"])
    known: list[tuple[int, bool, Cell | SlotOnForm]]
    known = [(order.index(each.part), each.is_more, each) for each in cells]
    known += [(order.index(each.slot.part), each.slot.is_more, each) for each in places]
    known.sort(key=itemgetter(0))
    folded = [place.slot.label_in_row for place in places if place.slot.is_more]
    return Row(
        parts=[part for _, is_more, part in known if not is_more],
        more=[part for _, is_more, part in known if is_more],
        summary=", ".join(folded).capitalize(),
    )


def _cell(
    name: str, number: int, column: Setting, row: dict[str, Any], *, is_checked: bool
) -> Cell:
    own = f"{name}-{number}-{column.name}"
    return Cell(
        part=column.field,
        name=own,
        id=f"id_{own}",
        label=f"{column.label}, {number + 1}",
        kind=column.kind,
        value=row.get(column.name, ""),
        minimum=column.minimum,
        maximum=column.maximum,
        longest=column.longest,
        is_wrong=is_checked and not is_cell(column, row.get(column.name)),
        is_more=column.is_more,
    )


# Columns of their own, and shown by them.
SHOWN_ELSEWHERE = {"aspect_ratio", "duration"}


@register.filter
def settings_chosen(video: Video) -> list[tuple[str, list[str]]]:
    """Each setting that a video was made with, and its value in words; of rows, a line each."""
    provider = PROVIDERS.get(video.provider)
    mode = provider.mode_of_type(video.generation_type) if provider else None
    chosen = {
        name: value
        for name, value in video.parameters.items()
        if name not in SHOWN_ELSEWHERE and value not in (None, "", [])
    }
    return [
        _told(name, value, mode.setting(name) if mode else None) for name, value in chosen.items()
    ]


@register.filter
def files_given(video: Video) -> list[tuple[str, VideoInput]]:
    """The files that a video was made from, each with the name of its place."""
    provider = PROVIDERS.get(video.provider)
    mode = provider.mode_of_type(video.generation_type) if provider else None
    given = list(video.inputs.select_related("source"))
    slots = [mode.slot_at(each.field, each.position) if mode else None for each in given]
    return [
        (slot.label if slot else each.kind.capitalize(), each)
        for slot, each in zip(slots, given, strict=True)
    ]


def _told(name: str, value: Any, setting: Setting | None) -> tuple[str, list[str]]:
    if setting is None:
        # No service has it any more: `enableTranslation` as "Enable translation".
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").lower()
        return words[:1].upper() + words[1:], [str(value)]
    if setting.kind == "lines":
        return setting.label, list(value)
    if setting.kind == "rows":
        return setting.label, [_row_in_words(setting, row) for row in value]
    words = setting.words_for(value)
    return setting.label, [words.capitalize() if isinstance(value, bool) else words]


def _row_in_words(setting: Setting, row: Mapping[str, Any]) -> str:
    given = ((column, row[column.field]) for column in setting.columns if column.field in row)
    return " · ".join(
        f"{column.label}: {value}"
        if column.is_optional
        else str(value)
        if column.kind == "text"
        else column.words_for(value)
        for column, value in given
    )


@register.simple_tag
def cheapest_for(user: User) -> tuple[Provider, Price] | None:
    """The service with which a first video from words costs this person the least."""
    return cheapest_from_words(offered(user))


A_FILE = {
    "image": ("a picture", "pictures"),
    "video": ("a clip", "clips"),
    "audio": ("a recording", "recordings"),
    "document": ("a document", "documents"),
}
ICONS = {"image": "image-plus", "video": "film", "audio": "audio-lines", "document": "file-text"}


@register.filter
def a_file(slot: Slot) -> str:
    one, many = A_FILE[slot.kind]
    return many if slot.most > 1 else one


@register.filter
def icon(kind: str) -> str:
    """What stands for a file of this kind that has no preview, and for a place for one."""
    return ICONS[kind]


@register.filter
def limits(slot: Slot) -> str:
    """What a file may be: "MP4 or MOV, up to 50 MB, 2 to 15 s"; of documents, how many pages."""
    *others, last = taken_by(slot)
    kinds = f"{', '.join(others)} or {last}" if others else last
    most = min(slot.most_bytes or most_bytes(slot.kind), most_bytes(slot.kind)) // MEGABYTE
    parts = [kinds, f"up to {most}\N{NO-BREAK SPACE}MB"]
    if slot.seconds:
        parts.append(spoken_length(*slot.seconds).replace("at most", "up to"))
    if slot.most_pages:
        parts.append(f"up to {slot.most_pages}\N{NO-BREAK SPACE}pages")
    if slot.most > 1:
        parts.append(f"at most\N{NO-BREAK SPACE}{slot.most}")
    return ", ".join(parts)


@register.filter
def facts(file: InputFile) -> str:
    """ "1280 × 720 · 5.0 s · 3.1 MB"; "12 pages · 640 KB" """
    parts = []
    if file.width:
        parts.append(f"{file.width} × {file.height}")
    if file.seconds:
        parts.append(f"{file.seconds:.1f} s")
    if file.pages:
        parts.append(f"{file.pages} page{pluralize(file.pages)}")
    megabytes = file.size / MEGABYTE
    parts.append(f"{megabytes:.1f} MB" if megabytes >= 1 else f"{max(file.size // 1024, 1)} KB")
    return " · ".join(parts)
