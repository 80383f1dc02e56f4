"""The Generate form, built from the catalogue: a new model brings its fields with it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Self
from uuid import uuid4

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.functional import cached_property
from django.utils.http import urlencode

from gallery.models import InputFile, Video
from generation.carrying import carry
from generation.catalogue import PRICES_AS_OF, PROVIDERS, PURPOSES, Mode, Provider, likeliest
from generation.fields import field_for, file_field_for
from generation.inputs import (
    GONE,
    InputRefused,
    input_again,
    inputs_of,
    keep_cropped,
    keep_upload,
)
from generation.offers import Choices, offered
from generation.price_list import PriceList, price_for
from generation.prices import Price
from generation.request import (
    MOST_VARIATIONS,
    GenerationRequest,
    InvalidRequest,
    can_go_on_from,
    conflict_in,
    inputs_in,
    objection_to_files,
    objection_to_going_on,
)
from generation.rows import objections_in_rows
from generation.schema import Setting, Slot
from generation.shapes import Misfit, misfits, ratio_of
from videostudio.models import User

KEPT = "kept_"
# The files in each slot.
type Kept = Mapping[str, Sequence[InputFile]]
# The error of a form whose settings are another service's than the one that is chosen.
SETTINGS_OF_ANOTHER = "settings_of_another"
MADE_ELSEWHERE = "It was made from files that this studio has never had. Please choose them."
# In characters of an address.
LONGEST_WAY_BACK = 3000


@dataclass(frozen=True, slots=True)
class SlotOnForm:
    """One slot as the form shows it: its field, and the files that stand in it."""

    slot: Slot
    field: forms.BoundField
    files: Sequence[InputFile]
    is_needed: bool
    # Files for it may be chosen, dropped or pasted here; else they only wait to be removed.
    is_taken: bool = True

    @property
    def kept_name(self) -> str:
        return f"{KEPT}{self.slot.name}"

    @property
    def has_room(self) -> bool:
        return self.is_taken and len(self.files) < self.slot.most


class GenerateForm(forms.Form):
    """Prompt, service, the service's own settings, files. Valid: `request` is complete."""

    provider = forms.ChoiceField(label="Service")
    prompt = forms.CharField(
        label="Prompt",
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "A red fox in the snow at dusk …"}),
    )
    # The earlier video that this one goes on from, or was made after.
    parent = forms.UUIDField(required=False, widget=forms.HiddenInput)
    variations = forms.TypedChoiceField(
        label="How many",
        required=False,
        choices=[(number, str(number)) for number in range(1, MOST_VARIATIONS + 1)],
        coerce=int,
        empty_value=1,  # type: ignore[arg-type]  # as coerce makes it
        initial=1,
        widget=forms.RadioSelect,
        error_messages={"invalid_choice": f"At most {MOST_VARIATIONS} at once, please."},
    )
    # For which service the settings below were shown: without JavaScript they lag behind. The kind
    # of video they were for stands beside it, as kind_of.
    settings_of = forms.CharField(required=False, widget=forms.HiddenInput)
    # One click is charged once: this stands for this click, also when it arrives twice.
    idempotency_key = forms.UUIDField(required=False, widget=forms.HiddenInput)

    user: User
    chosen: Provider
    earlier: Video | None
    choices: Choices
    # The files that stand in each slot, in this form or from an earlier try.
    kept: dict[str, list[InputFile]]
    # For each slot in which a file stood that is gone, why: without it another video would be
    # made, and charged.
    lost: Mapping[str, str]
    notes: tuple[str, ...]
    # The service chosen before, where one can go back to it, and the way there.
    before: Provider | None
    way_back: str
    request: GenerationRequest | None

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: MultiValueDict[str, UploadedFile[Any]] | None = None,
        *,
        user: User,
        provider: Provider,
        parent: Video | None = None,
        kept: Kept | None = None,
        lost: Mapping[str, str] | None = None,
        choices: Choices | None = None,
        initial: dict[str, Any] | None = None,
    ) -> None:
        """`choices`: the services this person may choose, where the caller has them at hand."""
        own = {"idempotency_key": uuid4(), "provider": provider.key, "settings_of": provider.key}
        super().__init__(data, files, initial=own | (initial or {}))
        self.user, self.chosen, self.earlier = user, provider, parent
        self.choices = offered(user) if choices is None else choices
        self.kept = {name: list(given) for name, given in (kept or {}).items() if given}
        self.lost, self.notes, self.request = lost or {}, (), None
        self.before, self.way_back = None, ""
        self.fields["provider"] = _provider_field(self)
        self.initial["parent"] = str(parent.pk) if parent else ""
        for slot in self._shown_slots:
            self.fields[slot.name] = file_field_for(slot)
        for setting in self.mode.settings:
            self.fields[setting.name] = field_for(setting)
        self.fields["prompt"].widget.attrs["data-longest"] = self.mode.longest_prompt
        if any(setting.name == "seed" for setting in self.mode.settings):
            self.fields["variations"].help_text = "With a seed, each one gets the next seed."

    @classmethod
    def holding(
        cls,
        values: Mapping[str, Any],
        *,
        user: User,
        provider: Provider,
        parent: Video | None = None,
        kept: Kept | None = None,
        choices: Choices | None = None,
    ) -> Self:
        """An unsent form with those of these values that the service takes, or the nearest ones.

        What was changed or dropped because another service was chosen, or because files came that
        it treats in another way, stands in `notes`.
        """
        form = cls(user=user, provider=provider, parent=parent, kept=kept, choices=choices)
        before = PROVIDERS.get(str(values.get("settings_of", "")))
        before_mode = _mode_shown(before, values, form.kept) if before else None
        chosen, unfinished = _as_chosen(values, before_mode)
        # A list that is not finished goes on where there is one; else a note says that it is gone.
        drafts = {
            name: given
            for name, given in unfinished.items()
            if before_mode and _goes_on(given, before_mode.setting(name), form.mode.setting(name))
        }
        chosen |= {name: given for name, given in unfinished.items() if name not in drafts}
        changed = None if before_mode is form.mode else before_mode
        carried = carry(chosen, to=form.mode, before=changed)
        form.notes = carried.notes
        is_possible = before in form.choices and before is not provider
        if before and changed and is_possible and before.mode_for(form.kept.keys()):
            form.before, form.way_back = before, _way_to(before, changed, chosen)
        words = {name: values[name] for name in ("prompt", "variations") if name in values}
        written = _as_written(values, form.mode) if before is provider else {}
        form.initial = {**form.initial, **words, **carried.values, **drafts, **written}
        return form

    def unsent(self) -> Self:
        """What stands in this form, as a form that nobody has pressed the button of yet."""
        return self.holding(
            self.data,
            user=self.user,
            provider=self.chosen,
            parent=self.earlier,
            kept=self.kept,
            choices=self.choices,
        )

    # --- What the page shows ----------------------------------------------------------------
    # Worked out once: a page asks for each several times, and nothing moves any more by then.

    @cached_property
    def mode(self) -> Mode:
        """The mode for the files that stand in the form; where none fits, the nearest one."""
        filled = {*self.kept, *(name for name in self.files if self.files.getlist(name))}
        return self.chosen.mode_for(filled) or self.chosen.nearest_mode(filled)

    @property
    def _shown_slots(self) -> list[Slot]:
        """The service's slots, and those of others in which something stands."""
        mine = list(self.chosen.slots)
        names = {slot.name for slot in mine}
        given = {*self.kept, *self.files}
        return mine + [slot for name, slot in _ALL_SLOTS.items() if name in given - names]

    @property
    def slots(self) -> list[SlotOnForm]:
        """The places for files; those of a setting's rows stand in the rows."""
        mine = {slot.name for slot in self.chosen.slots}
        every = (slot for slot in self._shown_slots if slot.row is None or slot.name not in mine)
        return [self._on_form(slot, is_taken=slot.name in mine) for slot in every]

    def slots_of_row(self, setting: Setting, row: int) -> list[SlotOnForm]:
        return [self._on_form(slot) for slot in setting.row_slots if slot.row == row]

    def _on_form(self, slot: Slot, *, is_taken: bool = True) -> SlotOnForm:
        return SlotOnForm(
            slot=slot,
            field=self[slot.name],
            files=self.kept.get(slot.name, ()),
            is_needed=slot.name in self.chosen.needed_slots,
            is_taken=is_taken,
        )

    @property
    def settings_fields(self) -> list[forms.BoundField]:
        return [self[setting.name] for setting in self._asked if not setting.is_more]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        return [self[setting.name] for setting in self._asked if setting.is_more]

    @cached_property
    def _asked(self) -> list[Setting]:
        """The settings that there is something to choose at."""
        return [s for s in self.mode.settings if not s.tells_which or self._is_one_of_several]

    @property
    def _is_one_of_several(self) -> bool:
        return self.earlier is not None and self.earlier.number_of_results > 1

    @property
    def more_has_errors(self) -> bool:
        if not self.errors:
            return False
        more = [setting for setting in self._asked if setting.is_more]
        names = [name for s in more for name in (s.name, *(slot.name for slot in s.row_slots))]
        # What is wrong with several together may be about one of them.
        is_together = bool(self.non_field_errors()) and self.more_changed > 0
        return is_together or any(name in self.errors for name in names)

    @cached_property
    def more_changed(self) -> int:
        """How many of the settings that are folded away are not as usual."""
        values = self._values
        more = [setting for setting in self.mode.settings if setting.is_more]
        return sum(values.get(s.name, s.default or False) != (s.default or False) for s in more)

    @property
    def services(self) -> list[tuple[str, list[Provider]]]:
        """The services that can be chosen now, by purpose and maker."""
        return _grouped(self.choices, self.earlier, self.chosen)

    @property
    def placeholder(self) -> str:
        goes_on = self.earlier and self.mode.generation_type in {"extend", "img2vid"}
        return "What happens next?" if goes_on else "A red fox in the snow at dusk …"

    @property
    def objection(self) -> str:
        """Why the chosen service cannot take up the earlier video; "" when it can."""
        if not self.mode.source_field:
            return ""
        return objection_to_going_on(self.earlier, self.chosen)

    @property
    def aftermath(self) -> str:
        """What can no longer be made of the earlier video after this; "" where everything can."""
        if not self.earlier:
            return ""
        modes = (mode for provider in self.choices for mode in provider.modes)
        is_last = any(self.mode.model in mode.not_after for mode in modes)
        return "After this KIE.AI cannot extend the video any more." if is_last else ""

    @property
    def taken_up(self) -> str:
        """What is done with the earlier video, in words that its name can follow."""
        words = {"extend": "Goes on from", "upscale": "The same, larger:"}
        return words.get(self.mode.generation_type, "Made from")

    @property
    def number(self) -> int:
        """How many videos the form as it stands would make."""
        chosen = str(self["variations"].value() or 1)
        is_possible = self.mode.varies and chosen in map(str, range(1, MOST_VARIATIONS + 1))
        return int(chosen) if is_possible else 1

    @property
    def prices(self) -> PriceList:
        """What all services cost now."""
        return self.choices.prices

    @property
    def prices_as_of(self) -> date:
        price = self.price
        return price.as_of if price else PRICES_AS_OF

    @cached_property
    def price(self) -> Price | None:
        """What the form as it stands would cost; None where the price list is silent."""
        if self._wrong:
            return None
        inputs = inputs_in(self.kept, parent=self.earlier)
        price = price_for(self.chosen, self.mode, self._fields, inputs, prices=self.prices)
        return price and price.times(self.number)

    @cached_property
    def misfits(self) -> list[Misfit]:
        """The pictures that have another shape than the video is to have, or are cropped to it."""
        return list(misfits(self.mode, self._values, self.kept))

    def crop(self, slot_name: str, file_id: str) -> str:
        """Put the middle of this picture in its place; in that of a middle that fits, the whole.

        Returns what came of it, in a sentence; "" where there is no such picture.
        """
        found = (m for m in self.misfits if (m.slot.name, str(m.file.pk)) == (slot_name, file_id))
        misfit = next(found, None)
        if misfit is None:
            return ""
        whole, ratio = misfit.file.whole or misfit.file, ratio_of(misfit.shape)
        name = whole.name or misfit.slot.label
        try:
            other = whole
            if ratio:
                other = keep_cropped(whole, ratio=ratio, slot=misfit.slot, name=misfit.shape)
        except InputRefused as refused:
            return str(refused)
        files = self.kept[slot_name]
        self.kept[slot_name] = [other if file.pk == misfit.file.pk else file for file in files]
        return f"{name} is cropped to {misfit.shape}" if ratio else f"{name} is whole again"

    @property
    def price_awaits(self) -> str:
        """The file from whose length the price will follow; "" when nothing is awaited."""
        awaited = {"audio": "recording", "video": "clip"}.get(str(self.mode.length), "")
        is_listed = bool(self.prices.lines(self.chosen, self.mode))
        return awaited if awaited and is_listed and self.price is None else ""

    @cached_property
    def conflict(self) -> str:
        """What is wrong among the settings as they stand, or not together; "" when all is well."""
        if self._wrong:
            return self._wrong
        if self.chosen.mode_for(self.kept.keys()) is None:
            return objection_to_files(self.chosen, self.kept).get("", "")
        in_rows = objections_in_rows(self.mode, self._values, self.kept).values()
        together = conflict_in(self._values, mode=self.mode, filled=self.kept.keys())
        return next(iter(in_rows), together)

    @property
    def _fields(self) -> dict[str, Any]:
        return self.mode.input_for(prompt="", values=self._values)

    @property
    def _values(self) -> dict[str, Any]:
        return self._read[0]

    @property
    def _wrong(self) -> str:
        return self._read[1]

    @cached_property
    def _read(self) -> tuple[dict[str, Any], str]:
        """The values as they stand, the usual one where one is wrong; and the first that is wrong,
        in a sentence, "" for none."""
        values: dict[str, Any] = {}
        wrong: dict[str, str] = {}
        for setting in self.mode.settings:
            name = setting.name
            try:
                values[name] = self.fields[name].clean(self[name].value())
            except forms.ValidationError as error:
                values[name], wrong[name] = setting.default, str(error.messages[0])
        idle = self.mode.idle(values)
        said = next((why for name, why in wrong.items() if name not in idle), "")
        return {n: v for n, v in values.items() if v not in (None, "") and n not in idle}, said

    # --- What is sent -----------------------------------------------------------------------

    def clean_provider(self) -> str:
        key: str = self.cleaned_data["provider"]
        shown_for = self.data.get("settings_of")
        if shown_for and shown_for != key:
            raise forms.ValidationError(
                f"Below are the settings of {self.chosen.label} now. "
                "Look at them, then press Generate video again.",
                code=SETTINGS_OF_ANOTHER,
            )
        return key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "idempotency_key" in self.errors:
            del self.errors["idempotency_key"]
            self.add_error(None, "This form was damaged on its way. Please send it again.")
            self.use_new_key()
        self._refuse_foreign_settings()
        self._leave_out_what_does_not_count(cleaned)
        for name, why in self.lost.items():
            self.add_error(name if name in self.fields else None, why)
        self._take_files()
        if not self.mode.varies and cleaned.get("variations", 1) > 1:
            self.add_error(None, f"{self.chosen.label} makes the same each time: one is enough.")
        if not self.errors:
            self._make_request(cleaned)
        return cleaned

    def _make_request(self, cleaned: Mapping[str, Any]) -> None:
        values = {s.name: self._chosen_value(s) for s in self.mode.settings}
        try:
            self.request = GenerationRequest.checked(
                provider=self.chosen,
                prompt=cleaned["prompt"],
                values={n: value for n, value in values.items() if value not in (None, "")},
                files=self.kept,
                parent=self.earlier,
            )
        except InvalidRequest as invalid:
            for name, why in invalid.errors.items():
                self.add_error(name if name in self.fields else None, why)

    def _chosen_value(self, setting: Setting) -> Any:
        """What was chosen. An unticked box is not sent: a program that names none means none."""
        is_named = setting.name in self.data or self.data.get("settings_of")
        if setting.kind == "boolean" and not is_named:
            return setting.default
        return self.cleaned_data[setting.name]

    def _leave_out_what_does_not_count(self, cleaned: dict[str, Any]) -> None:
        """What stands there for a switch that is off: right or wrong, it is not sent."""
        for name in self.mode.idle(cleaned):
            self.errors.pop(name, None)
            cleaned[name] = None

    def _refuse_foreign_settings(self) -> None:
        """A setting that this service does not have was chosen for another one: not ignored."""
        for name, label in _ALL_SETTINGS.items():
            if name not in self.fields and self.data.get(name):
                self.add_error(None, f"{self.chosen.label} has no setting “{label}”.")

    def _take_files(self) -> None:
        """The files handed in now come to those of an earlier try."""
        for slot in self._shown_slots:
            given = self.cleaned_data.get(slot.name) or []
            room = slot.most - len(self.kept.get(slot.name, ()))
            if slot.most == 1 and given:
                # A new picture takes the place of the one before.
                self.kept.pop(slot.name, None)
            elif len(given) > room:
                self.add_error(slot.name, f"{slot.label}: at most {slot.most}, please.")
            self._keep(slot, given[: slot.most if slot.most == 1 else room])

    def _keep(self, slot: Slot, given: Sequence[UploadedFile[Any]]) -> None:
        for upload in given:
            try:
                file = keep_upload(upload, slot=slot, user=self.user)
            except InputRefused as refused:
                self.add_error(slot.name, str(refused))
                continue
            if file not in self.kept.setdefault(slot.name, []):
                self.kept[slot.name].append(file)

    def use_new_key(self) -> None:
        """Have the form, when it is sent again, stand for another click."""
        key = str(uuid4())
        self.initial["idempotency_key"] = key
        if isinstance(self.data, QueryDict):
            self.data = self.data.copy()
            self.data["idempotency_key"] = key


