"""The embedded broker: messages as files, each seen whole and once."""

import json
import threading
import time
from queue import Empty

import pytest
from kombu import Connection

import videostudio.celery  # noqa: F401  # gives the transport its name
from videostudio.broker import Transport

LARGE = "x" * 200_000


@pytest.fixture
def folder(tmp_path):
    # A process remembers which queues it has bound, and every test's folder is a new one.
    Transport.global_state.clear()
    folder = tmp_path / "queue"
    folder.mkdir()
    return folder


@pytest.fixture
def connect(folder):
    """Opens connections to one broker, as processes of their own would."""
    connections = []

    def connect():
        options = {
            "data_folder_in": str(folder),
            "data_folder_out": str(folder),
            "control_folder": str(folder / "control"),
            "store_processed": False,
            "polling_interval": 0.01,
        }
        connections.append(Connection("embedded://localhost", transport_options=options))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.release()


def take(queue):
    """The next message of a queue, or None."""
    try:
        message = queue.get(block=False)
    except Empty:
        return None
    message.ack()
    return message.payload


def take_all(queue):
    return list(iter(lambda: take(queue), None))


def messages_in(folder):
    return [path for path in folder.iterdir() if path.suffix == ".msg"]


def test_what_one_sends_another_receives(connect):
    connect().SimpleQueue("celery").put({"task": "poll", "text": "ü \u2028 \ud800"})

    assert take(connect().SimpleQueue("celery")) == {"task": "poll", "text": "ü \u2028 \ud800"}


def test_messages_keep_their_order(connect):
    sender = connect().SimpleQueue("celery")
    for number in range(50):
        sender.put(number)

    assert take_all(connect().SimpleQueue("celery")) == list(range(50))


def test_a_message_arrives_once(connect, folder):
    connect().SimpleQueue("celery").put(1)

    first, second = (take(connect().SimpleQueue("celery")) for _ in range(2))

    assert (first, second) == (1, None)
    assert not messages_in(folder)


def test_queues_are_kept_apart(connect):
    sender = connect()
    sender.SimpleQueue("celery").put("ours")
    sender.SimpleQueue("other.celery").put("theirs")
    sender.SimpleQueue("celery.other").put("theirs too")

    assert take_all(connect().SimpleQueue("celery")) == ["ours"]
    assert take_all(connect().SimpleQueue("other.celery")) == ["theirs"]


def test_an_empty_queue_is_empty(connect):
    assert take(connect().SimpleQueue("celery")) is None


@pytest.mark.parametrize(
    "content",
    [b"", b'{"body": "aGFs', b"\xff\xfe\x00", b"[" * 100],
    ids=["empty", "half", "no text", "never closed"],
)
def test_an_unreadable_message_does_not_hold_up_the_others(connect, folder, content, caplog):
    (folder / "1_before-all-others.celery.msg").write_bytes(content)
    connect().SimpleQueue("celery").put("readable")

    received = take_all(connect().SimpleQueue("celery"))

    assert received == ["readable"]
    assert "message_unreadable file=1_before-all-others.celery.msg" in caplog.text
    assert not messages_in(folder), "it is not tried again"


def test_a_message_that_is_still_being_written_is_not_seen(connect, folder):
    (folder / ".1_draft.celery.msg.draft").write_text('{"body": "aGFs')

    assert take(connect().SimpleQueue("celery")) is None


def test_whoever_reads_along_sees_messages_whole_or_not_at_all(connect, folder):
    is_done = threading.Event()
    broken = []

    def send():
        queue = connect().SimpleQueue("celery")
        for _ in range(40):
            queue.put(LARGE)
        is_done.set()

    sender = threading.Thread(target=send)
    sender.start()
    while not is_done.is_set():
        for path in messages_in(folder):
            try:
                json.loads(path.read_text())
            except ValueError:
                broken.append(path.name)
    sender.join()

    assert not broken
    assert len(messages_in(folder)) == 40


def test_a_reader_who_keeps_up_with_the_sender_gets_everything(connect, caplog):
    def send():
        queue = connect().SimpleQueue("celery")
        for number in range(100):
            queue.put([number, LARGE])

    sender = threading.Thread(target=send)
    reader = connect().SimpleQueue("celery")
    received = []
    sender.start()
    until = time.monotonic() + 20
    while len(received) < 100 and time.monotonic() < until:
        if message := take(reader):
            received.append(message)
    sender.join()

    assert [number for number, _ in received] == list(range(100))
    assert all(text == LARGE for _, text in received)
    assert "message_unreadable" not in caplog.text


def test_two_readers_share_the_messages_between_them(connect, folder):
    sender = connect().SimpleQueue("celery")
    for number in range(200):
        sender.put(number)
    together = threading.Barrier(2)
    received = [[], []]

    def read(mine):
        queue = connect().SimpleQueue("celery")
        together.wait()
        mine.extend(take_all(queue))

    readers = [threading.Thread(target=read, args=(mine,)) for mine in received]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join()

    assert sorted(received[0] + received[1]) == list(range(200))
    assert [path.name for path in folder.iterdir() if path.is_file()] == []
