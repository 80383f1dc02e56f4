"""Files that people hand in: what is taken, what is left of it, who finds it again."""

import io
import os
import struct
import time
import zlib
from datetime import timedelta
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

import av
import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.utils.timezone import now
from PIL import Image, PngImagePlugin
from pypdf import PdfReader, PdfWriter
from pypdf.annotations import Highlight, Link, Text
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    RectangleObject,
    TextStringObject,
)

from gallery.models import InputFile
from generation import documents, inputs, sweeping
from generation.inputs import (
    InputRefused,
    content_for,
    input_again,
    inputs_of,
    keep_frame,
    keep_input,
    keep_video,
)
from generation.schema import Slot
from tests.conftest import make_clip, pdf_bytes, picture_bytes, sound_bytes

MEGABYTE = 1024 * 1024
SECRET = "HIDDEN-WORDS"
ORIENTATION, MAKER, GPS = 0x0112, 0x010F, 0x8825


def a_slot(kind="image", **limits):
    """A place for files, with no limits but those that a test names."""
    words = {name.replace("_", "-"): value for name, value in limits.items()}
    schema = {"x-media": kind, "x-label": "Picture", "type": "string"} | words
    return Slot(name=kind, field="url", schema=schema, is_required=False)


@pytest.fixture
def keep(alice):
    """Hand this in, to a place that takes anything of its kind unless a test names another."""

    def keep(content, kind="image", *, slot=None, user=alice, name="a file", size=None):
        return keep_input(
            io.BytesIO(content),
            size=len(content) if size is None else size,
            slot=slot or a_slot(kind),
            user=user,
            name=name,
        )

    return keep


def stored(entry):
    with entry.file.open("rb") as file:
        return file.read()


def opened(entry):
    image = Image.open(io.BytesIO(stored(entry)))
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


def named(value):
    """What a test's name says of a parameter: of a file's content only that it is one."""
    return "file" if isinstance(value, bytes) else str(value)


def recording(
    form, *, video="", audio="", seconds=2.0, size=(320, 240), metadata=None, options=None
):
    """A clip or sound in this container, with these codecs, made by FFmpeg itself."""
    content = io.BytesIO()
    with av.open(content, "w", format=form, options=options or {}) as made:
        made.metadata.update(metadata or {})
        pictures = made.add_stream(video, rate=10) if video else None
        sounds = made.add_stream(audio, rate=48000) if audio else None
        if pictures:
            pictures.width, pictures.height, pictures.pix_fmt = *size, "yuv420p"
            for number in range(int(seconds * 10)):
                image = Image.new("RGB", size, (number * 9 % 255, 80, 120))
                made.mux(pictures.encode(av.VideoFrame.from_image(image)))
            made.mux(pictures.encode())
        if sounds:
            made.mux(encoded(sounds, tone(seconds)))
            made.mux(sounds.encode())
    return content.getvalue()


def tone(seconds):
    """Frames of a tone, as short as any encoder wants them."""
    for start in range(0, int(seconds * 48000), 960):
        frame = av.AudioFrame(format="s16", layout="mono", samples=960)
        frame.planes[0].update(
            b"".join(struct.pack("<h", (n * 400) % 20_000) for n in range(start, start + 960))
        )
        frame.sample_rate, frame.pts = 48000, start
        yield frame


def encoded(stream, frames):
    converter = av.AudioResampler(format=stream.format, layout=stream.layout, rate=48000)
    for frame in frames:
        for each in converter.resample(frame):
            yield from stream.encode(each)


# --- Pictures: what is taken ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "media_type", "ending"),
    [("PNG", "image/png", ".png"), ("JPEG", "image/jpeg", ".jpg"), ("WEBP", "image/webp", ".webp")],
)
def test_a_picture_is_kept_in_its_own_format(keep, alice, kind, media_type, ending):
    picture = keep(picture_bytes(64, 48, kind=kind))

    assert (picture.kind, picture.media_type) == ("image", media_type)
    assert (picture.width, picture.height, picture.seconds) == (64, 48, None)
    assert str(picture.file).startswith(f"inputs/{alice.pk}/")
    assert str(picture.file).endswith(ending)
    assert opened(picture).format == kind
    assert picture.size == len(stored(picture))


def test_a_picture_is_what_its_content_says_whatever_its_name(keep):
    assert keep(picture_bytes(kind="JPEG"), name="clip.mp4.png").media_type == "image/jpeg"


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("kite.png", "kite.png"),
        ("C:\\fakepath\\kite.png", "kite.png"),
        ("../../etc/passwd", "passwd"),
        ("a\nb\x00\u202egnp.png", "abgnp.png"),
        ("x" * 300, "x" * 120),
        ("", ""),
    ],
)
def test_a_files_name_is_a_label_and_never_a_path(keep, name, label):
    picture = keep(picture_bytes(), name=name)

    assert picture.name == label
    assert "passwd" not in str(picture.file)


def test_the_pixels_stay_what_they_were(keep):
    picture = keep(picture_bytes())

    assert opened(picture).getpixel((5, 5)) == (180, 60, 40)


def test_a_preview_is_small(keep):
    picture = keep(picture_bytes(1200, 800))

    with picture.preview.open("rb") as file:
        preview = Image.open(file)
        assert (preview.format, preview.size) == ("WEBP", (320, 213))


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


def test_a_picture_that_grows_when_it_is_made_anew_is_made_smaller(keep):
    noise = Image.effect_noise((300, 300), 90)
    content = io.BytesIO()
    noise.save(content, "JPEG", quality=60)
    slot = a_slot(x_max_mb=len(content.getvalue()) / MEGABYTE * 1.5)

    picture = keep(content.getvalue(), slot=slot)

    assert picture.size <= slot.most_bytes


# --- Pictures: what is left of them ---------------------------------------------------------


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


# --- Pictures: what is refused --------------------------------------------------------------

