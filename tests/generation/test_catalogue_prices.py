"""What a request costs: KIE.AI's price list, from the very fields that are sent."""

from datetime import date
from decimal import Decimal

import pytest

from generation.catalogue import PRICES_AS_OF, PROVIDERS, price_line
from generation.price_list import PriceList
from generation.prices import Inputs, Price, Rate, billed_seconds
from generation.request import inputs_in
from tests.generation.every_model import (
    a_file,
    each_mode,
    earlier_video,
    row_of,
    usual_files,
    usual_request,
    usual_values,
)

# What a request costs is looked up: newer prices may be stored.
pytestmark = pytest.mark.django_db

LIST_DAY = date(2026, 6, 30)


def price_of(key, *, files=None, values=None, parent=None):
    """Of the usual request to this service, apart from what a test names."""
    provider = PROVIDERS[key]
    mode = provider.modes[0]
    return usual_request(
        provider,
        mode,
        values=usual_values(mode) | (values or {}),
        files=usual_files(mode) | (files or {}),
        parent=parent or earlier_video(mode),
    ).price


def of_seconds(key, slot, *lengths):
    """Files of these lengths for a slot of this service."""
    place = next(s for s in PROVIDERS[key].slots if s.name == slot)
    files = [a_file(place, n) for n, _ in enumerate(lengths)]
    for file, seconds in zip(files, lengths, strict=True):
        file.seconds = seconds
    return {slot: files}


# --- The list -------------------------------------------------------------------------------


def documented_prices(mode):
    """KIE.AI's list, and what it has changed since: the later price wins."""
    row = row_of(mode)
    lines = [line | {"as_of": str(LIST_DAY)} for line in row["prices"]]
    found = {}
    for line in [*lines, *row.get("price_updates", ())]:
        found[frozenset(line["when"].items())] = (
            line["unit"],
            Decimal(str(line["usd"])),
            date.fromisoformat(line["as_of"]),
        )
    return found


def kept_prices(mode):
    return {frozenset(p.when.items()): (p.per, p.usd, p.as_of) for p in mode.prices}


# Where the list needs reading. Both notes stand beside the list itself.
SLIP = frozenset({"resolution": "4k"}.items())
READ_OTHERWISE = {
    # "It is 0.75 for text, so this is probably a slip. Budget 0.75."
    ("veo3_lite", "img2vid"): lambda listed: listed | {SLIP: ("video", Decimal("0.75"), LIST_DAY)},
    # "Without a clip the text-to-video rates apply."
    ("kling-3.0-omni/reference-to-video", "ref2vid"): lambda listed: {
        **{when | {("$has_video_input", True)}: price for when, price in listed.items()},
        **{
            when | {("$has_video_input", False)}: price
            for when, price in documented_prices(
                PROVIDERS["kie-kling-3-0-omni-text2vid"].modes[0]
            ).items()
        },
    },
}


@each_mode
def test_each_price_is_that_of_kies_list_and_the_later_one_wins(provider, mode):
    read = READ_OTHERWISE.get((mode.model, mode.generation_type), lambda listed: listed)

    assert kept_prices(mode) == read(documented_prices(mode))


@each_mode
def test_each_line_of_a_price_list_can_be_reached(provider, mode):
    usual = usual_request(provider, mode)
    for line in mode.prices:
        chosen = {n: value for n, value in line.when.items() if not n.startswith("$")}
        clips = {"reference_videos": 1} if line.when.get("$has_video_input") else {}
        inputs = Inputs(
            counts=clips,
            video_seconds=5,
            audio_seconds=5,
            source_resolution=line.when.get("$source_resolution", ""),
        )

        price = mode.price(usual.fields | chosen, inputs)

        fields = usual.fields | chosen
        length = mode.seconds_of(fields, inputs) if line.per == "second" else 1
        billed = length + (5 if clips and mode.bills_input_video and line.per == "second" else 0)
        assert price == Price(line.usd * Decimal(str(billed)), line.as_of), line.when


