"""Words in a prompt that make the sandbox misbehave, as test cards do for payments.

`A red kite sandbox:fail-policy` is accepted, and refused by the moderator later. A prompt may hold
several words: `sandbox:seconds=3 sandbox:dead-link`.
"""

import re
from collections.abc import Mapping

WORDS: Mapping[str, str] = {
    # At creation.
    "401": "The creation is refused: the key has no access.",
    "402": "The creation is refused: the account is out of credits.",
    "422": "The creation is refused: a field is not among the allowed options.",
    "429": "The creation is refused: too many in a short time. It is not queued.",
    "433": "The creation is refused: the sub-key has spent its quota.",
    "451": "The creation is refused: an input image could not be fetched.",
    "455": "The creation is refused: KIE.AI is under maintenance.",
    "500": "The creation is refused with a code that hides a validation error.",
    "505": "The creation is refused: the feature is switched off.",
    "html": "The creation is answered with HTTP 502 and a page of HTML. No task exists.",
    "timeout": "The creation is not answered for 60 seconds. No task exists.",
    "lost": "The task is accepted, but the connection breaks before the answer.",
    "no-id": "The creation is answered with code 200 and no task id. No task exists.",
    # Later.
    "fail": "The generation fails with an internal error.",
    "fail-policy": "The generation fails: the prompt violates the content policy.",
    "fail-image": "The generation fails: the input image could not be fetched.",
    "fail-upgrade": "The video succeeds, and its versions in 1080p and 4K fail.",
    "forever": "The task never leaves its generating state.",
    "flaky": "Every second question about the task is answered with HTTP 500 and HTML.",
    "seconds": "As `sandbox:seconds=3`: how long this task takes.",
    # The result.
    "no-url": "The task succeeds without a URL.",
    "dead-link": "The task succeeds, and its URL answers 404.",
    "expired-link": "The task succeeds, and its URL answers 403; KIE.AI's download-url gives a"
    " fresh one.",
    "cut": "The task succeeds, and the connection breaks in the middle of its file.",
    "not-video": "The task succeeds, and its URL answers with a page of HTML.",
    "two-results": "The task succeeds with two videos.",
}

# Code and text of each refusal. The texts are KIE.AI's where they are known (401, 500), and in
# its manner elsewhere. Source: docs.kie.ai, the status codes of each page.
REFUSALS: Mapping[str, tuple[int, str]] = {
    "401": (401, "You do not have access permissions"),
    "402": (402, "Credits insufficient"),
    "422": (422, "Validation failed: aspect_ratio is not within the range of allowed options"),
    "429": (429, "Rate limit exceeded"),
    "433": (433, "Request Limit - Sub-key Usage Exceeds Limit"),
    "451": (
        451,
        "Failed to fetch the image. Kindly verify any access limits set by you or your service"
        " provider.",
    ),
    "455": (455, "Service Unavailable - System is currently undergoing maintenance"),
    "500": (500, "This field is required"),
    "505": (505, "Feature Disabled"),
}


def words_in(prompt: str) -> dict[str, str]:
    """The known words of this prompt, each with what follows its `=` ("" for most)."""
    found = re.findall(r"\bsandbox:([a-z0-9-]+)(?:=(\d{1,6}(?:\.\d+)?))?", prompt)
    return {word: value for word, value in found if word in WORDS}
