"""Services and prices on the operators' desk."""

import pytest
from django.contrib.auth.models import Group
from django.urls import reverse

from generation.catalogue import PROVIDERS
from generation.models import Offer, OfferStamp, PriceOverride
from generation.offers import offered

VEO, HAILUO, KLING = "kie-veo3-fast", "kie-hailuo-text2vid", "kie-kling-3-0-text2vid"
REFERENCES_OF_GOOGLE = {"kie-veo3-fast", "kie-veo3-lite", "kie-gemini-omni-ref2vid"}

LIST = reverse("admin:generation_offer_changelist")
PRICES = reverse("admin:generation_priceoverride_changelist")
ADD_PRICES = reverse("admin:generation_priceoverride_add")


def keys(user):
    return [provider.key for provider in offered(user)]


@pytest.fixture
def makers(db):
    return Group.objects.create(name="makers")


@pytest.fixture
def desk(client, admin_user):
    client.force_login(admin_user)
    return client


def rows(page):
    return [offer.provider for offer in page.context["cl"].result_list]


def act(desk, action, *keys):
    chosen = list(Offer.objects.filter(provider__in=keys).values_list("pk", flat=True))
    return desk.post(LIST, {"action": action, "_selected_action": chosen}, follow=True)


def test_the_list_has_every_service_of_the_catalogue(desk):
    PriceOverride.objects.create(
        provider=HAILUO,
        generation_type="text2vid",
        as_of="2026-11-01",
        lines=[{"when": {}, "per": "video", "usd": "0.07"}],
    )

    page = desk.get(LIST)

    assert set(rows(page)) == set(PROVIDERS)
    assert "Sora 2 Pro (retired)" in page.content.decode()
    assert "$0.07" in page.content.decode()


def test_the_list_is_in_the_order_of_the_form(desk):
    Offer.objects.create(provider=KLING, position=1, is_offered=False)
    Offer.objects.create(provider=HAILUO)

    listed = rows(desk.get(LIST))

    assert listed == [KLING, *(key for key in PROVIDERS if key != KLING)]


def test_looking_at_the_list_changes_nothing_for_anybody(desk, alice):
    Offer.objects.create(provider=VEO, is_offered=False, position=7)
    before = keys(alice)

    desk.get(LIST)
    desk.get(LIST)

    assert keys(alice) == before
    assert Offer.objects.count() == len(PROVIDERS)


def test_a_service_that_the_catalogue_no_longer_has_is_not_listed(desk):
    Offer.objects.create(provider="kie-gone-text2vid")

    assert "kie-gone-text2vid" not in rows(desk.get(LIST))


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        ({"maker": "MiniMax"}, lambda p: p.maker == "MiniMax"),
        ({"purpose": "lipsync"}, lambda p: p.mode_of_type("lipsync") is not None),
        ({"purpose": "ref2vid", "maker": "Google"}, lambda p: p.key in REFERENCES_OF_GOOGLE),
        ({"is_offered__exact": "0"}, lambda p: p.key == VEO),
        ({"q": "seedance 2.5"}, lambda p: p.label == "Seedance 2.5"),
        ({"q": "kie-veo3-fast-ext"}, lambda p: p.key == "kie-veo3-fast-extend"),
    ],
)
def test_services_are_found_by_maker_purpose_state_and_name(desk, query, wanted):
    Offer.objects.create(provider=VEO, is_offered=False)

    page = desk.get(LIST, query)

    assert set(rows(page)) == {key for key, p in PROVIDERS.items() if wanted(p)}


def test_services_are_switched_off_and_on_together(desk, alice):
    desk.get(LIST)

    said = act(desk, "switch_off", VEO, HAILUO).content.decode()
    off = keys(alice)
    again = act(desk, "switch_on", VEO, KLING).content.decode()

    assert "2 service(s) switched off." in said
    assert {VEO, HAILUO} & set(off) == set()
    assert "1 service(s) switched on." in again
    assert VEO in keys(alice)
    assert Offer.objects.get(provider=HAILUO).updated_by == "admin"


