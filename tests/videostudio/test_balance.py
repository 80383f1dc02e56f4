"""What is left at KIE.AI, as each page shows it."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError
from django.utils.timezone import now

from tests.gallery.test_views import updates_url
from videostudio.models import KieBalance

TOP_UP = "Top up at kie.ai"
ASK = "Ask your operator to top up."


def left(credits, *, ago=timedelta(0)):
    KieBalance.objects.keep(Decimal(credits), asked_at=now() - ago)


def shown(client, path="/"):
    return client.get(path).content.decode()


@pytest.mark.parametrize("path", ["/", "/generate/", "/trash/", "/spend/", "/accounts/profile/"])
def test_every_page_shows_it_in_credits_and_says_as_of_when(alice_client, path):
    left("1812.75")

    page = shown(alice_client, path)

    assert '1,812 <span class="unit">credits</span>' in page
    assert f"$9.06 left at KIE.AI, as of {now().day} {now():%b %Y}" in page


def test_as_long_as_it_is_unknown_nothing_is_shown(alice_client, db):
    assert 'class="chip' not in shown(alice_client)


def test_who_is_not_signed_in_does_not_see_it(client, db):
    left(12)

    page = shown(client, "/accounts/login/")

    assert "credits" not in page
    assert ASK not in page


def test_a_figure_that_is_old_says_its_age_and_warns_of_nothing(alice_client):
    left(12, ago=timedelta(minutes=12))

    page = shown(alice_client)

    assert "12 min ago" in page
    assert "is-old" in page
    assert ASK not in page


def test_when_it_is_low_operators_are_told_to_top_up_and_others_whom_to_ask(alice_client, alice):
    left(150)

    to_alice = shown(alice_client)
    alice.is_staff = True
    alice.save()
    to_staff = shown(alice_client)

    assert "is-warning" in to_alice
    assert ASK in to_alice
    assert TOP_UP not in to_alice
    assert TOP_UP in to_staff
    assert "Only 150 credits ($0.75) left at KIE.AI." in to_staff


def test_when_hardly_anything_is_left_it_turns_red(alice_client):
    left(12)

    assert 'class="chip is-bad"' in shown(alice_client)


def test_when_there_is_enough_nothing_warns(alice_client):
    left(200)

    page = shown(alice_client)

    assert ASK not in page
    assert "is-warning" not in page


def test_what_counts_as_low_is_a_setting(alice_client, settings):
    left(150)
    settings.LOW_BALANCE_CREDITS = 0

    assert ASK not in shown(alice_client)


def test_an_open_gallery_gets_it_with_the_next_change(alice_client, make_video):
    video = make_video()
    url = updates_url(alice_client.get("/"))
    left(812)
    video.mark_failed()

    news = shown(alice_client, url)

    assert '<span class="balance" id="balance" hx-swap-oob="true">' in news
    assert "812" in news


def test_a_balance_without_its_time_is_refused(db):
    with pytest.raises(IntegrityError):
        KieBalance.objects.create(account="x", credits=5, asked_at=now())
