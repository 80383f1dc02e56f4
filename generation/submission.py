"""From a request to a task of KIE.AI: the row first, then the call that may cost money.

Only what provably never reached KIE.AI is sent again; whatever is unclear waits for proof.
"""

import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Self
from uuid import UUID, uuid5

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils.timezone import now

from gallery.failures import FAILURES, recognise
from gallery.models import ASK_AFTER, CLAIM, USUAL_TIME_OF, Stage, Video, VideoInput, VideoQuerySet
from generation import outage
from generation.acceptance import keep_acceptance, write_down_kept_acceptances
from generation.callbacks import callback_url
from generation.catalogue import PROVIDERS, Mode
from generation.inputs import content_for
from generation.kie.budget import creations, sleep_until
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieNotSent, KieRefused, KieUnclear
from generation.kie.families import FAMILIES
from generation.limits import LimitReached, check_limits
from generation.request import GenerationRequest
from generation.schema import MEGABYTE, Slot
from generation.storage import STORAGE_ERRORS
from videostudio.models import User

logger = logging.getLogger(__name__)

# A page waits this long for its turn in the creation budget; then the video waits in the queue.
PATIENCE = timedelta(seconds=2)
# Others have taken turns while a picture was on its way to KIE.AI.
LONGER_FOR_AN_UPLOAD = timedelta(seconds=8)
SHORTEST_PAUSE, LONGEST_PAUSE = timedelta(seconds=5), timedelta(minutes=5)
# More than this is not handed to KIE.AI while somebody waits at the form.
QUICKLY_SENT_BYTES = 12 * MEGABYTE
# Files that are on their way hold their video for that long at a time.
HELD_FOR, HELD_AGAIN_AFTER = 2 * CLAIM, timedelta(seconds=20)
GIVE_UP_SENDING_AFTER = timedelta(hours=24)
# Nothing happens to an unconfirmed video by itself; it is looked at as often as every other.
LOOK_AT_UNCONFIRMED = timedelta(minutes=5)

# Where KIE.AI finds files that were handed to it already, by their field and position.
type Addresses = dict[tuple[str, int], str]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What came of one click: the videos that are there now, in the order they were asked for."""

    videos: Sequence[Video]
    # An earlier click with the same key has made them.
    is_repeated: bool = False
    # Why KIE.AI, having taken these, would not take the next one: of the rest no row is kept.
    refusal: VideoRefused | None = None

    @property
    def is_under_way(self) -> bool:
        """Is another click still handing them over, so that some may yet be refused?"""
        stages = {video.stage for video in self.videos}
        is_between = Stage.QUEUED in stages and len(stages) > 1
        return Stage.SUBMITTING in stages or (self.is_repeated and is_between)


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
    return submit_videos(
        user=user, request=request, client=client, idempotency_key=idempotency_key
    ).videos[0]


def submit_videos(
    *,
    user: User,
    request: GenerationRequest,
    client: KieClient,
    idempotency_key: UUID | None = None,
    number: int = 1,
) -> Submission:
    """The same for so many variations: a row for each or for none, then one call after the other.

    Raises VideoRefused and LimitReached when none of them is kept, and KeyUsedForAnother.
    """
    # Committed before the calls: a crash at any point leaves rows that tell the truth.
    videos, is_new = _insert(
        user=user,
        requests=request.variations(number),
        keys=_keys_of(idempotency_key, number),
    )
    if not is_new:
        return Submission(videos=videos, is_repeated=True)
    if outage.is_known() or request.file_bytes > QUICKLY_SENT_BYTES:
        # Nobody waits at the form for what does not answer, or for minutes of sending.
        _put_back(videos)
        return Submission(videos=videos)
    return _send_in_turn(videos, client=client)


def _send_in_turn(videos: Sequence[Video], *, client: KieClient) -> Submission:
    """Hand over one after the other. Raises VideoRefused when none of them is kept."""
    addresses: Addresses = {}
    for place, video in enumerate(videos):
        rest = videos[place + 1 :]
        _keep_for_us(rest)
        try:
            send_video(video, client=client, patience=PATIENCE, addresses=addresses)
        except VideoRefused as refusal:
            logger.info("video_refused video=%s: %s", video.pk, refusal)
            kept = [*videos[:place], *_withdraw(video, rest)]
            if not kept:
                raise
            return Submission(videos=kept, refusal=refusal)
        if video.stage != Stage.RUNNING:
            # Whatever was in the way of this one is in the way of the next: they wait their turn.
            _put_back(rest)
            break
    return Submission(videos=videos)


def _keys_of(key: UUID | None, number: int) -> list[UUID | None]:
    """A key for each variation; the first one has the click's own."""
    return [key, *(key and uuid5(key, str(place)) for place in range(2, number + 1))]


