"""Which fields a model takes, read off the OpenAPI document that KIE.AI gives for it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

type Schema = Mapping[str, Any]

# JSON Schema's words for how much of it there may be.
LIMITS = ("minimum", "maximum", "maxLength", "maxItems")
# Beside a model's own fields in the body of a creation.
NOT_FIELDS = {"model", "callBackUrl"}
# A reference may lead to a reference; a part may have parts, so deep and so many.
MOST_STEPS, MOST_DEPTH, MOST_PARTS = 20, 3, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One field: what it may hold. What nobody says about it is None."""

    is_required: bool
    type: str | None = None
    # As JSON: "5" and 5 are two things.
    values: frozenset[str] | None = None
    minimum: float | None = None
    maximum: float | None = None
    # In characters, and in entries of a list.
    longest: float | None = None
    most: float | None = None


def parameters_in(schema: Schema) -> dict[str, Parameter]:
    """The fields of such a schema, by name."""
    required = set(_list(schema.get("required")))
    fields = _mapping(schema.get("properties"))
    return {
        name: _parameter(_mapping(facts), is_required=name in required)
        for name, facts in fields.items()
    }


def _parameter(facts: Schema, *, is_required: bool) -> Parameter:
    values = _values(facts)
    return Parameter(
        is_required=is_required,
        type=_type(facts.get("type")),
        values=frozenset(map(json.dumps, values)) if values else None,
        minimum=_number(facts.get("minimum")),
        maximum=_number(facts.get("maximum")),
        longest=_number(facts.get("maxLength")),
        most=_number(facts.get("maxItems")),
    )


def _values(facts: Schema) -> list[Any]:
    return _list(facts.get("enum")) or ([facts["const"]] if "const" in facts else [])


def _type(value: Any) -> str | None:
    """Whole numbers are numbers: KIE.AI's pages call the same field now one, now the other."""
    names = [name for name in (value if isinstance(value, list) else [value]) if name != "null"]
    name = next((name for name in names if isinstance(name, str)), None)
    return "number" if name == "integer" else name


def united(schemas: Sequence[Schema]) -> dict[str, Any]:
    """A schema of the fields that any of these has, each with what all of them say together."""
    fields: dict[str, dict[str, Any]] = {}
    for schema in schemas:
        for name, facts in _mapping(schema.get("properties")).items():
            plain = _plain(_mapping(facts))
            fields[name] = _either(fields[name], plain) if name in fields else plain
    required = [set(_list(schema.get("required"))) for schema in schemas]
    return {
        "type": "object",
        "properties": fields,
        "required": sorted(set.intersection(*required)) if required else [],
    }


def _plain(facts: Schema) -> dict[str, Any]:
    """What it says in these words, as far as it makes sense."""
    found = {
        "type": _type(facts.get("type")),
        "enum": _values(facts),
        **{name: _number(facts.get(name)) for name in LIMITS},
    }
    return {name: value for name, value in found.items() if value not in (None, [])}


def _either(one: Schema, other: Schema) -> dict[str, Any]:
    """What is true of a field that is as it is here or as it is there."""
    joined: dict[str, Any] = {}
    for name in one.keys() & other.keys():
        here, there = one[name], other[name]
        if name == "enum":
            joined[name] = [*here, *(value for value in there if value not in here)]
        elif name in LIMITS:
            joined[name] = min(here, there) if name == "minimum" else max(here, there)
        elif here == there:
            joined[name] = here
    return joined


def input_in(document: Schema) -> dict[str, Any] | None:
    """The schema of a creation's own fields in such a document; None where it has none."""
    for path in _mapping(document.get("paths")).values():
        body = _resolved(_mapping(_mapping(path).get("post")).get("requestBody"), document)
        for media in _mapping(body.get("content")).values():
            whole = _whole(_mapping(media).get("schema"), document)
            # Market models take their fields in `input`, the others side by side.
            inner = whole["properties"].get("input")
            found = whole if inner is None else _whole(inner, document)
            fields = {n: facts for n, facts in found["properties"].items() if n not in NOT_FIELDS}
            if fields:
                needed = [name for name in found["required"] if name in fields]
                return {"type": "object", "properties": fields, "required": needed}
    return None


def _whole(schema: Any, document: Schema, depth: int = MOST_DEPTH) -> dict[str, Any]:
    """An object's fields with those of its parts, references followed."""
    found = _resolved(schema, document)
    fields: dict[str, Any] = {}
    required = _list(found.get("required"))
    if depth:
        for part in _list(found.get("allOf"))[:MOST_PARTS]:
            more = _whole(part, document, depth - 1)
            fields |= more["properties"]
            required = [*required, *more["required"]]
        choices = [
            _whole(choice, document, depth - 1)
            for word in ("oneOf", "anyOf")
            for choice in _list(found.get(word))[:MOST_PARTS]
        ]
        if any(choice["properties"] for choice in choices):
            more = united(choices)
            fields |= more["properties"]
            required = [*required, *more["required"]]
    for name, facts in _mapping(found.get("properties")).items():
        fields[name] = _resolved(facts, document)
    return {"properties": fields, "required": required}


def _resolved(schema: Any, document: Schema) -> Schema:
    """What `#/components/…` refers to, or the schema itself."""
    for _ in range(MOST_STEPS):
        reference = _mapping(schema).get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            break
        schema = document
        for step in reference[2:].split("/"):
            schema = _mapping(schema).get(step.replace("~1", "/").replace("~0", "~"))
    return _mapping(schema)


def _mapping(value: Any) -> Schema:
    return value if isinstance(value, Mapping) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _number(value: Any) -> float | None:
    is_one = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_one else None
