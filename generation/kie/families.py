"""The families of models: where each one lives, what it is sent, and how its answers read.

A family is one entry in FAMILIES. Sources: docs.kie.ai/market/common/get-task-detail and
docs.kie.ai/veo3-api (as of June to October 2026).
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import snapshot as said
from .errors import KieUnclear
from .snapshot import TaskSnapshot, TaskState

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How one family of models is talked to."""

    name: str
    create_path: str
    status_path: str
    # (model, input, callback address or "") -> the body of a creation
    body: Callable[[str, Mapping[str, Any], str], dict[str, Any]]
    # `data` of a status answer -> what it says; raises KieUnclear rather than a half-truth
    read: Callable[[Record], TaskSnapshot]


def market_body(model: str, fields: Mapping[str, Any], call_back_url: str) -> dict[str, Any]:
    """Market models take their fields in `input`, beside the model's name."""
    body: dict[str, Any] = {"model": model, "input": dict(fields)}
    if call_back_url:
        body["callBackUrl"] = call_back_url
    return body


def flat_body(model: str, fields: Mapping[str, Any], call_back_url: str) -> dict[str, Any]:
    """Veo takes everything side by side."""
    body: dict[str, Any] = {"model": model, **fields}
    if call_back_url:
        body["callBackUrl"] = call_back_url
    return body


MARKET_STATES = {"success": TaskState.SUCCEEDED, "fail": TaskState.FAILED}


def read_market_task(data: Record) -> TaskSnapshot:
    """Read `data` of GET /jobs/recordInfo.

    The state decides, never the presence of an address: an example of KIE.AI's own shows a
    waiting task with results. A state we do not know is one that still runs.
    """
    kie_state = said.text(data.get("state"), most=40)
    if not kie_state:
        raise KieUnclear("recordInfo names no state", raw=said.raw(data))
    state = MARKET_STATES.get(kie_state, TaskState.RUNNING)
    echo = _echoed_url(data.get("param"))
    if state is TaskState.SUCCEEDED:
        found = _market_urls(data)
        return TaskSnapshot(
            state=state,
            kie_state=kie_state,
            call_back_url=echo,
            video_urls=found,
            raw="" if found else said.raw(data, without=echo),
            credits=said.credits(data.get("creditsConsumed", data.get("consumeCredits"))),
        )
    return TaskSnapshot(
        state=state,
        kie_state=kie_state,
        call_back_url=echo,
        progress=said.percent(data.get("progress")),
        error_code=said.text(data.get("failCode"), most=16),
        failure=said.words(data.get("failMsg"), without=echo),
        credits=said.credits(data.get("creditsConsumed")) if state is TaskState.FAILED else None,
        raw=said.raw(data, without=echo) if state is TaskState.FAILED else "",
    )


def _market_urls(data: Record) -> tuple[str, ...]:
    """The results: JSON in a text, or (seen since September 2026) the same already parsed."""
    for result in (_parsed(data.get("resultJson")), data.get("response")):
        if isinstance(result, Mapping):
            found = said.urls(url_list(result.get("resultUrls") or result.get("resultUrl")))
            if found:
                return found
    return ()


VEO_STATES = {0: TaskState.RUNNING, 1: TaskState.SUCCEEDED}


def read_veo_task(data: Record) -> TaskSnapshot:
    """Read `data` of GET /veo/record-info: 0 runs, 1 is success, any other flag a failure."""
    flag = data.get("successFlag")
    if isinstance(flag, bool) or not isinstance(flag, int):
        raise KieUnclear("record-info has no successFlag", raw=said.raw(data))
    state = VEO_STATES.get(flag, TaskState.FAILED)
    response = data.get("response")
    results = response if isinstance(response, Mapping) else {}
    found: tuple[str, ...] = ()
    if state is TaskState.SUCCEEDED:
        # An extension's whole video stands in fullResultUrls, its new part in resultUrls.
        for value in (
            results.get("fullResultUrls"),
            results.get("resultUrls"),
            data.get("resultUrls"),
        ):
            found = found or said.urls(url_list(value))
    echo = _echoed_url(data.get("paramJson"))
    ended_without = state is not TaskState.RUNNING and not found
    return TaskSnapshot(
        state=state,
        kie_state=said.text(flag, most=40),
        call_back_url=echo,
        video_urls=found,
        error_code=said.text(data.get("errorCode"), most=16),
        failure=said.words(data.get("errorMessage"), without=echo),
        raw=said.raw(data, without=echo) if ended_without else "",
    )


def url_list(value: Any) -> list[Any]:
    """Addresses in any of KIE.AI's spellings: a list, JSON of a list, `[a, b]` without quotes."""
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return []
    parsed = _parsed(value)
    if isinstance(parsed, list):
        return parsed
    return [part.strip(" \"'") for part in value.strip().strip("[]").split(",")]


def _echoed_url(request: Any) -> str:
    """The callback address in KIE.AI's echo of the request: JSON in a text."""
    echo = _parsed(request)
    return said.url(echo.get("callBackUrl")) if isinstance(echo, Mapping) else ""


def _parsed(value: Any) -> Any:
    if not isinstance(value, str):
        return None
    try:
        return json.loads(value)
    except (ValueError, RecursionError):
        return None


FAMILIES = {
    family.name: family
    for family in (
        Family(
            name="market",
            create_path="/api/v1/jobs/createTask",
            status_path="/api/v1/jobs/recordInfo",
            body=market_body,
            read=read_market_task,
        ),
        Family(
            name="veo",
            create_path="/api/v1/veo/generate",
            status_path="/api/v1/veo/record-info",
            body=flat_body,
            read=read_veo_task,
        ),
    )
}
