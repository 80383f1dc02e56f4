"""Is this call from KIE.AI?"""

from datetime import UTC, datetime, timedelta

import pytest

from generation.kie.signature import is_signed, sign
from tests.conftest import example

KEY = "kie-demo-webhook-key-0001"
TASK = "task_kling-2.6_1765182425861"
AT = datetime.fromtimestamp(1_790_000_000, UTC)


def check(headers, *, at=AT, task_id=TASK, keys=(KEY,)):
    return is_signed(headers, task_id=task_id, keys=keys, at=at)


def test_the_documented_example_is_genuine():
    assert check(example("webhook_headers"))


@pytest.mark.parametrize("seconds", [-301, 301])
def test_a_signature_is_good_for_five_minutes_only(seconds):
    assert not check(example("webhook_headers"), at=AT + timedelta(seconds=seconds))
    assert check(example("webhook_headers"), at=AT + timedelta(seconds=seconds * 0.99))


def test_a_signature_is_for_one_task():
    assert not check(example("webhook_headers"), task_id="task_of_another")


def test_while_a_key_is_rotated_both_are_good():
    assert check(example("webhook_headers"), keys=("new", KEY))
    assert not check(example("webhook_headers"), keys=("new",))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Webhook-Timestamp": "1790000000"},
        {"X-Webhook-Signature": sign(TASK, "1790000000", key=KEY)},
        {"X-Webhook-Timestamp": "1_790000000", "X-Webhook-Signature": "x"},
        {"X-Webhook-Timestamp": " 1790000000", "X-Webhook-Signature": "x"},
        {"X-Webhook-Timestamp": "١٧٩٠٠٠٠٠٠٠", "X-Webhook-Signature": "x"},
        {"X-Webhook-Timestamp": "1790000000", "X-Webhook-Signature": "ünïcödé"},
        {"X-Webhook-Timestamp": "1790000000", "X-Webhook-Signature": ""},
    ],
    ids=str,
)
def test_anything_else_is_not_from_kie(headers):
    assert not check(headers)


@pytest.mark.parametrize(
    "timestamp",
    ["", "soon", "1_790000000", " 1790000000", "1790000000 ", "+1790000000", "1790000000000"],
)
def test_a_time_in_another_spelling_is_not_kies_even_when_it_is_signed(timestamp):
    signature = sign(TASK, timestamp, key=KEY)

    assert not check({"X-Webhook-Timestamp": timestamp, "X-Webhook-Signature": signature})
