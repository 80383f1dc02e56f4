"""Signing up, in and out, forgotten passwords, the profile."""

from typing import Any, ClassVar
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login, views
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.forms import UserCreationForm
from django.contrib.messages.views import SuccessMessageMixin
from django.db import IntegrityError, transaction
from django.forms import ModelForm
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse_lazy
from django.views.decorators.http import require_http_methods

from videostudio.http import StudioRequest
from videostudio.models import User


class SignUpForm(UserCreationForm):  # type: ignore[type-arg]  # generic in the stubs only
    """A name, an address for a forgotten password, a password."""

    class Meta:
        model = User
        fields = ("username", "email")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].help_text = ""
        self.fields["username"].widget.attrs["autofocus"] = True
        self.fields["email"].help_text = "Only for resetting a forgotten password."
        self.fields["password1"].help_text = "At least 8 characters, and nothing too common."
        self.fields["password2"].label = "Password again"
        self.fields["password2"].help_text = ""


class ProfileForm(ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = User
        fields = ("username", "email")
        help_texts: ClassVar = {
            "username": "",
            "email": "Only for resetting a forgotten password.",
        }


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def sign_up(request: HttpRequest) -> HttpResponse:
    """Make an account and enter with it. 404 where the studio is closed to newcomers."""
    if not settings.SIGNUP_OPEN:
        raise Http404("This studio takes no new accounts.")
    if request.user.is_authenticated:
        return redirect(settings.LOGIN_REDIRECT_URL)
    form = SignUpForm(request.POST or None)
    if request.method == "POST" and form.is_valid() and (user := _saved(form)):
        login(request, user)
        return redirect(settings.LOGIN_REDIRECT_URL)
    status = 422 if form.is_bound else 200
    return render(request, "registration/sign_up.html", {"form": form}, status=status)


def _saved(form: SignUpForm | ProfileForm) -> User | None:
    """The account of this valid form; None when somebody took its name in this very moment."""
    try:
        with transaction.atomic():
            user: User = form.save()
            return user
    except IntegrityError:
        form.add_error(None, "This name or address has just been taken. Please choose another.")
        return None


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: StudioRequest) -> HttpResponse:
    form = ProfileForm(request.POST or None, instance=request.user)
    if request.method == "POST" and form.is_valid() and _saved(form):
        messages.success(request, "Your profile is saved.")
        return redirect("profile")
    status = 422 if form.is_bound else 200
    return render(request, "registration/profile.html", {"form": form}, status=status)


class PasswordChangeView(SuccessMessageMixin, views.PasswordChangeView):  # type: ignore[type-arg]
    """A new password for somebody who knows the old one."""

    success_message = "Your password is changed."
    success_url = reverse_lazy("profile")


class PasswordResetView(views.PasswordResetView):
    """A link by mail for somebody who has forgotten the password."""

    @property
    def extra_email_context(self) -> dict[str, str] | None:  # type: ignore[override]  # read only
        """Links lead to our own address, whatever host a request claims to have reached."""
        address = urlsplit(settings.PUBLIC_URL)
        return {"protocol": address.scheme, "domain": address.netloc} if address.netloc else None


urlpatterns = [
    path("signup/", sign_up, name="signup"),
    path("login/", views.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("profile/", profile, name="profile"),
    path("password/", PasswordChangeView.as_view(), name="password_change"),
    path("password-reset/", PasswordResetView.as_view(), name="password_reset"),
    path("password-reset/sent/", views.PasswordResetDoneView.as_view(), name="password_reset_done"),
    path(
        "password-reset/<uidb64>/<token>/",
        views.PasswordResetConfirmView.as_view(),
        name="password_reset_confirm",
    ),
    path(
        "password-reset/done/",
        views.PasswordResetCompleteView.as_view(),
        name="password_reset_complete",
    ),
]
