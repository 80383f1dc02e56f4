"""What the settings make of an environment, and what they do not put up with."""

import runpy
import stat
from pathlib import Path
from threading import Barrier, Thread

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.mail.backends.smtp import EmailBackend

from videostudio import settings as module
from videostudio.settings import _mailer, _rate, _secret_key_made_once


@pytest.fixture
def settings_with(monkeypatch, tmp_path):
    """The settings as a new process would read them, for these variables."""

    def read(**variables):
        for name, value in {"VAR_DIR": str(tmp_path), **variables}.items():
            monkeypatch.setenv(name, value)
        # A copy elsewhere: no developer's `.env` lies beside it.
        copy = tmp_path / "copy" / "videostudio" / "settings.py"
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(Path(module.__file__).read_text())
        return runpy.run_path(str(copy))

    return read


# --- Rates ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("10/1s", (10, 1.0)),
        ("10/1", (10, 1.0)),
        ("18/10s", (18, 10.0)),
        ("1/0.5s", (1, 0.5)),
        ("", None),
    ],
)
def test_a_rate_is_so_many_calls_in_so_many_seconds(text, rate):
    assert _rate(text) == rate


@pytest.mark.parametrize(
    "text",
    [
        *("10", "10/", "/1s", "10/s", "ten/1s", "1.5/1s", "10/1m", "10 per 1s"),
        *("0/1s", "-1/1s", "10/0s", "10/-1s", "10/nans", "10/infs"),
    ],
)
def test_what_is_no_rate_is_refused_at_start(text):
    with pytest.raises(ImproperlyConfigured, match="is not a rate such as 10/1s"):
        _rate(text)


# --- The address of the studio --------------------------------------------------------------


def test_without_an_address_the_studio_is_open_and_plain(settings_with):
    read = settings_with(PUBLIC_URL="", ALLOWED_HOSTS="localhost")

    assert read["ALLOWED_HOSTS"] == ["localhost"]
    assert read["CSRF_TRUSTED_ORIGINS"] == []
    assert not read["SESSION_COOKIE_SECURE"]
    assert read["SECURE_HSTS_SECONDS"] == 0


def test_an_https_address_makes_everything_https(settings_with):
    read = settings_with(PUBLIC_URL="https://studio.example/", ALLOWED_HOSTS="localhost")

    assert read["PUBLIC_URL"] == "https://studio.example"
    assert read["ALLOWED_HOSTS"] == ["localhost", "studio.example"]
    assert read["CSRF_TRUSTED_ORIGINS"] == ["https://studio.example"]
    assert read["SESSION_COOKIE_SECURE"]
    assert read["CSRF_COOKIE_SECURE"]
    assert read["SECURE_HSTS_SECONDS"] > 0


@pytest.mark.parametrize("trust_proxy", ["on", "off"])
def test_only_behind_a_proxy_is_anybody_sent_to_https(settings_with, trust_proxy):
    read = settings_with(PUBLIC_URL="https://studio.example", TRUST_PROXY=trust_proxy)

    assert read["SECURE_SSL_REDIRECT"] is (trust_proxy == "on")
    assert ("SECURE_PROXY_SSL_HEADER" in read) is (trust_proxy == "on")


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000"])
def test_loopback_may_go_without_tls(settings_with, host):
    read = settings_with(PUBLIC_URL=f"http://{host}")

    assert not read["IS_HTTPS"]
    assert not read["SESSION_COOKIE_SECURE"]


@pytest.mark.parametrize(
    "url",
    [
        "http://studio.example",
        "http://localhost.evil.example",
        "http://192.168.1.5:8000",
        "ftp://studio.example",
        "studio.example",
        "//studio.example",
    ],
)
def test_any_other_address_must_be_https(settings_with, url):
    with pytest.raises(ImproperlyConfigured, match="PUBLIC_URL must be https"):
        settings_with(PUBLIC_URL=url)


def test_a_studio_the_world_can_reach_opens_by_choice(settings_with, monkeypatch):
    monkeypatch.delenv("SIGNUP_OPEN")

    assert settings_with(PUBLIC_URL="")["SIGNUP_OPEN"]
    assert not settings_with(PUBLIC_URL="https://studio.example")["SIGNUP_OPEN"]


# --- KIE.AI or the sandbox ------------------------------------------------------------------


def test_without_a_key_the_sandbox_stands_in(settings_with):
    read = settings_with(KIE_API_KEY="", PORT="9000", KIE_API_BASE_URL="https://api.kie.ai")

    assert read["IS_SANDBOX"]
    assert read["KIE_API_BASE_URL"] == read["KIE_UPLOAD_BASE_URL"] == "http://127.0.0.1:9001"


