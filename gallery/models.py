"""The videos: whose they are, in what state, and what befell them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from math import ceil
from statistics import quantiles
from typing import Any, ClassVar, Self

from django.db import models, transaction
from django.db.models import Case, Exists, F, OuterRef, Q, Subquery, Value, When
from django.urls import reverse
from django.utils.timezone import now

from gallery.failures import FAILURES, OTHERWISE, Failure
from videostudio.models import User
from videostudio.secrets import redacted

# A row is looked at again at the latest after this long, whatever happened to whoever held it.
CLAIM = timedelta(seconds=60)
# KIE.AI is done and our copy is not: so long a person waits for it, then gets KIE.AI's link.
PATIENCE_WITH_SAVING = timedelta(minutes=2)
# From here on a video is stuck: asked about less often, and shown to operators.
STUCK_AFTER = timedelta(minutes=15)
# So long a lost answer may still be made good by a callback; then its owner is asked.
ASK_AFTER = timedelta(minutes=45)
# KIE.AI keeps a task's record and its results for 14 days at the most.
KEPT_BY_KIE_FOR = timedelta(days=14)
# Overdue by this much means that nobody is polling.
OVERDUE_AFTER = timedelta(minutes=2)
# From here on a card says that it needs attention.
ATTENTION_AFTER = timedelta(minutes=60)

# Failures of a video of which no task is known, and of which there may be one all the same.
PERHAPS_CHARGED = ("operator", "interrupted")

# The event that keeps KIE.AI's own words: for operators, not for the video's owner.
RAW_ANSWER = "KIE.AI said"

# How long a video takes is learned from those that had these in common: the first two always, the
# others where enough of them are known.
USUAL_TIME_OF = ("provider", "model", "generation_type", "duration", "parameters")
# So many of a model's last videos are looked through, and so many of them counted.
MOST_LOOKED_THROUGH, MOST_SAMPLES, FEWEST_SAMPLES = 120, 30, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UsualTime:
    """How long KIE.AI usually takes, in seconds; each is a column of the video."""

    # The middle, and the range in which half of them end.
    expected_seconds: int
    usually_from_seconds: int
    usually_to_seconds: int
    # At least nine of ten have ended by then.
    late_after_seconds: int

    @classmethod
    def of(cls, samples: Collection[float]) -> Self:
        """Learned from these times in seconds, of which there are at least FEWEST_SAMPLES."""
        ordered = sorted(samples)
        # What was noticed days later, or at once, says nothing about the usual time.
        odd = len(ordered) // 10
        middle = ordered[odd : len(ordered) - odd]
        low, expected, high = (max(round(q), 1) for q in quantiles(middle, method="inclusive"))
        ninth = quantiles(ordered, n=10, method="inclusive")[8]
        # With some room: where all take the same time, a second more is not late.
        late = max(ninth, expected * 1.25 + 10)
        return cls(
            expected_seconds=expected,
            usually_from_seconds=low,
            usually_to_seconds=high,
            late_after_seconds=ceil(late),
        )

    def as_columns(self) -> dict[str, int]:
        return asdict(self)


# How the names of pictures end.
PICTURE_ENDINGS = (".jpg", ".png", ".webp")
# More results than this no task has; a list that is longer is not believed.
MOST_RESULTS = 20


# A flood of calls about one video has it looked at no more often than this.
NUDGED_ONCE_PER = timedelta(seconds=1)

# Nobody sets a time further ahead than this: the longest pauses, and a claim on top.
MOST_AHEAD = {
    "next_poll_at": timedelta(minutes=6),
    "claimed_until": timedelta(minutes=2),
    "next_archive_at": timedelta(minutes=32),
}


def has_come(name: str, at: datetime) -> Q:
    """That time has come; or it lies so far ahead that the clock must have been set back since."""
    return Q(**{f"{name}__lte": at}) | Q(**{f"{name}__gt": at + MOST_AHEAD[name]})


class VideoQuerySet(models.QuerySet["Video"]):
    """Whose and which. Passes and views read like sentences made of these."""

    def for_user(self, user: User) -> Self:
        """The videos this person may see: their own. Every read and write starts here."""
        return self.filter(user_id=user.pk)

    def kept(self) -> Self:
        return self.filter(deleted_at=None)

    def processing(self) -> Self:
        return self.filter(status=Video.Status.PROCESSING)

    def newest_first(self) -> Self:
        return self.order_by("-created_at", "-id")

    def changed_since(self, version: int) -> Self:
        """What a page that has seen this version has not seen, deleted ones included."""
        return self.filter(version__gt=version).order_by("version")

    def older_than(self, created_at: datetime, pk: uuid.UUID) -> Self:
        """The rest of the gallery below this video: the key of the next page."""
        # The first comparison alone lets the index find the page; the second settles ties.
        return self.filter(created_at__lte=created_at).filter(
            Q(created_at__lt=created_at) | Q(pk__lt=pk)
        )

    def due(self, at: datetime) -> Self:
        """Videos KIE.AI should be asked about at that moment, longest overdue first.

        Also those that somebody gave up or deleted while KIE.AI worked on: what was paid for may
        yet come, and what was deleted may be restored.
        """
        asked = self.filter(Q(stage=Stage.RUNNING) | Q(status=Status.FAILED))
        asked = asked.filter(Q(deleted_at=None) | Q(deleted_at__gt=at - KEPT_BY_KIE_FOR))
        unclaimed = Q(claimed_until=None) | has_come("claimed_until", at)
        due = asked.filter(unclaimed, has_come("next_poll_at", at))
        # Those of one pass are due together: in the next one each has its place again.
        return due.order_by("next_poll_at", "last_polled_at")

    def to_send(self, at: datetime) -> Self:
        """Videos that wait for their turn to be handed to KIE.AI, longest waiting first.

        Nothing more is spent for an account that has been closed.
        """
        waiting = self.kept().processing().filter(stage=Stage.QUEUED, user__is_active=True)
        return waiting.filter(has_come("next_poll_at", at)).order_by("next_poll_at")

    def awaited(self, stage: Stage, at: datetime) -> Self:
        """Videos in this stage whose time to wait there is over."""
        return self.processing().filter(has_come("next_poll_at", at), stage=stage)

    def offered(self, at: datetime) -> Self:
        """Videos without a task id for which a callback has named one."""
        return self.kept().awaited(Stage.UNCONFIRMED, at).exclude(offered_task_id="")

    def to_archive(self, at: datetime) -> Self:
        """Videos of whose results one has to be fetched, longest waiting first.

        Deleted ones too, while they can be brought back: their links would die meanwhile.
        """
        return self.filter(has_come("next_archive_at", at)).order_by("next_archive_at")

    def lacking_files(self) -> Self:
        """Videos KIE.AI has finished and of whose results one is not with us."""
        missing = VideoResult.objects.filter(video=OuterRef("pk"), archived_at=None)
        return self.filter(Q(archived_at=None) | Exists(missing), succeeded_at__isnull=False)

    def overdue(self, at: datetime) -> Self:
        """Videos nobody has looked at when somebody should have."""
        return self.kept().processing().filter(next_poll_at__lt=at - OVERDUE_AFTER)

    def stuck(self, at: datetime) -> Self:
        """Videos that have been processing for longer than any should."""
        return self.kept().processing().filter(created_at__lt=at - STUCK_AFTER)

    def claim(self, *, most: int, until: datetime, by: str = "next_poll_at") -> list[Video]:
        """Take up to `most` of these rows for this process alone, until that moment at the latest.

        A claim is a time moved ahead: when its holder dies, the rows are due again by themselves.
        Rows that another process is claiming right now are passed over.
        """
        with transaction.atomic():
            # SQLite ignores SKIP LOCKED; there the transaction itself lets one writer in.
            rows = list(self.select_for_update(skip_locked=True, of=("self",))[:most])
            taken = Video.objects.filter(pk__in=[row.pk for row in rows])
            taken.update(**{by: until})
        return rows

    def nudge(self, *, task_id: str) -> bool:
        """KIE.AI has news of this task: have it looked at now. One query, whatever the caller says.

        A video whose creation was never answered keeps the id, until KIE.AI's record proves it.
        """
        at = now()
        # Also one that is due, or being asked about: that answer may be older than the call.
        just_nudged = Q(next_poll_at__gt=at - NUDGED_ONCE_PER, next_poll_at__lte=at)
        is_known = Q(stage=Stage.RUNNING, task_id=task_id) & ~just_nudged
        is_missing = Q(stage__in=(Stage.SUBMITTING, Stage.UNCONFIRMED), offered_task_id="")
        news = self.kept().processing().filter(is_known | is_missing)
        # Whoever is still sending goes on holding its claim.
        sending = When(stage=Stage.SUBMITTING, then=F("next_poll_at"))
        offered = When(stage=Stage.RUNNING, then=F("offered_task_id"))
        return bool(
            news.update(
                next_poll_at=Case(sending, default=Value(at)),
                offered_task_id=Case(offered, default=Value(task_id)),
            )
        )

    def make_due(self) -> int:
        """Have these looked at in the next pass. Returns how many will be.

        One that is being asked about right now stays claimed.
        """
        asked = self.kept().processing().filter(stage=Stage.RUNNING)
        return asked.update(next_poll_at=now())

    def changing(self) -> Self:
        """Videos whose cards will still change by themselves."""
        return self.kept().filter(CHANGING)

    def in_trash(self, *, since: datetime) -> Self:
        """Deleted videos that can still be brought back."""
        return self.filter(deleted_at__gt=since)

    def reachable(self, *, since: datetime) -> Self:
        """Videos that are kept, or can still be brought back."""
        return self.filter(Q(deleted_at=None) | Q(deleted_at__gt=since))

    def note_changes(self, pks: Collection[uuid.UUID]) -> None:
        """Give a visible change of these videos its place in each owner's gallery.

        The owner's row stays locked until the transaction ends: changes become visible in the
        order of their versions, so a page that has seen one has seen all before it.
        """
        if not pks:
            return
        videos = Video.objects.filter(pk__in=pks)
        owners = sorted(set(videos.values_list("user", flat=True)))
        User.objects.filter(pk__in=owners).update(gallery_version=F("gallery_version") + 1)
        place = User.objects.filter(pk=OuterRef("user")).values("gallery_version")
        videos.update(version=Subquery(place))

    def usual_time(
        self,
        *,
        provider: str,
        model: str,
        generation_type: str,
        duration: int | None,
        parameters: Mapping[str, Any],
    ) -> UsualTime | None:
        """How long KIE.AI takes over such a video; None when fewer than 3 of the model are known.

        One query, bounded by the index: the model's newest videos, of which those of the same
        kind, length and resolution count, if there are 3 of them.
        """
        done = self.filter(provider=provider, model=model, succeeded_at__isnull=False)
        kind = (generation_type, duration, parameters.get("resolution"))
        alike, all_of_them = [], []
        for *facts, start, end in done.order_by("-succeeded_at").values_list(
            "generation_type", "duration", "parameters__resolution", "accepted_at", "succeeded_at"
        )[:MOST_LOOKED_THROUGH]:
            if start and end:
                seconds = (end - start).total_seconds()
                all_of_them.append(seconds)
                if tuple(facts) == kind:
                    alike.append(seconds)
        samples = alike if len(alike) >= FEWEST_SAMPLES else all_of_them
        return UsualTime.of(samples[:MOST_SAMPLES]) if len(samples) >= FEWEST_SAMPLES else None


class Status(models.TextChoices):
    """What a person is told. These three and no others."""

    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"


class Stage(models.TextChoices):
    """Where a processing video stands. Stages only move forward."""

    QUEUED = "queued"  # committed, waiting for its turn
    SUBMITTING = "submitting"  # the call to KIE.AI may be on the wire
    UNCONFIRMED = "unconfirmed"  # perhaps charged, no task id known; never sent again by itself
    RUNNING = "running"  # the task id is known, KIE.AI works
    SAVING = "saving"  # KIE.AI is done, our copy is being made
    SETTLED = "settled"  # completed or failed


# Where KIE.AI's word may still find a video that it has accepted.
BEFORE_RUNNING = (Stage.QUEUED, Stage.SUBMITTING, Stage.UNCONFIRMED)

# A card changes by itself while its video is processing, or completed and still being saved.
CHANGING = Q(status=Status.PROCESSING) | Q(next_archive_at__isnull=False, file="")


def file_name(video: Video, name: str) -> str:
    """Where a file of this video lies in storage: made of ids, never of what people typed."""
    return f"videos/{video.pk.hex[:2]}/{video.pk}/{name}"


class RedactedTextField(models.TextField):  # type: ignore[type-arg]  # generic in the stubs only
    """A text that no secret gets into, whichever way it is written: save, update, bulk_create."""

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return redacted(text) if isinstance(text, str) else text

    def deconstruct(self) -> tuple[str, str, Sequence[Any], dict[str, Any]]:
        # To the database it is a text like every other.
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs


class Video(models.Model):
    """One video, from the click on. The row exists before KIE.AI is called."""

    Status = Status
    Stage = Stage

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # PROTECT: an account with paid videos is not swept away with them.
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="videos")
    task_id = models.CharField(max_length=128, blank=True, default="")
    prompt = models.TextField()
    provider = models.CharField(max_length=80)
    model = models.CharField(max_length=120)
    # The family KIE.AI is asked in, whatever becomes of the catalogue. Empty in old rows.
    family = models.CharField(max_length=20, blank=True, default="")
    generation_type = models.CharField(max_length=20)
    status = models.CharField(max_length=12, choices=Status, default=Status.PROCESSING)
    progress = models.PositiveSmallIntegerField(default=0)
    # KIE.AI's links, which die within days. Text: they are shown to operators, never followed by
    # a browser.
    video_url = models.TextField(blank=True, default="")
    thumbnail_url = models.TextField(blank=True, default="")
    error_message = RedactedTextField(blank=True, default="")
    # Which row of the table of failures it is; "" unless failed.
    failure = models.CharField(max_length=20, blank=True, default="")
    parameters = models.JSONField(default=dict, blank=True)
    aspect_ratio = models.CharField(max_length=16, blank=True, default="")
    duration = models.PositiveSmallIntegerField("duration in seconds", null=True, blank=True)
    is_favorite = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=now, editable=False)
    updated_at = models.DateTimeField(auto_now=True)
    completed_at = models.DateTimeField(null=True, blank=True)

    stage = models.CharField(max_length=12, choices=Stage, default=Stage.QUEUED)
    # When somebody has to look at this row again: send it, ask about it, or give it up.
    next_poll_at = models.DateTimeField(null=True, blank=True)
    # Somebody is asking KIE.AI about it, until then at the latest.
    claimed_until = models.DateTimeField(null=True, blank=True, editable=False)
    last_polled_at = models.DateTimeField(null=True, blank=True)
    poll_count = models.PositiveIntegerField(default=0)
    # How often in a row KIE.AI gave no usable answer about it.
    polls_unanswered = models.PositiveSmallIntegerField(default=0)
    kie_state = models.CharField("KIE.AI's last word", max_length=40, blank=True, default="")
    kie_error_code = models.CharField(max_length=16, blank=True, default="")
    kie_message = RedactedTextField("KIE.AI's own words", blank=True, default="")
    # Named by a callback while no task id was known: adopted once KIE.AI's record proves it ours.
    offered_task_id = models.CharField(max_length=128, blank=True, default="", editable=False)
    accepted_at = models.DateTimeField(null=True, blank=True)
    succeeded_at = models.DateTimeField(null=True, blank=True)
    # From such videos' past at the moment of submission (UsualTime); None with too little of it.
    expected_seconds = models.PositiveIntegerField(null=True, blank=True)
    usually_from_seconds = models.PositiveIntegerField(null=True, blank=True)
    usually_to_seconds = models.PositiveIntegerField(null=True, blank=True)
    late_after_seconds = models.PositiveIntegerField(null=True, blank=True)

    idempotency_key = models.UUIDField(null=True, blank=True, editable=False)
    request_digest = models.CharField(max_length=64, blank=True, default="", editable=False)
    # In KIE.AI credits (1 credit = 0.005 USD).
    cost_estimated = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    cost_consumed = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    # The day of the price list that the estimate was made from.
    price_as_of = models.DateField(null=True, blank=True)

    file = models.FileField(max_length=200, blank=True, default="")
    poster = models.FileField(max_length=200, blank=True, default="")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    file_size = models.PositiveBigIntegerField("file size in bytes", null=True, blank=True)
    # None: our copy is missing, or is to be replaced by a new one.
    archived_at = models.DateTimeField(null=True, blank=True)
    # Something of this video has to be fetched, then. None: nothing has to be, or ever will.
    next_archive_at = models.DateTimeField(null=True, blank=True)
    archive_attempts = models.PositiveSmallIntegerField(default=0)

    deleted_at = models.DateTimeField(null=True, blank=True)
    # The place of its last visible change, and of its appearance, among all changes of its
    # owner's gallery (User.gallery_version).
    version = models.PositiveBigIntegerField(default=0, editable=False)
    first_version = models.PositiveBigIntegerField(default=0, editable=False)
    # What this one was made from: extended, upscaled, or made another of.
    parent = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, blank=True, related_name="children"
    )

    objects = VideoQuerySet.as_manager()

    class Meta:
        db_table = "generated_videos"
        ordering: ClassVar = ["-created_at", "-id"]
        constraints: ClassVar = [
            models.CheckConstraint(name="video_status_known", condition=Q(status__in=Status)),
            models.CheckConstraint(name="video_stage_known", condition=Q(stage__in=Stage)),
            models.CheckConstraint(
                name="video_progress_in_percent", condition=Q(progress__gte=0, progress__lte=100)
            ),
            models.CheckConstraint(
                name="video_settled_when_not_processing",
                condition=Q(status=Status.PROCESSING, completed_at=None) & ~Q(stage=Stage.SETTLED)
                | Q(stage=Stage.SETTLED, completed_at__isnull=False) & ~Q(status=Status.PROCESSING),
            ),
            models.CheckConstraint(
                name="video_processing_is_looked_at",
                condition=~Q(status=Status.PROCESSING) | Q(next_poll_at__isnull=False),
            ),
            models.CheckConstraint(
                name="video_completed_has_a_result",
                condition=~Q(status=Status.COMPLETED)
                | Q(progress=100) & (~Q(video_url="") | ~Q(file="")),
            ),
            models.CheckConstraint(
                name="video_failed_says_why",
                condition=~Q(status=Status.FAILED) | ~Q(error_message=""),
            ),
            models.UniqueConstraint(
                fields=["task_id"], name="video_task_once", condition=~Q(task_id="")
            ),
            models.UniqueConstraint(
                fields=["user", "idempotency_key"],
                name="video_click_once",
                condition=Q(idempotency_key__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["user", "-created_at", "-id"],
                name="video_newest",
                condition=Q(deleted_at=None),
            ),
            models.Index(fields=["user", "version"], name="video_changed"),
            models.Index(
                fields=["next_poll_at"],
                name="video_due",
                condition=Q(next_poll_at__isnull=False),
            ),
            models.Index(fields=["user"], name="video_changing", condition=CHANGING),
            models.Index(
                fields=["next_archive_at"],
                name="video_to_archive",
                condition=Q(next_archive_at__isnull=False),
            ),
            models.Index(
                fields=["provider", "model", "-succeeded_at"],
                name="video_usual_time",
                condition=Q(succeeded_at__isnull=False),
            ),
            # What somebody has asked for in a day or month, deleted or not; and how a service did.
            models.Index(fields=["user", "created_at"], name="video_asked_for"),
            models.Index(
                fields=["provider", "-completed_at"],
                name="video_settled",
                condition=Q(completed_at__isnull=False),
            ),
            models.Index(
                fields=["deleted_at"],
                name="video_deleted",
                condition=Q(deleted_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.pk}"

    def get_absolute_url(self) -> str:
        return reverse("gallery:detail", args=[self.pk])

    def save(self, *args: Any, **kwargs: Any) -> None:
        is_new = self._state.adding
        with transaction.atomic():
            super().save(*args, **kwargs)
            self._note_change(is_new=is_new)

    # --- What can be said about it ----------------------------------------------------------

    @property
    def is_processing(self) -> bool:
        return self.status == Status.PROCESSING

    @property
    def is_completed(self) -> bool:
        return self.status == Status.COMPLETED

    @property
    def is_failed(self) -> bool:
        return self.status == Status.FAILED

    @property
    def asks_its_owner(self) -> bool:
        """Has it waited for KIE.AI's confirmation for so long that its owner has to decide?"""
        return self.stage == Stage.UNCONFIRMED and self.created_at < now() - ASK_AFTER

    @property
    def may_be_attached(self) -> bool:
        """Does it lack a task that KIE.AI may have made all the same?"""
        return not self.task_id and self.stage == Stage.UNCONFIRMED

    @property
    def why_failed(self) -> Failure:
        """The row of the table of failures: its title, and what can be done."""
        return FAILURES.get(self.failure, FAILURES[OTHERWISE])

    @property
    def why_unsaved(self) -> Failure:
        """The row for a video that was made, and whose link died before we had it."""
        return FAILURES["unsaved"]

    @property
    def kept_until(self) -> datetime | None:
        """So long KIE.AI keeps what it has made, and saving is tried again."""
        return self.succeeded_at + KEPT_BY_KIE_FOR if self.succeeded_at else None

    @property
    def is_past_kie(self) -> bool:
        """Is it so old that KIE.AI has forgotten its task?"""
        return (self.succeeded_at or self.created_at) + KEPT_BY_KIE_FOR < now()

    @property
    def was_made(self) -> bool:
        """Was it made, or will it be, as far as anybody knows? So there is no trying again."""
        is_lost = self.is_completed and not self.file and not self.next_archive_at
        return not self.is_failed and self.stage != Stage.UNCONFIRMED and not is_lost

    @cached_property
    def made_into(self) -> Collection[tuple[str, bool]]:
        """The models that have made something of it or are about to, and: is that kept?"""
        if self._state.adding:
            return set()
        children = Video.objects.filter(parent=self.pk).exclude(status=Status.FAILED)
        return {
            (model, deleted_at is None)
            for model, deleted_at in children.values_list("model", "deleted_at")
        }

    @property
    def is_perhaps_charged(self) -> bool:
        """Is no task known, and may there be one all the same? So of what an operator gave up."""
        return not self.task_id and self.failure in PERHAPS_CHARGED

    @property
    def late_after(self) -> timedelta:
        """So long after its acceptance it takes longer than usual; without a past, when stuck."""
        if self.late_after_seconds is None:
            return STUCK_AFTER
        return timedelta(seconds=self.late_after_seconds)

    @property
    def is_late(self) -> bool:
        """Does KIE.AI take longer over it than usual?"""
        return (
            self.is_processing and (self.accepted_at or self.created_at) < now() - self.late_after
        )

    @property
    def settles_in(self) -> timedelta:
        """How long it took, or has taken so far."""
        return (self.completed_at or now()) - self.created_at

    # --- How it moves: each step is one conditional UPDATE, and the row count says who won ---

    def claim_sending(self, *, until: datetime) -> bool:
        """QUEUED → SUBMITTING. Only its winner may call KIE.AI for this video."""
        waiting = Q(stage=Stage.QUEUED, deleted_at=None)
        return self._move(waiting, stage=Stage.SUBMITTING, next_poll_at=until)

    def confirm_sending(self, *, until: datetime) -> bool:
        """Still SUBMITTING, at the very moment of the call.

        False: its sender waited for so long that it was taken for dead, or its owner deleted it.
        """
        row = Video.objects.filter(pk=self.pk, stage=Stage.SUBMITTING, deleted_at=None)
        return row.update(next_poll_at=until) == 1

    def mark_accepted(self, *, task_id: str) -> bool:
        """KIE.AI has the task: RUNNING, and due for its first look at once.

        False when somebody gave the video up meanwhile; its task id is kept all the same, for
        what was paid for can then still be brought home.
        """
        at = now()
        accepted = self._move(
            Q(stage__in=BEFORE_RUNNING),
            event="accepted",
            detail=task_id,
            stage=Stage.RUNNING,
            task_id=task_id,
            accepted_at=at,
            next_poll_at=at,
            error_message="",
        )
        # In this order: what was given up stays so, and cannot slip through between the two.
        given_up = Video.objects.filter(pk=self.pk, status=Status.FAILED, task_id="")
        known = {"task_id": task_id, "accepted_at": at, "next_poll_at": at}
        if not accepted and given_up.update(**known):
            self.events.create(what="accepted after it was given up", detail=task_id)
        return accepted

    def refuse_offer(self, *, why: str) -> bool:
        """The task that a callback named is not this video's: wait for another one."""
        detail = f"{self.offered_task_id}: {why}"
        offered = Q(stage=Stage.UNCONFIRMED, offered_task_id=self.offered_task_id)
        return self._move(offered, event="task refused", detail=detail, offered_task_id="")

    def send_again_at(self, at: datetime, *, why: str) -> bool:
        """SUBMITTING → QUEUED, the one step back: KIE.AI provably never had it.

        Also from UNCONFIRMED: the proof may come after somebody took the sender for dead.
        """
        return self._move(
            Q(stage__in=(Stage.SUBMITTING, Stage.UNCONFIRMED), task_id=""),
            event="not sent",
            detail=why,
            stage=Stage.QUEUED,
            next_poll_at=at,
        )

    def mark_unconfirmed(self, *, why: str, at: datetime) -> bool:
        """SUBMITTING → UNCONFIRMED: perhaps charged. From here nothing sends it again by itself."""
        moved = self._move(
            Q(stage=Stage.SUBMITTING),
            event="unconfirmed",
            detail=why,
            stage=Stage.UNCONFIRMED,
            next_poll_at=at,
        )
        # KIE.AI's callback was quicker than its answer would have been: the task is known.
        named = Video.objects.filter(pk=self.pk, stage=Stage.UNCONFIRMED)
        named.exclude(offered_task_id="").update(next_poll_at=now())
        return moved

    def mark_succeeded(self, *, more_urls: Sequence[str] = (), **facts: Any) -> bool:
        """KIE.AI is done: SAVING, and due to be archived at once. A failure is taken back.

        `more_urls`: the task's results beside the first, which is the video itself.
        """
        at = now()
        running = Q(status=Status.PROCESSING) & ~Q(stage=Stage.SAVING)
        with transaction.atomic():
            moved = self._move(
                running | Q(status=Status.FAILED),
                event="KIE.AI succeeded",
                status=Status.PROCESSING,
                stage=Stage.SAVING,
                completed_at=None,
                error_message="",
                failure="",
                next_poll_at=at + PATIENCE_WITH_SAVING,
                next_archive_at=at,
                **{"succeeded_at": at} | facts,
            )
            if moved:
                self._note_more_urls(more_urls)
        return moved

    def note_links(self, urls: Sequence[str]) -> None:
        """KIE.AI's links as its record names them now: the first and, if any, the further ones."""
        with transaction.atomic():
            row = Video.objects.filter(pk=self.pk)
            row.update(video_url=urls[0])
            self._note_more_urls(urls[1:])
        self.video_url = urls[0]

    def _note_more_urls(self, urls: Sequence[str]) -> None:
        for position, url in enumerate(urls[: MOST_RESULTS - 1], start=2):
            self.results.update_or_create(position=position, defaults={"url": url})

    def mark_completed(
        self, *, event: str = "completed", only: Q | None = None, **facts: Any
    ) -> bool:
        """SAVING → COMPLETED, once. False: someone else had already finished it.

        `only`: what must also be true of the row at that moment.
        """
        return self._move(
            Q(stage=Stage.SAVING) & (only or Q()),
            event=event,
            status=Status.COMPLETED,
            stage=Stage.SETTLED,
            progress=100,
            completed_at=now(),
            next_poll_at=None,
            **facts,
        )

    def mark_failed(
        self,
        *,
        failure: str = OTHERWISE,
        error_message: str = "",
        by: str = "",
        only: Q | None = None,
        look_again_at: datetime | None = None,
        **facts: Any,
    ) -> bool:
        """PROCESSING → FAILED, once. What KIE.AI has finished is no longer a failure.

        `failure`: its row in the table of failures, which has the sentence unless one is given.
        `only`: what must also be true of the row at that moment. `look_again_at`: when to ask
        KIE.AI all the same, where it was not KIE.AI that ended it.
        """
        error_message = error_message or FAILURES[failure].sentence
        return self._move(
            Q(status=Status.PROCESSING) & ~Q(stage=Stage.SAVING) & (only or Q()),
            event="failed",
            detail=error_message,
            by=by,
            status=Status.FAILED,
            stage=Stage.SETTLED,
            failure=failure,
            error_message=error_message,
            completed_at=now(),
            next_poll_at=look_again_at,
            **facts,
        )

    def stop_looking(self) -> None:
        """KIE.AI has ended what was given up here before: there is nothing more to come."""
        Video.objects.filter(pk=self.pk, status=Status.FAILED).update(next_poll_at=None)

    def keep_file(self, **facts: Any) -> bool:
        """The file is with us. A video that waited for it is completed, once.

        False when nobody waits for it any more: another one was quicker, or the video is gone
        for good.
        """
        facts["archived_at"] = now()
        # Further results that are still missing keep the row due.
        if not self.results.filter(archived_at=None).exists():
            facts["next_archive_at"] = None
        awaited = Q(next_archive_at__isnull=False)
        if self.mark_completed(event="archived", only=awaited, **facts):
            return True
        # Completed with KIE.AI's link before, or fetched again: the status stays.
        late = Q(status=Status.COMPLETED, archived_at=None)
        return self._move(awaited & late, event="archived", **facts)

    @cached_property
    def number_of_results(self) -> int:
        """Of its task: the video itself and the further ones."""
        return 1 + self.results.count()

    def keep_result(self, result: VideoResult, **facts: Any) -> bool:
        """A further result is with us. False when nobody waits for it any more."""
        with transaction.atomic():
            # A video that is gone for good waits for nothing, and its results neither.
            kept = self._move(Q(next_archive_at__isnull=False))
            row = self.results.filter(pk=result.pk, archived_at=None)
            if kept := kept and row.update(archived_at=now(), **facts) == 1:
                self.events.create(what="archived", detail=f"result {result.position}")
        return kept

    def end_archiving(self) -> bool:
        """Nothing has to be fetched any more. False while something is still missing."""
        missing = VideoResult.objects.filter(video=OuterRef("pk"), archived_at=None)
        whole = Q(~Exists(missing), archived_at__isnull=False, next_archive_at__isnull=False)
        return self._move(whole, next_archive_at=None)

    def give_up_saving(self, *, why: str, **facts: Any) -> bool:
        """KIE.AI's link is dead for good: the card says so."""
        waiting = Q(next_archive_at__isnull=False)
        event = "could not be saved"
        return self._move(waiting, event=event, detail=why, next_archive_at=None, **facts)

    def archive_again(self, *, by: str = "", why: str = "") -> bool:
        """Have every result fetched once more; our copies stay until new ones are good."""
        done = Q(succeeded_at__isnull=False) & ~Q(task_id="")
        with transaction.atomic():
            moved = self._move(
                done,
                event="archive again",
                detail=why,
                by=by,
                archived_at=None,
                next_archive_at=now(),
                # As after a failed try: the link of then may be dead, KIE.AI's record knows.
                archive_attempts=1,
            )
            if moved:
                self.results.update(archived_at=None)
        return moved

    def mark_deleted(self) -> bool:
        return self._move(Q(deleted_at=None), event="deleted", deleted_at=now())

    def restore(self) -> bool:
        """Undo a deletion. What went on meanwhile is looked at in the next pass."""
        restored = self._move(~Q(deleted_at=None), event="restored", deleted_at=None)
        if restored:
            Video.objects.filter(pk=self.pk).make_due()
        return restored

    def set_favorite(self, *, is_favorite: bool) -> bool:
        return self._move(~Q(is_favorite=is_favorite), is_favorite=is_favorite)

    def _move(
        self, where: Q, *, event: str = "", detail: str = "", by: str = "", **facts: Any
    ) -> bool:
        # The database decides who was first: no lock, no read-check-save.
        with transaction.atomic():
            row = Video.objects.filter(where, pk=self.pk)
            moved = row.update(updated_at=now(), **facts) == 1
            if moved:
                self._note_change(is_new=False)
            if moved and event:
                self.events.create(what=event, detail=detail, by=by)
        if moved:
            for name, value in facts.items():
                setattr(self, name, value)
        return moved

    def _note_change(self, *, is_new: bool) -> None:
        Video.objects.note_changes([self.pk])
        if is_new:
            Video.objects.filter(pk=self.pk).update(first_version=F("version"))