@each_mode
def test_a_price_by_the_second_knows_how_many(provider, mode):
    if any(line.per == "second" for line in mode.prices):
        request = usual_request(provider, mode)

        assert mode.seconds_of(request.fields, request.inputs) > 0
        assert request.price


def test_the_day_of_the_list_is_said_and_a_later_prices_own():
    assert PRICES_AS_OF == LIST_DAY
    assert price_of("kie-veo3-fast").as_of == LIST_DAY
    assert price_of("kie-grok-imagine-text2vid").as_of == date(2026, 8, 10)


def test_a_line_without_a_day_is_as_old_as_the_list():
    line = {"when": {}, "per": "video", "usd": 0.5}

    assert price_line(line, as_of=LIST_DAY).as_of == LIST_DAY
    assert price_line(line | {"as_of": "2026-09-01"}, as_of=LIST_DAY).as_of == date(2026, 9, 1)


# --- What a request costs -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "values", "usd", "credits"),
    [
        ("kie-veo3-fast", {"resolution": "720p"}, "0.30", 60),
        ("kie-veo3-fast", {"resolution": "1080p"}, "0.325", 65),
        ("kie-veo3-quality", {"resolution": "4k"}, "1.85", 370),
        ("kie-veo3-lite", {"resolution": "720p"}, "0.15", 30),
        ("kie-hailuo-text2vid", {"duration": "10"}, "0.25", 50),
        ("kie-hailuo-2-3-pro-img2vid", {"duration": "6", "resolution": "1080P"}, "0.40", 80),
        ("kie-hailuo-02-pro-text2vid", {}, "0.285", 57),
        ("kie-kling-3-0-text2vid", {"duration": "10", "sound": True}, "1.35", 270),
        ("kie-wan-2-7-text2vid", {"duration": 3, "resolution": "720p"}, "0.24", 48),
    ],
)
def test_a_request_costs_what_kies_list_says(key, values, usd, credits):
    price = price_of(key, values=values)

    assert (price.usd, price.credits) == (Decimal(usd), credits)


@pytest.mark.parametrize(
    ("key", "values"),
    [
        ("kie-hailuo-img2vid", {"duration": "6", "resolution": "768P"}),
        ("kie-seedance-1-0-pro-text2vid", {}),
        ("kie-runway-extend", {}),
        ("kie-sora-2-pro-text2vid", {}),
    ],
)
def test_where_the_list_is_silent_the_price_is_unknown(key, values):
    assert price_of(key, values=values) is None


def test_a_clip_for_reference_is_charged_with_what_is_made_from_it():
    key = "kie-seedance-2-0-ref2vid"
    values = {"duration": 5, "resolution": "720p"}

    without = price_of(key, values=values)
    with_clips = price_of(key, values=values, files=of_seconds(key, "reference_videos", 4.0, 3.5))

    # The rate with a clip is the lower one; 5 s and 7.5 s are begun seconds together.
    assert without.usd == Decimal("0.205") * 5
    assert with_clips.usd == Decimal("0.125") * 13


def test_a_clip_of_unknown_length_makes_the_price_unknown():
    key = "kie-seedance-2-0-ref2vid"

    assert price_of(key, files=of_seconds(key, "reference_videos", None)) is None
    assert price_of(key, files=of_seconds(key, "reference_videos", 3.0, None)) is None


@pytest.mark.parametrize(
    ("key", "seconds", "usd"),
    [
        ("kie-kling-avatar-standard-lipsync", 7.2, "0.32"),
        ("kie-omnihuman-1-5-lipsync", 10.0, "1.35"),
        ("kie-infinitalk-lipsync", 4.01, "0.075"),
    ],
)
def test_speech_costs_by_the_length_of_the_recording(key, seconds, usd):
    assert price_of(key, files=of_seconds(key, "audio", seconds)).usd == Decimal(usd)


def test_speech_of_unknown_length_has_no_price():
    key = "kie-omnihuman-1-5-lipsync"

    assert price_of(key, files=of_seconds(key, "audio", None)) is None


