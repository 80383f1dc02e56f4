"""Where everything is."""

from django.contrib import admin
from django.urls import include, path

from videostudio import accounts, health

urlpatterns = [
    path("", include("gallery.urls")),
    path("", include("generation.urls")),
    path("accounts/", include(accounts.urlpatterns)),
    path("admin/", admin.site.urls),
    path("healthz/", health.alive, name="healthz"),
    path("readyz/", health.ready, name="readyz"),
]
