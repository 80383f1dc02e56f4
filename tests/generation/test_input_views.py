"""Handing in files, the library of earlier ones, a frame of an earlier video."""

import re
from datetime import timedelta

import pytest
from django.contrib.messages import get_messages
from django.core.files.storage import default_storage
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from gallery.models import InputFile
from tests.conftest import kept_input, make_clip, pdf_bytes, picture_bytes, sound_bytes

HAND_IN, LIBRARY = "/generate/inputs/", "/generate/library/"
WAN = "kie-wan-3-0-ref2vid"


def a_file(content=None, name="kite.png"):
    return SimpleUploadedFile(name, picture_bytes() if content is None else content)


def hand_in(client, *files, slot="image", provider="kie-veo3-fast"):
    return client.post(HAND_IN, {"slot": slot, "provider": provider, "file": files or [a_file()]})


def tile_of(entry, slot="image"):
    return f'name="kept_{slot}" value="{entry.pk}"'


# --- Handing in -----------------------------------------------------------------------------


def test_a_file_is_kept_as_soon_as_it_is_chosen_and_told_as_a_tile(alice_client, alice):
    answer = hand_in(alice_client)

    entry = InputFile.objects.for_user(alice).get()
    assert answer.status_code == 200
    assert tile_of(entry) in answer.content.decode()
    assert "kite.png" in answer.content.decode()
    assert "64 × 48" in answer.content.decode()


def test_a_document_is_a_tile_with_its_pages_and_an_icon(alice_client):
    page = hand_in(alice_client, a_file(pdf_bytes(2), "kites.pdf"), slot="document", provider=WAN)

    assert "kites.pdf" in page.content.decode()
    assert "2 pages · 1 KB" in page.content.decode()
    assert "icons.svg#file-text" in page.content.decode()


def test_several_files_are_several_tiles(alice_client):
    files = [a_file(picture_bytes(n, n)) for n in (10, 20, 30)]

    page = hand_in(alice_client, *files, slot="reference_images").content.decode()

    assert page.count('name="kept_reference_images"') == 3


@pytest.mark.parametrize(
    ("slot", "provider", "content", "sentence"),
    [
        ("image", "kie-veo3-fast", b"no picture", "This file is no JPEG, PNG or WebP picture."),
        ("video", "kie-topaz-upscale", b"no clip", "This file is no clip that can be read."),
        ("audio", "kie-infinitalk-lipsync", b"no", "This file is no recording that can be read."),
        ("document", WAN, b"\x00no", "This file is no document that can be read."),
        ("document", WAN, pdf_bytes(51), "This document has 51 pages; the service takes 50."),
        (
            "reference_images",
            "kie-seedance-2-0-ref2vid",
            picture_bytes(299, 400),
            "the service wants at least 300 on each side",
        ),
        (
            "reference_audios",
            "kie-seedance-2-0-ref2vid",
            sound_bytes(1),
            "This recording lasts 1.0 s; the service takes 2 to 15 s.",
        ),
    ],
)
def test_what_cannot_be_used_is_said_in_a_sentence(alice_client, slot, provider, content, sentence):
    answer = hand_in(alice_client, a_file(content), slot=slot, provider=provider)

    assert answer.status_code == 422
    assert answer["Content-Type"].startswith("text/plain")
    assert sentence in answer.content.decode()
    assert not InputFile.objects.exists()


def test_a_place_that_no_service_has_is_none(alice_client):
    assert hand_in(alice_client, slot="smell").status_code == 404
    assert hand_in(alice_client, slot="").status_code == 404


def test_a_place_that_another_service_has_will_do(alice_client):
    assert hand_in(alice_client, provider="kie-hailuo-text2vid").status_code == 200
    assert hand_in(alice_client, provider="kie-nothing").status_code == 200


def test_a_files_name_is_shown_and_not_run(alice_client):
    page = hand_in(alice_client, a_file(name='"><img src=x onerror=alert(1)>.png'))

    assert "<img src=x" not in page.content.decode()


def test_handing_in_is_for_people_who_are_signed_in_and_mean_it(client, alice):
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice)

    assert hand_in(client).status_code == 302
    assert hand_in(careful).status_code == 403
    assert not InputFile.objects.exists()


# --- The library ----------------------------------------------------------------------------


def library(client, slot="image", provider="kie-veo3-fast"):
    return client.get(LIBRARY, {"slot": slot, "provider": provider}).content.decode()


