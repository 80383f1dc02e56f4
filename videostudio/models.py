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

    def silent(self, name: str, *, longer_than: timedelta) -> bool:
        """Has this part not been heard of for so long, or never?"""
        return not self.filter(name=name, at__gt=timezone.now() - longer_than).exists()


class Heartbeat(models.Model):
    """The last sign of life of one part of the studio; in the database, where all can see it."""

    WORKER = "worker"

    name = models.CharField(max_length=40, primary_key=True)
    at = models.DateTimeField()

    objects = HeartbeatQuerySet.as_manager()

    def __str__(self) -> str:
        return f"{self.name} at {self.at:%H:%M:%S}"
