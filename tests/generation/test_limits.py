"""How much a person may ask for, and their groups together."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import IntegrityError, connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation import limits
from generation.kie.errors import KieRefused
from generation.limits import LimitReached, allowance_of, check_limits
from generation.submission import VideoRefused
from tests.conftest import CREATE_TASK
from tests.generation.test_submission import submit
from videostudio.models import KieBalance, SpendingLimit, User

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def accepting(kie):
    """KIE.AI takes whatever it is asked for."""

    def accept(request):
        return 200, {}, f'{{"code": 200, "data": {{"taskId": "task-{uuid4()}"}}}}'

    kie.add_callback("POST", CREATE_TASK, accept)
    return kie


@pytest.fixture
def at_noon(monkeypatch):
    """It is noon, 26 November, by the limits' clock."""
    monkeypatch.setattr(limits, "now", lambda: NOON)


@pytest.fixture
def team(alice, bob):
    group = Group.objects.create(name="Marketing")
    group.user_set.add(alice, bob)
    return group


def check(user, *, videos=1, credits=30):
    check_limits(user, videos=videos, credits=None if credits is None else Decimal(credits))


def why_not(user, **asked):
    with pytest.raises(LimitReached) as reached:
        check(user, **asked)
    return reached.value.user_message


# --- What is kept --------------------------------------------------------------------------------


def test_without_a_limit_anything_goes(alice, make_video, django_assert_num_queries):
    make_video()

    with django_assert_num_queries(1):
        check(alice, videos=1000, credits=1_000_000)


def test_the_last_video_of_the_day_is_made_and_the_next_one_leaves_no_row(alice, accepting):
    SpendingLimit.objects.create(user=alice, videos_per_day=2)
    submit(alice)
    submit(alice)

    with pytest.raises(LimitReached):
        submit(alice)

    assert Video.objects.count() == 2
    assert len(accepting.calls) == 2


def test_the_limit_is_the_studios_own_and_no_refusal_of_kies():
    assert not issubclass(LimitReached, KieRefused)


def test_estimates_are_added_up_to_the_last_credit(alice, accepting):
    SpendingLimit.objects.create(user=alice, credits_per_month=60)
    submit(alice)
    submit(alice)

    with pytest.raises(LimitReached):
        submit(alice)

    assert Video.objects.count() == 2


def test_a_persons_limit_counts_that_person_alone(alice, bob, make_video):
    SpendingLimit.objects.create(user=alice, videos_per_day=1)
    make_video(user=bob)

    check(alice)
    check(bob)


def test_a_groups_limit_counts_all_its_members_together(alice, bob, team, make_video):
    SpendingLimit.objects.create(group=team, videos_per_day=2)
    make_video(user=alice)
    make_video(user=bob)

    assert "The group Marketing has made 2 of its 2 videos for today" in why_not(alice)
    assert why_not(bob)


def test_all_limits_that_apply_have_to_hold(alice, bob, team, make_video):
    SpendingLimit.objects.create(group=team, videos_per_day=10)
    SpendingLimit.objects.create(user=alice, credits_per_month=20)

    assert why_not(alice)
    check(bob)


def test_several_at_once_have_to_fit_together(alice, make_video):
    SpendingLimit.objects.create(user=alice, videos_per_day=4, credits_per_month=1000)
    make_video(cost_estimated=30)

    check(alice, videos=3, credits=90)
    assert "this would be 4 more" in why_not(alice, videos=4, credits=120)
    assert "these videos cost ≈ $5.00" in why_not(alice, videos=3, credits=1000)


def test_yesterday_and_last_month_are_forgotten(alice, make_video, at_noon):
    SpendingLimit.objects.create(user=alice, videos_per_day=1, credits_per_month=40)
    make_video(created_at=NOON.replace(hour=0) - timedelta(seconds=1), cost_estimated=5)
    make_video(created_at=NOON.replace(day=1, hour=0) - timedelta(seconds=1), cost_estimated=500)

    check(alice)

    assert [str(a) for a in allowance_of(alice)] == [
        "0 of 1 video today · $0.02 of $0.20 this month"
    ]


# --- How videos count ----------------------------------------------------------------------------

FAILED = {
    "status": Status.FAILED,
    "stage": Stage.SETTLED,
    "error_message": "It failed.",
    "completed_at": NOON,
    "next_poll_at": None,
}