def test_the_library_has_what_was_handed_in_newest_first(alice_client, alice):
    old, new = (kept_input(alice, content=picture_bytes(n, n), name=f"{n}.png") for n in (10, 20))
    InputFile.objects.filter(pk=old.pk).update(used_at=now() - timedelta(days=1))

    page = library(alice_client)

    assert re.findall(r"data-entry=\"([0-9a-f-]{36})\"", page) == [str(new.pk), str(old.pk)]
    assert "20.png" in page


def test_the_library_has_one_kind_at_a_time(alice_client, alice):
    kept_input(alice, name="kite.png")
    kept_input(alice, "audio", sound_bytes(1), name="wind.wav")

    assert "kite.png" in library(alice_client)
    assert "wind.wav" not in library(alice_client)
    assert "wind.wav" in library(alice_client, "audio", "kie-infinitalk-lipsync")


def test_the_library_has_documents(alice_client, alice):
    kept_input(alice, "document", pdf_bytes(), name="kites.pdf")

    page = library(alice_client, "document", WAN)

    assert "kites.pdf" in page
    assert "1 page ·" in page
    assert "icons.svg#file-text" in page


def test_the_library_is_ones_own(client, alice, bob):
    entry = kept_input(alice)
    client.force_login(bob)

    assert str(entry.pk) not in library(client)
    assert "Nothing here yet" in library(client)


def test_the_library_asks_the_database_once_however_much_is_there(
    alice_client, alice, django_assert_max_num_queries
):
    for n in range(1, 8):
        kept_input(alice, content=picture_bytes(n, n))

    # Session, person, entries.
    with django_assert_max_num_queries(3):
        page = library(alice_client)

    assert page.count("data-entry") == 7


def test_an_empty_library_says_what_it_is_for(alice_client):
    assert "What you hand in for a video is kept here" in library(alice_client)


def test_an_entry_of_the_library_becomes_a_tile(alice_client, alice):
    entry = kept_input(alice)
    url = reverse("generation:tile", args=[entry.pk])

    answer = alice_client.get(url, {"slot": "last_image", "provider": "kie-hailuo-img2vid"})

    assert tile_of(entry, "last_image") in answer.content.decode()


def test_an_entry_that_does_not_fit_into_the_place_says_why(alice_client, alice):
    entry = kept_input(alice, content=picture_bytes(200, 200))
    url = reverse("generation:tile", args=[entry.pk])

    query = {"slot": "reference_images", "provider": "kie-seedance-2-0-ref2vid"}
    answer = alice_client.get(url, query)

    assert answer.status_code == 422
    assert "at least 300 on each side" in answer.content.decode()


def test_an_entry_of_another_kind_or_person_is_none(client, alice_client, alice, bob):
    url = reverse("generation:tile", args=[kept_input(alice).pk])

    assert alice_client.get(url, {"slot": "audio"}).status_code == 404
    assert alice_client.get(url, {"slot": "smell"}).status_code == 404
    client.force_login(bob)
    assert client.get(url, {"slot": "image"}).status_code == 404


# --- A file itself --------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gallery:input_file", "gallery:input_preview"])
def test_a_file_and_its_preview_are_their_owners_only(client, alice_client, alice, bob, name):
    url = reverse(name, args=[kept_input(alice).pk])

    answer = alice_client.get(url)

    assert answer.status_code == 200
    assert b"".join(answer.streaming_content)
    assert answer["X-Content-Type-Options"] == "nosniff"
    client.force_login(bob)
    assert client.get(url).status_code == 404
    client.logout()
    assert client.get(url).status_code == 302


@pytest.mark.parametrize(
    ("content", "name", "save_as", "media_type"),
    [
        (pdf_bytes(), "kites.html", "kites.pdf", "application/pdf"),
        (b"<b onclick=alert(1)>words</b>", "", "document.txt", "text/plain; charset=utf-8"),
    ],
)
def test_a_document_is_handed_over_and_never_opened_here(
    alice_client, alice, content, name, save_as, media_type
):
    entry = kept_input(alice, "document", content, name=name)

    answer = alice_client.get(reverse("gallery:input_file", args=[entry.pk]))

    assert b"".join(answer.streaming_content)
    assert answer["Content-Disposition"] == f'attachment; filename="{save_as}"'
    assert answer["Content-Type"] == media_type
    assert answer["X-Content-Type-Options"] == "nosniff"


def test_a_document_has_no_preview(alice_client, alice):
    entry = kept_input(alice, "document", pdf_bytes())

    assert alice_client.get(reverse("gallery:input_preview", args=[entry.pk])).status_code == 404


def test_a_sound_has_no_preview(alice_client, alice):
    entry = kept_input(alice, "audio", sound_bytes(1))

    assert alice_client.get(reverse("gallery:input_preview", args=[entry.pk])).status_code == 404


