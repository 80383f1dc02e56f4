"""Which services the operators offer, and to whom."""

from contextlib import suppress
from datetime import date
from uuid import uuid4

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from django.db.models import ProtectedError, QuerySet

from gallery.models import Stage, Video
from generation.catalogue import PROVIDERS, current
from generation.models import Offer, OfferStamp, PriceOverride
from generation.offers import offered
from generation.submission import send_queued_videos
from tests.conftest import CREATE_TASK, kept_input

VEO, HAILUO, KLING = "kie-veo3-fast", "kie-hailuo-text2vid", "kie-kling-3-0-text2vid"


def keys(user):
    return [provider.key for provider in offered(user)]


@pytest.fixture
def makers(db):
    return Group.objects.create(name="makers")


def test_without_a_word_of_the_operators_everything_is_offered_in_the_catalogues_order(alice):
    assert keys(alice) == [provider.key for provider in current()]
    assert keys(alice)[0] == VEO


def test_what_is_switched_off_is_offered_to_nobody(alice, admin_user):
    Offer.objects.create(provider=VEO, is_offered=False)

    assert VEO not in keys(alice)
    assert VEO not in keys(admin_user)
    assert len(keys(alice)) == len(current()) - 1


def test_what_is_kept_for_a_group_is_offered_to_its_members(alice, bob, makers):
    Offer.objects.create(provider=VEO).groups.add(makers, Group.objects.create(name="others"))
    alice.groups.add(makers)

    assert VEO in keys(alice)
    assert VEO not in keys(bob)


def test_superusers_see_all_that_is_on(admin_user, makers):
    Offer.objects.create(provider=VEO).groups.add(makers)

    assert VEO in keys(admin_user)


def test_numbered_services_come_first_and_the_others_follow_in_their_order(alice):
    Offer.objects.create(provider=KLING, position=2)
    Offer.objects.create(provider=HAILUO, position=1)
    Offer.objects.create(provider=VEO, is_offered=True)

    first = keys(alice)

    assert first[:3] == [HAILUO, KLING, VEO]
    rest = [key for key in first if key not in {HAILUO, KLING}]
    assert rest == [p.key for p in current() if p.key not in {HAILUO, KLING}]


def test_it_costs_one_query_until_an_operator_changes_something(alice, django_assert_num_queries):
    Offer.objects.create(provider=VEO, is_offered=False)
    offered(alice)

    with django_assert_num_queries(1):
        offered(alice)


def test_groups_cost_one_query_more(alice, makers, django_assert_num_queries):
    for provider in current():
        Offer.objects.create(provider=provider.key).groups.add(makers)
    offered(alice)

    with django_assert_num_queries(2):
        offered(alice)


def test_a_person_who_joins_a_group_is_offered_what_is_kept_for_it_at_once(alice, makers):
    Offer.objects.create(provider=VEO).groups.add(makers)
    assert VEO not in keys(alice)

    alice.groups.add(makers)

    assert VEO in keys(alice)


LINES = [{"when": {}, "per": "video", "usd": "7"}]


def price_of_hailuo(user):
    return str(offered(user).prices.cheapest(PROVIDERS[HAILUO]))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda offer: offer.delete(), id="deleted"),
        pytest.param(lambda offer: Offer.objects.all().delete(), id="all deleted"),
        pytest.param(lambda offer: Offer.objects.update(is_offered=True), id="updated"),
        pytest.param(lambda offer: Offer(pk=offer.pk, provider=VEO).save(), id="saved"),
    ],
)
def test_every_change_of_an_offer_counts_at_once(alice, change):
    offer = Offer.objects.create(provider=VEO, is_offered=False)
    assert VEO not in keys(alice)

    change(offer)

    assert VEO in keys(alice)


@pytest.mark.parametrize("how", ["removed", "cleared", "set"])
def test_every_change_of_the_groups_counts_at_once(alice, makers, how):
    offer = Offer.objects.create(provider=VEO)
    offer.groups.add(makers)
    assert VEO not in keys(alice)

    match how:
        case "removed":
            offer.groups.remove(makers)
        case "cleared":
            offer.groups.clear()
        case "set":
            offer.groups.set([])

    assert VEO in keys(alice)


def test_every_change_of_a_price_counts_at_once(alice):
    usual = price_of_hailuo(alice)
    facts = {"generation_type": "text2vid", "as_of": date(2026, 11, 1), "lines": LINES}
    row = PriceOverride.objects.create(provider=HAILUO, **facts)
    assert price_of_hailuo(alice) == "$7.00"

    PriceOverride.objects.update(lines=[LINES[0] | {"usd": "8"}])
    assert price_of_hailuo(alice) == "$8.00"

    row.delete()
    assert price_of_hailuo(alice) == usual


def test_a_change_that_is_taken_back_is_forgotten(alice):
    offered(alice)
    with suppress(RuntimeError), transaction.atomic():
        Offer.objects.create(provider=VEO, is_offered=False)
        assert VEO not in keys(alice)
        raise RuntimeError

    assert VEO in keys(alice)


