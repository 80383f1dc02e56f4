"""The operators' desk."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from gallery.models import Stage, Status
from generation import tasks
from tests.conftest import RECORD_INFO, RESULT, says
from videostudio.models import User

LIST = reverse("admin:gallery_video_changelist")


@pytest.fixture
def desk(client, db):
    client.force_login(User.objects.create_superuser("olga", "olga@example.com", "x"))
    return client


def act(desk, action, *videos):
    return desk.post(
        LIST, {"action": action, "_selected_action": [v.pk for v in videos]}, follow=True
    )


@pytest.mark.parametrize(
    ("attention", "facts"),
    [
        ("stuck", {"created_at": now() - timedelta(minutes=20)}),
        ("overdue", {"next_poll_at": now() - timedelta(minutes=3)}),
        ("unconfirmed", {"stage": Stage.UNCONFIRMED, "task_id": ""}),
        ("unsaved", {"stage": Stage.SAVING, "succeeded_at": now()}),
    ],
)
def test_what_needs_attention_is_found(desk, make_video, make_completed, attention, facts):
    wanted = make_video(**facts)
    make_completed()
    make_video(next_poll_at=now() + timedelta(minutes=1))

    page = desk.get(LIST, {"attention": attention})

    assert [video.pk for video in page.context["cl"].result_list] == [wanted.pk]


def test_a_video_is_found_by_its_task_id_and_shows_its_log(desk, make_video):
    video = make_video(task_id="task_kling_99")
    make_video()
    video.events.create(what="not sent", detail="429 Rate limit exceeded")

    found = desk.get(LIST, {"q": "task_kling_99"}).context["cl"].result_list
    page = desk.get(reverse("admin:gallery_video_change", args=[video.pk])).content.decode()

    assert [v.pk for v in found] == [video.pk]
    assert "429 Rate limit exceeded" in page
    assert "test-key" not in page


def test_checking_now_makes_videos_due(desk, make_video):
    video = make_video(next_poll_at=now() + timedelta(minutes=5))

    page = act(desk, "check_now", video)

    video.refresh_from_db()
    assert video.next_poll_at <= now()
    assert "asked about 1 video" in page.content.decode()


def test_marking_as_failed_names_the_operator_and_spares_what_is_done(
    desk, make_video, make_completed
):
    lost, done = make_video(), make_completed()

    act(desk, "mark_as_failed", lost, done)

    lost.refresh_from_db()
    done.refresh_from_db()
    assert (lost.status, done.status) == (Status.FAILED, Status.COMPLETED)
    assert lost.events.get().by == "olga"


def test_rows_are_not_edited_by_hand(desk, make_video):
    video = make_video()
    url = reverse("admin:gallery_video_change", args=[video.pk])

    desk.post(url, {"status": "completed", "prompt": "changed"})

    video.refresh_from_db()
    assert (video.status, video.prompt) == (Status.PROCESSING, "a red kite")


def test_people_without_the_right_do_not_enter(client, bob):
    client.force_login(bob)

    assert client.get(LIST).status_code == 302


def test_a_failed_video_that_kie_has_finished_is_brought_home(make_failed, kie):
    video = make_failed(task_id="paid-late")
    kie.get(RECORD_INFO, json=says("success", RESULT))

    tasks.check_videos([str(video.pk)])

    video.refresh_from_db()
    assert video.stage == Stage.SAVING


def test_what_cannot_be_asked_about_is_counted_and_explained(desk, make_video):
    nameless = make_video(stage=Stage.UNCONFIRMED, task_id="")

    page = act(desk, "check_now", nameless, make_video()).content.decode()

    assert "asked about 1 video(s)" in page
    assert "1 skipped" in page


def test_archiving_again_names_the_operator_and_spares_what_kie_has_no_longer(
    desk, make_completed, make_video
):
    young, running = make_completed(), make_video()
    old = make_completed(succeeded_at=now() - timedelta(days=15))

    page = act(desk, "archive_again", young, old, running).content.decode()

    young.refresh_from_db()
    old.refresh_from_db()
    assert "1 video(s) are fetched again" in page
    assert "2 skipped" in page
    assert young.next_archive_at <= now()
    assert (bool(young.file), young.events.get().by) == (True, "olga")
    assert (bool(old.archived_at), old.next_archive_at) == (True, None)


def test_further_results_are_shown_with_their_video(desk, make_completed):
    video = make_completed()
    video.results.create(position=2, url=RESULT, file="videos/aa/second.mp4", archived_at=now())

    page = desk.get(reverse("admin:gallery_video_change", args=[video.pk])).content.decode()

    assert "videos/aa/second.mp4" in page


def test_a_video_whose_second_result_is_missing_needs_attention(desk, make_completed):
    video = make_completed()
    video.results.create(position=2, url=RESULT)
    make_completed()

    page = desk.get(LIST, {"attention": "unsaved"})

    assert [found.pk for found in page.context["cl"].result_list] == [video.pk]