def test_the_order_and_the_state_are_set_in_the_list_itself(desk, alice):
    shown = desk.get(LIST, {"maker": "xAI"})
    offers = list(shown.context["cl"].result_list)
    form = {"form-TOTAL_FORMS": len(offers), "form-INITIAL_FORMS": len(offers), "_save": "Save"}
    for number, offer in enumerate(offers):
        form |= {f"form-{number}-id": offer.pk, f"form-{number}-position": len(offers) - number}
        form |= {f"form-{number}-is_offered": "on"} if number else {}

    desk.post(f"{LIST}?maker=xAI", form)

    mine = [offer.provider for offer in offers]
    assert keys(alice)[: len(mine) - 1] == mine[:0:-1]
    assert mine[0] not in keys(alice)


def test_a_service_is_kept_for_groups_on_its_own_page(desk, alice, bob, makers):
    bob.groups.add(makers)
    desk.get(LIST)
    offer = Offer.objects.get(provider=VEO)
    page = reverse("admin:generation_offer_change", args=[offer.pk])
    inline = {f"allowedgroup_set-{n}": v for n, v in (("TOTAL_FORMS", 1), ("INITIAL_FORMS", 0))}

    shown = desk.get(page).content.decode()
    desk.post(page, {"is_offered": "on", "allowedgroup_set-0-group": makers.pk, **inline})

    assert "resolution=720p: $0.30" in shown
    assert "Quick and cheap for its quality" in shown
    assert (VEO in keys(alice), VEO in keys(bob)) == (False, True)
    assert "makers" in desk.get(LIST).content.decode()


def test_a_row_of_the_list_is_never_deleted(desk):
    desk.get(LIST)
    offer = Offer.objects.get(provider=VEO)

    refused = desk.post(reverse("admin:generation_offer_delete", args=[offer.pk]), {"post": "yes"})

    assert refused.status_code == 403


# --- Prices on the operators' desk ----------------------------------------------------------


def price_form(**facts):
    usual = {
        "provider": HAILUO,
        "generation_type": "text2vid",
        "as_of": "2026-11-01",
        "lines": '[{"when": {"duration": "6"}, "per": "video", "usd": 0.2}]',
        "source": "seen on KIE.AI",
    }
    return usual | facts


def test_prices_are_set_changed_and_deleted(desk, admin_user):
    desk.post(ADD_PRICES, price_form())
    row = PriceOverride.objects.get()
    change = reverse("admin:generation_priceoverride_change", args=[row.pk])
    shown = desk.get(change).content.decode()
    desk.post(change, price_form(lines='[{"when": {}, "per": "second", "usd": "0.03"}]'))

    row.refresh_from_db()
    assert "0.2" in shown
    assert row.lines == [{"when": {}, "per": "second", "usd": "0.03"}]
    assert row.updated_by == "admin"
    assert "always: $0.03 a second" in desk.get(PRICES).content.decode()

    desk.post(reverse("admin:generation_priceoverride_delete", args=[row.pk]), {"post": "yes"})
    assert not PriceOverride.objects.exists()


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"lines": '[{"when": {"moon": 1}, "per": "video", "usd": 1}]'}, "has no field moon"),
        ({"lines": '[{"when": {}, "per": "video", "usd": -1}]'}, "less than nothing"),
        ({"lines": "[]"}, "This field is required"),
        ({"lines": "nonsense"}, "valid JSON"),
        ({"generation_type": "lipsync"}, "not lipsync"),
        ({"as_of": "2199-01-01"}, "still to come"),
        ({"provider": "kie-nothing"}, "not one of the available choices"),
    ],
)
def test_prices_that_do_not_fit_are_refused_as_in_a_file(desk, facts, why):
    page = desk.post(ADD_PRICES, price_form(**facts))

    assert why in page.content.decode().replace("&#x27;", "'")
    assert not PriceOverride.objects.exists()


def test_a_kind_of_video_has_one_list_of_stored_prices(desk):
    desk.post(ADD_PRICES, price_form())

    page = desk.post(ADD_PRICES, price_form()).content.decode()

    assert "has prices of its own already" in page
    assert PriceOverride.objects.count() == 1


def test_looking_at_the_services_changes_nothing(desk):
    desk.get(LIST)
    before = OfferStamp.now()

    desk.get(LIST)

    assert OfferStamp.now() == before


def test_an_empty_price_form_begins_empty(desk):
    assert "null" not in desk.get(ADD_PRICES).content.decode()


def test_a_link_at_the_service_begins_with_the_catalogues_prices(desk):
    page = desk.get(f"{ADD_PRICES}?provider={HAILUO}&generation_type=text2vid").content.decode()

    assert "&quot;usd&quot;: 0.15" in page
