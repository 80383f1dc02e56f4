"""Every setting of the studio, read from the environment or from `.env` in the root.

docs/operations.md explains each one to whoever runs a studio; here stands why a default is as
it is. An installation that sets nothing runs the embedded default: SQLite, a broker made of
files, and the sandbox in KIE.AI's place. All of its state lives in `var/`.
"""

import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import environ
from django.core.exceptions import ImproperlyConfigured
from django.utils.csp import CSP

BASE_DIR = Path(__file__).resolve().parent.parent

env = environ.Env()
env.read_env(BASE_DIR / ".env")

# Where the embedded default keeps its state: database, broker, media, the secret key.
VAR_DIR = Path(env.str("VAR_DIR", default=str(BASE_DIR / "var")))
VAR_DIR.mkdir(parents=True, exist_ok=True)


def _secret_key_made_once(path: Path) -> str:
    """The key in `path`, made on the first run: signed links and sessions survive a restart."""
    if not path.exists():
        # Two processes may start together: the link decides who was first, both read the winner.
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(64))
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text()


def _address(name: str, read: Callable[[str], Any], text: str) -> Any:
    """What `read` makes of this address; one that it cannot read is not quoted in the error."""
    try:
        return read(text)
    except ValueError:
        # Python's own words quote what follows the colon: the beginning of the password.
        raise ImproperlyConfigured(
            f"{name} cannot be read as an address; write signs such as / and # in its password as "
            "%2F and %23"
        ) from None


def _rate(text: str) -> tuple[int, float] | None:
    """`"10/1s"` as (10, 1.0): so many calls in so many seconds. Empty: no limit of ours."""
    if not text:
        return None
    calls, _, seconds = text.removesuffix("s").partition("/")
    try:
        rate = int(calls), float(seconds)
    except ValueError as error:
        raise ImproperlyConfigured(f"{text!r} is not a rate such as 10/1s") from error
    if not (rate[0] > 0 and 0 < rate[1] < float("inf")):
        raise ImproperlyConfigured(f"{text!r} is not a rate such as 10/1s")
    return rate


# --- The site -------------------------------------------------------------------------------

SECRET_KEY = env.str("SECRET_KEY", default="") or _secret_key_made_once(VAR_DIR / "secret_key")
DEBUG = env.bool("DEBUG", default=False)
PORT = env.int("PORT", default=8000)

# The address under which KIE.AI and mails reach us. Empty: no callbacks, links in mails are made
# from the request.
PUBLIC_URL = env.str("PUBLIC_URL", default="").rstrip("/")
_public = urlsplit(PUBLIC_URL)
_is_loopback = _public.hostname in {"localhost", "127.0.0.1", "::1"}
# Callbacks and password links must not travel in the clear; loopback does not travel.
if PUBLIC_URL and _public.scheme != "https" and not (_public.scheme == "http" and _is_loopback):
    raise ImproperlyConfigured("PUBLIC_URL must be https (http only for a loopback address)")

ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", default=["localhost", "127.0.0.1", "[::1]"])
if _public.hostname:
    ALLOWED_HOSTS.append(_public.hostname)
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL] if PUBLIC_URL else []

# A header can be forged by anybody who reaches us directly: believed only behind our own proxy.
TRUST_PROXY = env.bool("TRUST_PROXY", default=False)
if TRUST_PROXY:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

IS_HTTPS = _public.scheme == "https"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = IS_HTTPS
# Only where we can see which requests came in the clear: without the proxy's word all would.
SECURE_SSL_REDIRECT = IS_HTTPS and TRUST_PROXY
SECURE_HSTS_SECONDS = 31_536_000 if IS_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = IS_HTTPS
SECURE_REDIRECT_EXEMPT = [r"^healthz/$", r"^readyz/$"]
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Nothing inline, nothing from elsewhere. A video is played from our own address, or, when
# storage is S3, from the bucket that the signed link names.
SECURE_CSP: dict[str, list[str]] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF],
    "style-src": [CSP.SELF],
    "img-src": [CSP.SELF, "blob:", "data:"],
    "media-src": [CSP.SELF, "blob:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF],
    "manifest-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

INSTALLED_APPS = [
    "videostudio",
    "gallery",
    "generation",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django_htmx",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "videostudio.http.SignInRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "videostudio.http.PrivatePagesMiddleware",
]

ROOT_URLCONF = "videostudio.urls"
WSGI_APPLICATION = "videostudio.wsgi.application"

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "videostudio.http.studio",
            ],
        },
    },
]

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = False
USE_TZ = True

