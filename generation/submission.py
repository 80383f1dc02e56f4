"""From a request to a task of KIE.AI: the row first, then the call that may cost money.

Only what provably never reached KIE.AI is sent again; whatever is unclear waits for proof.
"""

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.timezone import now

from gallery.failures import FAILURES, recognise
from gallery.models import ASK_AFTER, CLAIM, USUAL_TIME_OF, Stage, Video
from generation import outage
from generation.acceptance import keep_acceptance, write_down_kept_acceptances
from generation.callbacks import callback_url
from generation.catalogue import PROVIDERS, Mode
from generation.inputs import content_for
from generation.kie.budget import creations, sleep_until
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieNotSent, KieRefused, KieUnclear
from generation.limits import LimitReached, check_limits
from generation.request import GenerationRequest
from generation.storage import STORAGE_ERRORS
from videostudio.models import User

logger = logging.getLogger(__name__)

# A page waits this long for its turn in the creation budget; then the video waits in the queue.
PATIENCE = timedelta(seconds=2)
# Others have taken turns while a picture was on its way to KIE.AI.
LONGER_FOR_AN_UPLOAD = timedelta(seconds=8)
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
GIVE_UP_SENDING_AFTER = timedelta(hours=24)
# Nothing happens to an unconfirmed video by itself; it is looked at as often as every other.
LOOK_AT_UNCONFIRMED = timedelta(minutes=5)


class VideoRefused(KieRefused):
    """KIE.AI has refused a video, or we have on the way to it: no task, and nothing charged.

    `failure` names the row in the table of failures, `user_message` is for the person.
    """

    def __init__(self, message: str, *, failure: str, code: int = 0, words: str = "") -> None:
        super().__init__(message, code=code, words=words)
        self.failure = failure

    @classmethod
    def by_kie(cls, refusal: KieRefused) -> Self:
        """What KIE.AI's code and words stand for."""
        known = recognise(code=str(refusal.code), words=refusal.words, otherwise="refused")
        return cls(str(refusal), failure=known, code=refusal.code, words=refusal.words)

    @property
    def user_message(self) -> str:
        """One sentence, and KIE.AI's own words where they help to set it right."""
        failure = FAILURES[self.failure]
        if not failure.tells_more:
            return failure.sentence
        words = f"“{self.words.rstrip('.')}”" if self.words else "nothing more"
        return f"{failure.sentence} KIE.AI says {words} (code {self.code})."


class KeyUsedForAnother(Exception):
    """This idempotency key already stands for a different request."""


def submit_video(
    *,
    user: User,
    request: GenerationRequest,
    client: KieClient,
    idempotency_key: UUID | None = None,
) -> Video:
    """Save the row, then hand it to KIE.AI. The same key with the same request: the first video.

    Raises VideoRefused and LimitReached, and then keeps no row, and KeyUsedForAnother. Everything
    else that can go wrong leaves a row that tells the truth and goes on by itself.
    """
    # Committed before the call: a crash at any point leaves a row that tells the truth.
    video, is_new = _insert(user=user, request=request, idempotency_key=idempotency_key)
    if not is_new:
        return video
    if outage.is_known():
        # Nobody waits at the form for what does not answer.
        _put_back([video])
        return video
    try:
        send_video(video, client=client, patience=PATIENCE)
    except VideoRefused as refusal:
        logger.info("video_refused video=%s: %s", video.pk, refusal)
        video.delete()
        raise
    return video


def _insert(
    *, user: User, request: GenerationRequest, idempotency_key: UUID | None
) -> tuple[Video, bool]:
    """The row of this request, and whether it is new. Raises KeyUsedForAnother, LimitReached."""
    columns = request.as_columns()
    usual = Video.objects.usual_time(**{name: columns[name] for name in USUAL_TIME_OF})
    try:
        with transaction.atomic():
            check_limits(user, videos=1, credits=columns["cost_estimated"])
            video = Video.objects.create(
                user=user,
                idempotency_key=idempotency_key,
                # Ours for now; should we die here, the next pass sends it.
                next_poll_at=now() + CLAIM,
                **columns,
                **(usual.as_columns() if usual else {}),
            )
            for row in request.input_rows():
                video.inputs.create(**row)
            video.events.create(what="requested", by=user.get_username())
    except (IntegrityError, LimitReached) as error:
        first = Video.objects.for_user(user).filter(idempotency_key=idempotency_key).first()
        # The first of two clicks may have been the last one that the limit had room for.
        if idempotency_key is None or (first is None and isinstance(error, LimitReached)):
            raise
        if first is None:
            # Refused between the two: the click that came second is now the first.
            return _insert(user=user, request=request, idempotency_key=idempotency_key)
        if first.request_digest != columns["request_digest"]:
            raise KeyUsedForAnother from None
        return first, False
    return video, True


