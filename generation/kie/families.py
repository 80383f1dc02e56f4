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
from .snapshot import TaskRequest, TaskSnapshot, TaskState

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
    has_succeeded, has_failed = state is TaskState.SUCCEEDED, state is TaskState.FAILED
    consumed = data.get("creditsConsumed", data.get("consumeCredits"))
    request = _market_request(data)
    found = _market_urls(data) if has_succeeded else ()
    ended_without = (has_succeeded and not found) or has_failed
    return TaskSnapshot(
        state=state,
        kie_state=kie_state,
        request=request,
        created_at=said.moment(data.get("createTime")),
        completed_at=said.moment(data.get("completeTime")),
        video_urls=found,
        progress=None if has_succeeded else said.percent(data.get("progress")),
        error_code="" if has_succeeded else said.text(data.get("failCode"), most=16),
        failure=""
        if has_succeeded
        else said.words(data.get("failMsg"), without=request.call_back_url),
        credits=said.credits(consumed) if has_succeeded or has_failed else None,
        raw=said.raw(data, without=request.call_back_url) if ended_without else "",
    )


def _market_request(data: Record) -> TaskRequest:
    """The echo in `param`: JSON in a text, in which the input may be JSON in a text again."""
    echo = _mapping(data.get("param"))
    return TaskRequest(
        model=said.text(echo.get("model") or data.get("model"), most=120),
        fields=_mapping(echo.get("input")),
        call_back_url=said.url(echo.get("callBackUrl")),
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
    request = _flat_request(data.get("paramJson"))
    ended_without = state is not TaskState.RUNNING and not found
    return TaskSnapshot(
        state=state,
        kie_state=said.text(flag, most=40),
        request=request,
        created_at=said.moment(data.get("createTime")),
        completed_at=said.moment(data.get("completeTime")),
        video_urls=found,
        error_code=said.text(data.get("errorCode"), most=16),
        failure=said.words(data.get("errorMessage"), without=request.call_back_url),
        raw=said.raw(data, without=request.call_back_url) if ended_without else "",
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


def _flat_request(request: Any) -> TaskRequest:
    """KIE.AI's echo of a request in which everything stands side by side."""
    echo = _mapping(request)
    return TaskRequest(
        model=said.text(echo.get("model"), most=120),
        fields={k: v for k, v in echo.items() if k not in {"model", "callBackUrl"}},
        call_back_url=said.url(echo.get("callBackUrl")),
    )


def _mapping(value: Any) -> Record:
    """An object, given as such or as JSON in a text; empty for anything else."""
    content = value if isinstance(value, Mapping) else _parsed(value)
    return content if isinstance(content, Mapping) else {}


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