def test_a_studio_without_a_stamp_reads_what_is_so(alice):
    OfferStamp.objects.all().delete()
    assert VEO in keys(alice)

    # As a change by SQL would do it: nothing says that there was one.
    QuerySet(Offer).bulk_create([Offer(provider=VEO, is_offered=False)])

    assert VEO not in keys(alice)


def test_a_group_that_services_are_kept_for_cannot_be_deleted(makers):
    Offer.objects.create(provider=VEO).groups.add(makers)

    with pytest.raises(ProtectedError):
        makers.delete()


# --- What that means at the form ------------------------------------------------------------


def send(client, provider, **facts):
    typed = {"prompt": "a red kite", "provider": provider, "idempotency_key": str(uuid4())}
    return client.post("/generate/", typed | facts)


def test_a_service_that_is_off_cannot_be_chosen(alice_client):
    Offer.objects.create(provider=HAILUO, is_offered=False)

    page = alice_client.get(f"/generate/?provider={HAILUO}")

    assert page.context["chosen"].key == VEO
    assert f'value="{HAILUO}"' not in page.content.decode()


def test_a_form_that_cannot_have_its_service_says_so(alice_client, make_completed):
    Offer.objects.create(provider=HAILUO, is_offered=False)
    video = make_completed(provider=HAILUO)
    words = "Hailuo 02 is not offered now"

    assert words in alice_client.get(f"/generate/?provider={HAILUO}").content.decode()
    assert words in alice_client.get(f"/generate/?from={video.pk}").content.decode()
    assert words not in alice_client.get(f"/generate/?provider={KLING}").content.decode()


@pytest.mark.parametrize("how", ["off", "kept for others", "unknown"])
def test_a_service_that_is_not_offered_is_refused_like_an_unknown_one(
    alice_client, makers, how, kie
):
    wanted = "kie-nothing" if how == "unknown" else HAILUO
    offer = Offer.objects.create(provider=HAILUO, is_offered=how != "off")
    if how == "kept for others":
        offer.groups.add(makers)

    refused = send(alice_client, wanted)

    assert refused.status_code == 422
    assert "This service is not offered here." in refused.content.decode()
    assert "a red kite" in refused.content.decode()
    assert not Video.objects.exists()


def test_the_first_service_in_the_operators_order_is_the_one_chosen_at_first(alice_client):
    Offer.objects.create(provider=HAILUO, position=1)

    assert alice_client.get("/generate/").context["chosen"].key == HAILUO


def test_a_picture_leads_to_a_service_that_this_person_may_use(alice_client, alice):
    takers = [p for p in current() if p.mode_for({"image"}) and not p.continues]
    for provider in takers[1:]:
        Offer.objects.create(provider=provider.key, is_offered=False)
    file = kept_input(alice)

    page = alice_client.get(
        "/generate/", {"provider": HAILUO, "kept_image": str(file.pk), "follow": "1"}
    )

    assert page.context["chosen"].key == takers[0].key


def test_a_purpose_leads_to_a_service_that_this_person_may_use(alice_client):
    for provider in current():
        if provider.mode_of_type("lipsync") and provider.key != "kie-infinitalk-lipsync":
            Offer.objects.create(provider=provider.key, is_offered=False)

    page = alice_client.get("/generate/?kind=lipsync")

    assert page.context["chosen"].key == "kie-infinitalk-lipsync"


def test_where_nothing_is_offered_the_page_says_so(alice_client, alice, make_completed):
    Offer.objects.bulk_create(Offer(provider=key, is_offered=False) for key in PROVIDERS)
    video = make_completed()

    shown = alice_client.get("/generate/").content.decode()
    frame = alice_client.post(f"/videos/{video.pk}/frame/", follow=True)

    assert "No service is offered to you at the moment." in shown
    assert frame.status_code == 200
    assert "No service is offered" in send(alice_client, HAILUO).content.decode()
    swapped = alice_client.get("/generate/", headers={"HX-Request": "true"})
    assert swapped.headers["HX-Refresh"] == "true"


def test_videos_of_a_service_that_is_off_go_on_as_ever(
    alice_client, make_video, make_completed, kie, kie_client
):
    Offer.objects.create(provider=HAILUO, is_offered=False)
    done, waiting = make_completed(), make_video(stage=Stage.QUEUED, task_id="")
    kie.post(CREATE_TASK, json={"code": 200, "data": {"taskId": "task-sent"}})

    send_queued_videos(client=kie_client)

    waiting.refresh_from_db()
    assert waiting.task_id == "task-sent"
    assert "Hailuo 02" in alice_client.get(f"/videos/{done.pk}/").content.decode()
    assert alice_client.get(f"/generate/?from={done.pk}").context["chosen"].key == VEO


def test_a_page_asks_once_what_is_offered(alice_client, django_assert_num_queries):
    alice_client.get("/generate/")

    with django_assert_num_queries(100, exact=False) as asked:
        alice_client.get("/generate/?kind=img2vid")

    assert sum("generation_offer" in q["sql"] for q in asked.captured_queries) == 1
