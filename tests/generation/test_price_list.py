"""What services cost: the list, newer prices in its place, and one answer everywhere."""

import io
import json
from datetime import date, timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command

from gallery.models import Video
from generation.catalogue import PROVIDERS
from generation.models import PriceOverride
from generation.price_list import PriceList, price_for
from generation.recovery import recover_task
from generation.repricing import NotAPriceList, checked, read_price_file
from generation.request import GenerationRequest
from tests.conftest import CREATE_TASK, RECORD_INFO

HAILUO, VEO = "kie-hailuo-text2vid", "kie-veo3-fast"
MODEL = "hailuo/02-text-to-video-standard"
SETTINGS = {"HX-Request": "true", "HX-Target": "settings"}


def entry(**facts):
    """A price list for Hailuo's two lengths."""
    usual = {
        "key": HAILUO,
        "generation_type": "text2vid",
        "as_of": "2026-11-01",
        "prices": [
            {"when": {"duration": "6"}, "per": "video", "usd": 0.2},
            {"when": {"duration": "10"}, "per": "second", "usd": 0.0405},
        ],
        "source": "KIE.AI's page on Hailuo",
    }
    return usual | facts


def line(**facts):
    return {"when": {}, "per": "video", "usd": 1} | facts


@pytest.fixture
def price_file(tmp_path):
    def write(*entries):
        path = tmp_path / "prices.json"
        path.write_text(json.dumps(entries))
        return str(path)

    return write


def prices(*arguments):
    out, err = io.StringIO(), io.StringIO()
    call_command("prices", *arguments, stdout=out, stderr=err)
    return out.getvalue()


def update(path, *arguments):
    return prices("--update", path, *arguments)


def reprice(**facts):
    """Hailuo costs this now."""
    usual = {"as_of": date(2026, 11, 1), "lines": entry()["prices"]}
    return PriceOverride.objects.create(
        provider=HAILUO, generation_type="text2vid", **usual | facts
    )


# --- The list -------------------------------------------------------------------------------


def test_the_list_has_every_price_of_every_service(db):
    listed = prices()

    assert {row.split()[0] for row in listed.splitlines()[1:]} == set(PROVIDERS)
    lines = sum(len(mode.prices) or 1 for p in PROVIDERS.values() for mode in p.modes)
    assert len(listed.splitlines()) == lines + 1


def test_the_list_says_where_each_price_is_from(db):
    before = prices("--service", HAILUO).splitlines()
    reprice()
    after = prices("--service", HAILUO).splitlines()

    assert before[1].split() == [
        *(HAILUO, "text2vid", "duration=6", "video", "0.15", "2026-06-30", "file")
    ]
    assert after[2].split() == [
        *(HAILUO, "text2vid", "duration=10", "second", "0.0405", "2026-11-01", "override")
    ]


def test_a_service_without_a_price_is_listed_as_unknown(db):
    assert "unknown" in prices("--service", "kie-runway-extend")


def test_the_list_for_programs_can_be_edited_and_stored(db, price_file):
    listed = json.loads(prices("--service", HAILUO, "--json"))
    listed[0]["as_of"] = "2026-11-01"
    listed[0]["prices"][0]["usd"] = 0.175

    update(price_file(*listed))

    again = json.loads(prices("--service", HAILUO, "--json"))
    assert (again[0]["source"], again[0]["as_of"]) == ("override", "2026-11-01")
    assert again[0]["prices"][0] == {"when": {"duration": "6"}, "per": "video", "usd": 0.175}


def test_the_whole_list_for_programs_can_be_stored_again_and_changes_nothing(db, price_file):
    update(price_file(entry()))

    whole = json.loads(prices("--json"))
    said = update(price_file(*whole))

    assert said.splitlines() == [f"0 stored, {len(whole)} as before"]
    row = next(each for each in whole if each["key"] == HAILUO)
    assert row["source"] == PriceOverride.objects.get().source == "KIE.AI's page on Hailuo"


def test_a_service_nobody_knows_is_a_wrong_usage(db):
    for arguments in (["--service", "kie-nothing"], ["--reset", "kie-nothing"]):
        with pytest.raises(CommandError) as wrong:
            prices(*arguments)
        assert wrong.value.returncode == 2


# --- Newer prices ---------------------------------------------------------------------------


def test_an_update_stores_the_prices_and_says_what_changed(db, price_file):
    said = update(price_file(entry())).splitlines()

    row = PriceOverride.objects.get()
    assert (row.provider, row.as_of, row.source) == (
        *(HAILUO, date(2026, 11, 1), "KIE.AI's page on Hailuo"),
    )
    assert said == [
        f"{HAILUO} text2vid duration=6: $0.15 -> $0.20",
        f"{HAILUO} text2vid duration=10: $0.25 -> $0.0405 a second",
        "1 stored, 0 as before",
    ]


