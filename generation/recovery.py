"""Bringing home what was paid for and has no video here: by the id of its task.

KIE.AI's own record is asked, and believed: it says what was made, from what, and (by the address
for callbacks that it echoes) whose it is. Works for 14 days, also for what was made elsewhere.
"""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.timezone import now

from gallery.models import Stage, Status, Video
from generation.callbacks import names_video, video_in
from generation.catalogue import PROVIDERS, mode_of
from generation.kie import snapshot as said
from generation.kie.budget import sleep_until, status_queries
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieRefused
from generation.kie.families import FAMILIES, Family
from generation.kie.snapshot import TaskRequest, TaskSnapshot
from generation.price_list import price_for
from generation.prices import Inputs
from generation.recording import record
from generation.request import UNSTORABLE, resolution_of
from videostudio.models import User

logger = logging.getLogger(__name__)

TURN_WAITS = timedelta(seconds=5)
MOST_PROMPT = 20_000
MOST_SETTINGS = 40

NO_ID = "This is not a task id. It stands beside the task in KIE.AI's log (kie.ai/logs)."
UNKNOWN = (
    "KIE.AI knows no such task of yours. Its records end after 14 days; check the id in KIE.AI's "
    "log (kie.ai/logs)."
)
NO_ANSWER = "KIE.AI gave no answer about this task. Nothing is lost; please try again in a minute."
ANOTHER_PROMPT = (
    "This task was made from another prompt or with another service, so it is not this video. "
    "Bring it home as a video of its own from your profile."
)
ALREADY_THERE = "This task is another video of yours already."
HAS_A_TASK = "This video has its task already."


class NotRecovered(Exception):
    """This task was not brought home; `str()` is a sentence for the person who asked."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """A task that is a video now. `is_new`: it was none before."""

    video: Video
    is_new: bool


def recover_task(task_id: str, *, user: User, client: KieClient, by: str = "") -> Recovered:
    """Make this task a video of that person's, or find the one it is. Raises NotRecovered.

    A task that one of our own videos has been waiting for becomes that video, not a second one.
    """
    task_id = _checked(task_id)
    if known := Video.objects.filter(task_id=task_id).first():
        # Not a word about somebody else's video.
        if known.user_id != user.pk:
            raise NotRecovered(UNKNOWN)
        known.restore()
        return Recovered(known, is_new=False)
    family, snapshot = _ask(task_id, client=client)
    if waiting := _video_waiting_for(snapshot.request, user=user):
        _attach(waiting, task_id, snapshot, by=by)
        return Recovered(waiting, is_new=False)
    try:
        video = _adopt(task_id, family, snapshot, user=user, by=by)
    except IntegrityError:
        # Twice the same id at the same moment: the first one made it.
        return recover_task(task_id, user=user, client=client, by=by)
    return Recovered(video, is_new=True)


def attach_task(video: Video, task_id: str, *, client: KieClient, by: str = "") -> None:
    """Give this video, whose creation was never answered, its task. Raises NotRecovered."""
    task_id = _checked(task_id)
    if video.task_id:
        raise NotRecovered(HAS_A_TASK)
    if other := Video.objects.filter(task_id=task_id).first():
        raise NotRecovered(ALREADY_THERE if other.user_id == video.user_id else UNKNOWN)
    _, snapshot = _ask(task_id, client=client)
    if not _is_task_of(video, snapshot.request):
        raise NotRecovered(ANOTHER_PROMPT)
    _attach(video, task_id, snapshot, by=by)


def ids_in(text: str) -> list[str]:
    """The ids in what somebody pasted: one per line, or between commas and spaces; each once."""
    return list(dict.fromkeys(re.findall(r"[^\s,;]+", text)))


def _checked(text: str) -> str:
    task_id = said.task_id(text.strip())
    if not task_id:
        raise NotRecovered(NO_ID)
    return task_id


def _ask(task_id: str, *, client: KieClient) -> tuple[Family, TaskSnapshot]:
    """The family that knows this task, and what it says. Raises NotRecovered."""
    is_unanswered = False
    for family in _families(task_id):
        turn = status_queries().reserve(1, within=TURN_WAITS)
        if not turn:
            raise NotRecovered(NO_ANSWER)
        sleep_until(turn[0])
        try:
            return _placed(client.fetch_task(task_id, family=family), asked=family)
        except KieError as error:
            # A refusal is this family's "never heard of it"; whatever else, it may yet know it.
            is_unanswered |= error.is_silence or not isinstance(error, KieRefused)
            logger.info("recovery_unanswered task=%s family=%s: %s", task_id, family.name, error)
    raise NotRecovered(NO_ANSWER if is_unanswered else UNKNOWN)


def _families(task_id: str) -> Iterator[Family]:
    """One for each place that can be asked, the one whose name the id carries first."""
    by_place: dict[str, Family] = {}
    for family in FAMILIES.values():
        # Where asking is creating, there is nothing to be found.
        if family.own_id is None:
            by_place.setdefault(family.status_path, family)
    yield from sorted(by_place.values(), key=lambda family: not task_id.startswith(family.name))


def _placed(snapshot: TaskSnapshot, *, asked: Family) -> tuple[Family, TaskSnapshot]:
    """Which of the families that share a record made this task, told by what its request names.

    A request that names no model gets the one that it was sent to.
    """
    request = snapshot.request
    names = ("taskId" in request.fields, bool(request.model))
    sharing = (f for f in FAMILIES.values() if f.status_path == asked.status_path)
    family = next((f for f in sharing if names == (f.names_task, not f.model)), asked)
    request = replace(request, model=request.model or family.model)
    return family, replace(snapshot, request=request)


def _video_waiting_for(request: TaskRequest, *, user: User) -> Video | None:
    """Our own video that this request was sent for. Raises NotRecovered when it is another's."""
    named = video_in(request.call_back_url)
    if named and (video := Video.objects.filter(pk=named).first()):
        if video.user_id != user.pk or video.task_id:
            raise NotRecovered(UNKNOWN)
        return video
    waiting = (
        Video.objects.for_user(user)
        .filter(task_id="")
        .filter(Q(stage=Stage.UNCONFIRMED) | Q(status=Status.FAILED))
    )
    if not _prompt(request) and not _task_taken_up(request):
        # Nothing by which one could be told from another.
        return None
    alike = waiting.filter(model=request.model).select_related("parent")
    return next((video for video in alike if _says_the_same(video, request)), None)


