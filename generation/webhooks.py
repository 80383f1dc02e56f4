"""KIE.AI nudges: the video is due at once.

KIE.AI signs a task's id and the time, not the body. So of a callback only the id counts, and it
only means "ask about this task now": what became of it, KIE.AI's own record says.
"""

import json
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.timezone import now
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from gallery.models import Video
from generation import tasks
from generation.callbacks import video_named_by
from generation.kie import snapshot as said
from generation.kie.signature import is_signed

MOST_BYTES = 64 * 1024


@csrf_exempt
@login_not_required
@require_POST
def callback(request: HttpRequest, token: str) -> HttpResponse:
    """A nudge, not the truth. The same answer for news, repetitions and what comes too late."""
    video_id = video_named_by(token)
    if video_id is None:
        return HttpResponse(status=404)
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
        return HttpResponse(status=413)
    task_id = _task_id(request.body)
    if not task_id:
        return HttpResponse(status=400)
    keys = settings.KIE_WEBHOOK_KEYS
    if keys and not is_signed(request.headers, task_id=task_id, keys=keys, at=now()):
        return HttpResponse(status=401)
    if Video.objects.filter(pk=video_id).nudge(task_id=task_id):
        tasks.nudge(tasks.poll_nudged_videos, [str(video_id)])
    # The acknowledgement KIE.AI's pages ask for, within 15 s.
    return JsonResponse({"code": 200, "msg": "success"})


def _task_id(body: bytes) -> str:
    """The one task this body is about, whichever family's shape it has; "" for none or several."""
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(content, Mapping):
        return ""
    named = {said.task_id(value) for value in _ids_in(content) if value}
    return named.pop() if len(named) == 1 else ""


def _ids_in(content: Mapping[str, Any]) -> list[Any]:
    data = content.get("data")
    places = (content, data) if isinstance(data, Mapping) else (content,)
    return [place.get(name) for place in places for name in ("taskId", "task_id")]
