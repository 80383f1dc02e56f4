"""What must be true of a row, whoever writes it, and how it moves."""

from datetime import timedelta
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction
from django.utils.timezone import now

from gallery.failures import FAILURES
from gallery.models import USUAL_TIME_OF, Stage, Status, Video

BROKEN = {
    "an unknown status": {"status": "done"},
    "an unknown stage": {"stage": "thinking"},
    "a progress over 100": {"progress": 101},
    "processing but settled": {"stage": Stage.SETTLED},
    "processing and never looked at": {"next_poll_at": None},
    "processing with an end": {"completed_at": now()},
    "completed without an end": {"status": Status.COMPLETED, "stage": Stage.SETTLED},
    "completed without a result": {
        "status": Status.COMPLETED,
        "stage": Stage.SETTLED,
        "completed_at": now(),
        "progress": 100,
    },
    "failed without a reason": {
        "status": Status.FAILED,
        "stage": Stage.SETTLED,
        "completed_at": now(),
    },
}


@pytest.mark.parametrize("facts", BROKEN.values(), ids=BROKEN)
def test_the_database_refuses(make_video, facts):
    with pytest.raises(IntegrityError), transaction.atomic():
        make_video(**facts)


def test_a_task_belongs_to_one_video(make_video):
    make_video(task_id="task-7")

    with pytest.raises(IntegrityError), transaction.atomic():
        make_video(task_id="task-7")


def test_many_videos_may_have_no_task_yet(make_video):
    make_video(task_id="", stage=Stage.QUEUED)
    make_video(task_id="", stage=Stage.QUEUED)


def test_one_click_is_one_row(make_video, bob):
    key = uuid4()
    make_video(idempotency_key=key)
    make_video(idempotency_key=key, user=bob)

    with pytest.raises(IntegrityError), transaction.atomic():
        make_video(idempotency_key=key)


def test_each_sees_only_their_own(make_video, alice, bob):
    mine = make_video(user=alice)
    make_video(user=bob)

    assert list(Video.objects.for_user(alice)) == [mine]


@pytest.mark.parametrize("settle", ["mark_completed", "mark_failed"])
def test_a_completed_video_is_never_settled_again(make_completed, settle):
    video = make_completed()
    facts = {"error_message": "late news"} if settle == "mark_failed" else {}

    assert not getattr(video, settle)(**facts)

    video.refresh_from_db()
    assert (video.status, video.error_message) == (Status.COMPLETED, "")


def test_a_completed_video_is_not_finished_a_second_time(make_completed):
    video = make_completed()

    assert not video.mark_succeeded(video_url="https://results.example/late.mp4")

    video.refresh_from_db()
    assert (video.status, video.next_archive_at) == (Status.COMPLETED, None)


def test_a_task_named_after_the_deletion_is_noted_and_the_video_stays_deleted(make_video):
    video = make_video(stage=Stage.SUBMITTING, task_id="", deleted_at=now())

    video.mark_accepted(task_id="task-99")

    video.refresh_from_db()
    assert video.task_id == "task-99"
    assert video.deleted_at


def test_only_one_of_two_wins_a_step(make_video):
    video = make_video(stage=Stage.QUEUED, task_id="")
    rival = Video.objects.get(pk=video.pk)
    later = now() + timedelta(minutes=1)

    assert video.claim_sending(until=later)
    assert not rival.claim_sending(until=later)


def test_what_is_being_saved_is_no_longer_failed(make_video):
    video = make_video(stage=Stage.SAVING)

    assert not video.mark_failed(error_message="too late")


def test_deleting_is_final_for_everybody_but_its_owner(make_video):
    video = make_video()
    video.mark_deleted()

    video.mark_succeeded(video_url="https://results.example/v.mp4")
    video.keep_file(file="videos/x.mp4")

    video.refresh_from_db()
    assert video.deleted_at is not None


def test_a_restored_video_is_looked_at_at_once(make_video):
    video = make_video(next_poll_at=now() + timedelta(minutes=5))
    video.mark_deleted()

    assert video.restore()

    assert Video.objects.due(now()).count() == 1


def test_every_visible_change_moves_updated_at(make_video):
    video = make_video()
    before = video.updated_at

    video.set_favorite(is_favorite=True)

    video.refresh_from_db()
    assert video.updated_at > before


