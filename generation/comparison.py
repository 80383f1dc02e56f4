"""Our catalogue held against KIE.AI's live one: what is new, what is gone, what has changed.

It changes nothing: what the findings mean for the catalogue is for people to decide.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from gallery.templatetags.cards import USD_PER_CREDIT
from generation.kie.budget import catalogue_queries, sleep_until
from generation.kie.client import KieClient
from generation.kie.errors import KieError, KieNotSent, KieRefused
from generation.kie.live import LiveModel, LiveModels
from generation.kie.openapi import Parameter, input_in, parameters_in
from generation.live_catalogue import ListedModel
from generation.price_list import PriceList
from generation.prices import PriceLine

# Others of us may be asking as well: so long one waits for a turn, and so often it is tried.
TURN_WITHIN = timedelta(minutes=2)
TRIES = 3
# KIE.AI's list has images and music too.
IS_VIDEO = re.compile(r"video|lip.?sync|avatar", re.IGNORECASE)
# Of an amount that was divided, less than this is rounding; of others nothing is.
ROUNDING, NOTHING = Decimal("0.0006"), Decimal("0.00001")

_AMOUNT = r"(\d[\d,]*(?:\.\d+)?)"
_DOLLARS = re.compile(rf"\$\s*{_AMOUNT}|{_AMOUNT}\s*(?:USD|dollars?)\b", re.IGNORECASE)
_CREDITS = re.compile(rf"{_AMOUNT}\s*credits?\b", re.IGNORECASE)
_SECONDS = re.compile(r"(\d+)[\s-]*(?:s|secs?|seconds?)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing in which the two catalogues differ."""

    kind: str  # "new", "gone", "parameter" or "price"
    model: str
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What came of it. `notes`: what could not be compared."""

    compared: int
    differences: tuple[Difference, ...]
    notes: tuple[str, ...]


def compare(
    models: Sequence[ListedModel],
    *,
    client: KieClient,
    prices: PriceList,
    is_whole: bool = True,
    tell: Callable[[str], None] = lambda words: None,
) -> Comparison:
    """Ask KIE.AI about these models of ours, one question a second. Raises KieError.

    `is_whole`: these are all that we have, so what KIE.AI has beside them is new.
    """
    said = _ask(client.fetch_models)
    live = {model.model: model for model in said.models}
    current = [model for model in models if not model.is_retired]
    present = [model for model in current if model.name in live]
    found: list[Difference] = list(_new(said, models)) if is_whole else []
    gaps = _gaps(said)
    if not gaps:
        found += [Difference("gone", m.name, m.label) for m in current if m.name not in live]
    notes = [*gaps]
    for number, model in enumerate(present, start=1):
        tell(f"{number}/{len(present)} {model.name}")
        found += _price_differences(model, _pricing(live[model.name], client), prices)
        if not model.is_asked_elsewhere:
            found += _parameter_differences(model, client, notes)
    return Comparison(compared=len(present), differences=tuple(found), notes=tuple(notes))


def _ask[T](call: Callable[[], T], *, tries: int = TRIES) -> T:
    """KIE.AI's answer, asked for in its turn; and again when there was none. Raises KieError."""
    turn = catalogue_queries().reserve(1, within=TURN_WITHIN)
    if not turn:
        raise KieNotSent("no turn in the budget for the catalogue")
    sleep_until(turn[0])
    try:
        return call()
    except KieRefused:
        raise
    except KieError as error:
        if tries == 1:
            raise
        if isinstance(error, KieNotSent) and error.retry_after:
            catalogue_queries().pause(error.retry_after)
    return _ask(call, tries=tries - 1)


# --- Models ---------------------------------------------------------------------------------


def _new(said: LiveModels, models: Iterable[ListedModel]) -> Iterator[Difference]:
    ours = {model.name: model for model in models}
    for model in said.models:
        known = ours.get(model.model)
        if known and known.is_retired:
            yield Difference("new", model.model, "listed again; ours is retired")
        elif known is None and _is_video(model):
            kinds = ", ".join(model.task_types)
            what = " · ".join(filter(None, (model.title, model.provider, kinds, model.pricing)))
            yield Difference("new", model.model, what)


