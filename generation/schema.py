"""A model's request, read off its JSON Schema: what can be set, and what it is made from.

Beside JSON Schema's own words the catalogue's schemas use these:
x-name       what we call the field everywhere else (KIE.AI's n_frames is our duration)
x-label, x-help   what people read
x-words      what people read for single values ("-1": "As the model likes")
x-more       the field stands under "More settings"
x-when       the field counts only while that switch (our name) is on
x-hidden     the field is never asked for; its default, if any, is sent
x-same-as    sent with the value of that other field
x-source     the field takes the id of the earlier task that this one goes on from
x-which      the field tells which result of that task, from 0 on; asked where there are several
x-media      the field takes addresses of files of this kind: "image", "video", "audio" or
             "document"
x-or         takes, instead of those files, one of this kind: its own x-media, x-name, x-label …
x-least      fewer files than this are no use, where there are any
x-span       of a row: which parts say from where to where of its clip, and how far that may be
x-accept, x-max-mb, x-min-px, x-aspect, x-duration-s, x-max-pages   limits of such a file: media
             types, its size, each side in pixels, width/height from and to, seconds from and to,
             pages or slides of a document
x-step       how far one step of a number's slider goes
x-after      where an earlier video goes on, the usual value is its length and so many seconds
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf
from typing import Any, Literal

import fastjsonschema

type Schema = Mapping[str, Any]
type Kind = Literal["choice", "boolean", "integer", "number", "text", "lines", "rows"]

# A text of a request that is no prompt.
MOST_TEXT = 2000
MEGABYTE = 1024 * 1024
# More files than any row of a field has, and any place in it.
FILES_A_ROW, FILES_A_PLACE = 100, 20
# Fields that are no settings: said elsewhere, filled in, or never asked for.
NOT_ASKED = {"const", "x-media", "x-same-as", "x-source", "x-hidden"}
# JSON Schema's words for what fields have to do with each other.
RULES_OVER_FIELDS = {
    *("required", "allOf", "anyOf", "oneOf", "not", "if", "then", "else"),
    *("dependencies", "dependentRequired", "dependentSchemas"),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """One value a setting may take: as KIE.AI wants it typed, and as people read it."""

    value: Any
    label: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Asked:
    """One thing that a mode asks for."""

    name: str  # ours: the form's field, the column, the API
    field: str  # KIE.AI's
    schema: Schema

    @property
    def label(self) -> str:
        label: str = self.schema["x-label"]
        return label

    @property
    def help(self) -> str:
        words: str = self.schema.get("x-help", "")
        return words

    @property
    def is_more(self) -> bool:
        return bool(self.schema.get("x-more"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting(Asked):
    """One thing a person can set."""

    # The part of a clip's entry that it says; "" for a field of its own.
    part: str = ""
    # What each row has, where the setting is a list of rows.
    columns: tuple["Setting", ...] = ()
    # A column that a row may leave empty.
    is_optional: bool = False

    @cached_property
    def row_slots(self) -> tuple["Slot", ...]:
        """The places for files in its rows, row by row."""
        parts = list(_media_in(self.schema["items"])) if self.columns else []
        return tuple(
            Slot(
                name="_".join((self.name, str(number), *([facts["x-name"]] if place else []))),
                field=self.field,
                schema={**facts, "x-label": f"{facts['x-label']}, {number}"},
                is_required=False,
                row=number - 1,
                part=part,
                place=place,
            )
            for number in range(1, self.most + 1)
            for place, (part, facts) in enumerate(parts)
        )

    @property
    def span(self) -> "Span | None":
        """Of its rows: which columns say what part of the row's clip counts."""
        said = self.schema.get("items", {}).get("x-span")
        if not said:
            return None
        column = {column.field: column for column in self.columns}
        start, end = column[said["from"]], column[said["to"]]
        return Span(start=start, end=end, least=said["least"], most=said["most"])

    @property
    def tells_which(self) -> bool:
        """Which result of the earlier task is meant? Only asked where there are several."""
        return bool(self.schema.get("x-which"))

    @property
    def when(self) -> str:
        """The switch without which it does not count; "" for none."""
        name: str = self.schema.get("x-when", "")
        return name

    @property
    def default(self) -> Any:
        return self.schema.get("default")

    @property
    def minimum(self) -> float | None:
        return self.schema.get("minimum")

    @property
    def maximum(self) -> float | None:
        return self.schema.get("maximum")

    @property
    def step(self) -> float | None:
        return self.schema.get("x-step") or self.schema.get("multipleOf")

    def usual_after(self, seconds: float) -> Any:
        """Its usual value where an earlier video of that length goes on; None: as everywhere."""
        if "x-after" not in self.schema:
            return None
        wanted = int(seconds) + self.schema["x-after"]
        low, high = self.minimum or 0, self.maximum
        return max(low, wanted if high is None else min(wanted, high))

    @property
    def longest(self) -> int:
        """In characters; of a list, each line's."""
        text = self.schema.get("items", self.schema)
        longest: int = text.get("maxLength", MOST_TEXT)
        return longest

    @property
    def most(self) -> int:
        """How many rows or lines there may be."""
        most: int = self.schema.get("maxItems", 1)
        return most

    @property
    def kind(self) -> Kind:
        if "enum" in self.schema:
            return "choice"
        match self.schema["type"]:
            case "boolean" | "integer" | "number" as simple:
                return simple  # type: ignore[no-any-return]  # one of Kind's words
            case "array":
                return "rows" if self.columns else "lines"
        return "text"

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        return tuple(Choice(value, self.words_for(value)) for value in self.schema.get("enum", ()))

    def words_for(self, value: Any) -> str:
        """This value as people read it."""
        if isinstance(value, bool):
            return "on" if value else "off"
        if self.kind == "text":
            return str(value)
        # Of rows and lines: how many.
        text = str(len(value) if isinstance(value, list) else value)
        if words := self.schema.get("x-words", {}).get(text):
            return str(words)
        if self.name in {"duration", "extend_seconds"}:
            return f"{text} s"
        return text[:1].upper() + text[1:]

    def accepts(self, value: Any) -> bool:
        """Could this value have been chosen here? Files of rows are chosen elsewhere."""
        if self.row_slots:
            return isinstance(value, list) and all(self._is_row(row) for row in value)
        try:
            self._validate(value)
        except fastjsonschema.JsonSchemaValueException:
            return False
        return not isinstance(value, str) or len(value) <= self.longest

    def takes(self, value: Any) -> bool:
        """Can a row have this in the column?"""
        return self.accepts(value) or (value is None and self.is_optional)

    def _is_row(self, row: Any) -> bool:
        names = {column.name for column in self.columns}
        return (
            isinstance(row, Mapping)
            and row.keys() <= names
            and all(column.takes(row.get(column.name)) for column in self.columns)
        )

    @cached_property
    def _validate(self) -> Callable[[Any], Any]:
        return compiled(self.schema)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From where to where of a row's clip: two columns, in milliseconds."""

    start: Setting
    end: Setting
    least: int
    most: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Slot(Asked):
    """One place for files that the video is made from: image, last_image, video, audio …"""

    is_required: bool
    # Where it is one of a list of rows: which row's, from 0 on, and which part of it.
    row: int | None = None
    part: str = ""
    # Its place among those of the row.
    place: int = 0

    @property
    def kind(self) -> str:
        """ "image", "video", "audio" or "document"."""
        kind: str = self.schema["x-media"]
        return kind

    @property
    def label_in_row(self) -> str:
        """Its label without the number of the row."""
        return self.label.rpartition(",")[0] or self.label

    @property
    def is_list(self) -> bool:
        return bool(self.schema["type"] == "array")

    @property
    def most(self) -> int:
        """How many files it takes."""
        most: int = self.schema.get("maxItems", 10) if self.is_list else 1
        return most

    @property
    def least(self) -> int:
        """How many files there have to be where there are any."""
        least: int = self.schema.get("x-least", 1)
        return least

    @property
    def media_types(self) -> tuple[str, ...]:
        """What is accepted; empty where KIE.AI does not say."""
        return tuple(self.schema.get("x-accept", ()))

    @property
    def most_bytes(self) -> int | None:
        megabytes = self.schema.get("x-max-mb")
        return megabytes * MEGABYTE if megabytes else None

    @property
    def least_pixels(self) -> int:
        """Of each side."""
        least: int = self.schema.get("x-min-px", 0)
        return least

    @property
    def aspect(self) -> tuple[float, float] | None:
        """Width by height, from and to."""
        return _pair(self.schema.get("x-aspect"))

    @property
    def seconds(self) -> tuple[float, float] | None:
        """How long a clip or sound may be, from and to, which may be infinite."""
        low, high = self.schema.get("x-duration-s") or (None, None)
        return None if low is None else (low, inf if high is None else high)

    @property
    def most_pages(self) -> int | None:
        """How many pages or slides a document may have; None where KIE.AI does not say."""
        return self.schema.get("x-max-pages")

    @property
    def first_position(self) -> int:
        """Where its files begin among those of its field: rows, and places in them, follow."""
        return FILES_A_ROW * (self.row or 0) + FILES_A_PLACE * self.place

    def as_sent(self, urls: list[str], parts: Mapping[str, Any]) -> Any:
        """These addresses as the field wants them; `parts` stand beside each in its entry."""
        if not self.is_list:
            return urls[0]
        has_entries = self.schema["items"]["type"] == "object"
        return [{"url": url, **parts} for url in urls] if has_entries else urls


