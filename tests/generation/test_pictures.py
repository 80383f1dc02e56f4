"""Pictures that people hand in: what is taken, what is left of it, who finds it again."""

import hashlib
import io
import struct
import time
import zlib

import pytest
from django.core import signing
from django.core.files.storage import default_storage
from generation.pictures import SALT, Picture, PictureRefused, keep_picture
from PIL import Image, PngImagePlugin

from tests.conftest import picture_bytes

MEGABYTE = 1024 * 1024
SECRET = "HIDDEN-WORDS"
ORIENTATION, MAKER, GPS = 0x0112, 0x010F, 0x8825


@pytest.fixture
def keep(alice):
    def keep(content, *, most_bytes=10 * MEGABYTE):
        return keep_picture(
            io.BytesIO(content), size=len(content), most_bytes=most_bytes, user=alice
        )

    return keep


def stored(picture):
    with default_storage.open(picture.path) as file:
        return file.read()


def opened(picture):
    image = Image.open(io.BytesIO(stored(picture)))
    image.load()
    return image


def taken_on_its_side():
    """The metadata of a telephone that was held upright, somewhere."""
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    exif[MAKER] = SECRET
    exif.get_ifd(GPS)[2] = (52.0, 31.0, 12.0)
    return exif


def png_of(width, height, pixels):
    """A PNG whose header says so much, whatever follows it."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


# --- What is taken --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "media_type", "ending"),
    [("PNG", "image/png", ".png"), ("JPEG", "image/jpeg", ".jpg"), ("WEBP", "image/webp", ".webp")],
)
def test_a_picture_is_kept_in_its_own_format(keep, alice, kind, media_type, ending):
    picture = keep(picture_bytes(64, 48, kind=kind))

    assert (picture.media_type, picture.width, picture.height) == (media_type, 64, 48)
    assert picture.path.startswith(f"inputs/{alice.pk}/")
    assert picture.path.endswith(ending)
    assert opened(picture).format == kind
    assert picture.digest == hashlib.sha256(stored(picture)).hexdigest()


def test_the_same_picture_twice_has_one_digest_and_two_files(keep):
    first, second = keep(picture_bytes()), keep(picture_bytes())

    assert first.digest == second.digest
    assert first.path != second.path


def test_the_pixels_stay_what_they_were(keep):
    picture = keep(picture_bytes())

    assert opened(picture).getpixel((5, 5)) == (180, 60, 40)


def test_a_transparent_picture_stays_transparent(keep):
    content = io.BytesIO()
    Image.new("RGBA", (8, 8), (180, 60, 40, 0)).save(content, "PNG")

    picture = keep(content.getvalue())

    assert opened(picture).getpixel((0, 0)) == (180, 60, 40, 0)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK"])
def test_a_picture_of_few_or_other_colours_is_taken(keep, mode):
    content = io.BytesIO()
    kind = "JPEG" if mode == "CMYK" else "PNG"
    Image.new("RGB", (8, 8), (180, 60, 40)).convert(mode).save(content, kind)

    picture = keep(content.getvalue())

    assert opened(picture).mode in {"RGB", "RGBA"}


def test_a_telephones_double_jpeg_is_a_jpeg(keep):
    content = io.BytesIO()
    image, depth = Image.new("RGB", (64, 48), (180, 60, 40)), Image.new("RGB", (64, 48))
    image.save(content, "MPO", save_all=True, append_images=[depth])

    picture = keep(content.getvalue())

    assert picture.media_type == "image/jpeg"
    assert opened(picture).format == "JPEG"


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_of_a_moving_picture_the_first_one_is_kept(keep, kind):
    content = io.BytesIO()
    first, second = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    first.save(content, kind, save_all=True, append_images=[second])

    picture = keep(content.getvalue())

    red, _, blue = opened(picture).getpixel((0, 0))
    assert red > blue
    assert getattr(opened(picture), "n_frames", 1) == 1


# --- What is left of it ---------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_is_kept_upright_and_without_its_place(keep, kind):
    content = picture_bytes(64, 48, kind=kind, exif=taken_on_its_side())

    picture = keep(content)

    assert (picture.width, picture.height) == (48, 64)
    assert opened(picture).size == (48, 64)
    assert not opened(picture).getexif()
    assert SECRET.encode() not in stored(picture)


def png_text():
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", SECRET)
    text.add_itxt("XML:com.adobe.xmp", SECRET)
    return text


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(picture_bytes(kind="JPEG", comment=SECRET.encode()), id="JPEG comment"),
        pytest.param(picture_bytes(kind="JPEG", xmp=SECRET.encode()), id="JPEG XMP"),
        pytest.param(picture_bytes(kind="WEBP", xmp=SECRET.encode()), id="WebP XMP"),
        pytest.param(picture_bytes(kind="PNG", pnginfo=png_text()), id="PNG text"),
        pytest.param(picture_bytes(kind="PNG", icc_profile=SECRET.encode()), id="PNG profile"),
        pytest.param(picture_bytes(kind="WEBP", icc_profile=SECRET.encode()), id="WebP profile"),
        *(
            pytest.param(picture_bytes(kind=kind) + SECRET.encode(), id=f"behind the {kind}")
            for kind in ("JPEG", "PNG", "WEBP")
        ),
    ],
)
def test_nothing_hidden_in_a_picture_is_kept(keep, content):
    picture = keep(content)

    assert SECRET.encode() not in stored(picture)
    assert not {"comment", "xmp", "icc_profile", "exif"} & opened(picture).info.keys()


# --- What is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "no JPEG, PNG or WebP", id="empty"),
        pytest.param(b"just some words\n" * 20, "no JPEG, PNG or WebP", id="text"),
        pytest.param(
            b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
            "no JPEG, PNG or WebP",
            id="SVG",
        ),
        pytest.param(picture_bytes(kind="GIF"), "no JPEG, PNG or WebP", id="GIF"),
        pytest.param(picture_bytes(kind="BMP"), "no JPEG, PNG or WebP", id="BMP"),
        pytest.param(picture_bytes(kind="TIFF"), "no JPEG, PNG or WebP", id="TIFF"),
        pytest.param(picture_bytes()[:20], "no JPEG, PNG or WebP|damaged", id="a bit of PNG"),
        pytest.param(picture_bytes(500, 500)[:-600], "damaged", id="most of a PNG"),
        pytest.param(picture_bytes(500, 500, kind="JPEG")[:-900], "damaged", id="most of a JPEG"),
        pytest.param(picture_bytes(500, 500, kind="WEBP")[:-40], "damaged", id="most of a WebP"),
        pytest.param(png_of(64, 48, b"no zlib"), "damaged", id="a PNG without pixels"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"<script>" * 50, "no JPEG|damaged", id="a PNG's name"),
    ],
)
def test_what_is_no_whole_picture_is_refused_in_a_sentence(keep, content, words):
    with pytest.raises(PictureRefused, match=words):
        keep(content)

    assert not default_storage.exists("inputs")


def test_a_bomb_is_refused_by_its_header(keep):
    # 1.2 GB of pixels in a file of 1.2 MB; they need not even be there to be refused.
    content = png_of(20_000, 20_000, zlib.compress(bytes(1000)))
    began = time.monotonic()

    with pytest.raises(PictureRefused, match="too large to open"):
        keep(content)

    assert time.monotonic() - began < 1


def test_too_many_pixels_are_counted_before_they_are_unpacked(keep):
    content = png_of(6000, 6000, b"never looked at")

    with pytest.raises(PictureRefused, match=r"6000 x 6000 pixels, which is too many"):
        keep(content)


def test_a_bomb_in_the_metadata_is_refused(keep):
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 20_000_000, zip=True)

    with pytest.raises(PictureRefused):
        keep(picture_bytes(pnginfo=text))


def test_a_file_over_the_limit_is_refused_unread(alice):
    with pytest.raises(PictureRefused, match="has 12 MB; the service takes 10 MB"):
        keep_picture(None, size=12 * MEGABYTE, most_bytes=10 * MEGABYTE, user=alice)


def test_a_file_of_exactly_the_limit_is_taken(keep):
    content = picture_bytes()

    assert keep(content, most_bytes=len(content)).width == 64


# --- Who finds it again ---------------------------------------------------------------------


def test_a_ticket_finds_its_picture_again(keep, alice):
    picture = keep(picture_bytes())

    assert Picture.from_ticket(picture.ticket(alice), alice) == picture


def test_another_persons_ticket_finds_nothing(keep, alice, bob):
    picture = keep(picture_bytes())

    with pytest.raises(PictureRefused, match="no longer here"):
        Picture.from_ticket(picture.ticket(alice), bob)


@pytest.mark.parametrize(
    "change",
    [
        lambda ticket: ticket[:-1],
        lambda ticket: ticket + "x",
        lambda ticket: "x" + ticket,
        lambda ticket: ticket.split(":")[0],
        lambda ticket: "",
        lambda ticket: "\x00",
        lambda ticket: "ü" * 40,
    ],
)
def test_a_forged_ticket_finds_nothing(keep, alice, change):
    ticket = keep(picture_bytes()).ticket(alice)

    with pytest.raises(PictureRefused, match="no longer here"):
        Picture.from_ticket(change(ticket), alice)


@pytest.mark.parametrize("salt", [SALT, "another purpose"])
@pytest.mark.parametrize("facts", [None, 7, [], ["a", "b"], {"path": "x"}], ids=str)
def test_a_note_of_ours_that_is_no_ticket_finds_nothing(alice, facts, salt):
    with pytest.raises(PictureRefused, match="no longer here"):
        Picture.from_ticket(signing.dumps(facts, salt=salt), alice)


def test_a_ticket_whose_file_was_swept_away_finds_nothing(keep, alice):
    picture = keep(picture_bytes())
    ticket = picture.ticket(alice)

    default_storage.delete(picture.path)

    with pytest.raises(PictureRefused, match="no longer here"):
        Picture.from_ticket(ticket, alice)
