"""Is this call from KIE.AI? Source: docs.kie.ai/common-api/webhook-verification"""

import base64
import hashlib
import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import datetime

TIMESTAMP_HEADER, SIGNATURE_HEADER = "X-Webhook-Timestamp", "X-Webhook-Signature"
# KIE.AI names no limit; five minutes is what others allow for slow deliveries and wrong clocks.
MOST_SECONDS_OFF = 300
# int() would take "1_7", " 17" and other alphabets' digits.
TIMESTAMP = re.compile(r"\d{10}", re.ASCII)


def sign(task_id: str, timestamp: str, *, key: str) -> str:
    """KIE.AI's signature: over the task id and the time, not over the body."""
    message = f"{task_id}.{timestamp}".encode()
    return base64.b64encode(hmac.digest(key.encode(), message, hashlib.sha256)).decode()


def is_signed(
    headers: Mapping[str, str], *, task_id: str, keys: Iterable[str], at: datetime
) -> bool:
    """Is this a fresh signature of one of these keys? Several: while a key is being rotated."""
    timestamp = headers.get(TIMESTAMP_HEADER, "")
    given = headers.get(SIGNATURE_HEADER, "").encode(errors="replace")
    if not TIMESTAMP.fullmatch(timestamp):
        return False
    if abs(at.timestamp() - int(timestamp)) > MOST_SECONDS_OFF:
        return False
    # Bytes: compare_digest raises for text that is not ASCII. All keys, whichever fits.
    fits = [hmac.compare_digest(sign(task_id, timestamp, key=key).encode(), given) for key in keys]
    return any(fits)