@dataclass(frozen=True, slots=True)
class Violation:
    """How an input breaks its schema."""

    field: str  # KIE.AI's; "" where the rule is about several
    part: str  # of one of the field's entries; "" where it is about the field as a whole
    rule: str  # JSON Schema's word: enum, maximum, required …
    limit: Any
    value: Any
    message: str


def settings_in(schema: Schema) -> tuple[Setting, ...]:
    """What the form asks for beside the prompt and the files, in the schema's order."""
    found: list[Setting] = []
    for field, facts in schema["properties"].items():
        if facts.get("x-media") and facts.get("items", {}).get("type") == "object":
            found += _parts_of(field, facts)
        elif field != "prompt" and not NOT_ASKED & facts.keys():
            found.append(_setting(field, facts))
    return tuple(found)


def slots_in(schema: Schema) -> tuple[Slot, ...]:
    """What a video can be made from: whole fields in the schema's order, then those of rows."""
    whole = tuple(
        Slot(
            name=facts["x-name"],
            field=field,
            schema=facts,
            is_required=field in schema["required"],
        )
        for field, facts in schema["properties"].items()
        if "x-media" in facts and "x-hidden" not in facts
    )
    return whole + tuple(slot for each in settings_in(schema) for slot in each.row_slots)


def violation_of(error: fastjsonschema.JsonSchemaValueException) -> Violation:
    # The name of the whole, the field, which of its entries, and the part of that.
    _, field, _, part = (*error.path, "", "", "")[:4]
    return Violation(
        field=str(field),
        part=str(part),
        rule=str(error.rule),
        limit=error.rule_definition,
        value=error.value,
        message=error.message.removeprefix("data").lstrip("."),
    )


