"""The Generate form, as the page asks for it and as it is sent: files, services, settings."""

import re
from html import unescape
from uuid import uuid4

import pytest
from botocore.exceptions import EndpointConnectionError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.utils.datastructures import MultiValueDict
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation.catalogue import PROVIDERS
from generation.forms import GenerateForm, filled_in_from, kept_in
from tests.conftest import (
    CREATE_TASK,
    UPLOAD,
    example,
    kept_input,
    make_clip,
    pdf_bytes,
    picture_bytes,
    sound_bytes,
)
from tests.generation.every_model import each_mode, needed_slots, row_of, usual_files, usual_values
from tests.generation.test_catalogue import breaches_of
from tests.generation.test_fields import as_sent

ACCEPTED = example("market_create_ok")
SETTINGS = {"HX-Request": "true", "HX-Target": "settings"}


def typed(provider, **facts):
    """The form of this service as a browser sends it, apart from what a test names."""
    mode = PROVIDERS[provider].modes[0]
    usual = {
        "prompt": "a red kite",
        "provider": provider,
        "settings_of": provider,
        "idempotency_key": str(uuid4()),
    }
    for setting in mode.settings:
        if (value := usual_values(mode).get(setting.name)) is not None:
            usual |= as_sent(setting, value)
    return usual | facts


def picture(width=640, height=360, name="kite.png"):
    return SimpleUploadedFile(name, picture_bytes(width, height))


def send(client, provider, **facts):
    return client.post("/generate/", typed(provider, **facts))


def settings_part(client, **query):
    """The fragment that a change of service, of files or of a setting swaps in."""
    answer = client.get("/generate/", query, headers=SETTINGS)
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def kept_ids(page, slot):
    """The files that stand in this slot of the page."""
    text = page if isinstance(page, str) else page.content.decode()
    return re.findall(rf'name="kept_{slot}" value="([^"]+)"', text)


def service_of(page):
    text = page if isinstance(page, str) else page.content.decode()
    return re.search(r'data-service="([^"]+)"', text)[1]


# --- Every service --------------------------------------------------------------------------


@pytest.fixture
def all_services(settings):
    settings.OFFER_RETIRED_SERVICES = True


@each_mode
def test_each_service_shows_its_places_for_files_and_its_settings(
    alice_client, all_services, provider, mode
):
    if mode.continues:
        return
    page = alice_client.get("/generate/", {"provider": provider.key})

    text = page.content.decode()
    shown = provider.mode_for(())
    assert service_of(page) == provider.key
    for slot in provider.slots:
        assert f'id="slot-{slot.name}"' in text
    for setting in shown.settings:
        assert f'id="setting-{setting.name}"' in text
    # The tag of a thing's name appears once: labels and errors find it.
    ids = re.findall(r'\bid="([^"]+)"', text)
    assert len(ids) == len(set(ids))


@pytest.fixture(scope="module")
def contents(tmp_path_factory):
    """A file of each kind that every service takes."""
    clip = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return {
        "image": picture_bytes(1280, 720),
        "video": make_clip(clip, seconds=4, size=(640, 360), fps=6).read_bytes(),
        "audio": sound_bytes(4),
    }


@each_mode
def test_each_service_can_be_used_by_what_its_page_sends(
    alice_client, alice, all_services, kie, contents, provider, mode
):
    """Nothing but files has to be chosen, and scenes that only a person can write."""
    if mode.continues:
        return
    kie.post(f"https://api.kie.ai{mode.family.create_path}", json=ACCEPTED)
    kie.post(UPLOAD, json=example("upload_ok"))
    files = {
        f"kept_{slot.name}": kept_input(alice, slot.name, contents[slot.kind], provider=provider).pk
        for slot in provider.slots
        if slot.name in needed_slots(mode)
    }

    answer = send(alice_client, provider.key, **files)

    assert answer.status_code == 302, answer.content.decode()
    assert Video.objects.get().model == mode.model


def wrong_settings(mode):
    """For each setting something that no browser may send for it, as a browser would."""
    schemas = row_of(mode)["input_schema"]["properties"]
    wrong = {}
    for setting in mode.settings:
        breaches = dict(breaches_of(schemas[setting.field]))
        for rule in ("enum", "maximum", "minimum", "maxLength"):
            if rule in breaches and not setting.part:
                wrong[setting.name] = str(breaches[rule])
                break
    return wrong


@pytest.mark.parametrize("key", PROVIDERS)
def test_the_form_knows_of_each_service_what_it_makes_and_takes(alice_client, all_services, key):
    mode = PROVIDERS[key].modes[0]
    needs = "needed" if mode.needs_prompt else "possible" if mode.takes_prompt else "none"

    part = settings_part(alice_client, provider=key)

    assert f'data-service="{key}" data-purpose="{mode.generation_type}"' in part
    assert f'data-prompt="{needs}" data-longest="{mode.longest_prompt}"' in part
    assert ('id="setting-variations"' in part) == mode.varies


def files_standing(user, mode):
    """What the form sends of files that stand in the places that this mode needs."""
    standing = {}
    for name, given in usual_files(mode).items():
        for file in given:
            file.user = user
            file.file = default_storage.save(f"inputs/{user.pk}/{name}", ContentFile(b"x"))
            file.save()
        standing[f"kept_{name}"] = [str(file.pk) for file in given]
    return standing


@each_mode
def test_no_wrong_setting_reaches_kie(alice_client, alice, all_services, kie, provider, mode):
    wrong = wrong_settings(mode)
    if mode.continues or not wrong:
        return

    answer = send(alice_client, provider.key, **files_standing(alice, mode), **wrong)

    page = answer.content.decode()
    assert answer.status_code == 422
    for name in wrong:
        assert f'id="id_{name}_error"' in page, name
    assert len(kie.calls) == 0
    assert not Video.objects.exists()


