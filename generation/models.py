"""What making videos has to remember beside the videos themselves."""

from typing import ClassVar, Self

from django.db import models

from gallery.models import InputFile
from videostudio.models import User


class RateLimit(models.Model):
    """One of KIE.AI's limits: when the next call may be made, over all our processes."""

    name = models.CharField(max_length=20, primary_key=True)
    free_at = models.DateTimeField()
    # KIE.AI has asked for a pause.
    paused_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} free at {self.free_at:%H:%M:%S.%f}"


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