def _is_video(model: LiveModel) -> bool:
    # One that says nothing about itself is for a person to look at.
    return not model.task_types or any(map(IS_VIDEO.search, model.task_types))


def _gaps(said: LiveModels) -> list[str]:
    missing = said.total - len(said.models)
    if missing <= 0:
        return []
    return [
        f"KIE.AI speaks of {said.total} models and {len(said.models)} could be read: what is "
        "missing is not called gone."
    ]


# --- Parameters -----------------------------------------------------------------------------


def _parameter_differences(
    model: ListedModel, client: KieClient, notes: list[str]
) -> list[Difference]:
    try:
        document = _ask(lambda: client.fetch_model_schema(model.name)).openapi
    except KieRefused as refusal:
        if refusal.is_silence:
            raise
        document = None
    schema = input_in(document) if document else None
    if schema is None:
        notes.append(f"{model.name}: KIE.AI does not describe its fields.")
        return []
    theirs, ours = parameters_in(schema), parameters_in(model.input)
    found = [f"{name}: a new one" for name in theirs if name not in ours]
    found += [f"{name}: KIE.AI no longer has it" for name in ours if name not in theirs]
    for name in ours.keys() & theirs.keys():
        found += [f"{name}: {what}" for what in _changes(ours[name], theirs[name])]
    return [Difference("parameter", model.name, what) for what in sorted(found)]


def _changes(ours: Parameter, theirs: Parameter) -> Iterator[str]:
    """What KIE.AI says otherwise. What only we say is our own care, and what only KIE.AI leaves
    open is open.
    """
    if theirs.is_required and not ours.is_required:
        yield "needed now"
    if theirs.type and ours.type and theirs.type != ours.type:
        yield f"{theirs.type}, not {ours.type}"
    if theirs.values is not None and theirs.values != ours.values:
        known = ours.values or frozenset()
        if new := theirs.values - known:
            yield f"takes {', '.join(sorted(new))}"
        if gone := known - theirs.values:
            yield f"no longer takes {', '.join(sorted(gone))}"
    for words, here, there in (
        ("at least", ours.minimum, theirs.minimum),
        ("at most", ours.maximum, theirs.maximum),
        ("characters:", ours.longest, theirs.longest),
        ("entries:", ours.most, theirs.most),
    ):
        if there is not None and here != there:
            yield f"{words} {there:g}, not {'open' if here is None else f'{here:g}'}"


# --- Prices ---------------------------------------------------------------------------------


def _pricing(model: LiveModel, client: KieClient) -> str:
    """KIE.AI's prose about its price; the list has it, or it is asked for."""
    if model.pricing:
        return model.pricing
    try:
        return _ask(lambda: client.fetch_model_price(model.model)).pricing
    except KieRefused as refusal:
        if refusal.is_silence:
            raise
        return ""


def _price_differences(model: ListedModel, pricing: str, prices: PriceList) -> Iterator[Difference]:
    lines = model.lines(prices)
    lengths = [Decimal(number) for number in _SECONDS.findall(pricing)]
    unknown = [
        usd
        for usd in _amounts(pricing)
        if usd not in model.surcharges and not any(_is(usd, line, lengths) for line in lines)
    ]
    if unknown:
        named = ", ".join(f"${usd.normalize():f}" for usd in sorted(set(unknown)))
        ours = ", ".join(dict.fromkeys(str(line.rate) for line in lines)) or "unknown"
        yield Difference("price", model.name, f"KIE.AI names {named}; ours: {ours}. “{pricing}”")


def _amounts(prose: str) -> Iterator[Decimal]:
    """The amounts named in it, in dollars."""
    for match in _DOLLARS.finditer(prose):
        yield Decimal((match[1] or match[2]).replace(",", ""))
    for match in _CREDITS.finditer(prose):
        yield Decimal(match[1].replace(",", "")) * USD_PER_CREDIT


def _is(usd: Decimal, line: PriceLine, lengths: Iterable[Decimal]) -> bool:
    """Is that the price on this line, told for a video of one of these lengths, or for a second?"""
    if abs(usd - line.usd) < NOTHING:
        return True
    if line.per == "second":
        return any(abs(usd - line.usd * length) < NOTHING for length in lengths)
    length = Decimal(str(line.when.get("duration", 0)))
    return bool(length) and abs(usd - line.usd / length) < ROUNDING
