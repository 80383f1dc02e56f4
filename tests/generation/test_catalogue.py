"""What can be chosen, what each choice accepts, and what it costs."""

import copy
import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from generation import catalogue
from generation.catalogue import (
    PROVIDERS,
    Price,
    family_of,
    offered,
    read_providers,
    refusal_of,
)

PICTURE = "https://studio.example/picture.png"
CREATE, VEO_CREATE = "/api/v1/jobs/createTask", "/api/v1/veo/generate"
MODES = [(key, mode) for key, provider in PROVIDERS.items() for mode in provider.modes]
FILE = json.loads(Path(catalogue.__file__).with_name("providers.json").read_text(encoding="utf-8"))

each_mode = pytest.mark.parametrize(
    "mode", [pytest.param(mode, id=f"{key}-{mode.generation_type}") for key, mode in MODES]
)


def defaults_of(mode):
    return {each.name: each.default for each in mode.settings if each.default is not None}


def input_for(mode, **values):
    """KIE.AI's fields for the mode's defaults, apart from what a test names."""
    pictures = [PICTURE] if mode.image_field else []
    chosen = defaults_of(mode) | values
    return mode.input_for(prompt="a red kite", values=chosen, image_urls=pictures)


def mode_of(key, *, has_image=False):
    return PROVIDERS[key].mode_for(has_image=has_image)


# --- Every service --------------------------------------------------------------------------


@each_mode
def test_the_defaults_of_each_mode_make_a_request_kie_would_take(mode):
    assert mode.error_in(input_for(mode)) is None


@each_mode
def test_each_default_is_one_of_the_choices(mode):
    for setting in mode.settings:
        values = [choice.value for choice in setting.choices]
        assert setting.default is None or not values or setting.default in values


@each_mode
def test_each_required_setting_has_a_default(mode):
    for setting in mode.settings:
        if setting.field in mode.input["required"]:
            assert setting.default is not None


@each_mode
def test_a_kind_of_input_is_named_after_what_it_takes(mode):
    assert mode.generation_type == ("img2vid" if mode.image_field else "text2vid")


@each_mode
def test_each_mode_refuses_a_field_it_does_not_know(mode):
    assert mode.error_in(input_for(mode) | {"unheard_of": 1}) is not None


@each_mode
def test_each_mode_wants_words_and_not_too_many(mode):
    fields = input_for(mode)

    assert mode.error_in(fields | {"prompt": ""}) is not None
    assert mode.error_in(fields | {"prompt": "x" * mode.longest_prompt}) is None
    assert mode.error_in(fields | {"prompt": "x" * (mode.longest_prompt + 1)}) is not None


@each_mode
def test_each_price_can_be_reached(mode):
    for price in mode.prices:
        made = mode.price(input_for(mode) | dict(price["when"]))
        assert made == Price(Decimal(str(price["usd"])))


@each_mode
def test_each_mode_knows_how_long_its_video_gets(mode):
    assert mode.seconds_of(input_for(mode)) > 0


@each_mode
def test_a_mode_without_a_picture_misses_it(mode):
    if mode.image_field:
        bare = mode.input_for(prompt="a red kite", values=defaults_of(mode))
        assert mode.image_field not in bare
        assert mode.error_in(bare) is not None


@pytest.mark.parametrize(
    ("key", "has_image", "model", "family"),
    [
        ("kie-veo3-fast", False, "veo3_fast", "veo"),
        ("kie-veo3-fast", True, "veo3_fast", "veo"),
        ("kie-veo3-quality", False, "veo3", "veo"),
        ("kie-veo3-quality", True, "veo3", "veo"),
        ("kie-veo3-lite", False, "veo3_lite", "veo"),
        ("kie-hailuo-text2vid", False, "hailuo/02-text-to-video-standard", "market"),
        ("kie-hailuo-img2vid", True, "hailuo/02-image-to-video-standard", "market"),
        ("kie-sora-2-pro-text2vid", False, "sora-2-pro-text-to-video", "market"),
        ("kie-sora-2-pro-img2vid", True, "sora-2-pro-image-to-video", "market"),
    ],
)
def test_the_keys_that_programs_use_stand_for_these_models(key, has_image, model, family):
    mode = mode_of(key, has_image=has_image)

    assert (mode.model, mode.family.name) == (model, family)
    assert family_of(model) is mode.family


