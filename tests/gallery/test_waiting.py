"""What a card says while its video is being made."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from gallery.models import Stage
from gallery.waiting import Waiting, in_words

PAST = {
    "expected_seconds": 150,
    "usually_from_seconds": 120,
    "usually_to_seconds": 180,
    "late_after_seconds": 235,
}


@pytest.fixture
def at_age(make_video):
    """A video accepted so many seconds ago, as its card says it."""

    def waiting(seconds, **facts):
        at = now()
        since = at - timedelta(seconds=seconds)
        return Waiting(make_video(created_at=since, accepted_at=since, **facts), at)

    return waiting


@pytest.mark.parametrize(
    ("facts", "step", "words"),
    [
        ({"stage": Stage.QUEUED, "task_id": ""}, "Sent", "Waiting for its turn"),
        ({"stage": Stage.SUBMITTING, "task_id": ""}, "Sent", "Sending"),
        ({"stage": Stage.UNCONFIRMED, "task_id": ""}, "Sent", "Waiting for confirmation"),
        ({"kie_state": "waiting"}, "Queued", "Queued at KIE.AI"),
        ({"kie_state": "queuing"}, "Queued", "Queued at KIE.AI"),
        ({"kie_state": "generating"}, "Rendering", "Rendering"),
        ({"kie_state": "0"}, "Rendering", "Rendering"),
        ({"stage": Stage.SAVING}, "Saving", "Saving"),
    ],
)
def test_one_of_four_steps_is_under_way(at_age, facts, step, words):
    wait = at_age(10, **facts)

    assert [name for name, mark in wait.steps if mark == "is-now"] == [step]
    assert [name for name, _ in wait.steps] == ["Sent", "Queued", "Rendering", "Saving"]
    assert wait.words.startswith(words)


def test_what_is_behind_is_done_and_what_is_ahead_is_not(at_age):
    wait = at_age(10, kie_state="generating")

    assert [mark for _, mark in wait.steps] == ["is-done", "is-done", "is-now", ""]


@pytest.mark.parametrize(
    ("seconds", "pace"),
    [(0, "usual"), (234, "usual"), (235, "late"), (3599, "late"), (3600, "attention")],
)
def test_it_is_usual_then_late_then_needs_attention(at_age, seconds, pace):
    assert at_age(seconds, **PAST).pace == pace


def test_without_a_past_it_is_late_once_it_is_stuck(at_age):
    assert at_age(899).pace == "usual"
    assert at_age(900).pace == "late"
    assert at_age(900).late == "Not done after 15 min, and still being checked"
    assert at_age(10).spoken == "no estimate yet"


def test_it_says_how_long_such_videos_take(at_age):
    wait = at_age(10, **PAST)

    assert wait.usual == "2 to 3 min"
    assert wait.spoken == "usually 2 to 3 minutes"
    assert wait.late == "Longer than usual: 9 of 10 finish within 4 min"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (40, 62, "40 to 60 s"),
        (1, 1, "5 s"),
        (58, 61, "60 s"),
        (80, 150, "1 to 3 min"),
        (118, 121, "2 min"),
        (20, 3000, "1 to 50 min"),
    ],
)
def test_a_range_is_said_as_people_say_it(low, high, words):
    assert in_words(low, high) == words


def test_it_says_when_it_was_last_checked(at_age):
    just_now = at_age(60, last_polled_at=now() - timedelta(seconds=12))
    long_ago = at_age(60, last_polled_at=now() - timedelta(minutes=9))
    never = at_age(60)

    assert (just_now.checked, just_now.is_overdue) == ("last checked 12 s ago", False)
    assert (long_ago.checked, long_ago.is_overdue) == ("last checked 9 min ago", True)
    assert never.checked == "not checked yet"


def test_a_stuck_video_is_not_overdue_between_two_seldom_looks(at_age):
    assert not at_age(1000, last_polled_at=now() - timedelta(minutes=4)).is_overdue
