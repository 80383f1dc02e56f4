"""Why it failed, in a sentence for the person who is waiting."""

import pytest

from generation.failures import BY_CODE, CATEGORIES, OTHERWISE, sentence_for
from generation.kie.families import read_market_task, read_veo_task
from generation.kie.snapshot import TaskSnapshot, TaskState
from tests.conftest import example

BALANCE = "The studio's KIE.AI balance is too low."
CLIP_BLOCKED = "The clip was made, then blocked by the service's filter."
PICTURE = "The service would not use the picture."
PROMPT_REFUSED = "The service's safety filter refused this prompt."
ENGLISH = "The service understands English prompts only."
OVERLOADED = "The service was overloaded."
SETTINGS = "The service did not accept these settings."


def failed(failure="", *, code=""):
    return TaskSnapshot(state=TaskState.FAILED, failure=failure, error_code=code)


@pytest.mark.parametrize(
    ("read", "name", "sentence"),
    [
        (read_market_task, "market_record_fail", PROMPT_REFUSED),
        (read_market_task, "market_callback_fail", OTHERWISE),
        (read_market_task, "runway_record_fail", PROMPT_REFUSED),
        (read_veo_task, "veo_record_failed_2", PROMPT_REFUSED),
        (read_veo_task, "veo_record_failed_3", OTHERWISE),
    ],
)
def test_a_documented_failure_is_told_in_plain_words(read, name, sentence):
    snapshot = read(example(name)["data"])

    assert sentence_for(snapshot).startswith(sentence)


@pytest.mark.parametrize(
    "name",
    [
        "veo_callback_fail_400",
        "veo_callback_fail_422",
        "aleph_callback_fail",
        "error_insufficient_credits_402",
        "error_image_fetch_451",
    ],
)
def test_the_words_kie_uses_elsewhere_are_understood_as_well(name):
    expected = {"error_insufficient_credits_402": BALANCE, "error_image_fetch_451": PICTURE}

    sentence = sentence_for(failed(example(name)["msg"]))

    assert sentence.startswith(expected.get(name, PROMPT_REFUSED))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("Insufficient credits", BALANCE),
        ("The current account balance is not enough", BALANCE),
        ("Audio generation was blocked", CLIP_BLOCKED),
        ("The generated content may violate our policies", CLIP_BLOCKED),
        ("Inappropriate content detected. Please replace the image or video.", PICTURE),
        ("Your photo contains a real person", PICTURE),
        ("PROMPT VIOLATES OUR USAGE POLICY", PROMPT_REFUSED),
        ("This prompt was flagged as sensitive", PROMPT_REFUSED),
        ("Only English prompts are supported", ENGLISH),
        ("Task timed out", OVERLOADED),
        ("The upstream model is overloaded", OVERLOADED),
        ("Internal server error", OTHERWISE),
        ("", OTHERWISE),
        ("错误", OTHERWISE),
    ],
)
def test_a_few_stable_words_tell_what_happened(words, sentence):
    assert sentence_for(failed(words)).startswith(sentence)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [("402", BALANCE), ("422", SETTINGS), ("451", PICTURE), ("500", OTHERWISE), ("", OTHERWISE)],
)
def test_without_words_the_code_tells(code, sentence):
    assert sentence_for(failed("", code=code)).startswith(sentence)


def test_words_tell_more_than_a_code():
    assert sentence_for(failed("prohibited content", code="422")).startswith(PROMPT_REFUSED)


def test_each_sentence_says_what_happened_and_what_to_do_next():
    sentences = {sentence for _, sentence in CATEGORIES} | set(BY_CODE.values()) | {OTHERWISE}

    for sentence in sentences:
        assert sentence.count(".") >= 2
        assert sentence.endswith(".")
