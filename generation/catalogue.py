"""What can be chosen, and what each choice accepts: providers.json, read and checked at start.

A provider is a choice on the form. It has one mode per kind of input; a mode is one model of
KIE.AI with the JSON Schema of its request. Everything else (the form's fields, what is checked,
the price) is read off that schema: adding a model is adding an entry to the file.

Beside JSON Schema's own words the schemas use these:
x-media      the field takes addresses of files of this kind ("image")
x-name       what we call the field everywhere else (KIE.AI's n_frames is our duration)
x-label, x-help   what people read
x-more       the field stands under "More settings"
x-same-as    sent with the value of that other field
x-max-mb, x-accept   limits of a file
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import fastjsonschema
from django.conf import settings

from generation.kie.families import FAMILIES, Family

USD_PER_CREDIT = Decimal("0.005")
# A text of a request that is no prompt.
MOST_TEXT = 2000


@dataclass(frozen=True, slots=True)
class Choice:
    """One value a setting may take: as KIE.AI wants it typed, and as people read it."""

    value: Any
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One thing a person can set for a mode."""

    name: str  # ours: the form's field, the column, the API
    field: str  # KIE.AI's
    label: str
    help: str
    kind: str  # JSON Schema's type: string, integer, number or boolean
    choices: tuple[Choice, ...]
    default: Any
    minimum: int | None
    maximum: int | None
    longest: int | None
    is_more: bool

    def words_for(self, value: Any) -> str:
        """This value as people read it."""
        return _words(self.name, value)

    def accepts(self, value: Any) -> bool:
        """Could this value have been chosen here?"""
        if self.choices:
            return any(choice.value == value for choice in self.choices)
        match self.kind:
            case "boolean":
                return isinstance(value, bool)
            case "integer" | "number":
                is_number = isinstance(value, int | float) and not isinstance(value, bool)
                low, high = self.minimum, self.maximum
                return is_number and (
                    (low is None or value >= low) and (high is None or value <= high)
                )
        return isinstance(value, str) and len(value) <= (self.longest or MOST_TEXT)


@dataclass(frozen=True, slots=True)
class Violation:
    """How an input breaks its schema."""

    field: str  # KIE.AI's; "" where the rule is about several
    rule: str  # JSON Schema's word: enum, maximum, required …
    limit: Any
    value: Any
    message: str


@dataclass(frozen=True, slots=True)
class Price:
    """What KIE.AI's price list says a request costs."""

    usd: Decimal

    def __str__(self) -> str:
        """To the cent, or further where the price goes further."""
        cents = round(self.usd, 2)
        return f"${cents:.2f}" if cents == self.usd else f"${self.usd.normalize():f}"

    @property
    def credits(self) -> Decimal:
        return self.usd / USD_PER_CREDIT


