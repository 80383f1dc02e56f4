"""The media storage, a folder or a bucket: how it fails, and whether it holds what rows say."""

from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.storage import default_storage

from gallery.models import Video, VideoResult

# Full or away: that makes things late. A bucket's errors are none of the system's.
STORAGE_ERRORS = (OSError, BotoCoreError, ClientError)


def words_for(error: Exception) -> str:
    """What went wrong with the disk or the bucket, without its address or anybody's key."""
    if isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", "unknown")
        return f"storage refused: {code}"
    reason = error.strerror if isinstance(error, OSError) else None
    return f"{type(error).__name__}: {reason or 'storage does not answer'}"


def flaw_of(row: Video | VideoResult) -> str:
    """What is wrong with this row's file or poster in storage; "" for nothing.

    Raises STORAGE_ERRORS when storage does not answer: that says nothing about the files.
    """
    if not row.file:
        return "the file is missing"
    try:
        size = default_storage.size(str(row.file))
    except FileNotFoundError:
        return "the file is missing"
    if row.file_size not in {None, size}:
        return f"the file has {size} of {row.file_size} bytes"
    if row.poster and not default_storage.exists(str(row.poster)):
        return "the poster is missing"
    return ""