def test_a_model_of_somebody_elses_has_no_family():
    with pytest.raises(KeyError):
        family_of("kling-2.6/text-to-video")


def test_retired_services_are_offered_to_whoever_asks_for_them(settings):
    usual = {provider.key for provider in offered()}
    settings.OFFER_RETIRED_SERVICES = True
    everything = {provider.key for provider in offered()}

    assert everything == set(PROVIDERS)
    assert everything - usual == {key for key in PROVIDERS if key.startswith("kie-sora-2")}


def test_a_service_says_whether_it_takes_or_needs_a_picture():
    facts = {
        key: (PROVIDERS[key].takes_image, PROVIDERS[key].needs_image)
        for key in ("kie-veo3-fast", "kie-hailuo-text2vid", "kie-hailuo-img2vid")
    }

    assert facts == {
        "kie-veo3-fast": (True, False),
        "kie-hailuo-text2vid": (False, False),
        "kie-hailuo-img2vid": (True, True),
    }


# --- What is sent ---------------------------------------------------------------------------


def test_veos_shape_is_sent_in_both_its_spellings():
    fields = input_for(mode_of("kie-veo3-fast"), aspect_ratio="9:16")

    assert fields["aspect_ratio"] == fields["aspectRatio"] == "9:16"


def test_a_twin_is_not_sent_without_its_field():
    fields = mode_of("kie-veo3-fast").input_for(prompt="a red kite", values={})

    assert fields == {"prompt": "a red kite", "generationType": "TEXT_2_VIDEO"}


def test_soras_length_is_sent_as_frames_in_a_string():
    mode = mode_of("kie-sora-2-pro-text2vid")

    fields = input_for(mode, duration="15", resolution="standard")

    assert (fields["n_frames"], fields["size"]) == ("15", "standard")
    assert "duration" not in fields
    assert mode.seconds_of(fields) == 15
    assert mode.error_in(fields) is None
    assert mode.error_in(fields | {"n_frames": 15}) is not None


def test_veos_length_is_sent_as_a_number():
    mode = mode_of("kie-veo3-fast")

    assert mode.error_in(input_for(mode, duration=4)) is None
    assert mode.error_in(input_for(mode, duration="4")) is not None


def test_pictures_are_sent_as_the_field_wants_them():
    pictures = [PICTURE, "https://studio.example/last.png"]

    one = mode_of("kie-hailuo-img2vid", has_image=True).input_for(
        prompt="p", values={}, image_urls=pictures
    )
    many = mode_of("kie-veo3-fast", has_image=True).input_for(
        prompt="p", values={}, image_urls=pictures
    )

    assert one["image_url"] == PICTURE
    assert many["imageUrls"] == pictures
    assert many["generationType"] == "FIRST_AND_LAST_FRAMES_2_VIDEO"


def test_values_nobody_asked_for_are_not_sent():
    mode = mode_of("kie-hailuo-text2vid")

    fields = input_for(mode, callBackUrl="https://evil.example", model="x")

    assert set(fields) == {"prompt", "duration", "nsfw_checker"}


def test_the_smaller_limit_of_a_picture_counts(settings):
    settings.INPUT_IMAGE_MAX_BYTES = 50 * 1024 * 1024
    hailuo = mode_of("kie-hailuo-img2vid", has_image=True)
    veo = mode_of("kie-veo3-fast", has_image=True)

    assert hailuo.most_image_bytes == 10 * 1024 * 1024
    assert veo.most_image_bytes == 50 * 1024 * 1024

    settings.INPUT_IMAGE_MAX_BYTES = 1024
    assert hailuo.most_image_bytes == 1024