@pytest.mark.parametrize(
    ("provider", "facts", "sentence"),
    [
        ("kie-hailuo-img2vid", {}, "Hailuo 02 needs a picture."),
        ("kie-topaz-upscale", {}, "Topaz Upscale needs a clip."),
        ("kie-infinitalk-lipsync", {}, " needs a portrait."),
        (
            "kie-seedance-2-0-ref2vid",
            {},
            "Choose something for “Pictures” or “Clips” or “Sounds”.",
        ),
        ("kie-kling-3-0-text2vid", {"prompt": ""}, "Describe the video you want."),
        ("kie-kling-3-0-text2vid", {"several_shots": "on"}, "Please fill in “Shots”."),
        (
            "kie-runway-text2vid",
            {"resolution": "1080p", "duration": "10"},
            "Length has to be 5 s with resolution 1080p.",
        ),
        ("kie-hailuo-text2vid", {"aspect_ratio": "9:16"}, "Hailuo 02 has no setting “Shape”."),
        ("kie-veo3-fast-extend", {}, "goes on from an earlier video"),
    ],
)
def test_what_kie_would_refuse_is_said_before_it_is_asked(
    alice_client, kie, provider, facts, sentence
):
    answer = send(alice_client, provider, **facts)

    assert answer.status_code == 422
    assert sentence in unescape(answer.content.decode())
    assert len(kie.calls) == 0
    assert not Video.objects.exists()


# --- Files in the form ----------------------------------------------------------------------


def test_files_stay_in_their_places_over_an_error_elsewhere(alice_client, kie):
    files = {"image": picture(640, 360), "last_image": picture(360, 640)}

    first = send(alice_client, "kie-hailuo-img2vid", prompt="", **files)
    again = {f"kept_{name}": kept_ids(first, name) for name in files}
    second = send(alice_client, "kie-hailuo-img2vid", prompt=" ", **again)

    assert first.status_code == second.status_code == 422
    assert [len(ids) for ids in again.values()] == [1, 1]
    assert {name: kept_ids(second, name) for name in files} == {
        name: again[f"kept_{name}"] for name in files
    }


