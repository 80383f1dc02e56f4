"""How much of their limits a person has used, wherever a page wants to show it."""

from typing import Any

from django.template import Library

from generation.limits import allowance_of
from videostudio.models import User

register = Library()


@register.inclusion_tag("generation/_allowance.html")
def allowance(user: User) -> dict[str, Any]:
    """A line per limit; nothing for a person without one."""
    return {"allowances": allowance_of(user)}
