"""The gallery: what a person sees of their videos and does with them."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.cache import caches
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.timezone import now
from django.views.decorators.http import require_POST, require_safe

from gallery.models import RAW_ANSWER, Video, VideoQuerySet
from videostudio.health import is_kie_away, is_worker_silent
from videostudio.http import StudioRequest
from videostudio.models import KieBalance, User

PAGE_SIZE = 24
# So far back a video's page shows what it was made from, and so many of what was made from it.
GENERATIONS, MOST_CHILDREN = 4, 12
ANCESTORS = "__".join(["parent"] * GENERATIONS)
# A page that slept through more than this is told in several answers.
MOST_CHANGED = 100
# A page asks this often whether all is well; the processes remember the answer for a moment.
REMEMBERED_SECONDS = 5


@require_safe
def index(request: StudioRequest) -> HttpResponse:
    """The newest videos, or the page of those older than `?before=`."""
    return _page(request, Video.objects.for_user(request.user).kept(), "gallery/index.html")


@require_safe
def trash(request: StudioRequest) -> HttpResponse:
    """What was deleted and can still be brought back."""
    still_here = Video.objects.for_user(request.user).in_trash(since=_oldest_in_trash())
    context = {"trash_days": settings.TRASH_DAYS}
    return _page(request, still_here, "gallery/trash.html", **context)


def _oldest_in_trash() -> datetime:
    return now() - timedelta(days=settings.TRASH_DAYS)


def _page(
    request: StudioRequest, videos: VideoQuerySet, template: str, **context: Any
) -> HttpResponse:
    before = _read_key(request.GET.get("before", ""))
    rows = videos.older_than(*before) if before else videos
    page = list(rows.newest_first()[: PAGE_SIZE + 1])
    is_busy = any(video.is_processing for video in page) or _is_busy(request.user)
    context |= {
        "page": page[:PAGE_SIZE],
        "older": _write_key(page[PAGE_SIZE - 1]) if len(page) > PAGE_SIZE else "",
        "is_first": before is None,
        "now": now(),
        # The version is older than the rows: what changed in between is sent once more.
        **_refresh_context(
            request.user.gallery_version, is_busy=is_busy, is_older=before is not None
        ),
    }
    # The "Show older" link asks for the cards alone.
    part = "#cards" if request.htmx.target == "older" else ""
    return render(request, template + part, context)


@require_safe
def updates(request: StudioRequest) -> HttpResponse:
    """The cards that changed since the page last asked; 204 when none did."""
    latest = request.user.gallery_version
    since = _read_version(request.GET.get("since", ""), latest=latest)
    if since == latest and request.GET.get("trouble", "") == _trouble():
        return HttpResponse(status=204)
    is_older = "older" in request.GET
    videos = Video.objects.for_user(request.user)
    changed = list(videos.changed_since(latest if since is None else since)[:MOST_CHANGED])
    if changed and (len(changed) == MOST_CHANGED or changed[-1].version > latest):
        latest = changed[-1].version
    kept = [video for video in changed if not video.deleted_at]
    context = {
        "changed": [video for video in kept if video.first_version <= (since or 0)],
        "arrived": [v for v in kept if v.first_version > (since or 0) and not is_older],
        "gone": [video for video in changed if video.deleted_at],
        "now": now(),
        # As it is now: a page that has been told of a change is not told again.
        "balance": KieBalance.objects.known(),
        # With more to tell the page has to ask on, even when nothing is processing any more.
        **_refresh_context(
            latest,
            is_busy=len(changed) == MOST_CHANGED or _is_busy(request.user),
            is_older=is_older,
        ),
    }
    return render(request, "gallery/_updates.html", context)


def strip(user: User, *, size: int) -> dict[str, Any]:
    """The newest videos for beside the form, kept up to date like the gallery itself."""
    newest = Video.objects.for_user(user).kept().newest_first()[:size]
    context = _refresh_context(user.gallery_version, is_busy=_is_busy(user), is_older=False)
    return {"strip": newest, **context}


def _is_busy(user: User) -> bool:
    """Is anything of this person's still to change by itself?"""
    return Video.objects.for_user(user).changing().exists()


