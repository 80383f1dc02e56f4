"""The live catalogue, whatever shape it arrives in."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.kie.errors import KieUnclear
from generation.kie.live import (
    MOST_DEPTH,
    MOST_PROSE,
    read_models,
    read_price,
    read_schema,
    read_success_rate,
)
from tests.conftest import example

POINT = {
    "start": "2026-09-21T13:20:00Z",
    "end": "2026-09-21T13:30:00Z",
    "successRate": 97.5,
    "errorRate": 2.5,
    "isNormal": True,
}


@pytest.mark.parametrize("data", [None, [], "x", {}, {"models": None}, {"models": {}}], ids=str)
def test_a_catalogue_without_a_list_is_unclear(data):
    with pytest.raises(KieUnclear):
        read_models(data)


def test_what_names_no_model_is_left_out_and_counted():
    listed = read_models({"total": 4, "models": [{"model": "a/b"}, {"title": "x"}, None, 7]})

    assert [model.model for model in listed.models] == ["a/b"]
    assert listed.total == 4


@pytest.mark.parametrize("total", [None, -1, "2", True, 10**12])
def test_a_count_that_is_none_is_counted(total):
    assert read_models({"total": total, "models": [{"model": "a/b"}]}).total == 1


def test_a_model_may_have_no_schema():
    assert read_schema({"model": "m", "openapi": None}, model="m").openapi is None


@pytest.mark.parametrize("data", [None, [], {}, {"openapi": "3.0"}, {"openapi": []}], ids=str)
def test_a_schema_that_is_none_is_unclear(data):
    with pytest.raises(KieUnclear):
        read_schema(data, model="m")


def test_a_schema_is_kept_as_every_database_takes_it():
    document = {
        "a\x00": "b\ud800",
        "nan": math.nan,
        "deep": json.loads("[" * 99 + "]" * 99),
        "huge": 10**400,
        "enum": [1, 2.5, True, None, "x"],
    }

    kept = read_schema({"openapi": document}, model="m").openapi

    assert kept["a"] == "b"
    assert kept["nan"] is kept["huge"] is None
    assert kept["enum"] == [1, 2.5, True, None, "x"]
    assert json.dumps(kept["deep"]).count("[") < MOST_DEPTH


def test_a_price_is_prose_or_nothing():
    assert read_price({"pricingDesc": "160\x00 credits"}, model="m").pricing == "160 credits"
    assert read_price({"pricingDesc": None}, model="m").pricing == ""
    assert len(read_price({"pricingDesc": "x" * 10**5}, model="m").pricing) == MOST_PROSE
    with pytest.raises(KieUnclear):
        read_price(None, model="m")


@pytest.mark.parametrize(
    ("figure", "rate"),
    [(97.5, 97.5), (0, 0.0), (1, 1.0)]
    + [(odd, None) for odd in (None, "97", True, -1, 101, math.nan, math.inf, 10**400)],
)
def test_a_rate_is_a_figure_or_nothing(figure, rate):
    read = read_success_rate({"points": [POINT | {"successRate": figure}]}, model="m")

    assert read.points[0].success_rate == rate


def test_a_point_without_its_time_is_left_out():
    points = [POINT, POINT | {"start": "soon"}, None, {}]

    read = read_success_rate({"points": points}, model="m")

    assert len(read.points) == 1


@pytest.mark.parametrize("data", [None, {}, {"points": None}, {"points": "x"}], ids=str)
def test_a_success_rate_without_points_is_unclear(data):
    with pytest.raises(KieUnclear):
        read_success_rate(data, model="m")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(), max_size=5), inner, max_size=3)
        | st.fixed_dictionaries({}, optional=dict.fromkeys(POINT, inner))
        | st.fixed_dictionaries(
            {},
            optional=dict.fromkeys(example("models_list_ok")["data"]["models"][0], inner),
        )
    ),
    max_leaves=12,
)


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({}, optional=dict.fromkeys(("models", "total"), VALUES)) | VALUES)
def test_any_catalogue_reads_as_something_storable_or_as_unclear(data):
    try:
        listed = read_models(data)
    except KieUnclear:
        return

    told = repr(listed).encode()
    assert b"\\x00" not in told
    assert 0 <= listed.total < 10**9


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({"points": st.lists(VALUES)}) | VALUES)
def test_any_success_rate_reads_as_one_or_as_unclear(data):
    try:
        read = read_success_rate(data, model="m")
    except KieUnclear:
        return

    for point in read.points:
        for rate in (point.success_rate, point.error_rate):
            assert rate is None or 0 <= rate <= 100


@settings(max_examples=300, deadline=None)
@given(st.fixed_dictionaries({"openapi": VALUES}))
def test_any_schema_reads_as_something_storable_or_as_unclear(data):
    try:
        kept = read_schema(data, model="m").openapi
    except KieUnclear:
        return

    text = json.dumps(kept, allow_nan=False, ensure_ascii=False)
    text.encode()
    assert "\\u0000" not in json.dumps(kept)