def test_several_files_in_a_place_are_sent_in_their_order(alice_client, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    for number in (1, 2, 3):
        upload = example("upload_ok")
        upload["data"]["downloadUrl"] = f"https://kieai.redpandaai.co/files/{number}.png"
        kie.post(UPLOAD, json=upload)
    key = "kie-seedance-2-0-ref2vid"
    first = send(
        alice_client, key, prompt="", reference_images=[picture(400, 401), picture(402, 400)]
    )

    kept = kept_ids(first, "reference_images")
    send(alice_client, key, kept_reference_images=kept, reference_images=picture(403, 400))

    video = Video.objects.get()
    given = list(video.inputs.values_list("position", "width"))
    assert given == [(0, 400), (1, 402), (2, 403)]
    assert video.generation_type == "ref2vid"


def test_more_files_than_fit_are_refused_and_those_that_fit_are_kept(alice_client, kie):
    files = [picture(300 + n, 300) for n in range(11)]

    answer = send(alice_client, "kie-seedance-2-0-ref2vid", reference_images=files)

    assert answer.status_code == 422
    assert "Pictures: at most 9, please." in answer.content.decode()
    assert len(kept_ids(answer, "reference_images")) == 9
    assert len(kie.calls) == 0


def test_more_kept_files_than_fit_are_refused(alice_client, alice, kie):
    ids = [str(kept_input(alice, content=picture_bytes(300 + n, 300)).pk) for n in range(3)]

    answer = send(alice_client, "kie-veo3-fast", kept_image=ids, image=picture())

    assert answer.status_code == 422
    assert "at most 2, please" in answer.content.decode()


def test_a_new_file_takes_the_place_of_the_only_one(alice_client, kie):
    first = send(alice_client, "kie-hailuo-img2vid", prompt="", image=picture(640, 360))
    old = kept_ids(first, "image")

    second = send(
        alice_client, "kie-hailuo-img2vid", prompt="", kept_image=old, image=picture(64, 48)
    )

    assert len(kept_ids(second, "image")) == 1
    assert kept_ids(second, "image") != old


def test_the_same_file_twice_in_a_place_is_there_once(alice_client, kie):
    files = [picture(), picture(name="copy.png")]

    answer = send(alice_client, "kie-seedance-2-0-ref2vid", prompt="", reference_images=files)

    assert len(kept_ids(answer, "reference_images")) == 1


def test_one_file_that_is_wrong_does_not_lose_the_others(alice_client, kie):
    files = [picture(), SimpleUploadedFile("no.png", b"no picture")]

    answer = send(alice_client, "kie-seedance-2-0-ref2vid", reference_images=files)

    assert answer.status_code == 422
    assert "This file is no JPEG, PNG or WebP picture." in answer.content.decode()
    assert len(kept_ids(answer, "reference_images")) == 1


def test_a_file_kept_for_another_service_must_fit_here_too(alice_client, alice, kie):
    small = kept_input(alice, "reference_images", picture_bytes(200, 200))

    answer = send(alice_client, "kie-seedance-2-0-ref2vid", kept_reference_images=str(small.pk))

    assert answer.status_code == 422
    assert "the service wants at least 300 on each side" in answer.content.decode()
    assert kept_ids(answer, "reference_images") == [str(small.pk)]
    assert len(kie.calls) == 0


@pytest.mark.parametrize("text", ["nonsense", "00000000-0000-4000-8000-000000000000"])
def test_a_file_that_is_gone_is_said_in_its_place(alice_client, kie, text):
    answer = send(alice_client, "kie-hailuo-img2vid", kept_image=text)

    assert answer.status_code == 422
    assert "The file is no longer here." in answer.content.decode()
    assert len(kie.calls) == 0


def test_of_several_files_of_which_one_is_gone_the_others_stay(alice_client, alice, kie):
    here, gone = (kept_input(alice, content=picture_bytes(400, n)) for n in (400, 401))
    gone.delete()

    answer = send(
        alice_client,
        "kie-seedance-2-0-ref2vid",
        kept_reference_images=[str(gone.pk), str(here.pk)],
    )

    assert answer.status_code == 422
    assert "The file is no longer here." in answer.content.decode()
    assert kept_ids(answer, "reference_images") == [str(here.pk)]


def test_each_slot_says_what_it_has_and_what_is_gone(alice, bob):
    mine, his = kept_input(alice), kept_input(bob, content=picture_bytes(9, 9))
    data = QueryDict(f"kept_image={mine.pk}&kept_last_image={his.pk}&kept_audio=")

    kept, lost = kept_in(data, user=alice)

    assert kept == {"image": [mine]}
    assert list(lost) == ["last_image"]


# --- The files decide the service -----------------------------------------------------------


def test_the_mode_follows_from_the_files(alice_client, alice):
    reference = kept_input(alice, "reference_images")

    part = settings_part(
        alice_client, provider="kie-veo3-fast", kept_reference_images=str(reference.pk)
    )

    assert 'data-purpose="ref2vid"' in part
    # With references Veo makes 8 seconds and no others.
    assert re.findall(r'name="duration" value="(\d)"', part) == ["8"]


def test_files_that_the_service_does_not_take_choose_one_that_does(alice_client, alice):
    entry = kept_input(alice)

    part = settings_part(
        alice_client,
        provider="kie-hailuo-text2vid",
        settings_of="kie-hailuo-text2vid",
        kept_image=str(entry.pk),
        duration="10",
        follow="1",
    )

    assert service_of(part) == "kie-hailuo-img2vid"
    assert kept_ids(part, "image") == [str(entry.pk)]
    assert re.search(r'value="10"[^>]*checked', part)


def test_files_that_the_service_takes_change_nothing(alice_client, alice):
    part = settings_part(
        alice_client,
        provider="kie-veo3-fast",
        settings_of="kie-veo3-fast",
        kept_image=str(kept_input(alice).pk),
        follow="1",
    )

    assert service_of(part) == "kie-veo3-fast"


def test_without_files_nothing_is_followed(alice_client):
    part = settings_part(alice_client, provider="kie-hailuo-img2vid", follow="1")

    assert service_of(part) == "kie-hailuo-img2vid"


def test_files_in_places_of_another_service_wait_to_be_removed(alice_client, alice):
    entry = kept_input(alice)

    part = settings_part(alice_client, provider="kie-hailuo-text2vid", kept_image=str(entry.pk))

    assert kept_ids(part, "image") == [str(entry.pk)]
    assert "Hailuo 02 takes no such file. Remove it, or choose another service." in part
    # Nothing more can be put there.
    assert not re.search(r'<input type="file"[^>]*name="image"', part)


def test_a_file_for_another_service_is_refused_and_kept(alice_client, alice, kie):
    entry = kept_input(alice)

    answer = send(alice_client, "kie-hailuo-text2vid", kept_image=str(entry.pk))

    assert answer.status_code == 422
    assert "Hailuo 02 takes no picture." in answer.content.decode()
    assert kept_ids(answer, "image") == [str(entry.pk)]


def test_places_that_exclude_each_other_are_said(alice_client, alice, kie):
    first, reference = kept_input(alice), kept_input(alice, content=picture_bytes(320, 320))

    answer = send(
        alice_client,
        "kie-veo3-fast",
        kept_image=str(first.pk),
        kept_reference_images=str(reference.pk),
    )

    assert answer.status_code == 422
    assert "does not take “First and last frame” and “Pictures for reference” together" in unescape(
        answer.content.decode()
    )


WAN = "kie-wan-3-0-ref2vid"
APART = "“Document” and “Web page” do not go together. Please leave one of them out."


def of_wan(**facts):
    return {"provider": WAN, "settings_of": WAN} | facts


def test_a_document_chooses_a_service_that_takes_one(alice_client, alice):
    entry = kept_input(alice, "document", pdf_bytes())

    part = settings_part(
        alice_client,
        provider="kie-wan-3-0-text2vid",
        settings_of="kie-wan-3-0-text2vid",
        kept_document=str(entry.pk),
        follow="1",
    )

    assert service_of(part) == WAN
    assert 'data-purpose="ref2vid"' in part
    assert kept_ids(part, "document") == [str(entry.pk)]


def test_a_document_is_sent_as_what_it_is(alice_client, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    kie.post(UPLOAD, json=example("upload_ok"))

    send(alice_client, WAN, prompt="", document=SimpleUploadedFile("kites.docx", pdf_bytes(2)))

    given = Video.objects.get().inputs.get()
    assert (given.field, given.kind, given.pages) == ("reference_file_urls", "document", 2)
    assert b"Content-Type: application/pdf" in kie.calls[0].request.body


def test_a_document_and_a_web_page_are_refused_together(alice_client, kie):
    document = SimpleUploadedFile("kites.pdf", pdf_bytes())

    answer = send(alice_client, WAN, document=document, reference_link_urls="https://kites.example")

    assert answer.status_code == 422
    assert APART in unescape(answer.content.decode())
    assert not kie.calls


def test_what_does_not_go_together_is_said_once_both_are_there(alice_client, alice):
    entry = kept_input(alice, "document", pdf_bytes())
    page = {"reference_link_urls": "https://kites.example"}

    assert APART in settings_part(alice_client, **of_wan(kept_document=str(entry.pk), **page))
    assert "do not go together" not in settings_part(alice_client, **of_wan(**page))


# --- Kinds ----------------------------------------------------------------------------------


def test_the_page_offers_the_kinds_of_video_there_are(alice_client):
    page = alice_client.get("/generate/").content.decode()

    offered = re.findall(r'data-purpose="(\w+)"[^>]*>([^<]+)</a>', page)
    assert offered == [
        ("text2vid", "Text"),
        ("img2vid", "Picture"),
        ("ref2vid", "References"),
        ("vid2vid", "Clip"),
        ("lipsync", "Speech"),
    ]


@pytest.mark.parametrize(
    ("before", "kind", "after"),
    [
        ("kie-hailuo-text2vid", "img2vid", "kie-hailuo-img2vid"),
        ("kie-hailuo-img2vid", "text2vid", "kie-hailuo-text2vid"),
        ("kie-veo3-fast", "img2vid", "kie-veo3-fast"),
        ("kie-kling-3-0-text2vid", "lipsync", "kie-kling-avatar-standard-lipsync"),
        ("kie-wan-2-5-text2vid", "vid2vid", "kie-wan-2-7-edit-vid2vid"),
        ("kie-veo3-fast", "nonsense", "kie-veo3-fast"),
    ],
)
def test_another_kind_keeps_to_the_model_or_its_maker(alice_client, before, kind, after):
    part = settings_part(alice_client, provider=before, settings_of=before, kind=kind)

    assert service_of(part) == after


def test_another_kind_keeps_what_can_be_kept_and_says_the_rest(alice_client):
    part = settings_part(
        alice_client,
        provider="kie-wan-2-5-text2vid",
        settings_of="kie-wan-2-5-text2vid",
        kind="img2vid",
        aspect_ratio="9:16",
        duration="10",
    )

    assert service_of(part) == "kie-wan-2-5-img2vid"
    assert re.search(r'value="10"[^>]*checked', part)
    assert "Shape (9:16) is not offered here" in part


# --- Notes ----------------------------------------------------------------------------------


def test_what_another_service_changes_is_said(alice_client):
    part = settings_part(
        alice_client,
        provider="kie-veo3-fast",
        settings_of="kie-hailuo-text2vid",
        duration="10",
        improve_prompt="on",
    )

    assert "With Veo 3.1 Fast:" in part
    assert "Length: 8 s in place of 10 s" in part
    assert "Improve my prompt (on) is not offered here" in part


def way_back(part):
    """What the button beside the note asks for."""
    found = re.search(r'name="back" value="([^"]*)"', part)
    return found and unescape(found[1])


def test_the_way_back_restores_what_another_service_has_changed(alice_client):
    part = settings_part(
        alice_client,
        provider="kie-veo3-fast",
        settings_of="kie-hailuo-text2vid",
        duration="10",
        improve_prompt="on",
    )
    assert "Back to Hailuo 02" in part

    # As the page asks: with all that stands in it by then, and the way back.
    standing = {"provider": "kie-veo3-fast", "settings_of": "kie-veo3-fast", "duration": "8"}
    back = settings_part(alice_client, **standing, nsfw_checker="on", back=way_back(part))

    assert service_of(back) == "kie-hailuo-text2vid"
    assert re.search(r'name="duration" value="10"[^>]*checked', back)
    assert re.search(r'name="improve_prompt"[^>]*checked', back)
    assert not re.search(r'name="nsfw_checker"[^>]*checked', back)
    assert "is-changed" not in back


def test_without_javascript_the_way_back_keeps_what_was_typed_and_sends_nothing(alice_client, kie):
    part = settings_part(
        alice_client, provider="kie-veo3-fast", settings_of="kie-hailuo-text2vid", duration="10"
    )

    page = alice_client.post(
        "/generate/",
        {
            "provider": "kie-veo3-fast",
            "settings_of": "kie-veo3-fast",
            "duration": "8",
            "prompt": "kept words",
            "back": way_back(part),
        },
    ).content.decode()

    assert service_of(page) == "kie-hailuo-text2vid"
    assert re.search(r'name="duration" value="10"[^>]*checked', page)
    assert "kept words" in page
    assert not Video.objects.exists()
    assert len(kie.calls) == 0


@pytest.mark.parametrize("seconds", ["3", ""])
def test_the_way_back_leads_to_the_shots_finished_or_not(alice_client, seconds):
    asked = {"provider": "kie-hailuo-text2vid", "settings_of": "kie-kling-3-0-text2vid"}
    shots = {"shots-0-prompt": "It rains.", "shots-0-duration": seconds}
    part = settings_part(alice_client, **asked, several_shots="on", **shots)
    assert "It rains." not in re.sub(r'value="[^"]*"', "", part)

    back = settings_part(
        alice_client,
        provider="kie-hailuo-text2vid",
        settings_of="kie-hailuo-text2vid",
        back=way_back(part),
    )

    assert 'data-service="kie-kling-3-0-text2vid"' in back
    assert ">It rains.<" in back
    assert re.search(r'name="several_shots"[^>]*checked', back)


def test_there_is_no_way_back_to_a_service_that_does_not_take_the_files(alice_client, alice):
    part = settings_part(
        alice_client,
        provider="kie-veo3-fast",
        settings_of="kie-hailuo-text2vid",
        duration="10",
        kept_image=kept_input(alice).pk,
    )

    assert "is-changed" in part
    assert way_back(part) is None


def test_the_way_back_has_the_words_that_another_service_has_no_place_for(alice_client):
    asked = {"provider": "kie-veo3-fast", "settings_of": "kie-wan-2-7-text2vid", "seed": "0"}
    part = settings_part(alice_client, **asked, negative_prompt="no rain")
    assert "(no rain) is not offered here" in part

    back = settings_part(alice_client, provider="kie-veo3-fast", back=way_back(part))

    assert re.search(r'name="negative_prompt"[^>]*>\s*no rain', back)
    assert re.search(r'name="seed" value="0"', back)


@pytest.mark.parametrize("back", ["preset=1", "from=nonsense", "provider=none", "%00=&&&="])
def test_a_way_back_that_leads_nowhere_is_no_error_of_the_studios(alice_client, back):
    assert alice_client.get("/generate/", {"back": back}).status_code in {200, 404}


def test_nothing_is_said_while_the_service_stays(alice_client):
    part = settings_part(
        alice_client,
        provider="kie-hailuo-text2vid",
        settings_of="kie-hailuo-text2vid",
        duration="10",
    )

    assert "is-changed" not in part


def test_of_a_video_made_earlier_only_its_service_is_missed(alice_client, make_failed):
    video = make_failed(provider="kie-sora-2-text2vid", parameters={"duration": "15"})

    page = alice_client.get(f"/generate/?from={video.pk}").content.decode()

    assert "Sora 2 is not offered now" in page
    assert "in place of" not in page


@pytest.mark.parametrize(
    "query",
    [
        {"seed": "nan"},
        {"seed": "9" * 400},
        {"duration": "\x00"},
        {"shots-0-prompt": "x", "shots-0-duration": "x"},
        {"provider": "kie-kling-3-0-text2vid", "settings_of": "x", "shots": "x"},
        {"provider": ["kie-veo3-fast", "kie-nothing"]},
        {"settings_of": "kie-kling-3-0-text2vid", "shots-0-duration": "99"},
        {"kept_image": "\x00"},
        {"kind": "\x00"},
        {"from": ""},
        {"parent": ""},
    ],
)
def test_an_address_with_nonsense_in_it_shows_the_form_all_the_same(alice_client, query):
    assert alice_client.get("/generate/", query).status_code == 200


@pytest.mark.parametrize(
    ("provider", "facts", "words"),
    [
        ("kie-veo3-fast", {"seed": "5"}, 'value="5"'),
        ("kie-veo3-fast", {"watermark": "half a w"}, 'value="half a w"'),
        ("kie-kling-3-0-text2vid", {"shots-0-prompt": "It rains and"}, ">It rains and<"),
        ("kie-kling-3-0-text2vid", {"shots-1-duration": "3"}, 'value="3"'),
        ("kie-gemini-omni-text2vid", {"audio_ids": "a\nb\nc\nd"}, "a\nb\nc\nd"),
    ],
)
def test_what_is_half_written_outlives_a_file_that_comes(
    alice_client, alice, provider, facts, words
):
    entry = kept_input(alice)

    part = settings_part(
        alice_client, provider=provider, settings_of=provider, kept_image=str(entry.pk), **facts
    )

    assert words in part


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("kie-kling-3-0-omni-text2vid", ">It rains and<"),
        ("kie-hailuo-text2vid", "Shots (1) is not offered here"),
    ],
)
def test_shots_that_are_half_written_go_on_with_another_service_or_are_told_to_be_gone(
    alice_client, service, words
):
    part = settings_part(
        alice_client,
        provider=service,
        settings_of="kie-kling-3-0-text2vid",
        several_shots="on",
        **{"shots-0-prompt": "It rains and"},
    )

    assert words in part
    assert ("It rains and" in part) == ("omni" in service)


