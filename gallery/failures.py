"""Why a video failed: the one table of what a card says then, what can be done, and the signs.

KIE.AI's wording changes, so a case is recognised by its code, or by a few stable words.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A button of a failed card. Most lead to the form as this video was made."""

    name: str
    label: str
    # The form's element that it leads to; "" for a button that leads elsewhere.
    place: str = ""
    # What is pressed there costs about as much as this video: the price belongs on the button.
    is_priced: bool = False
    # An address outside, for operators.
    url: str = ""


RETRY = Step(name="retry", label="Try again", place="submit", is_priced=True)
EDIT = Step(name="edit", label="Edit & try again", place="id_prompt")
REPLACE = Step(name="replace", label="Replace picture", place="inputs")
FIX = Step(name="fix", label="Fix settings", place="settings")
ANOTHER = Step(name="another", label="Other service", place="id_provider")
REUSE = Step(name="reuse", label="Use settings", place="submit")
DETAILS = Step(name="details", label="Details")
# Shown, and not to be pressed: it would fail in the same way.
WAIT = Step(name="wait", label="Try again")
TOP_UP = Step(name="top-up", label="Top up at KIE.AI", url="https://kie.ai/")
CHECK_KEY = Step(name="check-key", label="Check the key", url="https://kie.ai/api-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One case: what a card says, and what its reader can do next."""

    title: str
    # What happened, and what to do now.
    sentence: str
    # At most two.
    steps: tuple[Step, ...]
    # What an operator can do instead, where it is something else.
    operator_steps: tuple[Step, ...] = ()
    icon: str = "triangle-alert"
    # Signs: KIE.AI's codes that can mean nothing else, words it uses, and codes that mean this
    # where no word says more.
    codes: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    vague_codes: tuple[str, ...] = ()
    # It never left the studio, so there is nothing KIE.AI could have charged.
    is_unsent: bool = False
    # KIE.AI's own words help whoever still has the form before them.
    tells_more: bool = False


FAILURES: Mapping[str, Failure] = {
    "prompt": Failure(
        title="Prompt refused",
        sentence="The service's safety filter refused this prompt. Change the words and try again.",
        steps=(EDIT, ANOTHER),
        icon="shield",
        words=(
            "policy",
            "policies",
            "prohibited",
            "moderat",
            "flagged",
            "inappropriate",
            "sensitive",
            "unsafe",
            "violat",
            "rejected by",
        ),
    ),
    "language": Failure(
        title="English only",
        sentence="The service understands English prompts only. "
        "Translate the prompt and try again.",
        steps=(EDIT, ANOTHER),
        words=("english",),
    ),
    "picture": Failure(
        title="Picture refused",
        sentence="The service would not use the picture. Please try another one.",
        steps=(REPLACE, RETRY),
        icon="image-plus",
        codes=("451",),
        words=("image", "picture", "photo"),
    ),
    "output": Failure(
        title="Clip blocked",
        sentence="The clip was made, then blocked by the service's filter. "
        "A second try often passes.",
        steps=(RETRY, EDIT),
        icon="shield",
        words=("audio", "output", "generated content", "copyright"),
    ),
    "settings": Failure(
        title="Settings rejected",
        sentence="The service did not accept these settings. Change them and try again.",
        steps=(FIX, ANOTHER),
        icon="settings-2",
        words=("allowed options", "field is required", "ratio error", "validation failed"),
        vague_codes=("422",),
        tells_more=True,
    ),
    "balance": Failure(
        title="Balance too low",
        sentence="The studio's KIE.AI balance is too low. "
        "Ask whoever runs it to top up, then try again.",
        steps=(WAIT, REUSE),
        operator_steps=(WAIT, TOP_UP),
        icon="wallet",
        codes=("402",),
        words=("insufficient", "balance", "enough credit", "out of credit"),
    ),
    "limit": Failure(
        title="Limit reached",
        sentence="The studio's KIE.AI key has used up its limit. "
        "Ask whoever runs it to raise it, then try again.",
        steps=(WAIT, REUSE),
        operator_steps=(REUSE, CHECK_KEY),
        icon="wallet",
        codes=("433",),
    ),
    "key": Failure(
        title="Key refused",
        sentence="KIE.AI refused the studio's key. "
        "Please ask whoever runs this studio to check it.",
        steps=(WAIT, REUSE),
        operator_steps=(REUSE, CHECK_KEY),
        icon="key-round",
        codes=("401",),
    ),
    "gatekeeper": Failure(
        title="Studio refused",
        sentence="KIE.AI's gatekeeper refused the studio. "
        "Please ask whoever runs it to look into it.",
        steps=(RETRY, DETAILS),
        icon="key-round",
        codes=("403",),
    ),
    "busy": Failure(
        title="Overloaded",
        sentence="The service was overloaded or in maintenance. Please try again in a while.",
        steps=(RETRY, ANOTHER),
        icon="clock",
        codes=("429", "455"),
        words=("timeout", "timed out", "overload", "busy", "concurren", "frequency"),
    ),
    "service": Failure(
        title="Service not available",
        sentence="KIE.AI does not offer this service at the moment. Please choose another one.",
        steps=(ANOTHER, DETAILS),
        icon="unlink",
        codes=("404", "505"),
        words=("temporarily paused", "model name"),
    ),
    "provider": Failure(
        title="Failed at KIE.AI",
        sentence="It failed on the service's side. Please try again.",
        steps=(RETRY, DETAILS),
        vague_codes=("500", "501"),
    ),
    "refused": Failure(
        title="Refused by KIE.AI",
        sentence="KIE.AI refused this video. Please try again, or choose another service.",
        steps=(RETRY, ANOTHER),
        tells_more=True,
    ),
    "lost": Failure(
        title="No longer known",
        sentence="KIE.AI gave no result within 14 days and no longer knows this video. "
        "Use its settings to make it again.",
        steps=(REUSE, DETAILS),
        icon="unlink",
    ),
    "interrupted": Failure(
        title="Never confirmed",
        sentence="KIE.AI never confirmed this video: it may have been charged, or not. "
        "Making another may charge twice.",
        steps=(RETRY, DETAILS),
    ),
    "unsaved": Failure(
        title="Made, but not saved",
        sentence="The original link has died; this video could not be saved. "
        "Use its settings to make it again.",
        steps=(REUSE,),
        icon="unlink",
    ),
    "no_result": Failure(
        title="No video came",
        sentence="KIE.AI reports success but has given no video. "
        "Ask whoever runs this studio to look into KIE.AI's own log.",
        steps=(RETRY, DETAILS),
        icon="film",
    ),
    "never_sent": Failure(
        title="Never sent",
        sentence="KIE.AI could not be reached for a day, so this video cost nothing. "
        "Please try again.",
        steps=(RETRY, DETAILS),
        icon="wifi-off",
        is_unsent=True,
    ),
    "picture_gone": Failure(
        title="File gone",
        sentence="A file that it was to be made from is no longer here. Please choose it again.",
        steps=(REPLACE, DETAILS),
        icon="image-plus",
        is_unsent=True,
    ),
    "not_offered": Failure(
        title="Service gone",
        sentence="This service is no longer offered. Please choose another one.",
        steps=(ANOTHER, DETAILS),
        icon="unlink",
        is_unsent=True,
    ),
    "made_before": Failure(
        title="Made already",
        sentence="KIE.AI has made this version before. It is in your gallery, or in your trash.",
        steps=(DETAILS,),
        icon="film",
    ),
    "operator": Failure(
        title="Ended by an operator",
        sentence="An operator has marked this video as failed. Please try again.",
        steps=(RETRY, DETAILS),
    ),
}
# What is known of a failure that fits nowhere.
OTHERWISE = "provider"

# The more special before the more general: "the generated image violates our policy" is about
# what was made, not about the prompt.
RECOGNISED_FIRST = (
    "service",
    "settings",
    "balance",
    "output",
    "picture",
    "prompt",
    "language",
    "busy",
)
BY_CODE = {code: name for name, failure in FAILURES.items() for code in failure.codes}
BY_VAGUE_CODE = {code: name for name, failure in FAILURES.items() for code in failure.vague_codes}


def recognise(*, code: str = "", words: str = "", otherwise: str = OTHERWISE) -> str:
    """Which of FAILURES KIE.AI's code and words stand for."""
    said = words.lower()
    if code in BY_CODE:
        return BY_CODE[code]
    for name in RECOGNISED_FIRST:
        if any(sign in said for sign in FAILURES[name].words):
            return name
    vague = BY_VAGUE_CODE.get(code, OTHERWISE)
    return otherwise if vague == OTHERWISE else vague
