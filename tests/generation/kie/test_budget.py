"""KIE.AI's rate limits, shared by everybody who calls."""

import itertools
from datetime import timedelta
from threading import Barrier, Thread

import pytest
from django.db import connection
from django.utils.timezone import now
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.kie.budget import (
    Budget,
    catalogue_queries,
    creations,
    sleep_until,
    status_queries,
)
from generation.models import RateLimit

SOON = timedelta(seconds=10)
NAMES = itertools.count(1)


def budget_of(calls, seconds):
    """A budget nobody has used."""
    return Budget(f"budget-{next(NAMES)}", (calls, seconds))


def most_in_any_window(moments, *, seconds):
    """How many of these moments lie together in the fullest window of that length."""
    # A database keeps microseconds: that is how far apart from each other slots may be off.
    length = timedelta(seconds=seconds) - timedelta(microseconds=len(moments))
    return max(sum(start <= other < start + length for other in moments) for start in moments)


def test_the_first_call_may_go_at_once(db):
    before = now()

    turns = budget_of(10, 1.0).reserve(1, within=SOON)

    assert len(turns) == 1
    assert before <= turns[0] <= now()


def test_slots_lie_one_interval_apart(db):
    turns = budget_of(10, 1.0).reserve(4, within=SOON)

    gaps = {later - earlier for earlier, later in itertools.pairwise(turns)}

    assert gaps == {timedelta(seconds=0.1)}


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.integers(1, 30),
    st.sampled_from([0.5, 1.0, 3.0, 10.0]),
    st.lists(st.integers(0, 25), min_size=1, max_size=6),
)
def test_no_window_ever_holds_more_than_the_rate(db, calls, seconds, wanted):
    budget = budget_of(calls, seconds)

    turns = [turn for many in wanted for turn in budget.reserve(many, within=SOON)]

    assert turns == sorted(turns)
    assert not turns or most_in_any_window(turns, seconds=seconds) <= calls


def test_nothing_is_promised_beyond_the_horizon(db):
    budget = budget_of(10, 1.0)

    turns = budget.reserve(1000, within=timedelta(seconds=2))
    rest = budget.reserve(1000, within=timedelta(seconds=2))

    assert len(turns) == 21
    assert turns[-1] <= now() + timedelta(seconds=2)
    assert all(turn <= now() + timedelta(seconds=2) for turn in rest)
    assert not set(turns) & set(rest)


def test_nothing_is_promised_when_the_next_slot_is_too_far_off(db):
    budget = budget_of(1, 60.0)
    budget.reserve(1, within=SOON)

    assert budget.reserve(1, within=SOON) == []


def test_what_was_not_granted_is_not_used_up(db):
    budget = budget_of(1, 60.0)
    first = budget.reserve(1, within=SOON)
    for _ in range(5):
        budget.reserve(1, within=SOON)

    later = budget.reserve(1, within=timedelta(seconds=120))

    assert later == [first[0] + timedelta(seconds=60)]


def test_nothing_wanted_is_nothing_granted(db):
    assert budget_of(10, 1.0).reserve(0, within=SOON) == []


def test_slots_nobody_used_are_not_saved_up(db):
    budget = budget_of(10, 1.0)
    long_ago = now() - timedelta(hours=1)
    RateLimit.objects.create(name=budget.name, free_at=long_ago)

    turns = budget.reserve(50, within=SOON)

    assert turns[0] >= long_ago + timedelta(hours=1)
    assert most_in_any_window(turns, seconds=1.0) <= 10


def test_without_a_rate_all_may_go_at_once(db, django_assert_num_queries):
    with django_assert_num_queries(0):
        turns = Budget("free", None).reserve(500, within=timedelta(0))

    assert len(turns) == 500
    assert max(turns) <= now()


def test_a_pause_holds_everybody(db):
    budget = budget_of(10, 1.0)
    budget.reserve(1, within=SOON)
    somebody_else = Budget(budget.name, budget.rate)

    budget.pause(30)

    assert somebody_else.reserve(5, within=SOON) == []
    assert somebody_else.reserve(1, within=timedelta(seconds=60))[0] > now() + timedelta(seconds=20)


def test_a_pause_never_brings_the_next_call_forward(db):
    budget = budget_of(1, 60.0)
    first = budget.reserve(1, within=SOON)[0]

    budget.pause(5)

    assert budget.reserve(1, within=timedelta(minutes=2)) == [first + timedelta(seconds=60)]


def test_a_pause_of_one_budget_leaves_the_other_alone(db, settings):
    settings.KIE_CREATE_RATE = settings.KIE_STATUS_RATE = (10, 1.0)
    creations().reserve(1, within=SOON)

    creations().pause(30)

    assert creations().reserve(1, within=SOON) == []
    assert status_queries().reserve(1, within=SOON)


def test_a_moment_that_has_come_is_not_waited_for():
    before = now()

    sleep_until(before - timedelta(seconds=5))
    sleep_until(before + timedelta(seconds=0.05))

    assert timedelta(seconds=0.05) <= now() - before < timedelta(seconds=2)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_never_get_the_same_slot():
    budget = budget_of(1000, 1.0)
    together = Barrier(2)
    granted = []

    def reserve():
        together.wait()
        for _ in range(20):
            granted.extend(budget.reserve(3, within=SOON))
        connection.close()

    threads = [Thread(target=reserve) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(granted) == len(set(granted)) == 120


@pytest.mark.django_db(transaction=True)
def test_two_who_are_the_first_ever_do_not_get_the_same_slot():
    for _ in range(5):
        budget = budget_of(10, 1.0)
        together = Barrier(2)
        granted = []

        def reserve(budget=budget, together=together, granted=granted):
            together.wait()
            granted.extend(budget.reserve(1, within=SOON))
            connection.close()

        threads = [Thread(target=reserve) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(set(granted)) == 2


def test_the_live_catalogue_is_asked_once_a_second(db):
    turns = catalogue_queries().reserve(3, within=SOON)

    assert most_in_any_window(turns, seconds=1) == 1
