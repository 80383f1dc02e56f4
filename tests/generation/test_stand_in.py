"""What the sandbox is told of our catalogue: it charges what the page has promised."""

import io
from datetime import date
from decimal import Decimal

import av
import pytest

from gallery.models import InputFile, Status, Video
from generation.catalogue import PROVIDERS
from generation.kie.client import KieClient
from generation.kie.sandbox import Creation, Sandbox
from generation.models import PriceOverride
from generation.polling import poll_due_videos
from generation.price_list import PriceList
from generation.request import PLACEHOLDER_URL, GenerationRequest
from generation.stand_in import credits_for, models_on_offer
from generation.submission import submit_video
from tests.conftest import kept_input

SECONDS = 4.0


def request_for(provider, mode, *, choice=0, parent=None):
    """A request with all the files it can have, and of each setting the first or last choice."""
    values = {s.name: s.choices[choice].value if s.choices else s.default for s in mode.settings}
    files = {
        slot.name: [InputFile(kind=slot.kind, seconds=None if slot.kind == "image" else SECONDS)]
        for slot in mode.slots
    }
    return GenerationRequest(
        provider=provider,
        mode=mode,
        prompt="a red kite" if mode.takes_prompt else "",
        values={name: value for name, value in values.items() if value is not None},
        files=files,
        parent=parent,
    )


def creation_of(request, *, source=None):
    """The call that the sandbox gets for this request."""
    mode = request.mode
    return Creation(
        path=mode.family.create_path,
        body=mode.family.body(mode.model, request.fields, "https://studio.example/webhooks/kie/1/"),
        seconds={PLACEHOLDER_URL: SECONDS},
        source=source,
    )


# The first and the last choice of everything, as far as they go together.
PRICED = [
    pytest.param(provider, mode, choice, id=f"{provider.key}-{mode.generation_type}-{choice}")
    for provider in PROVIDERS.values()
    for mode in provider.modes
    for choice in (0, -1)
    if mode.prices and not mode.error_in(request_for(provider, mode, choice=choice).fields)
]


@pytest.mark.parametrize(("provider", "mode", "choice"), PRICED)
def test_a_creation_costs_what_its_request_has_promised(db, provider, mode, choice):
    parent = source = None
    if mode.continues:
        grok = PROVIDERS["kie-grok-imagine-text2vid"]
        parent = Video(task_id="task-1", parameters={"resolution": "480p"})
        source = creation_of(request_for(grok, grok.modes[0]))
    request = request_for(provider, mode, choice=choice, parent=parent)

    charged = credits_for(creation_of(request, source=source))

    assert charged == (request.price and request.price.credits)


def test_a_creation_of_a_model_without_a_price_costs_what_the_sandbox_likes(db):
    sora = PROVIDERS["kie-sora-2-text2vid"]

    assert credits_for(creation_of(request_for(sora, sora.modes[0]))) is None


def test_a_creation_that_nobody_would_take_costs_what_the_sandbox_likes(db):
    body = {"model": "veo3_fast", "prompt": "a red kite", "unheard_of": 1}

    assert credits_for(Creation(path="/api/v1/veo/generate", body=body)) is None
    assert credits_for(Creation(path="/api/v1/nowhere", body={})) is None


def test_newer_prices_are_charged_by_the_sandbox_too(db):
    PriceOverride.objects.create(
        provider="kie-hailuo-text2vid",
        generation_type="text2vid",
        as_of=date(2026, 11, 1),
        lines=[{"when": {}, "per": "video", "usd": "0.11"}],
    )
    hailuo = PROVIDERS["kie-hailuo-text2vid"]

    assert credits_for(creation_of(request_for(hailuo, hailuo.modes[0]))) == 22


def sound(seconds):
    """A WAV of that length."""
    content = io.BytesIO()
    with av.open(content, "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame(format="s16", layout="mono", samples=int(8000 * seconds))
        frame.sample_rate = 8000
        frame.planes[0].update(bytes(frame.planes[0].buffer_size))
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return content.getvalue()


def test_what_depends_on_the_length_of_a_recording_is_charged_as_promised(
    alice, tmp_path, settings
):
    server = Sandbox(
        folder=tmp_path / "sandbox",
        api_key=settings.KIE_API_KEY,
        credits_for=lambda creation: credits_for(creation, prices=PriceList()),
        seconds=0.0,
    )
    server.start()
    settings.KIE_API_BASE_URL = settings.KIE_UPLOAD_BASE_URL = server.url
    files = {
        "image": [kept_input(alice)],
        "audio": [kept_input(alice, "audio", sound(2.5), name="voice.wav")],
    }
    avatar = PROVIDERS["kie-kling-avatar-standard-lipsync"]
    request = GenerationRequest.checked(provider=avatar, prompt="hello", values={}, files=files)

    video = submit_video(user=alice, request=request, client=KieClient.from_settings())
    server.finish()
    poll_due_videos(client=KieClient.from_settings())
    server.stop()

    video.refresh_from_db()
    assert request.price.usd == Decimal("0.12")
    assert video.status == Status.PROCESSING
    assert video.cost_consumed == video.cost_estimated == 24


def test_the_live_catalogue_has_every_model_that_is_not_retired():
    told = {model.model: model for model in models_on_offer(PriceList())}

    assert {"kling-3.0/video", "veo-3-1", "runway/gen4-aleph"} <= told.keys()
    assert not any("sora" in name for name in told)
    assert told["kling-3.0/video"].task_types == ("Text to Video", "Image to Video")
    assert "0.3 USD" in told["veo-3-1"].pricing
