"""What can be made from a finished video, what that costs, and where it leads."""

import json
import re
from datetime import timedelta
from html import unescape
from uuid import uuid4

import pytest
from django.utils.timezone import now

from gallery.models import InputFile, Stage, Video
from generation.catalogue import PROVIDERS, current
from generation.going_on import service_for, usual_values, ways_on
from generation.models import OfferStamp
from generation.request import GenerationRequest, InvalidRequest, objection_to_going_on
from generation.submission import send_queued_videos
from tests.conftest import CREATE_TASK, KIE, RESULT, VEO_RECORD, example

HTMX = {"HX-Request": "true"}
VEO_EXTEND, VEO_4K = f"{KIE}/veo/extend", f"{KIE}/veo/get-4k-video"
VEO_1080P = f"{KIE}/veo/get-1080p-video"
VEO_EXTENDS = ["kie-veo3-fast-extend", "kie-veo3-quality-extend", "kie-veo3-lite-extend"]
VEO = {
    "provider": "kie-veo3-fast",
    "model": "veo3_fast",
    "parameters": {"aspect_ratio": "16:9", "resolution": "720p", "duration": 8},
    "duration": 8,
    "prompt": "a paper boat",
}
GROK = {
    "provider": "kie-grok-imagine-text2vid",
    "model": "grok-imagine/text-to-video",
    "parameters": {"resolution": "480p", "duration": "6"},
}
RUNWAY = {
    "provider": "kie-runway-text2vid",
    "model": "runway",
    "parameters": {"resolution": "1080p", "duration": 5},
    "duration": 5,
}


def keys(ways):
    return [way.provider.key for way in ways]


def prices(ways):
    return {way.label: str(way.price) if way.price else None for way in ways}


def made_from(make_video, parent, provider, **facts):
    mode = PROVIDERS[provider].modes[0]
    kind = {"model": mode.model, "family": mode.family.name}
    own = {"generation_type": mode.generation_type, "parameters": {}}
    return make_video(parent=parent, provider=provider, **kind | own | facts)


def page_of(client, video):
    return unescape(client.get(video.get_absolute_url()).content.decode())


# --- What is offered ------------------------------------------------------------------------


def test_a_veo_video_can_be_extended_in_three_qualities_and_by_wan(make_completed):
    ways = ways_on(make_completed(**VEO))

    assert keys(ways.longer) == [*VEO_EXTENDS, "kie-wan-2-7-extend"]
    # Wan's 13 s, of which 8 are the clip, in the clip's own resolution.
    assert prices(ways.longer) == {
        "Veo 3.1 Fast": "$0.30",
        "Veo 3.1 Quality": "$1.25",
        "Veo 3.1 Lite": "$0.15",
        "Wan 2.7": "$1.04",
    }


def test_a_veo_video_can_be_made_larger_by_kie_or_by_topaz(make_completed):
    ways = ways_on(make_completed(**VEO))

    assert prices(ways.larger) == {"1080p": "$0.025", "4K": "$0.60", "Topaz Upscale": "$0.32"}


@pytest.mark.parametrize(
    ("resolution", "left"),
    [("720p", ["1080p", "4K"]), ("1080p", ["4K"]), ("4k", [])],
)
def test_nothing_is_made_as_large_as_it_is(make_completed, resolution, left):
    video = make_completed(**VEO | {"parameters": {"resolution": resolution}})

    assert [way.label for way in ways_on(video).larger if not way.takes_file] == left


@pytest.mark.parametrize(
    ("facts", "price"),
    [
        ({"parameters": {"resolution": "480p"}}, "$0.05"),
        ({"parameters": {"resolution": "720p"}}, "$0.10"),
        ({"parameters": {}, "width": 720, "height": 1280}, "$0.10"),
        ({"parameters": {}, "width": 464, "height": 688}, "$0.05"),
        ({"parameters": {}, "width": None, "height": None}, None),
    ],
    ids=["480p", "720p", "by its size", "nearly 480 lines", "nobody knows"],
)
def test_the_price_of_groks_extension_follows_from_how_fine_the_video_is(
    make_completed, facts, price
):
    ways = ways_on(make_completed(**GROK | facts))

    assert prices(ways.longer)["Grok Imagine"] == price


def test_a_grok_video_is_upscaled_by_grok_unless_it_is_as_large(make_completed):
    small, large = (
        make_completed(**GROK),
        make_completed(**GROK | {"parameters": {"resolution": "720p"}}),
    )

    assert prices(ways_on(small).larger) == {"720p": "$0.05", "Topaz Upscale": "$0.24"}
    assert keys(ways_on(large).larger) == ["kie-topaz-upscale"]


