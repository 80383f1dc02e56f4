"""What making videos has to remember beside the videos themselves."""

from collections.abc import Iterable
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

from django.contrib.auth.models import Group
from django.db import models, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from gallery.models import InputFile
from gallery.services import name_of
from videostudio.models import User


class RateLimit(models.Model):
    """One of KIE.AI's limits: when the next call may be made, over all our processes."""

    name = models.CharField(max_length=20, primary_key=True)
    free_at = models.DateTimeField()
    # KIE.AI has asked for a pause.
    paused_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} free at {self.free_at:%H:%M:%S.%f}"


class OfferStamp(models.Model):
    """One row that gets another stamp with every change of what operators have set.

    By it a process knows whether what it remembers of services and prices is still so. A change
    behind Django's back, by SQL, is not seen before the process starts again.
    """

    only = models.BooleanField(primary_key=True, default=True)
    # Not a count: one that was rolled back would come again, and stand for something else.
    stamp = models.UUIDField()

    def __str__(self) -> str:
        return str(self.stamp)

    @classmethod
    def now(cls) -> UUID | None:
        """The stamp of this moment; None: there is none yet. One query."""
        return next(iter(cls.objects.values_list("stamp", flat=True)), None)

    @classmethod
    def renew(cls) -> None:
        """In the transaction of the change: who sees the one sees the other."""
        cls.objects.update_or_create(only=True, defaults={"stamp": uuid4()})


class StampedQuerySet[Row: models.Model](models.QuerySet[Row]):
    """Renews the stamp where Django sends no signal; `renew_stamp` does where it sends one."""

    def update(self, **values: Any) -> int:
        with transaction.atomic():
            changed = super().update(**values)
            OfferStamp.renew()
        return changed

    update.alters_data = True  # type: ignore[attr-defined]  # no template may call it

    def bulk_create(self, *args: Any, **kwargs: Any) -> list[Row]:
        with transaction.atomic():
            made = super().bulk_create(*args, **kwargs)
            OfferStamp.renew()
        return made


class OfferQuerySet(StampedQuerySet["Offer"]):
    def add_missing(self, providers: Iterable[str]) -> None:
        """Have a row for each of these services; what there is stays as it is."""
        known = set(self.values_list("provider", flat=True))
        missing = [Offer(provider=key) for key in providers if key not in known]
        if missing:
            self.bulk_create(missing, ignore_conflicts=True)


class Offer(models.Model):
    """How a service of the catalogue is offered. No row: to everybody, at the catalogue's place."""

    provider = models.CharField("service", max_length=80, unique=True)
    is_offered = models.BooleanField("on", default=True)
    position = models.PositiveSmallIntegerField(
        null=True,
        blank=True,
        help_text="Services with a number come first, the smallest at the top; the others follow "
        "in the catalogue's order.",
    )
    groups = models.ManyToManyField(Group, through="AllowedGroup", related_name="+")
    updated_at = models.DateTimeField(auto_now=True)
    # Empty: nobody has changed it.
    updated_by = models.CharField(max_length=150, blank=True, default="")

    objects = OfferQuerySet.as_manager()

    class Meta:
        verbose_name = "service"

    def __str__(self) -> str:
        return f"{name_of(self.provider)} ({self.provider})"


class AllowedGroup(models.Model):
    """Who may use a service: the members of this group. None named: everybody."""

    offer = models.ForeignKey(Offer, on_delete=models.CASCADE)
    # PROTECT: a group that is deleted must not open to everybody what was kept for it.
    group = models.ForeignKey(Group, on_delete=models.PROTECT)

    objects = StampedQuerySet["AllowedGroup"].as_manager()

    class Meta:
        verbose_name = "group"
        verbose_name_plural = "who may use it (nobody named: everybody)"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["offer", "group"], name="allowed_group_once")
        ]

    def __str__(self) -> str:
        return str(self.group)


class PriceOverride(models.Model):
    """A newer price list for one kind of video of a service, in place of the catalogue's."""

    provider = models.CharField("service", max_length=80)
    generation_type = models.CharField("kind", max_length=20)
    as_of = models.DateField("as of", help_text="The day of the price list.")
    # As in the catalogue's files: [{"when": {…}, "per": "video", "usd": "0.30"}, …]
    lines = models.JSONField("prices")
    source = models.CharField(
        max_length=200, blank=True, default="", help_text="Where these prices are from."
    )
    updated_at = models.DateTimeField(auto_now=True)
    updated_by = models.CharField(max_length=150, blank=True, default="")

    objects = StampedQuerySet["PriceOverride"].as_manager()

    class Meta:
        verbose_name = "newer price list"
        ordering: ClassVar = ["provider", "generation_type"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["provider", "generation_type"],
                name="price_override_once",
                violation_error_message="This kind of video has prices of its own already.",
            )
        ]

    def __str__(self) -> str:
        return f"{name_of(self.provider)} ({self.provider}, {self.generation_type})"


@receiver((post_save, post_delete), sender=Offer)
@receiver((post_save, post_delete), sender=AllowedGroup)
@receiver((post_save, post_delete), sender=PriceOverride)
def renew_stamp(**_: Any) -> None:
    OfferStamp.renew()


class PresetQuerySet(models.QuerySet["Preset"]):
    def for_user(self, user: User) -> Self:
        """The presets this person may see: their own. Every read and write starts here."""
        return self.filter(user_id=user.pk)


class Preset(models.Model):
    """A whole form under a name, to be filled in again."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="presets")
    name = models.CharField(max_length=80)
    provider = models.CharField(max_length=80)
    # What the form had been filled in with, by the names of its fields: a text, or a list of texts
    # where a name came several times.
    values = models.JSONField(default=dict, blank=True)
    # Those that the form held: they stay in the library as long as the preset does.
    files = models.ManyToManyField(InputFile, related_name="presets", blank=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = PresetQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "name"], name="preset_name_once"),
            models.CheckConstraint(name="preset_has_a_name", condition=~models.Q(name="")),
        ]

    def __str__(self) -> str:
        return self.name