# --- Accounts -------------------------------------------------------------------------------

AUTH_USER_MODEL = "videostudio.User"
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "gallery:index"
LOGOUT_REDIRECT_URL = "login"
PASSWORD_RESET_TIMEOUT = 3600
SESSION_COOKIE_AGE = 14 * 24 * 3600
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]

# A studio on somebody's own machine lets them in; one that the world can reach opens by choice.
SIGNUP_OPEN = env.bool("SIGNUP_OPEN", default=not PUBLIC_URL)

# --- Mail -----------------------------------------------------------------------------------


def _mailer(url: str) -> dict[str, Any]:
    """Django's MAILERS entry for `smtp://user:password@host:587/`, `smtps://…` or `consolemail://`.

    django-environ still yields the EMAIL_* settings that Django 6.1 has replaced.
    """
    parts = urlsplit(url)
    if parts.scheme in {"console", "consolemail"}:
        return {"BACKEND": "django.core.mail.backends.console.EmailBackend"}
    if parts.scheme not in {"smtp", "smtp+tls", "smtps", "smtp+ssl"}:
        raise ImproperlyConfigured("EMAIL_URL must start with smtp://, smtps:// or consolemail://")
    is_ssl = parts.scheme in {"smtps", "smtp+ssl"}
    port = parts.port or (465 if is_ssl else 587)
    return {
        "BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "OPTIONS": {
            "host": parts.hostname or "localhost",
            "port": port,
            "username": unquote(parts.username or ""),
            "password": unquote(parts.password or ""),
            "use_ssl": is_ssl,
            "use_tls": not is_ssl and (parts.scheme == "smtp+tls" or port == 587),
            "timeout": 10,
        },
    }


MAILERS = {
    "default": _address("EMAIL_URL", _mailer, env.str("EMAIL_URL", default="consolemail://"))
}
DEFAULT_FROM_EMAIL = env.str(
    "DEFAULT_FROM_EMAIL", default=f"studio@{_public.hostname or 'localhost'}"
)

# --- Database -------------------------------------------------------------------------------

_database = _address(
    "DATABASE_URL",
    env.db_url_config,
    env.str("DATABASE_URL", default="") or f"sqlite:///{VAR_DIR / 'studio.sqlite3'}",
)
# Kept open between requests: a new connection for each was measured to cost three times the page.
_database["CONN_MAX_AGE"] = None
_database["CONN_HEALTH_CHECKS"] = True
if _database["ENGINE"].endswith("sqlite3"):
    # Without IMMEDIATE a read that becomes a write fails at once, whatever the timeout.
    _database["OPTIONS"] = {
        "timeout": 20,
        "transaction_mode": "IMMEDIATE",
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA busy_timeout=20000; "
            "PRAGMA cache_size=-16000; PRAGMA temp_store=MEMORY; "
            "PRAGMA journal_size_limit=27103364;"
        ),
    }
DATABASES = {"default": _database}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis, or files in its place -----------------------------------------------------------

REDIS_URL = env.str("REDIS_URL", default="")
_address("REDIS_URL", lambda url: urlsplit(url).port, REDIS_URL)

CELERY_TASK_IGNORE_RESULT = True
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# A page never waits for a broker: a message is a hint, and what it says stands in the database.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_TIMEOUT = 1
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any]
if REDIS_URL:
    CELERY_BROKER_URL = REDIS_URL
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        # Longer than tasks take. One that runs twice is harmless all the same: rows are claimed.
        "visibility_timeout": 1800,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 1,
        "retry_on_timeout": False,
        "max_retries": 0,
    }
    CACHES: dict[str, dict[str, Any]] = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": REDIS_URL,
            "OPTIONS": {"socket_timeout": 1, "socket_connect_timeout": 1},
        }
    }
else:
    CELERY_BROKER_URL = "embedded://localhost"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(VAR_DIR / "queue"),
        "data_folder_out": str(VAR_DIR / "queue"),
        "control_folder": str(VAR_DIR / "queue" / "control"),
        "store_processed": False,
        "polling_interval": 0.2,
    }
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": VAR_DIR / "cache",
        }
    }
