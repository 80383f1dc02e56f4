"""The Generate tab, and the button that asks KIE.AI now."""

import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import now
from django.views.decorators.http import require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRefresh

from gallery.models import Video
from gallery.views import strip
from generation import tasks
from generation.catalogue import PROVIDERS, PURPOSES, Provider, for_purpose, taking
from generation.forms import (
    SETTINGS_OF_ANOTHER,
    FilledIn,
    GenerateForm,
    Kept,
    filled_in_from,
    in_other_places,
    kept_in,
)
from generation.going_on import usual_values
from generation.kie.client import KieClient
from generation.limits import LimitReached
from generation.models import Preset
from generation.offers import Choices, offered
from generation.polling import poll_due_videos
from generation.presets import values_of_preset
from generation.recovery import NotRecovered, attach_task, ids_in, recover_task
from generation.submission import KeyUsedForAnother, Submission, VideoRefused, submit_videos
from videostudio.http import StudioRequest
from videostudio.models import User

STARTED = "Video generation started! Check the Gallery tab to see progress."
BEING_SENT = "This video is being sent already. Look into the Gallery tab in a moment."
ALREADY_SENT = (
    "This form was already sent with other content, and that video is being made. "
    "Press Generate video again to make this one as well."
)
STRIP_SIZE = 12
MOST_RECOVERED = 20
REFRESH_PAUSE = timedelta(seconds=3)
# The rest is for the worker: a page does not wait for KIE.AI longer than it must.
MOST_REFRESHED = 20


@require_http_methods(["GET", "HEAD", "POST"])
def generate(request: StudioRequest) -> HttpResponse:
    """The form; sent, it starts a video. What was typed survives every error."""
    choices = offered(request.user)
    if not choices:
        # The page that a form stands in is out of date then: as a whole it says so.
        nothing = render(request, "generation/nothing_offered.html")
        return HttpResponseClientRefresh() if request.htmx else nothing
    if request.method == "POST":
        return _submit(request, choices)
    return _show(request, _form_to_show(request, choices), part=_part_for(request))


def _part_for(request: StudioRequest) -> str:
    """A change of service or of a setting swaps the settings alone."""
    return "#settings" if request.htmx.target == "settings" else ""


def _submit(request: StudioRequest, choices: Choices) -> HttpResponse:
    typed = _typed(request.POST)
    kept, lost = kept_in(typed, user=request.user)
    form = GenerateForm(
        typed,
        request.FILES,
        user=request.user,
        provider=_chosen(typed, choices),
        parent=_earlier(request, typed),
        kept=kept,
        lost=lost,
        choices=choices,
    )
    is_valid = form.is_valid()
    if {"crop", "show_settings"} & typed.keys():
        # A picture is to be cropped; or without JavaScript another service was chosen, or a draft
        # is back. Nothing is to be sent.
        slot, _, file_id = typed.get("crop", "").partition(":")
        outcome = form.crop(slot, file_id)
        unsent = form.unsent()
        unsent.notes += (*lost.values(), *([outcome] if outcome else []))
        return _show(request, unsent, part=_part_for(request))
    if form.has_error("provider", SETTINGS_OF_ANOTHER):
        # Of the other service's settings some cannot be here, and what takes their place may cost
        # more: it is shown, with its price, before anything is sent.
        unsent = form.unsent()
        unsent.notes = (*form.errors["provider"], *unsent.notes)
        return _show(request, unsent, status=422)
    if not is_valid or form.request is None:
        return _show(request, form, status=422)
    try:
        submission = submit_videos(
            user=request.user,
            request=form.request,
            client=KieClient.from_settings(),
            idempotency_key=form.cleaned_data["idempotency_key"],
            number=form.number,
        )
    except (VideoRefused, LimitReached) as refusal:
        form.add_error(None, refusal.user_message)
        return _show(request, form, status=422)
    except KeyUsedForAnother:
        form.use_new_key()
        form.add_error(None, ALREADY_SENT)
        return _show(request, form, status=422)
    tasks.nudge_balance()
    if any(video.stage == Video.Stage.QUEUED for video in submission.videos):
        tasks.nudge(tasks.send_queued_videos)
    if submission.is_under_way:
        # The first of two clicks is still on its way, and may yet be refused: the form stays as
        # it is, with its key, so that pressing again can never make a second video.
        messages.info(request, BEING_SENT)
        return _show(request, form)
    _tell_what_was_started(request, submission, asked_for=form.number)
    first = submission.videos[0]
    if not request.htmx:
        query: dict[str, Any] = {"from": first.pk, "again": 1, "variations": form.number}
        return redirect(f"{reverse('generation:generate')}?{urlencode(query)}")
    again = _form_again(first, number=form.number, choices=choices)
    return _show(request, again, started=submission.videos)


