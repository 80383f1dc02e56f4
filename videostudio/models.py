"""Who uses the studio, and whether its background work is alive."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class User(AbstractUser):
    """Somebody with an account. The address is where a forgotten password can be reset."""

    email = models.EmailField("email address")
    # Counts the visible changes of this person's videos: pages ask by it whether there is news.
    gallery_version = models.PositiveBigIntegerField(default=0, editable=False)
    # When this person last pressed Refresh: the button asks KIE.AI at most once in a while.
    refreshed_at = models.DateTimeField(null=True, editable=False)

    # Moved by UPDATEs of their own: saving an account must not set them back.
    MOVED_ELSEWHERE = frozenset({"gallery_version", "refreshed_at"})

    class Meta(AbstractUser.Meta):
        constraints: ClassVar = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_unique",
                condition=~models.Q(email=""),
                violation_error_message="An account with this email address already exists.",
            )
        ]

    def save(self, *args: Any, **kwargs: Any) -> None:
        if not self._state.adding and kwargs.get("update_fields") is None:
            names = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            kwargs["update_fields"] = names - self.MOVED_ELSEWHERE
        super().save(*args, **kwargs)

    def may_refresh(self, *, at: datetime, pause: timedelta) -> bool:
        """Claim a refresh: True once per pause, however many tabs and servers ask together."""
        rested = models.Q(refreshed_at=None) | models.Q(refreshed_at__lte=at - pause)
        row = User.objects.filter(rested, pk=self.pk)
        return row.update(refreshed_at=at) == 1


class HeartbeatQuerySet(models.QuerySet["Heartbeat"]):
    def beat(self, name: str, *, at: datetime | None = None) -> None:
        """Note that this part of the studio is alive."""
        self.update_or_create(name=name, defaults={"at": at or timezone.now()})

    def has_beaten(self, name: str, *, within: timedelta) -> bool:
        """Has this part been heard of in that time?"""
        return self.filter(name=name, at__gt=timezone.now() - within).exists()

    def silent(self, name: str, *, longer_than: timedelta) -> bool:
        """Has this part not been heard of for so long, or never?"""
        return not self.has_beaten(name, within=longer_than)


class Heartbeat(models.Model):
    """The last sign of life of one part of the studio; in the database, where all can see it."""

    WORKER = "worker"
    # KIE.AI's callbacks: while they arrive, asking can wait a little longer.
    CALLBACK = "callback"

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"


class OutageQuerySet(models.QuerySet["Outage"]):
    """A service that has stopped answering is asked seldom, by one process at a time."""

    def begin(self, name: str, *, why: str, at: datetime, pause: timedelta) -> None:
        """Note that this service does not answer. One that is known to be away stays so."""
        self.get_or_create(name=name, defaults={"since": at, "try_again_at": at + pause})
        self.filter(name=name).update(why=why[:200])

    def end(self, name: str) -> bool:
        """Note that it answers. True for whoever noticed first."""
        return self.filter(name=name).delete()[0] == 1

    def is_ongoing(self, name: str) -> bool:
        return self.filter(name=name).exists()

    def claim_try(self, name: str, *, at: datetime, pause: timedelta) -> bool:
        """May this process try whether it answers again? One may, once per pause."""
        # Further ahead than a pause it can only be when the clock was set back.
        has_come = models.Q(try_again_at__lte=at) | models.Q(try_again_at__gt=at + pause)
        row = self.filter(has_come, name=name)
        return row.update(try_again_at=at + pause) == 1


class Outage(models.Model):
    """A service outside that does not answer now. No row: it does, as far as we know."""

    KIE = "kie"

    name = models.CharField(max_length=40, primary_key=True)
    since = models.DateTimeField()
    try_again_at = models.DateTimeField()
    why = models.CharField(max_length=200, blank=True, default="")

    objects = OutageQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} away since {self.since:%H:%M:%S}"
