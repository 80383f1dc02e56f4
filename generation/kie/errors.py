"""What we know after a call to KIE.AI has not answered what we hoped for."""

from videostudio.secrets import redacted


class KieError(Exception):
    """A call without the answer asked for. `str()` is for the log.

    `code` and `words` are KIE.AI's own; the sentence they stand for is in the table of failures.
    None of it ever holds the key, whatever it was made of.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        words: str = "",
        raw: str = "",
        is_silence: bool = False,
    ) -> None:
        super().__init__(redacted(message))
        self.code = code
        self.words = redacted(words)
        # What came instead of an answer, for the event log; "" where nothing did.
        self.raw = redacted(raw)
        # It says something about KIE.AI as a whole and nothing about this call: no connection, a
        # gateway's page, maintenance, a key that is not heard at all.
        self.is_silence = is_silence


class KieRefused(KieError):
    """KIE.AI has said no: there is no task, and nothing was charged."""


class KieNotSent(KieError):
    """The same call may be made again later: KIE.AI never had it, sent it back unread, or does
    not mind having it twice.
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        words: str = "",
        is_silence: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, words=words, is_silence=is_silence)
        # Seconds that KIE.AI asked us to wait, where it did.
        self.retry_after = retry_after


class KieUnclear(KieError):
    """The call may or may not have taken effect: a creation must not be repeated."""
