"""The form's fields: what a browser sends, as KIE.AI wants it typed."""

import re

import pytest
from django import forms
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils.datastructures import MultiValueDict

from generation.catalogue import PROVIDERS, slot_named
from generation.fields import MOST_RADIOS, field_for, file_field_for
from tests.generation.every_model import each_mode, usual_values


def setting_of(key, name):
    return next(s for m in PROVIDERS[key].modes for s in m.settings if s.name == name)


def field_of(key, name):
    return field_for(setting_of(key, name))


def sent(key, name, data):
    """What becomes of these fields of a form."""
    field = field_of(key, name)
    return field.clean(field.widget.value_from_datadict(data, MultiValueDict(), name))


def complaint(key, name, data):
    with pytest.raises(forms.ValidationError) as refused:
        sent(key, name, data)
    return refused.value.messages[0]


KLING, OMNI, VEO = "kie-kling-3-0-text2vid", "kie-gemini-omni-ref2vid", "kie-veo3-fast"


def as_sent(setting, value):
    """A value as a browser sends it."""
    match setting.kind:
        case "boolean":
            return {setting.name: "on"} if value else {}
        case "rows":
            cells = ((n, row, column) for n, row in enumerate(value) for column in setting.columns)
            return {f"{setting.name}-{n}-{c.name}": str(row[c.field]) for n, row, c in cells}
        case "lines":
            return {setting.name: "\r\n".join(value)}
    return {setting.name: str(value)}


@each_mode
def test_each_default_comes_back_from_a_browser_as_it_was(provider, mode):
    for setting in mode.settings:
        value = usual_values(mode).get(setting.name)
        field = field_for(setting)
        data = as_sent(setting, value) if value is not None else {}

        found = field.clean(field.widget.value_from_datadict(data, MultiValueDict(), setting.name))

        if value is not None:
            assert found == value
            assert type(found) is type(value) or setting.kind == "number"


@each_mode
def test_each_choice_comes_back_from_a_browser_with_its_type(provider, mode):
    for setting in mode.settings:
        for choice in setting.choices:
            found = field_for(setting).clean(str(choice.value))
            assert found == choice.value
            assert type(found) is type(choice.value)


# --- Choices and numbers --------------------------------------------------------------------


def test_few_choices_are_side_by_side_and_many_in_a_list():
    few, many = field_of(VEO, "duration"), field_of("kie-grok-imagine-text2vid", "duration")

    assert isinstance(few.widget, forms.RadioSelect)
    assert len(few.choices) <= MOST_RADIOS
    assert isinstance(many.widget, forms.Select)
    assert not isinstance(many.widget, forms.RadioSelect)


def test_a_choice_that_is_none_is_answered_with_those_there_are():
    assert complaint(VEO, "duration", {"duration": "7"}) == "Length can be 4 s, 6 s, 8 s."


def test_a_choice_nobody_made_is_the_usual_one():
    assert sent(VEO, "duration", {}) == 8
    assert sent(VEO, "duration", {"duration": ""}) == 8


@pytest.mark.parametrize(
    ("typed", "found"), [("12345", 12345), (" 12345 ", 12345), ("", None), ("12345.0", 12345)]
)
def test_a_whole_number_is_one(typed, found):
    assert sent(VEO, "seed", {"seed": typed}) == found


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("many", "Seed has to be a whole number."),
        ("12345.5", "Seed has to be a whole number."),
        ("9999", "has to be 10000 or more"),
        ("100000", "has to be 99999 or less"),
        ("１２３４５x", "whole number"),
        ("9" * 5000, "whole number|less than"),
    ],
)
def test_a_number_that_does_not_fit_is_refused_in_words(typed, words):
    assert re.search(words, complaint(VEO, "seed", {"seed": typed}))


@pytest.mark.parametrize(("typed", "found"), [("0.5", 0.5), ("1", 1.0), ("", None), ("0", 0.0)])
def test_a_number_may_have_a_fraction(typed, found):
    assert sent("kie-kling-2-5-turbo-text2vid", "cfg_scale", {"cfg_scale": typed}) == found


@pytest.mark.parametrize("typed", ["nan", "inf", "-1", "1.5", "half"])
def test_a_fraction_that_does_not_fit_is_refused(typed):
    assert complaint("kie-kling-2-5-turbo-text2vid", "cfg_scale", {"cfg_scale": typed})


def test_a_number_steps_as_kie_wants_it():
    key, name = "kie-wan-2-2-speech-lipsync", "num_frames"

    assert sent(key, name, {name: "80"}) == 80
    assert complaint(key, name, {name: "81"})


def test_a_switch_that_is_not_sent_is_off():
    assert sent(KLING, "sound", {}) is False
    assert sent(KLING, "sound", {"sound": "on"}) is True


