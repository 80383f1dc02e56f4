"""What we know after a call to KIE.AI has not answered what we hoped for."""

from videostudio.secrets import redacted


class KieError(Exception):
    """A call without the answer asked for. `str()` is for the log, `user_message` for people.

    Neither ever holds the key, whatever it was made of.
    """

    def __init__(
        self, message: str, *, code: int = 0, user_message: str = "", is_silence: bool = False
    ) -> None:
        super().__init__(redacted(message))
        self.code = code
        self.user_message = redacted(user_message) or "KIE.AI gave no usable answer."
        # It says something about KIE.AI as a whole and nothing about this call: no connection, a
        # gateway's page, maintenance, a key that is not heard at all.
        self.is_silence = is_silence


class KieRefused(KieError):
    """KIE.AI has said no: there is no task, and nothing was charged."""


class KieNotSent(KieError):
    """KIE.AI never had it, or sent it back unread: the same call may be made again later."""

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        user_message: str = "",
        is_silence: bool = False,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message, code=code, user_message=user_message, is_silence=is_silence)
        # Seconds that KIE.AI asked us to wait, where it did.
        self.retry_after = retry_after


class KieUnclear(KieError):
    """The call may or may not have taken effect: a creation must not be repeated."""
