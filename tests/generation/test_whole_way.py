"""From a click to a file, over real HTTP, against the sandbox."""

from pathlib import Path

import pytest
from django.core.files.storage import default_storage
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation.archive import archive_due_videos
from generation.catalogue import PROVIDERS
from generation.clip import inspect_clip
from generation.going_on import usual_values
from generation.kie.client import KieClient
from generation.kie.errors import KieRefused
from generation.polling import poll_due_videos
from generation.request import GenerationRequest
from generation.submission import send_queued_videos, submit_video, submit_videos
from tests.conftest import kept_input

KINDS = [
    (key, mode.generation_type)
    for key in (
        "kie-veo3-fast",
        "kie-hailuo-text2vid",
        "kie-hailuo-img2vid",
        "kie-kling-3-0-text2vid",
    )
    for mode in PROVIDERS[key].modes
    if mode.generation_type in {"text2vid", "img2vid"}
]


def a_request(prompt, user, *, provider="kie-hailuo-text2vid", generation_type="text2vid"):
    chosen = PROVIDERS[provider]
    mode = chosen.mode_of_type(generation_type)
    files = {slot.name: [kept_input(user, slot.name)] for slot in mode.slots if slot.is_required}
    # The shortest and smallest: what is rendered here is rendered on the machine that tests.
    values = {s.name: s.choices[0].value if s.choices else s.default for s in mode.settings}
    values = {name: value for name, value in values.items() if value is not None}
    return GenerationRequest.checked(provider=chosen, prompt=prompt, values=values, files=files)


def submit(prompt, user, **options):
    request = a_request(prompt, user, **options)
    return submit_video(user=user, request=request, client=KieClient.from_settings())


def a_tick():
    client = KieClient.from_settings()
    Video.objects.make_due()
    Video.objects.filter(next_archive_at__isnull=False).update(next_archive_at=now())
    send_queued_videos(client=client)
    poll_due_videos(client=client)
    archive_due_videos(client=client, limit=1)


@pytest.mark.parametrize(("provider", "generation_type"), KINDS)
def test_every_service_ends_in_a_file_that_plays(sandbox, alice, provider, generation_type):
    video = submit("a red kite", alice, provider=provider, generation_type=generation_type)
    sandbox.finish()

    a_tick()

    video.refresh_from_db()
    assert (video.status, video.progress) == (Status.COMPLETED, 100)
    assert video.file_size > 1000
    assert video.width
    assert sandbox.tasks()[0].prompt == "a red kite"


@pytest.mark.parametrize("word", ["401", "402", "422", "433", "451", "500", "505"])
def test_a_refusal_leaves_no_row_and_no_task(sandbox, alice, word):
    with pytest.raises(KieRefused):
        submit(f"sandbox:{word} a red kite", alice)

    assert Video.objects.count() == 0
    assert sandbox.tasks() == []


@pytest.mark.parametrize(("word", "tasks"), [("html", 0), ("lost", 1), ("no-id", 0)])
def test_an_unclear_answer_is_never_repeated(sandbox, alice, word, tasks):
    video = submit(f"sandbox:{word} a red kite", alice)
    for _ in range(3):
        Video.objects.update(next_poll_at=now())
        a_tick()

    video.refresh_from_db()
    assert video.stage == Stage.UNCONFIRMED
    assert len(sandbox.tasks()) == tasks


@pytest.mark.parametrize("word", ["429", "455"])
def test_a_creation_sent_back_unread_waits(sandbox, alice, word):
    video = submit(f"sandbox:{word} a red kite", alice)

    video.refresh_from_db()
    assert video.stage == Stage.QUEUED


@pytest.mark.parametrize(
    ("word", "words"),
    [
        ("fail", "failed on the service's side"),
        ("fail-policy", "safety filter refused this prompt"),
        ("fail-image", "would not use the picture"),
        ("no-url", "has given no video"),
    ],
)
def test_a_failure_is_told_in_plain_words(sandbox, alice, word, words):
    video = submit(f"sandbox:{word} a red kite", alice)
    sandbox.finish()

    a_tick()

    video.refresh_from_db()
    assert video.status == Status.FAILED
    assert words in video.error_message


@pytest.mark.parametrize("word", ["dead-link", "not-video"])
def test_a_result_that_is_no_whole_video_is_not_called_completed(sandbox, alice, word):
    video = submit(f"sandbox:{word} a red kite", alice)
    sandbox.finish()

    a_tick()
    a_tick()

    video.refresh_from_db()
    assert (video.status, video.stage) == (Status.PROCESSING, Stage.SAVING)
    assert not video.file


