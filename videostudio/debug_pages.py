"""Django's debug pages and error mails: helpful, and without a secret, even with DEBUG on."""

import re
from types import FrameType
from typing import Any

from django.http import HttpRequest
from django.template.defaultfilters import pprint
from django.utils.safestring import SafeString
from django.views.debug import ExceptionReporter, SafeExceptionReporterFilter

from videostudio.secrets import MARK, redacted


class _Shown:
    """Appears on a debug page as exactly this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


class ValueFilter(SafeExceptionReporterFilter):
    """Django's filter goes by names, and by what a view declares; this one goes by values too.

    It filters before a page cuts long values: half a secret would not be recognised any more.
    """

    cleansed_substitute = MARK
    hidden_settings = re.compile(
        "API|AUTH|TOKEN|KEY|SECRET|PASS|SIGNATURE|COOKIE|CREDENTIAL|SESSION", re.IGNORECASE
    )

    def is_active(self, request: HttpRequest | None) -> bool:
        """Also with DEBUG on: what a view has declared sensitive stays so."""
        return True

    def cleanse_setting(self, key: str | int, value: Any) -> Any:
        cleansed = super().cleanse_setting(key, value)
        return redacted(cleansed) if isinstance(cleansed, str) else cleansed

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        given = super().get_post_parameters(request)
        return {name: self.cleanse_setting(name, value) for name, value in given.items()}

    def get_traceback_frame_variables(  # type: ignore[override]  # pairs, as Django's own
        self, request: HttpRequest, tb_frame: FrameType
    ) -> list[tuple[str, Any]]:
        variables = super().get_traceback_frame_variables(request, tb_frame)
        return [(name, self._shown(name, value)) for name, value in variables]

    def _shown(self, name: str, value: Any) -> _Shown:
        try:
            return _Shown(redacted(pprint(self.cleanse_setting(name, value))))
        # A value that cannot even be looked at, such as a lazy one without its database.
        except Exception as error:
            return _Shown(f"[{type(error).__name__} while looking at it]")


class Reporter(ExceptionReporter):
    """The page as a whole is filtered once more: exceptions' words, addresses, lines of source."""

    def get_traceback_html(self) -> SafeString:
        return SafeString(redacted(super().get_traceback_html()))

    def get_traceback_text(self) -> SafeString:
        return SafeString(redacted(super().get_traceback_text()))
