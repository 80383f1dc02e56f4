"""The addresses under which KIE.AI calls back: each names one video, and nobody can guess it."""

from uuid import UUID

from django.conf import settings
from django.core.signing import BadSignature, Signer

PATH = "/webhooks/kie/"
# A dot: the usual colon would be escaped in some of KIE.AI's echoes.
_signer = Signer(sep=".", salt="generation.callbacks")


def callback_url(video_id: UUID) -> str:
    """Where KIE.AI reports on this video; "" for a studio that the world cannot reach."""
    if not settings.PUBLIC_URL:
        return ""
    return f"{settings.PUBLIC_URL}{PATH}{token_of(video_id)}/"


def token_of(video_id: UUID) -> str:
    return _signer.sign(video_id.hex)


def video_named_by(token: str) -> UUID | None:
    """The video that this token of ours names; None for any other token."""
    try:
        return UUID(hex=_signer.unsign(token))
    except (BadSignature, ValueError):
        return None


def video_in(url: str) -> UUID | None:
    """The video that this address, as KIE.AI echoes it, names; None for an address not ours."""
    _, found, token = url.rstrip("/").rpartition(PATH)
    return video_named_by(token) if found else None


def names_video(url: str, video_id: UUID) -> bool:
    """Does this address, as KIE.AI echoes it, carry our token of that video?"""
    return video_in(url) == video_id
