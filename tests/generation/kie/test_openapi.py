"""Which fields a model takes, read off KIE.AI's own description."""

import pytest

from generation.kie.openapi import Parameter, input_in, parameters_in, united

STRING = {"type": "string"}
INPUT = {"type": "object", "properties": {"prompt": STRING}, "required": ["prompt"]}


def document(schema, **components):
    content = {"application/json": {"schema": schema}}
    paths = {"/x": {"get": {}}, "/y": {"post": {"requestBody": {"content": content}}}}
    return {"paths": paths, "components": {"schemas": components}}


def names_in(found):
    return sorted(found["properties"])


def test_a_market_model_has_its_fields_in_input():
    found = input_in(document({"properties": {"model": STRING, "input": INPUT}}))

    assert found == INPUT


def test_other_models_have_them_side_by_side():
    fields = {"model": STRING, "callBackUrl": STRING, "prompt": STRING, "quality": STRING}

    found = input_in(document({"properties": fields, "required": ["model", "prompt"]}))

    assert (names_in(found), found["required"]) == (["prompt", "quality"], ["prompt"])


def test_references_are_followed():
    ratio = {"type": "string", "enum": ["16:9", "9:16"]}
    whole = {"properties": {"input": {"$ref": "#/components/schemas/Input"}}}
    given = {"properties": {"ratio": {"$ref": "#/components/schemas/Ratio"}}}

    found = input_in(document(whole, Input=given, Ratio=ratio))

    assert found["properties"]["ratio"] == ratio


def test_parts_are_put_together():
    seed = {"properties": {"seed": {"type": "integer"}}, "required": ["seed"]}

    found = input_in(document({"properties": {"input": {"allOf": [INPUT, seed]}}}))

    assert (names_in(found), found["required"]) == (["prompt", "seed"], ["prompt", "seed"])


@pytest.mark.parametrize("word", ["oneOf", "anyOf"])
def test_of_several_kinds_any_field_counts_and_what_all_need_is_needed(word):
    with_picture = {"properties": {"prompt": STRING, "image": STRING}, "required": ["image"]}

    found = input_in(document({"properties": {"input": {word: [INPUT, with_picture]}}}))

    assert (names_in(found), found["required"]) == (["image", "prompt"], [])


@pytest.mark.parametrize(
    "odd",
    [
        {},
        {"paths": []},
        {"paths": {"/x": None}},
        document(None),
        document({"properties": {}}),
        document({"properties": {"input": {"$ref": "#/components/schemas/Input"}}}),
        document({"$ref": "#/paths/~1y/post/requestBody/content/application~1json/schema"}),
        document({"$ref": "https://elsewhere.example/schema.json"}),
        document({"allOf": [{"$ref": "#/components/schemas/A"}] * 500}, A={"allOf": "all"}),
    ],
)
def test_a_description_that_describes_nothing_has_no_fields(odd):
    assert input_in(odd) is None


def test_a_description_that_contains_itself_comes_to_an_end():
    itself = {"$ref": "#/components/schemas/Input"}
    endless = {"properties": {"prompt": STRING}, "allOf": [itself] * 100, "oneOf": [itself] * 100}

    found = input_in(document({"properties": {"input": itself}}, Input=endless))

    assert names_in(found) == ["prompt"]


def test_a_parameter_says_what_it_may_hold():
    schema = {
        "properties": {
            "duration": {"type": ["null", "integer"], "minimum": 4, "maximum": 15},
            "ratio": {"type": "string", "enum": ["16:9", "1:1"]},
            "kind": {"const": "TEXT"},
            "prompt": {"type": "string", "maxLength": 500},
            "images": {"type": "array", "maxItems": 3},
            "odd": {"type": 7, "enum": "abc", "minimum": "low", "maximum": True},
        },
        "required": ["prompt", "unheard_of"],
    }

    found = parameters_in(schema)

    assert found == {
        "duration": Parameter(is_required=False, type="number", minimum=4, maximum=15),
        "ratio": Parameter(is_required=False, type="string", values=frozenset({'"16:9"', '"1:1"'})),
        "kind": Parameter(is_required=False, values=frozenset({'"TEXT"'})),
        "prompt": Parameter(is_required=True, type="string", longest=500),
        "images": Parameter(is_required=False, type="array", most=3),
        "odd": Parameter(is_required=False),
    }


def test_a_field_of_several_kinds_may_be_what_it_is_in_any_of_them():
    one = {"properties": {"n": {"type": "integer", "minimum": 4, "maximum": 8, "enum": [4, 8]}}}
    other = {"properties": {"n": {"type": "integer", "minimum": 2, "maxItems": 3, "const": 2}}}

    found = united([one, other])["properties"]["n"]

    assert found == {"type": "number", "minimum": 2, "enum": [4, 8, 2]}
