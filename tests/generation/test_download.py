"""One large file, in as many tries as it takes."""

import errno
import json
import os
import shutil
from datetime import timedelta
from types import SimpleNamespace

import pytest
import requests

from generation import download
from generation.download import LinkRefused, NotFetched, PartInUse, part_file, sweep_parts

URL = "https://results.kie.example/v/long.bin"
CONTENT = bytes(range(256)) * 40
SIZE = len(CONTENT)
HALF = SIZE // 2
ETAG = '"a-strong-one"'


@pytest.fixture
def web(kie):
    return kie


def fetch(url=URL):
    with part_file("one") as part:
        size = part.fetch(url)
        return part.path.read_bytes()[:size]


def begin(settings, *, content=CONTENT[:HALF], total=SIZE, validator=ETAG):
    """As an earlier try has left it."""
    folder = settings.MEDIA_ROOT / ".incoming"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "one.part").write_bytes(content)
    note = json.dumps({"validator": validator, "total": total})
    (folder / "one.part.json").write_text(note)


def left(settings):
    return sorted(path.name for path in settings.MEDIA_ROOT.glob(".incoming/*"))


def rest(first=HALF, *, total=SIZE, etag=ETAG):
    span = f"bytes {first}-{total - 1}/{total}"
    return {
        "status": 206,
        "body": CONTENT[first:],
        "headers": {"Content-Range": span, "ETag": etag},
    }


def test_the_next_try_asks_for_the_rest_alone(web, settings):
    begin(settings)
    web.get(URL, **rest())

    assert fetch() == CONTENT

    asked = web.calls[0].request.headers
    assert (asked["Range"], asked["If-Range"]) == (f"bytes={HALF}-", ETAG)


def test_a_file_that_changed_meanwhile_starts_over(web, settings):
    begin(settings, content=b"of another file")
    web.get(URL, body=CONTENT, headers={"ETag": '"another"'})

    assert fetch() == CONTENT


def test_a_part_longer_than_the_file_starts_over(web, settings):
    begin(settings)
    web.get(URL, status=416)
    web.get(URL, body=CONTENT)

    assert fetch() == CONTENT
    assert "Range" not in web.calls[1].request.headers


@pytest.mark.parametrize(
    "answer",
    [
        rest(HALF - 1),
        rest(total=len(CONTENT) + 1),
        rest(etag='"another"'),
        rest() | {"headers": {}},
        rest() | {"headers": {"Content-Range": f"bytes {HALF}-{len(CONTENT) - 1}/*"}},
    ],
    ids=["other start", "other length", "other version", "no range", "unknown length"],
)
def test_a_part_that_does_not_fit_is_never_glued_on(web, settings, answer):
    begin(settings)
    web.get(URL, **answer)

    with pytest.raises(NotFetched, match="another part"):
        fetch()

    assert left(settings) == []


def test_what_has_arrived_whole_is_not_asked_for_again(web, settings):
    begin(settings, content=CONTENT)

    assert fetch() == CONTENT
    assert len(web.calls) == 0


@pytest.mark.parametrize(
    ("headers", "is_kept"),
    [
        ({"ETag": ETAG}, True),
        ({"ETag": 'W/"a-weak-one"'}, False),
        ({}, False),
        (
            {
                "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT",
                "Date": "Sun, 22 Nov 2026 10:05:00 GMT",
            },
            True,
        ),
        (
            {
                "Last-Modified": "Sun, 22 Nov 2026 10:00:00 GMT",
                "Date": "Sun, 22 Nov 2026 10:00:00 GMT",
            },
            False,
        ),
        ({"Last-Modified": "yesterday", "Date": "today"}, False),
    ],
    ids=["strong", "weak", "none", "old date", "date of now", "nonsense"],
)
def test_a_cut_is_kept_only_with_proof_of_what_it_belongs_to(web, settings, headers, is_kept):
    announced = {"Content-Length": str(len(CONTENT))}
    web.get(URL, body=CONTENT[:HALF], headers=headers | announced)

    with pytest.raises(NotFetched, match="cut off"):
        fetch()

    assert bool(left(settings)) == is_kept


