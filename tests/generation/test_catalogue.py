"""What can be chosen, and what each choice accepts: every model of KIE.AI as it is documented."""

import copy
import json
from collections import Counter
from datetime import date
from itertools import groupby

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import given, settings
from hypothesis import strategies as st

from generation import checks
from generation.catalogue import (
    FOLDER,
    PROVIDERS,
    PURPOSES,
    current,
    family_of,
    for_purpose,
    mode_of,
    read_folder,
    read_providers,
    refusal_of,
    slot_named,
    taking,
)
from generation.kie.families import FAMILIES
from generation.request import PLACEHOLDER_URL, InvalidRequest, conflict_in
from tests.generation import every_model
from tests.generation.every_model import (
    MODES,
    ROWS,
    each_mode,
    each_row,
    needed_slots,
    objection_of_kie,
    row_of,
    usual_files,
    usual_request,
    usual_values,
)

CREATE, VEO_CREATE = "/api/v1/jobs/createTask", "/api/v1/veo/generate"
PICTURE = "https://studio.example/picture.png"


def first_mode(key, *filled):
    return PROVIDERS[key].mode_for(filled)


# --- All of KIE.AI, and nothing else --------------------------------------------------------


def test_every_model_of_kie_is_in_the_catalogue_once():
    offered_here = Counter((mode.model, mode.generation_type) for _, mode in MODES)

    assert offered_here == Counter((row["id"], row["task"]) for row in ROWS)


@each_row
def test_each_model_is_asked_for_where_kie_takes_it(row):
    _, mode = every_model.mode_of(row)

    assert mode.family.create_path == row["create"]["path"]
    assert mode.family.status_path == row["status_path"]


# Named twice by KIE.AI, or about tasks that make pictures: never of use to anybody here.
LEFT_OUT = {
    "grok-imagine/image-to-video": {"task_id", "index"},
    "happyhorse/reference-to-video": {"image_urls"},
}


@each_row
def test_each_field_of_kies_is_known(row):
    _, mode = every_model.mode_of(row)

    documented = row["input_schema"]["properties"].keys() - every_model.ENVELOPE

    assert documented - mode.fields.keys() == LEFT_OUT.get(row["key"], set())
    assert mode.fields.keys() - documented == set()


def test_only_what_kie_still_makes_is_offered(settings):
    retired = {row["id"] for row in ROWS if row["status"] == "retired"}
    usual = current()
    settings.OFFER_RETIRED_SERVICES = True
    everything = current()

    assert everything == list(PROVIDERS.values())
    left_out = [provider for provider in everything if provider not in usual]
    assert {mode.model for provider in left_out for mode in provider.modes} == retired
    assert not retired & {mode.model for provider in usual for mode in provider.modes}


def test_makers_stand_together_and_in_the_files_order():
    makers = [provider.maker for provider in PROVIDERS.values()]

    assert makers[0] == "Google"
    assert len([maker for maker, _ in groupby(makers)]) == len(set(makers))


@pytest.mark.parametrize(
    ("key", "filled", "model", "family"),
    [
        ("kie-veo3-fast", (), "veo3_fast", "veo"),
        ("kie-veo3-fast", ("image",), "veo3_fast", "veo"),
        ("kie-veo3-fast", ("reference_images",), "veo3_fast", "veo"),
        ("kie-veo3-quality", (), "veo3", "veo"),
        ("kie-veo3-quality", ("image",), "veo3", "veo"),
        ("kie-veo3-lite", (), "veo3_lite", "veo"),
        ("kie-hailuo-text2vid", (), "hailuo/02-text-to-video-standard", "market"),
        ("kie-hailuo-img2vid", ("image",), "hailuo/02-image-to-video-standard", "market"),
        ("kie-sora-2-pro-text2vid", (), "sora-2-pro-text-to-video", "market"),
        ("kie-sora-2-pro-img2vid", ("image",), "sora-2-pro-image-to-video", "market"),
    ],
)
def test_the_keys_that_programs_use_stand_for_these_models(key, filled, model, family):
    mode = PROVIDERS[key].mode_for(filled)

    assert (mode.model, mode.family.name) == (model, family)
    assert family_of(model) is mode.family


