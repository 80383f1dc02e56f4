"""What the picker says about a service's past."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils.timezone import now
from redis.exceptions import ConnectionError as RedisIsAway

from generation.service_facts import LAST, REMEMBERED_AS, ServiceFacts, service_facts

HAILUO, VEO = "kie-hailuo-text2vid", "kie-veo3-fast"


@pytest.fixture
def settle(make_video, make_failed):
    """Makes a settled video of Hailuo's: how it ended, in how many seconds, how long ago."""

    def make(*, failed="", seconds=60, minutes_ago=0, **facts):
        done = now() - timedelta(minutes=minutes_ago)
        accepted = done - timedelta(seconds=seconds)
        if failed:
            return make_failed(failure=failed, accepted_at=accepted, completed_at=done, **facts)
        usual = {
            "status": "completed",
            "stage": "settled",
            "progress": 100,
            "video_url": "https://results.kie.example/v/clip.mp4",
            "next_poll_at": None,
            "accepted_at": accepted,
            "succeeded_at": done,
            "completed_at": done,
        }
        return make_video(**usual | facts)

    return make


def facts(provider=HAILUO):
    cache.delete(REMEMBERED_AS)
    return service_facts().get(provider, ServiceFacts())


def test_how_often_it_went_well_and_how_long_it_took(settle, bob):
    for seconds in (100, 110, 400):
        settle(seconds=seconds)
    settle(seconds=130, user=bob)
    settle(failed="service")

    assert facts() == ServiceFacts(80, 120)
    assert str(facts()) == "80 % ok · ~2 min"


def test_with_too_few_videos_nothing_is_said(settle):
    settle(), settle()
    settle(failed="prompt"), settle(failed="prompt")

    assert facts() == ServiceFacts()
    assert str(facts()) == ""

    settle()

    assert facts() == ServiceFacts(60, 60)


def test_a_rate_is_rounded_down(settle):
    for _ in range(3):
        settle(seconds=20)
    for _ in range(3):
        settle(failed="service")
    settle()

    assert str(facts()) == "57 % ok · ~20 s"


def test_only_the_last_ones_count(settle):
    for _ in range(5):
        settle(failed="service", minutes_ago=60)
    for _ in range(LAST):
        settle(seconds=30)

    assert facts() == ServiceFacts(100, 30)


def test_each_service_has_its_own_past(settle):
    for _ in range(5):
        settle(provider=VEO, seconds=90)
        settle(failed="service")

    assert (facts(VEO), facts()) == (ServiceFacts(100, 90), ServiceFacts(0, None))


@pytest.mark.parametrize("why", ["balance", "key", "operator"])
def test_what_is_not_the_services_fault_is_not_counted(settle, why):
    for _ in range(5):
        settle()
    for _ in range(5):
        settle(failed=why)

    assert facts().success_percent == 100


def test_what_kie_never_had_and_what_still_runs_is_not_counted(settle, make_video, make_failed):
    for _ in range(5):
        settle()
    make_failed(accepted_at=None, failure="never_sent")
    make_video()

    assert facts().success_percent == 100


def test_it_is_asked_once_a_minute(settle, django_assert_num_queries):
    settle()

    with django_assert_num_queries(1):
        service_facts()
        service_facts()


@pytest.mark.parametrize(
    ("redis", "error"),
    [("redis://127.0.0.1:1/0", RedisIsAway("refused")), ("", OSError(28, "the disk is full"))],
)
def test_a_cache_that_is_away_costs_a_query_and_no_page(
    settle, monkeypatch, settings, redis, error
):
    def away(*args):
        raise error

    settings.REDIS_URL = redis

    for _ in range(5):
        settle()
    monkeypatch.setattr(cache, "get", away)
    monkeypatch.setattr(cache, "set", away)

    assert service_facts()[HAILUO] == ServiceFacts(100, 60)