def test_a_text_is_as_long_as_the_service_takes_it():
    assert sent(VEO, "watermark", {"watermark": "x" * 100}) == "x" * 100
    assert "100 characters" in complaint(VEO, "watermark", {"watermark": "x" * 101})
    assert isinstance(field_of("kie-wan-2-5-text2vid", "negative_prompt").widget, forms.Textarea)


# --- Lines ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("one\r\ntwo", ["one", "two"]),
        ("  one  \n\n\n two\n", ["one", "two"]),
        ("", None),
        (" \n \n", None),
    ],
)
def test_each_line_is_one_of_a_list(typed, found):
    assert sent(OMNI, "audio_ids", {"audio_ids": typed}) == found


def test_there_are_no_more_lines_and_no_longer_ones_than_the_service_takes():
    too_many, too_long = "a\nb\nc\nd", "x" * 201

    assert complaint(OMNI, "audio_ids", {"audio_ids": too_many}) == "Voices: at most 3, please."
    assert "200 characters" in complaint(OMNI, "audio_ids", {"audio_ids": too_long})


def test_lines_take_no_characters_that_cannot_be_stored():
    assert "ull characters" in complaint(OMNI, "audio_ids", {"audio_ids": "a\x00b"})


def test_lines_are_shown_as_they_were_written():
    field = field_of(OMNI, "audio_ids")

    assert field.prepare_value(["one", "two"]) == "one\ntwo"
    assert field.prepare_value("one\ntwo") == "one\ntwo"
    assert field.prepare_value(None) is None


# --- Rows -----------------------------------------------------------------------------------


def rows(*cells, name="shots"):
    return {f"{name}-{number}-{column}": text for number, column, text in cells}


def test_rows_come_with_kies_types():
    data = rows(
        (0, "prompt", " It rains. "),
        (0, "duration", "3"),
        (1, "prompt", "Sun."),
        (1, "duration", "12"),
    )

    assert sent(KLING, "shots", data) == [
        {"prompt": "It rains.", "duration": 3},
        {"prompt": "Sun.", "duration": 12},
    ]


def test_empty_rows_at_the_end_say_nothing():
    data = rows(
        (0, "prompt", "Sun."), (0, "duration", "3"), (1, "prompt", " "), (4, "duration", "")
    )

    assert len(sent(KLING, "shots", data)) == 1
    assert sent(KLING, "shots", {}) is None


def test_an_empty_row_between_others_is_asked_about():
    data = rows(
        (0, "prompt", "Sun."), (0, "duration", "3"), (2, "prompt", "x"), (2, "duration", "3")
    )

    assert complaint(KLING, "shots", data) == "Shots, row 2: “What happens” is missing."


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ([(0, "prompt", "Sun.")], "row 1: “Seconds” is missing"),
        ([(0, "duration", "3")], "row 1: “What happens” is missing"),
        ([(0, "prompt", "x" * 501), (0, "duration", "3")], "500 characters"),
        ([(0, "prompt", "Sun."), (0, "duration", "13")], "has to be 12 or less"),
        ([(0, "prompt", "Sun."), (0, "duration", "0")], "has to be 1 or more"),
        ([(0, "prompt", "Sun."), (0, "duration", "long")], "Seconds has to be a whole number"),
    ],
)
def test_a_row_that_is_not_whole_is_told(cells, words):
    assert words in complaint(KLING, "shots", rows(*cells))


def test_more_rows_than_there_are_are_not_looked_at():
    data = rows(*((n, c, t) for n in range(9) for c, t in (("prompt", "Sun."), ("duration", "3"))))

    assert len(sent(KLING, "shots", data)) == 5


def test_a_form_says_whether_it_has_rows_at_all():
    widget = field_of(KLING, "shots").widget

    assert widget.value_omitted_from_data({"prompt": "x"}, MultiValueDict(), "shots")
    assert not widget.value_omitted_from_data(rows((0, "prompt", "")), MultiValueDict(), "shots")


# --- Files ----------------------------------------------------------------------------------


def test_a_place_for_several_files_takes_them_all():
    field = file_field_for(slot_named("reference_images"))
    files = [SimpleUploadedFile(f"{n}.png", b"x") for n in range(3)]

    assert field.clean(files) == files
    assert field.clean(files[0]) == files[:1]
    assert field.clean(None) == []
    assert field.widget.attrs["multiple"] is True
    assert field.widget.attrs["accept"] == "image/jpeg,image/png,image/webp"


def test_a_place_for_one_file_offers_to_choose_one():
    field = file_field_for(slot_named("audio"))

    assert field.widget.attrs == {"accept": "audio/*", "multiple": False}


def test_an_empty_file_is_refused():
    with pytest.raises(forms.ValidationError, match="empty"):
        file_field_for(slot_named("image")).clean(SimpleUploadedFile("empty.png", b""))
