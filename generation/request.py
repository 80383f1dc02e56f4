"""What a person asked for: valid by construction, and the same for the form and for JSON."""

import hashlib
import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

from gallery.models import InputFile, Stage, Video
from generation.catalogue import PROVIDERS, Mode, Provider
from generation.inputs import InputRefused, refuse_what_does_not_fit
from generation.price_list import price_for
from generation.prices import Inputs, Price
from generation.rows import objections_in_rows
from generation.schema import Violation

# Stands in for a file's address where a request is checked before the file is uploaded.
PLACEHOLDER_URL = "https://studio.invalid/file"

# PostgreSQL refuses both: a zero byte, and half of a character outside the first plane.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")

# One click makes at most so many.
MOST_VARIATIONS = 4
# Price lists tell videos apart by these lines.
LINES = (480, 720, 1080, 1440, 2160)

type Files = Mapping[str, Sequence[InputFile]]


class InvalidRequest(Exception):
    """The request cannot be made like this; `errors` has a sentence per field of ours."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {why}" for field, why in errors.items()))
        self.errors = errors


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """A request KIE.AI would take: provider, mode, words, settings, files, an earlier video."""

    provider: Provider
    mode: Mode
    prompt: str
    values: Mapping[str, Any]
    # The files in each slot.
    files: Files = field(default_factory=dict)
    # What it was made from: the earlier video whose task goes on, or that was taken up otherwise.
    parent: Video | None = None
    # The how manieth of how many that were asked for with one click.
    place: int = 1
    number: int = 1

    @classmethod
    def checked(
        cls,
        *,
        provider: Provider,
        prompt: str,
        values: Mapping[str, Any],
        files: Files | None = None,
        parent: Video | None = None,
    ) -> Self:
        """The request for these values of ours, by name. Raises InvalidRequest."""
        filled = {name: given for name, given in (files or {}).items() if given}
        mode = provider.mode_for(filled.keys())
        if mode is None:
            raise InvalidRequest(objection_to_files(provider, filled))
        idle = mode.idle(values)
        values = {name: value for name, value in values.items() if name not in idle}
        errors = {
            slot.name: f"{provider.label} needs {_article(slot.label)}."
            for slot in mode.slots
            if slot.is_required and slot.name not in filled
        }
        errors |= _misfits(filled, mode=mode)
        prompt = prompt.strip()
        if why := _objection_to(prompt, provider=provider, mode=mode):
            errors["prompt"] = why
        if mode.source_field and (why := objection_to_going_on(parent, provider)):
            errors[""] = why
        if errors:
            raise InvalidRequest(errors)
        request = cls(
            provider=provider,
            mode=mode,
            prompt=prompt if mode.takes_prompt else "",
            values=values,
            files=filled,
            parent=parent,
        )
        if error := mode.error_in(request.fields):
            raise InvalidRequest(in_our_words(error, mode=mode, values=values))
        # What no schema can say.
        unfit = objections_in_rows(mode, values, filled)
        if errors := unfit | _missing_results(parent, values, mode=mode):
            raise InvalidRequest(errors)
        return request

    def variations(self, number: int) -> tuple[Self, ...]:
        """This request so many times over. A fixed seed would make them all equal: it moves on."""
        return tuple(
            replace(self, values=self._values_at(place), place=place, number=number)
            for place in range(1, number + 1)
        )

    def _values_at(self, place: int) -> Mapping[str, Any]:
        setting = next((s for s in self.mode.settings if s.name == "seed"), None)
        seed = self.values.get("seed")
        # Below zero it stands for a random one.
        if setting is None or not isinstance(seed, int) or seed < 0:
            return self.values
        low, high = int(setting.minimum or 0), int(setting.maximum or seed + place)
        # After the last one comes the first.
        return {**self.values, "seed": low + (seed - low + place - 1) % (high - low + 1)}

    @property
    def fields(self) -> dict[str, Any]:
        """KIE.AI's fields, with placeholders where the files' addresses will be."""
        return self.mode.input_for(
            prompt=self.prompt,
            values=self.values,
            urls={name: [PLACEHOLDER_URL] * len(given) for name, given in self.files.items()},
            source_task=self.parent.task_id if self.parent else "",
        )

    @property
    def inputs(self) -> Inputs:
        return inputs_in(self.files, parent=self.parent)

    @cached_property
    def price(self) -> Price | None:
        """What it costs, looked up once: what is checked against a limit is what is stored."""
        return price_for(self.provider, self.mode, self.fields, self.inputs)

    @property
    def file_bytes(self) -> int:
        """How much has to be handed to KIE.AI before it can be asked."""
        return sum(file.size or 0 for given in self.files.values() for file in given)

    @property
    def digest(self) -> str:
        """Equal for equal requests: what one idempotency key may stand for."""
        given = {name: [file.digest for file in files] for name, files in self.files.items()}
        facts: tuple[Any, ...] = (self.provider.key, self.fields, given)
        if self.number > 1:
            facts += (self.place, self.number)
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def as_columns(self) -> dict[str, Any]:
        """The video row that this request makes."""
        price = self.price
        seconds = self.mode.seconds_of(self.fields, self.inputs)
        return {
            "prompt": self.prompt or self._words_of_parent,
            "provider": self.provider.key,
            "model": self.mode.model,
            "family": self.mode.family.name,
            "generation_type": self.mode.generation_type,
            "parameters": dict(self.values),
            "aspect_ratio": str(self.values.get("aspect_ratio") or ""),
            "duration": round(seconds) if seconds else None,
            "cost_estimated": price.credits if price else None,
            "price_as_of": price.as_of if price else None,
            "request_digest": self.digest,
            "parent": self.parent,
        }

    @property
    def _words_of_parent(self) -> str:
        """What a video is found by whose service takes no words: those of what it shows."""
        return self.parent.prompt if self.parent and not self.mode.takes_prompt else ""

    def input_rows(self) -> list[dict[str, Any]]:
        """The video's rows of the files it is made from."""
        return [
            {
                "field": slot.field,
                "position": position,
                "source": file,
                "kind": file.kind,
                "file": str(file.file),
                "media_type": file.media_type,
                "width": file.width,
                "height": file.height,
                "seconds": file.seconds,
                "pages": file.pages,
                "digest": file.digest,
            }
            for slot in self.mode.slots
            for position, file in enumerate(
                self.files.get(slot.name, ()), start=slot.first_position
            )
        ]