# --- Prices ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "has_image", "values", "usd", "credits"),
    [
        ("kie-veo3-fast", False, {"resolution": "720p"}, "0.30", 60),
        ("kie-veo3-fast", True, {"resolution": "1080p"}, "0.325", 65),
        ("kie-veo3-quality", False, {"resolution": "4k"}, "1.85", 370),
        ("kie-veo3-lite", False, {"resolution": "720p"}, "0.15", 30),
        ("kie-hailuo-text2vid", False, {"duration": "10"}, "0.25", 50),
        (
            "kie-hailuo-2-3-pro-img2vid",
            True,
            {"duration": "6", "resolution": "1080P"},
            "0.40",
            80,
        ),
        ("kie-hailuo-02-pro-text2vid", False, {}, "0.285", 57),
    ],
)
def test_a_request_costs_what_kies_list_says(key, has_image, values, usd, credits):
    mode = mode_of(key, has_image=has_image)

    price = mode.price(input_for(mode, **values))

    assert (price.usd, price.credits) == (Decimal(usd), credits)


@pytest.mark.parametrize(
    ("key", "has_image", "values"),
    [
        ("kie-hailuo-img2vid", True, {"duration": "6", "resolution": "768P"}),
        ("kie-sora-2-pro-text2vid", False, {}),
    ],
)
def test_where_the_list_is_silent_the_price_is_unknown(key, has_image, values):
    mode = mode_of(key, has_image=has_image)

    assert mode.price(input_for(mode, **values)) is None


def test_the_cheapest_price_of_a_service_is_what_it_starts_from():
    assert PROVIDERS["kie-hailuo-img2vid"].cheapest == Price(Decimal("0.06"))
    assert PROVIDERS["kie-sora-2-text2vid"].cheapest is None


# --- What KIE.AI would refuse ---------------------------------------------------------------


def hailuo_body(**changes):
    body = {"model": "hailuo/02-text-to-video-standard"}
    return body | {"input": {"prompt": "a red kite", "duration": "6"}} | changes


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CREATE, hailuo_body()),
        (CREATE, hailuo_body(callBackUrl="https://studio.example/hook")),
        (VEO_CREATE, {"model": "veo3_fast", "prompt": "a red kite"}),
        (
            VEO_CREATE,
            {
                "model": "veo3_fast",
                "prompt": "a red kite",
                "generationType": "FIRST_AND_LAST_FRAMES_2_VIDEO",
                "imageUrls": [PICTURE],
                "callBackUrl": "https://studio.example/hook",
            },
        ),
    ],
)
def test_a_creation_kie_would_take_is_not_refused(path, body):
    assert refusal_of(path, body) == ""


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        (CREATE, {}, "model name you specified is not supported"),
        (CREATE, hailuo_body(model="hailuo/99"), "not supported"),
        (CREATE, hailuo_body(model=["hailuo"]), "not supported"),
        (VEO_CREATE, hailuo_body(), "not supported"),
        (CREATE, {"model": "veo3_fast", "prompt": "a red kite"}, "not supported"),
        ("/api/v1/elsewhere", hailuo_body(), "not supported"),
        (CREATE, hailuo_body(input="a red kite"), "This field is required"),
        (CREATE, hailuo_body(input={"prompt": "a red kite", "duration": 6}), "duration"),
        (CREATE, hailuo_body(input={"duration": "6"}), "prompt"),
        (VEO_CREATE, {"model": "veo3_fast", "prompt": "p", "duration": 5}, "duration"),
    ],
)
def test_a_creation_kie_would_refuse_is_refused_in_its_manner(path, body, words):
    refusal = refusal_of(path, body)

    assert words in refusal
    assert len(refusal) <= 300


# --- The file -------------------------------------------------------------------------------


