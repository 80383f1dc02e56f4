"""The operators' desk: what is stuck, and what can be done about it."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.text import Truncator
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST

from gallery.models import Stage, Status, Video, VideoEvent, VideoQuerySet, VideoResult
from generation import offers_admin, tasks  # noqa: F401  # registers itself
from generation.archive import obtainable
from generation.kie.client import KieClient
from generation.limits import usage_of
from generation.recovery import NotRecovered, attach_task, ids_in, recover_task
from videostudio.models import SpendingLimit, User
from videostudio.secrets import redacted

CHECKABLE = Q(stage=Stage.RUNNING) | Q(status=Status.FAILED)


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
                return videos.lacking_files()
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


class ResultInline(admin.TabularInline):
    model = VideoResult
    fields = readonly_fields = ("position", "file_name", "file_size", "archived_at")
    extra = 0
    can_delete = False
    verbose_name_plural = "further results"

    @admin.display(description="file")
    def file_name(self, result: VideoResult) -> str:
        return str(result.file) or "-"

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(Video)
class VideoAdmin(admin.ModelAdmin):
    """Videos as they are: rows are read here and moved by the same steps as everywhere else."""

    list_display = (
        "words",
        "user",
        "provider",
        "status",
        "stage",
        "age",
        "next_poll_at",
        "poll_count",
        "is_archived",
        "task_id",
    )
    fieldsets = (
        (None, {"fields": ("id", "user", "prompt", "status", "stage", "error_message")}),
        (
            "KIE.AI",
            {
                "fields": (
                    ("provider", "model", "generation_type"),
                    ("task_id", "offered_task_id"),
                    ("kie_state", "kie_error_code", "progress"),
                    ("failure", "kie_message"),
                    ("last_polled_at", "poll_count", "next_poll_at", "claimed_until"),
                    ("cost_estimated", "cost_consumed"),
                    "parameters",
                    "result_link",
                )
            },
        ),
        (
            "Our copy",
            {
                "fields": (
                    ("file_name", "file_size", "width", "height"),
                    ("archived_at", "next_archive_at", "archive_attempts"),
                )
            },
        ),
        (
            "Times",
            {"fields": ("created_at", "accepted_at", "succeeded_at", "completed_at", "deleted_at")},
        ),
    )
    list_filter = (StuckFilter, "status", "stage", "failure", "provider", "created_at")
    list_select_related = ("user",)
    search_fields = ("id", "task_id", "prompt", "user__username", "user__email")
    date_hierarchy = "created_at"
    show_full_result_count = False
    # The page of a video is its owner's.
    view_on_site = False
    inlines = (ResultInline, EventInline)
    actions = ("check_now", "mark_as_failed", "archive_again")
    change_list_template = "admin/videos.html"
    change_form_template = "admin/video.html"

    @admin.display(description="video", ordering="id")
    def words(self, video: Video) -> str:
        return f"{video.pk.hex[:8]} {Truncator(video.prompt).chars(50)}"

    @admin.display(description="file")
    def file_name(self, video: Video) -> str:
        # As text: a file is served to its owner only.
        return str(video.file) or "-"

    @admin.display(description="KIE.AI's link")
    def result_link(self, video: Video) -> str:
        # Without what is behind the "?": who has that can fetch the video.
        return redacted(video.video_url) or "-"

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
        return [field.name for field in Video._meta.fields] + ["file_name", "result_link"]

    def save_model(self, request: HttpRequest, obj: Video, form: Any, change: Any) -> None:
        """Nothing: what the form shows is as old as the page, and rows move by their steps."""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        context |= dict.fromkeys(("show_save", "show_save_and_continue"), False)
        return super().render_change_form(request, context, *args, **kwargs)

    @admin.action(description="Check with KIE.AI now", permissions=["change"])
    def check_now(self, request: HttpRequest, videos: VideoQuerySet) -> None:
        # A failed one too: when KIE.AI proves a success, it is brought home after all.
        asked = videos.kept().exclude(task_id="").filter(CHECKABLE)
        ids = [str(pk) for pk in asked.values_list("pk", flat=True)]
        asked.make_due()
        tasks.nudge(tasks.check_videos, ids)
        self.message_user(request, f"KIE.AI is being asked about {len(ids)} video(s).")
        if skipped := len(videos) - len(ids):
            why = "they are done, or KIE.AI has not named their task"
            self.message_user(request, f"{skipped} skipped: {why}.", messages.WARNING)

    @admin.action(description="Mark as failed", permissions=["change"])
    def mark_as_failed(self, request: HttpRequest, videos: VideoQuerySet) -> None:
        marked = sum(
            video.mark_failed(
                failure="operator",
                by=request.user.get_username(),
                # KIE.AI may finish it all the same: then it is brought home.
                look_again_at=now() if video.task_id else None,
            )
            for video in videos.filter(status=Status.PROCESSING)
        )
        self.message_user(request, f"{marked} video(s) marked as failed.")

    @admin.action(description="Archive again", permissions=["change"])
    def archive_again(self, request: HttpRequest, videos: VideoQuerySet) -> None:
        """Fetched and checked once more; the old copy goes when the new one is good."""
        chosen = obtainable().filter(pk__in=videos.values("pk"))
        again = sum(video.archive_again(by=request.user.get_username()) for video in chosen)
        tasks.nudge(tasks.archive_videos)
        self.message_user(request, f"{again} video(s) are fetched again.")
        if skipped := len(videos) - again:
            why = "KIE.AI has not finished them, or has them no longer"
            self.message_user(request, f"{skipped} skipped: {why}.", messages.WARNING)

    # --- Tasks that KIE.AI has and we do not ------------------------------------------------

    def get_urls(self) -> list[Any]:
        guard = self.admin_site.admin_view
        return [
            path("recover/", guard(self.recover), name="recover_tasks"),
            path("<uuid:pk>/attach/", guard(self.attach), name="attach_task"),
            *super().get_urls(),
        ]

    @method_decorator(require_http_methods(["GET", "HEAD", "POST"]))
    def recover(self, request: HttpRequest) -> HttpResponse:
        """Paste the ids of tasks, and say whose videos they become."""
        if not self.has_change_permission(request):
            raise PermissionDenied
        form = RecoverForm(request.POST or None)
        if form.is_valid():
            for task_id in form.cleaned_data["task_ids"]:
                self._recover(request, task_id, user=form.cleaned_data["user"])
            tasks.nudge(tasks.archive_videos)
            return redirect("admin:gallery_video_changelist")
        context = self.admin_site.each_context(request) | {
            "form": form,
            "title": "Recover tasks",
            "opts": self.opts,
        }
        return render(request, "admin/recover.html", context)

    def _recover(self, request: HttpRequest, task_id: str, *, user: User) -> None:
        try:
            found = recover_task(
                task_id,
                user=user,
                client=KieClient.from_settings(),
                by=request.user.get_username(),
            )
        except NotRecovered as error:
            self.message_user(request, f"Not {task_id}: {error}", messages.ERROR)
        else:
            what = "Recovered" if found.is_new else "Known already:"
            self.message_user(request, f"{what} {task_id} as video {found.video.pk}.")

    @method_decorator(require_POST)
    def attach(self, request: HttpRequest, pk: UUID) -> HttpResponse:
        """Give a video that lost its creation's answer the task an operator has found."""
        video = get_object_or_404(Video, pk=pk)
        if not self.has_change_permission(request, video):
            raise PermissionDenied
        try:
            attach_task(
                video,
                request.POST.get("task_id", ""),
                client=KieClient.from_settings(),
                by=request.user.get_username(),
            )
        except NotRecovered as error:
            self.message_user(request, str(error), messages.ERROR)
        else:
            tasks.nudge(tasks.archive_videos)
            self.message_user(request, "The task is attached; the video goes on.")
        return redirect("admin:gallery_video_change", pk)


