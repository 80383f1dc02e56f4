"""What making videos has to remember beside the videos themselves."""

from django.db import models


class RateLimit(models.Model):
    """One of KIE.AI's limits: when the next call may be made, over all our processes."""

    name = models.CharField(max_length=20, primary_key=True)
    free_at = models.DateTimeField()
    # KIE.AI has asked for a pause.
    paused_until = models.DateTimeField(null=True, blank=True)

    def __str__(self) -> str:
        return f"{self.name} free at {self.free_at:%H:%M:%S.%f}"