@dataclass(frozen=True)
class Mode:
    """One model of KIE.AI, for one kind of input."""

    generation_type: str
    family: Family
    model: str
    input: Mapping[str, Any]
    prices: tuple[Mapping[str, Any], ...]
    # The length where the model offers no choice of it.
    seconds: int | None = None

    @property
    def fields(self) -> Mapping[str, Mapping[str, Any]]:
        properties: Mapping[str, Mapping[str, Any]] = self.input["properties"]
        return properties

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        """What the form asks for beside the prompt and the picture, in the file's order."""
        return tuple(
            _setting(field, schema)
            for field, schema in self.fields.items()
            if field != "prompt" and not {"const", "x-media", "x-same-as"} & schema.keys()
        )

    @cached_property
    def image_field(self) -> str:
        """The field that takes the (first) picture; "" when this mode takes none."""
        media = (name for name, schema in self.fields.items() if schema.get("x-media") == "image")
        return next(media, "")

    @property
    def longest_prompt(self) -> int:
        longest: int = self.fields["prompt"]["maxLength"]
        return longest

    @property
    def most_image_bytes(self) -> int:
        megabytes: int | None = self.fields[self.image_field].get("x-max-mb")
        limit: int = settings.INPUT_IMAGE_MAX_BYTES
        return min(limit, megabytes * 1024 * 1024) if megabytes else limit

    def input_for(
        self, *, prompt: str, values: Mapping[str, Any], image_urls: Iterable[str] = ()
    ) -> dict[str, Any]:
        """The fields of KIE.AI's request for these values of ours, constants filled in."""
        named = {setting.field: values.get(setting.name) for setting in self.settings}
        made: dict[str, Any] = {"prompt": prompt}
        for field, schema in self.fields.items():
            if "const" in schema:
                made[field] = schema["const"]
            elif field == self.image_field and image_urls:
                many = list(image_urls)
                made[field] = many if schema["type"] == "array" else many[0]
            elif named.get(field) is not None:
                made[field] = named[field]
        for field, schema in self.fields.items():
            if (twin := schema.get("x-same-as")) and twin in made:
                made[field] = made[twin]
        return made

    def values_in(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Our values of a request that KIE.AI has taken, as far as they can be chosen here."""
        twins = {
            schema["x-same-as"]: fields.get(field)
            for field, schema in self.fields.items()
            if "x-same-as" in schema
        }
        given = {s.name: (s, fields.get(s.field, twins.get(s.field))) for s in self.settings}
        return {name: value for name, (setting, value) in given.items() if setting.accepts(value)}

    def error_in(self, fields: Mapping[str, Any]) -> Violation | None:
        """What is wrong with this input, by the schema; None when KIE.AI would take it."""
        try:
            self._validate(dict(fields))
        except fastjsonschema.JsonSchemaValueException as error:
            path = error.path[1:]
            return Violation(
                field=str(path[0]) if path else "",
                rule=str(error.rule),
                limit=error.rule_definition,
                value=error.value,
                message=error.message.removeprefix("data").lstrip("."),
            )
        return None

    def check_schema(self) -> None:
        """Raises ValueError for a schema that cannot be used."""
        try:
            self._validate({})
        except fastjsonschema.JsonSchemaDefinitionException as error:
            raise ValueError(f"{self.model}: {error}") from error
        except fastjsonschema.JsonSchemaValueException:
            return

    def price(self, fields: Mapping[str, Any]) -> Price | None:
        """What this input costs by the price list; None where the list is silent."""
        for price in self.prices:
            if all(fields.get(name) == value for name, value in price["when"].items()):
                usd = Decimal(str(price["usd"]))
                if price["per"] == "video":
                    return Price(usd)
                seconds = self.seconds_of(fields)
                return Price(usd * seconds) if seconds else None
        return None

    def seconds_of(self, fields: Mapping[str, Any]) -> int | None:
        """The length of the video that this input asks for."""
        named = {setting.name: fields.get(setting.field) for setting in self.settings}
        duration = named.get("duration")
        return int(duration) if duration is not None else self.seconds

    @cached_property
    def _validate(self) -> Callable[[Any], Any]:
        # The schemas' defaults are for the form: what is sent is what was chosen.
        validate: Callable[[Any], Any] = fastjsonschema.compile(
            dict(self.input), use_default=False, use_formats=False
        )
        return validate


@dataclass(frozen=True)
class Provider:
    """A choice on the form: a service in one of its qualities."""

    key: str
    label: str
    maker: str
    about: str
    is_retired: bool
    modes: tuple[Mode, ...]

    def mode_for(self, *, has_image: bool) -> Mode | None:
        """The mode for these inputs; None when the service cannot do it."""
        wanted = (mode for mode in self.modes if bool(mode.image_field) == has_image)
        return next(wanted, None)

    @property
    def takes_image(self) -> bool:
        return self.mode_for(has_image=True) is not None

    @property
    def needs_image(self) -> bool:
        return self.mode_for(has_image=False) is None

    @property
    def cheapest(self) -> Price | None:
        """The lowest price on its list, for "from $0.15"."""
        prices = [
            Decimal(str(price["usd"])) * (1 if price["per"] == "video" else mode.seconds or 1)
            for mode in self.modes
            for price in mode.prices
        ]
        return Price(min(prices)) if prices else None


def offered() -> list[Provider]:
    """The providers that can be chosen now, in the file's order."""
    return [
        provider
        for provider in PROVIDERS.values()
        if settings.OFFER_RETIRED_SERVICES or not provider.is_retired
    ]


def family_of(model: str, name: str = "") -> Family:
    """The family of that name, else the one this model is in. Raises KeyError for neither."""
    return FAMILIES[name] if name else _FAMILY_OF_MODEL[model]


def mode_of(model: str, fields: Mapping[str, Any]) -> tuple[Provider, Mode] | None:
    """The choice on the form that makes such a request; None for a model we do not offer."""
    same = [(p, mode) for p in PROVIDERS.values() for mode in p.modes if mode.model == model]
    # The mode with a picture where there is one, else the one without.
    same.sort(key=lambda entry: (entry[1].image_field in fields) != bool(entry[1].image_field))
    return same[0] if same else None


def refusal_of(path: str, body: Mapping[str, Any]) -> str:
    """Why KIE.AI would refuse this creation, in its manner; "" when it would take it."""
    modes = [mode for mode in _modes() if mode.family.create_path == path]
    same_model = [mode for mode in modes if mode.model == body.get("model")]
    if not same_model:
        return "The model name you specified is not supported."
    fields = body.get("input", {k: v for k, v in body.items() if k not in {"model", "callBackUrl"}})
    if not isinstance(fields, Mapping):
        return "This field is required"
    errors = [mode.error_in(fields) for mode in same_model]
    wrong = [error for error in errors if error is not None]
    if len(wrong) < len(errors):
        return ""
    return f"Validation failed: {wrong[0].message}"[:300]


def _setting(field: str, schema: Mapping[str, Any]) -> Setting:
    name = schema.get("x-name", field)
    return Setting(
        name=name,
        field=field,
        label=schema["x-label"],
        help=schema.get("x-help", ""),
        kind=schema["type"],
        choices=tuple(Choice(value, _words(name, value)) for value in schema.get("enum", ())),
        default=schema.get("default"),
        minimum=schema.get("minimum"),
        maximum=schema.get("maximum"),
        longest=schema.get("maxLength"),
        is_more=schema.get("x-more", False),
    )


def _words(name: str, value: Any) -> str:
    text = str(value)
    return f"{text} s" if name == "duration" else text[0].upper() + text[1:]


def _modes() -> Iterator[Mode]:
    for provider in PROVIDERS.values():
        yield from provider.modes


def read_providers(text: str) -> dict[str, Provider]:
    """The providers in this file, by key.

    Raises ValueError or KeyError for a file that would not work.
    """
    providers = {}
    for entry in json.loads(text)["providers"]:
        modes = tuple(
            Mode(
                generation_type=mode["generation_type"],
                family=FAMILIES[mode["family"]],
                model=mode["model"],
                input=mode["input"],
                prices=tuple(mode["prices"]),
                seconds=mode.get("seconds"),
            )
            for mode in entry["modes"]
        )
        for mode in modes:
            mode.check_schema()
        if entry["key"] in providers:
            raise ValueError(f"{entry['key']} stands there twice")
        providers[entry["key"]] = Provider(
            key=entry["key"],
            label=entry["label"],
            maker=entry["maker"],
            about=entry["about"],
            is_retired=entry["status"] == "retired",
            modes=modes,
        )
    return providers


_FILE = Path(__file__).with_name("providers.json").read_text(encoding="utf-8")
# The day of the price list that the estimates are made from.
PRICES_AS_OF = date.fromisoformat(json.loads(_FILE)["prices_as_of"])
PROVIDERS = read_providers(_FILE)
_FAMILY_OF_MODEL = {mode.model: mode.family for mode in _modes()}
