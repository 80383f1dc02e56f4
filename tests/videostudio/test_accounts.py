"""Signing up, in and out; forgotten passwords."""

import re

import pytest
from django.core import mail

from tests.conftest import PASSWORD
from videostudio.models import User

NEWCOMER = {
    "username": "carol",
    "email": "carol@example.com",
    "password1": "long and winding road",
    "password2": "long and winding road",
}


def test_a_newcomer_signs_up_and_is_in(client, db):
    page = client.post("/accounts/signup/", NEWCOMER, follow=True)

    assert page.redirect_chain == [("/", 302)]
    assert page.context["user"].get_username() == "carol"


def test_a_closed_studio_takes_no_newcomers(client, db, settings):
    settings.SIGNUP_OPEN = False

    assert client.get("/accounts/signup/").status_code == 404
    assert client.post("/accounts/signup/", NEWCOMER).status_code == 404
    assert "signup" not in client.get("/accounts/login/").content.decode()


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"password2": "another"}, "match"),
        ({"password1": "12345678", "password2": "12345678"}, "common"),
        ({"email": ""}, "required"),
        ({"username": "alice"}, "already exists"),
        ({"email": "ALICE@example.com"}, "already exists"),
    ],
    ids=["two passwords", "a weak one", "no address", "a taken name", "a taken address"],
)
def test_a_sign_up_that_fails_says_why_and_keeps_the_name(client, alice, facts, words):
    form = NEWCOMER | facts

    answer = client.post("/accounts/signup/", form)

    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert form["username"] in answer.content.decode()
    assert User.objects.count() == 1


def test_signing_in_leads_back_to_where_one_wanted_to_go(client, alice):
    credentials = {"username": "alice", "password": PASSWORD}

    there = client.post("/accounts/login/?next=/generate/", credentials)

    assert there["Location"] == "/generate/"


def test_nobody_is_led_to_another_site(client, alice):
    credentials = {"username": "alice", "password": PASSWORD, "next": "https://evil.example/"}

    assert client.post("/accounts/login/", credentials)["Location"] == "/"


def test_signing_out_takes_a_post(alice_client):
    assert alice_client.get("/accounts/logout/").status_code == 405
    assert alice_client.post("/accounts/logout/").status_code == 302
    assert alice_client.get("/").status_code == 302


def test_a_forgotten_password_is_reset_by_mail(client, alice):
    client.post("/accounts/password-reset/", {"email": "alice@example.com"})
    link = re.search(r"http://testserver(/\S+)", mail.outbox[0].body)[1]
    form_url = client.get(link, follow=True).request["PATH_INFO"]
    new = "another long password"

    client.post(form_url, {"new_password1": new, "new_password2": new})

    assert client.login(username="alice", password=new)


def test_the_link_in_a_mail_leads_to_the_studios_own_address(client, alice, settings):
    settings.PUBLIC_URL = "https://studio.example"

    client.post("/accounts/password-reset/", {"email": "alice@example.com"})

    assert "\nhttps://studio.example/accounts/password-reset/" in mail.outbox[0].body


def test_an_unknown_address_gets_the_same_answer_and_no_mail(client, alice):
    known = client.post("/accounts/password-reset/", {"email": "alice@example.com"})
    unknown = client.post("/accounts/password-reset/", {"email": "nobody@example.com"})

    assert known["Location"] == unknown["Location"]
    assert len(mail.outbox) == 1


def test_the_profile_can_be_changed_but_not_to_somebody_elses(alice_client, alice, bob):
    mine = {"username": "alice", "email": "new@example.com"}
    theirs = {"username": "bob", "email": "alice@example.com"}

    saved = alice_client.post("/accounts/profile/", mine)
    refused = alice_client.post("/accounts/profile/", theirs)

    alice.refresh_from_db()
    assert (saved.status_code, refused.status_code) == (302, 422)
    assert (alice.username, alice.email) == ("alice", "new@example.com")


@pytest.mark.parametrize(
    "path",
    [
        "login/",
        "signup/",
        "password-reset/",
        "password-reset/sent/",
        "password-reset/done/",
        "password-reset/xx/yy/",
    ],
)
def test_the_way_in_is_open_to_all(client, db, path):
    assert client.get(f"/accounts/{path}").status_code == 200


@pytest.mark.parametrize("path", ["profile/", "password/"])
def test_ones_own_pages_open(alice_client, path):
    assert alice_client.get(f"/accounts/{path}").status_code == 200