def test_a_model_of_somebody_elses_has_no_family():
    with pytest.raises(KeyError):
        family_of("midjourney/video")


def test_a_task_can_name_its_family_itself():
    assert family_of("midjourney/video", "runway") is FAMILIES["runway"]


# --- What a choice takes --------------------------------------------------------------------


@each_mode
def test_each_kind_of_input_can_be_reached(provider, mode):
    assert provider.mode_for(needed_slots(mode)) is mode
    assert provider.mode_of_type(mode.generation_type) is mode


@each_mode
def test_each_mode_is_for_a_purpose_that_its_files_fit(provider, mode):
    kinds = {slot.kind for slot in mode.slots}

    assert mode.generation_type in PURPOSES
    match mode.generation_type:
        case "text2vid":
            assert not needed_slots(mode)
        case "img2vid":
            assert "image" in kinds
        case "vid2vid":
            assert "video" in kinds
        case "lipsync":
            assert "audio" in kinds
        case "extend" | "upscale":
            assert mode.continues or "video" in kinds


@each_mode
def test_what_goes_on_from_a_task_says_from_which_ones(provider, mode):
    models = {mode.model for _, mode in MODES}

    assert bool(mode.source_field) == bool(mode.continues)
    assert set(mode.continues) <= models


@each_mode
def test_everything_that_is_asked_for_has_words(provider, mode):
    asked = [*mode.settings, *mode.slots]
    asked += [column for setting in mode.settings for column in setting.columns]

    assert all(each.label and each.label[0].isupper() for each in asked)
    assert len({setting.name for setting in mode.settings}) == len(mode.settings)
    assert len({slot.name for slot in mode.slots}) == len(mode.slots)
    assert not {setting.name for setting in mode.settings} & {slot.name for slot in mode.slots}


@each_mode
def test_each_default_is_one_of_the_choices(provider, mode):
    for setting in mode.settings:
        values = [choice.value for choice in setting.choices]
        assert setting.default is None or not values or setting.default in values


@each_mode
def test_what_has_to_be_set_is_set_from_the_start(provider, mode):
    """Apart from scenes, which only a person can write."""
    for setting in mode.settings:
        if setting.field in mode.input["required"] and setting.kind != "rows":
            assert setting.default is not None


def test_a_service_takes_the_files_of_any_of_its_modes():
    veo = PROVIDERS["kie-veo3-fast"]

    assert veo.room == "image:2 reference_images:3"
    assert veo.purposes == "text2vid img2vid ref2vid"
    assert veo.mode_for(["video"]) is None
    assert veo.mode_for(["image", "reference_images"]) is None
    assert veo.needed_slots == ()
    assert PROVIDERS["kie-hailuo-img2vid"].needed_slots == ("image",)


def test_the_files_choose_a_service_that_is_like_the_one_before():
    text = PROVIDERS["kie-hailuo-text2vid"]

    assert taking(text, {"image"}, among=current()).key == "kie-hailuo-img2vid"
    assert taking(text, ["image", "image"], among=current()).room.count("image:2")
    assert taking(text, set(), among=current()) is text
    assert taking(text, {"video"}, among=current()).mode_for({"video"})
    assert taking(text, {"video", "audio", "masks"}, among=current()) is text


def test_a_purpose_chooses_a_service_that_is_like_the_one_before():
    text = PROVIDERS["kie-kling-3-0-text2vid"]

    assert for_purpose(text, "img2vid", among=current()).key == "kie-kling-3-0-img2vid"
    assert for_purpose(text, "vid2vid", among=current()).maker == text.maker
    assert for_purpose(text, "lipsync", among=current()).mode_of_type("lipsync")
    assert for_purpose(text, "nonsense", among=current()) is text