def _tell_what_was_started(
    request: StudioRequest, submission: Submission, *, asked_for: int
) -> None:
    started = len(submission.videos)
    if submission.refusal:
        words = f"{started} of {asked_for} videos were started. KIE.AI would not take the next: "
        messages.error(request, words + submission.refusal.user_message)
    elif started > 1:
        messages.success(request, f"{STARTED} {started} are on their way.", extra_tags="gallery")
    else:
        messages.success(request, STARTED, extra_tags="gallery")


def _form_to_show(request: StudioRequest, choices: Choices) -> GenerateForm:
    """For `?provider=`, filled in from `?from=` and with what stands in the form already.

    With `?again` it is the form that has just made that video, and not another one after it;
    with `?preset=` as that one kept it.
    """
    typed = _typed(request.GET)
    if "preset" in typed:
        return _form_of(request, _preset(request, str(typed["preset"])), choices)
    source = typed.pop("from", [""])[-1]
    video = _video(request, source) if source else None
    if video and "again" in typed:
        return _form_again(video, number=typed.get("variations", 1), choices=choices)
    if video and "provider" not in typed:
        return _form_from(video, parent=_line_of(video), choices=choices)
    filled_in = filled_in_from(video) if video else FilledIn({}, {})
    kept: Kept = {**filled_in.kept, **kept_in(typed, user=request.user)[0]}
    places = [name for name, files in kept.items() for _ in files]
    parent = _earlier(request, typed) or (video and _line_of(video))
    provider = _chosen(typed, choices)
    if kind := typed.get("kind"):
        provider = for_purpose(provider, kind, places, among=choices)
    elif "follow" in typed and not provider.takes(places):
        # The files decide: what was chosen before they came does not take them.
        provider = taking(provider, places, among=choices)
        if not provider.takes(places):
            provider, kept = in_other_places(provider, kept, among=choices)
    values = filled_in.values
    if parent and not video and "settings_of" not in typed:
        # Just come from that video's page: as it was made, as far as the service goes along.
        values = usual_values(parent, provider.mode_for(kept.keys()) or provider.modes[0])
    form = GenerateForm.holding(
        {**values, **typed.dict()},
        user=request.user,
        provider=provider,
        parent=parent,
        kept=kept,
        choices=choices,
    )
    form.notes += _not_offered(typed.get("provider", ""), choices) + filled_in.gone
    return form


def _typed(query: QueryDict) -> QueryDict:
    """What stands in the form; on the way back to the service before, what was chosen for it."""
    typed = query.copy()
    if "back" in query:
        typed.update(QueryDict(str(query["back"])))
    return typed


def _form_again(video: Video, *, number: Any, choices: Choices) -> GenerateForm:
    """The form as it was when it made this video, with a new key: ready for the next one."""
    return _form_from(video, parent=video.parent, choices=choices, variations=number)


def _form_from(
    video: Video, *, parent: Video | None, choices: Choices, **more: Any
) -> GenerateForm:
    """The form as this video was made: a new key, the same prompt, settings and files."""
    filled_in = filled_in_from(video)
    form = GenerateForm.holding(
        {**filled_in.values, **more},
        user=video.user,
        provider=_offered_or_first(video.provider, choices),
        parent=parent,
        kept=filled_in.kept,
        choices=choices,
    )
    form.notes += _not_offered(video.provider, choices) + filled_in.gone
    return form


def _line_of(video: Video) -> Video | None:
    """What a video that is made like this one comes from.

    Another one of a video that was made comes from it. Trying again is no child of what failed,
    and what takes up a task of KIE.AI's takes up the same one: both come from where it came from.
    """
    provider = PROVIDERS.get(video.provider)
    return video.parent if not video.was_made or (provider and provider.continues) else video


def _form_of(request: StudioRequest, preset: Preset, choices: Choices) -> GenerateForm:
    """The form as this preset kept it. Of a file that is gone it says so."""
    key, values = values_of_preset(preset)
    kept, lost = kept_in(values, user=request.user)
    parent = _earlier(request, values)
    form = GenerateForm.holding(
        values.dict(),
        user=request.user,
        provider=_offered_or_first(key, choices),
        parent=parent,
        kept=kept,
        choices=choices,
    )
    form.notes += tuple(lost.values())
    return form


