"""What a person asked for, refused in sentences or ready to be sent."""

from datetime import date

import pytest

from gallery.models import InputFile
from generation.catalogue import PROVIDERS
from generation.request import PLACEHOLDER_URL, GenerationRequest, InvalidRequest

VEO = PROVIDERS["kie-veo3-fast"]
HAILUO = PROVIDERS["kie-hailuo-text2vid"]
HAILUO_IMAGE = PROVIDERS["kie-hailuo-2-3-pro-img2vid"]


def picture(**facts):
    usual = {"file": "inputs/1/a.png", "media_type": "image/png", "width": 640, "height": 480}
    more = {"kind": "image", "size": 1000, "digest": "d1"}
    return {"image": [InputFile(**usual | more | facts)]}


def checked(**facts):
    usual = {"provider": HAILUO, "prompt": "a red kite", "values": {"duration": "6"}}
    return GenerationRequest.checked(**usual | facts)


def errors_of(**facts):
    """The sentences, per field, with which this request is refused."""
    with pytest.raises(InvalidRequest) as caught:
        checked(**facts)
    return caught.value.errors


@pytest.mark.parametrize("prompt", ["", "   ", "\n\t\u2003"])
def test_without_words_there_is_nothing_to_make(prompt):
    assert errors_of(prompt=prompt) == {"prompt": "Describe the video you want."}


def test_a_prompt_that_is_too_long_is_told_by_how_much():
    assert errors_of(prompt="x" * 2000) == {
        "prompt": "Hailuo 02 takes 1,500 characters; this prompt has 2,000. Please shorten it."
    }


def test_a_prompt_is_measured_without_the_space_around_it():
    request = checked(prompt="  " + "x" * 1500 + "\n")

    assert request.prompt == "x" * 1500


def test_a_picture_that_is_missing_is_told_at_the_picture():
    errors = errors_of(provider=HAILUO_IMAGE)

    assert errors == {"image": f"{HAILUO_IMAGE.label} needs a picture."}


def test_a_picture_that_is_not_taken_is_told_at_the_picture():
    errors = errors_of(files=picture())

    assert errors == {"image": "Hailuo 02 takes no picture. Remove it, or choose another service."}


def test_settings_that_do_not_go_together_are_told_at_the_one_to_change():
    values = {"duration": "10", "resolution": "1080P"}

    errors = errors_of(provider=HAILUO_IMAGE, values=values, files=picture())

    assert errors == {"duration": "Length has to be 6 s with resolution 1080p."}


@pytest.mark.parametrize(
    ("facts", "errors"),
    [
        ({"values": {"duration": "7"}}, {"duration": "Length can be 6 s, 10 s."}),
        ({"values": {"duration": 6}}, {"duration": "Length cannot be 6."}),
        ({"values": {}}, {"duration": "Please fill in “Length”."}),
        (
            {"provider": VEO, "values": {"seed": 9999}},
            {"seed": "Seed has to be 10000 or more."},
        ),
        (
            {"provider": VEO, "values": {"seed": 100_000}},
            {"seed": "Seed has to be 99999 or less."},
        ),
        ({"provider": VEO, "values": {"seed": "many"}}, {"seed": "Seed cannot be 'many'."}),
        (
            {"provider": VEO, "values": {"watermark": "x" * 101}},
            {"watermark": "Watermark can have 100 characters."},
        ),
        (
            {"provider": PROVIDERS["kie-sora-2-text2vid"], "values": {"duration": "99"}},
            {"duration": "Length can be 10 s, 15 s."},
        ),
    ],
)
def test_a_wrong_setting_is_told_under_our_name_for_it(facts, errors):
    assert errors_of(**facts) == errors


def test_a_very_long_wrong_value_is_not_repeated_in_full():
    errors = errors_of(provider=VEO, values={"seed": "x" * 5000})

    assert len(errors["seed"]) < 100


def test_the_errors_read_as_one_line_too():
    with pytest.raises(InvalidRequest, match=r"^prompt: Describe the video you want\.$"):
        checked(prompt="")


def test_the_mode_follows_from_whether_there_is_a_picture():
    words = checked(provider=VEO, values={})
    still = checked(provider=VEO, values={}, files=picture())

    assert words.mode.generation_type == "text2vid"
    assert still.mode.generation_type == "img2vid"
    assert still.fields["imageUrls"] == [PLACEHOLDER_URL]


def test_equal_requests_have_equal_digests():
    values = {"resolution": "768P", "duration": "6"}
    other_order = dict(reversed(values.items()))
    facts = {"provider": HAILUO_IMAGE, "files": picture()}

    first = checked(**facts, values=values)
    second = checked(**facts, values=other_order, prompt=" a red kite ")

    assert first.digest == second.digest


def test_an_equal_picture_elsewhere_makes_an_equal_request():
    values = {"resolution": "768P", "duration": "6"}
    facts = {"provider": HAILUO_IMAGE, "values": values}

    first = checked(**facts, files=picture(file="inputs/1/a.png"))
    second = checked(**facts, files=picture(file="inputs/1/b.png"))

    assert first.digest == second.digest


def test_requests_that_differ_in_anything_have_other_digests():
    image = {"provider": HAILUO_IMAGE, "values": {"resolution": "768P", "duration": "6"}}
    requests = [
        checked(),
        checked(prompt="a blue kite"),
        checked(values={"duration": "10"}),
        checked(values={"duration": "6", "nsfw_checker": True}),
        checked(provider=VEO, values={}),
        checked(provider=PROVIDERS["kie-veo3-lite"], values={}),
        checked(**image, files=picture()),
        checked(**image, files=picture(digest="d2")),
    ]

    assert len({request.digest for request in requests}) == len(requests)


def test_a_request_makes_a_row(db):
    values = {"aspect_ratio": "9:16", "duration": 8, "resolution": "720p"}

    request = checked(provider=VEO, values=values)

    assert request.as_columns() == {
        "prompt": "a red kite",
        "provider": "kie-veo3-fast",
        "model": "veo3_fast",
        "family": "veo",
        "generation_type": "text2vid",
        "parameters": values,
        "aspect_ratio": "9:16",
        "duration": 8,
        "cost_estimated": 60,
        "price_as_of": date(2026, 6, 30),
        "parent": None,
        "request_digest": request.digest,
    }


def test_a_row_leaves_open_what_the_request_leaves_open(db):
    facts = {"provider": PROVIDERS["kie-sora-2-text2vid"], "values": {}}

    columns = checked(**facts).as_columns()

    assert (columns["aspect_ratio"], columns["cost_estimated"]) == ("", None)
    # What is not said is as KIE.AI does it by itself.
    assert columns["duration"] == 10
    assert columns["parameters"] == {}


def test_a_fixed_length_is_known_without_being_chosen(db):
    columns = checked(provider=PROVIDERS["kie-hailuo-02-pro-text2vid"], values={}).as_columns()

    assert columns["duration"] == 6


@pytest.mark.parametrize("prompt", ["a\x00b", "half \ud83e of a fox"])
def test_what_no_database_stores_is_refused_in_words(prompt):
    with pytest.raises(InvalidRequest) as refused:
        GenerationRequest.checked(
            provider=PROVIDERS["kie-hailuo-text2vid"], prompt=prompt, values={"duration": "6"}
        )

    assert refused.value.errors == {"prompt": "The prompt has characters that cannot be stored."}