def test_a_purpose_prefers_a_service_that_takes_the_files():
    text = PROVIDERS["kie-hailuo-text2vid"]

    assert for_purpose(text, "lipsync", {"video"}, among=current()).mode_for({"video"})
    assert for_purpose(text, "extend", {"video"}, among=current()).key == "kie-wan-2-7-extend"
    assert (
        for_purpose(text, "img2vid", {"image", "last_image"}, among=current()).key
        == "kie-hailuo-img2vid"
    )
    # Files that none of them takes are shown to be removed.
    assert (
        for_purpose(text, "text2vid", {"image"}, among=current()).modes[0].generation_type
        == "text2vid"
    )


def test_what_goes_on_from_a_task_is_not_chosen_by_its_purpose():
    veo = PROVIDERS["kie-veo3-fast"]

    assert for_purpose(veo, "upscale", {"video"}, among=current()).key == "kie-topaz-upscale"
    assert not for_purpose(veo, "extend", among=current()).continues


def test_a_slot_is_the_chosen_services_own_where_it_has_one():
    seedance = PROVIDERS["kie-seedance-2-0-ref2vid"]

    assert slot_named("reference_images", provider=seedance).most == 9
    assert slot_named("video", provider=seedance).kind == "video"
    assert slot_named("nonsense") is None


def test_a_task_made_elsewhere_is_told_by_its_model_and_files():
    words, _ = mode_of("veo3_fast", {"prompt": "p"}), None
    still = mode_of("veo3_fast", {"prompt": "p", "imageUrls": [PICTURE]})

    assert words[1].generation_type == "text2vid"
    assert still[1].generation_type == "img2vid"
    assert mode_of("midjourney/video", {}) is None


@each_mode
def test_each_mode_is_told_by_what_is_handed_to_it(provider, mode):
    needed = needed_slots(mode)
    more = [set(), *({slot.name} for slot in mode.slots if slot.row is None)]
    requests = [every_model.fields_of(mode, needed | some) for some in more]
    possible = [fields for fields in requests if mode.error_in(fields) is None]

    assert possible
    assert [mode_of(mode.model, fields)[1].generation_type for fields in possible] == [
        mode.generation_type for _ in possible
    ]


# --- Requests that KIE.AI takes -------------------------------------------------------------


@each_mode
def test_the_defaults_of_each_mode_make_a_request_kie_would_take(provider, mode):
    request = usual_request(provider, mode)

    assert request.mode is mode
    assert objection_of_kie(mode, request.fields) is None


@each_row
def test_each_example_of_kies_is_taken_as_it_is(row):
    _, mode = every_model.mode_of(row)

    assert mode.error_in(every_model.example_of(row)) is None
    assert refusal_of(row["create"]["path"], every_model.body_of(row)) == ""


@each_row
def test_the_settings_of_each_example_are_found_again(row):
    """What a person made elsewhere can be made here again."""
    _, mode = every_model.mode_of(row)
    example = every_model.example_of(row)

    values = mode.values_in(example)

    again = mode.input_for(prompt="p", values=values)
    assert {s.field for s in mode.settings if not s.part} & example.keys() <= again.keys()
    assert all(
        again[field] == value
        for field, value in example.items()
        if field in again.keys() - {"prompt"}
    )


