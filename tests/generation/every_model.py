"""Every model of KIE.AI as it is documented, beside the mode of the catalogue that stands for it.

tests/data/models.json has a row per model and kind of task, with the JSON Schema of its request.
"""

import json
from functools import cache
from itertools import combinations
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from gallery.models import MOST_RESULTS, InputFile, Status, Video
from generation.catalogue import PROVIDERS
from generation.request import PLACEHOLDER_URL, GenerationRequest

ROWS = json.loads((Path(__file__).parent.parent / "data" / "models.json").read_text("utf-8"))
# What the documentation says in words, beside its schema.
DOCUMENT_OR_PAGE = {"reference_file_urls", "reference_link_urls"}
for row in ROWS:
    if row["input_schema"]["properties"].keys() >= DOCUMENT_OR_PAGE:
        row["input_schema"]["not"] = {"required": sorted(DOCUMENT_OR_PAGE)}
ROW_OF = {(row["id"], row["task"]): row for row in ROWS}
MODES = [(provider, mode) for provider in PROVIDERS.values() for mode in provider.modes]
CALL_BACK = "https://studio.example/hook"
# Fields of the request as a whole, which the catalogue's schemas leave to the families.
ENVELOPE = {"model", "callBackUrl"}

each_mode = pytest.mark.parametrize(
    ("provider", "mode"),
    [pytest.param(p, mode, id=f"{p.key}-{mode.generation_type}") for p, mode in MODES],
)
each_row = pytest.mark.parametrize("row", [pytest.param(row, id=row["key"]) for row in ROWS])


def row_of(mode):
    return ROW_OF[mode.model, mode.generation_type]


def mode_of(row):
    """The provider and mode that stand for this row."""
    found = ((p, m) for p, m in MODES if (m.model, m.generation_type) == (row["id"], row["task"]))
    return next(found)


def example_of(row):
    """KIE.AI's own example, without what is no field of the input."""
    return {field: value for field, value in row["example"].items() if field not in ENVELOPE}


def body_of(row):
    """The example as the body of a creation."""
    if row["family"] == "market":
        return {"model": row["id"], "callBackUrl": CALL_BACK, "input": row["example"]}
    return row["example"]


@cache
def _validator(model, generation_type):
    return Draft202012Validator(ROW_OF[model, generation_type]["input_schema"])


def objection_of_kie(mode, fields):
    """What the documented schema has against a request of these fields; None: nothing.

    Another library than the product's reads another copy of the schema.
    """
    body = mode.family.body(mode.model, fields, CALL_BACK)
    error = next(
        _validator(mode.model, mode.generation_type).iter_errors(body.get("input", body)), None
    )
    return error and f"{list(error.path)}: {error.message}"


def usual_values(mode):
    """The defaults, and from KIE.AI's example what has none."""
    documented = mode.values_in(example_of(row_of(mode)))
    needed = {
        s.name: documented[s.name]
        for s in mode.settings
        if s.default is None and s.field in mode.input["required"]
    }
    return needed | {s.name: s.default for s in mode.settings if s.default is not None}


def needed_slots(mode):
    """As few slots as have to be filled."""
    slots = [slot.name for slot in mode.slots]
    every = (set(some) for count in range(len(slots) + 1) for some in combinations(slots, count))
    return next(filled for filled in every if not mode.error_in(fields_of(mode, filled)))


def fields_of(mode, filled):
    """KIE.AI's fields for the usual values, with one file in each of these slots."""
    urls = {name: [PLACEHOLDER_URL] for name in filled}
    values = usual_values(mode)
    return mode.input_for(prompt="a kite", values=values, urls=urls, source_task="earlier-task")


def usual_files(mode):
    """Files in the slots that have to be filled, as far as a request wants to know them."""
    needed = needed_slots(mode)
    return {slot.name: [a_file(slot)] for slot in mode.slots if slot.name in needed}


def a_file(slot, number=1):
    low, high = slot.seconds or (0, 10)
    is_shown = slot.kind in {"image", "video"}
    media_types = {"image": "image/jpeg", "video": "video/mp4", "audio": "audio/mpeg"}
    return InputFile(
        kind=slot.kind,
        file=f"inputs/1/{slot.name}-{number}",
        media_type=media_types.get(slot.kind, "application/pdf"),
        size=1000,
        width=1280 if is_shown else None,
        height=720 if is_shown else None,
        seconds=min(max(low, 5), high) if slot.kind in {"video", "audio"} else None,
        pages=slot.most_pages,
        digest=f"{slot.name}-{number}",
    )


def earlier_video(mode):
    """A finished video that this mode can go on from; None where it needs none."""
    if not mode.continues:
        return None
    model = mode.continues[0]
    video = Video(model=model, task_id="earlier-task", status=Status.COMPLETED, parameters={})
    # As many as any task has: each of them can be named.
    video.number_of_results = MOST_RESULTS
    return video


def usual_request(provider, mode, **facts):
    """A request of this mode; a test names only its own facts. Raises InvalidRequest."""
    usual = {
        "prompt": "a red kite",
        "values": usual_values(mode),
        "files": usual_files(mode),
        "parent": earlier_video(mode),
    }
    return GenerationRequest.checked(provider=provider, **usual | facts)
