"""What we know after a call to KIE.AI has not answered what we hoped for."""


class KieError(Exception):
    """A call without the answer asked for. `str()` is for the log.

    `code` and `words` are KIE.AI's own; the sentence they stand for is in the table of failures.
    None of it ever holds the key: messages are made of codes and of KIE.AI's cleaned words.
    """

    def __init__(self, message: str, *, code: int = 0, words: str = "", raw: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.words = words
        # What came instead of an answer, for the event log; "" where nothing did.
        self.raw = raw


class KieRefused(KieError):
    """KIE.AI has said no: there is no task, and nothing was charged."""


class KieNotSent(KieError):
    """KIE.AI never had it, or sent it back unread: the same call may be made again later."""

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        words: str = "",
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, words=words)
        # Seconds that KIE.AI asked us to wait, where it did.
        self.retry_after = retry_after


class KieUnclear(KieError):
    """The call may or may not have taken effect: a creation must not be repeated."""
