"""The sandbox's callbacks: signed and posted as KIE.AI does it."""

import json
import logging
import threading
import time
from collections.abc import Mapping
from typing import Any

import requests

from generation.kie.signature import SIGNATURE_HEADER, TIMESTAMP_HEADER, sign

MOST_TRIES = 3
PAUSE_SECONDS = 2
# Source: docs.kie.ai/veo3-api/generate-veo-3-video-callbacks: answer within 15 seconds.
ANSWER_SECONDS = 15

logger = logging.getLogger(__name__)


def call_back(
    url: str, content: Mapping[str, Any], *, task_id: str, key: str, stopping: threading.Event
) -> int:
    """Post the content until it is answered with a 2xx, at most three times.

    Returns the status of the last answer; 0 when there was none.
    """
    for attempt in range(1, MOST_TRIES + 1):
        status = _post(url, content, headers=_headers(task_id, key))
        if 200 <= status < 300:
            logger.info("sandbox_called_back task=%s attempt=%s", task_id, attempt)
            return status
        if stopping.wait(PAUSE_SECONDS):
            return status
    logger.warning("sandbox_callback_given_up task=%s", task_id)
    return status


def _post(url: str, content: Mapping[str, Any], *, headers: Mapping[str, str]) -> int:
    data = json.dumps(content).encode()
    try:
        return requests.post(url, data=data, headers=headers, timeout=ANSWER_SECONDS).status_code
    except requests.RequestException as error:
        logger.info("sandbox_callback_unanswered error=%s", type(error).__name__)
        return 0


def _headers(task_id: str, key: str) -> dict[str, str]:
    plain = {"Content-Type": "application/json"}
    if not key:
        return plain
    timestamp = str(int(time.time()))
    signature = sign(task_id, timestamp, key=key)
    return plain | {TIMESTAMP_HEADER: timestamp, SIGNATURE_HEADER: signature}