def names_taken() -> set[str]:
    """What no setting may be called: a template that asks the form for one would get the other."""
    own = {*dir(GenerateForm), *GenerateForm.__annotations__, *vars(forms.Form())}
    return own | GenerateForm.base_fields.keys() | {"kind_of"}


def kept_in(data: QueryDict, *, user: User) -> tuple[dict[str, list[InputFile]], dict[str, str]]:
    """The files that stand in a form's slots already; for each slot with one that is gone, why."""
    kept, lost = {}, {}
    for name in _ALL_SLOTS:
        ids = [*dict.fromkeys(text for text in data.getlist(f"{KEPT}{name}") if text)]
        try:
            if ids:
                kept[name] = inputs_of(user, ids)
        except InputRefused as refused:
            lost[name] = str(refused)
            if rest := [file for each in ids for file in _still_here(user, each)]:
                kept[name] = rest
    return kept, lost


def in_other_places(
    provider: Provider, kept: Kept, *, among: Sequence[Provider]
) -> tuple[Provider, Kept]:
    """For files that no service takes where they stand: one that takes them elsewhere, and there.

    As it is where there is none.
    """
    files = [file for given in kept.values() for file in given]
    kinds = [file.kind for file in files]
    every = {p.key: (m.places_for(kinds) for m in p.modes) for p in among if not p.continues}
    found = {key: places for key, each in every.items() if (places := next(filter(None, each), []))}
    chosen = likeliest(provider, [p for p in among if p.key in found])
    if chosen.key not in found:
        return provider, kept
    moved: dict[str, list[InputFile]] = {}
    for place, file in zip(found[chosen.key], files, strict=True):
        moved.setdefault(place, []).append(file)
    return chosen, moved