def test_a_download_that_is_cut_goes_on_where_it_broke(sandbox, alice, settings):
    video = submit("sandbox:cut a red kite", alice)
    sandbox.finish()

    a_tick()
    arrived = [path.stat().st_size for path in settings.MEDIA_ROOT.glob(".incoming/*.part")]
    a_tick()

    video.refresh_from_db()
    assert arrived == [video.file_size // 2]
    assert video.status == Status.COMPLETED
    assert [seen.code for seen in sandbox.requests_seen() if "/v/" in seen.path] == [200, 206]
    assert list(settings.MEDIA_ROOT.glob(".incoming/*")) == []


def test_a_link_that_has_expired_is_made_fresh(sandbox, alice):
    video = submit("sandbox:expired-link a red kite", alice)
    sandbox.finish()

    a_tick()
    a_tick()

    video.refresh_from_db()
    assert (video.status, bool(video.file)) == (Status.COMPLETED, True)
    assert "download=" not in video.video_url


def test_every_result_of_a_task_is_kept(sandbox, alice):
    video = submit("sandbox:two-results a red kite", alice)
    sandbox.finish()

    a_tick()

    video.refresh_from_db()
    second = video.results.get()
    assert (video.status, video.next_archive_at) == (Status.COMPLETED, None)
    assert (second.position, second.width, second.height) == (2, video.width, video.height)
    assert second.file_size == default_storage.size(second.file.name)
    assert len({video.file.name, second.file.name, video.poster.name, second.poster.name}) == 4


def test_a_flaky_kie_makes_it_late_not_wrong(sandbox, alice):
    video = submit("sandbox:flaky a red kite", alice)
    sandbox.finish()

    for _ in range(3):
        a_tick()

    video.refresh_from_db()
    assert video.status == Status.COMPLETED


def test_kie_being_away_keeps_the_video_and_sends_it_later(sandbox, alice, settings):
    here = settings.KIE_API_BASE_URL
    settings.KIE_API_BASE_URL = "http://127.0.0.1:9"
    video = submit("a red kite", alice)
    settings.KIE_API_BASE_URL = here
    Video.objects.update(next_poll_at=now())

    a_tick()
    sandbox.finish()
    a_tick()

    video.refresh_from_db()
    assert video.status == Status.COMPLETED
    assert len(sandbox.tasks()) == 1


def test_a_wrong_key_is_a_refusal_in_words(sandbox, alice, settings):
    settings.KIE_API_KEY = "wrong"

    with pytest.raises(KieRefused) as refused:
        submit("a red kite", alice)

    assert "refused the studio's key" in refused.value.user_message
    assert "wrong" not in str(refused.value)


# --- After the first clip -------------------------------------------------------------------


def finished(sandbox, alice, prompt="a red kite", *, provider="kie-veo3-fast"):
    """A video of that service, made and brought home."""
    video = submit(prompt, alice, provider=provider)
    sandbox.finish()
    a_tick()
    video.refresh_from_db()
    assert video.status == Status.COMPLETED
    return video


def take_up(parent, provider, prompt="on it flies"):
    """The video that this service makes of that one's task."""
    chosen = PROVIDERS[provider]
    mode = chosen.modes[0]
    values = {s.name: s.default for s in mode.settings if s.default is not None}
    return submit_video(
        user=parent.user,
        request=GenerationRequest.checked(
            provider=chosen,
            prompt=prompt,
            values=values | usual_values(parent, mode),
            parent=parent,
        ),
        client=KieClient.from_settings(),
    )


def seconds_of(video):
    return inspect_clip(Path(video.file.path)).seconds


def test_a_veo_video_is_extended_to_a_longer_one_which_is_the_whole(sandbox, alice):
    parent = finished(sandbox, alice)

    video = take_up(parent, "kie-veo3-lite-extend")
    sandbox.finish()
    a_tick()

    video.refresh_from_db()
    assert (video.status, video.parent) == (Status.COMPLETED, parent)
    assert seconds_of(video) == pytest.approx(seconds_of(parent) + 8, abs=0.5)
    assert video.duration == round(seconds_of(video))
    assert video.results.count() == 0


@pytest.mark.parametrize(
    ("made_by", "provider"),
    [
        ("kie-veo3-fast", "kie-veo3-1080p-upscale"),
        ("kie-veo3-fast", "kie-veo3-4k-upscale"),
        ("kie-grok-imagine-text2vid", "kie-grok-imagine-upscale"),
        ("kie-grok-imagine-text2vid", "kie-grok-imagine-extend"),
        ("kie-runway-text2vid", "kie-runway-extend"),
    ],
)
def test_whatever_takes_up_a_task_ends_in_a_file_that_plays(sandbox, alice, made_by, provider):
    parent = finished(sandbox, alice, provider=made_by)

    video = take_up(parent, provider)
    sandbox.finish()
    a_tick()

    video.refresh_from_db()
    assert (video.status, video.parent) == (Status.COMPLETED, parent)
    assert video.file_size > 1000
    assert sandbox.tasks()[-1].source_id == parent.task_id


def test_a_1080p_version_is_larger_and_costs_what_the_list_says(sandbox, alice):
    parent = finished(sandbox, alice)

    video = take_up(parent, "kie-veo3-1080p-upscale")
    sandbox.finish()
    a_tick()

    video.refresh_from_db()
    assert (video.height, video.cost_estimated) == (1080, 5)
    assert video.prompt == parent.prompt


def test_a_1080p_version_is_asked_about_until_it_is_there(sandbox, alice):
    video = take_up(finished(sandbox, alice), "kie-veo3-1080p-upscale")
    # The sandbox takes a second over it.
    poll_due_videos(client=KieClient.from_settings())
    video.refresh_from_db()
    while_at_work = (video.stage, video.kie_state)

    sandbox.finish()
    a_tick()

    video.refresh_from_db()
    assert while_at_work == (Stage.RUNNING, "processing")
    assert video.status == Status.COMPLETED


def test_a_1080p_version_that_kie_cannot_make_fails_in_plain_words(sandbox, alice):
    parent = finished(sandbox, alice, "sandbox:fail-upgrade a red kite")

    video = take_up(parent, "kie-veo3-1080p-upscale")
    sandbox.finish()
    a_tick()

    video.refresh_from_db()
    assert video.status == Status.FAILED
    assert "failed on the service's side" in video.error_message


def test_four_variations_are_four_videos_that_play(sandbox, alice):
    request = a_request("a red kite", alice)
    made = submit_videos(user=alice, request=request, client=KieClient.from_settings(), number=4)
    sandbox.finish()

    for _ in range(4):
        a_tick()

    statuses = [Video.objects.get(pk=video.pk).status for video in made.videos]
    assert statuses == [Status.COMPLETED] * 4
    assert len(sandbox.tasks()) == 4