# --- Forgetting -----------------------------------------------------------------------------


def forget(client, entry, **headers):
    return client.post(reverse("generation:forget", args=[entry.pk]), headers=headers)


def test_a_file_is_taken_out_of_the_library(alice_client, alice):
    entry = kept_input(alice)

    assert forget(alice_client, entry, **{"HX-Request": "true"}).content == b""
    assert not InputFile.objects.exists()


def test_without_javascript_taking_it_out_leads_back_to_the_form(alice_client, alice):
    assert forget(alice_client, kept_input(alice))["Location"] == "/generate/"


def test_a_video_keeps_what_it_was_made_from(alice_client, alice, make_video):
    entry = kept_input(alice)
    given = make_video().inputs.create(
        field="image_url", source=entry, file=str(entry.file), digest=entry.digest
    )

    forget(alice_client, entry)

    given.refresh_from_db()
    assert given.source is None
    assert default_storage.exists(str(given.file))


def test_nobody_elses_file_is_taken_out(client, alice, bob):
    entry = kept_input(alice)
    client.force_login(bob)

    assert forget(client, entry).status_code == 404
    assert InputFile.objects.exists()


# --- From an earlier video ------------------------------------------------------------------


def use_frame(client, video, **data):
    return client.post(reverse("generation:use_frame", args=[video.pk]), data)


def test_a_frame_of_a_video_leads_to_the_form_with_it(alice_client, alice, make_completed):
    video = make_completed()

    answer = use_frame(alice_client, video, at="0.5")
    page = alice_client.get(answer["Location"]).content.decode()

    entry = InputFile.objects.for_user(alice).get()
    assert tile_of(entry) in page
    # The same model, where it takes a picture.
    assert 'data-service="kie-hailuo-img2vid"' in page
    assert f'name="parent" value="{video.pk}"' in page
    assert 'id="earlier"' in page


def test_the_last_frame_is_taken_when_none_is_named(alice_client, make_completed):
    use_frame(alice_client, make_completed())

    assert "the last frame" in InputFile.objects.get().name


def test_a_service_that_takes_pictures_itself_stays_chosen(alice_client, make_completed):
    video = make_completed(provider="kie-veo3-fast", model="veo3_fast")

    assert "provider=kie-veo3-fast" in use_frame(alice_client, video)["Location"]


@pytest.mark.parametrize("at", ["nan", "soon"])
def test_a_moment_that_is_none_is_not_found(alice_client, make_completed, at):
    assert use_frame(alice_client, make_completed(), at=at).status_code == 404


def use_video(client, video, **data):
    return client.post(reverse("generation:use_video", args=[video.pk]), data)


@pytest.mark.parametrize("kind", ["vid2vid", "upscale", "lipsync"])
def test_a_video_leads_to_the_form_as_a_clip(alice_client, alice, make_completed, kind):
    answer = use_video(alice_client, make_completed(), kind=kind)
    page = alice_client.get(answer["Location"]).content.decode()

    entry = InputFile.objects.for_user(alice).get()
    assert entry.kind == "video"
    assert tile_of(entry, "video") in page
    assert "takes no such file" not in page


@pytest.mark.parametrize(
    ("use", "words"), [(use_frame, "not saved yet"), (use_video, "No service that is offered here")]
)
def test_a_video_that_is_not_saved_says_so_on_its_page(alice_client, make_video, use, words):
    video = make_video()

    answer = use(alice_client, video)

    assert answer["Location"] == video.get_absolute_url()
    assert words in str(next(iter(get_messages(answer.wsgi_request))))


@pytest.mark.parametrize("use", [use_frame, use_video])
def test_nobody_elses_video_is_used(client, bob, make_completed, use):
    video = make_completed()
    client.force_login(bob)

    assert use(client, video).status_code == 404
    assert not InputFile.objects.exists()


NO_VIDEO = "/videos/00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("url", [HAND_IN, f"{NO_VIDEO}/frame/", f"{NO_VIDEO}/use/"])
def test_nothing_is_kept_by_looking(alice_client, url):
    assert alice_client.get(url).status_code == 405


def test_a_long_clip_is_handed_in_from_a_file_on_disk(alice_client, tmp_path, settings):
    """As Django gives over what is too large for memory."""
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 100
    clip = make_clip(tmp_path / "clip.mp4").read_bytes()

    answer = hand_in(alice_client, a_file(clip), slot="video", provider="kie-topaz-upscale")

    assert answer.status_code == 200
    assert InputFile.objects.get().seconds == 1.0