def _is_task_of(video: Video, request: TaskRequest) -> bool:
    """Was this request sent for this video? Its callback address proves it, else its content."""
    if video_in(request.call_back_url):
        return names_video(request.call_back_url, video.pk)
    return request.model in {"", video.model} and _says_the_same(video, request)


def _says_the_same(video: Video, request: TaskRequest) -> bool:
    """The same words, and the same earlier task that is taken up, if any."""
    taken_up = _task_taken_up(request)
    if taken_up and (video.parent is None or video.parent.task_id != taken_up):
        return False
    provider = PROVIDERS.get(video.provider)
    mode = provider.mode_of_type(video.generation_type) if provider else None
    sent = video.prompt if mode is None or mode.takes_prompt else ""
    return sent.split() == _prompt(request).split()


def _task_taken_up(request: TaskRequest) -> str:
    """The earlier task that this one goes on from; "" for none."""
    return said.task_id(request.fields.get("taskId") or request.fields.get("task_id"))


def _video_taken_up(request: TaskRequest, *, user: User) -> Video | None:
    """This person's video of that task. Raises NotRecovered when it is another's."""
    taken_up = _task_taken_up(request)
    video = Video.objects.filter(task_id=taken_up).first() if taken_up else None
    if video and video.user_id != user.pk:
        raise NotRecovered(UNKNOWN)
    return video


def _attach(video: Video, task_id: str, snapshot: TaskSnapshot, *, by: str) -> None:
    try:
        video.mark_accepted(task_id=task_id)
    except IntegrityError:
        raise NotRecovered(ALREADY_THERE) from None
    video.refresh_from_db()
    if video.task_id != task_id:
        raise NotRecovered(HAS_A_TASK)
    video.events.create(what="task attached", detail=task_id, by=by)
    video.restore()
    record(video, snapshot)


def _adopt(task_id: str, family: Family, snapshot: TaskSnapshot, *, user: User, by: str) -> Video:
    """A new video of this person's, as KIE.AI's record tells it."""
    at = now()
    made_at = min(snapshot.created_at or at, at)
    parent = _video_taken_up(snapshot.request, user=user)
    with transaction.atomic():
        video = Video.objects.create(
            user=user,
            task_id=task_id,
            family=family.name,
            prompt=_prompt(snapshot.request) or (parent.prompt if parent else ""),
            parent=parent,
            stage=Stage.RUNNING,
            created_at=made_at,
            accepted_at=made_at,
            next_poll_at=at,
            **_columns(snapshot.request, parent=parent),
        )
        video.events.create(what="recovered", detail=task_id, by=by)
    logger.info("video_recovered video=%s task=%s user=%s", video.pk, task_id, user.pk)
    record(video, snapshot, at=snapshot.completed_at)
    return video


def _prompt(request: TaskRequest) -> str:
    return said.prompt(request.fields.get("prompt"), most=MOST_PROMPT)


def _columns(request: TaskRequest, *, parent: Video | None) -> dict[str, Any]:
    """What the catalogue knows of such a request; of a model it does not have, what it says."""
    if choice := mode_of(request.model, request.fields):
        provider, mode = choice
        values = mode.values_in(request.fields)
        fields = mode.input_for(prompt="", values=values)
        inputs = Inputs(
            counts=mode.counts_in(request.fields),
            source_resolution=resolution_of(parent) if parent else "",
        )
        price, seconds = price_for(provider, mode, fields, inputs), mode.seconds_of(fields)
        return {
            "provider": provider.key,
            "model": mode.model,
            "generation_type": mode.generation_type,
            "parameters": values,
            "aspect_ratio": str(values.get("aspect_ratio") or ""),
            "duration": round(seconds) if seconds else None,
            "cost_estimated": price.credits if price else None,
            "price_as_of": price.as_of if price else None,
        }
    model = request.model or "unknown"
    has_picture = any("image" in name or "frame" in name for name in request.fields)
    return {
        "provider": f"kie-{re.sub(r'[^a-z0-9]+', '-', model.lower()).strip('-')}"[:80],
        "model": model,
        "generation_type": "img2vid" if has_picture else "text2vid",
        "parameters": _plain(request.fields),
    }


def _plain(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The settings among somebody's fields: short and storable, no addresses, not the prompt."""
    return {
        name: value
        for name, value in list(fields.items())[:MOST_SETTINGS]
        if name != "prompt"
        and re.fullmatch(r"\w{1,60}", name)
        and (
            isinstance(value, bool)
            or (isinstance(value, int | float) and abs(value) < 10**9)
            or (
                isinstance(value, str)
                and len(value) <= 200
                and "://" not in value
                and not UNSTORABLE.search(value)
            )
        )
    }
