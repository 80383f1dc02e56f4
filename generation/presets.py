"""A whole form under a name: saved, found again, filled in."""

import json
import re
import unicodedata
from collections.abc import Iterable
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.http import QueryDict

from gallery.models import InputFile
from generation.catalogue import Provider
from generation.models import Preset
from generation.request import UNSTORABLE
from videostudio.models import User

# Far above what a form has, and little enough to be shown on every visit.
MOST_PRESETS = 100
MOST_VALUES, LONGEST_FIELD_NAME, MOST_CHARACTERS = 200, 80, 100_000
LONGEST_NAME = 80

# These belong to one click on the form, not to what stands in it.
OF_ONE_CLICK = frozenset({"csrfmiddlewaretoken", "idempotency_key", "show_settings"})

UUID_TEXT = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

type Values = dict[str, str | list[str]]


class PresetRefused(Exception):
    """The preset cannot be saved like this; `str()` is the sentence for the person."""


class NameTaken(PresetRefused):
    """Another preset of this person's has the name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"You have a preset named “{name}” already.")


def values_in(data: QueryDict) -> Values:
    """What stands in a form that was posted, without its files and what belongs to the click."""
    return {
        name: texts[0] if len(texts) == 1 else texts
        for name, texts in data.lists()
        if name not in OF_ONE_CLICK
    }


def values_from(text: str) -> Values:
    """The values in this JSON text. Raises PresetRefused for what no form of ours would send."""
    try:
        values: Values = json.loads(text)
        is_form = isinstance(values, dict) and all(map(_is_texts, values.values()))
    except (ValueError, RecursionError):
        is_form = False
    if not is_form:
        raise PresetRefused("This form was damaged on its way. Please save it again.")
    return values


def _is_texts(value: Any) -> bool:
    texts = value if isinstance(value, list) else [value]
    return all(isinstance(text, str) for text in texts)


def values_of_preset(preset: Preset) -> tuple[str, QueryDict]:
    """The service a preset is for, and the values its form had, as if it were being sent.

    The service may no longer be offered, and any value may no longer be one that it takes.
    """
    values = QueryDict(mutable=True)
    for name, value in preset.values.items():
        values.setlist(name, [value] if isinstance(value, str) else value)
    return preset.provider, values


def presets_of(user: User) -> list[Preset]:
    """This person's presets by name, as people sort: databases do not agree on capitals."""
    presets = Preset.objects.for_user(user)
    return sorted(presets, key=lambda preset: (preset.name.casefold(), preset.pk))


def is_offered(preset: Preset, *, among: Iterable[Provider]) -> bool:
    """Is the service that this preset is for one of these?"""
    return any(provider.key == preset.provider for provider in among)


def save_preset(*, user: User, name: str, values: Values, replace: bool = False) -> Preset:
    """Keep these values under that name, in place of the one that has it if so wanted.

    Raises NameTaken, and PresetRefused for what cannot be kept.
    """
    name = checked_name(name)
    facts = _columns(values)
    presets = Preset.objects.for_user(user)
    if presets.exclude(name=name).count() >= MOST_PRESETS:
        raise PresetRefused(f"There is room for {MOST_PRESETS} presets. Delete one first, please.")
    try:
        with transaction.atomic():
            if replace:
                preset, _ = presets.update_or_create(user=user, name=name, defaults=facts)
            else:
                preset = presets.create(user=user, name=name, **facts)
            preset.files.set(_files_in(facts["values"], user=user))
    except IntegrityError:
        raise NameTaken(name) from None
    return preset


def rename_preset(preset: Preset, name: str) -> None:
    """Raises NameTaken, and PresetRefused for what is no name."""
    name = checked_name(name)
    try:
        with transaction.atomic():
            Preset.objects.filter(pk=preset.pk).update(name=name)
    except IntegrityError:
        raise NameTaken(name) from None


def checked_name(text: str) -> str:
    """The name on one line. Raises PresetRefused when there is none, or too much of it."""
    name = " ".join(_storable(unicodedata.normalize("NFC", text)).split())
    if not any(letter.isprintable() for letter in name):
        raise PresetRefused("Give the preset a name.")
    if len(name) > LONGEST_NAME:
        raise PresetRefused(f"A name can have {LONGEST_NAME} characters; this one has {len(name)}.")
    return name


def _columns(values: Values) -> dict[str, Any]:
    kept = {_storable(name): _storable_value(value) for name, value in values.items()}
    provider = kept.pop("provider", "")
    is_large = (
        len(kept) > MOST_VALUES
        or any(len(name) > LONGEST_FIELD_NAME for name in kept)
        or len(json.dumps(kept, ensure_ascii=False)) > MOST_CHARACTERS
    )
    if is_large or not isinstance(provider, str) or len(provider) > LONGEST_NAME:
        raise PresetRefused("This is too much for a preset. Please shorten the prompt.")
    return {"provider": provider, "values": kept}


def _storable_value(value: str | list[str]) -> str | list[str]:
    return _storable(value) if isinstance(value, str) else [_storable(text) for text in value]


def _storable(text: str) -> str:
    return UNSTORABLE.sub("", text)


def _files_in(values: Values, *, user: User) -> QuerySet[InputFile]:
    """The files of this person's library that stand in the form."""
    texts = [t for value in values.values() for t in ([value] if isinstance(value, str) else value)]
    ids = {text for text in texts if UUID_TEXT.fullmatch(text)}
    return InputFile.objects.for_user(user).filter(pk__in=ids)