HTML = b"<!doctype html><html><script>alert(1)</script></html>" * 20


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b"", "This file is empty", id="empty"),
        pytest.param(b"just some words\n" * 20, "no JPEG, PNG or WebP", id="text"),
        pytest.param(HTML, "no JPEG, PNG or WebP", id="HTML"),
        pytest.param(
            b'<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>',
            "no JPEG, PNG or WebP",
            id="SVG",
        ),
        pytest.param(picture_bytes(kind="GIF"), "no JPEG, PNG or WebP", id="GIF"),
        pytest.param(picture_bytes(kind="BMP"), "no JPEG, PNG or WebP", id="BMP"),
        pytest.param(picture_bytes(kind="TIFF"), "no JPEG, PNG or WebP", id="TIFF"),
        pytest.param(sound_bytes(1), "no JPEG, PNG or WebP", id="a sound"),
        pytest.param(picture_bytes()[:20], "no JPEG, PNG or WebP|damaged", id="a bit of PNG"),
        pytest.param(picture_bytes(500, 500)[:-600], "damaged", id="most of a PNG"),
        pytest.param(picture_bytes(500, 500, kind="JPEG")[:-900], "damaged", id="most of a JPEG"),
        pytest.param(picture_bytes(500, 500, kind="WEBP")[:-40], "damaged", id="most of a WebP"),
        pytest.param(png_of(64, 48, b"no zlib"), "damaged", id="a PNG without pixels"),
        pytest.param(b"\x89PNG\r\n\x1a\n" + b"<script>" * 50, "no JPEG|damaged", id="a PNG's name"),
    ],
)
def test_what_is_no_whole_picture_is_refused_in_a_sentence(keep, content, words):
    with pytest.raises(InputRefused, match=words):
        keep(content)

    assert not default_storage.exists("inputs")
    assert not InputFile.objects.exists()


def test_a_bomb_is_refused_by_its_header(keep):
    # 1.2 GB of pixels in a file of 1.2 MB; they need not even be there to be refused.
    content = png_of(20_000, 20_000, zlib.compress(bytes(1000)))
    began = time.monotonic()

    with pytest.raises(InputRefused, match="too large to open"):
        keep(content)

    assert time.monotonic() - began < 1


def test_too_many_pixels_are_counted_before_they_are_unpacked(keep):
    content = png_of(6000, 6000, b"never looked at")

    with pytest.raises(InputRefused, match=r"6000 x 6000 pixels, which is too many"):
        keep(content)


def test_a_bomb_in_the_metadata_is_refused(keep):
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 20_000_000, zip=True)

    with pytest.raises(InputRefused):
        keep(picture_bytes(pnginfo=text))


# --- Clips and sounds: what is taken --------------------------------------------------------

CLIPS = {
    "MP4": ({"form": "mp4", "video": "libx264", "audio": "aac"}, "video/mp4", ".mp4"),
    "silent MP4": ({"form": "mp4", "video": "libx264"}, "video/mp4", ".mp4"),
    "MOV": ({"form": "mov", "video": "libx264", "audio": "aac"}, "video/quicktime", ".mov"),
    "WebM": ({"form": "webm", "video": "libvpx", "audio": "libopus"}, "video/webm", ".webm"),
    "VP9": ({"form": "webm", "video": "libvpx-vp9"}, "video/webm", ".webm"),
    "MKV": ({"form": "matroska", "video": "libx264", "audio": "aac"}, "video/x-matroska", ".mkv"),
}
SOUNDS = {
    "MP3": ({"form": "mp3", "audio": "libmp3lame"}, "audio/mpeg", ".mp3"),
    "WAV": ({"form": "wav", "audio": "pcm_s16le"}, "audio/wav", ".wav"),
    "M4A": ({"form": "ipod", "audio": "aac"}, "audio/mp4", ".m4a"),
    "MP4 with sound alone": ({"form": "mp4", "audio": "aac"}, "audio/mp4", ".m4a"),
    "AAC": ({"form": "adts", "audio": "aac"}, "audio/aac", ".aac"),
    "OGG": ({"form": "ogg", "audio": "libopus"}, "audio/ogg", ".ogg"),
    "FLAC": ({"form": "flac", "audio": "flac"}, "audio/flac", ".flac"),
}


def frames_in(content):
    """How many pictures, and how many seconds of sound, can be decoded."""
    with av.open(io.BytesIO(content)) as file:
        pictures = sum(1 for _ in file.decode(video=0)) if file.streams.video else 0
    with av.open(io.BytesIO(content)) as file:
        sound = sum(f.samples for f in file.decode(audio=0)) / 48000 if file.streams.audio else 0
    return pictures, round(sound, 1)


@pytest.mark.parametrize(("made", "media_type", "ending"), CLIPS.values(), ids=CLIPS)
def test_a_clip_is_kept_as_what_it_is_whatever_its_name(keep, made, media_type, ending):
    content = recording(**made)

    clip = keep(content, "video", name="picture.png")

    assert (clip.kind, clip.media_type) == ("video", media_type)
    assert (clip.width, clip.height, round(clip.seconds)) == (320, 240, 2)
    assert str(clip.file).endswith(ending)
    assert frames_in(stored(clip)) == frames_in(content)
    with clip.preview.open("rb") as file:
        assert Image.open(file).size == (320, 240)


@pytest.mark.parametrize(("made", "media_type", "ending"), SOUNDS.values(), ids=SOUNDS)
def test_a_recording_is_kept_as_what_it_is_whatever_its_name(keep, made, media_type, ending):
    content = recording(**made)

    sound = keep(content, "audio", name="movie.mp4")

    assert (sound.kind, sound.media_type) == ("audio", media_type)
    assert (sound.width, sound.preview.name, round(sound.seconds)) == (None, "", 2)
    assert str(sound.file).endswith(ending)
    assert frames_in(stored(sound)) == frames_in(content)


def test_of_a_clip_handed_in_as_a_recording_the_sound_is_kept(keep):
    content = recording("mp4", video="libx264", audio="aac")

    clip, sound = keep(content, "video"), keep(content, "audio")

    assert (clip.kind, sound.kind) == ("video", "audio")
    assert frames_in(stored(sound))[0] == 0
    assert sound.media_type == "audio/mp4"


def on_its_side(mp4):
    """As a telephone held upright writes it: a turn by a quarter in the track's header."""
    at = mp4.index(b"tkhd") + 44
    turned = struct.pack(">9i", 0, 65536, 0, -65536, 0, 0, 0, 0, 1 << 30)
    return mp4[:at] + turned + mp4[at + 36 :]


def test_a_clip_filmed_upright_is_shown_upright(keep):
    clip = keep(on_its_side(recording("mp4", video="libx264")), "video")

    with clip.preview.open("rb") as file:
        assert Image.open(file).size == (240, 320)
    assert (clip.width, clip.height) == (240, 320)
    with av.open(io.BytesIO(stored(clip))) as file:
        assert next(file.decode(video=0)).rotation == -90