def values_of(setting):
    """Any value that this setting offers."""
    schema = setting.schema
    match setting.kind:
        case "choice":
            return st.sampled_from([choice.value for choice in setting.choices])
        case "boolean":
            return st.booleans()
        case "integer" | "number":
            low = setting.minimum if setting.minimum is not None else 0
            high = setting.maximum if setting.maximum is not None else low + 1000
            step = schema.get("multipleOf") or (1 if setting.kind == "integer" else 0.5)
            steps = st.integers(0, int((high - low) / step))
            return steps.map(lambda n: low + n * step)
        case "rows":
            # What may stay empty has rules of its own, which are no schema's.
            row = {c.field: values_of(c) for c in setting.columns if not c.is_optional}
            rows = st.fixed_dictionaries(row)
            return st.lists(rows, min_size=schema.get("minItems", 0), max_size=setting.most)
        case "lines":
            lines = st.text("abc:/.", min_size=1, max_size=setting.longest)
            return st.lists(lines, min_size=schema.get("minItems", 0), max_size=setting.most)
    return st.text(min_size=schema.get("minLength", 0), max_size=setting.longest)


@st.composite
def things_chosen(draw, mode):
    """Values for some of the settings, and files in some of the slots."""
    chosen = {
        setting.name: draw(values_of(setting))
        for setting in mode.settings
        if setting.field in mode.input["required"] or draw(st.booleans())
    }
    wanted = [
        slot
        for slot in mode.slots
        if slot.name in usual_files(mode) or (slot.place == 0 and draw(st.booleans()))
    ]
    counts = {slot: draw(st.integers(slot.least, slot.most)) for slot in wanted}
    files = {
        slot.name: [every_model.a_file(slot, n + 1) for n in range(count)]
        for slot, count in counts.items()
    }
    return chosen, files


@each_mode
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_whatever_is_chosen_is_sent_as_kie_takes_it_or_refused_as_kie_would(provider, mode, data):
    values, files = data.draw(things_chosen(mode))
    urls = {name: [PLACEHOLDER_URL] * len(given) for name, given in files.items()}
    fields = mode.input_for(prompt="a kite", values=values, urls=urls, source_task="earlier-task")

    try:
        request = usual_request(provider, mode, values=values, files=files)
    except InvalidRequest:
        assert objection_of_kie(mode, fields)
    else:
        assert objection_of_kie(mode, request.fields) is None


@each_mode
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_what_is_right_by_itself_is_wrong_only_by_rules_over_several(provider, mode, data):
    values, _ = data.draw(things_chosen(mode))
    rows = {s.field: len(values.get(s.name, ())) for s in mode.settings if s.row_slots}
    urls = {
        slot.name: [PLACEHOLDER_URL] * slot.schema.get("minItems", 1)
        for slot in mode.slots
        if slot.row is None or slot.row < rows[slot.field]
    }
    fields = mode.input_for(prompt="a kite", values=values, urls=urls, source_task="earlier-task")

    assert bool(conflict_in(values, mode=mode, filled=urls)) == (mode.error_in(fields) is not None)


# --- Requests that KIE.AI refuses -----------------------------------------------------------


def breaches_of(schema):
    """Values that break one rule of this property each, by the rule's word."""
    kinds = schema.get("type")
    if "enum" in schema:
        yield "enum", "none of them" if isinstance(schema["enum"][0], str) else 12345
    if "const" in schema:
        yield "const", f"not {schema['const']}"
    if "minimum" in schema:
        yield "minimum", schema["minimum"] - 1
    if "maximum" in schema:
        yield "maximum", schema["maximum"] + 1
    if "maxLength" in schema:
        yield "maxLength", "x" * (schema["maxLength"] + 1)
    if schema.get("minLength"):
        yield "minLength", ""
    if "multipleOf" in schema:
        yield "multipleOf", schema["minimum"] + schema["multipleOf"] / 2
    if kinds == "array":
        if "maxItems" in schema:
            yield "maxItems", [PICTURE] * (schema["maxItems"] + 1)
        if schema.get("minItems"):
            yield "minItems", []
        yield "items", [[]]
    yield "type", {"an": "object"}
    yield "type", None


