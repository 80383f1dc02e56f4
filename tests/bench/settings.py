"""The product's settings as a server runs them, with one empty view to measure against."""

import os
import tempfile

os.environ.setdefault("VAR_DIR", tempfile.mkdtemp(prefix="studio-bench-"))
os.environ.setdefault("KIE_API_KEY", "bench-key")
os.environ["KIE_STATUS_RATE"] = ""

from videostudio.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.urls"
STORAGES["staticfiles"] = {  # noqa: F405
    "BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"
}
LOGGING["root"]["level"] = "ERROR"  # noqa: F405