class VideoEvent(models.Model):
    """What happened to a video, when, and by whom or what. Only ever added to."""

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=now)
    what = models.CharField(max_length=60)
    detail = RedactedTextField(blank=True, default="")
    # Empty: the studio itself.
    by = models.CharField(max_length=150, blank=True, default="")

    class Meta:
        db_table = "video_events"
        ordering: ClassVar = ["at", "id"]
        indexes: ClassVar = [models.Index(fields=["video", "at"], name="video_event_log")]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.what}"


class MediaKind(models.TextChoices):
    """What a video can be made from."""

    IMAGE = "image"
    VIDEO = "video"
    AUDIO = "audio"
    DOCUMENT = "document"


class InputFileQuerySet(models.QuerySet["InputFile"]):
    def for_user(self, user: User) -> Self:
        """The files this person may use: their own. Every read and write starts here."""
        return self.filter(user_id=user.pk)

    def newest_first(self) -> Self:
        return self.order_by("-used_at", "-id")

    def unused_since(self, at: datetime) -> Self:
        """What was last used before that moment, and for no video that still has its row."""
        used = VideoInput.objects.filter(source=OuterRef("pk"))
        return self.filter(~Exists(used), used_at__lt=at)


class InputFile(models.Model):
    """A picture, clip, sound or document of somebody's library: our own copy, checked, stripped."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="input_files")
    kind = models.CharField(max_length=8, choices=MediaKind)
    # What its owner called it. A label: never a path.
    name = models.CharField(max_length=120, blank=True, default="")
    file = models.FileField(max_length=200)
    # A small WebP of it; sounds and documents have none.
    preview = models.FileField(max_length=200, blank=True, default="")
    media_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField("size in bytes")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.FloatField("length in seconds", null=True, blank=True)
    # Of a PDF or a presentation.
    pages = models.PositiveIntegerField(null=True, blank=True)
    # SHA-256 of kind and content as handed in: the same file twice is one entry.
    digest = models.CharField(max_length=64)
    used_at = models.DateTimeField(default=now)
    # The whole picture that this one is the middle of.
    whole = models.ForeignKey("self", on_delete=models.SET_NULL, null=True, blank=True)

    objects = InputFileQuerySet.as_manager()

    class Meta:
        db_table = "input_files"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "digest"], name="input_file_once"),
            # Its values, not the class: so a migration says which ones they were then.
            models.CheckConstraint(
                name="input_file_kind_known", condition=Q(kind__in=MediaKind.values)
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["user", "-used_at", "-id"], name="input_file_newest")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class VideoInput(models.Model):
    """A file a video was made from: our own copy, sent to KIE.AI when the video is."""

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="inputs")
    # The field of KIE.AI's request that the file's address goes into.
    field = models.CharField(max_length=60)
    position = models.PositiveSmallIntegerField(default=0)
    # The library's entry, as long as there is one; the file itself stays with the video.
    source = models.ForeignKey(
        InputFile, on_delete=models.SET_NULL, null=True, blank=True, related_name="uses"
    )
    kind = models.CharField(max_length=8, choices=MediaKind, default=MediaKind.IMAGE)
    file = models.FileField(max_length=200)
    media_type = models.CharField(max_length=100)
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    seconds = models.FloatField("length in seconds", null=True, blank=True)
    # Of a PDF or a presentation.
    pages = models.PositiveIntegerField(null=True, blank=True)
    # SHA-256 of kind and content as handed in.
    digest = models.CharField(max_length=64)

    class Meta:
        db_table = "video_inputs"
        ordering: ClassVar = ["field", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["video", "field", "position"], name="video_input_once")
        ]

    def __str__(self) -> str:
        return f"{self.field} of {self.video_id}"


class VideoResult(models.Model):
    """A further result of a video's task. The first one is the video itself."""

    video = models.ForeignKey(Video, on_delete=models.CASCADE, related_name="results")
    # Its place among the task's results, from 2 on.
    position = models.PositiveSmallIntegerField()
    # KIE.AI's link, which dies within days.
    url = models.TextField()
    file = models.FileField(max_length=200, blank=True, default="")
    poster = models.FileField(max_length=200, blank=True, default="")
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    file_size = models.PositiveBigIntegerField("file size in bytes", null=True, blank=True)
    seconds = models.FloatField("length in seconds", null=True, blank=True)
    # None: our copy is missing, or is to be replaced by a new one.
    archived_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "video_results"
        ordering: ClassVar = ["video", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["video", "position"], name="video_result_once"),
            models.CheckConstraint(
                name="video_result_is_a_further_one", condition=Q(position__gte=2)
            ),
        ]

    def __str__(self) -> str:
        return f"result {self.position} of {self.video_id}"

    @property
    def is_picture(self) -> bool:
        """Seedance gives its last frame, too, where that is asked for."""
        return str(self.file).endswith(PICTURE_ENDINGS)
