"""Alive, and able to work."""

from datetime import timedelta

import pytest
from django.utils.timezone import now

from videostudio import health
from videostudio.models import Heartbeat


def test_alive_needs_nothing(client):
    assert client.get("/healthz/").content == b"ok"


def test_ready_when_every_part_works(client, db):
    Heartbeat.objects.beat(Heartbeat.WORKER)

    answer = client.get("/readyz/")

    assert answer.status_code == 200
    assert answer.json() == {"database": "ok", "broker": "ok", "worker": "ok"}


@pytest.mark.parametrize("seconds", [None, 60])
def test_without_a_recent_sign_of_life_the_worker_has_failed(client, db, seconds):
    if seconds:
        Heartbeat.objects.beat(Heartbeat.WORKER, at=now() - timedelta(seconds=seconds))

    answer = client.get("/readyz/")

    assert answer.status_code == 503
    assert answer.json()["worker"] == "failed"


def test_a_broker_that_is_away_is_said_at_once(client, db, monkeypatch):
    from celery import Celery

    away = Celery(broker="redis://127.0.0.1:1/0")
    monkeypatch.setattr(health, "app", away)
    Heartbeat.objects.beat(Heartbeat.WORKER)

    answer = client.get("/readyz/")

    assert answer.status_code == 503
    assert answer.json()["broker"] == "failed"