def inputs_in(files: Files, *, parent: Video | None = None) -> Inputs:
    """What a price can depend on among these files."""
    every = [file for given in files.values() for file in given]
    return Inputs(
        counts={name: len(given) for name, given in files.items()},
        video_seconds=_total(every, "video"),
        audio_seconds=_total(every, "audio"),
        source_resolution=resolution_of(parent) if parent else "",
    )


def resolution_of(video: Video) -> str:
    """How fine this video is, as price lists say it: "480p" …; "" where nobody knows."""
    if chosen := video.parameters.get("resolution"):
        return str(chosen)
    if made := _resolution_made_by(video.provider):
        return made
    if not video.width or not video.height:
        return ""
    lines = min(video.width, video.height)
    return f"{min(LINES, key=lambda each: abs(each - lines))}p"


def _resolution_made_by(provider: str) -> str:
    return PROVIDERS[provider].modes[0].resolution if provider in PROVIDERS else ""


def can_go_on_from(video: Video | None, provider: Provider) -> bool:
    """Has KIE.AI a finished task of this video that the service can take up?"""
    return not objection_to_going_on(video, provider)


def objection_to_going_on(video: Video | None, provider: Provider) -> str:
    """Why this service cannot take up KIE.AI's task of this video; "" when it can."""
    mode = provider.modes[0]
    if video is None or video.model not in mode.continues:
        kind = f" made with {makers}" if (makers := _makers_of(mode.continues)) else ""
        return (
            f"{provider.label} goes on from an earlier video{kind}. Open one and choose it there."
        )
    if not video.task_id or not (video.is_completed or video.stage == Stage.SAVING):
        return "Only a finished video can be taken up."
    if video.is_past_kie:
        return "KIE.AI knows its videos for 14 days, and this one is older: it cannot take it up."
    if mode.not_after and (spoilt := {m for m, _ in video.made_into} & set(mode.not_after)):
        made = _resolution_of_model(spoilt.pop())
        return f"This video was made into {made}: KIE.AI cannot extend it any more after that."
    return ""