def breaches(row):
    """(what is broken, fields) for every rule of a row's schema; all else is KIE.AI's example."""
    example, schema = every_model.example_of(row), row["input_schema"]
    for field, facts in schema["properties"].items():
        if field not in every_model.ENVELOPE:
            for rule, value in breaches_of(facts):
                yield f"{field}: {rule}", example | {field: value}
    for field in schema["required"]:
        if field not in every_model.ENVELOPE:
            yield f"{field}: required", {k: v for k, v in example.items() if k != field}
    yield "unknown field", example | {"unheard_of": 1}


@each_row
def test_each_breach_of_kies_rules_is_refused(row):
    _, mode = every_model.mode_of(row)

    taken = [what for what, fields in breaches(row) if mode.error_in(fields) is None]

    assert taken == []


@each_row
def test_the_breaches_are_ones_by_kies_own_schema(row):
    _, mode = every_model.mode_of(row)

    fine = [what for what, fields in breaches(row) if objection_of_kie(mode, fields) is None]

    assert fine == []


def wrong_values(mode):
    """(setting, value) for every way in which the value of a setting can be wrong."""
    schemas = row_of(mode)["input_schema"]["properties"]
    for setting in mode.settings:
        if not setting.part:
            for rule, value in breaches_of(schemas[setting.field]):
                if value is not None:
                    yield setting, rule, value


@each_mode
def test_no_wrong_setting_gets_past_the_request(provider, mode):
    for setting, rule, value in wrong_values(mode):
        counts = {setting.when: True} if setting.when else {}
        values = usual_values(mode) | {setting.name: value} | counts

        with pytest.raises(InvalidRequest) as refused:
            usual_request(provider, mode, values=values)

        assert setting.name in refused.value.errors, (setting.name, rule)


@each_mode
def test_no_more_and_no_fewer_files_than_fit_get_past_the_request(provider, mode):
    usual = usual_files(mode)

    for slot in mode.slots:
        too_many = [every_model.a_file(slot, n) for n in range(slot.most + 1)]
        if slot.row is None:
            with pytest.raises(InvalidRequest) as refused:
                usual_request(provider, mode, files=usual | {slot.name: too_many})
            assert slot.name in refused.value.errors
        if slot.is_required and len(provider.modes) == 1:
            with pytest.raises(InvalidRequest) as refused:
                usual_request(provider, mode, files=usual | {slot.name: []})
            assert "needs" in refused.value.errors[slot.name]


ROOK = {"name": "rook", "description": "a black bird"}
EAR = {"name": "ear", "description": "an ear of wheat"}


def elements(rows, *counts):
    """A request for Kling with these elements, and so many pictures of each."""
    provider = PROVIDERS["kie-kling-3-0-text2vid"]
    mode = provider.modes[0]
    slots = [slot for slot in mode.slots if slot.row is not None and slot.place == 0]
    files = {
        slot.name: [every_model.a_file(slot, n) for n in range(count)]
        for slot, count in zip(slots, counts, strict=False)
    }
    values = usual_values(mode) | {"elements": rows}
    return usual_request(provider, mode, values=values, files=files)


def test_each_element_is_sent_with_its_own_pictures():
    request = elements([ROOK, EAR], 2, 3)

    assert objection_of_kie(request.mode, request.fields) is None
    assert request.fields["kling_elements"] == [
        ROOK | {"element_input_urls": [PLACEHOLDER_URL] * 2},
        EAR | {"element_input_urls": [PLACEHOLDER_URL] * 3},
    ]


@pytest.mark.parametrize(
    ("rows", "counts"),
    [([ROOK], ()), ([ROOK], (5,)), ([ROOK, EAR], (2,)), ([], (2,)), ([ROOK], (2, 2))],
    ids=["no pictures", "too many", "none for the second", "no words", "pictures too many"],
)
def test_an_element_without_words_or_with_other_than_its_pictures_is_refused(rows, counts):
    with pytest.raises(InvalidRequest) as refused:
        elements(rows, *counts)

    assert "elements" in refused.value.errors