def test_a_price_that_no_list_has_is_not_made_up(make_completed):
    ways = ways_on(make_completed(**RUNWAY))

    assert prices(ways.longer)["Runway"] is None


def test_a_video_of_any_other_service_goes_on_by_its_file(make_completed):
    ways = ways_on(make_completed())

    assert keys(ways.longer) == ["kie-wan-2-7-extend"]
    assert keys(ways.larger) == ["kie-topaz-upscale"]
    assert all(way.takes_file for way in (*ways.longer, *ways.larger))


@pytest.mark.parametrize(
    "facts",
    [{"file_size": 60 * 1024**2}, {"duration": 15}],
    ids=["too large for Topaz", "too long for Wan"],
)
def test_what_would_not_take_the_file_is_not_offered(make_completed, facts):
    ways = ways_on(make_completed(**facts))

    assert len(ways.longer) + len(ways.larger) == 1


def test_a_video_that_is_not_saved_yet_goes_on_by_its_task_alone(make_video):
    done = {"status": "completed", "stage": Stage.SETTLED, "progress": 100, "video_url": RESULT}
    done |= {"completed_at": now(), "succeeded_at": now(), "next_archive_at": now()}
    ways = ways_on(make_video(**VEO | done))

    assert keys(ways.longer) == VEO_EXTENDS
    assert [way.label for way in ways.larger] == ["1080p", "4K"]
    assert (ways.has_frames, ways.uses) == (False, [])


def test_after_two_weeks_kie_has_forgotten_its_task_and_that_is_said(make_completed):
    ways = ways_on(make_completed(**VEO, succeeded_at=now() - timedelta(days=15)))

    assert keys(ways.longer) == ["kie-wan-2-7-extend"]
    assert keys(ways.larger) == ["kie-topaz-upscale"]
    assert len(ways.notes) == 1
    assert "14 days" in ways.notes[0]


@pytest.mark.parametrize("facts", [{}, {"deleted_at": now()}], ids=["kept", "deleted"])
def test_a_veo_video_made_into_1080p_cannot_be_extended_and_that_is_said(
    make_completed, make_video, facts
):
    video = make_completed(**VEO)
    made_from(make_video, video, "kie-veo3-1080p-upscale", **facts)

    ways = ways_on(video)

    assert keys(ways.longer) == ["kie-wan-2-7-extend"]
    assert ways.notes == [
        "This video was made into 1080p: KIE.AI cannot extend it any more after that."
    ]


def test_a_1080p_version_that_failed_is_in_nobodys_way(make_completed, make_failed):
    video = make_completed(**VEO)
    made_from(make_failed, video, "kie-veo3-1080p-upscale")

    ways = ways_on(video)

    assert keys(ways.longer)[:3] == VEO_EXTENDS
    assert "1080p" in prices(ways.larger)


def test_a_4k_version_does_not_rule_out_an_extension_but_another_4k_one(make_completed, make_video):
    video = make_completed(**VEO)
    made_from(make_video, video, "kie-veo3-4k-upscale")

    ways = ways_on(video)

    assert keys(ways.longer)[:3] == VEO_EXTENDS
    assert [way.label for way in ways.larger] == ["1080p", "Topaz Upscale"]


def test_an_extension_can_be_extended_again_but_not_made_larger_by_kie(make_completed):
    extension = made_from(make_completed, None, "kie-veo3-lite-extend")

    ways = ways_on(extension)

    assert keys(ways.longer)[:3] == VEO_EXTENDS
    assert keys(ways.larger) == ["kie-topaz-upscale"]


def test_what_it_can_be_used_for_as_a_clip_is_told(make_completed):
    assert [purpose for purpose, _ in ways_on(make_completed()).uses] == [
        "vid2vid",
        "lipsync",
        "ref2vid",
    ]


def test_two_queries_tell_all_of_it(make_completed, django_assert_max_num_queries):
    video = make_completed(**VEO)
    OfferStamp.renew()
    ways_on(video)
    again = Video.objects.select_related("user").get(pk=video.pk)

    with django_assert_max_num_queries(2):
        ways_on(again)


# --- On the page ----------------------------------------------------------------------------