@pytest.mark.parametrize("seconds", ["2", ""])
def test_of_more_shots_than_fit_a_note_says_what_became_of_them(alice_client, seconds):
    rows = {f"shots-{n}-prompt": f"Scene {n}." for n in range(6)}
    rows |= {f"shots-{n}-duration": seconds for n in range(6)}

    part = settings_part(
        alice_client,
        provider="kie-kling-3-0-text2vid",
        settings_of="kie-kling-3-0-omni-text2vid",
        several_shots="on",
        **rows,
    )

    assert ("Shots: 5 in place of 6" if seconds else "Shots (6) is not offered here") in part
    assert ("Scene 4." in part) == bool(seconds)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"duration": "99"}, "Length has to be 15 or less."),
        ({"duration": "7.5"}, "Length has to be a whole number."),
        ({"seed": "99999999999"}, "Seed has to be 2147483647 or less."),
    ],
)
def test_a_number_that_cannot_be_is_said_in_place_of_a_price(alice_client, facts, words):
    part = settings_part(
        alice_client,
        provider="kie-wan-2-7-text2vid",
        settings_of="kie-wan-2-7-text2vid",
        **facts,
    )

    assert words in part
    assert "≈ $" not in part


def test_in_a_shot_that_is_not_whole_what_is_wrong_is_marked(alice_client):
    answer = send(
        alice_client,
        "kie-kling-3-0-text2vid",
        several_shots="on",
        **{"shots-0-prompt": "It rains.", "shots-0-duration": ""},
        **{"shots-1-prompt": "A door.", "shots-1-duration": "99"},
    )

    marked = re.findall(r'id="(id_shots[^"]*)"[^>]*aria-invalid="true"', answer.content.decode())
    assert marked == ["id_shots-0-duration", "id_shots-1-duration"]


