"""Comparing services before choosing one."""

import re
from datetime import timedelta

import pytest
from django.utils.timezone import now

from generation.catalogue import PROVIDERS, current
from generation.models import Offer, PriceOverride
from generation.picker_views import why_not
from tests.conftest import kept_input, picture_bytes

URL = "/generate/services/"
WAN = "kie-wan-3-0-ref2vid"
VEO, HAILUO, KLING_AVATAR = "kie-veo3-fast", "kie-hailuo-text2vid", "kie-kling-avatar-pro-lipsync"
IN_DIALOG = {"HX-Request": "true", "HX-Target": "services"}


def compare(client, **query):
    return client.get(URL, query, headers=IN_DIALOG)


def tab_of(answer, purpose):
    return next(tab for tab in answer.context["tabs"] if tab.purpose == purpose)


def keys_in(rows):
    return [row.provider.key for row in rows]


def possible_in(tab):
    return [key for rows in tab.makers.values() for key in keys_in(rows)]


def row_of(answer, key):
    page = answer.content.decode()
    found = re.search(rf'<li data-words="{key} .*?</li>', page, re.DOTALL)
    return found and re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", found[0])).strip()


def test_the_dialog_gets_the_list_alone_and_a_link_leads_to_a_page(alice_client):
    part = compare(alice_client).content.decode()
    page = alice_client.get(URL).content.decode()

    assert "<html" not in part
    assert '<h2 id="services-title"' in part
    assert "<html" in page
    assert '<h1 id="services-title"' in page


def test_every_service_stands_under_each_of_its_purposes(alice_client):
    tabs = compare(alice_client).context["tabs"]

    listed = {tab.purpose: {*possible_in(tab), *keys_in(tab.impossible)} for tab in tabs}
    assert listed == {
        purpose: {p.key for p in current() if p.mode_of_type(purpose)} for purpose in listed
    }
    assert VEO in listed["text2vid"] & listed["img2vid"] & listed["ref2vid"]
    assert set.union(*listed.values()) == {p.key for p in current()}


def test_within_a_purpose_services_are_grouped_by_maker(alice_client):
    makers = tab_of(compare(alice_client), "text2vid").makers

    assert list(makers)[:2] == ["Google", "MiniMax"]
    for maker, rows in makers.items():
        assert {row.provider.maker for row in rows} == {maker}


def test_a_row_says_what_there_is_to_know(alice_client, make_video):
    at = now()
    for number in range(5):
        make_video(
            status="completed",
            stage="settled",
            progress=100,
            video_url="https://results.kie.example/v.mp4",
            next_poll_at=None,
            accepted_at=at - timedelta(seconds=110 + number),
            succeeded_at=at,
            completed_at=at,
        )
    PriceOverride.objects.create(
        provider=HAILUO,
        generation_type="text2vid",
        as_of="2026-11-01",
        lines=[{"when": {}, "per": "video", "usd": "0.17"}],
    )

    answer = compare(alice_client, provider=VEO)

    assert row_of(answer, HAILUO) == (
        "Hailuo 02 from $0.17 Strong motion and physics from words alone 6 or 10 s "
        "100 % ok · ~2 min"
    )
    assert row_of(answer, VEO).startswith("Veo 3.1 Fast chosen from $0.30")
    assert "price unknown" in row_of(answer, "kie-seedance-1-0-pro-text2vid")


def test_only_what_is_offered_to_this_person_is_listed(alice_client):
    Offer.objects.create(provider=VEO, is_offered=False)
    Offer.objects.create(provider=HAILUO, position=1)

    tab = tab_of(compare(alice_client), "text2vid")

    assert VEO not in possible_in(tab)
    assert possible_in(tab)[0] == HAILUO


def test_where_nothing_is_offered_the_list_says_so(alice_client):
    Offer.objects.bulk_create(Offer(provider=key, is_offered=False) for key in PROVIDERS)

    assert "No service is offered to you" in compare(alice_client).content.decode()