def test_the_page_names_each_way_its_price_and_where_it_leads(alice_client, make_completed):
    video = make_completed(**VEO)

    page = page_of(alice_client, video)

    for key, price in [("kie-veo3-lite-extend", "$0.15"), ("kie-veo3-4k-upscale", "$0.60")]:
        link = f'href="/generate/?provider={key}&parent={video.pk}"'
        assert re.search(rf"{re.escape(link)}[^<]*<span[^>]*>≈ {re.escape(price)}<", page)
    assert f'formaction="/videos/{video.pk}/use/" name="provider" value="kie-topaz-upscale"' in page
    assert f'formaction="/videos/{video.pk}/frame/"' in page
    assert f'href="/generate/?from={video.pk}"' in page


@pytest.mark.parametrize("state", ["processing", "failed", "deleted"])
def test_only_a_finished_and_kept_video_goes_on(
    alice_client, make_video, make_failed, make_completed, state
):
    video = {
        "processing": lambda: make_video(**VEO),
        "failed": lambda: make_failed(**VEO),
        "deleted": lambda: make_completed(**VEO, deleted_at=now()),
    }[state]()

    assert "Go on from here" not in page_of(alice_client, video)


# --- The form -------------------------------------------------------------------------------


def form_of(client, query, **parameters):
    return unescape(client.get(f"/generate/?{query}", parameters).content.decode())


def test_the_form_says_what_it_goes_on_from_and_asks_what_happens_next(
    alice_client, make_completed
):
    video = make_completed(**VEO)

    form = form_of(alice_client, f"provider=kie-veo3-fast-extend&parent={video.pk}")

    assert "Goes on from" in form
    assert "a paper boat</a>" in form
    assert f"/videos/{video.pk}/poster/" in form
    assert 'placeholder="What happens next?"' in form
    assert re.search(r"<textarea[^>]*>\s*</textarea>", form)
    assert "≈ $0.30" in form


def test_which_of_its_videos_is_asked_only_where_there_are_several(alice_client, make_completed):
    video = make_completed(**VEO)
    address = f"provider=kie-veo3-4k-upscale&parent={video.pk}"

    assert "which_result" not in form_of(alice_client, address)

    video.results.create(position=2, url=RESULT)
    assert "Which of its videos" in form_of(alice_client, address)


def test_the_second_of_its_videos_is_made_larger(alice_client, make_completed, kie):
    video = make_completed(**VEO)
    video.results.create(position=2, url=RESULT)
    kie.post(VEO_4K, json=example("veo_4k_accepted"))
    form = typed(provider="kie-veo3-4k-upscale", parent=video.pk, prompt="", which_result="1")

    alice_client.post("/generate/", form)

    assert json.loads(kie.calls[-1].request.body)["index"] == 1


@pytest.mark.parametrize(
    ("further", "sentence"),
    [
        (0, "The earlier video is the only one of its task."),
        (1, "Which of its videos can be 0 to 1."),
    ],
)
def test_a_video_that_the_task_has_not_is_refused(
    alice_client, make_completed, kie, further, sentence
):
    video = make_completed(**VEO)
    if further:
        video.results.create(position=2, url=RESULT)
    form = typed(provider="kie-veo3-4k-upscale", parent=video.pk, prompt="", which_result="2")

    page = alice_client.post("/generate/", form).content.decode()

    assert sentence in page
    assert not kie.calls


def test_an_upscale_takes_no_prompt_and_is_made_once(alice_client, make_completed):
    video = make_completed(**VEO)

    form = form_of(alice_client, f"provider=kie-veo3-4k-upscale&parent={video.pk}")

    assert 'data-prompt="none"' in form
    assert 'name="variations"' not in form
    assert "≈ $0.60" in form


def test_groks_extension_begins_at_the_end_of_the_video(make_completed):
    video = make_completed(**GROK, duration=9)

    values = usual_values(video, PROVIDERS["kie-grok-imagine-extend"].modes[0])

    assert values == {"extend_at": 9}


def test_the_settings_of_the_video_are_kept_where_they_fit_but_not_its_seed(make_completed):
    own = {"resolution": "1080p", "duration": 5, "seed": 7, "aspect_ratio": "9:16"}
    video = make_completed(**RUNWAY | {"parameters": own})

    runway = usual_values(video, PROVIDERS["kie-runway-extend"].modes[0])
    wan = usual_values(video, PROVIDERS["kie-wan-2-7-extend"].modes[0])

    assert runway == {"resolution": "1080p"}
    assert wan == {"resolution": "1080p", "duration": 10}