def compiled(schema: Schema) -> Callable[[Any], Any]:
    """A function that raises JsonSchemaValueException for what this schema does not take.

    Raises JsonSchemaDefinitionException for a schema that is none.
    """
    # The schemas' defaults are for the form: what is sent is what was chosen.
    validate: Callable[[Any], Any] = fastjsonschema.compile(
        dict(schema), use_default=False, use_formats=False
    )
    return validate


def _setting(field: str, schema: Schema) -> Setting:
    row: Schema = schema.get("items", {})
    return Setting(
        name=schema.get("x-name", field),
        field=field,
        schema=schema,
        columns=tuple(
            replace(_setting(name, facts), is_optional=name not in row["required"])
            for name, facts in row.get("properties", {}).items()
            if not NOT_ASKED & facts.keys()
        ),
    )


def _media_in(row: Schema) -> Iterator[tuple[str, Schema]]:
    """The parts of a row that take files; one that takes either kind stands there twice."""
    for part, facts in row["properties"].items():
        if "x-media" in facts:
            yield part, facts
        if "x-or" in facts:
            yield part, {"type": "array", "maxItems": 1, **facts["x-or"]}


def _parts_of(field: str, schema: Schema) -> list[Setting]:
    """What an entry says about its clip beside the address: from where to where, for example."""
    return [
        Setting(name=f"{schema['x-name']}_{part}", field=field, schema=facts, part=part)
        for part, facts in schema["items"]["properties"].items()
        if part != "url"
    ]


def _pair(value: list[float] | None) -> tuple[float, float] | None:
    return (value[0], value[1]) if value else None
