"""One pass over the videos that are due."""

from datetime import timedelta
from threading import Barrier, Thread

import pytest
import requests
from django.db import connection
from django.utils.timezone import now

from gallery.models import RAW_ANSWER, Stage, Status, Video
from generation.kie.client import KieClient
from generation.kie.families import own_1080p_id
from generation.polling import poll_due_videos, poll_videos_by_id
from generation.recording import Look, record_running
from tests.conftest import KIE, RECORD_INFO, RESULT, VEO_RECORD, example, says


def poll(**options):
    return poll_due_videos(client=KieClient.from_settings(), **options)


def test_a_success_moves_the_video_on_to_saving(make_video, kie):
    video = make_video()
    kie.get(RECORD_INFO, json=says("success", RESULT, creditsConsumed=30.5))

    report = poll()

    video.refresh_from_db()
    assert (report.checked, report.finished) == (1, 1)
    assert (video.status, video.stage, video.video_url) == ("processing", "saving", RESULT)
    assert video.cost_consumed == 30.5
    assert video.next_archive_at <= now()


def test_a_failure_says_why_in_plain_words(make_video, kie):
    video = make_video()
    kie.get(RECORD_INFO, json=example("market_record_fail"))

    report = poll()

    video.refresh_from_db()
    assert report.failed == 1
    assert video.status == Status.FAILED
    assert video.error_message == (
        "The service's safety filter refused this prompt. Change the words and try again."
    )
    assert video.kie_error_code == "422"


def test_a_veo_video_is_asked_about_where_veo_lives(make_video, kie):
    make_video(model="veo3_fast", provider="kie-veo3-fast", task_id="veo_task_abcdef123456")
    kie.get(VEO_RECORD, json=example("veo_record_success"))

    assert poll().finished == 1


def test_a_running_video_is_due_again_at_the_next_tick(make_video, kie):
    video = make_video()
    before = video.updated_at
    kie.get(RECORD_INFO, json=says("generating"))

    report = poll()

    video.refresh_from_db()
    assert report.running == 1
    assert timedelta(seconds=6) < video.next_poll_at - now() < timedelta(seconds=9)
    assert (video.kie_state, video.poll_count) == ("generating", 1)
    assert video.updated_at == before, "nobody who looks at the card is disturbed"


@pytest.mark.parametrize(
    ("minutes", "pause"), [(1, 10), (5, 20), (14, 20), (16, 300), (60 * 24 * 3, 300)]
)
def test_the_older_a_task_the_longer_the_pause(make_video, kie, minutes, pause):
    video = make_video(accepted_at=now() - timedelta(minutes=minutes))
    kie.get(RECORD_INFO, json=says("generating"))

    poll()

    video.refresh_from_db()
    assert abs((video.next_poll_at - now()).total_seconds() - pause) < 3


def test_what_kie_wants_to_be_asked_about_seldom_is_asked_about_seldom(make_video, kie):
    video = make_video(
        provider="kie-veo3-1080p-upscale",
        model="veo-get-1080p",
        family="veo-1080p",
        generation_type="upscale",
        task_id=own_1080p_id({"taskId": "veo_task_1"}),
    )
    kie.get(f"{KIE}/veo/get-1080p-video", json=example("veo_1080p_processing_400"))

    poll()

    video.refresh_from_db()
    assert abs((video.next_poll_at - now()).total_seconds() - 20) < 3


def test_progress_is_an_estimate_that_never_claims_to_be_done(make_video, kie):
    long_ago = now() - timedelta(minutes=10)
    video = make_video(expected_seconds=60, accepted_at=long_ago)
    young = make_video(expected_seconds=60, accepted_at=now() - timedelta(seconds=60))
    unknown = make_video(expected_seconds=None, accepted_at=long_ago)
    kie.get(RECORD_INFO, json=says("generating"))

    poll()

    progress = {v.pk: v.progress for v in Video.objects.all()}
    assert progress[video.pk] == 95
    assert progress[young.pk] == 85
    assert progress[unknown.pk] == 0