@each_mode
def test_a_mode_that_needs_one_file_of_several_kinds_says_which(provider, mode):
    if usual_files(mode) and not any(slot.is_required for slot in mode.slots):
        with pytest.raises(InvalidRequest, match=r"Choose something for “.+” or “.+”"):
            usual_request(provider, mode, files={})


@each_mode
def test_each_mode_wants_the_words_it_needs_and_not_too_many(provider, mode):
    if mode.needs_prompt:
        with pytest.raises(InvalidRequest, match="Describe the video you want"):
            usual_request(provider, mode, prompt=" ")
    if mode.takes_prompt:
        longest = "x" * mode.longest_prompt
        assert usual_request(provider, mode, prompt=longest).prompt == longest
        with pytest.raises(InvalidRequest, match="Please shorten it"):
            usual_request(provider, mode, prompt=longest + "x")
    else:
        assert "prompt" not in usual_request(provider, mode).fields


@each_mode
def test_what_needs_an_earlier_task_is_not_sent_without_one(provider, mode):
    if mode.continues:
        with pytest.raises(InvalidRequest, match="goes on from an earlier video"):
            usual_request(provider, mode, parent=None)
        assert usual_request(provider, mode).fields[mode.source_field] == "earlier-task"


@each_mode
def test_a_file_that_the_mode_has_no_place_for_is_refused(provider, mode):
    known = {slot.name for slot in provider.slots}
    foreign = next(s for p, _ in MODES for s in p.slots if s.name not in known)

    with pytest.raises(InvalidRequest) as refused:
        usual_request(
            provider, mode, files=usual_files(mode) | {foreign.name: [every_model.a_file(foreign)]}
        )

    assert foreign.name in refused.value.errors


# --- What is sent ---------------------------------------------------------------------------


def test_veos_shape_is_sent_in_both_its_spellings():
    values = usual_values(first_mode("kie-veo3-fast")) | {"aspect_ratio": "9:16"}

    fields = first_mode("kie-veo3-fast").input_for(prompt="p", values=values)

    assert fields["aspect_ratio"] == fields["aspectRatio"] == "9:16"


def test_a_twin_is_not_sent_without_its_field():
    fields = first_mode("kie-veo3-fast").input_for(prompt="a red kite", values={})

    assert fields == {"prompt": "a red kite", "generationType": "TEXT_2_VIDEO"}


def test_soras_length_is_sent_as_frames_in_a_string():
    mode = first_mode("kie-sora-2-pro-text2vid")
    values = usual_values(mode) | {"duration": "15", "resolution": "standard"}

    fields = mode.input_for(prompt="p", values=values)

    assert (fields["n_frames"], fields["size"]) == ("15", "standard")
    assert "duration" not in fields
    assert mode.seconds_of(fields) == 15
    assert mode.error_in(fields | {"n_frames": 15}) is not None


def test_files_are_sent_as_the_field_wants_them():
    urls = [PICTURE, "https://studio.example/last.png"]

    one = first_mode("kie-hailuo-img2vid", "image").input_for(
        prompt="p", values={}, urls={"image": urls[:1], "last_image": urls[1:]}
    )
    many = first_mode("kie-veo3-fast", "image").input_for(
        prompt="p", values={}, urls={"image": urls}
    )
    reference = first_mode("kie-veo3-fast", "reference_images").input_for(
        prompt="p", values={}, urls={"reference_images": urls}
    )

    assert (one["image_url"], one["end_image_url"]) == tuple(urls)
    assert (many["imageUrls"], many["generationType"]) == (urls, "FIRST_AND_LAST_FRAMES_2_VIDEO")
    assert (reference["imageUrls"], reference["generationType"]) == (urls, "REFERENCE_2_VIDEO")


def test_what_is_said_about_a_clip_stands_beside_its_address():
    mode = first_mode("kie-gemini-omni-vid2vid", "video")
    values = usual_values(mode) | {"video_start": 2, "video_ends": 6}

    fields = mode.input_for(prompt="p", values=values, urls={"video": [PICTURE]})

    assert fields["video_list"] == [{"url": PICTURE, "start": 2, "ends": 6}]