def test_with_a_key_kie_itself_is_asked(settings_with):
    read = settings_with(KIE_API_KEY="key", KIE_API_BASE_URL="https://api.kie.ai/")

    assert not read["IS_SANDBOX"]
    assert read["KIE_API_BASE_URL"] == "https://api.kie.ai"


# --- Mail -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "port", "use_ssl", "use_tls"),
    [
        ("smtp://mail.example:587/", 587, False, True),
        ("smtp://mail.example/", 587, False, True),
        ("smtp://mail.example:25/", 25, False, False),
        ("smtp+tls://mail.example:2525/", 2525, False, True),
        ("smtps://mail.example/", 465, True, False),
        ("smtps://mail.example:587/", 587, True, False),
        ("smtp+ssl://mail.example:4465/", 4465, True, False),
    ],
)
def test_mail_goes_by_smtp_encrypted_where_it_can_be(url, port, use_ssl, use_tls):
    mailer = _mailer(url)

    options = mailer["OPTIONS"]
    assert mailer["BACKEND"] == "django.core.mail.backends.smtp.EmailBackend"
    assert (options["host"], options["port"]) == ("mail.example", port)
    assert (options["use_ssl"], options["use_tls"]) == (use_ssl, use_tls)


@pytest.mark.parametrize("scheme", ["smtp", "smtps", "smtp+tls", "smtp+ssl"])
def test_django_takes_what_we_make_of_a_mail_address(scheme):
    options = _mailer(f"{scheme}://user:password@mail.example:587/")["OPTIONS"]

    backend = EmailBackend(alias="default", **options)

    assert (backend.username, backend.password) == ("user", "password")


def test_a_mail_account_may_have_any_characters():
    options = _mailer("smtp://me%40studio.example:p%2Fw%3A%23@mail.example:587/")["OPTIONS"]

    assert (options["username"], options["password"]) == ("me@studio.example", "p/w:#")


@pytest.mark.parametrize("url", ["console://", "consolemail://"])
def test_mail_can_be_printed(url):
    assert _mailer(url) == {"BACKEND": "django.core.mail.backends.console.EmailBackend"}


@pytest.mark.parametrize("url", ["", "mail.example", "http://mail.example", "imap://mail.example"])
def test_any_other_mail_address_is_refused_at_start(url):
    with pytest.raises(ImproperlyConfigured, match="EMAIL_URL must start with"):
        _mailer(url)


def test_a_refused_mail_address_is_not_repeated_with_its_password():
    with pytest.raises(ImproperlyConfigured) as caught:
        _mailer("pop3://user:mail-password@mail.example")

    assert "mail-password" not in str(caught.value)


# --- The secret key -------------------------------------------------------------------------


def test_the_secret_key_is_made_once_and_for_us_only(tmp_path):
    path = tmp_path / "secret_key"

    first, second = _secret_key_made_once(path), _secret_key_made_once(path)

    assert first == second == path.read_text()
    assert len(first) >= 50
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_two_studios_have_two_keys(tmp_path):
    keys = {_secret_key_made_once(tmp_path / name) for name in ("one", "two")}

    assert len(keys) == 2


def test_processes_that_start_together_agree_on_one_key(tmp_path):
    together = Barrier(8)
    keys = []

    def start():
        together.wait()
        keys.append(_secret_key_made_once(tmp_path / "secret_key"))

    threads = [Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]


def test_a_key_of_the_environment_needs_no_file(settings_with, tmp_path):
    read = settings_with(SECRET_KEY="from the environment")

    assert read["SECRET_KEY"] == "from the environment"
    assert not (tmp_path / "secret_key").exists()


def test_without_a_key_in_the_environment_the_file_has_it(settings_with, tmp_path):
    read = settings_with(SECRET_KEY="")

    assert read["SECRET_KEY"] == (tmp_path / "secret_key").read_text()


# --- Addresses with passwords ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("DATABASE_URL", "postgres://u:canary/x@host/db"),
        ("REDIS_URL", "redis://:canary/x@host/0"),
        ("EMAIL_URL", "smtp://u:canary/x@host/"),
    ],
)
def test_an_address_that_cannot_be_read_is_not_quoted(settings_with, name, url):
    with pytest.raises(ImproperlyConfigured, match=f"{name} cannot be read") as refused:
        settings_with(**{name: url})

    assert "canary" not in str(refused.value)
    assert refused.value.__suppress_context__
