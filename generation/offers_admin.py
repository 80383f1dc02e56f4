"""The operators' desk: which services are offered, to whom, in which order, and what they cost."""

import json
from functools import cache
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Case, F, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.timezone import now

from generation.catalogue import PROVIDERS, PURPOSES, Mode, Provider
from generation.models import AllowedGroup, Offer, PriceOverride
from generation.price_list import PriceList, lines_of
from generation.prices import PriceLine
from generation.repricing import NotAPriceList, checked, objections_to_stored


class MakerFilter(admin.SimpleListFilter):
    title = parameter_name = "maker"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        makers = dict.fromkeys(provider.maker for provider in PROVIDERS.values())
        return [(maker, maker) for maker in makers]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Offer]) -> QuerySet[Offer]:
        keys = [key for key, provider in PROVIDERS.items() if provider.maker == self.value()]
        return queryset.filter(provider__in=keys) if self.value() else queryset


class PurposeFilter(admin.SimpleListFilter):
    title = parameter_name = "purpose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(PURPOSES.items())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Offer]) -> QuerySet[Offer]:
        purpose = self.value()
        if not purpose:
            return queryset
        keys = [key for key, provider in PROVIDERS.items() if provider.mode_of_type(purpose)]
        return queryset.filter(provider__in=keys)


class AllowedGroupInline(admin.TabularInline):
    model = AllowedGroup
    extra = 1


@admin.register(Offer)
class OfferAdmin(admin.ModelAdmin):
    """All services of the catalogue, also those that nobody has touched yet."""

    list_display = (
        "label",
        "maker",
        "purposes",
        "who",
        "is_offered",
        "position",
        "changed",
    )
    list_editable = ("is_offered", "position")
    list_filter = (MakerFilter, PurposeFilter, "is_offered")
    # All of them on one page: it is their order that is set here.
    list_per_page = 300
    search_fields = ("provider",)
    search_help_text = "Name, maker or key of a service"
    actions = ("switch_on", "switch_off")
    inlines = (AllowedGroupInline,)
    fields = ("is_offered", "position", "key", "maker", "purposes", "about", "models", "prices")
    readonly_fields = ("key", "maker", "purposes", "about", "models", "prices")

    def changelist_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if self.has_view_permission(request):
            Offer.objects.add_missing(PROVIDERS)
        return super().changelist_view(request, *args, **kwargs)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Offer]:
        offers = super().get_queryset(request).filter(provider__in=PROVIDERS)
        return offers.prefetch_related("groups")

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Offer], search_term: str
    ) -> tuple[QuerySet[Offer], bool]:
        """By what a service is called, which stands in the catalogue and not in the database."""
        words = search_term.lower().split()
        found = [
            key
            for key, provider in PROVIDERS.items()
            if all(word in f"{key} {provider.label} {provider.maker}".lower() for word in words)
        ]
        return queryset.filter(provider__in=found), False

    def get_list_display(self, request: HttpRequest) -> tuple[Any, ...]:
        # Looked up once, and only when a row is shown.
        prices = cache(PriceList.now)

        @admin.display(description="price from")
        def price(offer: Offer) -> str:
            return str(prices().cheapest(PROVIDERS[offer.provider]) or "unknown")

        return (*self.list_display[:3], price, *self.list_display[3:])

    def get_ordering(self, request: HttpRequest) -> list[Any]:
        """As the form has them, and those that are off in their places."""
        places = (When(provider=key, then=Value(place)) for place, key in enumerate(PROVIDERS))
        return [F("position").asc(nulls_last=True), Case(*places)]

    # --- What is shown ----------------------------------------------------------------------

    @admin.display(description="service", ordering="provider")
    def label(self, offer: Offer) -> str:
        provider = PROVIDERS[offer.provider]
        return f"{provider.label} (retired)" if provider.is_retired else provider.label

    @admin.display(description="key")
    def key(self, offer: Offer) -> str:
        return offer.provider

    @admin.display(description="maker")
    def maker(self, offer: Offer) -> str:
        return PROVIDERS[offer.provider].maker

    @admin.display(description="made from")
    def purposes(self, offer: Offer) -> str:
        modes = PROVIDERS[offer.provider].modes
        return ", ".join(PURPOSES[mode.generation_type] for mode in modes)

    @admin.display(description="about")
    def about(self, offer: Offer) -> str:
        provider = PROVIDERS[offer.provider]
        return f"{provider.label}: {provider.about}"

    @admin.display(description="KIE.AI's models")
    def models(self, offer: Offer) -> str:
        return ", ".join(dict.fromkeys(mode.model for mode in PROVIDERS[offer.provider].modes))

    @admin.display(description="who may use it")
    def who(self, offer: Offer) -> str:
        return ", ".join(group.name for group in offer.groups.all()) or "everybody"

    @admin.display(description="changed", ordering="updated_at")
    def changed(self, offer: Offer) -> str:
        if not offer.updated_by:
            return "-"
        return f"{offer.updated_at:%d %b %Y}, {offer.updated_by}"

    @admin.display(description="prices")
    def prices(self, offer: Offer) -> SafeString:
        provider = PROVIDERS[offer.provider]
        rows = PriceOverride.objects.filter(provider=provider.key)
        stored = {row.generation_type: row for row in rows}
        each = (
            _prices(provider, mode, stored.get(mode.generation_type)) for mode in provider.modes
        )
        return format_html_join("", '<p>{}: {}. <a href="{}">{}</a></p>', each)

    # --- What is done -----------------------------------------------------------------------

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        # Without its row a service would be offered to everybody again.
        return False

    def save_model(self, request: HttpRequest, obj: Offer, form: Any, change: Any) -> None:
        obj.updated_by = request.user.get_username()
        super().save_model(request, obj, form, change)

    @admin.action(description="Switch on", permissions=["change"])
    def switch_on(self, request: HttpRequest, offers: QuerySet[Offer]) -> None:
        self._switch(request, offers, is_offered=True)

    @admin.action(description="Switch off", permissions=["change"])
    def switch_off(self, request: HttpRequest, offers: QuerySet[Offer]) -> None:
        self._switch(request, offers, is_offered=False)

    def _switch(self, request: HttpRequest, offers: QuerySet[Offer], *, is_offered: bool) -> None:
        changed = list(offers.exclude(is_offered=is_offered))
        by, word = request.user.get_username(), "on" if is_offered else "off"
        rows = Offer.objects.filter(pk__in=[offer.pk for offer in changed])
        rows.update(is_offered=is_offered, updated_by=by, updated_at=now())
        for offer in changed:
            self.log_change(request, offer, f"Switched {word}")
        self.message_user(request, f"{len(changed)} service(s) switched {word}.")