@pytest.mark.parametrize("seconds", ["3", ""])
def test_shots_do_not_count_while_their_switch_is_off(alice_client, kie, seconds):
    kie.post(CREATE_TASK, json=ACCEPTED)
    shots = {"shots-0-prompt": "It rains.", "shots-0-duration": seconds}

    answer = send(
        alice_client,
        "kie-kling-3-0-text2vid",
        settings_of="kie-kling-3-0-text2vid",
        sound="on",
        **shots,
    )

    assert answer.status_code == 302
    assert "shots" not in Video.objects.get().parameters
    assert "It rains." not in kie.calls[-1].request.body.decode()


@pytest.mark.parametrize(("said", "sent"), [({}, True), ({"sound": "false"}, False)])
def test_a_program_that_says_no_to_a_switch_is_believed(alice_client, kie, said, sent):
    kie.post(CREATE_TASK, json=ACCEPTED)

    alice_client.post(
        "/generate/", {"prompt": "a kite", "provider": "kie-seedance-2-0-text2vid"} | said
    )

    assert Video.objects.get().parameters["sound"] is sent


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ("kie-topaz-upscale", "MP4, MOV or MKV, up to"),
        ("kie-minimax-h3-ref2vid", "MP3 or WAV, up to"),
        ("kie-gemini-omni-vid2vid", "MP4, MOV, MKV or WebM, up to"),
        ("kie-hailuo-img2vid", "JPEG, PNG or WebP, up to"),
        (
            "kie-wan-3-0-ref2vid",
            "PDF, DOCX, PPTX, XLSX or text, up to 50\N{NO-BREAK SPACE}MB, "
            "up to 50\N{NO-BREAK SPACE}pages",
        ),
    ],
)
def test_a_place_for_files_names_what_the_service_takes(alice_client, service, words):
    assert words in settings_part(alice_client, provider=service)