def test_what_can_no_longer_be_done_is_said_in_place_of_a_price(
    alice_client, make_completed, make_video
):
    video = make_completed(**VEO)
    made_from(make_video, video, "kie-veo3-1080p-upscale")

    form = form_of(alice_client, f"provider=kie-veo3-fast-extend&parent={video.pk}")

    assert "KIE.AI cannot extend it any more after that." in form


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (None, "goes on from an earlier video made with Veo. Open one and choose it there."),
        ({"provider": "kie-hailuo-text2vid"}, "goes on from an earlier video made with Veo."),
        (VEO | {"stage": Stage.RUNNING}, "Only a finished video can be taken up."),
    ],
    ids=["no video", "another service's", "not finished"],
)
def test_what_a_service_cannot_take_up_is_refused_in_words(make_video, facts, words):
    video = None if facts is None else make_video(**facts)

    assert words in objection_to_going_on(video, PROVIDERS["kie-veo3-fast-extend"])


def test_a_file_that_the_service_does_not_take_is_refused_before_it_is_sent():
    clip = InputFile(kind="video", media_type="video/mp4", size=9000, seconds=40, digest="d")

    with pytest.raises(InvalidRequest) as refused:
        GenerationRequest.checked(
            provider=PROVIDERS["kie-wan-2-7-extend"],
            prompt="on it goes",
            values={},
            files={"video": [clip]},
        )

    assert refused.value.errors == {
        "video": "This clip lasts 40.0 s; the service takes at most 14 s."
    }


# --- Sending it -----------------------------------------------------------------------------


def typed(**facts):
    return {"prompt": "on it goes", "idempotency_key": str(uuid4())} | facts


def test_an_extension_names_the_task_that_goes_on(alice_client, make_completed, kie):
    video = make_completed(**VEO, task_id="veo_task_1")
    kie.post(VEO_EXTEND, json=example("veo_extend_create_ok"))

    alice_client.post("/generate/", typed(provider="kie-veo3-lite-extend", parent=video.pk))

    made = Video.objects.newest_first().first()
    assert (made.parent, made.generation_type, made.model) == (video, "extend", "lite")
    assert b'"taskId": "veo_task_1"' in kie.calls[0].request.body


def test_a_video_made_without_words_is_found_by_those_of_what_it_shows(
    alice_client, make_completed, kie
):
    video = make_completed(**VEO)
    kie.post(VEO_4K, json=example("veo_4k_accepted"))

    alice_client.post(
        "/generate/", typed(provider="kie-veo3-4k-upscale", parent=video.pk, prompt="")
    )

    made = Video.objects.newest_first().first()
    assert (made.parent, made.prompt) == (video, "a paper boat")
    assert b"paper boat" not in kie.calls[0].request.body


def test_an_upscale_clicked_twice_is_made_once(alice_client, make_completed, kie):
    video = make_completed(**VEO)
    kie.post(VEO_4K, json=example("veo_4k_accepted"))
    form = typed(provider="kie-veo3-4k-upscale", parent=video.pk)

    for _ in range(2):
        assert alice_client.post("/generate/", form).status_code == 302

    assert video.children.count() == 1
    assert len(kie.calls) == 1


def test_a_second_4k_version_is_the_one_that_there_is(alice_client, make_completed, kie):
    video = make_completed(**VEO)
    kie.post(VEO_4K, json=example("veo_4k_accepted"))
    kie.post(VEO_4K, json=example("veo_4k_accepted") | {"code": 422})
    facts = {"provider": "kie-veo3-4k-upscale", "parent": video.pk}
    alice_client.post("/generate/", typed(**facts))

    answer = alice_client.post("/generate/", typed(**facts))

    assert answer.status_code == 422
    assert "KIE.AI has made this version before." in answer.content.decode()
    assert video.children.count() == 1


def test_several_equal_upscales_are_refused_in_words(alice_client, make_completed, kie):
    video = make_completed(**VEO)
    form = typed(provider="kie-veo3-4k-upscale", parent=video.pk, variations="3")

    answer = alice_client.post("/generate/", form)

    assert answer.status_code == 422
    assert "makes the same each time: one is enough." in answer.content.decode()
    assert len(kie.calls) == 0


def test_what_was_made_into_1080p_is_not_sent_to_be_extended(
    alice_client, make_completed, make_video, kie
):
    video = make_completed(**VEO)
    made_from(make_video, video, "kie-veo3-1080p-upscale")

    answer = alice_client.post(
        "/generate/", typed(provider="kie-veo3-fast-extend", parent=video.pk)
    )

    assert answer.status_code == 422
    assert "KIE.AI cannot extend it any more after that." in answer.content.decode()
    assert "on it goes" in answer.content.decode()
    assert len(kie.calls) == 0