def _makers_of(models: Sequence[str]) -> str:
    labels = {p.label.partition(" ")[0] for p in PROVIDERS.values() if p.modes[0].model in models}
    return " or ".join(sorted(labels))


def _resolution_of_model(model: str) -> str:
    modes = (mode for provider in PROVIDERS.values() for mode in provider.modes)
    return next((mode.resolution for mode in modes if mode.model == model), "")


def _missing_results(
    parent: Video | None, values: Mapping[str, Any], *, mode: Mode
) -> dict[str, str]:
    """Where a result of the earlier task is named that it has not: what there is to choose."""
    which = [setting for setting in mode.settings if setting.tells_which]
    number = parent.number_of_results if parent and which else 1
    missing = [setting for setting in which if (values.get(setting.name) or 0) >= number]
    if number == 1:
        # It is not asked for then.
        return {"": "The earlier video is the only one of its task."} if missing else {}
    return {each.name: f"{each.label} can be 0 to {number - 1}." for each in missing}


def _total(files: list[InputFile], kind: str) -> float | None:
    lengths = [file.seconds for file in files if file.kind == kind]
    known = [length for length in lengths if length is not None]
    return sum(known) if known and len(known) == len(lengths) else None


def objection_to_files(provider: Provider, filled: Mapping[str, Any]) -> dict[str, str]:
    """Which of these files the service takes nowhere, or not together with the others."""
    known = {slot.name: slot.label for slot in provider.slots}
    foreign = [name for name in filled if name not in known]
    if foreign:
        return {
            name: f"{provider.label} takes no {SLOT_WORDS.get(name, 'file')}. "
            "Remove it, or choose another service."
            for name in foreign
        }
    labels = " and ".join(f"“{known[name]}”" for name in filled)
    return {"": f"{provider.label} does not take {labels} together. Please remove one of them."}


def _misfits(filled: Files, *, mode: Mode) -> dict[str, str]:
    """Why files do not fit into their slot: they may have been kept for another service's."""
    found = {}
    for slot in mode.slots:
        if slot.row is None and len(filled.get(slot.name, ())) > slot.most:
            found[slot.name] = f"{slot.label}: at most {slot.most}, please."
            continue
        try:
            for file in filled.get(slot.name, ()):
                refuse_what_does_not_fit(slot, file)
        except InputRefused as refused:
            found[slot.name] = str(refused)
    return found


SLOT_WORDS = {
    "image": "picture",
    "last_image": "last frame",
    "reference_images": "pictures for reference",
    "masks": "masks",
    "video": "clip",
    "reference_videos": "clips for reference",
    "audio": "recording",
    "reference_audios": "sounds for reference",
    "document": "document",
}


def _article(label: str) -> str:
    words = label[:1].lower() + label[1:]
    return words if words.endswith("s") or words.startswith("first and") else f"a {words}"


def _objection_to(prompt: str, *, provider: Provider, mode: Mode) -> str:
    """What is wrong with these words; "" when nothing is."""
    if not prompt:
        return "Describe the video you want." if mode.needs_prompt else ""
    if UNSTORABLE.search(prompt):
        return "The prompt has characters that cannot be stored."
    if mode.takes_prompt and len(prompt) > mode.longest_prompt:
        return (
            f"{provider.label} takes {mode.longest_prompt:,} characters; "
            f"this prompt has {len(prompt):,}. Please shorten it."
        )
    return ""