def _still_here(user: User, file_id: str) -> list[InputFile]:
    try:
        return inputs_of(user, [file_id])
    except InputRefused:
        return []


@dataclass(frozen=True, slots=True)
class FilledIn:
    """What a video was made with: the form's values, the files in its slots; what is gone."""

    values: Mapping[str, Any]
    kept: Kept
    # Without them another video would be made.
    gone: tuple[str, ...] = ()


def filled_in_from(video: Video) -> FilledIn:
    """The form as this video was made, as far as its files are still here."""
    provider = PROVIDERS.get(video.provider)
    mode = provider.mode_of_type(video.generation_type) if provider else None
    kept: dict[str, list[InputFile]] = {}
    gone: dict[str, None] = {}
    inputs = list(video.inputs.select_related("video__user"))
    for given in inputs:
        slot = mode.slot_at(given.field, given.position) if mode else None
        file = input_again(given)
        if slot and file:
            kept.setdefault(slot.name, []).append(file)
        elif slot and not file:
            gone[f"{slot.label}: {GONE.format(thing='file')}"] = None
    if mode and mode.is_made_from_files and not inputs:
        gone[MADE_ELSEWHERE] = None
    return FilledIn({"prompt": video.prompt, **video.parameters}, kept, tuple(gone))


def _mode_shown(provider: Provider, values: Mapping[str, Any], filled: Collection[str]) -> Mode:
    """The mode whose settings stood in the form: files may have come or gone since."""
    said = provider.mode_of_type(str(values.get("kind_of", "")))
    return said or provider.mode_for(filled) or provider.modes[0]


