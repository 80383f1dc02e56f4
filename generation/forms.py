"""The Generate form, built from the catalogue: a new model brings its fields with it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, Self
from uuid import uuid4

from django import forms
from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict

from gallery.models import Video
from generation.catalogue import PRICES_AS_OF, PROVIDERS, Mode, Price, Provider, Setting, offered
from generation.pictures import Picture, PictureRefused, keep_picture
from generation.request import GenerationRequest, InvalidRequest, conflict_in
from videostudio.models import User

MOST_RADIOS = 5


class GenerateForm(forms.Form):
    """Prompt, service, the service's own settings, a picture. Valid: `request` is complete."""

    provider = forms.ChoiceField(label="Service")
    prompt = forms.CharField(
        label="Prompt",
        error_messages={"required": "Describe the video you want."},
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": "A red fox in the snow at dusk …"}),
    )
    image = forms.FileField(
        label="Picture",
        required=False,
        widget=forms.FileInput(attrs={"accept": "image/jpeg,image/png,image/webp"}),
    )
    # The picture of an earlier try, which a browser will not hand in a second time.
    kept_picture = forms.CharField(required=False, widget=forms.HiddenInput)
    # For which service the settings below were shown: without JavaScript they lag behind.
    settings_of = forms.CharField(required=False, widget=forms.HiddenInput)
    # One click is charged once: this stands for this click, also when it arrives twice.
    idempotency_key = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        files: MultiValueDict[str, UploadedFile[Any]] | None = None,
        *,
        user: User,
        provider: Provider,
        initial: dict[str, Any] | None = None,
    ) -> None:
        new_key = {"idempotency_key": uuid4(), "provider": provider.key}
        super().__init__(data, files, initial=new_key | (initial or {}))
        self.user = user
        self.chosen = provider
        self.picture: Picture | None = None
        self.request: GenerationRequest | None = None
        self.fields["provider"] = _provider_field()
        for setting in self.mode.settings:
            self.fields[setting.name] = field_for(setting)
        # Whatever was typed, the hidden note tells for which service this form now asks.
        self.initial["settings_of"] = provider.key
        self.fields["prompt"].widget.attrs["data-longest"] = self.mode.longest_prompt

    @classmethod
    def holding(cls, values: Mapping[str, Any], *, user: User, provider: Provider) -> Self:
        """An unsent form with those of these values that the service takes.

        What was chosen for another service and does not exist here falls back to the default.
        """
        form = cls(user=user, provider=provider)
        kept = {name: values[name] for name in ("prompt", "kept_picture") if name in values}
        for setting in form.mode.settings:
            if _takes(form.fields[setting.name], values.get(setting.name)):
                kept[setting.name] = values[setting.name]
            elif setting.kind == "boolean" and values.get("settings_of") == provider.key:
                # A browser does not send a box that is not ticked.
                kept[setting.name] = False
        form.initial = {**form.initial, **kept}
        return form

    def unsent(self) -> Self:
        """What stands in this form, as a form that nobody has pressed the button of yet."""
        form = self.holding(self.data, user=self.user, provider=self.chosen)
        if self.picture:
            form.keep(self.picture)
        return form

    @property
    def mode(self) -> Mode:
        """The mode whose settings are asked for: the one without a picture, where there is one."""
        mode = self.chosen.mode_for(has_image=False) or self.chosen.mode_for(has_image=True)
        assert mode is not None, self.chosen.key  # noqa: S101  # a provider has a mode
        return mode

    @property
    def settings_fields(self) -> list[forms.BoundField]:
        return [self[setting.name] for setting in self.mode.settings if not setting.is_more]

    @property
    def more_fields(self) -> list[forms.BoundField]:
        return [self[setting.name] for setting in self.mode.settings if setting.is_more]

    @property
    def prices_as_of(self) -> date:
        return PRICES_AS_OF

    @property
    def price(self) -> Price | None:
        """What the settings as they stand would cost; None where the price list is silent."""
        return self.mode.price(self.mode.input_for(prompt="", values=self._values))

    @property
    def conflict(self) -> str:
        """What does not go together among the settings as they stand; "" when all is well."""
        return conflict_in(self._values, mode=self.mode)

    @property
    def _values(self) -> dict[str, Any]:
        values = {s.name: self._value_or_default(s) for s in self.mode.settings}
        return {name: value for name, value in values.items() if value not in (None, "")}

    def clean_provider(self) -> str:
        key: str = self.cleaned_data["provider"]
        shown_for = self.data.get("settings_of")
        if shown_for and shown_for != key:
            raise forms.ValidationError(
                f"Below are the settings of {self.chosen.label} now. "
                "Look at them, then press Generate video again."
            )
        return key

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if "idempotency_key" in self.errors:
            del self.errors["idempotency_key"]
            self.add_error(None, "This form was damaged on its way. Please send it again.")
            self.use_new_key()
        self._refuse_foreign_settings()
        self._take_picture()
        if self.errors:
            return cleaned
        values = {s.name: self._chosen_value(s) for s in self.mode.settings}
        values = {name: value for name, value in values.items() if value not in (None, "")}
        try:
            self.request = GenerationRequest.checked(
                provider=self.chosen, prompt=cleaned["prompt"], values=values, picture=self.picture
            )
        except InvalidRequest as invalid:
            for name, why in invalid.errors.items():
                self.add_error(name if name in self.fields else None, why)
        return cleaned

    def _chosen_value(self, setting: Setting) -> Any:
        """What was chosen. An unticked box is not sent: a program that names none means none."""
        if setting.kind == "boolean" and not self.data.get("settings_of"):
            return self.cleaned_data[setting.name] or setting.default
        return self.cleaned_data[setting.name]

    def _refuse_foreign_settings(self) -> None:
        """A setting that this service does not have was chosen for another one: not ignored."""
        for name, label in _all_settings().items():
            if name not in self.fields and self.data.get(name):
                self.add_error(None, f"{self.chosen.label} has no setting “{label}”.")

    def _take_picture(self) -> None:
        """The picture handed in now, else the one of an earlier try."""
        upload = self.cleaned_data.get("image")
        ticket = self.cleaned_data.get("kept_picture")
        mode = self.chosen.mode_for(has_image=True)
        try:
            if upload:
                most = mode.most_image_bytes if mode else settings.INPUT_IMAGE_MAX_BYTES
                self.picture = keep_picture(
                    upload, size=upload.size, most_bytes=most, user=self.user
                )
            elif ticket:
                # Not silently without it: that would be another video, and it would be charged.
                self.picture = Picture.from_ticket(ticket, self.user)
        except PictureRefused as refused:
            self.add_error("image", str(refused))
            self._show_instead("kept_picture", "")
        if self.picture and mode is None:
            # Kept all the same: another service may take it.
            self.add_error(
                "image",
                f"{self.chosen.label} takes no picture. Remove it, or choose another service.",
            )
        if self.picture:
            self.keep(self.picture)

    def keep(self, picture: Picture) -> None:
        """Have the form, when it is shown again, still hold this picture."""
        self.picture = picture
        self._show_instead("kept_picture", picture.ticket(self.user))

    def use_new_key(self) -> None:
        """Have the form, when it is sent again, stand for another click."""
        self._show_instead("idempotency_key", str(uuid4()))

    def _show_instead(self, name: str, value: str) -> None:
        self.initial[name] = value
        if isinstance(self.data, QueryDict):
            self.data = self.data.copy()
            self.data[name] = value

    def _value_or_default(self, setting: Setting) -> Any:
        bound = self[setting.name].value()
        try:
            return self.fields[setting.name].clean(bound)
        except forms.ValidationError:
            return setting.default