def test_a_reset_keeps_what_was_there_before(web, settings):
    begin(settings)
    web.get(URL, body=requests.ConnectionError("reset"))

    with pytest.raises(NotFetched):
        fetch()

    assert left(settings) == ["one.part", "one.part.json"]


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_dead_link_is_told_from_a_server_in_trouble(web, settings, status):
    web.get(URL, status=status)

    with pytest.raises(LinkRefused):
        fetch()


@pytest.mark.parametrize("status", [429, 500, 503, 204])
def test_a_server_in_trouble_is_not_a_dead_link(web, settings, status):
    begin(settings)
    web.get(URL, status=status)

    with pytest.raises(NotFetched) as failed:
        fetch()

    assert not isinstance(failed.value, LinkRefused)
    assert left(settings) == ["one.part", "one.part.json"]


def test_two_never_write_the_same_part(settings):
    with part_file("one"), pytest.raises(PartInUse), part_file("one"):
        pass

    with part_file("one"):
        pass


def test_a_note_without_sense_starts_over(web, settings):
    begin(settings)
    (settings.MEDIA_ROOT / ".incoming" / "one.part.json").write_text("[]")
    web.get(URL, body=CONTENT)

    assert fetch() == CONTENT
    assert "Range" not in web.calls[0].request.headers


def test_nothing_is_fetched_that_does_not_fit_on_the_disk(web, settings, monkeypatch):
    free = download.ROOM_LEFT_BYTES + len(CONTENT) - 1
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=free))
    web.get(URL, body=CONTENT, headers={"ETag": ETAG, "Content-Length": str(len(CONTENT))})

    with pytest.raises(NotFetched, match="not enough room on the disk: 256 MB free"):
        fetch()

    assert left(settings) == []


def test_a_disk_that_fills_up_in_the_middle_is_given_back(web, settings, monkeypatch):
    web.get(URL, body=CONTENT, headers={"ETag": ETAG, "Content-Length": str(len(CONTENT))})

    def full(part, chunk):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.Part, "_write", full)

    with pytest.raises(OSError, match="No space left"):
        fetch()

    assert left(settings) == []


@pytest.mark.parametrize("announced", [{"Content-Length": str(len(CONTENT))}, {}])
def test_a_file_that_is_too_large_is_not_fetched(web, settings, announced):
    settings.ARCHIVE_MAX_BYTES = 100
    web.get(URL, body=CONTENT, headers={"ETag": ETAG} | announced)

    with pytest.raises(NotFetched, match="too large"):
        fetch()

    assert left(settings) == []


def test_a_slow_download_goes_on_in_the_next_try(web, settings, monkeypatch):
    settings.ARCHIVE_MAX_SECONDS = -1
    monkeypatch.setattr(download, "CHUNK_BYTES", 1000)
    web.get(URL, body=CONTENT, headers={"ETag": ETAG, "Content-Length": str(len(CONTENT))})
    with pytest.raises(NotFetched, match="too slow"):
        fetch()
    settings.ARCHIVE_MAX_SECONDS = 900
    web.replace("GET", URL, **rest(1000))

    assert fetch() == CONTENT


def test_what_came_packed_against_our_wish_is_unpacked_and_never_resumed(web, settings):
    import gzip

    packed = gzip.compress(CONTENT)
    headers = {"ETag": ETAG, "Content-Encoding": "gzip", "Content-Length": str(len(packed))}
    web.get(URL, body=packed, headers=headers)

    assert fetch() == CONTENT
    assert left(settings) == []


def test_what_has_not_grown_for_a_day_is_swept(settings):
    begin(settings)
    folder = settings.MEDIA_ROOT / ".incoming"
    shutil.copy(folder / "one.part", folder / "young.part")
    for path in folder.glob("one.*"):
        os.utime(path, (0, 0))

    assert sweep_parts(age=timedelta(days=1)) == 1
    assert left(settings) == ["young.part"]