def _insert(
    *,
    user: User,
    requests: Sequence[GenerationRequest],
    keys: Sequence[UUID | None],
    is_second_try: bool = False,
) -> tuple[list[Video], bool]:
    """The rows of these requests, and whether they are new.

    Raises KeyUsedForAnother and LimitReached; VideoRefused where what they are made from has gone
    between the form and here.
    """
    columns = [request.as_columns() for request in requests]
    usual = Video.objects.usual_time(**{name: columns[0][name] for name in USUAL_TIME_OF})
    more = usual.as_columns() if usual else {}
    try:
        with transaction.atomic():
            check_limits(user, videos=len(columns), credits=_credits_in(columns))
            return [
                _insert_one(user, request, idempotency_key=key, **facts, **more)
                for request, key, facts in zip(requests, keys, columns, strict=True)
            ], True
    except (IntegrityError, LimitReached) as error:
        if isinstance(error, IntegrityError) and (keys[0] is None or is_second_try):
            raise VideoRefused("what it is made from is gone", failure="picture_gone") from error
        if keys[0] is None:
            raise
        known = Video.objects.for_user(user).filter(idempotency_key__in=keys)
        videos = sorted(known, key=lambda video: keys.index(video.idempotency_key))
        # The first of two clicks may have been the last one that the limit had room for.
        if not videos and isinstance(error, LimitReached):
            raise
        if not videos:
            # Refused between the two: the click that came second is now the first.
            return _insert(user=user, requests=requests, keys=keys, is_second_try=True)
        digests = {facts["request_digest"] for facts in columns}
        if any(video.request_digest not in digests for video in videos):
            raise KeyUsedForAnother from None
        return videos, False


def _credits_in(columns: Sequence[Mapping[str, Any]]) -> Decimal | None:
    """What these rows cost together, as far as it is known; None where it is of none."""
    known = [each["cost_estimated"] for each in columns if each["cost_estimated"] is not None]
    return sum(known, Decimal(0)) if known else None


def _insert_one(user: User, request: GenerationRequest, **columns: Any) -> Video:
    # Ours for now; should we die here, the next pass sends it.
    video = Video.objects.create(user=user, next_poll_at=now() + CLAIM, **columns)
    for row in request.input_rows():
        video.inputs.create(**row)
    video.events.create(what="requested", by=user.get_username())
    return video


def _keep_for_us(videos: Collection[Video]) -> None:
    """Those that wait for the one before them are not for the next pass yet."""
    if videos:
        _queued(videos).update(next_poll_at=now() + CLAIM)


def _withdraw(refused: Video, rest: Collection[Video]) -> list[Video]:
    """Take back what was refused, and the rest, unsent. Returns those that were sent after all."""
    # In one step: whoever dies here leaves videos that wait, not some that were perhaps sent.
    with transaction.atomic():
        refused.delete()
        sent = [video for video in rest if not video.claim_sending(until=now() + CLAIM)]
        for video in rest:
            if video not in sent:
                video.delete()
    return sent


