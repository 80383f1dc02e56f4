"""The presets beside the form, whichever view shows it."""

from typing import Any

from django.template import Library
from django.template.context import Context

from generation.presets import is_offered, presets_of

register = Library()


@register.simple_tag(takes_context=True)
def preset_help(context: Context) -> dict[str, Any]:
    """This person's presets, and the one the form was filled in from, with what to say about it."""
    request = context["request"]
    presets = presets_of(request.user)
    asked = request.GET.get("preset", "")
    applied = next((preset for preset in presets if str(preset.pk) == asked), None)
    choices = context["form"].choices
    is_gone = applied is not None and not is_offered(applied, among=choices)
    return {"presets": presets, "applied": applied, "is_gone": is_gone}