def test_what_cannot_take_the_files_comes_last_with_the_reason(alice_client, alice):
    file = kept_input(alice)

    answer = compare(alice_client, kept_image=str(file.pk), provider=VEO)

    tab = tab_of(answer, "text2vid")
    assert VEO in possible_in(tab)
    assert HAILUO in keys_in(tab.impossible)
    assert "Takes no picture" in row_of(answer, HAILUO)
    assert answer.content.decode().index("Not with the form as it stands") > 0
    assert not re.search(rf'href="[^"]*" data-provider="{HAILUO}"', answer.content.decode())


def test_the_list_begins_with_the_purpose_of_the_form(alice_client, alice):
    file = kept_input(alice)

    def begins_with(**query):
        return compare(alice_client, **query).context["current"]

    assert begins_with() == "text2vid"
    assert begins_with(provider=VEO) == "text2vid"
    assert begins_with(provider=VEO, kept_image=str(file.pk)) == "img2vid"
    assert begins_with(provider=KLING_AVATAR) == "lipsync"


def test_a_link_chooses_the_service_and_keeps_the_files(alice_client, alice):
    file = kept_input(alice)
    page = alice_client.get(URL, {"kept_image": str(file.pk), "provider": VEO})
    link = re.search(r'href="([^"]*)" data-provider="kie-hailuo-img2vid"', page.content.decode())

    form = alice_client.get(link[1].replace("&amp;", "&"))

    assert form.context["chosen"].key == "kie-hailuo-img2vid"
    assert f'name="kept_image" value="{file.pk}"' in form.content.decode()


def test_services_that_go_on_need_a_video_to_go_on_from(alice_client, make_completed):
    video = make_completed(provider=VEO, model="veo3_fast", task_id="veo_task_1")

    without = tab_of(compare(alice_client), "extend")
    with_video = tab_of(compare(alice_client, parent=str(video.pk)), "extend")

    assert "kie-veo3-fast-extend" in keys_in(without.impossible)
    assert "kie-veo3-fast-extend" in possible_in(with_video)
    assert "kie-runway-extend" in keys_in(with_video.impossible)


@pytest.mark.parametrize("parent", ["", "nonsense", "0b1c9c3e-0000-4000-8000-000000000000"])
def test_an_earlier_video_that_is_none_is_no_reason_to_fail(alice_client, parent):
    assert compare(alice_client, parent=parent).status_code == 200


def test_somebody_elses_video_and_file_are_as_good_as_none(client, bob, alice, make_completed):
    video = make_completed(provider=VEO, model="veo3_fast", task_id="veo_task_1")
    file = kept_input(alice)
    client.force_login(bob)

    answer = compare(client, parent=str(video.pk), kept_image=str(file.pk))

    assert "kie-veo3-fast-extend" in keys_in(tab_of(answer, "extend").impossible)
    assert HAILUO in possible_in(tab_of(answer, "text2vid"))


@pytest.mark.parametrize(
    ("key", "slots", "why"),
    [
        (VEO, {}, ""),
        (VEO, {"image": 1}, ""),
        (VEO, {"video": 1}, "Takes no clip"),
        (HAILUO, {"image": 1, "audio": 1}, "Takes no picture and no recording"),
        (VEO, {"image": 1, "reference_images": 1}, "Does not take these together: picture, "),
        (VEO, {"reference_images": 5}, "Takes 3 of your 5 pictures for reference"),
        (VEO, {"document": 1}, "Takes no document"),
        (WAN, {"document": 1}, ""),
        ("kie-runway-extend", {}, "Goes on from an earlier video"),
    ],
)
def test_the_reason_is_a_short_one(key, slots, why):
    kept = {name: [None] * count for name, count in slots.items()}

    said = why_not(PROVIDERS[key], kept=kept, parent=None)

    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_the_list_costs_few_queries(alice_client, alice, django_assert_max_num_queries):
    files = [
        kept_input(alice, content=picture_bytes(320, 180 + n), name=f"{n}.png") for n in range(3)
    ]
    compare(alice_client)

    # The session, the user, the files, the offers, the prices.
    with django_assert_max_num_queries(5):
        compare(alice_client, kept_reference_images=[str(file.pk) for file in files])


def test_the_form_has_the_button_and_a_place_for_the_dialog(alice_client):
    page = alice_client.get(f"/generate/?provider={HAILUO}").content.decode()

    assert f'href="/generate/services/?provider={HAILUO}"' in page
    assert '<dialog id="services"' in page