def test_a_clip_made_over_costs_by_its_length():
    key = "kie-topaz-upscale"

    assert price_of(key, files=of_seconds(key, "video", 12.3)).usd == Decimal("0.04") * 13


def test_a_length_of_the_models_choosing_has_no_price():
    values = {"duration": -1}

    assert price_of("kie-seedance-2-5-text2vid", values=values) is None


def test_frames_and_frames_a_second_make_the_length():
    price = price_of(
        "kie-wan-2-2-speech-lipsync",
        values={"num_frames": 120, "frames_per_second": 24, "resolution": "480p"},
    )

    assert price.usd == Decimal("0.06") * 5


def test_an_extension_costs_by_what_it_goes_on_from():
    mode = PROVIDERS["kie-grok-imagine-extend"].modes[0]
    earlier = earlier_video(mode)

    unknown = price_of("kie-grok-imagine-extend", parent=earlier)
    earlier.parameters = {"resolution": "720p"}
    known = price_of("kie-grok-imagine-extend", parent=earlier, values={"extend_seconds": "10"})

    assert unknown is None
    assert known.usd == Decimal("0.15")


def test_pictures_beyond_the_free_ones_cost_extra():
    key = "kie-minimax-h3-ref2vid"
    slot = next(s for s in PROVIDERS[key].slots if s.name == "reference_images")

    five = price_of(key, files={slot.name: [a_file(slot, n) for n in range(5)]})
    seven = price_of(key, files={slot.name: [a_file(slot, n) for n in range(7)]})

    assert seven.usd - five.usd == 2 * Decimal("0.04")


# --- Words ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usd", "words"),
    [("0.3", "$0.30"), ("0.325", "$0.325"), ("0.0225", "$0.0225"), ("12", "$12.00")],
)
def test_a_price_is_told_to_the_cent_or_as_far_as_it_goes(usd, words):
    assert str(Price(Decimal(usd), LIST_DAY)) == words


def test_the_price_of_several_is_so_many_times_that_of_one():
    price = Price(Decimal("0.325"), LIST_DAY).times(4)

    assert (price.usd, price.credits) == (Decimal("1.3"), 260)


@pytest.mark.parametrize(
    ("key", "cheapest"),
    [
        ("kie-hailuo-img2vid", Rate(Decimal("0.06"), "video")),
        ("kie-hailuo-02-pro-text2vid", Rate(Decimal("0.285"), "video")),
        ("kie-grok-imagine-text2vid", Rate(Decimal("0.012"), "second")),
        ("kie-wan-2-2-turbo-text2vid", Rate(Decimal("0.2"), "video")),
        ("kie-sora-2-text2vid", None),
    ],
)
def test_the_cheapest_price_of_a_service_is_what_it_starts_from(key, cheapest):
    assert PriceList().cheapest(PROVIDERS[key]) == cheapest


def test_begun_seconds_are_whole_ones():
    assert billed_seconds(4.2, inputs=Inputs(), with_input_video=False) == 5
    assert billed_seconds(None, inputs=Inputs(), with_input_video=False) is None


def test_inputs_know_their_lengths_only_when_all_are_known():
    slot = next(s for s in PROVIDERS["kie-seedance-2-0-ref2vid"].slots if s.kind == "video")
    known, unknown = a_file(slot, 1), a_file(slot, 2)
    unknown.seconds = None

    assert inputs_in({slot.name: [known, known]}).video_seconds == 10
    assert inputs_in({slot.name: [known, unknown]}).video_seconds is None
    assert inputs_in({}).video_seconds is None


@each_mode
def test_what_is_said_to_cost_more_does_and_nothing_else_does_so_silently(provider, mode):
    for setting in mode.settings:
        if setting.name == "sound" and setting.kind == "boolean":
            is_priced = any(setting.field in line.when for line in mode.prices)
            assert ("costs more" in setting.help) == is_priced