@pytest.mark.parametrize(
    ("facts", "videos", "credits"),
    [
        ({}, 1, 30),
        ({"cost_consumed": 42}, 1, 42),
        ({"cost_estimated": None}, 1, 0),
        ({"cost_estimated": None, "cost_consumed": 42}, 1, 42),
        ({"stage": Stage.UNCONFIRMED, "task_id": ""}, 1, 30),
        ({"stage": Stage.QUEUED, "task_id": ""}, 1, 30),
        ({"deleted_at": NOON}, 1, 30),
        (FAILED, 1, 30),
        (FAILED | {"cost_consumed": 42}, 1, 42),
        (FAILED | {"cost_consumed": 0}, 0, 0),
        (FAILED | {"task_id": "", "failure": "balance"}, 0, 0),
        (FAILED | {"task_id": "", "failure": "never_sent"}, 0, 0),
        (FAILED | {"task_id": "", "failure": "operator"}, 1, 30),
        (FAILED | {"task_id": "", "failure": "operator", "cost_estimated": None}, 1, 0),
    ],
    ids=[
        "one that runs, as estimated",
        "what KIE.AI's record says",
        "no known price",
        "no known price before, and KIE.AI's record now",
        "unconfirmed: perhaps charged",
        "waiting for its turn",
        "deleted",
        "failed, and nothing proves that it was free",
        "failed, and charged by KIE.AI's record",
        "failed, and free by KIE.AI's record",
        "refused before a task was made",
        "never sent",
        "given up by an operator: perhaps charged",
        "given up, and without a known price",
    ],
)
def test_what_counts(alice, make_video, at_noon, facts, videos, credits):
    SpendingLimit.objects.create(user=alice, videos_per_day=10, credits_per_month=1000)
    make_video(**{"created_at": NOON, "cost_estimated": 30} | facts)

    [allowance] = allowance_of(alice)

    assert (allowance.videos_used, allowance.credits_used) == (videos, credits)


def test_deleting_frees_nothing(alice, make_video):
    SpendingLimit.objects.create(user=alice, videos_per_day=1)
    make_video().mark_deleted()

    assert why_not(alice)


def test_what_kie_did_not_charge_for_frees_its_place(alice, make_video):
    SpendingLimit.objects.create(user=alice, videos_per_day=1, credits_per_month=30)
    make_video(cost_estimated=30).mark_failed(cost_consumed=Decimal(0))

    check(alice)


def test_a_price_that_nobody_knows_fits_as_long_as_there_is_any_room(alice, make_video):
    SpendingLimit.objects.create(user=alice, credits_per_month=31)
    make_video(cost_estimated=30)

    check(alice, credits=None)
    make_video(cost_estimated=1)
    assert why_not(alice, credits=None)


# --- A click -------------------------------------------------------------------------------------


def test_the_second_of_two_clicks_gives_the_first_ones_video_all_the_same(alice, accepting):
    SpendingLimit.objects.create(user=alice, videos_per_day=1)
    key = uuid4()
    first = submit(alice, idempotency_key=key)

    second = submit(alice, idempotency_key=key)

    assert second.pk == first.pk
    with pytest.raises(LimitReached):
        submit(alice, idempotency_key=uuid4())


def test_what_kie_refused_takes_no_place(alice, kie):
    SpendingLimit.objects.create(user=alice, videos_per_day=1)
    kie.post(CREATE_TASK, json={"code": 422, "msg": "no"})
    with pytest.raises(VideoRefused):
        submit(alice)

    check(alice)


def test_the_form_says_why_and_keeps_what_was_typed(alice, alice_client, accepting):
    SpendingLimit.objects.create(user=alice, videos_per_day=1)
    form = {"prompt": "a red kite", "provider": "kie-hailuo-text2vid"}
    alice_client.post("/generate/", form)

    answer = alice_client.post("/generate/", form | {"prompt": "a blue kite"})

    page = answer.content.decode()
    assert answer.status_code == 422
    assert "You have made 1 of your 1 video for today" in page
    assert "there is room again from midnight UTC" in page
    assert "a blue kite" in page
    assert Video.objects.count() == 1


