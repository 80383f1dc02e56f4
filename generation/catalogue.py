"""What can be chosen, and what each choice accepts: generation/providers, read at start.

A provider is a choice on the form. It has a mode per kind of input; a mode is one model of KIE.AI
with the JSON Schema of its request (generation/schema.py tells which words of our own stand in
it). Everything else (the form's fields, what is checked, the price) is read off that schema:
adding a model is adding an entry to the file of its maker.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import fastjsonschema
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from generation.kie.families import FAMILIES, Family
from generation.prices import (
    COMPUTED,
    NOTHING,
    Inputs,
    Price,
    PriceLine,
    Surcharge,
    billed_seconds,
)
from generation.schema import (
    RULES_OVER_FIELDS,
    Schema,
    Setting,
    Slot,
    Violation,
    compiled,
    settings_in,
    slots_in,
    violation_of,
)

FOLDER = Path(__file__).with_name("providers")

# The purposes that choices are grouped by, in the form's order.
PURPOSES = {
    "text2vid": "Text",
    "img2vid": "Picture",
    "ref2vid": "References",
    "vid2vid": "Clip",
    "lipsync": "Speech",
    "extend": "Go on",
    "upscale": "Enlarge",
}


@dataclass(frozen=True, kw_only=True)
class Mode:
    """One model of KIE.AI, for one kind of input."""

    generation_type: str
    family: Family
    model: str
    input: Schema
    prices: tuple[PriceLine, ...]
    # In seconds; or what it follows ("audio", "video", "frames") where no setting tells it.
    length: float | str | None = None
    # Is the length of the clips that it is made from charged as well?
    bills_input_video: bool = False
    surcharge: Surcharge | None = None
    # The models whose tasks it goes on from; empty when it needs no earlier task.
    continues: tuple[str, ...] = ()
    # The models that rule it out, once they have made something of the same task.
    not_after: tuple[str, ...] = ()
    # What it makes every video into: "1080p", "4K"; "" where that is not always the same.
    resolution: str = ""

    @property
    def fields(self) -> Mapping[str, Schema]:
        properties: Mapping[str, Schema] = self.input["properties"]
        return properties

    @cached_property
    def settings(self) -> tuple[Setting, ...]:
        return settings_in(self.input)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        return slots_in(self.input)

    def setting(self, name: str) -> Setting | None:
        return next((setting for setting in self.settings if setting.name == name), None)

    def slot(self, name: str) -> Slot | None:
        return next((slot for slot in self.slots if slot.name == name), None)

    def slot_at(self, field: str, position: int) -> Slot | None:
        """The slot that a video's file at this position of KIE.AI's field stands in."""
        mine = (slot for slot in self.slots if slot.field == field)
        at_most = [slot for slot in mine if slot.first_position <= position]
        return max(at_most, key=lambda slot: slot.first_position, default=None)

    @property
    def takes_prompt(self) -> bool:
        return "prompt" in self.fields

    @property
    def needs_prompt(self) -> bool:
        return bool(self.fields.get("prompt", {}).get("minLength"))

    @property
    def longest_prompt(self) -> int:
        """In characters; 0 when it takes none."""
        longest: int = self.fields.get("prompt", {}).get("maxLength", 0)
        return longest

    @property
    def varies(self) -> bool:
        """Is it another video each time that it is asked for in the same way?"""
        return self.generation_type != "upscale"

    @property
    def is_made_from_files(self) -> bool:
        return bool(self.slots) and not self.continues and self.generation_type != "text2vid"

    @cached_property
    def source_field(self) -> str:
        """The field for the earlier task's id; "" when it needs none."""
        return next((field for field, facts in self.fields.items() if "x-source" in facts), "")

    def is_satisfied_by(self, filled: Collection[str]) -> bool:
        """Are files in these slots what it needs, and nothing that it does not take?"""
        needed = {slot.name for slot in self.slots if slot.is_required}
        return self.takes(filled) and needed <= set(filled)

    def takes(self, filled: Collection[str]) -> bool:
        return set(filled) <= {slot.name for slot in self.slots}

    def places_for(self, kinds: Iterable[str]) -> list[str]:
        """A slot for a file of each of these kinds, in their order; none where one has no room."""
        mine = [slot for slot in self.slots if slot.row is None]
        room = Counter({slot.name: slot.most for slot in mine})
        places = []
        for kind in kinds:
            place = next((s.name for s in mine if s.kind == kind and room[s.name]), None)
            if place is None:
                return []
            room[place] -= 1
            places.append(place)
        return places if self.is_satisfied_by(places) else []

    def input_for(
        self,
        *,
        prompt: str,
        values: Mapping[str, Any],
        urls: Mapping[str, Sequence[str]] | None = None,
        source_task: str = "",
    ) -> dict[str, Any]:
        """The fields of KIE.AI's request for these values of ours, constants filled in.

        `urls`: the addresses of the files in each slot. `source_task`: the earlier task's id.
        """
        made: dict[str, Any] = {"prompt": prompt} if self._sends(prompt) else {}
        for setting in self.settings:
            value = values.get(setting.name)
            if value is not None and not setting.part:
                made[setting.field] = value
        for slot in self.slots:
            if given := list((urls or {}).get(slot.name, ())):
                if slot.row is None:
                    made[slot.field] = slot.as_sent(given, self._parts(slot, values))
                else:
                    made[slot.field] = _with_files(made.get(slot.field, []), slot, given)
        if self.source_field and source_task:
            made[self.source_field] = source_task
        for field, schema in self.fields.items():
            if "const" in schema:
                made[field] = schema["const"]
            elif "x-hidden" in schema and "default" in schema:
                made[field] = schema["default"]
            elif (twin := schema.get("x-same-as")) and twin in made:
                made[field] = made[twin]
        return made

    @cached_property
    def usual_values(self) -> dict[str, Any]:
        """Our values as long as nobody has chosen anything."""
        return {s.name: s.default for s in self.settings if s.default is not None}

    def _sends(self, prompt: str) -> bool:
        is_required = "prompt" in self.input["required"]
        return self.takes_prompt and (bool(prompt) or is_required)

    def _parts(self, slot: Slot, values: Mapping[str, Any]) -> dict[str, Any]:
        mine = (s for s in self.settings if s.part and s.field == slot.field)
        return {s.part: values.get(s.name, s.default) for s in mine}

    def values_in(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Our values of a request that KIE.AI has taken, as far as they can be chosen here."""
        twins = {
            schema["x-same-as"]: fields.get(field)
            for field, schema in self.fields.items()
            if "x-same-as" in schema
        }
        given = {
            s.name: (s, fields.get(s.field, twins.get(s.field)))
            for s in self.settings
            if not s.part
        }
        return {
            name: value
            for name, (setting, value) in given.items()
            if value is not None and setting.accepts(value)
        }

    def counts_in(self, fields: Mapping[str, Any]) -> dict[str, int]:
        """How many files a request that KIE.AI has taken names for each slot; of rows, none."""
        named = {s.name: fields.get(s.field) for s in self.slots if s.row is None}
        return {
            name: len(value) if isinstance(value, list) else 1
            for name, value in named.items()
            if value
        }

    def idle(self, values: Mapping[str, Any]) -> set[str]:
        """The settings that count only while a switch is on, where these values have it off."""
        return {s.name for s in self.settings if s.when and not values.get(s.when)}

    @cached_property
    def kept_apart(self) -> set[str]:
        """KIE.AI's fields that must not all be there together with certain others."""
        rules = (self.input, *self.input.get("allOf", ()))
        return {field for rule in rules for field in rule.get("not", {}).get("required", ())}

    def error_in(self, fields: Mapping[str, Any]) -> Violation | None:
        """What is wrong with this input, by the schema; None when KIE.AI would take it."""
        return _violation(self._validate, fields)

    def conflict_in(self, fields: Mapping[str, Any]) -> Violation | None:
        """What does not go together in this input, or is missing; each by itself is right."""
        return _violation(self._validate_together, fields)

    def check_schema(self) -> None:
        """Raises ValueError for an entry that cannot be used."""
        try:
            self._validate({})
        except fastjsonschema.JsonSchemaDefinitionException as error:
            raise ValueError(f"{self.model}: {error}") from error
        except fastjsonschema.JsonSchemaValueException:
            pass
        for setting in self.settings:
            if setting.default is not None and not setting.accepts(setting.default):
                raise ValueError(f"{self.model}: {setting.field} cannot be its own default")
        for line in self.prices:
            for name, value in line.when.items():
                if why := self.objection_to_condition(name, value):
                    raise ValueError(f"{self.model}: a price depends on {name}: {why}")

    def objection_to_condition(self, name: str, value: Any) -> str:
        """Why a price cannot depend on this field having that value; "" when it can."""
        schema = COMPUTED.get(name) or self.fields.get(name)
        if schema is None:
            return f"{self.model} has no field {name}"
        try:
            compiled(schema)(value)
        except fastjsonschema.JsonSchemaValueException:
            return f"{name} is never {json.dumps(value)}"
        return ""

    def price(
        self,
        fields: Mapping[str, Any],
        inputs: Inputs = NOTHING,
        *,
        lines: Sequence[PriceLine] | None = None,
    ) -> Price | None:
        """What this input costs by these lines of a price list; None where they are silent.

        Without lines: by the catalogue's own. What it costs now is price_for()'s to say.
        """
        full = {**self._defaults, **fields}
        listed = self.prices if lines is None else lines
        line = next((line for line in listed if line.fits(full, inputs)), None)
        if line is None:
            return None
        usd = line.usd
        if line.per == "second":
            seconds = billed_seconds(
                self.seconds_of(fields, inputs),
                inputs=inputs,
                with_input_video=self.bills_input_video,
            )
            if seconds is None:
                return None
            usd *= seconds
        if self.surcharge:
            beyond = max(inputs.count(self.surcharge.slot) - self.surcharge.free, 0)
            usd += self.surcharge.usd * beyond
        return Price(usd, line.as_of)

    def seconds_of(self, fields: Mapping[str, Any], inputs: Inputs = NOTHING) -> float | None:
        """The length of the video that this input asks for; None when only KIE.AI knows."""
        full = {**self._defaults, **fields}
        named = {setting.name: full.get(setting.field) for setting in self.settings}
        chosen = named.get("duration")
        if chosen is not None and float(chosen) > 0:
            return float(chosen)
        match self.length:
            case "audio":
                return inputs.audio_seconds
            case "video":
                return inputs.video_seconds
            case "frames":
                return float(full["num_frames"]) / float(full["frames_per_second"])
            case float() | int():
                return self.length
        return None

    @cached_property
    def _defaults(self) -> dict[str, Any]:
        return {f: schema["default"] for f, schema in self.fields.items() if "default" in schema}

    @cached_property
    def _validate(self) -> Callable[[Any], Any]:
        return compiled(self.input)

    @cached_property
    def _validate_together(self) -> Callable[[Any], Any]:
        # A form is shown far more often than sent: the whole validator is some hundred times
        # as large, and a process that has shown every model would keep each.
        return compiled({word: self.input[word] for word in RULES_OVER_FIELDS & self.input.keys()})


def _with_files(rows: Sequence[Mapping[str, Any]], slot: Slot, urls: list[str]) -> list[Any]:
    """These rows, with the addresses in the row that the slot belongs to."""
    number = slot.row or 0
    longer = [*rows, *({} for _ in range(number + 1 - len(rows)))]
    return [{**row, slot.part: urls} if n == number else row for n, row in enumerate(longer)]


@dataclass(frozen=True, kw_only=True)
class Provider:
    """A choice on the form: a service in one of its qualities."""

    key: str
    label: str
    maker: str
    about: str
    chips: tuple[str, ...]
    is_retired: bool
    modes: tuple[Mode, ...]

    def mode_for(self, filled: Collection[str] = ()) -> Mode | None:
        """The mode for files in these slots; None when the service cannot take them."""
        taking = [mode for mode in self.modes if mode.takes(filled)]
        satisfied = (mode for mode in taking if mode.is_satisfied_by(filled))
        return next(satisfied, None) or next(iter(taking), None)

    def nearest_mode(self, filled: Collection[str]) -> Mode:
        """The mode with a place for the most of these files, the first one of equals."""
        return max(self.modes, key=lambda mode: len({s.name for s in mode.slots} & set(filled)))

    def takes(self, places: Iterable[str]) -> bool:
        """Is there room for a file in each of these slots, named as often as it is for?"""
        counts = Counter(places)
        mode = self.mode_for(counts.keys())
        return mode is not None and all(
            counts[slot.name] <= slot.most for slot in mode.slots if slot.name in counts
        )

    @property
    def mark(self) -> str:
        """What its videos are, in a word, beside others: "Extended", "4K"; "" for all the rest."""
        if self.purpose == "upscale":
            return self.modes[0].resolution or "Enlarged"
        return "Extended" if self.purpose == "extend" else ""

    def mode_of_type(self, generation_type: str) -> Mode | None:
        same = (mode for mode in self.modes if mode.generation_type == generation_type)
        return next(same, None)

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """Every slot that any of its modes has, each once."""
        found: dict[str, Slot] = {}
        for mode in self.modes:
            for slot in mode.slots:
                found.setdefault(slot.name, slot)
        return tuple(found.values())

    @property
    def needed_slots(self) -> tuple[str, ...]:
        """The slots without which none of its modes can be used."""
        each = [{slot.name for slot in mode.slots if slot.is_required} for mode in self.modes]
        return tuple(sorted(set.intersection(*each)))

    @property
    def continues(self) -> tuple[str, ...]:
        """The models whose tasks it goes on from; empty when it needs no earlier task."""
        return self.modes[0].continues

    @property
    def purpose(self) -> str:
        return self.modes[0].generation_type

    @cached_property
    def purposes(self) -> str:
        """All of them, as a page wants them told."""
        return " ".join(mode.generation_type for mode in self.modes)

    @cached_property
    def room(self) -> str:
        """How many files each slot takes, as a page wants it told: "image:2 audio:1"."""
        return " ".join(f"{slot.name}:{slot.most}" for slot in self.slots)


def current() -> list[Provider]:
    """The providers that KIE.AI still has, in the file's order; the others too where settings say.

    Who may choose which of them is said in generation/offers.py.
    """
    return [
        provider
        for provider in PROVIDERS.values()
        if settings.OFFER_RETIRED_SERVICES or not provider.is_retired
    ]


def for_purpose(
    provider: Provider,
    purpose: str,
    places: Collection[str] = (),
    *,
    among: Iterable[Provider],
) -> Provider:
    """The same model for another purpose; else the first of these for it, else this one.

    Preferably one that takes a file in each of these slots.
    """
    choices = [p for p in among if p.mode_of_type(purpose) and not p.continues]
    fitting = [p for p in choices if p.takes(places)]
    return likeliest(provider, fitting or choices)


def taking(provider: Provider, places: Collection[str], *, among: Iterable[Provider]) -> Provider:
    """The same model in a choice that takes a file in each of these slots; else the first."""
    return likeliest(provider, [p for p in among if p.takes(places) and not p.continues])


def likeliest(provider: Provider, choices: Sequence[Provider]) -> Provider:
    """Of these the one most like it: the same model, else of the same maker; itself for none."""
    for alike in (
        lambda p: p.key == provider.key,
        lambda p: p.label == provider.label,
        lambda p: p.maker == provider.maker,
        lambda p: True,
    ):
        if found := next(filter(alike, choices), None):
            return found
    return provider


def slot_named(name: str, *, provider: Provider | None = None) -> Slot | None:
    """This service's slot of that name, else the first one that any service has."""
    choices = [*([provider] if provider else []), *PROVIDERS.values()]
    every = (slot for choice in choices for slot in choice.slots)
    return next((slot for slot in every if slot.name == name), None)


def family_of(model: str, name: str = "") -> Family:
    """The family of that name, else the one this model is in. Raises KeyError for neither."""
    return FAMILIES[name] if name else _FAMILY_OF_MODEL[model]


def mode_of(model: str, fields: Mapping[str, Any]) -> tuple[Provider, Mode] | None:
    """The choice on the form that makes such a request; None for a model we do not offer."""
    same = [(p, mode) for p in PROVIDERS.values() for mode in p.modes if mode.model == model]
    return min(same, key=lambda entry: _strangeness(entry[1], fields), default=None)


def _strangeness(mode: Mode, fields: Mapping[str, Any]) -> tuple[int, ...]:
    """How little a mode looks like the one these fields were made for; what weighs most first."""
    given = {field for field in fields.keys() & FILES if fields[field]}
    taken = {slot.field for slot in mode.slots}
    needed = {slot.field for slot in mode.slots if slot.is_required}
    others = [
        field
        for field, schema in mode.fields.items()
        if "const" in schema and fields.get(field, schema["const"]) != schema["const"]
    ]
    return len(others), len(given - taken), len(needed - given), len(taken - given)


def refusal_of(path: str, body: Mapping[str, Any]) -> str:
    """Why KIE.AI would refuse this creation, in its manner; "" when it would take it."""
    same_model = [mode for _, mode in choices_in(path, body)]
    if not same_model:
        return "The model name you specified is not supported."
    fields = fields_in(body)
    if not isinstance(fields, Mapping):
        return "This field is required"
    errors = [mode.error_in(fields) for mode in same_model]
    wrong = [error for error in errors if error is not None]
    if len(wrong) < len(errors):
        return ""
    return f"Validation failed: {wrong[0].message}"[:300]


def choices_in(path: str, body: Mapping[str, Any]) -> list[tuple[Provider, Mode]]:
    """The choices that send their creations there and for this model.

    Families whose requests name no model have one model each.
    """
    return [
        (provider, mode)
        for provider in PROVIDERS.values()
        for mode in provider.modes
        if mode.family.create_path == path and body.get("model", mode.family.model) == mode.model
    ]


def fields_in(body: Mapping[str, Any]) -> Any:
    """KIE.AI's fields in the body of a creation, as Mode.input_for() has made them."""
    beside = {"model", "callBackUrl"}
    return body.get("input", {name: v for name, v in body.items() if name not in beside})


def _modes() -> Iterator[Mode]:
    for provider in PROVIDERS.values():
        yield from provider.modes


def read_providers(
    text: str, *, fields: Mapping[str, Schema], prices_as_of: date
) -> dict[str, Provider]:
    """The providers in such a file, by key; `fields` has the words that stand for many schemas.

    Raises ValueError, naming the entry, for a file that would not work.
    """
    providers: dict[str, Provider] = {}
    for entry in json.loads(text):
        key = entry.get("key", "an entry without a key")
        try:
            if key in providers:
                raise ValueError("stands there twice")
            providers[key] = _provider(entry, fields=fields, prices_as_of=prices_as_of)
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise ValueError(f"{key}: {error!r}") from error
    return providers


def _provider(
    entry: Mapping[str, Any], *, fields: Mapping[str, Schema], prices_as_of: date
) -> Provider:
    kinds = [mode["generation_type"] for mode in entry["modes"]]
    if len(kinds) > len(set(kinds)):
        # By service and kind a mode is found again: for its videos, and for its prices.
        raise ValueError("two modes of the same kind")
    return Provider(
        key=entry["key"],
        label=entry["label"],
        maker=entry["maker"],
        about=entry["about"],
        chips=tuple(entry.get("chips", ())),
        is_retired=entry.get("status") == "retired",
        modes=tuple(
            _mode(mode, fields=fields, prices_as_of=prices_as_of) for mode in entry["modes"]
        ),
    )


def _mode(entry: Mapping[str, Any], *, fields: Mapping[str, Schema], prices_as_of: date) -> Mode:
    generation_type = entry["generation_type"]
    if generation_type not in PURPOSES:
        raise ValueError(f"no such generation type: {generation_type}")
    schema = dict(entry["input"])
    schema["properties"] = {
        # The entry's own words win.
        field: {**fields.get(field, {}), **facts}
        for field, facts in schema["properties"].items()
    }
    surcharge = entry.get("surcharge")
    mode = Mode(
        generation_type=generation_type,
        family=FAMILIES[entry["family"]],
        model=entry["model"],
        input=schema,
        prices=tuple(price_line(line, as_of=prices_as_of) for line in entry["prices"]),
        length=entry.get("length"),
        bills_input_video=entry.get("bills_input_video", False),
        surcharge=Surcharge(**surcharge | {"usd": Decimal(str(surcharge["usd"]))})
        if surcharge
        else None,
        continues=tuple(entry.get("continues", ())),
        not_after=tuple(entry.get("not_after", ())),
        resolution=entry.get("resolution", ""),
    )
    unnamed = [setting.field for setting in mode.settings if "x-label" not in setting.schema]
    if unnamed or any({"x-name", "x-label"} - slot.schema.keys() for slot in mode.slots):
        raise ValueError(f"a field without a label: {', '.join(unnamed) or 'a file'}")
    return mode


def _violation(validate: Callable[[Any], Any], fields: Mapping[str, Any]) -> Violation | None:
    try:
        validate(dict(fields))
    except fastjsonschema.JsonSchemaValueException as error:
        return violation_of(error)
    return None


def price_line(line: Mapping[str, Any], *, as_of: date) -> PriceLine:
    """One line of a price list. Raises KeyError, ValueError or ArithmeticError."""
    if line["per"] not in {"video", "second"}:
        raise ValueError(f"a price is per video or per second, not per {line['per']}")
    own_day = line.get("as_of")
    return PriceLine(
        when=line["when"],
        per=line["per"],
        usd=Decimal(str(line["usd"])),
        as_of=date.fromisoformat(own_day) if own_day else as_of,
    )


def read_folder(folder: Path) -> tuple[dict[str, Provider], date]:
    """All providers, maker by maker, and the day of the price list.

    Raises ImproperlyConfigured, naming the file and the entry, when something is wrong with them.
    """
    name = "catalogue.json"
    try:
        index = json.loads((folder / name).read_text(encoding="utf-8"))
        as_of = date.fromisoformat(index["prices_as_of"])
        providers: dict[str, Provider] = {}
        for maker in index["makers"]:
            name = f"{maker}.json"
            text = (folder / name).read_text(encoding="utf-8")
            found = read_providers(text, fields=index["fields"], prices_as_of=as_of)
            if twice := providers.keys() & found.keys():
                raise ValueError(f"{twice.pop()}: stands in another file too")
            providers |= found
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ImproperlyConfigured(f"generation/providers/{name}: {error}") from error
    return providers, as_of


# PRICES_AS_OF: the day of the price list that the estimates are made from.
PROVIDERS, PRICES_AS_OF = read_folder(FOLDER)
_FAMILY_OF_MODEL = {mode.model: mode.family for mode in _modes()}
# KIE.AI's fields that take files, of all models.
FILES = {slot.field for mode in _modes() for slot in mode.slots}