def _video(request: StudioRequest, text: str) -> Video:
    try:
        return get_object_or_404(Video.objects.for_user(request.user), pk=uuid.UUID(text))
    except ValueError:
        raise Http404("There is no such video.") from None


def _preset(request: StudioRequest, text: str) -> Preset:
    try:
        return get_object_or_404(Preset.objects.for_user(request.user), pk=int(text))
    except ValueError:
        raise Http404("There is no such preset.") from None


def _earlier(request: StudioRequest, query: QueryDict) -> Video | None:
    """The video that the form goes on from; None when it names none."""
    text = query.get("parent", "")
    return _video(request, text) if text else None


def _chosen(query: QueryDict, choices: Choices) -> Provider:
    """The service asked for, else the first one offered."""
    return _offered_or_first(query.get("provider", ""), choices)


def _not_offered(key: str, choices: Choices) -> tuple[str, ...]:
    """A note where a service was asked for that is not among these; another one may cost more."""
    asked = PROVIDERS.get(key)
    return () if asked is None or asked in choices else (f"{asked.label} is not offered now",)


def _offered_or_first(key: str, choices: Choices) -> Provider:
    return next((provider for provider in choices if provider.key == key), choices[0])


def _show(
    request: StudioRequest,
    form: GenerateForm,
    *,
    part: str = "",
    status: int = 200,
    started: Sequence[Video] = (),
) -> HttpResponse:
    context: dict[str, Any] = {
        "form": form,
        "chosen": form.chosen,
        "purposes": PURPOSES,
        "started": started,
        "now": now(),
    }
    if request.htmx and not part:
        return render(request, "generation/_form.html", context, status=status)
    if not part:
        context |= strip(request.user, size=STRIP_SIZE)
    return render(request, f"generation/generate.html{part}", context, status=status)


@require_POST
def refresh(request: StudioRequest) -> HttpResponse:
    """Ask KIE.AI about this person's videos now, at most once in 3 seconds."""
    if request.user.may_refresh(at=now(), pause=REFRESH_PAUSE):
        Video.objects.for_user(request.user).kept().make_due()
        report = poll_due_videos(
            client=KieClient.from_settings(), user=request.user, limit=MOST_REFRESHED
        )
        if report.finished:
            tasks.nudge(tasks.archive_videos)
            tasks.nudge_balance()
    if request.htmx:
        # The page then asks for what changed, by the way it always does.
        return HttpResponse(status=204, headers={"HX-Trigger": "refreshed"})
    return redirect("gallery:index")


@require_http_methods(["GET", "HEAD", "POST"])
def recover(request: StudioRequest) -> HttpResponse:
    """Paste the ids of tasks: each becomes a video here, or a sentence says why it cannot."""
    typed = request.POST.get("task_ids", "")
    ids = ids_in(typed)
    context: dict[str, Any] = {"typed": typed, "most": MOST_RECOVERED}
    if request.method == "POST" and not ids:
        context["error"] = "Paste at least one task id."
    elif len(ids) > MOST_RECOVERED:
        context["error"] = f"At most {MOST_RECOVERED} at once, please; these are {len(ids)}."
    elif ids:
        context["outcomes"] = _recovered(ids, user=request.user)
    status = 422 if "error" in context else 200
    return render(request, "generation/recover.html", context, status=status)


def _recovered(ids: list[str], *, user: User) -> list[dict[str, Any]]:
    """What came of each id: a video, or why there is none."""
    client = KieClient.from_settings()
    outcomes: list[dict[str, Any]] = []
    for task_id in ids:
        outcome: dict[str, Any] = {"task_id": task_id[:128]}
        try:
            outcome["recovered"] = recover_task(
                task_id, user=user, client=client, by=user.get_username()
            )
        except NotRecovered as error:
            outcome["why"] = str(error)
        outcomes.append(outcome)
    tasks.nudge(tasks.archive_videos)
    return outcomes


@require_POST
def attach(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """Check whether this task is the one that this video never heard of."""
    video = get_object_or_404(Video.objects.for_user(request.user), pk=pk)
    client = KieClient.from_settings()
    try:
        attach_task(
            video,
            request.POST.get("task_id", ""),
            client=client,
            by=request.user.get_username(),
        )
    except NotRecovered as error:
        messages.error(request, str(error))
    else:
        tasks.nudge(tasks.archive_videos)
        messages.success(request, "That is it: KIE.AI's record proves it. The video goes on.")
    return redirect(video)
