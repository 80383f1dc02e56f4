"""What was spent, on the page and as CSV."""

import csv
import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import Permission

from gallery import spend
from videostudio.models import User

NOON = datetime(2026, 11, 26, 12, tzinfo=UTC)
YESTERDAY, LAST_MONTH = NOON - timedelta(days=1), NOON - timedelta(days=30)
VEO = {"provider": "kie-veo3-fast", "model": "veo3_fast"}


@pytest.fixture(autouse=True)
def _noon(monkeypatch):
    """It is noon, 26 November, by this page's clock."""
    monkeypatch.setattr(spend, "now", lambda: NOON)


@pytest.fixture
def make(make_video):
    """Videos of today, unless a test says otherwise."""

    def make(**facts):
        return make_video(**{"created_at": NOON, "cost_estimated": 30} | facts)

    return make


@pytest.fixture
def treasurer(client, db):
    """Staff who may see what everybody has spent."""
    user = User.objects.create_user("tara", "tara@example.com", "x", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_spend"))
    client.force_login(user)
    return client


def sums(spent):
    return (spent.videos, spent.failed, spent.consumed, spent.estimated, spent.credits)


def lines(client, **query):
    answer = client.get("/spend.csv", query)
    text = b"".join(answer.streaming_content).decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_a_month_is_added_up_with_estimates_told_apart(alice_client, make, make_failed):
    make(cost_consumed=42)
    make()
    make_failed(created_at=NOON, cost_estimated=30, cost_consumed=0)
    make(created_at=LAST_MONTH, cost_consumed=999)

    answer = alice_client.get("/spend/")

    page = re.sub(r"\s+", " ", answer.content.decode())
    assert sums(answer.context["month"]) == (3, 1, 42, 30, 72)
    assert "$0.36" in page
    assert "72 credits, of which 30 estimated" in page
    assert "3 videos, of which 1 failed" in page


def test_deleted_videos_stay_counted(alice_client, make):
    make(cost_consumed=42, deleted_at=NOON)

    assert sums(alice_client.get("/spend/").context["month"]) == (1, 0, 42, 0, 42)


def test_a_video_without_a_known_price_is_said_to_be_one(alice_client, make):
    make(cost_estimated=None)

    answer = alice_client.get("/spend/")

    assert answer.context["month"].unpriced == 1
    assert "1 without a known price" in answer.content.decode()


def test_each_day_is_a_row_the_newest_first(alice_client, make):
    make()
    make(created_at=YESTERDAY, cost_consumed=5)
    make(created_at=YESTERDAY.replace(hour=23, minute=59, second=59))

    rows = alice_client.get("/spend/").context["by_day"]

    assert [row.what["day"].day for row in rows] == [26, 25]
    assert [sums(row) for row in rows] == [(1, 0, 0, 30, 30), (2, 0, 5, 30, 35)]


def test_each_service_is_a_row_the_dearest_first(alice_client, make):
    make()
    make(**VEO, cost_estimated=60)

    answer = alice_client.get("/spend/")

    rows = answer.context["by_service"]
    assert [(row.what["model"], row.credits) for row in rows] == [
        ("veo3_fast", 60),
        ("hailuo/02-text-to-video-standard", 30),
    ]
    assert "Veo 3.1 Fast" in answer.content.decode()


def test_the_days_can_be_chosen_in_either_order(alice_client, make):
    make()
    make(created_at=LAST_MONTH, cost_consumed=7)

    for query in ("from=2026-10-01&to=2026-10-31", "from=2026-10-31&to=2026-10-01"):
        chosen = alice_client.get(f"/spend/?{query}").context
        assert sums(chosen["total"]) == (1, 0, 7, 0, 7)
        assert sums(chosen["month"])[0] == 1


def test_a_long_time_is_told_by_months(alice_client, make):
    make()
    make(created_at=LAST_MONTH, cost_consumed=7)

    answer = alice_client.get("/spend/?from=2026-01-01&to=2026-11-26")

    assert [row.what["day"].isoformat() for row in answer.context["by_day"]] == [
        "2026-11-01",
        "2026-10-01",
    ]
    assert "By month" in answer.content.decode()


@pytest.mark.parametrize(
    "query",
    [
        "from=nonsense&to=x",
        "from=0001-01-01&to=9999-12-31",
        "from=&to=",
        "to=2026-02-30",
        "from=%00",
    ],
)
@pytest.mark.parametrize("path", ["/spend/", "/spend.csv"])
def test_nonsense_is_no_error(alice_client, make, path, query):
    make()

    assert alice_client.get(f"{path}?{query}").status_code == 200


def test_days_without_videos_say_so(alice_client):
    page = alice_client.get("/spend/").content.decode()

    assert "No videos were asked for in these days." in page
    assert "$0.00" in page


# --- Whose ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("is_staff", [False, True])
def test_other_peoples_spend_never_shows(client, bob, make, is_staff):
    bob.is_staff = is_staff
    bob.save()
    client.force_login(bob)
    make(cost_consumed=777, **VEO)

    answer = client.get("/spend/")

    page = answer.content.decode()
    assert sums(answer.context["total"]) == (0, 0, 0, 0, 0)
    assert "alice" not in page
    assert "777" not in page
    assert "Veo" not in page
    assert "By person" not in page
    assert lines(client) == []


def test_the_permission_without_being_staff_opens_nothing(client, bob, make):
    bob.user_permissions.add(Permission.objects.get(codename="view_spend"))
    client.force_login(bob)
    make()

    assert client.get("/spend/").context["total"].videos == 0
    assert lines(client) == []


def test_who_may_sees_everybodys_by_person(treasurer, make, bob):
    make(cost_consumed=5)
    make(user=bob, cost_consumed=50)

    answer = treasurer.get("/spend/")

    rows = answer.context["by_person"]
    assert [(row.what["person"], row.credits) for row in rows] == [("bob", 50), ("alice", 5)]
    assert "By person" in answer.content.decode()
    assert {line["person"] for line in lines(treasurer)} == {"alice", "bob"}


def test_who_is_not_signed_in_sees_nothing(client, db):
    assert client.get("/spend/").status_code == 302
    assert client.get("/spend.csv").status_code == 302


# --- How many queries ----------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 30])
def test_the_page_takes_as_many_queries_whatever_was_spent(
    treasurer, make, django_assert_num_queries, count
):
    for number in range(count):
        user = User.objects.create_user(f"user{number}", f"u{number}@example.com", "x")
        make(user=user, created_at=NOON - timedelta(days=number % 20), model=f"model-{number}")

    # Session, person, two of permissions, two sums, three tables, the balance.
    with django_assert_num_queries(10):
        treasurer.get("/spend/")


# --- CSV -----------------------------------------------------------------------------------------


def test_the_csv_has_a_line_per_video_of_the_same_days(alice_client, make):
    made = make(cost_consumed=42, deleted_at=NOON)
    make(**VEO)
    make(created_at=LAST_MONTH)

    found = {line["video"]: line for line in lines(alice_client)}

    assert found[str(made.pk)] == {
        "created_at": "2026-11-26T12:00:00+00:00",
        "person": "alice",
        "service": "Hailuo 02",
        "model": "hailuo/02-text-to-video-standard",
        "kind": "text2vid",
        "status": "processing",
        "credits": "42",
        "dollars": "0.21",
        "according_to": "KIE.AI's record",
        "deleted": "yes",
        "video": str(made.pk),
    }
    assert len(found) == 2


@pytest.mark.parametrize(
    ("facts", "amounts"),
    [
        ({"cost_consumed": 42}, ("42", "0.21", "KIE.AI's record")),
        ({"cost_estimated": "60.50"}, ("60.5", "0.3025", "estimate")),
        ({"cost_estimated": None}, ("", "", "unknown")),
        ({"cost_consumed": 0}, ("0", "0", "KIE.AI's record")),
    ],
)
def test_each_line_says_by_what_its_credits_are_known(alice_client, make, facts, amounts):
    make(**facts)

    [line] = lines(alice_client)

    assert (line["credits"], line["dollars"], line["according_to"]) == amounts


def test_a_line_of_what_kie_refused_says_that_nothing_was_charged(alice_client, make_failed):
    make_failed(created_at=NOON, cost_estimated=30, task_id="", failure="balance")

    [line] = lines(alice_client)

    assert (line["credits"], line["according_to"]) == ("0", "not charged")


def test_the_csv_is_a_file_with_its_days_in_its_name_and_sent_as_it_is_read(alice_client, make):
    make()

    answer = alice_client.get("/spend.csv?from=2026-11-01&to=2026-11-26")

    assert answer.streaming
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == (
        'attachment; filename="spend-2026-11-01-to-2026-11-26.csv"'
    )
    assert answer["Cache-Control"] == "private, no-store"


def test_no_prompt_is_in_the_csv(treasurer, make):
    make(prompt="a secret birthday party")

    assert "birthday" not in str(lines(treasurer))


@pytest.mark.parametrize("name", ["=1+1", "+49", "-2", "@SUM(A1)", "\tx"])
def test_no_name_is_taken_for_a_formula(treasurer, make, alice, name):
    User.objects.filter(pk=alice.pk).update(username=name)
    make()

    assert [line["person"] for line in lines(treasurer)] == [f"'{name}"]


def test_sums_are_exact_however_many_cents(alice_client, make):
    for _ in range(30):
        make(cost_consumed="0.10")

    total = alice_client.get("/spend/").context["total"]

    assert str(total.consumed) == "3.00"