def _refresh_context(version: int, *, is_busy: bool, is_older: bool) -> dict[str, Any]:
    return {
        "cursor": version,
        "is_busy": is_busy,
        "is_older": is_older,
        "trouble": _trouble() if is_busy else "",
        "refresh_seconds": settings.GALLERY_REFRESH_SECONDS,
    }


def _read_version(text: str, *, latest: int) -> int | None:
    """The version a page says it has seen; None for nonsense and for one that never was."""
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    return int(text) if is_number and int(text) <= latest else None


@require_safe
def detail(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """One video: player, settings, history, actions, what it came from and what came of it."""
    line = Video.objects.for_user(request.user).select_related(ANCESTORS)
    video = get_object_or_404(line, pk=pk)
    # At hand: whoever asks whose it is needs no query.
    video.user = request.user
    children = Video.objects.for_user(request.user).filter(parent=video).newest_first()
    newest = list(children[: MOST_CHILDREN + 1])
    context = {
        "video": video,
        "ancestors": _ancestors(video),
        "children": newest[:MOST_CHILDREN],
        "has_more_children": len(newest) > MOST_CHILDREN,
        "events": video.events.exclude(what=RAW_ANSWER),
        "results": video.results.all(),
        "now": now(),
        "refresh_seconds": settings.GALLERY_REFRESH_SECONDS,
    }
    return render(request, "gallery/detail.html", context)


def _ancestors(video: Video) -> list[Video]:
    """What it was made from, and that in turn, the first one first; one's own only."""
    found: list[Video] = []
    youngest = video
    for _ in range(GENERATIONS):
        if youngest.parent is None or youngest.parent.user_id != video.user_id:
            break
        youngest = youngest.parent
        found.insert(0, youngest)
    return found


@require_POST
def favourite(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """Set the heart, or take it off."""
    video = get_object_or_404(Video.objects.for_user(request.user).kept(), pk=pk)
    video.set_favorite(is_favorite=not video.is_favorite)
    if request.htmx:
        return render(request, "gallery/_favourite.html", {"video": video})
    return redirect(_back(request))


@require_POST
def delete(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """Into the trash, from where it can be brought back."""
    video = get_object_or_404(Video.objects.for_user(request.user), pk=pk)
    video.mark_deleted()
    if request.htmx:
        return render(request, "gallery/_deleted.html", {"video": video})
    messages.success(request, "Moved to trash.", extra_tags=f"undo:{video.pk}")
    return redirect("gallery:index")


@require_POST
def restore(request: StudioRequest, pk: uuid.UUID) -> HttpResponse:
    """Bring a deleted video back."""
    videos = Video.objects.for_user(request.user)
    video = get_object_or_404(
        videos, Q(deleted_at=None) | Q(deleted_at__gt=_oldest_in_trash()), pk=pk
    )
    video.restore()
    if request.htmx:
        return render(request, "gallery/_restored.html", {"video": video, "now": now()})
    messages.success(request, "Your video is back.")
    return redirect("gallery:index")


def _back(request: StudioRequest) -> str:
    """The page a button without JavaScript was pressed on: the gallery or the video's own."""
    referer = request.headers.get("Referer", "")
    return "gallery:index" if "/videos/" not in referer else request.path.removesuffix("favourite/")


def _write_key(video: Video) -> str:
    """Where the next page begins: below this video."""
    return f"{video.created_at.isoformat()}_{video.pk.hex}"


def _read_key(text: str) -> tuple[datetime, uuid.UUID] | None:
    """The key in this text; None, and with it the first page, for nonsense."""
    moment, _, pk = text.partition("_")
    try:
        return datetime.fromisoformat(moment).astimezone(UTC), uuid.UUID(pk)
    except (ValueError, OverflowError):
        return None


def _trouble() -> str:
    """What holds up everybody's videos: "worker", "kie", or "" for nothing."""
    # Asked by every open gallery every 10 s; the answer is the same for all of them.
    return str(caches["process"].get_or_set("trouble", _look_for_trouble, REMEMBERED_SECONDS))


def _look_for_trouble() -> str:
    return "worker" if is_worker_silent() else "kie" if is_kie_away() else ""