# --- What a video comes from ----------------------------------------------------------------


def hidden_parent(page):
    found = re.search(r'name="parent" value="([^"]*)"', page.content.decode())
    return found and found[1]


def test_another_one_comes_from_the_video_it_is_made_after(alice_client, make_completed, kie):
    video = make_completed()
    kie.post(CREATE_TASK, json={"code": 200, "data": {"taskId": "task-new"}})
    page = alice_client.get(f"/generate/?from={video.pk}")

    alice_client.post(
        "/generate/", typed(provider="kie-hailuo-text2vid", parent=hidden_parent(page))
    )

    assert Video.objects.get(task_id="task-new").parent == video


@pytest.mark.parametrize("facts", [{}, {"stage": Stage.UNCONFIRMED, "task_id": ""}])
def test_trying_again_is_no_child_of_what_did_not_come(
    alice_client, make_completed, make_video, make_failed, facts
):
    root = make_completed()
    video = make_video(parent=root, **facts) if facts else make_failed(parent=root)

    page = alice_client.get(f"/generate/?from={video.pk}")

    assert hidden_parent(page) == str(root.pk)


def test_another_extension_extends_the_same_video(alice_client, make_completed):
    root = make_completed(**VEO)
    extension = made_from(make_completed, root, "kie-veo3-fast-extend")

    page = alice_client.get(f"/generate/?from={extension.pk}")

    assert hidden_parent(page) == str(root.pk)


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["page", "htmx"])
def test_the_form_that_is_shown_again_makes_no_child_of_what_it_has_just_made(
    alice_client, make_completed, kie, headers
):
    root = make_completed()
    kie.post(CREATE_TASK, json={"code": 200, "data": {"taskId": "task-new"}})
    form = typed(provider="kie-hailuo-text2vid")

    alone = alice_client.post("/generate/", form, headers=headers, follow=True)
    kie.replace("POST", CREATE_TASK, json={"code": 200, "data": {"taskId": "task-newer"}})
    form |= {"idempotency_key": str(uuid4()), "parent": root.pk}
    child = alice_client.post("/generate/", form, headers=headers, follow=True)

    assert hidden_parent(alone) is None
    assert hidden_parent(child) == str(root.pk)


# --- A frame of it, and the whole as a clip -------------------------------------------------


def query_of(answer):
    found = dict(re.findall(r"([a-z_0-9]+)=([^&]+)", answer["Location"]))
    return found["provider"], found["parent"], found


def test_the_last_frame_becomes_the_picture_of_the_next_video(alice_client, make_completed):
    video = make_completed(**VEO)

    answer = alice_client.post(f"/videos/{video.pk}/frame/")

    provider, parent, query = query_of(answer)
    picture = InputFile.objects.get(pk=query["kept_image"])
    assert (provider, parent) == ("kie-veo3-fast", str(video.pk))
    assert (picture.kind, picture.width) == ("image", 320)
    form = alice_client.get(answer["Location"]).content.decode()
    assert "Made from" in form
    assert 'placeholder="What happens next?"' in form
    assert "a paper boat</textarea>" not in form


def test_frames_of_two_moments_are_two_pictures(alice_client, make_completed):
    video = make_completed()

    for at in ("0", "0.5", ""):
        alice_client.post(f"/videos/{video.pk}/frame/", {"at": at})

    assert InputFile.objects.count() == 3


@pytest.mark.parametrize("at", ["soon", "nan", "1,5"])
def test_a_moment_that_is_none_is_not_found(alice_client, make_completed, at):
    video = make_completed()

    assert alice_client.post(f"/videos/{video.pk}/frame/", {"at": at}).status_code == 404


@pytest.mark.parametrize(
    ("asked", "provider", "slot"),
    [
        ({"kind": "lipsync"}, "kie-volcengine-lipsync", "kept_video"),
        ({"kind": "extend"}, "kie-wan-2-7-extend", "kept_video"),
        ({"kind": "upscale"}, "kie-topaz-upscale", "kept_video"),
        ({"provider": "kie-topaz-upscale"}, "kie-topaz-upscale", "kept_video"),
    ],
    ids=lambda value: str(value),
)
def test_the_whole_video_becomes_the_clip_of_a_service_that_takes_it(
    alice_client, make_completed, asked, provider, slot
):
    video = make_completed(duration=3)

    answer = alice_client.post(f"/videos/{video.pk}/use/", asked)

    found, parent, query = query_of(answer)
    assert parent == str(video.pk)
    assert InputFile.objects.filter(kind="video").count() == 1
    assert (found, slot in query) == (provider, True)
    assert alice_client.get(answer["Location"]).status_code == 200