def test_a_length_that_files_change_is_told(alice_client, alice):
    picture = kept_input(alice)
    veo = {"provider": "kie-veo3-fast", "settings_of": "kie-veo3-fast", "duration": "4"}

    part = settings_part(
        alice_client, **veo, kind_of="text2vid", kept_reference_images=str(picture.pk), follow="1"
    )
    same = settings_part(alice_client, **veo, kind_of="text2vid")

    assert "Length: 8 s in place of 4 s" in part
    assert "in place of" not in same


# --- The price ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"provider": "kie-veo3-fast", "resolution": "4k"}, "180 credits"),
        ({"provider": "kie-kling-3-0-text2vid", "duration": "10", "sound": "on"}, "270 credits"),
        ({"provider": "kie-infinitalk-lipsync"}, "The recording decides the price"),
        ({"provider": "kie-topaz-upscale"}, "The clip decides the price"),
        ({"provider": "kie-seedance-1-0-pro-text2vid"}, "Price unknown"),
    ],
)
def test_the_price_follows_what_is_chosen(alice_client, query, words):
    part = settings_part(alice_client, settings_of=query["provider"], **query)

    assert words in part


def test_a_document_has_a_price(alice_client, alice):
    part = settings_part(
        alice_client, **of_wan(kept_document=str(kept_input(alice, "document", pdf_bytes()).pk))
    )

    # Five seconds of 1080p.
    assert "160 credits" in part


def test_the_price_follows_the_recording(alice_client, alice):
    sound = kept_input(alice, "audio", sound_bytes(10))

    part = settings_part(
        alice_client,
        provider="kie-omnihuman-1-5-lipsync",
        settings_of="kie-omnihuman-1-5-lipsync",
        kept_audio=str(sound.pk),
    )

    assert "270 credits" in part


# --- Going on from an earlier video ---------------------------------------------------------


@pytest.fixture
def veo(make_completed):
    return make_completed(provider="kie-veo3-fast", model="veo3_fast", family="veo")


def test_what_goes_on_from_a_video_is_offered_for_that_video_only(alice_client, veo):
    usual = alice_client.get("/generate/").content.decode()
    own = alice_client.get("/generate/", {"parent": veo.pk}).content.decode()

    assert 'value="kie-veo3-fast-extend"' not in usual
    assert 'value="kie-veo3-fast-extend"' in own
    assert 'value="kie-runway-extend"' not in own


def test_going_on_sends_the_earlier_task(alice_client, veo, kie):
    kie.post("https://api.kie.ai/api/v1/veo/extend", json=example("veo_extend_create_ok"))

    answer = send(alice_client, "kie-veo3-fast-extend", parent=str(veo.pk))

    video = Video.objects.exclude(pk=veo.pk).get()
    assert answer.status_code == 302
    assert (video.parent, video.generation_type) == (veo, "extend")
    assert veo.task_id in kie.calls[0].request.body.decode()


@pytest.mark.parametrize(
    "facts",
    [
        {
            "status": Status.PROCESSING,
            "stage": Stage.RUNNING,
            "completed_at": None,
            "next_poll_at": now(),
        },
        {"model": "hailuo/02-text-to-video-standard"},
    ],
)
def test_what_cannot_be_gone_on_from_offers_nothing(alice_client, veo, kie, facts):
    Video.objects.filter(pk=veo.pk).update(**facts)

    answer = send(alice_client, "kie-veo3-fast-extend", parent=str(veo.pk))

    assert answer.status_code == 422
    assert len(kie.calls) == 0


def test_nobody_goes_on_from_another_persons_video(client, bob, veo, kie):
    client.force_login(bob)

    assert send(client, "kie-veo3-fast-extend", parent=str(veo.pk)).status_code == 404
    assert client.get("/generate/", {"parent": veo.pk}).status_code == 404
    assert client.get("/generate/", {"parent": "nonsense"}).status_code == 404


# --- Filled in again ------------------------------------------------------------------------


def test_a_video_made_from_files_is_filled_in_with_them(alice_client, alice, kie):
    kie.post(CREATE_TASK, json=ACCEPTED)
    kie.post(UPLOAD, json=example("upload_ok"))
    kie.post(UPLOAD, json=example("upload_ok"))
    first, last = kept_input(alice), kept_input(alice, content=picture_bytes(320, 320))
    send(
        alice_client,
        "kie-hailuo-img2vid",
        kept_image=str(first.pk),
        kept_last_image=str(last.pk),
        duration="10",
    )
    video = Video.objects.get()

    filled_in = filled_in_from(video)
    page = alice_client.get(f"/generate/?from={video.pk}")

    assert filled_in.kept == {"image": [first], "last_image": [last]}
    assert filled_in.values["duration"] == "10"
    assert filled_in.gone == ()
    assert kept_ids(page, "image") == [str(first.pk)]
    assert kept_ids(page, "last_image") == [str(last.pk)]