def send_video(
    video: Video,
    *,
    client: KieClient,
    patience: timedelta,
    addresses: Addresses | None = None,
) -> KieError | None:
    """Hand a queued video to KIE.AI, if its turn comes within `patience`. Raises VideoRefused.

    Returns what went wrong on the way; the row says what that means for it. `addresses`: shared
    by videos that are made from the same files.
    """
    if not creations().has_room(within=patience):
        _put_back([video])
        return None
    # The winner of this step, and nobody else, calls KIE.AI for this video.
    if not video.claim_sending(until=now() + HELD_FOR):
        return None
    try:
        mode = _mode_of(video)
        # First of all the pictures: a turn that waited for an upload would meet the next ones.
        fields = _input_of(video, mode, client, {} if addresses is None else addresses)
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
    try:
        keep_acceptance(video, task_id=task_id)
    except IntegrityError:
        # KIE.AI makes the 4K version of a video once, and then names the same task again.
        raise VideoRefused("another video has this task", failure="made_before") from None
    return None


def _put_back(videos: Collection[Video]) -> None:
    """These wait for their turn again: whoever has one next sends them."""
    _queued(videos).update(next_poll_at=now())


def _queued(videos: Collection[Video]) -> VideoQuerySet:
    return Video.objects.filter(pk__in=[video.pk for video in videos], stage=Stage.QUEUED)


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


def _input_of(
    video: Video, mode: Mode, client: KieClient, addresses: Addresses
) -> Mapping[str, Any]:
    """KIE.AI's fields, with addresses at which KIE.AI finds the files. Uploads are free."""
    urls: defaultdict[str, list[str]] = defaultdict(list)
    for given in video.inputs.all():
        place = (given.field, given.position)
        slot = mode.slot_at(given.field, given.position)
        if place not in addresses:
            addresses[place] = _upload(given, slot, client, while_sending=_holding(video))
        urls[slot.name if slot else given.field].append(addresses[place])
    return mode.input_for(
        prompt=video.prompt,
        values=video.parameters,
        urls=urls,
        source_task=video.parent.task_id if video.parent else "",
    )


def _holding(video: Video) -> Callable[[], None]:
    """What keeps this video from being taken for dead while its files are on their way.

    Raises KieNotSent once it was taken all the same, or deleted.
    """
    held_at = now()

    def hold() -> None:
        nonlocal held_at
        if now() - held_at < HELD_AGAIN_AFTER:
            return
        held_at = now()
        if not video.confirm_sending(until=held_at + HELD_FOR):
            raise KieNotSent("deleted, or taken for dead, while its files were on their way")

    return hold


def _upload(
    given: VideoInput,
    slot: Slot | None,
    client: KieClient,
    *,
    while_sending: Callable[[], None],
) -> str:
    """Where KIE.AI finds this file from now on."""
    try:
        content, media_type, ending = content_for(slot, given)
        name = f"{given.video_id.hex}-{given.field}-{given.position}.{ending}"
        with content:
            return client.upload(
                content, name=name, media_type=media_type, while_sending=while_sending
            )
    except FileNotFoundError as error:
        raise VideoRefused("the file is gone", failure="picture_gone") from error
    # Nothing was created, so nothing is lost by doing it all again.
    except (KieUnclear, *STORAGE_ERRORS) as error:
        raise KieNotSent(f"upload: {error}") from error


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
    # Whoever was on the wire died there: perhaps charged, so it is not sent again. Where creating
    # is asking, once more does no harm.
    why = "interrupted while sending"
    for video in Video.objects.awaited(Stage.SUBMITTING, at):
        family = FAMILIES.get(video.family)
        if family and family.own_id:
            video.send_again_at(at, why=why)
        else:
            video.mark_unconfirmed(why=why, at=at + LOOK_AT_UNCONFIRMED)
    unconfirmed = Video.objects.awaited(Stage.UNCONFIRMED, at).filter(offered_task_id="")
    asking = unconfirmed.filter(
        created_at__lt=at - ASK_AFTER, created_at__gte=at - ASK_AFTER - LOOK_AT_UNCONFIRMED
    )
    # The card changes by the clock alone; open pages are told with the first look after that.
    Video.objects.note_changes(list(asking.values_list("pk", flat=True)))
    unconfirmed.update(next_poll_at=at + LOOK_AT_UNCONFIRMED)
