"""Presets: a whole form under a name."""

import json
import os
import re
import time
from datetime import timedelta
from uuid import uuid4

import pytest
from django.core.files.storage import default_storage
from django.db import IntegrityError, transaction
from django.http import QueryDict
from django.utils.timezone import now

from gallery.models import InputFile
from generation.catalogue import current
from generation.models import OfferStamp, Preset
from generation.presets import (
    MOST_CHARACTERS,
    MOST_PRESETS,
    NameTaken,
    PresetRefused,
    is_offered,
    save_preset,
    values_from,
    values_in,
    values_of_preset,
)
from generation.sweeping import sweep_files
from tests.conftest import kept_input, picture_bytes

HTMX = {"HX-Request": "true", "HX-Target": "help-sheet"}
FORM = {"provider": "kie-hailuo-text2vid", "prompt": "a red kite", "duration": "10"}


@pytest.fixture
def save(alice):
    def save(name="Kite", *, user=alice, replace=False, **values):
        return save_preset(user=user, name=name, values=FORM | values, replace=replace)

    return save


def posted(text):
    return values_in(QueryDict(text))


def test_a_preset_keeps_service_prompt_and_settings(save):
    provider, values = values_of_preset(save())

    assert provider == "kie-hailuo-text2vid"
    assert values.dict() == {"prompt": "a red kite", "duration": "10"}


def test_what_belongs_to_the_click_is_left_out():
    values = posted("prompt=a+kite&csrfmiddlewaretoken=x&idempotency_key=y&show_settings=1")

    assert values == {"prompt": "a kite"}


def test_a_name_that_comes_several_times_stays_a_list():
    assert posted("kept=a&kept=b&prompt=c") == {"kept": ["a", "b"], "prompt": "c"}


def test_what_postgresql_refuses_is_taken_out(save):
    preset = save(prompt="a \x00kite\ud800", **{"na\x00me": ["\udfff", "b"]})

    preset.refresh_from_db()
    assert preset.values == {"prompt": "a kite", "duration": "10", "name": ["", "b"]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        '{"a": 1}',
        '{"a": {"b": "c"}}',
        '{"a": [["b"]]}',
        "null",
        "[" * 100_000,
    ],
)
def test_values_that_no_form_sends_are_refused_in_words(text):
    with pytest.raises(PresetRefused, match="damaged"):
        values_from(text)


@pytest.mark.parametrize(
    "values",
    [
        {"prompt": "x" * MOST_CHARACTERS},
        {f"field-{number}": "x" for number in range(300)},
        {"x" * 200: "y"},
        {"provider": "x" * 200},
        {"provider": ["a", "b"]},
    ],
    ids=["a long prompt", "many fields", "a long field", "a long service", "two services"],
)
def test_a_preset_is_bounded(save, values):
    with pytest.raises(PresetRefused, match="too much"):
        save(**values)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Slow   pan\n at dusk ", "Slow pan at dusk"),
        ("Cafe\u0301", "Café"),
        ("a\x00b", "ab"),
        ("👩‍🚀 in space", "👩‍🚀 in space"),
    ],
)
def test_a_name_is_one_line_of_storable_text(save, typed, kept):
    assert save(typed).name == kept


@pytest.mark.parametrize("name", ["", "   ", "\x00", "\u200b", "x" * 81])
def test_a_name_that_is_none_is_refused_in_words(save, name):
    with pytest.raises(PresetRefused):
        save(name)


def test_a_name_is_taken_once_per_person(save, bob):
    save()

    with pytest.raises(NameTaken, match="Kite"):
        save(prompt="another")
    assert save(user=bob).name == "Kite"


def test_a_preset_is_replaced_when_that_is_wanted(save, alice):
    first = save()

    again = save(prompt="a blue kite", replace=True)

    assert again.pk == first.pk
    assert Preset.objects.for_user(alice).get().values["prompt"] == "a blue kite"


def test_the_database_keeps_names_apart(save, alice):
    save()

    for name in ("Kite", ""):
        with pytest.raises(IntegrityError), transaction.atomic():
            Preset.objects.create(user=alice, name=name, provider="x")


def test_there_is_room_for_many_but_not_for_all(save, alice):
    Preset.objects.bulk_create(
        Preset(user=alice, name=f"{number}", provider="x") for number in range(MOST_PRESETS)
    )

    with pytest.raises(PresetRefused, match="room for"):
        save("one more")
    assert save("7", replace=True).values["prompt"] == "a red kite"


def test_a_services_end_does_not_take_its_presets_with_it(save):
    assert is_offered(save(), among=current())
    assert not is_offered(save("Old", provider="kie-sora-2-pro-text2vid"), among=current())


# --- Files ------------------------------------------------------------------------------------


def long_unused(entry):
    InputFile.objects.filter(pk=entry.pk).update(used_at=now() - timedelta(days=31))
    day_long_past = (time.time() - 3 * 24 * 3600,) * 2
    os.utime(default_storage.path(str(entry.file)), day_long_past)