def test_shots_and_elements_are_filled_in_again(alice_client, alice, kie, tmp_path):
    kie.post(CREATE_TASK, json=ACCEPTED)
    kie.post(UPLOAD, json=example("upload_ok"))
    birds = [str(kept_input(alice, content=picture_bytes(320, n)).pk) for n in (320, 330)]
    film = make_clip(tmp_path / "kite.mp4", seconds=6, size=(480, 360)).read_bytes()
    kite = str(kept_input(alice, "video", content=film).pk)
    rows = {
        "several_shots": "on",
        "shots-0-prompt": "It rains.",
        "shots-0-duration": "3",
        "elements-0-name": "rook",
        "elements-0-description": "a black bird",
        "kept_elements_1": birds,
        "elements-1-name": "kite",
        "elements-1-description": "a red one",
        "elements-1-start_time": "500",
        "elements-1-end_time": "5500",
        "kept_elements_2_clip": kite,
    }
    assert send(alice_client, "kie-kling-3-0-text2vid", **rows).status_code == 302
    video = Video.objects.get()

    page = alice_client.get(f"/generate/?from={video.pk}").content.decode()

    assert video.parameters["shots"] == [{"prompt": "It rains.", "duration": 3}]
    assert video.parameters["elements"] == [
        {"name": "rook", "description": "a black bird"},
        {"name": "kite", "description": "a red one", "start_time": 500, "end_time": 5500},
    ]
    assert "It rains." in page
    assert "a black bird" in page
    assert kept_ids(page, "elements_1") == birds
    assert kept_ids(page, "elements_2_clip") == [kite]
    assert 'value="5500"' in page
    # What is folded away is open where something stands in it.
    assert page.count('<details class="row-more" open>') == 1


def test_what_is_wrong_in_a_folded_part_of_a_row_is_shown(alice_client, alice):
    rows = {
        "elements-0-name": "rook",
        "elements-0-description": "a black bird",
        "elements-0-end_time": "soon",
    }

    page = send(alice_client, "kie-kling-3-0-text2vid", **rows).content.decode()

    assert "Clip to (ms) has to be a whole number." in page
    assert '<details class="more" id="more-settings" open>' in page
    assert '<details class="row-more" open>' in page
    assert 'value="soon"' in page


def test_a_file_that_is_gone_is_left_out_when_a_video_is_made_again(
    alice_client, alice, make_failed
):
    video = make_failed(provider="kie-hailuo-img2vid", generation_type="img2vid")
    video.inputs.create(field="image_url", file="inputs/1/gone.png", digest="d")

    page = alice_client.get(f"/generate/?from={video.pk}")

    assert page.status_code == 200
    assert kept_ids(page, "image") == []
    assert "The file is no longer here. Please choose it again." in page.content.decode()


def test_a_video_that_came_home_asks_for_the_files_it_was_made_from(alice_client, make_completed):
    video = make_completed(provider="kie-veo3-fast", generation_type="img2vid")

    page = alice_client.get(f"/generate/?from={video.pk}").content.decode()

    assert "It was made from files that this studio has never had." in page


@pytest.fixture
def storage_away(monkeypatch):
    """A bucket that nobody reaches; away() takes it away."""

    def unreachable(*args, **kwargs):
        raise EndpointConnectionError(endpoint_url="https://bucket.example")

    def away():
        for name in ("exists", "size", "open", "save"):
            monkeypatch.setattr(type(default_storage._wrapped), name, unreachable)

    return away


def test_a_form_with_files_outlives_a_storage_that_is_away(
    alice_client, alice, make_video, storage_away, kie
):
    picture = kept_input(alice)
    video = make_video(provider="kie-hailuo-img2vid", generation_type="img2vid")
    video.inputs.create(field="image_url", file="inputs/1/x.png", digest="unknown")
    storage_away()
    standing = {"provider": "kie-hailuo-img2vid", "kept_image": str(picture.pk)}

    shown = alice_client.get("/generate/", standing)
    swapped = settings_part(alice_client, **standing)
    again = alice_client.get(f"/generate/?from={video.pk}")
    picker = alice_client.get("/generate/services/", standing)
    sent = send(alice_client, "kie-hailuo-img2vid", kept_image=str(picture.pk))

    assert kept_ids(shown, "image") == [str(picture.pk)]
    assert str(picture.pk) in swapped
    assert (again.status_code, picker.status_code, sent.status_code) == (200, 200, 302)
    assert Video.objects.newest_first().first().stage == Stage.QUEUED


# --- What is remembered between pages -------------------------------------------------------


def test_a_service_looks_the_same_the_second_time(alice_client):
    query = {"provider": "kie-kling-3-0-text2vid", "duration": "10", "sound": "on"}

    assert settings_part(alice_client, **query) == settings_part(alice_client, **query)


def test_what_one_person_typed_is_not_shown_to_another(client, alice_client, alice, bob):
    bird = kept_input(alice, content=picture_bytes(320, 320))
    typed_by_alice = {
        "provider": "kie-kling-3-0-text2vid",
        "settings_of": "kie-kling-3-0-text2vid",
        "shots-0-prompt": "SECRET",
        "elements-0-name": "SECRET",
        "kept_elements_1": str(bird.pk),
    }
    assert "SECRET" in settings_part(alice_client, **typed_by_alice)
    alice_client.get("/generate/", {"provider": "kie-veo3-fast", "watermark": "SECRET"})
    client.force_login(bob)

    for key in ("kie-kling-3-0-text2vid", "kie-veo3-fast"):
        part = settings_part(client, provider=key)
        assert "SECRET" not in part
        assert str(bird.pk) not in part


def test_an_error_is_shown_with_what_was_wrong_and_never_again(alice_client, kie):
    wrong = send(alice_client, "kie-veo3-fast", seed="5", duration="7").content.decode()
    part = settings_part(alice_client, provider="kie-veo3-fast")

    assert 'id="id_seed_error"' in wrong
    assert 'value="5"' in wrong
    assert "_error" not in part
    assert 'value="5"' not in part


def test_what_is_chosen_is_chosen_whatever_was_before(alice_client):
    for chosen in ("4", "8", "6", "4"):
        part = settings_part(
            alice_client, provider="kie-veo3-fast", settings_of="kie-veo3-fast", duration=chosen
        )
        assert re.findall(r'name="duration" value="(\d)"[^>]*checked', part) == [chosen]


