"""Why a generation failed, in one plain sentence with what to do next.

KIE.AI's wording changes, so a category is recognised by a few stable words, first match wins.
"""

from generation.kie.snapshot import TaskSnapshot

CATEGORIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("insufficient", "credits", "balance"),
        "The studio's KIE.AI balance is too low. Ask whoever runs it to top up, then try again.",
    ),
    (
        ("audio", "output", "generated content", "copyright"),
        "The clip was made, then blocked by the service's filter. A second try often passes.",
    ),
    (
        ("fetch the image", "image", "picture", "photo"),
        "The service would not use the picture. Please try another one.",
    ),
    (
        (
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
        "The service's safety filter refused this prompt. Change the words and try again.",
    ),
    (
        ("english",),
        "The service understands English prompts only. Translate the prompt and try again.",
    ),
    (
        ("timeout", "timed out", "overload", "busy", "concurren", "frequency"),
        "The service was overloaded. Please try again in a while.",
    ),
)
BY_CODE = {
    "402": CATEGORIES[0][1],
    "422": "The service did not accept these settings. Change them and try again.",
    "451": CATEGORIES[2][1],
}
OTHERWISE = "It failed on the service's side. Please try again."


def sentence_for(failed: TaskSnapshot) -> str:
    """The sentence for the person who made this video."""
    words = failed.failure.lower()
    for marks, sentence in CATEGORIES:
        if any(mark in words for mark in marks):
            return sentence
    return BY_CODE.get(failed.error_code, OTHERWISE)
