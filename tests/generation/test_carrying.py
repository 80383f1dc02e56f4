"""What was chosen for one model, as far as another one takes it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.carrying import carry, nearest
from generation.catalogue import PROVIDERS
from tests.generation.every_model import MODES, each_mode, usual_values


def carried(values, *, to, before=None):
    """From one service to another, each in its first mode."""
    earlier = PROVIDERS[before].modes[0] if before else None
    return carry(values, to=PROVIDERS[to].modes[0], before=earlier)


def setting_of(key, name):
    return next(s for s in PROVIDERS[key].modes[0].settings if s.name == name)


@pytest.mark.parametrize(
    ("before", "to", "values", "kept"),
    [
        # The same, under another name or of another type.
        ("kie-veo3-fast", "kie-kling-3-0-text2vid", {"resolution": "4k"}, {"resolution": "4K"}),
        ("kie-wan-2-5-text2vid", "kie-wan-2-7-text2vid", {"duration": "10"}, {"duration": 10}),
        (
            "kie-veo3-fast",
            "kie-kling-3-0-text2vid",
            {"aspect_ratio": "9:16"},
            {"aspect_ratio": "9:16"},
        ),
        ("kie-veo3-fast", "kie-wan-2-5-text2vid", {"seed": "12345"}, {"seed": 12345}),
        (
            "kie-kling-3-0-text2vid",
            "kie-wan-2-7-text2vid",
            {"resolution": "std"},
            {"resolution": "720p"},
        ),
        (
            "kie-wan-2-5-text2vid",
            "kie-wan-2-7-text2vid",
            {"improve_prompt": True},
            {"improve_prompt": True},
        ),
    ],
)
def test_what_another_service_takes_is_kept_without_a_word(before, to, values, kept):
    found = carried(values, to=to, before=before)

    assert found.values == kept
    assert found.notes == ()


@pytest.mark.parametrize(
    ("before", "to", "values", "kept", "note"),
    [
        (
            "kie-hailuo-text2vid",
            "kie-veo3-fast",
            {"duration": "10"},
            {"duration": 8},
            "Length: 8 s in place of 10 s",
        ),
        (
            "kie-veo3-fast",
            "kie-hailuo-text2vid",
            {"duration": 4},
            {"duration": "6"},
            "Length: 6 s in place of 4 s",
        ),
        (
            "kie-veo3-fast",
            "kie-wan-2-7-text2vid",
            {"resolution": "4k"},
            {"resolution": "1080p"},
            "Resolution: 1080p in place of 4K",
        ),
        (
            "kie-seedance-2-5-text2vid",
            "kie-seedance-2-0-text2vid",
            {"duration": "30"},
            {"duration": 15},
            "Length: 15 s in place of 30 s",
        ),
    ],
)
def test_the_nearest_is_taken_and_said(before, to, values, kept, note):
    found = carried(values, to=to, before=before)

    assert (found.values, found.notes) == (kept, (note,))


@pytest.mark.parametrize(
    ("before", "to", "values", "note"),
    [
        (
            "kie-veo3-fast",
            "kie-hailuo-text2vid",
            {"seed": "12345"},
            "Seed (12345) is not offered here",
        ),
        (
            "kie-veo3-fast",
            "kie-hailuo-text2vid",
            {"aspect_ratio": "9:16"},
            "Shape (9:16) is not offered here",
        ),
        (
            "kie-kling-3-0-text2vid",
            "kie-veo3-fast",
            {"sound": True},
            "Sound (on) is not offered here",
        ),
        (
            "kie-kling-3-0-text2vid",
            "kie-veo3-fast",
            {"shots": [{"prompt": "a", "duration": 3}, {"prompt": "b", "duration": 3}]},
            "Shots (2) is not offered here",
        ),
        (
            "kie-wan-2-5-text2vid",
            "kie-veo3-fast",
            {"negative_prompt": "blur and noise and rain and anything else that is grey"},
            "Leave out (blur and noise and rain and anything els …) is not offered here",
        ),
    ],
)
def test_what_another_service_does_not_take_is_dropped_and_said(before, to, values, note):
    found = carried(values, to=to, before=before)

    assert (found.values, found.notes) == ({}, (note,))


@pytest.mark.parametrize(
    "values", [{"duration": 8}, {"resolution": "720p"}, {"seed": ""}, {"enableTranslation": False}]
)
def test_what_nobody_has_chosen_gives_way_to_the_other_services_own(values):
    found = carried(values, to="kie-seedance-2-5-text2vid", before="kie-veo3-fast")

    assert (found.values, found.notes) == ({}, ())


def test_what_was_switched_off_stays_off():
    found = carried(
        {"sound": False}, to="kie-seedance-2-5-text2vid", before="kie-seedance-2-0-text2vid"
    )

    assert (found.values, found.notes) == ({"sound": False}, ())


def test_from_an_address_values_are_taken_or_left_without_a_word():
    found = carried({"duration": "10", "seed": "1", "unheard_of": "x"}, to="kie-veo3-fast")

    assert (found.values, found.notes) == ({"duration": 8, "seed": 10000}, ())


@pytest.mark.parametrize(
    ("key", "name", "value", "found"),
    [
        ("kie-veo3-fast", "duration", "6", 6),
        ("kie-veo3-fast", "duration", "5", 4),
        ("kie-veo3-fast", "duration", "long", None),
        ("kie-veo3-fast", "aspect_ratio", "21:9", None),
        ("kie-veo3-fast", "resolution", "1440", "1080p"),
        ("kie-veo3-fast", "resolution", "high", "1080p"),
        ("kie-veo3-fast", "seed", "5", 10000),
        ("kie-veo3-fast", "seed", "1e9", 99999),
        ("kie-veo3-fast", "seed", "nan", None),
        ("kie-veo3-fast", "seed", "-inf", None),
        ("kie-veo3-fast", "seed", 10**400, None),
        ("kie-veo3-fast", "seed", "many", None),
        ("kie-veo3-fast", "seed", None, None),
        ("kie-veo3-fast", "watermark", "x" * 101, None),
        ("kie-veo3-fast", "watermark", "mine", "mine"),
        ("kie-kling-3-0-text2vid", "sound", True, True),
        ("kie-kling-3-0-text2vid", "sound", "yes", None),
        ("kie-kling-3-0-text2vid", "shots", "three", None),
        ("kie-kling-2-5-turbo-text2vid", "cfg_scale", "7", 1),
    ],
)
def test_the_nearest_value_of_a_setting(key, name, value, found):
    assert nearest(setting_of(key, name), value) == found


@each_mode
def test_nothing_changes_on_the_way_to_the_same_service(provider, mode):
    values = usual_values(mode)

    found = carry(values, to=mode)

    assert found.values == values
    assert found.notes == ()


ANYTHING = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=60),
    st.lists(
        st.dictionaries(st.sampled_from(["prompt", "duration"]), st.integers(0, 9)), max_size=2
    ),
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(MODES), st.sampled_from(MODES), st.data())
def test_whatever_was_there_another_service_takes_what_it_is_given(one, other, data):
    names = [setting.name for setting in one[1].settings]
    values = data.draw(st.dictionaries(st.sampled_from(names), ANYTHING) if names else st.just({}))

    found = carry(values, to=other[1], before=one[1])

    known = {setting.name: setting for setting in other[1].settings}
    assert all(known[name].accepts(value) for name, value in found.values.items())
    assert all(isinstance(note, str) and len(note) < 200 for note in found.notes)