def _as_chosen(
    values: Mapping[str, Any], mode: Mode | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The settings among a form's fields, and the lists among them that are not finished.

    Boxes that are not ticked, and rows, are put together. An unfinished list is as it is written.
    """
    unfinished: dict[str, Any] = {}
    chosen = {name: value for name, value in values.items() if name in _ALL_SETTINGS}
    for setting in mode.settings if mode else ():
        if setting.kind == "boolean" and isinstance(values.get(setting.name), str | None):
            # A browser does not send a box that is not ticked.
            chosen[setting.name] = bool(values.get(setting.name))
        if setting.kind in {"rows", "lines"}:
            field = field_for(setting)
            given = field.widget.value_from_datadict(values, MultiValueDict(), setting.name)
            chosen.pop(setting.name, None)
            try:
                chosen[setting.name] = field.clean(given)
            except forms.ValidationError:
                unfinished[setting.name] = given
    return chosen, unfinished


def _way_to(provider: Provider, mode: Mode, chosen: Mapping[str, Any]) -> str:
    """What a form is asked for with to be as it was when this was chosen for the service.

    What an address has no room for is left out.
    """
    own = {"provider": provider.key, "settings_of": provider.key, "kind_of": mode.generation_type}
    way = urlencode(own | {"show_settings": 1})
    for setting in mode.settings:
        more = urlencode(_as_fields(setting, chosen.get(setting.name)))
        if more and len(way) + len(more) < LONGEST_WAY_BACK:
            way = f"{way}&{more}"
    return way


def _as_fields(setting: Setting, value: Any) -> dict[str, str]:
    """A setting's value, or its rows as far as they are written, as a form sends it."""
    if setting.kind == "rows":
        return {
            f"{setting.name}-{number}-{column.name}": str(row.get(column.field, ""))
            for number, row in enumerate(value or ())
            for column in setting.columns
        }
    if isinstance(value, list):
        return {setting.name: "\n".join(value)}
    return {setting.name: "" if value is None or value is False else str(value)}


def _goes_on(given: Any, before: Setting | None, now: Setting | None) -> bool:
    """Can this unfinished list of a setting be finished at that one?"""
    if not before or not now or before.kind != now.kind:
        return False
    columns = [[column.name for column in setting.columns] for setting in (before, now)]
    return columns[0] == columns[1] and (now.kind == "lines" or len(given) <= now.most)


def _as_written(values: Mapping[str, Any], mode: Mode) -> dict[str, Any]:
    """What stands in the fields one can write into: finished or not, it stays as it is."""
    free = [setting for setting in mode.settings if setting.kind not in {"choice", "boolean"}]
    written = {
        setting.name: field_for(setting).widget.value_from_datadict(
            values, MultiValueDict(), setting.name
        )
        for setting in free
    }
    return {name: text for name, text in written.items() if text not in (None, "", [])}


def _provider_field(form: GenerateForm) -> forms.ChoiceField:
    return forms.ChoiceField(
        label="Service",
        # Only what is sent is held against them, and only the whole page shows them.
        choices=lambda: [(p.key, p.label) for _, group in form.services for p in group],
        error_messages={
            "invalid_choice": "This service is not offered here. Please choose another one.",
            "required": "Please choose a service.",
        },
    )


def _grouped(
    choices: Sequence[Provider], parent: Video | None, chosen: Provider
) -> list[tuple[str, list[Provider]]]:
    groups: dict[str, list[Provider]] = {}
    for purpose in PURPOSES:
        for provider in choices:
            if provider.purpose != purpose:
                continue
            # What goes on from an earlier video is offered for that video only; but what was
            # chosen stays, for the page has to say why it cannot be.
            is_chosen = provider.key == chosen.key
            if provider.continues and not (is_chosen or can_go_on_from(parent, provider)):
                continue
            groups.setdefault(f"{PURPOSES[purpose]} · {provider.maker}", []).append(provider)
    return list(groups.items())


_EVERY_MODE = [mode for provider in PROVIDERS.values() for mode in provider.modes]
# Every setting that any service has, name to label; and every slot.
_ALL_SETTINGS = {s.name: s.label for mode in _EVERY_MODE for s in mode.settings}
_ALL_SLOTS = {slot.name: slot for mode in _EVERY_MODE for slot in mode.slots}
