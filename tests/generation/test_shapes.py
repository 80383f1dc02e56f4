"""A picture of another shape than the video is to have: said, and cropped with one press."""

import re
from html import unescape

import pytest
from PIL import Image

from gallery.models import InputFile
from tests.conftest import kept_input, picture_bytes
from tests.generation.test_forms import SETTINGS, kept_ids, typed

VEO, KLING = "kie-veo3-fast", "kie-kling-3-0-img2vid"
SEEDANCE = "kie-seedance-2-0-img2vid"


@pytest.fixture
def square(alice):
    return kept_input(alice, content=picture_bytes(900, 900))


def ask(client, **query):
    """What swaps in when a setting changes."""
    query = {"provider": VEO, "settings_of": VEO, "kind_of": "img2vid", **query}
    answer = client.get("/generate/", query, headers=SETTINGS | {"HX-Trigger": "settings"})
    return unescape(answer.content.decode())


def press(client, button, headers=None, *, provider=VEO, **facts):
    form = typed(provider, **{"crop": button, "aspect_ratio": "16:9"} | facts)
    return client.post("/generate/", form, headers=headers)


def button_in(page):
    found = re.search(r'name="crop" value="([^"]+)"', page)
    return found and found[1]


def test_a_picture_of_another_shape_is_said_with_the_way_out(alice_client, square):
    page = ask(alice_client, kept_image=square.pk, aspect_ratio="16:9")

    assert "kite.png</bdi> is 1:1, and the video will be 16:9." in page
    assert "Crop to 16:9" in page


@pytest.mark.parametrize(
    ("size", "shape"),
    [((900, 900), "Auto"), ((1280, 720), "16:9"), ((1366, 768), "16:9"), ((720, 1280), "9:16")],
)
def test_a_picture_that_fits_or_decides_the_shape_itself_is_no_matter(
    alice_client, alice, size, shape
):
    picture = kept_input(alice, content=picture_bytes(*size))

    page = ask(alice_client, kept_image=picture.pk, aspect_ratio=shape)

    assert button_in(page) is None


@pytest.mark.parametrize(
    ("size", "words"), [((800, 600), "4:3"), ((1000, 870), "1000 × 870"), ((600, 900), "2:3")]
)
def test_its_own_shape_is_told_as_people_know_it(alice_client, alice, size, words):
    picture = kept_input(alice, content=picture_bytes(*size))

    page = ask(alice_client, kept_image=picture.pk, aspect_ratio="16:9")

    assert f"</bdi> is {words}, and" in page


def test_a_picture_for_reference_may_have_any_shape(alice_client, square):
    page = ask(
        alice_client, kind_of="ref2vid", kept_reference_images=square.pk, aspect_ratio="16:9"
    )

    assert button_in(page) is None


@pytest.mark.parametrize("headers", [None, SETTINGS], ids=["whole page", "with htmx"])
def test_the_middle_of_it_takes_its_place(alice_client, alice, square, headers):
    button = f"image:{square.pk}"

    page = press(alice_client, button, headers, kept_image=str(square.pk), prompt="a bird")

    assert page.status_code == 200
    text = unescape(page.content.decode())
    (kept,) = kept_ids(page, "image")
    cropped = InputFile.objects.get(pk=kept)
    assert (cropped.user, cropped.width, cropped.height) == (alice, 900, 506)
    assert "Crop to" not in text
    assert "kite.png is cropped to 16:9" in text
    # The whole one stays in the library.
    assert InputFile.objects.filter(pk=square.pk).exists()
    if headers is None:
        assert "a bird" in text


def test_another_shape_is_cut_from_the_whole_and_one_can_go_back_to_it(alice_client, square):
    first = press(alice_client, f"image:{square.pk}", kept_image=str(square.pk))
    (wide,) = kept_ids(first, "image")

    second = press(alice_client, f"image:{wide}", kept_image=wide, aspect_ratio="9:16")
    (tall,) = kept_ids(second, "image")
    back = press(alice_client, f"image:{tall}", kept_image=tall, aspect_ratio="9:16")

    cropped = InputFile.objects.get(pk=tall)
    assert (cropped.width, cropped.height, cropped.name) == (506, 900, "kite.png (9:16)")
    assert "Use the whole picture" in second.content.decode()
    assert kept_ids(back, "image") == [str(square.pk)]
    assert "kite.png is whole again" in back.content.decode()


def test_a_crop_outlives_the_picture_it_was_cut_from(alice_client, square):
    page = press(alice_client, f"image:{square.pk}", kept_image=str(square.pk))
    square.delete()

    (wide,) = kept_ids(page, "image")

    assert "Use the whole picture" not in ask(alice_client, kept_image=wide, aspect_ratio="16:9")


def test_what_is_in_the_middle_is_kept(alice_client, alice, tmp_path):
    image = Image.new("RGB", (400, 1200), "red")
    image.paste("blue", (0, 500, 400, 700))
    image.save(tmp_path / "flag.png")
    flag = kept_input(alice, content=(tmp_path / "flag.png").read_bytes())

    page = press(alice_client, f"image:{flag.pk}", kept_image=str(flag.pk))

    cropped = InputFile.objects.get(pk=kept_ids(page, "image")[0])
    with cropped.file.open("rb") as file, Image.open(file) as made:
        assert made.size == (400, 225)
        assert made.getpixel((200, 112)) == (0, 0, 255)


def test_of_two_pictures_only_the_one_is_cropped_and_they_stay_in_order(alice_client, alice):
    first, last = (kept_input(alice, content=picture_bytes(n, n)) for n in (900, 800))
    both = [str(first.pk), str(last.pk)]

    page = press(alice_client, f"image:{last.pk}", kept_image=both, provider=KLING)

    one, other = kept_ids(page, "image")
    assert one == str(first.pk)
    assert InputFile.objects.get(pk=other).height == 450
    assert button_in(page.content.decode()) == f"image:{first.pk}"


@pytest.mark.parametrize("button", ["", "image", "image:nobody", "audio:1", "image:{bobs}"])
def test_a_button_that_the_page_does_not_have_changes_nothing(alice_client, bob, square, button):
    bobs = kept_input(bob, content=picture_bytes(700, 700))

    page = press(alice_client, button.format(bobs=bobs.pk), kept_image=str(square.pk))

    assert page.status_code == 200
    assert kept_ids(page, "image") == [str(square.pk)]
    assert InputFile.objects.count() == 2


def test_a_picture_that_is_too_small_when_cropped_stays_whole_and_the_page_says_why(
    alice_client, alice
):
    small = kept_input(alice, content=picture_bytes(320, 320))

    page = press(alice_client, f"image:{small.pk}", kept_image=str(small.pk), provider=SEEDANCE)

    assert kept_ids(page, "image") == [str(small.pk)]
    assert "at least 300 on each side" in unescape(page.content.decode())


def test_a_picture_that_is_gone_from_the_disk_is_said_to_be(alice_client, square):
    square.file.delete(save=False)

    page = press(alice_client, f"image:{square.pk}", kept_image=str(square.pk))

    assert "no longer here" in page.content.decode()