def test_an_update_says_what_comes_and_what_goes(db, price_file):
    said = update(price_file(entry(prices=[line(usd=0.3)])))

    assert f"{HAILUO} text2vid always: $0.30, not priced before" in said
    assert f"{HAILUO} text2vid duration=6: $0.15 before, not priced any more" in said


def test_a_newer_day_alone_is_a_change_and_the_same_list_is_none(db, price_file):
    same = json.loads(prices("--service", HAILUO, "--json"))
    assert "0 stored, 1 as before" in update(price_file(*same))

    same[0]["as_of"] = "2026-11-01"

    assert "$0.15 as before, as of 2026-11-01" in update(price_file(*same))
    assert PriceOverride.objects.count() == 1


def test_a_second_update_takes_the_place_of_the_first(db, price_file):
    update(price_file(entry()))
    update(price_file(entry(prices=[line(usd=0.5)])))

    assert PriceOverride.objects.get().lines == [{"when": {}, "per": "video", "usd": "0.5"}]


def test_a_dry_run_stores_nothing(db, price_file):
    said = update(price_file(entry()), "--dry-run")

    assert "$0.15 -> $0.20" in said
    assert "1 would be stored" in said
    assert not PriceOverride.objects.exists()


def test_a_reset_lets_the_catalogues_prices_count_again(db):
    reprice()

    tried = prices("--reset", HAILUO, "--dry-run")
    assert PriceOverride.objects.exists()
    said = prices("--reset", HAILUO)

    assert f"{HAILUO} text2vid duration=6: $0.20 -> $0.15" in said
    assert ("1 would be reset" in tried, "1 reset" in said) == (True, True)
    assert not PriceOverride.objects.exists()
    assert "0 reset" in prices("--reset", HAILUO)


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ({"key": "kie-nothing"}, "no service kie-nothing"),
        ({"key": None}, "no service None"),
        ({"generation_type": "img2vid"}, "makes text2vid, not img2vid"),
        ({"as_of": "yesterday"}, "has to be a day"),
        ({"as_of": None}, "has to be a day"),
        ({"as_of": f"{date.today() + timedelta(days=40)}"}, "still to come"),
        ({"prices": []}, "at least one price"),
        ({"prices": {}}, "have to be a list"),
        ({"prices": ["0.20"]}, "when, per and usd"),
        ({"prices": [{"per": "video", "usd": 1}]}, "when, per and usd"),
        ({"prices": [line(wehn={})]}, "when, per and usd"),
        ({"prices": [line(when=[])]}, "has to be an object"),
        ({"prices": [line(when={"sound": True})]}, "has no field sound"),
        ({"prices": [line(when={"duration": 6})]}, "duration is never 6"),
        ({"prices": [line(when={"duration": "7"})]}, 'duration is never "7"'),
        ({"prices": [line(when={"$has_video_input": "yes"})]}, "is never"),
        ({"prices": [line(when={"$moon": 1})]}, "has no field $moon"),
        ({"prices": [line(per="hour")]}, "video or second"),
        ({"prices": [line(usd=-0.01)]}, "less than nothing"),
        ({"prices": [line(usd=20_000)]}, "not in credits"),
        ({"prices": [line(usd=True)]}, "an amount of dollars"),
        ({"prices": [line(usd="a lot")]}, "an amount of dollars"),
        ({"prices": [line(usd="NaN")]}, "an amount of dollars"),
        ({"prices": [line(usd=0.1234567)]}, "an amount of dollars"),
        ({"prices": [line(), line(usd=2)]}, "one for the same case"),
        ({"prices": [line(as_of="soon")]}, "has to be a day"),
    ],
)
def test_a_price_list_that_does_not_fit_the_catalogue_is_refused(facts, why):
    with pytest.raises(NotAPriceList) as refused:
        read_price_file(json.dumps([entry(**facts)]))

    assert why in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", "[1]", '[{"key": NaN}]', "[" * 100_000])
def test_what_is_no_price_list_at_all_is_refused(text):
    with pytest.raises(NotAPriceList):
        read_price_file(text)


def test_one_wrong_entry_keeps_all_from_being_stored(db, price_file):
    wrong = entry(key=VEO, prices=[line(usd=-1), line(when={"moon": 1})])
    err = io.StringIO()

    with pytest.raises(CommandError) as refused:
        call_command("prices", "--update", price_file(entry(), wrong), stderr=err)

    assert refused.value.returncode == 2
    # Everything that is wrong is told at once.
    assert "less than nothing" in err.getvalue()
    assert "no field moon" in err.getvalue()
    assert not PriceOverride.objects.exists()


def test_the_same_service_twice_in_a_file_is_refused():
    with pytest.raises(NotAPriceList, match="stands there twice"):
        read_price_file(json.dumps([entry(), entry()]))


def test_a_file_that_is_not_there_is_a_wrong_usage(db, tmp_path):
    with pytest.raises(CommandError) as wrong:
        update(str(tmp_path / "nothing.json"))

    assert wrong.value.returncode == 2


def test_every_price_of_the_catalogue_could_be_stored():
    for provider in PROVIDERS.values():
        for mode in provider.modes:
            lines = [
                {"when": dict(price.when), "per": price.per, "usd": float(price.usd)}
                for price in mode.prices
            ]
            if lines:
                new = checked(
                    key=provider.key,
                    generation_type=mode.generation_type,
                    as_of=date(2026, 6, 30),
                    lines=lines,
                )
                assert [p.rate for p in new.price_lines] == [p.rate for p in mode.prices]


def test_prices_that_no_longer_fit_are_named(db):
    reprice(lines=[line(when={"frames": 12}, usd="0.20")])
    err = io.StringIO()

    call_command("prices", stdout=io.StringIO(), stderr=err)

    assert "no field frames" in err.getvalue()


# --- One answer everywhere ------------------------------------------------------------------


def request_for(**values):
    return GenerationRequest.checked(
        provider=PROVIDERS[HAILUO], prompt="a red kite", values={"duration": "6"} | values
    )


def test_a_request_costs_what_counts_now(db):
    assert request_for().price.usd == Decimal("0.15")

    reprice()

    columns = request_for(duration="10").as_columns()
    assert (columns["cost_estimated"], columns["price_as_of"]) == (81, date(2026, 11, 1))


def test_what_is_checked_against_a_limit_is_what_is_stored(db):
    request = request_for()
    promised = request.price

    reprice()

    assert request.price is promised
    assert request.as_columns()["cost_estimated"] == promised.credits


def test_the_form_shows_and_the_video_keeps_the_same_price(alice_client, alice, kie):
    reprice()
    kie.post(CREATE_TASK, json={"code": 200, "msg": "success", "data": {"taskId": "task-1"}})

    shown = alice_client.get(f"/generate/?provider={HAILUO}").content.decode()
    alice_client.post("/generate/", {"prompt": "a red kite", "provider": HAILUO, "duration": "6"})

    video = Video.objects.for_user(alice).get()
    assert "≈ $0.20" in shown
    assert "1 November 2026" in shown
    assert (video.cost_estimated, video.price_as_of) == (40, date(2026, 11, 1))


def test_the_select_names_the_lowest_price_that_counts_now(alice_client):
    reprice(lines=[line(per="second", usd="0.011")])

    page = alice_client.get("/generate/").content.decode()

    assert "Hailuo 02 · from $0.011 a second" in page


def test_a_price_a_second_of_a_fixed_length_is_told_for_the_video(db):
    PriceOverride.objects.create(
        provider="kie-hailuo-02-pro-text2vid",
        generation_type="text2vid",
        as_of=date(2026, 11, 1),
        lines=[line(per="second", usd="0.05")],
    )

    assert str(PriceList.now().cheapest(PROVIDERS["kie-hailuo-02-pro-text2vid"])) == "$0.30"


def test_a_recovered_task_is_estimated_at_what_counts_now(alice, kie, kie_client):
    reprice()
    param = {"model": MODEL, "input": {"prompt": "a red kite", "duration": "6"}}
    record = {"taskId": "task-9", "model": MODEL, "state": "generating", "param": json.dumps(param)}
    kie.get(RECORD_INFO, json={"code": 200, "message": "success", "data": record})

    video = recover_task("task-9", user=alice, client=kie_client).video

    assert (video.cost_estimated, video.price_as_of) == (40, date(2026, 11, 1))


def test_other_kinds_of_the_same_service_keep_the_catalogues_price(db):
    PriceOverride.objects.create(
        provider=VEO, generation_type="img2vid", as_of=date(2026, 11, 1), lines=[line(usd="9")]
    )
    veo = PROVIDERS[VEO]
    text, picture = veo.mode_of_type("text2vid"), veo.mode_of_type("img2vid")

    assert price_for(veo, picture, {}).usd == 9
    assert price_for(veo, text, {}).usd == Decimal("0.3")


def test_prices_are_read_once_however_many_a_page_shows(alice_client, django_assert_num_queries):
    reprice()

    with django_assert_num_queries(100, exact=False) as asked:
        alice_client.get("/generate/")
        alice_client.get("/generate/", {"provider": HAILUO}, headers=SETTINGS)

    tables = [q["sql"] for q in asked.captured_queries if "priceoverride" in q["sql"]]
    assert len(tables) == 1
