"""What a finished video's page offers to be made from it."""

from django.template import Library

from gallery.models import Video
from generation.going_on import WaysOn, ways_on

register = Library()


@register.filter
def ways_on_from(video: Video) -> WaysOn:
    return ways_on(video)