def test_a_form_that_was_sent_twice_is_no_error_when_the_limit_is_used_up(
    alice, alice_client, accepting
):
    SpendingLimit.objects.create(user=alice, videos_per_day=1)
    key = str(uuid4())
    form = {"prompt": "a red kite", "provider": "kie-hailuo-text2vid", "idempotency_key": key}

    answers = [alice_client.post("/generate/", form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [302, 302]
    assert Video.objects.count() == 1


# --- What is said --------------------------------------------------------------------------------


def test_it_says_which_limit_how_much_is_used_and_when_it_frees_up(alice, make_video, at_noon):
    SpendingLimit.objects.create(user=alice, credits_per_month=4000)
    make_video(created_at=NOON, cost_consumed=3990)

    assert why_not(alice) == (
        "You have used $19.95 of your $20.00 for this month (3,990 of 4,000 credits), and this "
        "video costs ≈ $0.15; there is room again from 1 December (UTC)."
    )


@pytest.mark.parametrize("limit", [{"videos_per_day": 0}, {"credits_per_month": 20}])
def test_it_promises_no_room_where_there_will_never_be_any(alice, limit):
    SpendingLimit.objects.create(user=alice, **limit)

    assert why_not(alice).endswith("; ask whoever runs this studio for more.")


def test_the_profile_shows_what_is_left(alice, alice_client, bob, team, make_video):
    SpendingLimit.objects.create(user=alice, videos_per_day=10, credits_per_month=4000)
    SpendingLimit.objects.create(group=team, videos_per_day=1)
    make_video(cost_estimated=240)

    page = alice_client.get("/accounts/profile/").content.decode()

    assert "1 of 10 videos today · $1.20 of $20.00 this month" in page
    assert "Marketing:" in page
    assert 'class="allowance is-used-up"' in page


def test_without_a_limit_the_profile_shows_none(alice_client):
    assert 'class="allowance' not in alice_client.get("/accounts/profile/").content.decode()


# --- The rows ------------------------------------------------------------------------------------


@pytest.mark.parametrize("whose", ["nobody", "both"])
def test_a_limit_is_of_one_user_or_one_group(alice, team, whose):
    with pytest.raises(IntegrityError):
        SpendingLimit.objects.create(
            **({} if whose == "nobody" else {"user": alice, "group": team}), videos_per_day=1
        )


def test_all_limits_are_locked_in_one_order_everywhere(alice):
    query = str(SpendingLimit.objects.applying_to(alice).select_for_update(of=("self",)).query)

    assert 'ORDER BY "videostudio_spendinglimit"."id" ASC' in query
    assert ("FOR UPDATE" in query) == connection.features.has_select_for_update


# --- Beside the price ----------------------------------------------------------------------------

SWAP = {"HX-Request": "true", "HX-Target": "settings", "HX-Trigger": "settings"}
# 60 credits by the price list.
ASKED = {"provider": "kie-veo3-fast", "settings_of": "kie-veo3-fast"}


def price_line(client, **asked):
    """What stands beside the button after a change of settings."""
    part = client.get("/generate/", ASKED | asked, headers=SWAP).content.decode()
    return re.search(r'<p id="price".*?</p>', part)[0]


def test_a_price_above_what_is_left_at_kie_is_said(alice_client):
    KieBalance.objects.keep(Decimal("59.90"), asked_at=now())

    line = price_line(alice_client)

    assert "is-over" in line
    assert "60 credits" in line
    assert "more than the 59 credits left at KIE.AI" in line


@pytest.mark.parametrize(
    ("credits", "minutes_ago"), [("60", 0), ("5", 10)], ids=["just enough", "an old figure"]
)
def test_a_price_that_fits_as_far_as_is_known_is_not_marked(alice_client, credits, minutes_ago):
    KieBalance.objects.keep(Decimal(credits), asked_at=now() - timedelta(minutes=minutes_ago))

    assert "is-over" not in price_line(alice_client)


def test_the_price_of_several_counts_together(alice_client):
    KieBalance.objects.keep(Decimal(100), asked_at=now())

    assert "is-over" not in price_line(alice_client)
    assert "is-over" in price_line(alice_client, variations="2")


@pytest.mark.parametrize(
    ("is_shared", "words"),
    [
        (False, "more than your limit leaves this month"),
        (True, "more than the limit of Marketing leaves this month"),
    ],
    ids=["one's own", "a group's"],
)
def test_a_price_above_what_a_limit_leaves_is_said(
    alice, alice_client, team, make_video, is_shared, words
):
    whose = {"group": team} if is_shared else {"user": alice}
    SpendingLimit.objects.create(**whose, credits_per_month=100)
    assert "is-over" not in price_line(alice_client)

    make_video(cost_estimated=41)
    page = alice_client.get("/generate/", ASKED).content.decode()

    assert words in page
    # The next change of settings knows what the whole form has just found out.
    assert words in price_line(alice_client)


def test_a_price_above_what_is_left_keeps_nobody_from_sending(alice, alice_client, accepting):
    KieBalance.objects.keep(Decimal(5), asked_at=now())

    alice_client.post("/generate/", {"provider": "kie-hailuo-text2vid", "prompt": "a red kite"})

    assert Video.objects.for_user(alice).exists()


def test_a_change_of_settings_asks_for_limits_and_balance_once_in_some_seconds(alice_client):
    price_line(alice_client)

    with CaptureQueriesContext(connection) as queries:
        price_line(alice_client, resolution="4k")

    asked = " ".join(query["sql"] for query in queries)
    assert "spendinglimit" not in asked
    assert "kiebalance" not in asked


# --- The operators' desk -------------------------------------------------------------------------


@pytest.fixture
def desk(client, db):
    client.force_login(User.objects.create_superuser("olga", "olga@example.com", "x"))
    return client


def test_operators_set_limits_and_see_what_is_used(desk, alice, make_video):
    make_video()
    form = {"user": alice.pk, "group": "", "videos_per_day": "10", "credits_per_month": ""}

    made = desk.post(reverse("admin:videostudio_spendinglimit_add"), form)
    page = desk.get(reverse("admin:videostudio_spendinglimit_changelist")).content.decode()

    assert made.status_code == 302
    assert "1 of 10 videos today" in page


def test_a_limit_of_nobody_is_no_limit(desk, db):
    form = {"user": "", "group": "", "videos_per_day": "10", "credits_per_month": ""}

    page = desk.post(reverse("admin:videostudio_spendinglimit_add"), form)

    assert "Choose one user or one group." in page.content.decode()
    assert not SpendingLimit.objects.exists()


def test_the_desk_of_videos_shows_the_balance(desk):
    KieBalance.objects.keep(Decimal(150), asked_at=now())

    page = desk.get(reverse("admin:gallery_video_changelist")).content.decode()

    assert "150 credits ($0.75) left at KIE.AI" in page
    assert "top up" in page
