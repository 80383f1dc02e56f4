"""Our catalogue held against KIE.AI's live one, played by the sandbox."""

import copy
import io
import json
from dataclasses import replace
from datetime import date

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from generation import comparison
from generation.catalogue import PROVIDERS
from generation.kie.sandbox import ModelOnOffer, Sandbox
from generation.models import Offer, PriceOverride
from generation.price_list import PriceList
from generation.stand_in import models_on_offer
from tests.conftest import KIE, example

MODELS = f"{KIE}/models"
HAILUO = "hailuo/02-text-to-video-standard"


@pytest.fixture
def live(tmp_path, settings, monkeypatch):
    """KIE.AI's live catalogue, equal to ours: a dict of models by name, for tests to change."""
    models = {model.model: model for model in models_on_offer(PriceList())}
    server = Sandbox(
        folder=tmp_path / "sandbox",
        api_key=settings.KIE_API_KEY,
        models=lambda: list(models.values()),
        models_rate=(10_000, 1.0),
    )
    server.start()
    settings.KIE_API_BASE_URL = server.url
    # The sandbox has no hurry; KIE.AI's pace is kept by the test below that looks at it.
    monkeypatch.setattr(comparison, "sleep_until", lambda moment: None)
    yield models
    server.stop()


def run(*arguments):
    """What the command prints, and its exit status."""
    out = io.StringIO()
    status = 0
    try:
        call_command("models", *arguments, stdout=out, stderr=io.StringIO())
    except SystemExit as end:
        status = end.code
    return out.getvalue(), status


def differences(*arguments):
    said, status = run("--compare", "--json", *arguments)
    found = json.loads(said)
    assert status == bool(found["differences"])
    return [(each["kind"], each["model"], each["what"]) for each in found["differences"]]


def change_schema(live, name, change):
    """Have KIE.AI describe this model's fields otherwise."""
    document = copy.deepcopy(live[name].openapi)
    content = document["paths"]["/api/v1/jobs/createTask"]["post"]["requestBody"]["content"]
    change(content["application/json"]["schema"]["properties"]["input"])
    live[name] = replace(live[name], openapi=document)


def test_two_equal_catalogues_have_no_difference(db, live):
    said, status = run("--compare")

    assert said.strip() == f"{len(live)} models compared, no difference(s)"
    assert status == 0


def test_stored_prices_are_what_ours_costs(db, live):
    PriceOverride.objects.create(
        provider="kie-hailuo-text2vid",
        generation_type="text2vid",
        as_of=date(2026, 11, 1),
        lines=[{"when": {}, "per": "video", "usd": "0.5"}],
    )

    assert [kind for kind, _, _ in differences("--maker", "MiniMax")] == ["price"]

    live.update({model.model: model for model in models_on_offer()})
    assert differences("--maker", "MiniMax") == []


def test_what_kie_has_beside_ours_is_new(db, live):
    live["pixverse-v6/text-to-video"] = ModelOnOffer(
        model="pixverse-v6/text-to-video",
        title="PixVerse V6",
        provider="PixVerse",
        task_types=("Text to Video",),
    )
    live["flux/image"] = ModelOnOffer(model="flux/image", task_types=("Text to Image",))
    live["says-nothing"] = ModelOnOffer(model="says-nothing")

    assert differences() == [
        ("new", "pixverse-v6/text-to-video", "PixVerse V6 · PixVerse · Text to Video"),
        ("new", "says-nothing", ""),
    ]


def test_a_retired_model_that_is_listed_again_is_new(db, live):
    live["sora-2-text-to-video"] = ModelOnOffer(model="sora-2-text-to-video")

    assert differences() == [("new", "sora-2-text-to-video", "listed again; ours is retired")]


def test_what_kie_no_longer_has_is_gone(db, live):
    del live[HAILUO], live["runway/gen4-aleph"]

    assert differences() == [
        ("gone", HAILUO, "Hailuo 02"),
        ("gone", "runway/gen4-aleph", "Runway Aleph"),
    ]


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda s: s["properties"].update(seed={"type": "integer"}), "seed: a new one"),
        (lambda s: s["properties"].pop("duration"), "duration: KIE.AI no longer has it"),
        (lambda s: s["properties"]["duration"].update(enum=["6", "12"]), 'duration: takes "12"'),
        (
            lambda s: s["properties"]["duration"].update(enum=["6"]),
            'duration: no longer takes "10"',
        ),
        (
            lambda s: s["properties"]["duration"].update(enum=[6, 10], type="integer"),
            "duration: number, not string",
        ),
        (lambda s: s["properties"]["prompt"].update(maxLength=9), "prompt: characters: 9, not"),
        (lambda s: s["required"].append("prompt_optimizer"), "prompt_optimizer: needed now"),
    ],
)
def test_changed_parameters_are_told(db, live, change, what):
    change_schema(live, HAILUO, change)

    found = differences("--maker", "MiniMax")

    assert {(kind, model) for kind, model, _ in found} == {("parameter", HAILUO)}
    assert any(words.startswith(what) for _, _, words in found)


def test_what_only_we_say_about_a_field_is_no_difference(db, live):
    change_schema(live, HAILUO, lambda s: s["properties"].update(prompt={"type": "string"}))
    change_schema(live, HAILUO, lambda s: s.update(required=[]))

    assert differences("--maker", "MiniMax") == []


