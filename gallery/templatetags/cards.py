"""How a card says things: services, times, prices and events in words."""

from datetime import datetime
from decimal import Decimal
from uuid import UUID

from django.template import Library
from django.urls import get_script_prefix
from django.utils.safestring import SafeString, mark_safe
from django.utils.timezone import now

from gallery.failures import Failure, Step
from gallery.models import Video
from gallery.services import mark_of, name_of
from gallery.waiting import Waiting
from videostudio.models import User

register = Library()

# Of a prompt, on a card.
MOST_TITLE = 200
# One credit of KIE.AI's in dollars.
USD_PER_CREDIT = Decimal("0.005")

EVENTS = {
    "requested": "Requested",
    "accepted": "Accepted by KIE.AI",
    "accepted after it was given up": "Accepted late",
    "not sent": "Could not be sent yet, waiting for its turn",
    "unconfirmed": "Sent, but no answer came: not sent again",
    "KIE.AI succeeded": "Rendered, now being saved",
    "archived": "Saved",
    "not saved yet": "Saving did not work yet, trying again",
    "could not be saved": "Could not be saved",
    "completed with KIE.AI's link": "Ready at KIE.AI, not saved yet",
    "deleted": "Moved to trash",
    "restored": "Brought back from trash",
}


register.filter("service", name_of)
register.filter("mark", mark_of)


@register.filter
def title(video: Video) -> str:
    """What it is called: its prompt; where its service took none, the service."""
    return video.prompt[:MOST_TITLE] or name_of(video.provider)


@register.filter
def spelled(pk: UUID) -> SafeString:
    """The id as text, made once: a card says it a dozen times."""
    return mark_safe(str(pk))  # noqa: S308  # hexadecimal digits and dashes


@register.filter
def address(pk: UUID) -> SafeString:
    """Where this video's page is, as gallery/urls.py has it; reversing it costs ten times that."""
    return mark_safe(f"{get_script_prefix()}videos/{pk}/")  # noqa: S308  # as above


@register.filter
def elapsed(since: datetime) -> str:
    """The time from then to now as 1:42 or 1:02:03."""
    minutes, seconds = divmod(max(int((now() - since).total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


@register.filter
def spoken(since: datetime) -> str:
    """The time from then to now for who listens: "1 minute 42 elapsed"."""
    minutes, seconds = divmod(max(int((now() - since).total_seconds()), 0), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{_many(hours, 'hour')} {_many(minutes, 'minute')} elapsed"
    return (
        f"{_many(minutes, 'minute')} {seconds} elapsed"
        if minutes
        else f"{_many(seconds, 'second')} elapsed"
    )


def _many(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


@register.filter
def ago(at: datetime) -> str:
    """How long ago that was, as short as can be: "5 min ago"; a date when it is weeks ago."""
    seconds = (now() - at).total_seconds()
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min ago"
    if seconds < 24 * 3600:
        return f"{seconds // 3600:.0f} h ago"
    if seconds < 14 * 24 * 3600:
        return f"{seconds // (24 * 3600):.0f} d ago"
    return f"{at.day} {at:%b %Y}"


@register.filter
def dollars(usd: Decimal) -> str:
    """To the cent, or further where a price goes further."""
    return f"${usd:,.2f}" if usd == round(usd, 2) else f"${usd.normalize():,f}"


@register.filter
def plain(number: Decimal) -> str:
    """Without the zeros a database adds: 60, not 60.00."""
    return f"{number.normalize():,f}"


@register.filter
def whole(credits: Decimal) -> str:
    """Only what is there in full: 812 of 812.75 credits."""
    return f"{int(credits):,}"


@register.filter
def in_dollars(credits: Decimal) -> str:
    return dollars(credits * USD_PER_CREDIT)


@register.filter
def to_the_cent(credits: Decimal) -> str:
    """In dollars, where many are added up: nobody counts the tenths of cents."""
    return f"${credits * USD_PER_CREDIT:,.2f}"


@register.filter
def waiting(video: Video) -> Waiting:
    """A processing video, as it stands now, in words."""
    return Waiting(video, now())


@register.filter
def steps_for(failure: Failure, user: User) -> tuple[Step, ...]:
    """What this person can do about it."""
    return (failure.operator_steps if user.is_staff else ()) or failure.steps


@register.filter
def money(video: Video) -> str:
    """What a failed video cost, as far as anybody knows. Nothing is promised in KIE.AI's name."""
    if video.why_failed.is_unsent:
        return "Never sent, so nothing was charged."
    estimate = video.cost_estimated
    guess = "Price unknown." if estimate is None else f"Estimated {in_dollars(estimate)}."
    if video.cost_consumed is not None:
        if not video.cost_consumed:
            return f"{guess} KIE.AI's record says nothing was charged."
        taken = f"{plain(video.cost_consumed)} credits ({in_dollars(video.cost_consumed)})"
        return f"KIE.AI's record says {taken} were taken. KIE.AI decides about refunds."
    if video.task_id:
        return f"{guess} KIE.AI decides about refunds."
    if video.is_perhaps_charged:
        return f"Perhaps charged. {guess} KIE.AI decides about refunds."
    return "KIE.AI refused it before a task was made."


@register.filter
def event(what: str) -> str:
    """What befell a video, for its owner."""
    return EVENTS.get(what, what[:1].upper() + what[1:])
