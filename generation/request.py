"""What a person asked for: valid by construction, and the same for the form and for JSON."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from generation.catalogue import Mode, Price, Provider, Violation
from generation.pictures import Picture

# Stands in for the picture's address where a request is checked before the picture is uploaded.
PLACEHOLDER_URL = "https://studio.invalid/picture"

# PostgreSQL refuses both: a zero byte, and half of a character outside the first plane.
UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class InvalidRequest(Exception):
    """The request cannot be made like this; `errors` has a sentence per field of ours."""

    def __init__(self, errors: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {why}" for field, why in errors.items()))
        self.errors = errors


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """A request KIE.AI would take: provider, mode, words, settings, picture."""

    provider: Provider
    mode: Mode
    prompt: str
    values: Mapping[str, Any]
    picture: Picture | None = None

    @classmethod
    def checked(
        cls,
        *,
        provider: Provider,
        prompt: str,
        values: Mapping[str, Any],
        picture: Picture | None = None,
    ) -> Self:
        """The request for these values of ours, by name. Raises InvalidRequest."""
        mode = provider.mode_for(has_image=picture is not None)
        if mode is None:
            need = "needs a picture" if provider.needs_image else "takes no picture"
            raise InvalidRequest({"image": f"{provider.label} {need}."})
        prompt = prompt.strip()
        if not prompt:
            raise InvalidRequest({"prompt": "Describe the video you want."})
        if UNSTORABLE.search(prompt):
            raise InvalidRequest({"prompt": "The prompt has characters that cannot be stored."})
        if len(prompt) > mode.longest_prompt:
            raise InvalidRequest(
                {
                    "prompt": f"{provider.label} takes {mode.longest_prompt:,} characters; "
                    f"this prompt has {len(prompt):,}. Please shorten it."
                }
            )
        request = cls(provider=provider, mode=mode, prompt=prompt, values=values, picture=picture)
        if error := mode.error_in(request.fields):
            raise InvalidRequest(in_our_words(error, mode=mode, values=values))
        return request

    @property
    def fields(self) -> dict[str, Any]:
        """KIE.AI's fields, with a placeholder where the picture's address will be."""
        pictures = [PLACEHOLDER_URL] if self.picture else []
        return self.mode.input_for(prompt=self.prompt, values=self.values, image_urls=pictures)

    @property
    def price(self) -> Price | None:
        return self.mode.price(self.fields)

    @property
    def digest(self) -> str:
        """Equal for equal requests: what one idempotency key may stand for."""
        facts = (self.provider.key, self.fields, self.picture.digest if self.picture else "")
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def as_columns(self) -> dict[str, Any]:
        """The video row that this request makes."""
        price = self.price
        return {
            "prompt": self.prompt,
            "provider": self.provider.key,
            "model": self.mode.model,
            "family": self.mode.family.name,
            "generation_type": self.mode.generation_type,
            "parameters": dict(self.values),
            "aspect_ratio": str(self.values.get("aspect_ratio") or ""),
            "duration": self.mode.seconds_of(self.fields),
            "cost_estimated": price.credits if price else None,
            "request_digest": self.digest,
        }


def conflict_in(values: Mapping[str, Any], *, mode: Mode) -> str:
    """What does not go together among these settings, before anything else is known; "" if all."""
    pictures = [PLACEHOLDER_URL] if mode.image_field else []
    error = mode.error_in(mode.input_for(prompt="-", values=values, image_urls=pictures))
    return (
        "" if error is None else next(iter(in_our_words(error, mode=mode, values=values).values()))
    )


def in_our_words(error: Violation, *, mode: Mode, values: Mapping[str, Any]) -> dict[str, str]:
    """What the schema objects to, as a sentence at the setting it is about."""
    for setting in mode.settings:
        if setting.field == error.field:
            return {setting.name: _sentence(setting.label, error, setting.words_for)}
        is_missing = error.rule == "required" and setting.field in error.limit
        if is_missing and values.get(setting.name) is None:
            return {setting.name: f"Please choose: {setting.label.lower()}."}
    if error.field:
        return {error.field: _sentence(error.field, error)}
    return {"": "These settings do not go together. Please change one of them."}


def _sentence(label: str, error: Violation, words_for: Callable[[Any], str] = str) -> str:
    match error.rule:
        case "enum":
            return f"{label} can be {', '.join(map(words_for, error.limit))}."
        case "const":
            return f"{label} has to be {words_for(error.limit)} with these settings."
        case "minimum":
            return f"{label} has to be {error.limit} or more."
        case "maximum":
            return f"{label} has to be {error.limit} or less."
        case "maxLength":
            return f"{label} can have {error.limit} characters."
    return f"{label} cannot be {error.value!r:.60}."
