"""Pictures that people hand in: checked by their content, stripped, kept as our own copy."""

import hashlib
import io
import logging
import uuid
import warnings
from dataclasses import dataclass
from typing import IO, Any, Self

from django.conf import settings
from django.core import signing
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from PIL import Image, ImageOps, UnidentifiedImageError

from gallery.models import VideoInput
from videostudio.models import User

logger = logging.getLogger(__name__)

# What Pillow may try, and what each is called. Nothing else is opened, whatever its name.
FORMATS = {
    "JPEG": ("image/jpeg", "jpg"),
    "PNG": ("image/png", "png"),
    "WEBP": ("image/webp", "webp"),
}
NOT_STORED = "The studio could not store the picture. Please try again in a while."
GONE = "The picture is no longer here. Please choose it again."
SALT = "generation.pictures"


class PictureRefused(Exception):
    """The file cannot be used as a picture; `str()` is the sentence for the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A checked picture in our storage."""

    path: str
    media_type: str
    width: int
    height: int
    digest: str

    def ticket(self, user: User) -> str:
        """A signed note with which this person's form finds the picture again."""
        facts = (self.path, self.media_type, self.width, self.height, self.digest)
        return signing.dumps((user.pk, *facts), salt=SALT)

    @classmethod
    def of(cls, given: VideoInput) -> Self:
        """The picture that an earlier video was made from."""
        return cls(
            path=str(given.file),
            media_type=given.media_type,
            width=given.width,
            height=given.height,
            digest=given.digest,
        )

    @classmethod
    def from_ticket(cls, ticket: str, user: User) -> Self:
        """The picture of a ticket.

        Raises PictureRefused when it is forged, another person's or swept away.
        """
        try:
            owner, path, media_type, width, height, digest = signing.loads(ticket, salt=SALT)
        except (signing.BadSignature, TypeError, ValueError):
            raise PictureRefused(GONE) from None
        if owner != user.pk or not default_storage.exists(path):
            raise PictureRefused(GONE)
        return cls(path=path, media_type=media_type, width=width, height=height, digest=digest)


def keep_picture(upload: IO[bytes], *, size: int, most_bytes: int, user: User) -> Picture:
    """Check an uploaded picture and put a clean copy of it into storage.

    The copy is made anew from the pixels: no metadata (position, camera), nothing hidden behind
    the picture, upright. Raises PictureRefused.
    """
    if size > most_bytes:
        had, most = (amount / 1024 / 1024 for amount in (size, most_bytes))
        raise PictureRefused(f"This picture has {had:.0f} MB; the service takes {most:.0f} MB.")
    image, kind = _decode(upload)
    media_type, ending = FORMATS[kind]
    data = _encode(image, kind, most_bytes=most_bytes)
    name = f"inputs/{user.pk}/{uuid.uuid4().hex}.{ending}"
    return Picture(
        path=_store(name, data),
        media_type=media_type,
        width=image.width,
        height=image.height,
        digest=hashlib.sha256(data).hexdigest(),
    )


def _decode(upload: IO[bytes]) -> tuple[Image.Image, str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(upload, formats=list(FORMATS))
            # The header tells the size before anything is unpacked: 10 kB can hold 80 megapixels.
            if image.width * image.height > settings.INPUT_IMAGE_MAX_PIXELS:
                raise PictureRefused(
                    f"This picture has {image.width} x {image.height} pixels, which is too many. "
                    "Please choose a smaller one."
                )
            # Phones write a second picture (depth, preview) behind a JPEG; Pillow calls that MPO.
            kind = "JPEG" if image.format == "MPO" else image.format or ""
            upright = ImageOps.exif_transpose(image)
            return upright.convert("RGBA" if _is_transparent(upright, kind) else "RGB"), kind
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise PictureRefused("This picture is too large to open. Please choose another.") from None
    except UnidentifiedImageError:
        raise PictureRefused("This file is no JPEG, PNG or WebP picture.") from None
    # Pillow raises what its decoders raise: OSError, SyntaxError, ValueError, struct.error …
    except Exception as error:
        if isinstance(error, PictureRefused):
            raise
        raise PictureRefused("This picture is damaged. Please choose another one.") from error


def _is_transparent(image: Image.Image, kind: str) -> bool:
    return kind != "JPEG" and image.has_transparency_data


def _encode(image: Image.Image, kind: str, *, most_bytes: int) -> bytes:
    """The picture anew, as good as fits: noise can grow when it is encoded again."""
    # Without being asked Pillow would write comments and colour profiles out again.
    image.info.clear()
    qualities: tuple[dict[str, Any], ...] = tuple({"quality": q} for q in (95, 85, 75))
    for options in ({},) if kind == "PNG" else qualities:
        content = io.BytesIO()
        image.save(content, kind, **options)
        if content.tell() <= most_bytes:
            return content.getvalue()
    raise PictureRefused("This picture is too large for the service. Please choose a smaller one.")


def _store(name: str, data: bytes) -> str:
    try:
        return default_storage.save(name, ContentFile(data))
    except OSError as error:
        logger.exception("picture_not_stored name=%s", name)
        raise PictureRefused(NOT_STORED) from error