def _prices(provider: Provider, mode: Mode, row: PriceOverride | None) -> tuple[str, str, str, str]:
    """Of one kind of video: its name, its prices, where they are changed, and that link's words."""
    kind = PURPOSES[mode.generation_type]
    if row:
        address = reverse("admin:generation_priceoverride_change", args=[row.pk])
        return kind, f"{_in_words(lines_of(row))} (as of {row.as_of})", address, "Change"
    query = urlencode({"provider": provider.key, "generation_type": mode.generation_type})
    address = f"{reverse('admin:generation_priceoverride_add')}?{query}"
    return kind, f"{_in_words(mode.prices)} (by the catalogue)", address, "Set other prices"


def _in_words(lines: tuple[PriceLine, ...]) -> str:
    return "; ".join(f"{line.condition}: {line.rate}" for line in lines) or "unknown"


class LinesField(forms.JSONField):
    """A price list as JSON, one price a line."""

    widget = forms.Textarea(attrs={"rows": 12, "cols": 100, "spellcheck": "false"})

    def prepare_value(self, value: Any) -> Any:
        if value is None:
            return ""
        if not isinstance(value, list):
            return super().prepare_value(value)
        lines = ",\n ".join(json.dumps(line, ensure_ascii=False) for line in value)
        return f"[{lines}]"


def _services() -> list[tuple[str, str]]:
    return [(key, f"{provider.label} ({key})") for key, provider in PROVIDERS.items()]


class PriceOverrideForm(forms.ModelForm):
    """Checked as `manage.py prices --update` checks a file."""

    provider = forms.ChoiceField(label="Service", choices=_services)
    generation_type = forms.ChoiceField(label="Kind", choices=list(PURPOSES.items()))
    lines = LinesField(
        label="Prices",
        help_text='A list, of which the first that fits counts: [{"when": {"resolution": "720p"}, '
        '"per": "second", "usd": 0.04}]. "per" is video or second, "usd" is in dollars.',
    )

    class Meta:
        model = PriceOverride
        fields = ("provider", "generation_type", "as_of", "lines", "source")

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if {"provider", "generation_type", "as_of", "lines"} <= cleaned.keys():
            try:
                cleaned["lines"] = checked(
                    key=cleaned["provider"],
                    generation_type=cleaned["generation_type"],
                    as_of=cleaned["as_of"],
                    lines=cleaned["lines"],
                ).lines
            except NotAPriceList as error:
                self.add_error("lines", list(error.objections))
        return cleaned


@admin.register(PriceOverride)
class PriceOverrideAdmin(admin.ModelAdmin):
    """Prices that count in place of the catalogue's; deleted, the catalogue's count again."""

    form = PriceOverrideForm
    list_display = ("service", "kind", "as_of", "prices", "fits", "source", "updated_by")
    search_fields = ("provider", "source")

    @admin.display(description="service", ordering="provider")
    def service(self, row: PriceOverride) -> str:
        return PROVIDERS[row.provider].label if row.provider in PROVIDERS else row.provider

    @admin.display(description="kind", ordering="generation_type")
    def kind(self, row: PriceOverride) -> str:
        return PURPOSES.get(row.generation_type, row.generation_type)

    @admin.display(description="prices")
    def prices(self, row: PriceOverride) -> str:
        return _in_words(lines_of(row))

    @admin.display(description="fits the catalogue", boolean=True)
    def fits(self, row: PriceOverride) -> bool:
        return not objections_to_stored(row)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """What the catalogue says, to begin from, where a link names the service and the kind."""
        initial: dict[str, Any] = dict(super().get_changeform_initial_data(request))
        provider = PROVIDERS.get(initial.get("provider", ""))
        mode = provider and provider.mode_of_type(initial.get("generation_type", ""))
        if mode:
            initial["lines"] = [
                {"when": dict(line.when), "per": line.per, "usd": float(line.usd)}
                for line in mode.prices
            ]
        return initial

    def save_model(self, request: HttpRequest, obj: PriceOverride, form: Any, change: Any) -> None:
        obj.updated_by = request.user.get_username()
        super().save_model(request, obj, form, change)