def test_kies_own_figure_is_shown_where_it_gives_one(make_video, kie):
    video = make_video(expected_seconds=60)
    kie.get(RECORD_INFO, json=says("generating", progress=42))

    poll()

    video.refresh_from_db()
    assert video.progress == 42


def test_one_unanswered_video_does_not_hold_up_the_others(make_video, kie):
    make_video()
    make_video()
    kie.get(RECORD_INFO, body=requests.ConnectTimeout("no answer"))
    kie.get(RECORD_INFO, json=says("success", RESULT))

    report = poll()

    assert (report.checked, report.finished, report.unanswered) == (2, 1, 1)


@pytest.mark.parametrize(
    "answer",
    [
        {"body": "<html>Bad gateway</html>", "status": 502},
        {"body": ""},
        {"json": []},
        {"json": {"code": 200, "data": None}},
        {"json": {"code": 200, "data": {"state": None}}},
        {"json": {"code": 401, "msg": "You do not have access permissions"}},
        {"json": {"code": 422, "msg": "recordInfo is null"}},
        {"json": {"code": 455, "msg": "maintenance"}},
        {"json": {"code": 500, "msg": "Server exception"}},
        {"body": "[" * 100_000},
        {"body": requests.ReadTimeout("slow")},
    ],
    ids=str,
)
def test_a_wrong_answer_never_fails_a_video(make_video, kie, answer):
    video = make_video()
    kie.get(RECORD_INFO, **answer)

    report = poll()

    video.refresh_from_db()
    assert report.unanswered == 1
    assert (video.status, video.stage) == (Status.PROCESSING, Stage.RUNNING)
    assert video.next_poll_at > now()


def test_after_two_weeks_without_an_answer_the_video_says_so(make_video, kie):
    video = make_video(accepted_at=now() - timedelta(days=15))
    kie.get(RECORD_INFO, json=example("market_record_not_found_422"))

    poll()

    video.refresh_from_db()
    assert video.status == Status.FAILED
    assert "within 14 days" in video.error_message


def test_a_success_without_a_video_is_explained(make_video, kie):
    video = make_video()
    kie.get(RECORD_INFO, json=says("success"))

    poll()

    video.refresh_from_db()
    assert video.status == Status.FAILED
    assert "has given no video" in video.error_message


@pytest.mark.parametrize("name", ["market_record_fail", "a success without a video"])
def test_kies_own_record_of_a_failure_is_kept_for_operators(make_video, kie, name):
    video = make_video()
    kie.get(RECORD_INFO, json=says("success") if name.startswith("a ") else example(name))

    poll()

    (raw,) = video.events.filter(what=RAW_ANSWER)
    assert '"state"' in raw.detail
    assert "webhooks/kie" not in raw.detail


def test_a_failure_keeps_its_case_code_and_words(make_video, kie):
    video = make_video()
    kie.get(RECORD_INFO, json=example("market_record_fail"))

    poll()

    video.refresh_from_db()
    assert (video.failure, video.kie_error_code) == ("prompt", "422")
    assert video.kie_message == "Invalid prompt: prompt contains prohibited content"
    assert video.cost_consumed == 0


def test_an_answer_nobody_understands_is_kept_once_per_reason(make_video, kie):
    video = make_video()
    odd = [{"json": says("")}, {"body": "<html>Bad gateway</html>", "status": 502}]
    for answer in [*odd, *odd, {"body": requests.ReadTimeout("slow")}]:
        kie.get(RECORD_INFO, **answer)

    for _ in range(5):
        Video.objects.make_due()
        poll()

    kept = video.events.filter(what=RAW_ANSWER).values_list("detail", flat=True)
    assert len(kept) == 2
    assert kept[0].startswith('recordInfo names no state: {"taskId"')
    assert kept[1] == "HTTP 502 without an envelope: <html>Bad gateway</html>"


def test_a_waiting_task_with_results_still_waits(make_video, kie):
    video = make_video()
    kie.get(RECORD_INFO, json=says("waiting", RESULT))

    poll()

    video.refresh_from_db()
    assert video.stage == Stage.RUNNING