def test_how_long_it_lasts_is_counted_and_not_believed(keep):
    # Browsers write clips without a length; others say what they like.
    content = recording("webm", video="libvpx", options={"live": "1"})
    with av.open(io.BytesIO(content)) as file:
        assert not file.duration

    assert round(keep(content, "video").seconds, 1) == 2.0


def test_of_a_clip_that_was_cut_off_what_is_there_is_kept(keep, tmp_path):
    whole = make_clip(tmp_path / "whole.mp4", seconds=10).read_bytes()

    clip = keep(whole[: len(whole) * 6 // 10], "video")

    assert 2 < clip.seconds < 9
    assert 0 < frames_in(stored(clip))[0] < 110


# --- Clips and sounds: what is left of them -------------------------------------------------

TOLD = {"title": SECRET, "artist": SECRET, "comment": SECRET, "location": "+52.5200+013.4050/"}


def told_by(content):
    """What a player is told about the file beside what it shows, apart from how it was made."""
    with av.open(io.BytesIO(content)) as file:
        every = [file.metadata, *(stream.metadata for stream in file.streams)]
        said = {name.lower(): value for each in every for name, value in each.items()}
    return {name: value for name, value in said.items() if "HIDDEN" in value or "+52" in value}


@pytest.mark.parametrize("made", [made for made, *_ in CLIPS.values()], ids=CLIPS)
def test_nothing_that_is_written_beside_a_clip_is_kept(keep, made):
    content = recording(**made, metadata=TOLD)
    assert "title" in told_by(content)
    assert made["form"] == "mov" or "location" in told_by(content)

    clip = keep(content + SECRET.encode(), "video")

    assert told_by(stored(clip)) == {}
    assert SECRET.encode() not in stored(clip)
    assert b"loci" not in stored(clip)


@pytest.mark.parametrize("made", [made for made, *_ in SOUNDS.values()], ids=SOUNDS)
def test_nothing_that_is_written_beside_a_recording_is_kept(keep, made):
    sound = keep(recording(**made, metadata=TOLD), "audio")

    assert told_by(stored(sound)) == {}
    assert SECRET.encode() not in stored(sound)


def test_the_cover_of_a_song_is_not_kept(keep):
    cover = io.BytesIO()
    with av.open(cover, "w", format="mp3") as made:
        sounds = made.add_stream("libmp3lame", rate=48000)
        art = made.add_stream("mjpeg", rate=1)
        art.width, art.height, art.pix_fmt = 64, 48, "yuvj420p"
        art.disposition = av.stream.Disposition.attached_pic
        made.mux(art.encode(av.VideoFrame.from_image(Image.new("RGB", (64, 48), "red"))))
        made.mux(encoded(sounds, tone(1.0)))
        made.mux(sounds.encode())

    sound = keep(cover.getvalue(), "audio")

    assert frames_in(stored(sound))[0] == 0


# --- Clips and sounds: what is refused ------------------------------------------------------

MP4 = recording("mp4", video="libx264", audio="aac")
PLAYLIST = b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n"
NO_CLIP = {
    "text": b"just some words\n" * 20,
    "HTML": HTML,
    "a picture": picture_bytes(kind="JPEG"),
    "a moving picture": picture_bytes(kind="GIF"),
    "a sound": sound_bytes(1),
    "an MP4 with sound alone": recording("mp4", audio="aac"),
    "an AVI": recording("avi", video="mpeg4"),
    "a playlist": PLAYLIST,
    "a list of files": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
    "an MP4's beginning": MP4[:400],
    "an MP4 without its end": MP4[: len(MP4) // 2],
    "an MP4's name": MP4[:32] + HTML,
    "an MP4 of zeros": MP4[:40] + bytes(len(MP4)),
}


@pytest.mark.parametrize("slot", ["image", "video", "audio", "document"])
def test_an_empty_file_is_called_empty(keep, slot):
    with pytest.raises(InputRefused, match="This file is empty"):
        keep(b"", slot)


@pytest.mark.parametrize("content", NO_CLIP.values(), ids=NO_CLIP)
def test_what_is_no_clip_is_refused_in_a_sentence(keep, content):
    with pytest.raises(InputRefused, match="This file is no clip that can be read"):
        keep(content, "video")

    assert not default_storage.exists("inputs")


NO_SOUND = {
    "text": b"just some words\n" * 20,
    "HTML": HTML,
    "a picture": picture_bytes(kind="JPEG"),
    "a silent clip": recording("mp4", video="libx264"),
    "a playlist": PLAYLIST,
    "a WAV's beginning": sound_bytes(1)[:40],
    "an MP3's name": b"ID3\x03\x00\x00\x00\x00\x00\x00" + HTML,
}


@pytest.mark.parametrize("content", NO_SOUND.values(), ids=NO_SOUND)
def test_what_is_no_recording_is_refused_in_a_sentence(keep, content):
    with pytest.raises(InputRefused, match="This file is no recording that can be read"):
        keep(content, "audio")

    assert not default_storage.exists("inputs")


def test_a_clip_that_is_a_web_page_as_well_is_kept_as_a_clip_alone(keep):
    clip = keep(MP4 + HTML, "video")

    assert b"<script>" not in stored(clip)
    assert frames_in(stored(clip)) == frames_in(MP4)


# --- Documents: what is taken ---------------------------------------------------------------

OOXML = "application/vnd.openxmlformats-officedocument"
MAINS = {
    "docx": ("wordprocessingml.document", "word/document.xml"),
    "pptx": ("presentationml.presentation", "ppt/presentation.xml"),
    "xlsx": ("spreadsheetml.sheet", "xl/workbook.xml"),
}
PROPERTIES = {
    "docProps/core.xml": "application/vnd.openxmlformats-package.core-properties+xml",
    "docProps/app.xml": f"{OOXML}.extended-properties+xml",
    "docProps/custom.xml": f"{OOXML}.custom-properties+xml",
}
CONTENT = b"<words>Kites fly in the wind.</words>"


def office(kind="docx", *, main=None, parts=None, slides=0, types="", method=ZIP_DEFLATED):
    """An Office file with its properties filled in; `parts` and `types` come to its own."""
    words, name = MAINS[kind]
    named = {f"/{name}": main or f"{OOXML}.{words}.main+xml"}
    named |= {f"/{part}": type_ for part, type_ in PROPERTIES.items()}
    pages = [f"ppt/slides/slide{n}.xml" for n in range(1, slides + 1)]
    named |= {f"/{page}": f"{OOXML}.presentationml.slide+xml" for page in pages}
    said = "".join(f'<Override PartName="{n}" ContentType="{t}"/>' for n, t in named.items())
    listed = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="jpeg" ContentType="image/jpeg"/>'
        f'<Default Extension="png" ContentType="image/png"/>{said}{types}</Types>'
    )
    told = f"<told>{SECRET}</told>".encode()
    every = {"[Content_Types].xml": listed.encode(), name: CONTENT}
    every |= dict.fromkeys([*PROPERTIES, "docProps/thumbnail.jpeg"], told)
    every |= dict.fromkeys(pages, CONTENT)
    return zipped(every | (parts or {}), method=method)


def zipped(parts, *, method=ZIP_DEFLATED):
    content = io.BytesIO()
    with ZipFile(content, "w", method) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return content.getvalue()


def parts_of(content):
    with ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


TEXTS = "# Kites\n\nThey fly in the wind – every day. 🪁\n\x0c\tThe end.\n".encode()
DOCUMENTS = {
    "PDF": (pdf_bytes(3), "application/pdf", ".pdf", 3),
    "DOCX": (office("docx"), f"{OOXML}.wordprocessingml.document", ".docx", None),
    "PPTX": (office("pptx", slides=4), f"{OOXML}.presentationml.presentation", ".pptx", 4),
    "XLSX": (office("xlsx"), f"{OOXML}.spreadsheetml.sheet", ".xlsx", None),
    "text": (b"Just words.", "text/plain", ".txt", None),
    "Markdown": (TEXTS, "text/plain", ".txt", None),
}


@pytest.mark.parametrize(
    ("content", "media_type", "ending", "pages"), DOCUMENTS.values(), ids=DOCUMENTS
)
def test_a_document_is_kept_as_what_it_is_whatever_its_name(
    keep, content, media_type, ending, pages
):
    document = keep(content, "document", name="picture.png")

    assert (document.kind, document.media_type, document.pages) == ("document", media_type, pages)
    assert (document.width, document.seconds, document.preview.name) == (None, None, "")
    assert str(document.file).endswith(ending)
    assert document.size == len(stored(document))


def test_the_pages_of_a_pdf_say_what_they_said(keep):
    document = keep(pdf_bytes(2, words="The wind rises"), "document")

    pages = PdfReader(io.BytesIO(stored(document))).pages
    assert [page.extract_text() for page in pages] == ["The wind rises"] * 2


def test_the_parts_of_an_office_file_say_what_they_said(keep):
    document = keep(office("docx", parts={"word/media/image1.png": picture_bytes()}), "document")

    parts = parts_of(stored(document))
    assert parts["word/document.xml"] == CONTENT
    assert parts["word/media/image1.png"] == picture_bytes()


def test_a_text_stays_what_it_was_but_for_the_mark_of_its_encoding(keep):
    assert stored(keep(b"\xef\xbb\xbf" + TEXTS, "document")) == TEXTS


def test_a_letter_on_the_edge_of_two_pieces_is_read_whole(keep, monkeypatch):
    monkeypatch.setattr(documents, "CHUNK_BYTES", 3)

    assert stored(keep(TEXTS, "document")) == TEXTS


# --- Documents: what is left of them --------------------------------------------------------


def pdf_that_tells():
    """A PDF whose every corner says who made it."""
    told = TextStringObject(SECRET)
    writer = PdfWriter(clone_from=io.BytesIO(pdf_bytes()))
    writer.add_metadata({"/Author": SECRET, "/Company": SECRET})
    writer.xmp_metadata = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{SECRET}</x:xmpmeta>".encode()
    writer.add_attachment("secret.txt", SECRET.encode())
    script = {NameObject("/S"): NameObject("/JavaScript"), NameObject("/JS"): told}
    writer.root_object[NameObject("/OpenAction")] = DictionaryObject(script)
    writer.add_outline_item(title=SECRET, page_number=0)
    page = writer.pages[0]
    page[NameObject("/PieceInfo")] = DictionaryObject({NameObject("/Maker"): told})
    page[NameObject("/Metadata")] = writer._add_object(xmp := DecodedStreamObject())
    xmp.set_data(SECRET.encode())
    place = RectangleObject((0, 0, 50, 50))
    note = Text(text=SECRET, rect=place)
    mark = Highlight(rect=place, quad_points=ArrayObject([FloatObject(0)] * 8))
    link = Link(rect=place, url=f"https://{SECRET}.example")
    for each in (note, mark, link):
        each[NameObject("/T")] = told
        writer.add_annotation(0, each)
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


def said_in(pdf):
    """All that its objects say, however it is written."""
    reader = PdfReader(io.BytesIO(pdf))
    every = [reader.get_object(number) for number in range(1, reader.trailer["/Size"])]
    streams = [each.get_data().decode("latin-1") for each in every if hasattr(each, "get_data")]
    return " ".join([*map(repr, every), *streams])


def test_nothing_that_is_written_beside_a_pdf_is_kept(keep):
    content = pdf_that_tells()
    assert said_in(content).count(SECRET) > 12

    document = keep(content + SECRET.encode(), "document")

    assert SECRET not in said_in(stored(document))
    assert SECRET.encode() not in stored(document)
    reader = PdfReader(io.BytesIO(stored(document)))
    assert (reader.metadata, reader.xmp_metadata, reader.attachments) == (None, None, {})
    marks = [each.get_object()["/Subtype"] for each in reader.pages[0]["/Annots"]]
    assert marks == ["/Highlight", "/Link"]
    assert reader.pages[0].extract_text() == "Kites fly in the wind."


def test_what_was_changed_in_a_pdf_is_not_kept_as_it_was_before(keep):
    first = io.BytesIO(pdf_bytes(words=SECRET))
    writer = PdfWriter(first, incremental=True)
    words = writer.pages[0]["/Contents"].get_object()
    words.set_data(words.get_data().replace(SECRET.encode(), b"nothing"))
    changed = io.BytesIO()
    writer.write(changed)
    assert SECRET.encode() in changed.getvalue()
    assert "nothing" in said_in(changed.getvalue())

    document = keep(changed.getvalue(), "document")

    assert SECRET not in said_in(stored(document))
    assert SECRET.encode() not in stored(document)


@pytest.mark.parametrize("kind", MAINS)
def test_nothing_that_is_written_beside_an_office_file_is_kept(keep, kind):
    content = office(kind, parts={"hidden.dat": SECRET.encode()}, method=ZIP_STORED)
    assert content.count(SECRET.encode()) == 5

    document = keep(content, "document")

    parts = parts_of(stored(document))
    assert SECRET.encode() not in b"".join([stored(document), *parts.values()])
    # They stay where others refer to them.
    assert PROPERTIES.keys() <= parts.keys()
    assert "hidden.dat" not in parts
    with ZipFile(io.BytesIO(stored(document))) as archive:
        assert {part.date_time for part in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_properties_are_known_by_their_type_wherever_they_lie(keep):
    name = "package/metadata/x.psmdcp"
    type_ = PROPERTIES["docProps/core.xml"]
    ending = f'<Default Extension="psmdcp" ContentType="{type_}"/>'
    content = office(types=ending, parts={name: SECRET.encode()})

    parts = parts_of(stored(keep(content, "document")))

    assert SECRET.encode() not in parts[name]


# --- Documents: what is refused -------------------------------------------------------------

OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(2000)
ENTITIES = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]><Types>&b;</Types>"
WITH_MACROS = "application/vnd.ms-word.document.macroEnabled.main+xml"
VBA = (
    '<Override PartName="/word/vbaProject.bin" ContentType="application/vnd.ms-office.vbaProject"/>'
)


def locked_pdf():
    writer = PdfWriter(clone_from=io.BytesIO(pdf_bytes()))
    writer.encrypt("", "owner", algorithm="RC4-128")
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


NO_DOCUMENT = {
    "spaces": (b" \n\n ", "is empty"),
    "a picture": (picture_bytes(), "no document that can be read"),
    "a sound": (sound_bytes(1), "no document that can be read"),
    "HTML": (HTML, "no document that can be read"),
    "SVG": (b'\n<svg xmlns="http://www.w3.org/2000/svg"/>', "no document that can be read"),
    "RTF": (rb"{\rtf1\ansi words}", "no document that can be read"),
    "UTF-16": ("Just words.".encode("utf-16"), "no document that can be read"),
    "Latin-1": ("Drachen über Köln".encode("latin-1"), "no document that can be read"),
    "a program": (b"\x7fELF\x02\x01\x01\x00" + b"words" * 50, "no document that can be read"),
    "old Office": (OLD_OFFICE, "old Office file, or one with a password"),
    "a ZIP": (zipped({"words.txt": b"words"}), "no document that can be read"),
    "an ODT": (
        zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": CONTENT}),
        "no document that can be read",
    ),
    "a template": (
        office(main=f"{OOXML}.wordprocessingml.template.main+xml"),
        "no document that can be read",
    ),
    "a DOCM": (office(main=WITH_MACROS), "has macros"),
    "a DOCX with macros": (office(types=VBA, parts={"word/vbaProject.bin": b"x"}), "has macros"),
    "entities": (office(parts={"[Content_Types].xml": ENTITIES}), "is damaged"),
    "no XML": (office(parts={"[Content_Types].xml": b"<Types"}), "is damaged"),
    "half a DOCX": (office()[:-300], "is damaged"),
    "a ZIP's name": (b"PK\x03\x04" + HTML, "is damaged"),
    "a PDF's name": (b"%PDF-1.7\n" + HTML, "is damaged"),
    "a PDF without pages": (pdf_bytes(0), "is empty"),
    "half a PDF": (pdf_bytes(3)[:200], "is damaged"),
    "a locked PDF": (locked_pdf(), "locked with a password"),
}


@pytest.mark.parametrize(("content", "words"), NO_DOCUMENT.values(), ids=NO_DOCUMENT)
def test_what_is_no_document_is_refused_with_what_to_do(keep, content, words):
    with pytest.raises(InputRefused, match=words) as refused:
        keep(content, "document", name="harmless.pdf")

    assert str(refused.value).endswith(("please.", "another one."))
    assert not InputFile.objects.exists()
    assert not default_storage.exists("inputs")


def test_two_kinds_in_one_file_are_none(keep):
    sheet = f'<Override PartName="/x.xml" ContentType="{OOXML}.spreadsheetml.sheet.main+xml"/>'

    with pytest.raises(InputRefused, match="no document that can be read"):
        keep(office(types=sheet, parts={"x.xml": b"<x/>"}), "document")


def test_a_document_that_unpacks_to_too_much_is_refused_unpacked(keep, monkeypatch):
    monkeypatch.setattr(documents, "MOST_UNPACKED_BYTES", 10 * MEGABYTE)
    content = office(parts={"word/media/bomb.png": bytes(11 * MEGABYTE)})
    assert len(content) < MEGABYTE / 10
    monkeypatch.setattr(ZipFile, "open", lambda *args: pytest.fail("unpacked"))

    with pytest.raises(InputRefused, match="too large when it is unpacked"):
        keep(content, "document")


def test_a_part_that_is_larger_than_it_says_is_not_unpacked_further(keep):
    content = office(parts={"word/media/bomb.png": bytes(9 * MEGABYTE)})
    size = struct.pack("<I", 9 * MEGABYTE)
    assert content.count(size) == 2

    with pytest.raises(InputRefused, match="is damaged"):
        keep(content.replace(size, struct.pack("<I", 9)), "document")


def test_a_directory_that_would_fill_the_memory_is_not_read(keep):
    content = bytearray(office())
    content[-10:-6] = struct.pack("<I", 40 * MEGABYTE)

    with pytest.raises(InputRefused, match="too large when it is unpacked"):
        keep(bytes(content), "document")


def pdf_that_unpacks_to(size):
    """A PDF of a few kilobytes whose objects stand in a stream of so many spaces."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>",
    ]
    head, body = b"", b""
    for number, each in enumerate(objects, start=1):
        head += b"%d %d " % (number, len(body))
        body += b" " * (size // 3) + each
    packed = zlib.compress(head + body, 9)
    said = b"<</Type/ObjStm/N 3/First %d/Filter/FlateDecode/Length %d>>" % (len(head), len(packed))
    start = b"%PDF-1.5\n"
    stream = b"4 0 obj\n" + said + b"stream\n" + packed + b"\nendstream\nendobj\n"
    ends = len(start + stream)
    places = [(0, 0, 65535), (2, 4, 0), (2, 4, 1), (2, 4, 2), (1, len(start), 0), (1, ends, 0)]
    table = b"".join(struct.pack(">BIH", *place) for place in places)
    said = b"<</Type/XRef/Size 6/W[1 4 2]/Root 1 0 R/Length %d>>" % len(table)
    index = b"5 0 obj\n" + said + b"stream\n" + table + b"\nendstream\nendobj\n"
    return start + stream + index + b"startxref\n%d\n%%%%EOF\n" % ends


def test_a_pdf_that_unpacks_to_too_much_is_refused(keep):
    assert keep(pdf_that_unpacks_to(3000), "document").pages == 1

    with pytest.raises(InputRefused, match="is damaged"):
        keep(pdf_that_unpacks_to(60 * MEGABYTE), "document")


def test_a_pdf_over_which_one_could_sit_for_hours_is_refused(keep, monkeypatch):
    monkeypatch.setattr(documents, "PDF_SECONDS", 1)

    with pytest.raises(InputRefused, match="too large when it is unpacked"):
        keep(pdf_that_unpacks_to(15 * MEGABYTE), "document")


def test_who_reads_a_pdf_is_told_none_of_the_studios_secrets(keep, monkeypatch):
    told = []
    run = documents.subprocess.run
    monkeypatch.setattr(
        documents.subprocess, "run", lambda *a, **kw: told.append(kw["env"]) or run(*a, **kw)
    )

    keep(pdf_bytes(), "document")

    assert told == [{}, {}]


@pytest.mark.parametrize(
    "content", [pdf_bytes(51), office("pptx", slides=51)], ids=["PDF", "slides"]
)
def test_too_many_pages_are_refused_before_anything_is_copied(keep, content, monkeypatch):
    monkeypatch.setattr(inputs, "copy_document", lambda *args: pytest.fail("copied"))

    with pytest.raises(InputRefused) as refused:
        keep(content, slot=a_slot("document", x_max_pages=50))

    sentence = "This document has 51 pages; the service takes 50. Please choose a shorter one."
    assert str(refused.value) == sentence


def test_a_document_that_is_known_must_fit_into_the_next_place_too(keep):
    keep(pdf_bytes(3), "document")

    with pytest.raises(InputRefused, match="3 pages; the service takes 2"):
        keep(pdf_bytes(3), slot=a_slot("document", x_max_pages=2))


def test_where_only_some_documents_are_taken_others_are_named(keep):
    slot = a_slot("document", x_accept=["application/pdf", "text/plain"])

    with pytest.raises(InputRefused, match="The service takes PDF, text here; this is DOCX"):
        keep(office(), slot=slot)


# --- What a place takes ---------------------------------------------------------------------


def test_a_file_over_the_limit_is_refused_unread(alice):
    with pytest.raises(InputRefused, match="This picture has 12 MB; the service takes 10 MB"):
        keep_input(None, size=12 * MEGABYTE, slot=a_slot(x_max_mb=10), user=alice)


def test_the_smaller_limit_of_a_file_counts(alice, settings):
    settings.INPUT_VIDEO_MAX_BYTES = 5 * MEGABYTE

    with pytest.raises(InputRefused, match="This clip has 6 MB; the service takes 5 MB"):
        keep_input(None, size=6 * MEGABYTE, slot=a_slot("video", x_max_mb=50), user=alice)
    with pytest.raises(InputRefused, match="This clip has 4 MB; the service takes 3 MB"):
        keep_input(None, size=4 * MEGABYTE, slot=a_slot("video", x_max_mb=3), user=alice)


def test_a_file_of_exactly_the_limit_is_taken(keep):
    content = picture_bytes()

    assert keep(content, slot=a_slot(x_max_mb=len(content) / MEGABYTE)).width == 64


@pytest.mark.parametrize(
    ("content", "limits", "sentence"),
    [
        (
            picture_bytes(400, 299),
            {"kind": "image", "x_min_px": 300},
            "This picture has 400 × 299 pixels; the service wants at least 300 on each side.",
        ),
        (
            picture_bytes(1000, 390),
            {"kind": "image", "x_aspect": [0.4, 2.5]},
            "This picture is too long and narrow for the service (1000 × 390 pixels). "
            "Please crop it.",
        ),
        (
            MP4,
            {"kind": "video", "x_min_px": 300},
            "This clip has 320 × 240 pixels; the service wants at least 300 on each side.",
        ),
        (
            MP4,
            {"kind": "video", "x_duration_s": [3, 30]},
            "This clip lasts 2.0 s; the service takes 3 to 30 s.",
        ),
        (
            MP4,
            {"kind": "video", "x_duration_s": [0, 1]},
            "This clip lasts 2.0 s; the service takes at most 1 s.",
        ),
        (
            sound_bytes(16),
            {"kind": "audio", "x_duration_s": [2, 15]},
            "This recording lasts 16.0 s; the service takes 2 to 15 s.",
        ),
        (
            pdf_bytes(3),
            {"kind": "document", "x_max_pages": 2},
            "This document has 3 pages; the service takes 2. Please choose a shorter one.",
        ),
        (
            recording("webm", video="libvpx"),
            {"kind": "video", "x_accept": ["video/mp4", "video/quicktime"]},
            "The service takes MOV, MP4 here; this is WebM.",
        ),
        (
            recording("ogg", audio="libopus"),
            {"kind": "audio", "x_accept": ["audio/wav", "audio/mpeg", "audio/x-wav"]},
            "The service takes MP3, WAV here; this is OGG.",
        ),
    ],
    ids=named,
)
def test_what_a_place_does_not_take_is_said_in_a_sentence(keep, content, limits, sentence):
    slot = a_slot(**limits)

    with pytest.raises(InputRefused) as refused:
        keep(content, slot=slot)

    assert str(refused.value) == sentence
    assert not InputFile.objects.exists()
    assert not default_storage.exists("inputs")


@pytest.mark.parametrize(
    ("content", "limits"),
    [
        (picture_bytes(300, 300), {"kind": "image", "x_min_px": 300, "x_aspect": [0.4, 2.5]}),
        (picture_bytes(1000, 400), {"kind": "image", "x_aspect": [0.4, 2.5]}),
        # A player's clock and ours may differ by a frame.
        (MP4, {"kind": "video", "x_duration_s": [2, 2]}),
        (sound_bytes(15), {"kind": "audio", "x_duration_s": [2, 15]}),
        (pdf_bytes(50), {"kind": "document", "x_max_pages": 50}),
        # How many pages a text would fill, nobody knows here.
        (b"words " * 1000, {"kind": "document", "x_max_pages": 1}),
        (recording("ipod", audio="aac"), {"kind": "audio", "x_accept": ["audio/m4a"]}),
        (recording("mp3", audio="libmp3lame"), {"kind": "audio", "x_accept": ["audio/mp3"]}),
        # A picture is made what the place takes when it is sent.
        (picture_bytes(kind="WEBP"), {"kind": "image", "x_accept": ["image/jpeg"]}),
    ],
    ids=named,
)
def test_what_just_fits_is_taken(keep, content, limits):
    assert keep(content, slot=a_slot(**limits)).pk


def test_a_file_that_is_known_must_fit_into_the_next_place_too(keep):
    keep(picture_bytes(400, 200))

    with pytest.raises(InputRefused, match="at least 300 on each side"):
        keep(picture_bytes(400, 200), slot=a_slot(x_min_px=300))


# --- Who finds it again ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (picture_bytes(), "image"),
        (MP4, "video"),
        (sound_bytes(1), "audio"),
        (pdf_bytes(), "document"),
    ],
    ids=["picture", "clip", "recording", "document"],
)
def test_the_same_file_twice_is_one_entry(keep, alice, content, kind):
    first = keep(content, kind, name="first.png")
    InputFile.objects.update(used_at=now() - timedelta(days=3))
    second = keep(content, kind, name="second.png")

    assert first == second
    assert InputFile.objects.get().used_at > now() - timedelta(minutes=1)
    files = default_storage.listdir(f"inputs/{alice.pk}")[1]
    assert len(files) == (1 if kind in {"audio", "document"} else 2)


def test_two_people_have_the_same_file_each_for_themselves(keep, alice, bob):
    hers, his = keep(picture_bytes()), keep(picture_bytes(), user=bob)

    assert hers != his
    assert hers.file != his.file


def test_two_hand_in_the_same_file_at_the_same_moment(keep, alice, monkeypatch):
    """The database decides who was first; the other one gets what is there."""
    first = keep(picture_bytes())
    nobody = InputFile.objects.none()
    monkeypatch.setattr(
        inputs.InputFile.objects, "for_user", ForgetsOnce(InputFile.objects.for_user, nobody)
    )

    second = keep(picture_bytes())

    assert second == first


class ForgetsOnce:
    """A look into the library just before the other request has written there."""

    def __init__(self, honest, nothing):
        self.honest, self.answers = honest, [nothing]

    def __call__(self, user):
        return self.answers.pop() if self.answers else self.honest(user)


def test_files_are_found_by_their_owner_in_the_order_asked_for(keep, alice):
    first, second = keep(picture_bytes(10, 10)), keep(picture_bytes(20, 20))

    assert inputs_of(alice, [str(second.pk), str(first.pk)]) == [second, first]
    assert inputs_of(alice, []) == []


def test_another_persons_file_is_not_found(keep, bob):
    picture = keep(picture_bytes())

    with pytest.raises(InputRefused, match="The file is no longer here"):
        inputs_of(bob, [str(picture.pk)])


@pytest.mark.parametrize("text", ["", "x", "\x00", "ü" * 40, "0" * 32, "1", "None"])
def test_an_id_that_is_none_finds_nothing(keep, alice, text):
    picture = keep(picture_bytes())

    with pytest.raises(InputRefused, match="no longer here"):
        inputs_of(alice, [str(picture.pk), text])


def test_a_file_that_was_swept_away_is_not_found(keep, alice):
    picture = keep(picture_bytes())
    default_storage.delete(str(picture.file))

    with pytest.raises(InputRefused, match="The picture is no longer here"):
        inputs_of(alice, [str(picture.pk)])


def test_a_file_that_was_swept_away_can_be_handed_in_again(keep):
    picture = keep(picture_bytes())
    default_storage.delete(str(picture.file))

    again = keep(picture_bytes())

    assert again.pk != picture.pk
    assert stored(again)


def test_a_full_disk_is_said_in_a_sentence(keep, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "save", full)

    with pytest.raises(InputRefused, match="could not store the picture"):
        keep(picture_bytes())
    assert not InputFile.objects.exists()


# --- From earlier videos --------------------------------------------------------------------


def test_an_earlier_videos_file_is_the_librarys_entry(alice, make_video, keep):
    picture = keep(picture_bytes())
    given = make_video().inputs.create(
        field="image_url", source=picture, file=str(picture.file), digest=picture.digest
    )

    assert input_again(given) == picture


def test_an_earlier_videos_file_comes_back_into_the_library(alice, make_video, keep):
    picture = keep(picture_bytes())
    given = make_video().inputs.create(
        field="image_url",
        source=picture,
        file=str(picture.file),
        media_type="image/png",
        digest=picture.digest,
    )
    picture.delete()
    given.refresh_from_db()

    again = input_again(given)

    assert again.user == alice
    assert (again.file, again.size) == (given.file, default_storage.size(str(given.file)))


def test_an_earlier_videos_file_that_is_gone_does_not_come_back(make_video):
    given = make_video().inputs.create(field="image_url", file="inputs/1/gone.png", digest="d")

    assert input_again(given) is None


@pytest.fixture
def striped(make_completed, tmp_path):
    """A video of two seconds, red in its first and blue in its second."""
    path = tmp_path / "striped.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        for colour in ["red"] * 10 + ["blue"] * 10:
            image = Image.new("RGB", (320, 180), colour)
            container.mux(stream.encode(av.VideoFrame.from_image(image)))
        container.mux(stream.encode())
    video = make_completed(prompt="a striped flag")
    video.file = default_storage.save("videos/striped.mp4", ContentFile(path.read_bytes()))
    video.save()
    return video


@pytest.mark.parametrize(
    ("seconds", "colour", "name"),
    [
        (None, "blue", "a striped flag (the last frame of a video)"),
        (0.0, "red", "a striped flag (0.0 s of a video)"),
        (0.5, "red", "a striped flag (0.5 s of a video)"),
        (1.5, "blue", "a striped flag (1.5 s of a video)"),
        (99.0, "blue", "a striped flag (99.0 s of a video)"),
        (-3.0, "red", "a striped flag (-3.0 s of a video)"),
    ],
)
def test_a_frame_of_a_video_becomes_a_picture(striped, seconds, colour, name):
    frame = keep_frame(striped, seconds=seconds)

    red, _, blue = opened(frame).getpixel((5, 5))
    assert (frame.kind, frame.media_type, frame.width, frame.height) == (
        "image",
        "image/png",
        320,
        180,
    )
    assert frame.name == name
    assert (red > 200, blue > 200) == (colour == "red", colour == "blue")
    assert frame.user == striped.user


def test_a_video_becomes_a_clip(striped):
    clip = keep_video(striped)

    assert (clip.kind, clip.media_type, round(clip.seconds)) == ("video", "video/mp4", 2)
    assert clip.name == "a striped flag (a video of yours)"
    assert keep_video(striped) == clip


def test_a_video_that_is_not_with_us_yet_gives_no_frame(make_video):
    with pytest.raises(InputRefused, match="not saved yet"):
        keep_frame(make_video(), seconds=None)


def test_a_video_whose_file_is_gone_gives_no_frame(make_completed):
    video = make_completed()
    default_storage.delete(str(video.file))

    with pytest.raises(InputRefused, match="cannot be read now"):
        keep_frame(video, seconds=None)
    with pytest.raises(InputRefused, match="cannot be read now"):
        keep_video(video)


def test_a_file_that_is_no_video_gives_no_frame(make_completed):
    video = make_completed()
    video.file = default_storage.save("videos/broken.mp4", ContentFile(HTML))

    with pytest.raises(InputRefused, match="no such frame"):
        keep_frame(video, seconds=1.0)


# --- As it is sent --------------------------------------------------------------------------


def given_from(entry, video):
    """The video's own row of that file."""
    return video.inputs.create(
        field="image_url",
        source=entry,
        kind=entry.kind,
        file=str(entry.file),
        media_type=entry.media_type,
        digest=entry.digest,
    )


def see_through():
    content = io.BytesIO()
    Image.new("RGBA", (8, 8), (180, 60, 40, 0)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [picture_bytes(), picture_bytes(kind="WEBP"), see_through()],
    ids=["PNG", "WebP", "see-through"],
)
def test_where_only_jpegs_are_taken_a_picture_is_sent_as_one(keep, make_video, content):
    given = given_from(keep(content), make_video())

    file, media_type, ending = content_for(a_slot(x_accept=["image/jpeg"]), given)

    with file:
        image = Image.open(file)
        assert (image.format, image.mode) == ("JPEG", "RGB")
    assert (media_type, ending) == ("image/jpeg", "jpg")


def test_what_was_transparent_is_white_in_a_jpeg(keep, make_video):
    given = given_from(keep(see_through()), make_video())

    file, _, _ = content_for(a_slot(x_accept=["image/jpeg"]), given)

    with file:
        assert min(Image.open(file).getpixel((4, 4))) > 250


@pytest.mark.parametrize("slot", [None, a_slot(), a_slot(x_accept=["image/jpeg", "image/png"])])
def test_where_it_is_taken_a_file_is_sent_as_it_is(keep, make_video, slot):
    entry = keep(picture_bytes())

    file, media_type, ending = content_for(slot, given_from(entry, make_video()))

    with file:
        assert file.read() == stored(entry)
    assert (media_type, ending) == ("image/png", "png")


def test_a_clip_is_sent_as_it_is(keep, make_video):
    entry = keep(MP4, "video")

    file, media_type, ending = content_for(a_slot("video"), given_from(entry, make_video()))

    with file:
        assert file.read() == stored(entry)
    assert (media_type, ending) == ("video/mp4", "mp4")


def test_a_document_is_sent_as_it_is(keep, make_video):
    entry = keep(pdf_bytes(), "document")

    file, media_type, ending = content_for(a_slot("document"), given_from(entry, make_video()))

    with file:
        assert file.read() == stored(entry)
    assert (media_type, ending) == ("application/pdf", "pdf")


def test_a_file_that_is_gone_cannot_be_sent(keep, make_video):
    entry = keep(picture_bytes())
    given = given_from(entry, make_video())
    default_storage.delete(str(entry.file))

    with pytest.raises(FileNotFoundError):
        content_for(a_slot(), given)


# --- Sweeping -------------------------------------------------------------------------------


def age(*names):
    """As if these files had been there for days."""
    for name in names:
        path = Path(default_storage.path(str(name)))
        then = time.time() - timedelta(days=2).total_seconds()
        os.utime(path, (then, then))


def test_what_the_library_still_has_is_not_swept(keep):
    picture = keep(picture_bytes())
    age(picture.file, picture.preview)

    sweeping.sweep_files()

    assert stored(picture)
    assert default_storage.exists(str(picture.preview))


def test_what_a_video_was_made_from_is_not_swept(keep, make_video):
    picture = keep(picture_bytes())
    given = given_from(picture, make_video())
    preview = str(picture.preview)
    picture.delete()
    age(given.file, preview)

    sweeping.sweep_files()

    assert default_storage.exists(str(given.file))
    assert not default_storage.exists(preview)


def test_what_nobody_has_any_more_is_swept_when_it_is_old(keep):
    old, young = keep(picture_bytes(10, 10)), keep(picture_bytes(20, 20))
    files = [str(old.file), str(old.preview), str(young.file)]
    InputFile.objects.all().delete()
    age(*files[:2])

    sweeping.sweep_files()

    assert [default_storage.exists(name) for name in files] == [False, False, True]


def test_what_was_used_for_nothing_leaves_the_library_in_the_end(keep, make_video):
    unused, used, fresh = (keep(picture_bytes(n, n)) for n in (10, 20, 30))
    given_from(used, make_video())
    InputFile.objects.exclude(pk=fresh.pk).update(used_at=now() - timedelta(days=31))

    sweeping.sweep_files()

    assert set(InputFile.objects.values_list("pk", flat=True)) == {used.pk, fresh.pk}
    # Its file goes with the next sweep, when it is not young any more.
    assert default_storage.exists(str(unused.file))