def usual_time_of(video):
    return Video.objects.usual_time(
        **{name: getattr(video, name) for name in USUAL_TIME_OF},
    )


def test_the_usual_time_has_a_range_and_a_moment_from_which_it_is_late(make_video):
    for seconds in range(100, 200, 10):
        done = now()
        start = done - timedelta(seconds=seconds)
        video = make_video(accepted_at=start, succeeded_at=done)

    usual = usual_time_of(video)

    assert usual.expected_seconds == 145
    assert (usual.usually_from_seconds, usual.usually_to_seconds) == (128, 162)
    # A quarter over the middle and ten seconds: nine of ten are done before that.
    assert usual.late_after_seconds == 192


def test_one_that_was_noticed_days_later_does_not_change_the_usual_time(make_video):
    for seconds in [60] * 19 + [3 * 24 * 3600]:
        done = now()
        start = done - timedelta(seconds=seconds)
        video = make_video(accepted_at=start, succeeded_at=done)

    usual = usual_time_of(video)

    assert (usual.expected_seconds, usual.late_after_seconds) == (60, 85)


def test_the_usual_time_is_that_of_the_same_kind_length_and_resolution(make_video):
    def took(seconds, **facts):
        return make_video(
            accepted_at=now() - timedelta(seconds=seconds), succeeded_at=now(), **facts
        )

    short, *_ = [took(30, duration=6, parameters={"resolution": "768P"}) for _ in range(3)]
    for _ in range(5):
        took(300, duration=10, parameters={"resolution": "768P"})
        took(600, duration=6, parameters={"resolution": "1080P"})
        took(900, duration=6, parameters={"resolution": "768P"}, generation_type="img2vid")
    rare = make_video(duration=4, parameters={})
    other = make_video(model="another/model")

    assert usual_time_of(short).expected_seconds == 30
    # Fewer than three of its own kind: as long as the model takes over everything.
    assert usual_time_of(rare).usually_to_seconds > 300
    assert usual_time_of(other) is None


def test_the_usual_time_is_one_query(make_video, django_assert_num_queries):
    video = make_video()

    with django_assert_num_queries(1):
        usual_time_of(video)


@pytest.mark.parametrize("failure", ["prompt", "operator", "never_sent"])
def test_a_failure_says_its_tables_sentence(make_video, failure):
    video = make_video()

    video.mark_failed(failure=failure)

    video.refresh_from_db()
    assert video.error_message == FAILURES[failure].sentence
    assert video.why_failed is FAILURES[failure]


def test_a_failure_taken_back_leaves_no_trace_of_its_reason(make_failed):
    video = make_failed(failure="prompt")

    video.mark_succeeded(video_url="https://kie.example/v.mp4")

    video.refresh_from_db()
    assert (video.failure, video.error_message) == ("", "")


def test_the_usual_time_is_a_median_and_needs_three(make_completed):
    for seconds in (10, 1000):
        done = now()
        make_completed(accepted_at=done - timedelta(seconds=seconds), succeeded_at=done)
    video = Video.objects.first()
    few = usual_time_of(video)

    make_completed(accepted_at=now() - timedelta(seconds=60), succeeded_at=now())

    assert few is None
    assert usual_time_of(video).expected_seconds == 60


def test_undoing_a_deletion_leaves_a_call_that_is_on_the_wire_alone(make_video):
    later = now() + timedelta(seconds=100)
    video = make_video(stage=Stage.SUBMITTING, task_id="", next_poll_at=later)
    saving = make_video(stage=Stage.SAVING, next_poll_at=later, next_archive_at=later)
    for each in (video, saving):
        each.mark_deleted()
        each.restore()

    video.refresh_from_db()
    saving.refresh_from_db()
    assert (video.next_poll_at, saving.next_poll_at, saving.next_archive_at) == (later,) * 3


def test_saving_an_account_does_not_set_its_gallery_back(alice, make_video):
    stale = type(alice).objects.get(pk=alice.pk)
    make_video()

    stale.email = "new@example.com"
    stale.save()

    alice.refresh_from_db()
    assert (alice.email, alice.gallery_version) == ("new@example.com", 1)


def test_a_deleted_video_is_not_taken_up_for_sending(make_video):
    video = make_video(stage=Stage.QUEUED, task_id="")
    Video.objects.get().mark_deleted()

    assert not video.claim_sending(until=now())

    assert Video.objects.get().stage == Stage.QUEUED