def test_videos_that_are_not_due_are_left_alone(make_video, make_completed, kie):
    make_video(next_poll_at=now() + timedelta(minutes=1))
    make_video(deleted_at=now() - timedelta(days=15))
    make_video(stage=Stage.QUEUED, task_id="")
    make_completed()

    assert poll().checked == 0


def test_a_deleted_video_is_followed_to_its_end_and_stays_deleted(make_video, kie):
    video = make_video(deleted_at=now())
    kie.get(RECORD_INFO, json=says("success", RESULT))

    poll()

    video.refresh_from_db()
    assert (video.stage, video.video_url) == (Stage.SAVING, RESULT)
    assert video.deleted_at is not None


def test_the_longest_overdue_is_asked_about_first(make_video, kie):
    late = make_video(next_poll_at=now() - timedelta(minutes=9))
    make_video(next_poll_at=now() - timedelta(minutes=1))
    kie.get(RECORD_INFO, json=says("generating"))

    poll(limit=1)

    late.refresh_from_db()
    assert late.poll_count == 1


def test_refresh_asks_about_this_persons_videos_only(make_video, alice, bob, kie):
    make_video(user=bob)
    make_video(user=alice)
    kie.get(RECORD_INFO, json=says("generating"))

    assert poll(user=alice).checked == 1


def test_a_claimed_video_is_not_asked_about_by_another_pass(make_video):
    make_video()
    claim = {"most": 10, "until": now() + timedelta(seconds=60), "by": "claimed_until"}

    first = Video.objects.due(now()).claim(**claim)
    second = Video.objects.due(now()).claim(**claim)

    assert (len(first), len(second)) == (1, 0)


def test_a_claim_expires_when_its_holder_dies(make_video):
    make_video()
    until = now() + timedelta(seconds=60)
    Video.objects.due(now()).claim(most=1, until=until, by="claimed_until")

    later = Video.objects.due(now() + timedelta(seconds=61))

    assert later.count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_passes_at_once_ask_about_no_video_twice(make_video, kie):
    for _ in range(20):
        make_video()
    kie.get(RECORD_INFO, json=says("generating"))
    together = Barrier(2)

    def a_pass():
        together.wait()
        poll()
        connection.close()

    passes = [Thread(target=a_pass) for _ in range(2)]
    for thread in passes:
        thread.start()
    for thread in passes:
        thread.join()

    assert set(Video.objects.values_list("poll_count", flat=True)) == {1}


def test_the_status_budget_is_kept_and_the_rest_is_due_again(make_video, kie, settings):
    settings.KIE_STATUS_RATE = (2, 1.0)
    for _ in range(30):
        make_video()
    kie.get(RECORD_INFO, json=says("generating"))

    report = poll(limit=3)

    assert report.checked == 3
    assert Video.objects.due(now()).count() == 27


def test_a_429_pauses_everybody_and_loses_nothing(make_video, kie, settings):
    settings.KIE_STATUS_RATE = (100, 1.0)
    make_video()
    make_video()
    slow_down = {"code": 429, "msg": "Rate limit exceeded"}
    kie.get(RECORD_INFO, json=slow_down, headers={"Retry-After": "30"})

    poll(limit=1)
    during = poll()

    assert during.checked == 0
    assert Video.objects.processing().count() == 2


def test_a_late_answer_cannot_take_back_what_is_settled(make_completed, kie):
    from generation.kie.families import read_market_task
    from generation.recording import Look, record, record_running

    video = make_completed()
    stale = Video.objects.get(pk=video.pk)

    late = record(stale, read_market_task(says("fail", failMsg="late news")["data"]))
    record_running([Look(stale, read_market_task(says("generating")["data"]))], since=now())

    video.refresh_from_db()
    assert not late
    assert (video.status, video.progress) == (Status.COMPLETED, 100)


@pytest.mark.parametrize("stage", [Stage.SAVING, Stage.SETTLED])
def test_who_notes_late_that_it_still_runs_changes_nothing(make_video, make_failed, stage):
    in_a_minute = now() + timedelta(minutes=1)
    video = (
        make_failed()
        if stage == Stage.SETTLED
        else make_video(stage=stage, next_poll_at=in_a_minute)
    )
    before = Video.objects.filter(pk=video.pk).values().get()

    record_running([Look(video, None)], since=now())

    assert Video.objects.filter(pk=video.pk).values().get() == before


