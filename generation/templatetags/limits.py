"""How much of their limits a person has used, wherever a page wants to show it."""

from decimal import Decimal
from typing import Any

from django.core.cache import caches
from django.template import Library
from django.template.context import Context

from gallery.templatetags.cards import whole
from generation.forms import GenerateForm
from generation.limits import Allowance, allowance_of
from videostudio.models import KieBalance, User

register = Library()

ALLOWANCES_REMEMBERED_SECONDS = 5


@register.inclusion_tag("generation/_allowance.html")
def allowance(user: User) -> dict[str, Any]:
    """A line per limit; nothing for a person without one."""
    allowances = allowance_of(user)
    caches["process"].set(_name(user), allowances, ALLOWANCES_REMEMBERED_SECONDS)
    return {"allowances": allowances}


@register.simple_tag(takes_context=True)
def too_dear(context: Context, form: GenerateForm) -> str:
    """What the form's price is more than, in words; "" where it fits, or nothing is known.

    A word in advance: what decides when it is sent are check_limits() and KIE.AI.
    """
    if form.price is None:
        return ""
    balance: KieBalance | None = context.get("balance")
    # A figure that is old may be past: somebody has topped up meanwhile.
    if balance and balance.is_fresh and form.price.credits > (left := balance.credits or Decimal()):
        return f"more than the {whole(left)} credit{'' if int(left) == 1 else 's'} left at KIE.AI"
    return next((_than(a) for a in _allowances(form.user) if a.is_too_dear(form.price.credits)), "")


def _than(allowance: Allowance) -> str:
    whose = f"the limit of {allowance.group}" if allowance.group else "your limit"
    return f"more than {whose} leaves this month"


def _allowances(user: User) -> list[Allowance]:
    """As the whole form has shown them a moment ago, or anew.

    A change of settings must not wait for sums over a month of videos: whoever tries out settings
    has them asked for once in some seconds, and that is one question where there is no limit.
    """
    known: list[Allowance] | None = caches["process"].get_or_set(
        _name(user), lambda: allowance_of(user), ALLOWANCES_REMEMBERED_SECONDS
    )
    return known or []


def _name(user: User) -> str:
    return f"allowances-{user.pk}"
