"""Elements of a video: what a row of them is made of, and what does not go together in one."""

import pytest

from gallery.models import InputFile
from generation.catalogue import PROVIDERS
from generation.request import PLACEHOLDER_URL, InvalidRequest
from tests.generation import every_model
from tests.generation.every_model import objection_of_kie, usual_request, usual_values

ROOK = {"name": "rook", "description": "a black bird"}
ONE = [PLACEHOLDER_URL]
WITH_ELEMENTS = [key for key, p in PROVIDERS.items() if p.modes[0].setting("elements")]


def a_clip(seconds=10.0):
    return InputFile(kind="video", media_type="video/mp4", size=1000, seconds=seconds, digest="c")


def request(*, key="kie-kling-3-0-text2vid", row=None, pictures=0, clips=(), voices=()):
    """A request with one element."""
    provider = PROVIDERS[key]
    mode = provider.modes[0]
    slot = mode.slot("elements_1")
    voice = {"kind": "audio", "media_type": "audio/mpeg", "size": 1000, "digest": "v"}
    files = {
        "elements_1": [every_model.a_file(slot, n) for n in range(pictures)],
        "elements_1_clip": clips,
        "elements_1_voice": [InputFile(seconds=seconds, **voice) for seconds in voices],
    }
    values = usual_values(mode) | {"elements": [ROOK | (row or {})]}
    files = {name: given for name, given in files.items() if given}
    return usual_request(provider, mode, values=values, files=every_model.usual_files(mode) | files)


@pytest.mark.parametrize("key", WITH_ELEMENTS)
def test_an_element_is_made_of_pictures_or_of_a_part_of_a_clip_and_may_have_a_voice(key):
    part = {"start_time": 1000, "end_time": 6000}

    pictured = request(key=key, pictures=2, voices=[6.0])
    filmed = request(key=key, row=part, clips=[a_clip()])

    (element,) = pictured.fields[field_of(pictured)]
    assert element == ROOK | {"element_input_urls": ONE * 2, "element_input_audio_urls": ONE}
    (element,) = filmed.fields[field_of(filmed)]
    assert element == ROOK | part | {"element_input_urls": ONE}
    for made in (pictured, filmed):
        assert objection_of_kie(made.mode, made.fields) is None


def field_of(made):
    return made.mode.setting("elements").field


@pytest.mark.parametrize(
    ("facts", "sentence"),
    [
        ({"pictures": 1}, "row 1: pictures: at least 2, please."),
        ({"pictures": 2, "clips": [a_clip()]}, "row 1: pictures or clip, please, not both."),
        ({"clips": [a_clip(), a_clip()]}, "clip: at most 1, please."),
        ({"pictures": 2, "row": {"end_time": 5000}}, "about a clip, and there is none."),
        ({"clips": [a_clip()], "row": {"start_time": 6000}}, "there have to be 3000 to 8000."),
        ({"clips": [a_clip()], "row": {"end_time": 9000}}, "there have to be 3000 to 8000."),
        (
            {"clips": [a_clip(5.0)], "row": {"start_time": 2000}},
            "“Clip to (ms)” is 8000, but the clip ends at 5000.",
        ),
        ({"voices": [6.0]}, "something is missing in one of the rows."),
    ],
)
def test_what_makes_no_element_is_refused_in_words(facts, sentence):
    with pytest.raises(InvalidRequest) as refused:
        request(**facts)

    assert refused.value.errors["elements"].endswith(sentence)


@pytest.mark.parametrize(
    ("facts", "slot", "sentence"),
    [
        ({"pictures": 2, "voices": [3.0]}, "elements_1_voice", "the service takes 5 to 30 s."),
        ({"clips": [a_clip(2.0)]}, "elements_1_clip", "the service takes at least 3 s."),
    ],
)
def test_a_voice_or_clip_that_is_too_short_is_refused_where_it_stands(facts, slot, sentence):
    with pytest.raises(InvalidRequest) as refused:
        request(**facts)

    assert refused.value.errors[slot].endswith(sentence)


def test_a_clip_whose_length_nobody_knows_may_be_cut_anywhere():
    made = request(clips=[a_clip(None)], row={"start_time": 60_000, "end_time": 65_000})

    assert made.fields["kling_elements"][0]["end_time"] == 65_000
