"""Who uses the studio and how much, whether its background work is alive, and what is left."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.auth.models import AbstractUser, Group
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.crypto import salted_hmac


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


# A time that is further ahead than this was written by a clock that has been set back since.
WRONG_CLOCK = timedelta(minutes=1)


def _account() -> str:
    """The account at KIE.AI that the studio is configured for: after a change of key, another."""
    address = f"{settings.KIE_API_BASE_URL} {settings.KIE_API_KEY}"
    digest = salted_hmac("videostudio.KieBalance", address, algorithm="sha256")
    return digest.hexdigest()


class KieBalanceQuerySet(models.QuerySet["KieBalance"]):
    """The row of the account that we use now; a figure of another one is never shown."""

    def known(self) -> "KieBalance | None":
        """The balance as KIE.AI last said it; None as long as it has not."""
        return self.filter(account=_account(), as_of__isnull=False).first()

    def claim_question(self, *, at: datetime, pause: timedelta) -> bool:
        """May this process ask for the balance? One may, once per pause."""
        row, is_new = self.get_or_create(account=_account(), defaults={"asked_at": at})
        # Further ahead than a moment it can only be when the clock was set back.
        rested = models.Q(asked_at__lte=at - pause) | models.Q(asked_at__gt=at + WRONG_CLOCK)
        return is_new or self.filter(rested, pk=row.pk).update(asked_at=at) == 1

    def keep(self, credits: Decimal, *, asked_at: datetime) -> bool:
        """Note KIE.AI's answer to a question of that moment. False: a later one is known."""
        row, _ = self.get_or_create(account=_account(), defaults={"asked_at": asked_at})
        is_news = (
            models.Q(as_of=None)
            | models.Q(as_of__lt=asked_at)
            | models.Q(as_of__gt=asked_at + WRONG_CLOCK)
        )
        return self.filter(is_news, pk=row.pk).update(credits=credits, as_of=asked_at) == 1


class KieBalance(models.Model):
    """What is left on our account at KIE.AI, as KIE.AI last said it."""

    # So often it is asked for at the least; older than this, the figure says its age.
    ASKED_EVERY, FRESH_FOR = timedelta(minutes=1), timedelta(minutes=5)

    # A keyed digest of address and key: whose balance it is, and nothing to read the key from.
    account = models.CharField(max_length=64, primary_key=True)
    credits = models.DecimalField(max_digits=10, decimal_places=2, null=True)
    as_of = models.DateTimeField(null=True)
    asked_at = models.DateTimeField()

    objects = KieBalanceQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="balance_has_its_time",
                condition=models.Q(credits=None, as_of=None)
                | models.Q(credits__isnull=False, as_of__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"{self.credits} credits" if self.as_of else "not known yet"

    @property
    def is_fresh(self) -> bool:
        """Is the figure young enough to be shown without its age?"""
        return self.as_of is not None and self.as_of > timezone.now() - self.FRESH_FOR

    @property
    def is_low(self) -> bool:
        """Should somebody top up soon? Only a fresh figure says so: the others may be past."""
        return self.is_fresh and (self.credits or 0) < settings.LOW_BALANCE_CREDITS

    @property
    def is_nearly_empty(self) -> bool:
        """Is there hardly enough for one more video?"""
        return self.is_low and (self.credits or 0) < settings.LOW_BALANCE_CREDITS / 10


class SpendingLimitQuerySet(models.QuerySet["SpendingLimit"]):
    def applying_to(self, user: User) -> Self:
        """This person's own limit and those of their groups. All of them have to hold."""
        groups = user.groups.values("pk")
        limits = self.filter(models.Q(user=user) | models.Q(group__in=groups))
        return limits.select_related("group").order_by("pk")


class SpendingLimit(models.Model):
    """How much one person may ask for, or all members of a group together.

    generation/limits.py says what counts, and keeps it.
    """

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, null=True, blank=True, related_name="spending_limit"
    )
    group = models.OneToOneField(
        Group, on_delete=models.CASCADE, null=True, blank=True, related_name="spending_limit"
    )
    videos_per_day = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: as many as they like. A day is a day of UTC."
    )
    credits_per_month = models.PositiveIntegerField(
        null=True,
        blank=True,
        help_text="Empty: as much as they like. 200 credits are $1; a month is a month of UTC.",
    )

    objects = SpendingLimitQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                name="limit_of_one_user_or_group",
                condition=models.Q(user=None, group__isnull=False)
                | models.Q(user__isnull=False, group=None),
                violation_error_message="Choose one user or one group.",
            )
        ]
        permissions: ClassVar = [("view_spend", "Can see what everybody has spent")]

    def __str__(self) -> str:
        return f"limit of {self.user or self.group}"