@pytest.mark.parametrize(
    ("pricing", "named"),
    [
        ("A 6-second video costs 30 credits (0.15 USD), 10 seconds $0.25", ""),
        ("5 credits ($0.025) per second", ""),
        ("Please see our pricing page.", ""),
        ("A 6-second video costs 32 credits (0.16 USD)", "KIE.AI names $0.16; ours: $0.15, $0.25."),
        ("1,000 credits", "KIE.AI names $5; ours"),
    ],
)
def test_other_prices_are_told_as_far_as_the_prose_names_amounts(db, live, pricing, named):
    live[HAILUO] = replace(live[HAILUO], pricing=pricing)

    found = differences("--maker", "MiniMax")

    assert len(found) == bool(named)
    assert not found or found[0][2].startswith(named)


def test_twice_the_price_a_second_is_not_taken_for_two_seconds(db, live):
    name = "kling/ai-avatar-standard"
    live[name] = replace(live[name], pricing="16 credits ($0.08) per second")

    assert [kind for kind, _, _ in differences("--kind", "lipsync")] == ["price"]


def test_a_price_that_kie_names_and_we_do_not_is_told(db, live):
    name = "bytedance/v1-pro-text-to-video"
    live[name] = replace(live[name], pricing="14 credits per video")

    assert "KIE.AI names $0.07; ours: unknown." in differences("--maker", "ByteDance")[0][2]


def test_what_cannot_be_compared_is_said_and_is_no_difference(db, live):
    live[HAILUO] = replace(live[HAILUO], openapi=None)

    said, status = run("--compare", "--maker", "MiniMax")

    assert f"{HAILUO}: KIE.AI does not describe its fields." in said
    assert status == 0


def test_a_report_is_read_by_people(db, live):
    del live[HAILUO]
    live["new/video"] = ModelOnOffer(model="new/video", title="New", task_types=("Text to Video",))

    said, status = run("--compare")

    assert said.splitlines()[:4] == [
        "New at KIE.AI (1)",
        "  new/video: New · Text to Video",
        "Gone from KIE.AI (1)",
        f"  {HAILUO}: Hailuo 02",
    ]
    assert status == 1


def test_a_list_with_gaps_calls_nothing_gone(db, kie):
    listed = example("models_list_ok")
    listed["data"]["total"] = 7
    kie.get(MODELS, json=listed)

    said, _ = run("--compare", "--maker", "OpenAI", "--json")

    assert json.loads(said)["differences"] == []
    assert "KIE.AI speaks of 7 models" in json.loads(said)["notes"][0]


@pytest.mark.parametrize(
    "answer",
    [
        {"body": ConnectionError("nobody there")},
        {"json": example("error_unauthorized_401")},
        {"body": "<html>", "status": 502},
        {"json": {"code": 200, "data": {}}},
    ],
)
def test_no_answer_from_kie_has_an_exit_status_of_its_own(db, kie, monkeypatch, answer):
    monkeypatch.setattr(comparison, "sleep_until", lambda moment: None)
    kie.get(MODELS, **answer)

    with pytest.raises(CommandError) as failed:
        run("--compare")

    assert failed.value.returncode == 2
    assert "KIE.AI gives no answer" in str(failed.value)


def test_kie_is_asked_once_a_second_and_again_when_that_was_too_fast(db, kie, monkeypatch):
    moments = []
    monkeypatch.setattr(comparison, "sleep_until", moments.append)
    kie.get(MODELS, json=example("error_rate_limited_429"))
    kie.get(MODELS, json={"code": 200, "data": {"total": 0, "models": []}})

    said, status = run("--compare", "--maker", "MiniMax", "--json")

    assert len(json.loads(said)["differences"]) == len(
        {mode.model for p in PROVIDERS.values() if p.maker == "MiniMax" for mode in p.modes}
    )
    assert status == 1
    assert (moments[1] - moments[0]).total_seconds() > 0.99


def test_it_changes_nothing(db, live):
    del live[HAILUO]
    run("--compare")

    assert not Offer.objects.exists()
    assert not PriceOverride.objects.exists()


# --- The list -------------------------------------------------------------------------------


def test_the_list_says_what_each_service_is_and_whether_it_is_offered(db):
    Offer.objects.create(provider="kie-veo3-fast", is_offered=False)
    said, status = run()
    lines = {line.split()[0]: line for line in said.splitlines()}

    assert status == 0
    assert lines.keys() - {"KEY"} == set(PROVIDERS)
    veo = lines["kie-veo3-fast"]
    for word in ("Veo 3.1 Fast", "Google", "text2vid,img2vid,ref2vid", "veo3_fast", "$0.30"):
        assert word in veo
    assert veo.endswith(" off")
    assert lines["kie-hailuo-text2vid"].endswith(" on")
    assert lines["kie-sora-2-text2vid"].endswith(" retired")


def test_the_list_says_for_whom_a_service_is_kept(db):
    Offer.objects.create(provider="kie-veo3-fast").groups.add(Group.objects.create(name="makers"))

    assert "on for makers" in run("--maker", "Google")[0]


def test_the_list_is_narrowed_by_maker_and_kind(db):
    rows = json.loads(run("--json", "--maker", "google", "--kind", "ref2vid")[0])

    assert [row["key"] for row in rows] == [
        "kie-veo3-fast",
        "kie-veo3-lite",
        "kie-gemini-omni-ref2vid",
    ]
    assert rows[0]["kinds"] == ["text2vid", "img2vid", "ref2vid"]


def test_a_maker_nobody_knows_is_a_wrong_usage(db):
    with pytest.raises(CommandError) as wrong:
        run("--maker", "Nobody")

    assert wrong.value.returncode == 2