def test_values_nobody_asked_for_are_not_sent():
    mode = first_mode("kie-hailuo-text2vid")

    fields = mode.input_for(
        prompt="p",
        values=usual_values(mode) | {"callBackUrl": "https://evil.example", "model": "x"},
    )

    assert set(fields) == {"prompt", "duration", "nsfw_checker"}


@each_mode
def test_what_is_never_asked_for_is_not_chosen_by_anyone(provider, mode):
    hidden = {field for field, facts in mode.fields.items() if "x-hidden" in facts}

    sent = mode.input_for(prompt="p", values=dict.fromkeys(hidden, "mine"))

    assert "mine" not in sent.values()


# --- What KIE.AI would refuse ---------------------------------------------------------------


def hailuo_body(**changes):
    body = {"model": "hailuo/02-text-to-video-standard"}
    return body | {"input": {"prompt": "a red kite", "duration": "6"}} | changes


def runway_body(**changes):
    usual = {"prompt": "p", "duration": 5, "quality": "720p", "aspectRatio": "16:9"}
    return usual | changes


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
        ("/api/v1/runway/generate", runway_body(duration=7), "duration"),
        ("/api/v1/veo/get-4k-video", {"taskId": "t", "index": "one"}, "index"),
    ],
)
def test_a_creation_kie_would_refuse_is_refused_in_its_manner(path, body, words):
    refusal = refusal_of(path, body)

    assert words in refusal
    assert len(refusal) <= 300


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)
PATHS = sorted({family.create_path for family in FAMILIES.values()})


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(PATHS),
    st.fixed_dictionaries(
        {"model": st.sampled_from([mode.model for _, mode in MODES]) | JSON_VALUES},
        optional={"input": JSON_VALUES, "prompt": JSON_VALUES, "duration": JSON_VALUES},
    ),
)
def test_a_body_nobody_has_thought_of_gets_a_refusal_and_no_crash(path, body):
    assert isinstance(refusal_of(path, body), str)


# --- The files ------------------------------------------------------------------------------

FIELDS = json.loads((FOLDER / "catalogue.json").read_text("utf-8"))["fields"]
ENTRIES = json.loads((FOLDER / "minimax.json").read_text("utf-8"))
HAILUO = next(entry for entry in ENTRIES if entry["key"] == "kie-hailuo-text2vid")


def read(*entries):
    return read_providers(json.dumps(entries), fields=FIELDS, prices_as_of=date(2026, 6, 30))


def hailuo(*, fields=None, **changes):
    """An entry of its own, apart from what a test names about its only mode."""
    entry = copy.deepcopy(HAILUO)
    entry["modes"][0] |= changes
    entry["modes"][0]["input"]["properties"] |= fields or {}
    return entry


def test_an_entry_is_read_with_the_words_that_fields_have_everywhere():
    provider = read(hailuo())["kie-hailuo-text2vid"]

    labels = {setting.name: setting.label for setting in provider.modes[0].settings}
    assert labels["duration"] == "Length"


def test_an_entrys_own_words_win():
    field = {"type": "string", "enum": ["6"], "default": "6", "x-label": "How long"}

    provider = read(hailuo(fields={"duration": field}))["kie-hailuo-text2vid"]

    labels = {setting.name: setting.label for setting in provider.modes[0].settings}
    assert labels["duration"] == "How long"


