"""The WSGI application: `granian --interface wsgi videostudio.wsgi:application`."""

import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videostudio.settings")

application = get_wsgi_application()

# What is loaded by now stays. Counted among what may die, it makes the collector wait until
# requests have left megabytes behind, and then go through all of it.
gc.collect()
gc.freeze()
