"""Asking KIE.AI for the balance, and keeping the answer."""

from datetime import timedelta
from decimal import Decimal

import pytest
import requests
from django.utils.timezone import now

from generation import outage, tasks
from generation.balance import PAUSE, refresh_balance
from generation.kie.client import KieClient
from generation.models import RateLimit
from tests.conftest import CREATE_TASK, KIE, RECORD_INFO, RESULT, example, says
from videostudio.models import KieBalance, Outage

CREDIT = f"{KIE}/chat/credit"
AWAY = requests.ConnectTimeout("no answer")


def holds(credits):
    return {"code": 200, "msg": "success", "data": credits}


def refresh():
    return refresh_balance(client=KieClient.from_settings())


def in_the_next_minute():
    KieBalance.objects.update(asked_at=now() - timedelta(minutes=1))


@pytest.fixture
def nudged(monkeypatch):
    """The tasks that were nudged, and in how many seconds they shall run."""
    seen = []
    monkeypatch.setattr(tasks, "nudge", lambda task, *_, seconds=0.0: seen.append((task, seconds)))
    return seen


def test_kies_answer_is_kept_with_its_time(db, kie):
    kie.get(CREDIT, json=holds(812.5))
    before = now()

    assert refresh()

    balance = KieBalance.objects.known()
    assert balance.credits == Decimal("812.50")
    assert before <= balance.as_of <= now()


def test_until_kie_has_answered_nothing_is_known(db, kie):
    kie.get(CREDIT, body=AWAY)

    assert not refresh()

    assert KieBalance.objects.known() is None


def test_without_an_answer_the_last_figure_stays_with_its_time(db, kie):
    kie.get(CREDIT, json=holds(812))
    refresh()
    known = KieBalance.objects.known()
    kie.replace("GET", CREDIT, json=example("error_server_error_500"))
    in_the_next_minute()

    assert not refresh()

    after = KieBalance.objects.known()
    assert (after.credits, after.as_of) == (known.credits, known.as_of)


def test_many_who_know_of_a_change_ask_once(db, kie):
    kie.get(CREDIT, json=holds(812))

    asked = [refresh() for _ in range(5)]

    assert asked == [True, False, False, False, False]
    assert len(kie.calls) == 1


def test_a_clock_that_was_set_back_does_not_stop_the_asking(db, kie):
    kie.get(CREDIT, json=holds(812))
    refresh()
    tomorrow = now() + timedelta(days=1)
    KieBalance.objects.update(asked_at=tomorrow, as_of=tomorrow)
    kie.replace("GET", CREDIT, json=holds(800))

    assert refresh()

    assert KieBalance.objects.known().credits == 800


def test_asking_takes_a_turn_of_the_status_budget(db, kie, settings):
    settings.KIE_STATUS_RATE = (10, 1.0)
    kie.get(CREDIT, json=holds(812))

    refresh()

    assert RateLimit.objects.get(name="status").free_at > now()


def test_without_a_turn_nobody_asks(db, kie, settings):
    settings.KIE_STATUS_RATE = (10, 1.0)
    kie.get(CREDIT, json=holds(812))
    RateLimit.objects.create(name="status", free_at=now() + timedelta(seconds=30))

    assert not refresh()

    assert len(kie.calls) == 0


def test_a_pause_that_kie_asks_for_holds_for_all(db, kie, settings):
    settings.KIE_STATUS_RATE = (10, 1.0)
    kie.get(CREDIT, json=example("error_rate_limited_429"), headers={"Retry-After": "30"})

    refresh()

    assert RateLimit.objects.get(name="status").paused_until > now() + timedelta(seconds=20)


def test_an_answer_that_comes_late_does_not_replace_a_later_one(db):
    at = now()
    KieBalance.objects.keep(Decimal(700), asked_at=at)

    assert not KieBalance.objects.keep(Decimal(812), asked_at=at - timedelta(seconds=5))

    assert KieBalance.objects.known().credits == 700


def test_the_figure_of_another_key_is_not_shown(db, settings):
    KieBalance.objects.keep(Decimal(10_000), asked_at=now())

    settings.KIE_API_KEY = "another-key"

    assert KieBalance.objects.known() is None


def test_nothing_of_the_key_is_in_the_row(db, settings):
    KieBalance.objects.keep(Decimal(812), asked_at=now())

    row = KieBalance.objects.get()

    assert settings.KIE_API_KEY not in row.account
    assert len(row.account) == 64


def test_the_probe_of_an_outage_keeps_what_it_hears(db, kie):
    Outage.objects.begin(Outage.KIE, why="", at=now(), pause=timedelta(0))
    kie.get(CREDIT, json=holds(812))

    assert outage.may_ask(client=KieClient.from_settings())

    assert KieBalance.objects.known().credits == 812


def test_in_an_outage_only_the_probe_asks(db, kie):
    Outage.objects.begin(Outage.KIE, why="", at=now(), pause=timedelta(minutes=1))
    kie.get(CREDIT, json=holds(812))

    assert not refresh()

    assert len(kie.calls) == 0


def test_a_submission_has_the_balance_asked_for(alice_client, kie, nudged):
    kie.post(CREATE_TASK, json=example("market_create_ok"))
    form = {"prompt": "a red kite", "provider": "kie-hailuo-text2vid"}

    alice_client.post("/generate/", form)

    assert nudged == [(tasks.refresh_balance, PAUSE.total_seconds())]


@pytest.mark.parametrize("answer", [says("success", RESULT), says("fail", failMsg="no")])
def test_a_video_that_is_done_has_the_balance_asked_for(make_video, kie, nudged, answer):
    make_video()
    kie.get(RECORD_INFO, json=answer)

    tasks.poll_videos()

    assert (tasks.refresh_balance, PAUSE.total_seconds()) in nudged


def test_a_video_that_still_runs_does_not(make_video, kie, nudged):
    make_video()
    kie.get(RECORD_INFO, json=says("generating"))

    tasks.poll_videos()

    assert nudged == []


def test_beat_asks_every_minute(settings, db, kie):
    entry = settings.CELERY_BEAT_SCHEDULE["refresh_balance"]
    kie.get(CREDIT, json=holds(812))

    tasks.refresh_balance()

    assert (entry["task"], entry["schedule"]) == (tasks.refresh_balance.name, 60)
    assert KieBalance.objects.known().credits == 812


def test_the_sandbox_has_a_balance_of_its_own(db, sandbox):
    assert refresh()

    assert KieBalance.objects.known().credits == 10_000