@admin.register(SpendingLimit)
class SpendingLimitAdmin(admin.ModelAdmin):
    """Who may ask for how much, and how much of it is used."""

    list_display = ("whose", "videos_per_day", "credits_per_month", "used")
    list_select_related = ("user", "group")
    list_per_page = 50
    search_fields = ("user__username", "group__name")
    autocomplete_fields = ("user", "group")
    fields = ("user", "group", "videos_per_day", "credits_per_month", "used")
    readonly_fields = ("used",)

    @admin.display(description="limit of", ordering="user__username")
    def whose(self, limit: SpendingLimit) -> str:
        return f"{limit.group} (group)" if limit.group else str(limit.user)

    @admin.display(description="used")
    def used(self, limit: SpendingLimit) -> str:
        return (limit.pk and str(usage_of(limit))) or "-"


class RecoverForm(forms.Form):
    """The ids of tasks, and whose videos they become."""

    user = forms.ModelChoiceField(User.objects.order_by("username"), label="Whose videos")
    task_ids = forms.CharField(
        label="Task ids",
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false"}),
        help_text="One per line; from KIE.AI's log (kie.ai/logs), up to 14 days old.",
    )

    def clean_task_ids(self) -> list[str]:
        return ids_in(self.cleaned_data["task_ids"])
