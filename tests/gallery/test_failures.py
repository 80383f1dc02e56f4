"""Why it failed, in a sentence for the person who is waiting, and what can be done about it."""

import pytest

from gallery.failures import FAILURES, RECOGNISED_FIRST, recognise
from gallery.models import Video
from generation.kie.families import read_market_task, read_veo_task
from tests.conftest import example


@pytest.mark.parametrize(
    ("read", "name", "failure"),
    [
        (read_market_task, "market_record_fail", "prompt"),
        (read_market_task, "market_callback_fail", "provider"),
        (read_market_task, "runway_record_fail", "prompt"),
        (read_veo_task, "veo_record_failed_2", "prompt"),
        (read_veo_task, "veo_record_failed_3", "provider"),
    ],
)
def test_a_documented_failure_is_recognised(read, name, failure):
    snapshot = read(example(name)["data"])

    assert recognise(code=snapshot.error_code, words=snapshot.failure) == failure


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("veo_callback_fail_400", "prompt"),
        ("veo_callback_fail_422", "prompt"),
        ("aleph_callback_fail", "prompt"),
        ("error_insufficient_credits_402", "balance"),
        ("error_image_fetch_451", "picture"),
    ],
)
def test_the_words_kie_uses_elsewhere_are_understood_as_well(name, failure):
    assert recognise(words=example(name)["msg"]) == failure


@pytest.mark.parametrize(
    ("words", "failure"),
    [
        ("Insufficient credits", "balance"),
        ("The current account balance is not enough", "balance"),
        ("Audio generation was blocked", "output"),
        ("The generated content may violate our policies", "output"),
        ("Inappropriate content detected. Please replace the image or video.", "picture"),
        ("Your photo contains a real person", "picture"),
        ("PROMPT VIOLATES OUR USAGE POLICY", "prompt"),
        ("This prompt was flagged as sensitive", "prompt"),
        ("Only English prompts are supported", "language"),
        ("Task timed out", "busy"),
        ("The upstream model is overloaded", "busy"),
        ("output_resolution is not within the range of allowed options", "settings"),
        ("Ratio error", "settings"),
        ("This interface is temporarily paused", "service"),
        ("Internal error, your credits have been returned", "provider"),
        ("Internal server error", "provider"),
        ("", "provider"),
        ("错误", "provider"),
    ],
)
def test_a_few_stable_words_tell_what_happened(words, failure):
    assert recognise(words=words) == failure


@pytest.mark.parametrize(
    ("code", "failure"),
    [
        ("401", "key"),
        ("402", "balance"),
        ("403", "gatekeeper"),
        ("404", "service"),
        ("422", "settings"),
        ("429", "busy"),
        ("433", "limit"),
        ("451", "picture"),
        ("455", "busy"),
        ("500", "provider"),
        ("501", "provider"),
        ("505", "service"),
        ("", "provider"),
        ("418", "provider"),
    ],
)
def test_without_words_the_code_tells(code, failure):
    assert recognise(code=code) == failure


def test_words_tell_more_than_a_code_that_means_many_things():
    assert recognise(words="prohibited content", code="422") == "prompt"


def test_a_code_that_means_one_thing_tells_more_than_words():
    assert recognise(words="The picture service is under maintenance", code="455") == "busy"


@pytest.mark.parametrize("name", FAILURES)
def test_each_case_says_what_happened_and_what_to_do_next(name):
    failure = FAILURES[name]

    assert failure.title
    assert failure.sentence.count(". ") >= 1
    assert failure.sentence.endswith(".")
    for steps in (failure.steps, failure.operator_steps):
        assert len(steps) <= 2
        assert len({step.name for step in steps}) == len(steps)
    assert len(name) <= Video._meta.get_field("failure").max_length


def test_every_case_with_words_is_looked_for():
    assert {name for name, failure in FAILURES.items() if failure.words} == set(RECOGNISED_FIRST)


def test_a_code_stands_for_one_case():
    codes = [code for f in FAILURES.values() for code in f.codes + f.vague_codes]

    assert len(codes) == len(set(codes))
