"""Accounts on the operators' desk."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.http import HttpRequest

from videostudio.models import Heartbeat, User

admin.site.site_header = admin.site.site_title = "Video Studio"
admin.site.register(User, UserAdmin)


@admin.register(Heartbeat)
class HeartbeatAdmin(admin.ModelAdmin):
    list_display = ("name", "at")
    readonly_fields = ("name", "at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False