def test_the_settings_alone_have_their_icons(alice_client):
    part = settings_part(alice_client, provider="kie-veo3-fast")

    assert "/static/img/icons.svg#dices" in part
    assert not re.search(r'<use href="#', part)


# --- Without JavaScript ---------------------------------------------------------------------


def test_without_javascript_files_of_several_places_outlive_a_change_of_service(alice_client, kie):
    files = {"image": picture(640, 360), "last_image": picture(360, 640)}
    page = send(alice_client, "kie-hailuo-img2vid", show_settings="1", **files)
    kept = {f"kept_{name}": kept_ids(page, name) for name in files}

    other = alice_client.post(
        "/generate/",
        typed("kie-hailuo-img2vid", show_settings="1", **kept)
        | {"provider": "kie-seedance-2-0-img2vid"},
    )

    assert page.status_code == other.status_code == 200
    assert service_of(other) == "kie-seedance-2-0-img2vid"
    assert {f"kept_{name}": kept_ids(other, name) for name in files} == kept
    assert 'role="alert"' not in other.content.decode()
    assert "a red kite" in other.content.decode()
    assert not Video.objects.exists()


def test_without_javascript_a_file_is_removed_by_its_box(alice_client, alice, kie):
    """What is not ticked is not sent, and does not come back."""
    kept_input(alice)

    answer = send(alice_client, "kie-hailuo-img2vid")

    assert "needs a picture" in answer.content.decode()
    assert kept_ids(answer, "image") == []


def test_each_kept_file_has_a_box_that_is_ticked(alice_client, alice):
    entry = kept_input(alice)

    part = settings_part(alice_client, provider="kie-veo3-fast", kept_image=str(entry.pk))

    box = re.search(rf'<input type="checkbox"[^>]*value="{entry.pk}"[^>]*>', part)[0]
    assert " checked" in box


# --- The form itself ------------------------------------------------------------------------


def test_a_form_without_files_and_one_with_them_are_of_one_mind(alice):
    """Files that come with the form count as those that were handed in before."""
    veo = PROVIDERS["kie-veo3-fast"]
    files = MultiValueDict({"reference_images": [picture()]})

    sent = GenerateForm(typed("kie-veo3-fast"), files, user=alice, provider=veo)
    kept = GenerateForm(
        typed("kie-veo3-fast"),
        user=alice,
        provider=veo,
        kept={"reference_images": [kept_input(alice)]},
    )

    assert sent.mode is kept.mode
    assert sent.is_valid()
    assert sent.request.mode is kept.mode


def test_without_a_script_another_service_is_shown_with_its_price_before_it_is_sent(
    alice_client, kie
):
    """720p of Veo is called otherwise by Kling: what takes its place is chosen visibly."""
    veo = typed("kie-veo3-fast", resolution="720p", duration="8")

    page = alice_client.post("/generate/", veo | {"provider": "kie-kling-3-0-text2vid"})

    text = unescape(page.content.decode())
    assert page.status_code == 422
    assert "Below are the settings of Kling 3.0 now. Look at them, then press" in text
    assert re.search(r'name="resolution" value="\w+"[^>]* checked', text)
    assert re.search(r'id="price-tag">· ≈ \$[0-9.]+<', text)
    assert "a red kite" in text
    assert not kie.calls


def test_files_that_do_not_go_together_are_said_before_anything_is_sent(alice_client, alice):
    one, other = (kept_input(alice, content=picture_bytes(n, n)) for n in (300, 320))
    files = {"kept_image": one.pk, "kept_reference_images": other.pk}

    page = settings_part(alice_client, provider="kie-veo3-fast", **files)

    assert "does not take “First and last frame” and “Pictures for reference” together" in page
    # And it stays about pictures.
    assert 'data-purpose="img2vid"' in page


def test_an_element_with_too_few_pictures_is_said_before_anything_is_sent(alice_client, alice):
    row = {"elements-0-name": "rook", "elements-0-description": "a bird"}
    picture = kept_input(alice, content=picture_bytes(320, 320)).pk
    kling = "kie-kling-3-0-text2vid"
    own = {"provider": kling, "settings_of": kling, "kept_elements_1": picture, **row}

    page = settings_part(alice_client, **own)

    assert "Elements, row 1: pictures: at least 2, please." in page


def test_what_is_wrong_with_several_together_unfolds_those_that_are_not_as_usual(
    alice_client, alice, tmp_path
):
    report = kept_input(alice, "document", content=pdf_bytes(2))
    wan = "kie-wan-3-0-ref2vid"
    both = {"kept_document": str(report.pk), "reference_link_urls": "https://kites.example"}

    page = send(alice_client, wan, **both)

    assert "do not go together" in page.content.decode()
    assert '<details class="more" id="more-settings" open>' in page.content.decode()


def test_files_move_to_the_places_of_the_one_service_that_takes_them_all(alice_client, alice):
    picture = str(kept_input(alice).pk)
    report = str(kept_input(alice, "document", content=pdf_bytes(2)).pk)
    files = {"kept_image": picture, "kept_document": report, "follow": "1"}

    page = settings_part(alice_client, provider="kie-veo3-fast", **files)

    assert service_of(page) == "kie-wan-3-0-ref2vid"
    assert kept_ids(page, "reference_images") == [picture]
    assert kept_ids(page, "document") == [report]
    assert kept_ids(page, "image") == []


def test_files_that_nobody_takes_together_stay_where_they_are(alice_client, alice):
    pictures = [str(kept_input(alice, content=picture_bytes(300, n)).pk) for n in range(300, 320)]
    report = str(kept_input(alice, "document", content=pdf_bytes(2)).pk)
    files = {"kept_image": pictures, "kept_document": report, "follow": "1"}

    page = settings_part(alice_client, provider="kie-veo3-fast", **files)

    assert service_of(page) == "kie-veo3-fast"
    assert kept_ids(page, "document") == [report]