# What each process remembers for itself, for a few seconds: the same for everybody who asks.
CACHES["process"] = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}

# One tick of the studio. A message that waited longer than a tick has been overtaken by the next.
TICK_SECONDS = 10
CELERY_BEAT_SCHEDULE = {
    name: {
        "task": f"generation.tasks.{name}",
        "schedule": TICK_SECONDS,
        "options": {"expires": TICK_SECONDS},
    }
    for name in ("send_queued_videos", "poll_videos", "archive_videos")
}
CELERY_BEAT_SCHEDULE["sweep_files"] = {
    "task": "generation.tasks.sweep_files",
    "schedule": 3600,
    "options": {"expires": 3600},
}
CELERY_BEAT_SCHEDULE["refresh_balance"] = {
    "task": "generation.tasks.refresh_balance",
    "schedule": 60,
    "options": {"expires": 60},
}

# --- KIE.AI ---------------------------------------------------------------------------------

KIE_API_KEY = env.str("KIE_API_KEY", default="")
# Without a key the sandbox stands in for KIE.AI at an address of its own: nothing is charged, and
# apart from the word "Sandbox" on each page no line of ours can tell the difference.
IS_SANDBOX = not KIE_API_KEY
KIE_SANDBOX_PORT = env.int("KIE_SANDBOX_PORT", default=PORT + 1)
# How long the sandbox takes over a video.
KIE_SANDBOX_SECONDS = env.float("KIE_SANDBOX_SECONDS", default=20.0)
if IS_SANDBOX:
    KIE_API_KEY = "sandbox"
    KIE_API_BASE_URL = KIE_UPLOAD_BASE_URL = f"http://127.0.0.1:{KIE_SANDBOX_PORT}"
else:
    # Where KIE.AI answers, without /api/v1.
    KIE_API_BASE_URL = env.str("KIE_API_BASE_URL", default="https://api.kie.ai").rstrip("/")
    KIE_UPLOAD_BASE_URL = env.str(
        "KIE_UPLOAD_BASE_URL", default="https://kieai.redpandaai.co"
    ).rstrip("/")

# Several while a key is being rotated; the first one signs.
KIE_WEBHOOK_KEYS = env.list("KIE_WEBHOOK_KEY", default=[])

# KIE.AI allows 10 status queries a second and 20 creations in 10 s; all processes share these.
KIE_STATUS_RATE = _rate(env.str("KIE_STATUS_RATE", default="10/1s"))
KIE_CREATE_RATE = _rate(env.str("KIE_CREATE_RATE", default="18/10s"))
# Status queries under way at once in one pass.
KIE_STATUS_CONNECTIONS = env.int("KIE_STATUS_CONNECTIONS", default=32)

# Below this the pages ask for KIE.AI's account to be topped up: $1, some six short videos, is time
# enough to do it. 0: they never ask.
LOW_BALANCE_CREDITS = env.int("LOW_BALANCE_CREDITS", default=200)

# Retired services cannot be chosen (KIE.AI refuses them); their videos still play and are polled.
OFFER_RETIRED_SERVICES = env.bool("OFFER_RETIRED_SERVICES", default=False)

# --- Files ----------------------------------------------------------------------------------

STATIC_URL = "/static/"
STATIC_ROOT = VAR_DIR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]

