"""Addresses that somebody else has named lead to the public web, and never inside."""

import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from generation import public_web
from generation.public_web import is_public, public_session

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1::1", "64:ff9b::808:808", "::ffff:8.8.8.8"]
INSIDE = [
    "127.0.0.1",
    "127.8.9.1",
    "0.0.0.0",  # noqa: S104  # an address to refuse
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:100.64.0.1",
    "::127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
    "2001:0:4136:e378:8000:63bf:80ff:fffe",
    "2001:db8::1",
    "100::1",
    "fc00::1",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize("address", PUBLIC)
def test_the_public_internet_is_public(address):
    assert is_public(address)


@pytest.mark.parametrize("address", INSIDE)
def test_everything_else_is_not(address):
    assert not is_public(address)


class Canary(BaseHTTPRequestHandler):
    """A server inside. Whoever reaches it has been led astray."""

    def do_GET(self):
        self.server.reached.append(self.path)
        target = self.path.partition("?to=")[2]
        self.send_response(302 if target else 200)
        if target:
            self.send_header("Location", target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def canary():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Canary)
    server.reached = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def fetch(url, *, trusted_url=""):
    with public_session(trusted_url=trusted_url) as session:
        return session.get(url, timeout=3)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "0177.0.0.1"])
def test_no_spelling_leads_inside(canary, host):
    with pytest.raises(requests.ConnectionError):
        fetch(f"http://{host}:{canary.server_port}/")

    assert canary.reached == []


def test_a_name_that_answers_with_an_address_inside_is_refused(canary, monkeypatch):
    answers = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, canary.server_port))
        for address in ("93.184.216.34", "127.0.0.1")
    ]
    monkeypatch.setattr(public_web.socket, "getaddrinfo", lambda *args, **kwargs: answers)

    with pytest.raises(requests.ConnectionError):
        fetch(f"http://results.example:{canary.server_port}/")

    assert canary.reached == []


def test_the_origin_that_we_trust_may_be_inside(canary):
    url = f"http://127.0.0.1:{canary.server_port}/clip"

    assert fetch(url, trusted_url=url).status_code == 200
    assert canary.reached == ["/clip"]


def test_a_redirect_is_checked_again(canary):
    trusted = f"http://127.0.0.1:{canary.server_port}"
    elsewhere = f"http://localhost:{canary.server_port}/inside"

    with pytest.raises(requests.ConnectionError):
        fetch(f"{trusted}/?to={elsewhere}", trusted_url=trusted)

    assert canary.reached == [f"/?to={elsewhere}"]


def test_another_port_of_the_same_machine_is_not_trusted(canary):
    with pytest.raises(requests.ConnectionError):
        fetch(f"http://127.0.0.1:{canary.server_port}/", trusted_url="http://127.0.0.1:1")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://example.com/", "gopher://x/"])
def test_other_schemes_are_not_spoken(url):
    with pytest.raises(requests.exceptions.InvalidSchema):
        fetch(url)