def filled_in_from(video: Video) -> dict[str, Any]:
    """The form's initial values with which this video was made."""
    return {"prompt": video.prompt, **video.parameters}


def field_for(setting: Setting) -> forms.Field:
    """The form field, and with it the widget, for one setting of a model."""
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.help,
        "required": False,
        "initial": setting.default,
    }
    if setting.choices:
        choices = [(choice.value, choice.label) for choice in setting.choices]
        is_short = len(choices) <= MOST_RADIOS
        return forms.TypedChoiceField(
            choices=choices,
            coerce=_by_text({str(choice.value): choice.value for choice in setting.choices}),
            empty_value=setting.default,
            widget=forms.RadioSelect if is_short else forms.Select,
            error_messages={
                "invalid_choice": f"{setting.label} can be "
                f"{', '.join(choice.label for choice in setting.choices)}."
            },
            **common,
        )
    if setting.kind == "boolean":
        return forms.BooleanField(**common)
    if setting.kind in {"integer", "number"}:
        return forms.IntegerField(
            min_value=setting.minimum,
            max_value=setting.maximum,
            error_messages={"invalid": f"{setting.label} has to be a whole number."},
            **common,
        )
    return forms.CharField(max_length=setting.longest, **common)


def _takes(field: forms.Field, value: Any) -> bool:
    try:
        return value is not None and field.clean(value) is not None
    except forms.ValidationError:
        return False


def _by_text(values: Mapping[str, Any]) -> Any:
    """From what a browser sends back to the value with KIE.AI's type."""
    return lambda text: values[str(text)]


def _provider_field() -> forms.ChoiceField:
    """The services that can be chosen now, by maker."""
    makers: dict[str, list[tuple[str, str]]] = {}
    for provider in offered():
        makers.setdefault(provider.maker, []).append((provider.key, _described(provider)))
    return forms.ChoiceField(
        label="Service",
        choices=list(makers.items()),
        error_messages={
            "invalid_choice": "This service is not offered here. Please choose another one.",
            "required": "Please choose a service.",
        },
    )


def _described(provider: Provider) -> str:
    price = provider.cheapest
    return f"{provider.label} · from {price}" if price else provider.label


def _all_settings() -> dict[str, str]:
    """Every setting that any service has: name to label."""
    modes = (mode for provider in PROVIDERS.values() for mode in provider.modes)
    return {setting.name: setting.label for mode in modes for setting in mode.settings}
