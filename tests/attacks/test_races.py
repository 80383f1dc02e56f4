"""Many at once, as processes: one of them wins, and the others do no harm."""

from pathlib import Path
from uuid import uuid4

import pytest
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import Group
from django.contrib.sessions.backends.db import SessionStore
from django.utils.timezone import now

from gallery.models import Status, Video
from tests.reliability.checker import asked_twice_at_once
from videostudio.models import SpendingLimit

CREATE = "/api/v1/jobs/createTask"


def session_of(user):
    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return session.session_key


def create_tasks(kie, count):
    """So many tasks that the sandbox has finished, by their ids."""
    import requests

    headers = {"Authorization": "Bearer test-key", "User-Agent": "Mozilla/5.0"}
    body = {
        "model": "hailuo/02-text-to-video-standard",
        "input": {"prompt": "a red kite", "duration": "6"},
    }
    for _ in range(count):
        requests.post(kie.url + CREATE, json=body, headers=headers, timeout=10)
    kie.finish()
    return [task.task_id for task in kie.tasks()]


def questions(kie):
    return [seen for seen in kie.requests_seen() if seen.path.endswith("recordInfo")]


def test_thirty_two_clicks_with_one_key_are_one_video_and_one_task(nursery, kie, alice):
    form = {
        "prompt": "a red kite",
        "provider": "kie-hailuo-text2vid",
        "idempotency_key": str(uuid4()),
    }
    click = ("post", session_of(alice), form)

    statuses = nursery.run(*[click] * 32)

    assert set(statuses) <= {200, 302}
    assert Video.objects.count() == 1
    assert len([seen for seen in kie.requests_seen() if seen.path == CREATE]) == 1


def test_sixteen_clicks_with_one_key_make_each_of_four_variations_once(nursery, kie, alice):
    form = {
        "prompt": "a red kite",
        "provider": "kie-hailuo-text2vid",
        "idempotency_key": str(uuid4()),
        "variations": "4",
    }
    click = ("post", session_of(alice), form)

    statuses = nursery.run(*[click] * 16)

    assert set(statuses) <= {200, 302}
    assert Video.objects.count() == 4
    assert len([seen for seen in kie.requests_seen() if seen.path == CREATE]) == 4
    assert Video.objects.exclude(task_id="").count() == 4


@pytest.mark.parametrize("limit", [{"videos_per_day": 5}, {"credits_per_month": 5 * 30 + 29}])
def test_a_limit_that_many_reach_at_once_is_kept_to_the_last_video(nursery, kie, alice, bob, limit):
    team = Group.objects.create(name="team")
    team.user_set.add(alice, bob)
    SpendingLimit.objects.create(group=team, **limit)
    SpendingLimit.objects.create(user=bob, videos_per_day=3)
    clicks = [
        ("submit_within_limits", user.pk, f"kite {number}", str(uuid4()))
        for number in range(10)
        for user in (alice, bob)
    ]

    made = nursery.run(*clicks)

    creations = [seen for seen in kie.requests_seen() if seen.path == CREATE]
    assert None not in made
    assert len([pk for pk in made if pk]) == len(creations) == Video.objects.count() == 5
    assert Video.objects.filter(user=bob).count() <= 3


def test_clicks_with_one_key_are_one_video_also_when_the_limit_has_room_for_no_second(
    nursery, kie, alice
):
    SpendingLimit.objects.create(user=alice, videos_per_day=1)
    click = ("submit_within_limits", alice.pk, "a red kite", str(uuid4()))

    made = nursery.run(*[click] * 16)

    assert set(made) == {str(Video.objects.get().pk)}
    assert len([seen for seen in kie.requests_seen() if seen.path == CREATE]) == 1


def test_ten_pollers_ask_about_no_video_twice_at_once(nursery, kie, make_video):
    for task_id in create_tasks(kie, 40):
        make_video(task_id=task_id)

    checked = nursery.run(*[("poll",)] * 10)

    assert sum(checked) == 40
    assert len(questions(kie)) == 40
    assert asked_twice_at_once(questions(kie)) == []


def test_ten_pollers_share_one_budget(make_nursery, kie, make_video):
    nursery = make_nursery(KIE_STATUS_RATE=(5, 1.0))
    for task_id in create_tasks(kie, 20):
        make_video(task_id=task_id)

    nursery.run(*[("poll", 2)] * 10)

    asked = sorted(seen.at for seen in questions(kie))
    # 19 pauses of 200 ms; a busy machine may make the first question late.
    assert len(asked) == 20
    assert asked[-1] - asked[0] > 19 / 5 - 0.9


def test_four_archivers_fetch_each_file_once(nursery, kie, make_video, clip_bytes):
    for task_id in create_tasks(kie, 6):
        make_video(task_id=task_id)
    nursery.run(("poll",))

    saved = nursery.run(*[("archive",)] * 4)

    fetched = [seen.path for seen in kie.requests_seen() if seen.path.startswith("/v/")]
    assert (sum(saved), len(fetched), len(set(fetched))) == (6, 6, 6)
    assert all(Path(v.file.path).read_bytes() == clip_bytes for v in Video.objects.all())


@pytest.mark.parametrize("turn", range(3))
def test_a_video_deleted_while_it_is_archived_stays_deleted(nursery, kie, make_video, turn):
    for task_id in create_tasks(kie, 4):
        make_video(task_id=task_id)
    nursery.run(("poll",))
    deletions = [("delete", str(pk)) for pk in Video.objects.values_list("pk", flat=True)]

    results = nursery.run(("archive",), ("archive",), *deletions)
    Video.objects.filter(next_archive_at__isnull=False).update(next_archive_at=now())
    nursery.run(("archive",), ("poll",), ("send",))

    assert results[2:] == [True] * 4
    for video in Video.objects.all():
        assert video.deleted_at
        assert (video.status == Status.COMPLETED) == bool(video.file)