BROKEN = {
    "a family that is none": hailuo(family="pika"),
    "a purpose that is none": hailuo(generation_type="smell2vid"),
    "a price by the hour": hailuo(prices=[{"when": {}, "per": "hour", "usd": 1}]),
    "a price that is no number": hailuo(prices=[{"when": {}, "per": "video", "usd": "much"}]),
    "a price without a condition": hailuo(prices=[{"per": "video", "usd": 1}]),
    "a day that is none": hailuo(
        prices=[{"when": {}, "per": "video", "usd": 1, "as_of": "yesterday"}]
    ),
    "a field without words": hailuo(fields={"sparkle": {"type": "boolean"}}),
    "a file without words": hailuo(fields={"smell": {"type": "string", "x-media": "image"}}),
    "a field that is no schema": hailuo(fields={"duration": 6}),
    "an entry without a label": {k: v for k, v in HAILUO.items() if k != "label"},
    "an entry without modes": {k: v for k, v in HAILUO.items() if k != "modes"},
    "a surcharge for nothing": hailuo(surcharge={"usd": 1}),
}


@pytest.mark.parametrize("entry", BROKEN.values(), ids=BROKEN)
def test_a_broken_entry_is_named(entry):
    with pytest.raises(ValueError, match="kie-hailuo-text2vid"):
        read(entry)


def test_an_entry_that_stands_there_twice_is_named():
    with pytest.raises(ValueError, match=r"kie-hailuo-text2vid.*twice"):
        read(HAILUO, HAILUO)


def test_an_entry_without_a_key_is_told():
    with pytest.raises(ValueError, match="an entry without a key"):
        read({"label": "X"})


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("minimax.json", "[", r"minimax\.json"),
        ("minimax.json", "7", r"minimax\.json"),
        (
            "minimax.json",
            json.dumps([hailuo(family="pika")]),
            r"minimax\.json: kie-hailuo-text2vid",
        ),
        ("google.json", json.dumps(ENTRIES), r"minimax\.json: .*: stands in another file too"),
        ("catalogue.json", "{}", r"catalogue\.json: 'prices_as_of'"),
        ("catalogue.json", '{"prices_as_of": "soon"}', r"catalogue\.json"),
    ],
)
def test_a_folder_that_would_not_work_keeps_the_studio_from_starting(tmp_path, name, text, words):
    for file in FOLDER.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / name).write_text(text)

    with pytest.raises(ImproperlyConfigured, match=words):
        read_folder(tmp_path)


def test_a_missing_file_keeps_the_studio_from_starting(tmp_path):
    with pytest.raises(ImproperlyConfigured, match=r"catalogue\.json"):
        read_folder(tmp_path)


# --- manage.py check ------------------------------------------------------------------------


def test_the_catalogue_as_it_is_passes_the_check():
    assert checks.catalogue_is_whole() == []


@pytest.mark.parametrize("name", ["mode", "price", "user", "fields", "variations"])
def test_the_check_names_a_setting_that_is_called_like_something_else(monkeypatch, name):
    field = {"type": "boolean", "default": False, "x-label": "L", "x-name": name}
    entry = hailuo(fields={"duration": field}, prices=[{"when": {}, "per": "video", "usd": 1}])
    monkeypatch.setattr(checks, "PROVIDERS", PROVIDERS | read(entry))

    found = [error.msg for error in checks.catalogue_is_whole()]

    assert found == [f"kie-hailuo-text2vid: no setting can be called {name}"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (hailuo(fields={"duration": {"type": "text", "x-label": "L"}}), "text"),
        (hailuo(fields={"duration": {"enum": "6", "x-label": "L"}}), "enum"),
        (
            hailuo(fields={"duration": {"type": "string", "enum": ["6"], "default": "7"}}),
            "duration cannot be its own default",
        ),
        (
            hailuo(prices=[{"when": {"colour": "red"}, "per": "video", "usd": 1}]),
            "depends on colour",
        ),
    ],
)
def test_the_check_names_the_entry_that_cannot_be_used(monkeypatch, entry, words):
    monkeypatch.setattr(checks, "PROVIDERS", PROVIDERS | read(entry))

    (error,) = checks.catalogue_is_whole()

    assert error.id == "generation.E001"
    assert error.msg.startswith("kie-hailuo-text2vid: ")
    assert words in error.msg
