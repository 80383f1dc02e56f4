"""Prompt help: earlier prompts, and forms kept under a name. Each a page; with htmx, a dialog."""

import json
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_safe

from generation.models import Preset
from generation.offers import offered
from generation.presets import (
    NameTaken,
    PresetRefused,
    Values,
    is_offered,
    presets_of,
    rename_preset,
    save_preset,
    values_from,
    values_in,
)
from generation.prompts import LONGEST_SEARCH, earlier_prompts
from videostudio.http import StudioRequest

# The element that the dialog is filled in by, and those inside it that are filled in alone.
DIALOG = "help-sheet"
PARTS = {DIALOG: "#sheet", "past-prompts": "#entries", "more-prompts": "#entries"}
LAST_PAGE = 1000


@require_safe
def history(request: StudioRequest) -> HttpResponse:
    """The person's own earlier prompts, those with the words of `?q=` when there are any."""
    search = request.GET.get("q", "")[:LONGEST_SEARCH]
    page = _page_number(request.GET.get("page", ""))
    since = now() - timedelta(days=settings.TRASH_DAYS)
    prompts, has_older = earlier_prompts(request.user, since=since, search=search, page=page)
    context = {
        "prompts": prompts,
        "search": search,
        "longest": LONGEST_SEARCH,
        "older": page + 1 if has_older and page < LAST_PAGE else None,
        "is_first": page == 1,
    }
    return _sheet(request, "generation/history.html", context)


def _page_number(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= len(str(LAST_PAGE))
    return min(max(int(text), 1), LAST_PAGE) if is_number else 1


@require_http_methods(["GET", "HEAD", "POST"])
def presets(request: StudioRequest) -> HttpResponse:
    """The person's presets; posted, a form is kept under a name."""
    if request.method == "POST":
        return _save(request)
    return _list(request)


def _list(request: StudioRequest, *, done: str = "") -> HttpResponse:
    rows = presets_of(request.user)
    choices = offered(request.user)
    services = [(preset, is_offered(preset, among=choices)) for preset in rows]
    context = {"presets": rows, "services": services, "done": done}
    return _sheet(request, "generation/presets.html", context)


def _save(request: StudioRequest) -> HttpResponse:
    values: Values = {}
    try:
        values = values_from(request.POST.get("values", ""))
        preset = save_preset(
            user=request.user,
            name=request.POST.get("name", ""),
            values=values,
            replace="replace" in request.POST,
        )
    except PresetRefused as refused:
        return _ask_for_name(request, values, refused=refused)
    messages.success(request, f"Saved as “{preset.name}”.")
    if request.htmx:
        context = {"presets": presets_of(request.user)}
        answer = render(request, "generation/_preset_saved.html", context)
        answer.headers["HX-Trigger"] = "helpDone"
        return answer
    return redirect(f"{reverse('generation:generate')}?preset={preset.pk}")


@require_http_methods(["GET", "HEAD", "POST"])
def name_preset(request: StudioRequest) -> HttpResponse:
    """Which name this form is to be kept under. Nothing is kept yet."""
    if request.method != "POST":
        # After signing in again, or by reloading: the form is not at hand any more.
        return redirect("generation:generate")
    return _ask_for_name(request, values_in(request.POST))


def _ask_for_name(
    request: StudioRequest, values: Values, *, refused: PresetRefused | None = None
) -> HttpResponse:
    context = {
        # For the way back to the form as it stood.
        "pairs": [
            (field, text)
            for field, value in values.items()
            for text in ([value] if isinstance(value, str) else value)
        ],
        "values_text": json.dumps(values),
        "names": [preset.name for preset in presets_of(request.user)],
        "name": request.POST.get("name", "") if refused else "",
        "error": refused,
        "is_taken": isinstance(refused, NameTaken),
    }
    status = 422 if refused else 200
    return _sheet(request, "generation/preset_name.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def rename(request: StudioRequest, pk: int) -> HttpResponse:
    """Give a preset another name."""
    preset = get_object_or_404(Preset.objects.for_user(request.user), pk=pk)
    context: dict[str, Any] = {"preset": preset, "name": preset.name}
    if request.method != "POST":
        return _sheet(request, "generation/preset_rename.html", context)
    name = request.POST.get("name", "")
    try:
        rename_preset(preset, name)
    except PresetRefused as refused:
        context |= {"name": name, "error": refused}
        return _sheet(request, "generation/preset_rename.html", context, status=422)
    return _back_to_list(request, "Renamed.")


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: StudioRequest, pk: int) -> HttpResponse:
    """Ask whether a preset is to go; posted, it goes."""
    preset = get_object_or_404(Preset.objects.for_user(request.user), pk=pk)
    if request.method != "POST":
        return _sheet(request, "generation/preset_delete.html", {"preset": preset})
    preset.delete()
    return _back_to_list(request, f"“{preset.name}” is deleted.")


def _back_to_list(request: StudioRequest, done: str) -> HttpResponse:
    if request.htmx:
        return _list(request, done=done)
    messages.success(request, done)
    return redirect("generation:presets")


def _sheet(
    request: StudioRequest, template: str, context: dict[str, Any], *, status: int = 200
) -> HttpResponse:
    """The page, or what the dialog shows of it."""
    target = request.htmx.target or ""
    context |= {"in_dialog": target == DIALOG, "is_part": bool(target)}
    return render(request, template + PARTS.get(target, ""), context, status=status)
