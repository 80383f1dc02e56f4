"""The product's settings, in a folder of their own and with KIE.AI out of reach."""

import os
import tempfile
from pathlib import Path

# Whatever a developer's shell or `.env` says must not reach a test: a key would cost money.
VARIABLES = {
    "KIE_API_KEY": "test-key",
    "KIE_API_BASE_URL": "https://api.kie.ai",
    "KIE_UPLOAD_BASE_URL": "https://kieai.redpandaai.co",
    "KIE_WEBHOOK_KEY": "",
    "KIE_STATUS_RATE": "",
    "KIE_CREATE_RATE": "",
    "PUBLIC_URL": "",
    "SECRET_KEY": "not-a-secret-because-nothing-here-is-worth-protecting",
    "DEBUG": "off",
    "ALLOWED_HOSTS": "localhost,127.0.0.1,testserver",
    "TRUST_PROXY": "off",
    "SIGNUP_OPEN": "on",
    "EMAIL_URL": "consolemail://",
    "MEDIA_S3_BUCKET": "",
    "OFFER_RETIRED_SERVICES": "off",
    "DATABASE_URL": os.environ.get("TEST_DATABASE_URL", ""),
    "REDIS_URL": os.environ.get("TEST_REDIS_URL", ""),
    "VAR_DIR": tempfile.mkdtemp(prefix="studio-test-"),
}
VARIABLES["MEDIA_ROOT"] = f"{VARIABLES['VAR_DIR']}/media"
if not VARIABLES["DATABASE_URL"]:
    VARIABLES["DATABASE_URL"] = f"sqlite:///{VARIABLES['VAR_DIR']}/studio.sqlite3"
os.environ.update(VARIABLES)

from videostudio.settings import *  # noqa: E402, F403

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):  # noqa: F405
    # A file: threads and the live server open connections of their own, as in production.
    DATABASES["default"]["TEST"] = {"NAME": VAR_DIR / "test.sqlite3"}  # noqa: F405
# Connections that outlive a test would keep its database from being dropped.
DATABASES["default"]["CONN_MAX_AGE"] = 0  # noqa: F405

# Test processes that share a Redis remember nothing of each other.
CACHES["default"]["KEY_PREFIX"] = Path(VARIABLES["VAR_DIR"]).name  # noqa: F405

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
MIDDLEWARE.remove("whitenoise.middleware.WhiteNoiseMiddleware")  # noqa: F405