def test_a_file_that_is_gone_is_said_when_a_draft_comes_back(alice_client, alice):
    entry = kept_input(alice)
    draft = {"provider": "kie-hailuo-img2vid", "prompt": "it moves", "kept_image": str(entry.pk)}
    entry.delete()

    page = alice_client.post("/generate/", draft | {"show_settings": "1"}).content.decode()

    assert "is no longer here. Please choose it again." in page
    assert "it moves</textarea>" in page


def test_the_file_of_a_preset_outlives_the_sweep_and_goes_with_the_preset(save, alice):
    held, unheld = (kept_input(alice, content=picture_bytes(width, 320)) for width in (320, 330))
    long_unused(held)
    long_unused(unheld)
    preset = save(kept_image=str(held.pk))

    sweep_files()
    assert list(InputFile.objects.all()) == [held]
    assert default_storage.exists(str(held.file))
    preset.delete()
    sweep_files()

    assert not InputFile.objects.exists()
    assert not default_storage.exists(str(held.file))


def test_a_preset_that_is_replaced_lets_its_files_go(save, alice):
    preset = save(kept_image=str(kept_input(alice).pk))

    save(replace=True)

    assert not preset.files.exists()


def test_another_persons_file_and_what_is_none_keep_nothing(save, bob):
    preset = save(kept_image=[str(kept_input(bob).pk), str(uuid4()), "forged", ""])

    assert not preset.files.exists()


def test_the_files_of_a_preset_stand_in_the_form_again(alice_client, alice, save):
    entry = kept_input(alice)
    preset = save(provider="kie-hailuo-img2vid", kept_image=str(entry.pk))

    page = alice_client.get(f"/generate/?preset={preset.pk}").content.decode()

    assert f'name="kept_image" value="{entry.pk}"' in page


def test_a_file_that_is_gone_is_said_when_the_preset_is_applied(alice_client, alice, save):
    entry = kept_input(alice)
    preset = save(provider="kie-hailuo-img2vid", kept_image=str(entry.pk))
    entry.delete()

    page = alice_client.get(f"/generate/?preset={preset.pk}").content.decode()

    assert "is no longer here. Please choose it again." in page
    assert "a red kite</textarea>" in page


# --- Pages ------------------------------------------------------------------------------------


def named(client, name="Kite", *, values=FORM, headers=None, **facts):
    data = {"name": name, "values": json.dumps(values)} | facts
    return client.post("/generate/presets/", data, headers=headers)


def checked(name, page):
    return re.findall(rf'name="{name}" value="([^"]*)"[^>]*checked', page)


def test_without_javascript_a_form_becomes_a_preset_and_fills_the_form_again(alice_client, alice):
    form = FORM | {"settings_of": "kie-hailuo-text2vid", "idempotency_key": str(uuid4())}
    page = alice_client.post("/generate/presets/new/", form).content.decode()
    values = re.search(r'name="values" value="([^"]*)"', page)[1].replace("&quot;", '"')

    answer = alice_client.post(
        "/generate/presets/", {"name": "Kite", "values": values}, follow=True
    )

    page = answer.content.decode()
    preset = Preset.objects.for_user(alice).get()
    assert answer.redirect_chain == [(f"/generate/?preset={preset.pk}", 302)]
    assert "Saved as “Kite”." in page
    assert "a red kite</textarea>" in page
    assert checked("duration", page) == ["10"]


def test_from_asking_for_a_name_a_way_leads_back_to_the_form_as_it_stood(alice_client):
    page = alice_client.post("/generate/presets/new/", FORM).content.decode()
    back = dict(re.findall(r'type="hidden" name="([^"]*)" value="([^"]*)"', page))

    form = alice_client.post("/generate/", back | {"show_settings": "1"}).content.decode()

    assert "a red kite</textarea>" in form
    assert checked("duration", form) == ["10"]


def test_the_page_that_asks_for_a_name_leads_to_the_form_when_it_is_reloaded(alice_client):
    answer = alice_client.get("/generate/presets/new/")

    assert (answer.status_code, answer.url) == (302, "/generate/")


def test_in_the_dialog_saving_draws_the_menu_anew(alice_client):
    answer = named(alice_client, headers=HTMX)

    page = answer.content.decode()
    assert answer.headers["HX-Trigger"] == "helpDone"
    assert 'id="presets" hx-swap-oob="true"' in page
    assert "Saved as “Kite”." in page


def test_a_name_that_is_taken_can_be_replaced(alice_client, alice):
    named(alice_client)

    refused = named(alice_client, values=FORM | {"prompt": "a blue kite"})
    replaced = named(alice_client, values=FORM | {"prompt": "a blue kite"}, replace="1")

    assert refused.status_code == 422
    assert "a preset named “Kite” already" in refused.content.decode()
    assert "Replace “Kite”" in refused.content.decode()
    assert replaced.status_code == 302
    assert Preset.objects.for_user(alice).get().values["prompt"] == "a blue kite"