def test_the_same_maker_comes_first_where_a_clip_is_used(make_completed):
    video = make_completed(provider="kie-runway-text2vid", model="runway")

    provider, slot = service_for(video, "vid2vid", among=current())

    assert (provider.key, slot.name) == ("kie-runway-aleph-vid2vid", "video")


def test_a_reference_stands_in_the_slot_for_references(alice_client, make_completed):
    video = make_completed()

    answer = alice_client.post(f"/videos/{video.pk}/use/", {"kind": "ref2vid"})

    assert "kept_reference_videos=" in answer["Location"]


@pytest.mark.parametrize("asked", [{"kind": "text2vid"}, {"kind": "x"}, {"provider": "x"}])
def test_what_takes_no_clip_is_refused_in_words(alice_client, make_completed, asked):
    video = make_completed()

    answer = alice_client.post(f"/videos/{video.pk}/use/", asked, follow=True)

    assert "No service that is offered here takes this video for that." in answer.content.decode()
    assert InputFile.objects.count() == 0


def test_what_is_not_saved_yet_says_so(alice_client, make_video):
    video = make_video()

    for path in ("frame", "use"):
        answer = alice_client.post(f"/videos/{video.pk}/{path}/", follow=True)
        assert answer.redirect_chain[-1][0] == video.get_absolute_url()


# --- Other people's -------------------------------------------------------------------------


def test_another_persons_video_is_as_unknown_as_one_that_never_was(
    client, bob, make_completed, kie
):
    theirs = make_completed(**VEO)
    client.force_login(bob)

    for pk in (theirs.pk, uuid4()):
        extend = {"provider": "kie-veo3-fast-extend", "parent": pk}
        answers = [
            client.get("/generate/", extend),
            client.get("/generate/", {"from": pk}),
            client.get("/generate/", {"from": pk, "again": 1}),
            client.post("/generate/", typed(**extend)),
            client.post(f"/videos/{pk}/frame/", {"at": "0"}),
            client.post(f"/videos/{pk}/use/", {"kind": "upscale"}),
            client.get(f"/videos/{pk}/"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 7
    assert InputFile.objects.count() == 0
    assert len(kie.calls) == 0


@pytest.mark.parametrize("path", ["frame", "use"])
def test_a_deleted_video_is_not_taken_up(alice_client, make_completed, path):
    video = make_completed(deleted_at=now())

    assert alice_client.post(f"/videos/{video.pk}/{path}/").status_code == 404


def test_a_parent_that_is_none_is_404(alice_client):
    assert alice_client.get("/generate/?parent=nonsense").status_code == 404


def test_the_1080p_version_asks_kie_by_an_id_of_ours(alice_client, make_completed, kie):
    video = make_completed(**VEO, task_id="veo_task_1")
    kie.get(VEO_1080P, json=example("veo_1080p_processing_400"))

    alice_client.post("/generate/", typed(provider="kie-veo3-1080p-upscale", parent=video.pk))

    made = Video.objects.newest_first().first()
    assert (made.parent, made.stage, made.family) == (video, Stage.RUNNING, "veo-1080p")
    assert re.fullmatch(r"1080p:0:[0-9a-f]{8}:veo_task_1", made.task_id)
    assert VEO_RECORD not in [call.request.url for call in kie.calls]


def test_a_1080p_version_whose_sender_died_is_asked_for_again(
    make_completed, make_video, kie, kie_client
):
    parent = make_completed(**VEO, task_id="veo_task_1")
    row = {"model": "veo-get-1080p", "family": "veo-1080p", "generation_type": "upscale"}
    row |= {"stage": Stage.SUBMITTING, "task_id": "", "next_poll_at": now(), "parent": parent}
    video = make_video(provider="kie-veo3-1080p-upscale", **row)
    kie.get(VEO_1080P, json=example("veo_1080p_processing_400"))

    send_queued_videos(client=kie_client)

    video.refresh_from_db()
    assert video.stage == Stage.RUNNING
    assert video.task_id.endswith(":veo_task_1")
