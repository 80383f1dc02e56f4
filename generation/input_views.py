"""What videos are made from: handing in files, the library of earlier ones, a video's own frame."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from gallery.models import InputFile, Video
from generation.catalogue import PROVIDERS, Provider, slot_named, taking
from generation.going_on import clip_slot, service_for
from generation.inputs import (
    InputRefused,
    keep_frame,
    keep_upload,
    keep_video,
    refuse_what_does_not_fit,
)
from generation.offers import offered
from generation.schema import Slot
from videostudio.http import StudioRequest

NOT_TAKEN = "No service that is offered here takes this video for that."
LIBRARY_PAGE = 60
MOST_AT_ONCE = 30


@require_POST
def hand_in(request: StudioRequest) -> HttpResponse:
    """Files for one slot: checked and kept, and told as tiles; 422 says why one cannot be used."""
    slot = _slot(request.POST.get("slot", ""), request.POST.get("provider", ""))
    files = []
    for upload in request.FILES.getlist("file")[:MOST_AT_ONCE]:
        try:
            files.append(keep_upload(upload, slot=slot, user=request.user))
        except InputRefused as refused:
            return _why_not(refused)
    return _tiles(request, slot, files)


@require_safe
def earlier_files(request: StudioRequest) -> HttpResponse:
    """Earlier files, newest first: of one kind, for one slot of the form."""
    slot = _slot(request.GET.get("slot", ""), request.GET.get("provider", ""))
    entries = InputFile.objects.for_user(request.user).filter(kind=slot.kind).newest_first()
    context = {"slot": slot, "entries": entries[:LIBRARY_PAGE]}
    return render(request, "generation/_library.html", context)


@require_safe
def tile(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """One earlier file as it stands in a slot of the form; 422 says why it cannot."""
    slot = _slot(request.GET.get("slot", ""), request.GET.get("provider", ""))
    entry = get_object_or_404(InputFile.objects.for_user(request.user), pk=pk, kind=slot.kind)
    try:
        refuse_what_does_not_fit(slot, entry)
    except InputRefused as refused:
        return _why_not(refused)
    return _tiles(request, slot, [entry])


@require_POST
def forget(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """Take a file out of the library. Videos made from it keep their own copy."""
    get_object_or_404(InputFile.objects.for_user(request.user), pk=pk).delete()
    return HttpResponse() if request.htmx else redirect("generation:generate")


@require_POST
def use_frame(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """The form with one frame of this video as its picture: the last one, or that at `at`."""
    video = get_object_or_404(Video.objects.for_user(request.user).kept(), pk=pk)
    moment = request.POST.get("at", "").strip()
    try:
        frame = keep_frame(video, seconds=float(moment) if moment else None)
    except ValueError:
        raise Http404("There is no such moment.") from None
    except InputRefused as refused:
        return _refused(request, video, str(refused))
    choices = offered(request.user)
    made_with = PROVIDERS.get(video.provider) or choices[0]
    return _form_with("image", frame, video, taking(made_with, {"image"}, among=choices))


@require_POST
def use_video(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """The form with this video as its clip, for the service or the kind of video that is named."""
    video = get_object_or_404(Video.objects.for_user(request.user).kept(), pk=pk)
    found = _service_for(video, request.POST)
    if found is None:
        return _refused(request, video, NOT_TAKEN)
    chosen, slot = found
    try:
        clip = keep_video(video)
    except InputRefused as refused:
        return _refused(request, video, str(refused))
    return _form_with(slot.name, clip, video, chosen)


def _service_for(video: Video, asked: QueryDict) -> tuple[Provider, Slot] | None:
    choices = offered(video.user)
    if key := asked.get("provider"):
        named = (p for p in choices if p.key == key and not p.continues)
        slots = ((p, clip_slot(mode)) for p in named for mode in p.modes)
        return next(((p, slot) for p, slot in slots if slot), None)
    return service_for(video, asked.get("kind", "vid2vid"), among=choices)


def _form_with(slot: str, file: InputFile, video: Video, chosen: Provider) -> HttpResponse:
    query: dict[str, Any] = {f"kept_{slot}": file.pk, "provider": chosen.key, "parent": video.pk}
    return redirect(f"{reverse('generation:generate')}?{urlencode(query)}")


def _refused(request: StudioRequest, video: Video, why: str) -> HttpResponse:
    messages.error(request, why)
    return redirect(video)


def _why_not(refused: InputRefused) -> HttpResponse:
    return HttpResponse(str(refused), status=422, content_type="text/plain")


def _slot(name: str, provider: str) -> Slot:
    slot = slot_named(name, provider=PROVIDERS.get(provider))
    if slot is None:
        raise Http404("There is no such place for files.")
    return slot


def _tiles(request: StudioRequest, slot: Slot, files: list[InputFile]) -> HttpResponse:
    context: dict[str, Any] = {"slot": slot, "files": files}
    return render(request, "generation/_tiles.html", context)