def send_video(video: Video, *, client: KieClient, patience: timedelta) -> KieError | None:
    """Hand a queued video to KIE.AI, if its turn comes within `patience`. Raises VideoRefused.

    Returns what went wrong on the way; the row says what that means for it.
    """
    if not creations().has_room(within=patience):
        _put_back([video])
        return None
    # The winner of this step, and nobody else, calls KIE.AI for this video.
    if not video.claim_sending(until=now() + 2 * CLAIM):
        return None
    try:
        mode = _mode_of(video)
        # First of all the pictures: a turn that waited for an upload would meet the next ones.
        fields = _input_of(video, mode, client)
        body = mode.family.body(video.model, fields, callback_url(video.pk))
        _await_turn(patience + LONGER_FOR_AN_UPLOAD)
        if not video.confirm_sending(until=now() + CLAIM):
            raise KieNotSent("deleted, or taken for dead, before it was sent")
        task_id = client.create_task(body, family=mode.family)
    except VideoRefused:
        raise
    except KieRefused as refusal:
        raise VideoRefused.by_kie(refusal) from refusal
    except KieNotSent as error:
        _send_later(video, error)
        return error
    except KieUnclear as error:
        logger.warning("creation_unclear video=%s: %s", video.pk, error)
        video.mark_unconfirmed(why=str(error), at=now() + LOOK_AT_UNCONFIRMED)
        return error
    # Written before the row: should the database be gone now, the log knows the task.
    logger.info("video_accepted video=%s task=%s", video.pk, task_id)
    keep_acceptance(video, task_id=task_id)
    return None


def _put_back(videos: Collection[Video]) -> None:
    """These wait for their turn again: whoever has one next sends them."""
    rows = Video.objects.filter(pk__in=[video.pk for video in videos], stage=Stage.QUEUED)
    rows.update(next_poll_at=now())


def _await_turn(patience: timedelta) -> None:
    """Wait for a turn in the creation budget. Raises KieNotSent when none comes in that time."""
    turn = creations().reserve(1, within=patience)
    if not turn:
        raise KieNotSent("no turn in the creation budget")
    sleep_until(turn[0])


def _mode_of(video: Video) -> Mode:
    provider = PROVIDERS.get(video.provider)
    mode = provider.mode_of_type(video.generation_type) if provider else None
    if mode is None:
        raise VideoRefused(f"no mode for {video.provider}", failure="not_offered")
    return mode


def _input_of(video: Video, mode: Mode, client: KieClient) -> Mapping[str, Any]:
    """KIE.AI's fields, with addresses at which KIE.AI finds the files. Uploads are free."""
    urls: defaultdict[str, list[str]] = defaultdict(list)
    for given in video.inputs.all():
        slot = mode.slot_at(given.field, given.position)
        try:
            content, media_type, ending = content_for(slot, given)
            name = f"{video.pk.hex}-{given.field}-{given.position}.{ending}"
            with content:
                address = client.upload(content, name=name, media_type=media_type)
        except FileNotFoundError as error:
            raise VideoRefused("the file is gone", failure="picture_gone") from error
        # Nothing was created, so nothing is lost by doing it all again.
        except (KieUnclear, *STORAGE_ERRORS) as error:
            raise KieNotSent(f"upload: {error}") from error
        urls[slot.name if slot else given.field].append(address)
    return mode.input_for(
        prompt=video.prompt,
        values=video.parameters,
        urls=urls,
        source_task=video.parent.task_id if video.parent else "",
    )


def _send_later(video: Video, error: KieNotSent) -> None:
    """Longer pauses the longer it has been waiting, from 5 s to 5 min."""
    waited = now() - video.created_at
    pause = min(max(waited / 2, SHORTEST_PAUSE), LONGEST_PAUSE)
    if error.retry_after:
        # For all of us: the row itself is looked at as often as every other.
        creations().pause(error.retry_after)
    logger.info("video_not_sent video=%s seconds=%d: %s", video.pk, pause.total_seconds(), error)
    video.send_again_at(now() + pause, why=str(error))


def send_queued_videos(*, client: KieClient, limit: int = 20) -> int:
    """One pass over the videos that wait for their turn. Returns how many were looked at."""
    at = now()
    write_down_kept_acceptances()
    _give_up_what_was_too_late(at)
    if not Video.objects.to_send(at).exists() or not outage.may_ask(client=client):
        return 0
    queued = Video.objects.to_send(at).claim(most=limit, until=at + CLAIM)
    for number, video in enumerate(queued, start=1):
        try:
            trouble = send_video(video, client=client, patience=timedelta(seconds=1))
            if trouble and trouble.is_silence and outage.is_away(client=client):
                _put_back(queued[number:])
                break
        except VideoRefused as refusal:
            # Nobody is waiting at the form any more: the card says why.
            video.mark_failed(
                failure=refusal.failure,
                kie_error_code=str(refusal.code or ""),
                kie_message=refusal.words,
            )
        # A row that cannot be sent must not hold up those behind it; it is due again in a minute.
        except Exception:
            logger.exception("video_not_sendable video=%s", video.pk)
    return len(queued)


def _give_up_what_was_too_late(at: datetime) -> None:
    """Settle what has waited long enough in a stage before KIE.AI's answer."""
    too_old = at - GIVE_UP_SENDING_AFTER
    for video in Video.objects.awaited(Stage.QUEUED, at).filter(created_at__lt=too_old):
        video.mark_failed(failure="never_sent", only=Q(stage=Stage.QUEUED))
    # Whoever was on the wire died there: perhaps charged, so it is not sent again.
    for video in Video.objects.awaited(Stage.SUBMITTING, at):
        video.mark_unconfirmed(why="interrupted while sending", at=at + LOOK_AT_UNCONFIRMED)
    unconfirmed = Video.objects.awaited(Stage.UNCONFIRMED, at).filter(offered_task_id="")
    asking = unconfirmed.filter(
        created_at__lt=at - ASK_AFTER, created_at__gte=at - ASK_AFTER - LOOK_AT_UNCONFIRMED
    )
    # The card changes by the clock alone; open pages are told with the first look after that.
    Video.objects.note_changes(list(asking.values_list("pk", flat=True)))
    unconfirmed.update(next_poll_at=at + LOOK_AT_UNCONFIRMED)
