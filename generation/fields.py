"""The form's fields: for each kind of setting its own, and files by the handful."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.datastructures import MultiValueDict

from generation.schema import Setting, Slot

MOST_RADIOS = 5
# What a dialog for choosing files shows; what is taken is decided by a file's content.
MEDIA_NAMES = {
    "image": "image/jpeg,image/png,image/webp",
    "video": "video/*",
    "audio": "audio/*",
    "document": ".pdf,.docx,.pptx,.xlsx,.txt,.md",
}


class ManyFilesInput(forms.ClearableFileInput):
    allow_multiple_selected = True
    # Django's own shows what is stored; here the tiles do.
    template_name = "django/forms/widgets/file.html"


class ManyFilesField(forms.FileField):
    """Any number of files; cleaned: a list of them."""

    widget = ManyFilesInput

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        given = data if isinstance(data, list | tuple) else [data]
        clean_one = super().clean
        return [clean_one(each, initial) for each in given if each]


def file_field_for(slot: Slot) -> ManyFilesField:
    return _file_field(slot.label, slot.help, slot.kind, is_many=slot.most > 1)


# Forms share them: nothing about a field of files is a form's own.
@cache
def _file_field(label: str, help_text: str, kind: str, *, is_many: bool) -> ManyFilesField:
    widget = ManyFilesInput(attrs={"accept": MEDIA_NAMES[kind], "multiple": is_many})
    return ManyFilesField(label=label, help_text=help_text, required=False, widget=widget)


class LinesField(forms.CharField):
    """One text per line; cleaned: a list of them."""

    widget = forms.Textarea

    def __init__(self, *, most: int, longest: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.most, self.longest = most, longest
        self.widget.attrs |= {"rows": min(most, 3), "spellcheck": "false"}

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list) else value

    def clean(self, value: Any) -> Any:
        text = str(super().clean(value) or "")
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        if len(lines) > self.most:
            raise forms.ValidationError(f"{self.label}: at most {self.most}, please.")
        if any(len(line) > self.longest for line in lines):
            raise forms.ValidationError(f"{self.label}: at most {self.longest} characters each.")
        return lines or None


class RowsWidget(forms.Widget):
    """Rows of inputs named field-0-column."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.setting = setting

    def value_from_datadict(
        self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str
    ) -> list[dict[str, Any]]:
        rows = []
        for number in range(self.setting.most):
            row = {
                column.name: str(data.get(f"{name}-{number}-{column.name}") or "").strip()
                for column in self.setting.columns
            }
            rows.append(row)
        # Empty ones at the end say nothing; one in between is asked about.
        while rows and not any(rows[-1].values()):
            rows.pop()
        return rows

    def value_omitted_from_data(
        self, data: Mapping[str, Any], files: MultiValueDict[str, Any], name: str
    ) -> bool:
        return not any(key.startswith(f"{name}-") for key in data)


class RowsField(forms.Field):
    """A list of rows; cleaned: a list of objects with KIE.AI's types."""

    def __init__(self, setting: Setting, **kwargs: Any) -> None:
        super().__init__(widget=RowsWidget(setting), **kwargs)
        self.setting = setting

    def clean(self, value: Any) -> Any:
        return [self._row(row, number) for number, row in enumerate(value or [], start=1)] or None

    def _row(self, row: Mapping[str, Any], number: int) -> dict[str, Any]:
        made = {}
        for column in self.setting.columns:
            text = row.get(column.name)
            cleaned = field_for(column).clean(text)
            if not _is_whole(column, cleaned):
                wrong = "is missing" if text in (None, "") else "cannot be so"
                raise forms.ValidationError(
                    f"{self.setting.label}, row {number}: “{column.label}” {wrong}."
                )
            if cleaned not in (None, ""):
                made[column.field] = cleaned
        return made


def is_cell(column: Setting, text: Any) -> bool:
    """Is this a value for a row's column, as it has to be written?"""
    try:
        return _is_whole(column, field_for(column).clean(text))
    except forms.ValidationError:
        return False


def _is_whole(column: Setting, cleaned: Any) -> bool:
    return column.is_optional if cleaned in (None, "") else column.accepts(cleaned)


def field_for(setting: Setting) -> forms.Field:
    """The form field, and with it the widget, for one setting of a model."""
    common: dict[str, Any] = {
        "label": setting.label,
        "help_text": setting.help,
        "required": False,
        "initial": setting.default,
    }
    match setting.kind:
        case "choice":
            return _choice_field(setting, common)
        case "boolean":
            return forms.BooleanField(**common)
        case "integer" | "number":
            return _number_field(setting, common)
        case "lines":
            return LinesField(most=setting.most, longest=setting.longest, **common)
        case "rows":
            return RowsField(setting, **common)
    if setting.longest > 200:
        widget = forms.Textarea(attrs={"rows": 2})
        return forms.CharField(max_length=setting.longest, widget=widget, **common)
    return forms.CharField(max_length=setting.longest, **common)


def _choice_field(setting: Setting, common: dict[str, Any]) -> forms.Field:
    choices = [(choice.value, choice.label) for choice in setting.choices]
    is_short = len(choices) <= MOST_RADIOS or setting.name == "aspect_ratio"
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


def _number_field(setting: Setting, common: dict[str, Any]) -> forms.Field:
    common |= {"min_value": setting.minimum, "max_value": setting.maximum}
    limits = {
        "min_value": f"{setting.label} has to be %(limit_value)s or more.",
        "max_value": f"{setting.label} has to be %(limit_value)s or less.",
    }
    if setting.kind == "integer":
        wrong = limits | {"invalid": f"{setting.label} has to be a whole number."}
        return forms.IntegerField(step_size=setting.step, error_messages=wrong, **common)  # type: ignore[arg-type]  # an integer's step is one
    widget = forms.NumberInput(attrs={"step": setting.step or "any"})
    wrong = limits | {"invalid": f"{setting.label} has to be a number."}
    return forms.FloatField(widget=widget, error_messages=wrong, **common)


def _by_text(values: Mapping[str, Any]) -> Callable[[Any], Any]:
    """From what a browser sends back to the value with KIE.AI's type."""
    return lambda text: values[str(text)]