# Never served as a folder: gallery/files.py hands each file to its owner only.
MEDIA_ROOT = Path(env.str("MEDIA_ROOT", default=str(VAR_DIR / "media")))
MEDIA_S3_BUCKET = env.str("MEDIA_S3_BUCKET", default="")
_media: dict[str, Any] = {
    "BACKEND": "django.core.files.storage.FileSystemStorage",
    # Names are made from ids: saving again after a crash replaces, and leaves no second file.
    "OPTIONS": {"location": MEDIA_ROOT, "allow_overwrite": True},
}
if MEDIA_S3_BUCKET:
    from boto3.s3.transfer import TransferConfig
    from botocore.config import Config

    _media = {
        "BACKEND": "storages.backends.s3.S3Storage",
        "OPTIONS": {
            "bucket_name": MEDIA_S3_BUCKET,
            "endpoint_url": env.str("MEDIA_S3_ENDPOINT_URL", default="") or None,
            "region_name": env.str("MEDIA_S3_REGION", default="") or None,
            "access_key": env.str("MEDIA_S3_ACCESS_KEY", default="") or None,
            "secret_key": env.str("MEDIA_S3_SECRET_KEY", default="") or None,
            "querystring_expire": 300,
            "default_acl": None,
            "file_overwrite": True,
            # A bucket that does not answer makes a video late; a worker must not hang on it.
            "client_config": Config(
                signature_version="s3v4",
                s3={"addressing_style": env.str("MEDIA_S3_ADDRESSING_STYLE", default="auto")},
                connect_timeout=5,
                read_timeout=30,
                retries={"mode": "standard", "total_max_attempts": 3},
            ),
            # One part of a file after the other: ten at once were measured to take 200 MB.
            "transfer_config": TransferConfig(use_threads=False),
        },
    }
    if _bucket_origin := env.str("MEDIA_S3_PUBLIC_ORIGIN", default=""):
        SECURE_CSP["media-src"].append(_bucket_origin)
        SECURE_CSP["img-src"].append(_bucket_origin)
STORAGES = {
    "default": _media,
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

FILE_UPLOAD_PERMISSIONS = 0o640
# Form fields, not files: a prompt of 50,000 characters fits, a flood does not.
DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 1024 * 1024
# An uploaded picture above this goes to disk while it arrives.
FILE_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024
# A file larger than this is refused before anything looks inside it; a service may take less.
INPUT_IMAGE_MAX_BYTES = env.int("INPUT_IMAGE_MAX_BYTES", default=30 * 1024**2)
INPUT_VIDEO_MAX_BYTES = env.int("INPUT_VIDEO_MAX_BYTES", default=500 * 1024**2)
INPUT_AUDIO_MAX_BYTES = env.int("INPUT_AUDIO_MAX_BYTES", default=100 * 1024**2)
INPUT_DOCUMENT_MAX_BYTES = env.int("INPUT_DOCUMENT_MAX_BYTES", default=50 * 1024**2)
INPUT_IMAGE_MAX_PIXELS = 25_000_000

# A finished video larger than this, or slower to fetch, is given up and tried again later.
ARCHIVE_MAX_BYTES = env.int("ARCHIVE_MAX_BYTES", default=2 * 1024**3)
ARCHIVE_MAX_SECONDS = env.int("ARCHIVE_MAX_SECONDS", default=900)

# How often an open gallery asks what changed while something is processing.
GALLERY_REFRESH_SECONDS = 10
# Deleted videos can be brought back this long; then their files are removed.
TRASH_DAYS = env.int("TRASH_DAYS", default=30)

# --- Errors and logs: videostudio/secrets.py says what never appears in them ----------------

DEFAULT_EXCEPTION_REPORTER = "videostudio.debug_pages.Reporter"
DEFAULT_EXCEPTION_REPORTER_FILTER = "videostudio.debug_pages.ValueFilter"

# Every handler has the formatter that lets no secret through; tests/videostudio/test_secrets.py
# fails for one that has not.
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "videostudio.logs.LineFormatter",
            "format": "{asctime} {levelname} {name} {message}",
            "style": "{",
        }
    },
    "filters": {"only_without_debug": {"()": "django.utils.log.RequireDebugFalse"}},
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "line"},
        "error_mail": {
            "class": "videostudio.logs.ErrorMailHandler",
            "level": "ERROR",
            "filters": ["only_without_debug"],
            "formatter": "line",
        },
    },
    "root": {"handlers": ["console"], "level": env.str("LOG_LEVEL", default="INFO")},
    "loggers": {
        # These bring handlers of their own, which print as they please: ours take their place.
        "django": {"handlers": ["error_mail"]},
        "django.server": {"handlers": ["console"], "propagate": False},
        "_granian": {"handlers": ["console"], "propagate": False},
        "granian.access": {"handlers": ["console"], "propagate": False},
        # Its DEBUG lines are the signing of requests, step by step.
        "botocore": {"level": "INFO"},
        # Says "Task succeeded" and "received" each tick; ours say what came of it.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        "celery.beat": {"level": "WARNING"},
    },
}