def conflict_in(values: Mapping[str, Any], *, mode: Mode, filled: Collection[str] = ()) -> str:
    """What does not go together among these settings, before anything else is known; "" if all.

    `filled`: the slots in which files stand.
    """
    rows = {s.field: len(values.get(s.name) or ()) for s in mode.settings if s.row_slots}
    every = {
        slot.name: [PLACEHOLDER_URL]
        for slot in mode.slots
        if slot.row is None or slot.row < rows[slot.field]
        if slot.name in filled or slot.field not in mode.kept_apart
    }
    # With all files there that may be, what is left to object to is about the settings.
    fields = mode.input_for(prompt="prompt", values=values, urls=every, source_task="task")
    error = mode.conflict_in(fields)
    if error is None:
        return ""
    return next(iter(in_our_words(error, mode=mode, values=values).values()))


def in_our_words(error: Violation, *, mode: Mode, values: Mapping[str, Any]) -> dict[str, str]:
    """What the schema objects to, as a sentence at the setting or the files it is about."""
    for setting in mode.settings:
        is_about_it = setting.field == error.field and setting.part in {"", error.part}
        if is_about_it and error.rule == "required":
            return {setting.name: f"{setting.label}: something is missing in one of the rows."}
        if is_about_it:
            cause = _cause_of(error, mode=mode, values=values)
            return {setting.name: _sentence(setting.label, error, setting.words_for, cause)}
        is_missing = error.rule == "required" and setting.field in error.limit
        if is_missing and values.get(setting.name) is None:
            return {setting.name: f"Please fill in “{setting.label}”."}
    for slot in mode.slots:
        if slot.field == error.field and slot.row is None:
            return {slot.name: _sentence(slot.label, error)}
    labels = _labels_named_in(error, mode=mode)
    if error.rule == "anyOf" and labels:
        return {"": f"Choose something for {' or '.join(labels)}."}
    if error.rule == "not" and labels:
        return {"": f"{' and '.join(labels)} do not go together. Please leave one of them out."}
    if error.field:
        return {error.field: _sentence(error.field, error)}
    return {"": "These settings do not go together. Please change one of them."}


def _labels_named_in(error: Violation, *, mode: Mode) -> list[str]:
    if error.rule not in {"anyOf", "not"}:
        return []
    entries = error.limit if isinstance(error.limit, list) else [error.limit]
    named = {field for entry in entries for field in entry.get("required", ())}
    labels = {s.field: s.label for s in mode.slots} | {s.field: s.label for s in mode.settings}
    return [f"“{label}”" for field, label in labels.items() if field in named]


def _cause_of(error: Violation, *, mode: Mode, values: Mapping[str, Any]) -> str:
    """The settings because of which this one cannot be so: "resolution 1080p"; "" for none."""
    causes = []
    for rule in mode.input.get("allOf", ()):
        if error.field not in rule.get("then", {}).get("properties", {}):
            continue
        conditions = rule.get("if", {}).get("properties", {})
        for setting in mode.settings:
            value = values.get(setting.name, setting.default)
            wanted = conditions.get(setting.field, {}).get("const")
            if value is not None and value == wanted:
                causes.append(f"{setting.label.lower()} {setting.words_for(value)}")
    return " and ".join(causes)


def _sentence(
    label: str, error: Violation, words_for: Callable[[Any], str] = str, cause: str = ""
) -> str:
    match error.rule:
        case "enum":
            only = f" with {cause}" if cause else ""
            return f"{label} can be {', '.join(map(words_for, error.limit))}{only}."
        case "const":
            return f"{label} has to be {words_for(error.limit)} with {cause or 'these settings'}."
        case "minimum":
            return f"{label} has to be {error.limit} or more."
        case "maximum":
            return f"{label} has to be {error.limit} or less."
        case "maxLength":
            return f"{label} can have {error.limit} characters."
        case "minLength":
            return f"{label} needs at least {error.limit} characters."
        case "maxItems":
            return f"{label}: at most {error.limit}, please."
        case "minItems":
            return f"{label}: at least {error.limit}, please."
    return f"{label} cannot be {error.value!r:.60}."
