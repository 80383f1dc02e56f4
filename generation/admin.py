"""The operators' desk: what is stuck, and what can be done about it."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.timezone import now

from gallery.models import Status, Video, VideoEvent, VideoQuerySet
from generation import tasks

BY_OPERATOR = "An operator has marked this video as failed. Please try again."


class StuckFilter(admin.SimpleListFilter):
    title = "attention"
    parameter_name = "attention"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("stuck", "Stuck (processing for over 15 min)"),
            ("overdue", "Overdue (nobody is polling)"),
            ("unconfirmed", "Unconfirmed (perhaps charged)"),
            ("unsaved", "Not archived"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Video]) -> QuerySet[Video]:
        videos = Video.objects.filter(pk__in=queryset.values("pk"))
        match self.value():
            case "stuck":
                return videos.stuck(now())
            case "overdue":
                return videos.overdue(now())
            case "unconfirmed":
                return videos.processing().filter(stage=Video.Stage.UNCONFIRMED)
            case "unsaved":
                return videos.filter(succeeded_at__isnull=False, archived_at=None)
        return queryset


class EventInline(admin.TabularInline):
    model = VideoEvent
    fields = readonly_fields = ("at", "what", "detail", "by")
    extra = 0
    can_delete = False
    verbose_name_plural = "event log"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin):
    """Videos as they are: rows are read here and moved by the same steps as everywhere else."""

    list_display = (
        "id",
        "user",
        "provider",
        "status",
        "stage",
        "age",
        "last_polled_at",
        "poll_count",
        "next_poll_at",
        "is_archived",
    )
    list_filter = (StuckFilter, "status", "stage", "provider", "created_at")
    list_select_related = ("user",)
    search_fields = ("id", "task_id", "prompt", "user__username", "user__email")
    date_hierarchy = "created_at"
    show_full_result_count = False
    inlines = (EventInline,)
    actions = ("check_now", "mark_as_failed")

    @admin.display(description="age", ordering="created_at")
    def age(self, video: Video) -> str:
        return str(video.settles_in).partition(".")[0]

    @admin.display(description="archived", boolean=True)
    def is_archived(self, video: Video) -> bool | None:
        return bool(video.archived_at) if video.succeeded_at else None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # What was paid for is never removed by hand.
        return False

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        return [field.name for field in Video._meta.fields]

    @admin.action(description="Check with KIE.AI now", permissions=["change"])
    def check_now(self, request: HttpRequest, videos: VideoQuerySet) -> None:
        due = Video.objects.filter(pk__in=videos.values("pk")).make_due()
        tasks.nudge(tasks.poll_videos)
        self.message_user(request, f"KIE.AI is being asked about {due} video(s).")

    @admin.action(description="Mark as failed", permissions=["change"])
    def mark_as_failed(self, request: HttpRequest, videos: VideoQuerySet) -> None:
        marked = sum(
            video.mark_failed(error_message=BY_OPERATOR, by=request.user.get_username())
            for video in videos.filter(status=Status.PROCESSING)
        )
        self.message_user(request, f"{marked} video(s) marked as failed.")
