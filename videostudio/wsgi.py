"""The WSGI application: `granian --interface wsgi videostudio.wsgi:application`."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "videostudio.settings")

application = get_wsgi_application()