def test_a_failed_video_is_taken_back_when_kie_proves_a_success(make_failed, kie):
    video = make_failed()
    kie.get(RECORD_INFO, json=says("success", RESULT))

    report = poll_videos_by_id([video.pk], client=KieClient.from_settings())

    video.refresh_from_db()
    assert report.finished == 1
    assert (video.status, video.stage, video.error_message) == ("processing", "saving", "")


def test_what_happened_stands_in_the_event_log(make_video, kie):
    video = make_video()
    kie.get(RECORD_INFO, json=says("success", RESULT))

    poll()

    assert [event.what for event in video.events.all()] == ["KIE.AI succeeded"]


def test_a_task_that_never_ends_is_given_up_after_two_weeks(make_video, kie):
    video = make_video(accepted_at=now() - timedelta(days=15))
    kie.get(RECORD_INFO, json=says("generating"))

    assert poll().failed == 1

    video.refresh_from_db()
    assert video.status == Status.FAILED


def test_an_answer_that_was_under_way_for_long_does_not_set_the_bar_back(make_video):
    from generation.recording import Look, record_running

    video = make_video(progress=10)
    stale = Video.objects.get(pk=video.pk)
    Video.objects.filter(pk=video.pk).update(progress=60)

    record_running([Look(stale, None)], since=now())

    video.refresh_from_db()
    assert video.progress == 60


def test_making_due_takes_no_video_out_of_another_passs_hands(make_video, kie):
    make_video()
    until = now() + timedelta(seconds=60)
    Video.objects.due(now()).claim(most=1, until=until, by="claimed_until")

    Video.objects.make_due()

    assert poll().checked == 0


def test_the_word_on_the_card_follows_kies_state(make_video, alice, kie):
    make_video()
    alice.refresh_from_db()
    before = alice.gallery_version
    kie.get(RECORD_INFO, json=says("queuing"))

    poll()
    alice.refresh_from_db()
    queued = alice.gallery_version
    Video.objects.make_due()
    poll()

    alice.refresh_from_db()
    assert queued == before + 1
    assert alice.gallery_version == queued, "the same word again changes nothing"


def test_the_last_look_is_counted_too(make_video, kie):
    video = make_video(poll_count=3)
    kie.get(RECORD_INFO, json=says("success", RESULT))

    poll()

    video.refresh_from_db()
    assert video.poll_count == 4
    assert video.last_polled_at


def test_every_result_of_a_success_is_written_down_once(make_video, kie):
    video = make_video()
    second = "https://results.kie.example/v/second.mp4"
    kie.get(RECORD_INFO, json=says("success", urls=[RESULT, RESULT, second, "ftp://x/y"]))

    poll()

    video.refresh_from_db()
    assert video.video_url == RESULT
    assert [(row.position, row.url) for row in video.results.all()] == [(2, second)]


def test_no_task_has_hundreds_of_results(make_video, kie):
    video = make_video()
    kie.get(RECORD_INFO, json=says("success", urls=[f"{RESULT}?{n}" for n in range(500)]))

    poll()

    assert video.results.count() == 19


def test_a_callback_that_comes_while_kie_is_being_asked_is_not_forgotten(make_video, kie):
    video = make_video()
    began = now()
    stale = Video.objects.get(pk=video.pk)
    Video.objects.filter(pk=video.pk).update(next_poll_at=now() + timedelta(seconds=20))
    Video.objects.filter(pk=video.pk).nudge(task_id=video.task_id)

    record_running([Look(stale, None)], since=began)

    video.refresh_from_db()
    assert video.next_poll_at <= now()


def test_only_the_video_that_was_named_is_asked_about(make_video, kie):
    make_video()
    named = make_video()
    kie.get(RECORD_INFO, json=says("generating"))

    report = poll(ids=[named.pk])

    assert report.checked == 1
    assert Video.objects.get(pk=named.pk).poll_count == 1