def file_with(**changes):
    """A catalogue of one service with one mode, apart from what a test names."""
    entry = copy.deepcopy(next(e for e in FILE["providers"] if e["key"] == "kie-hailuo-text2vid"))
    entry["modes"][0] |= {k: v for k, v in changes.items() if k in {"family", "prices", "input"}}
    entry["modes"][0]["input"]["properties"] |= changes.get("fields", {})
    return json.dumps({"providers": [entry] * changes.get("times", 1)})


def test_a_file_of_its_own_is_read():
    assert list(read_providers(file_with())) == ["kie-hailuo-text2vid"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", ValueError),
        ("{}", KeyError),
        ('{"providers": [{"key": "kie-x"}]}', KeyError),
        (file_with(times=2), ValueError),
        (file_with(family="suno"), KeyError),
        (file_with(fields={"duration": {"type": "text"}}), ValueError),
        (file_with(fields={"duration": {"enum": "6"}}), ValueError),
        (file_with(fields={"duration": 6}), ValueError),
    ],
)
def test_a_file_that_would_not_work_is_refused_at_start(text, error):
    with pytest.raises(error):
        read_providers(text)


def test_a_price_per_second_is_multiplied_by_the_length():
    prices = [{"when": {}, "per": "second", "usd": 0.05}]
    provider = read_providers(file_with(prices=prices))["kie-hailuo-text2vid"]

    price = provider.modes[0].price({"prompt": "a red kite", "duration": "10"})

    assert price == Price(Decimal("0.50"))


# --- Whatever is chosen ---------------------------------------------------------------------


def valid_values(setting):
    if setting.choices:
        return st.sampled_from([choice.value for choice in setting.choices])
    if setting.kind == "boolean":
        return st.booleans()
    if setting.kind == "integer":
        return st.integers(setting.minimum, setting.maximum)
    return st.text(max_size=setting.longest)


def is_allowed(setting, value):
    """What the setting says about itself, without the schema's help."""
    if setting.choices:
        return not isinstance(value, bool) and value in [c.value for c in setting.choices]
    if setting.kind == "boolean":
        return isinstance(value, bool)
    if setting.kind == "integer":
        is_number = type(value) is int or (type(value) is float and value.is_integer())
        return is_number and setting.minimum <= value <= setting.maximum
    return isinstance(value, str) and len(value) <= setting.longest


ANYTHING = (
    st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=120)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.none(), max_size=2)
)


@st.composite
def chosen_settings(draw):
    mode = draw(st.sampled_from([mode for _, mode in MODES]))
    values = {}
    for setting in mode.settings:
        if setting.field in mode.input["required"] or draw(st.booleans()):
            values[setting.name] = draw(valid_values(setting))
    return mode, values


@settings(max_examples=150, deadline=None)
@given(chosen_settings())
def test_whatever_the_form_offers_kie_would_take(chosen):
    mode, values = chosen
    fields = mode.input_for(
        prompt="a red kite", values=values, image_urls=[PICTURE] if mode.image_field else []
    )

    error = mode.error_in(fields)

    # The one rule across two settings: Hailuo 2.3 has no ten seconds in 1080P.
    is_too_much = values.get("resolution") == "1080P" and values.get("duration") == "10"
    assert (error is not None) == is_too_much


@settings(max_examples=200, deadline=None)
@given(chosen_settings(), st.data())
def test_what_the_form_does_not_offer_is_refused(chosen, data):
    mode, values = chosen
    setting = data.draw(st.sampled_from(mode.settings))
    wrong = data.draw(ANYTHING.filter(lambda value: not is_allowed(setting, value)))

    error = mode.error_in(input_for(mode, **values) | {setting.field: wrong})

    assert error is not None


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([CREATE, VEO_CREATE]),
    st.fixed_dictionaries(
        {"model": st.sampled_from([mode.model for _, mode in MODES]) | JSON_VALUES},
        optional={"input": JSON_VALUES, "prompt": JSON_VALUES, "duration": JSON_VALUES},
    ),
)
def test_a_body_nobody_has_thought_of_gets_a_refusal_and_no_crash(path, body):
    assert isinstance(refusal_of(path, body), str)