def test_a_damaged_form_is_refused_in_words(alice_client):
    answer = alice_client.post("/generate/presets/", {"name": "Kite", "values": "nonsense"})

    assert answer.status_code == 422
    assert "damaged" in answer.content.decode()


def test_a_preset_can_be_renamed(alice_client, save):
    preset = save()
    save("Fox")

    taken = alice_client.post(f"/generate/presets/{preset.pk}/rename/", {"name": "Fox"})
    done = alice_client.post(
        f"/generate/presets/{preset.pk}/rename/", {"name": "Dune"}, follow=True
    )

    assert taken.status_code == 422
    assert 'value="Fox"' in taken.content.decode()
    assert "Dune" in done.content.decode()
    preset.refresh_from_db()
    assert preset.name == "Dune"


def test_a_preset_is_deleted_after_a_question(alice_client, save):
    preset = save()

    question = alice_client.get(f"/generate/presets/{preset.pk}/delete/")
    assert Preset.objects.exists()
    answer = alice_client.post(f"/generate/presets/{preset.pk}/delete/", follow=True)

    assert "cannot be brought back" in question.content.decode()
    assert not Preset.objects.exists()
    assert "“Kite” is deleted." in answer.content.decode()


def test_in_the_dialog_the_list_comes_back_with_the_menu(alice_client, save):
    preset = save()

    page = alice_client.post(f"/generate/presets/{preset.pk}/delete/", headers=HTMX)

    assert 'id="presets" hx-swap-oob="true"' in page.content.decode()
    assert "is deleted" in page.content.decode()


def test_anothers_preset_is_unknown_everywhere(client, bob, save):
    preset = save()
    client.force_login(bob)

    answers = [
        client.get(f"/generate/?preset={preset.pk}"),
        *(
            ask(f"/generate/presets/{preset.pk}/{what}/", {"name": "mine"})
            for what in ("rename", "delete")
            for ask in (client.get, client.post)
        ),
    ]

    assert [answer.status_code for answer in answers] == [404] * 5
    assert "Kite" not in client.get("/generate/presets/").content.decode()
    assert "Kite" not in client.get("/generate/").content.decode()
    assert Preset.objects.get().name == "Kite"


@pytest.mark.parametrize("pk", ["x", "", "-1", "9" * 30, "1.5"])
def test_a_preset_that_never_was_is_404(alice_client, pk):
    assert alice_client.get("/generate/", {"preset": pk}).status_code == 404


def test_a_preset_fills_the_form_in_and_a_click_on_it_is_a_new_one(alice_client, save):
    preset = save(settings_of="kie-hailuo-text2vid")

    page = alice_client.get(f"/generate/?preset={preset.pk}").content.decode()

    assert "a red kite</textarea>" in page
    assert checked("duration", page) == ["10"]
    assert re.search(r'name="idempotency_key" value="[0-9a-f-]{36}"', page)


def test_a_preset_of_a_service_that_has_gone_says_so_and_fills_in_what_it_can(alice_client, save):
    preset = save("Old <b>", provider="kie-sora-2-pro-text2vid", aspect_ratio="9:16")

    page = alice_client.get(f"/generate/?preset={preset.pk}").content.decode()

    assert "is no longer offered" in page
    assert "Old &lt;b&gt;" in page
    assert "a red kite</textarea>" in page
    assert checked("aspect_ratio", page) == ["9:16"]
    assert "no longer offered" in alice_client.get("/generate/presets/").content.decode()


def test_another_services_settings_do_not_pass_through_a_preset(alice_client, save):
    preset = save(duration="7000", resolution="<script>", settings_of="kie-hailuo-text2vid")

    page = alice_client.get(f"/generate/?preset={preset.pk}").content.decode()

    assert "7000" not in page
    assert "<script>" not in page


def test_the_menu_costs_one_query_however_many_there_are(
    alice_client, save, django_assert_max_num_queries
):
    for number in range(20):
        save(f"preset {number}")
    OfferStamp.renew()
    alice_client.get("/generate/")

    # One for the presets; the others are for the person, the strip, limits and what is offered.
    with django_assert_max_num_queries(7):
        alice_client.get("/generate/")


def test_presets_stand_in_the_order_people_sort_in(alice_client, save):
    for name in ("zebra", "Apple", "banana"):
        save(name)

    page = alice_client.get("/generate/presets/").content.decode()

    names = re.findall(r'class="past-name">(\w+)', page)
    assert names == ["Apple", "banana", "zebra"]


def test_presets_leave_with_their_account(save, bob):
    save(user=bob)

    bob.delete()

    assert not Preset.objects.exists()


@pytest.mark.parametrize("path", ["", "new/", "1/rename/", "1/delete/"])
def test_signed_out_one_is_sent_to_sign_in(client, db, path):
    for ask in (client.get, client.post):
        assert ask(f"/generate/presets/{path}").status_code == 302
