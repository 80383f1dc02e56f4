"""Requests as our views know them, and what every response of ours carries."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.urls import reverse
from django.utils.functional import SimpleLazyObject
from django.utils.http import urlencode
from django_htmx.http import HttpResponseClientRedirect
from django_htmx.middleware import HtmxDetails

from videostudio.models import KieBalance, User


class StudioRequest(HttpRequest):
    """A request behind sign-in: its user is one of ours, its htmx says who asked and how."""

    user: User
    htmx: HtmxDetails


class SignInRequiredMiddleware(LoginRequiredMiddleware):
    """Every view needs an account unless it says otherwise with `@login_not_required`."""

    def handle_no_permission(  # type: ignore[override]  # htmx is redirected by a header
        self, request: HttpRequest, view_func: Callable[..., HttpResponseBase]
    ) -> HttpResponseBase:
        """To the sign-in page; an htmx request sends its whole page there, and back to itself."""
        htmx = HtmxDetails(request)
        if htmx:
            back = urlencode({"next": htmx.current_url_abs_path or "/"})
            return HttpResponseClientRedirect(f"{reverse(settings.LOGIN_URL)}?{back}")
        return super().handle_no_permission(request, view_func)


BALANCE_REMEMBERED_SECONDS = 5
PERMISSIONS = "camera=(), microphone=(), geolocation=()"


class PrivatePagesMiddleware:
    """What a person sees is theirs: no cache between us keeps it, no other site embeds it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "private, no-store")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        response.headers.setdefault("Permissions-Policy", PERMISSIONS)
        return response


def _balance() -> KieBalance | None:
    # KIE.AI is asked for it once a minute at the most: some seconds more make no difference.
    known: KieBalance | None = caches["process"].get_or_set(
        "balance", KieBalance.objects.known, BALANCE_REMEMBERED_SECONDS
    )
    return known


def studio(request: HttpRequest) -> dict[str, Any]:
    """What every page knows about the studio it belongs to."""
    return {
        "is_sandbox": settings.IS_SANDBOX,
        "signup_open": settings.SIGNUP_OPEN,
        # Asked for only by a page that shows it.
        "balance": SimpleLazyObject(_balance),
    }
