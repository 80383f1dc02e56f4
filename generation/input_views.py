"""What videos are made from: handing in files, the library of earlier ones, a video's own frame."""

import uuid
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.http import require_POST, require_safe

from gallery.models import InputFile, Video
from generation.catalogue import PROVIDERS, for_purpose, slot_named, taking
from generation.inputs import InputRefused, keep_frame, keep_input, keep_video
from generation.offers import offered
from generation.schema import Slot
from videostudio.http import StudioRequest
from videostudio.models import User

LIBRARY_PAGE = 60
MOST_AT_ONCE = 30


@require_POST
def hand_in(request: StudioRequest) -> HttpResponse:
    """Files for one slot: checked and kept, and told as tiles; 422 says why one cannot be used."""
    slot = _slot(request.POST.get("slot", ""), request.POST.get("provider", ""))
    files = []
    for upload in request.FILES.getlist("file")[:MOST_AT_ONCE]:
        try:
            files.append(
                keep_input(
                    upload,
                    size=upload.size or 0,
                    slot=slot,
                    user=request.user,
                    name=upload.name or "",
                )
            )
        except InputRefused as refused:
            return HttpResponse(str(refused), status=422, content_type="text/plain")
    return _tiles(request, slot, files)


@require_safe
def library(request: StudioRequest) -> HttpResponse:
    """Earlier files, newest first: of one kind, for one slot of the form."""
    slot = _slot(request.GET.get("slot", ""), request.GET.get("provider", ""))
    entries = InputFile.objects.for_user(request.user).filter(kind=slot.kind).newest_first()
    context = {"slot": slot, "entries": entries[:LIBRARY_PAGE]}
    return render(request, "generation/_library.html", context)


@require_safe
def tile(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """One earlier file as it stands in a slot of the form."""
    slot = _slot(request.GET.get("slot", ""), request.GET.get("provider", ""))
    entry = get_object_or_404(InputFile.objects.for_user(request.user), pk=pk, kind=slot.kind)
    return _tiles(request, slot, [entry])


@require_POST
def forget(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """Take a file out of the library. Videos made from it keep their own copy."""
    get_object_or_404(InputFile.objects.for_user(request.user), pk=pk).delete()
    return HttpResponse() if request.htmx else redirect("generation:generate")


@require_POST
def use_frame(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """The form with one frame of this video as its picture: the last one, or that at `at`."""
    video = get_object_or_404(Video.objects.for_user(request.user), pk=pk)
    try:
        seconds = float(request.POST["at"]) if "at" in request.POST else None
        frame = keep_frame(video, seconds=seconds)
    except ValueError:
        raise Http404("There is no such moment.") from None
    except InputRefused as refused:
        return _refused(request, video, str(refused))
    return _form_with("image", frame, video, user=request.user)


@require_POST
def use_video(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """The form with this video as its clip."""
    video = get_object_or_404(Video.objects.for_user(request.user), pk=pk)
    try:
        clip = keep_video(video)
    except InputRefused as refused:
        return _refused(request, video, str(refused))
    kind = request.POST.get("kind", "")
    return _form_with("video", clip, video, user=request.user, kind=kind)


def _form_with(
    slot: str, file: InputFile, video: Video, *, user: User, kind: str = ""
) -> HttpResponse:
    """To the form of a service that takes this file, the one the video was made with if it does."""
    query = {f"kept_{slot}": str(file.pk), "parent": str(video.pk)}
    if choices := offered(user):
        made_with = PROVIDERS.get(video.provider, choices[0])
        query["provider"] = (
            for_purpose(made_with, kind, among=choices)
            if kind
            else taking(made_with, {slot}, among=choices)
        ).key
    return redirect(f"{reverse('generation:generate')}?{urlencode(query)}")


def _refused(request: StudioRequest, video: Video, why: str) -> HttpResponse:
    messages.error(request, why)
    return redirect(video)


def _slot(name: str, provider: str) -> Slot:
    slot = slot_named(name, provider=PROVIDERS.get(provider))
    if slot is None:
        raise Http404("There is no such place for files.")
    return slot


def _tiles(request: StudioRequest, slot: Slot, files: list[InputFile]) -> HttpResponse:
    context: dict[str, Any] = {"slot": slot, "files": files}
    return render(request, "generation/_tiles.html", context)
