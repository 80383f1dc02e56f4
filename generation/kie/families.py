"""The families of models: where each one lives, what it is sent, and how its answers read.

A family is one entry in FAMILIES. Sources: docs.kie.ai/market/common/get-task-detail,
docs.kie.ai/veo3-api and docs.kie.ai/runway-api (as of June to October 2026).
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from . import snapshot as said
from .errors import KieRefused, KieUnclear
from .snapshot import TaskRequest, TaskSnapshot, TaskState

Record = Mapping[str, Any]


def ask_by_id(task_id: str) -> dict[str, Any]:
    """How nearly all of KIE.AI's tasks are asked about."""
    return {"taskId": task_id}


def tells_nothing(refusal: KieRefused) -> TaskSnapshot | None:
    """A refused question says nothing about the task, as a rule."""
    return None


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
    # The model, where requests and records name none.
    model: str = ""
    # Its input names an earlier task of KIE.AI's, in `taskId`.
    names_task: bool = False
    # A creation refused with this code, and with a task's id, was made before: that is the task.
    known_code: int | None = None
    # The body of a creation -> an id of ours, where KIE.AI makes no task: asking is creating, and
    # asking again does no harm.
    own_id: Callable[[Record], str] | None = None
    # task id -> the query of a question about it; raises KieUnclear for an id of another family
    query: Callable[[str], dict[str, Any]] = ask_by_id
    # a refused question -> what it says about the task all the same; None: nothing
    read_refusal: Callable[[KieRefused], TaskSnapshot | None] = tells_nothing
    # In seconds: KIE.AI does not want to be asked about one task more often.
    asked_every: int = 0


# --- Bodies -------------------------------------------------------------------------------------


def market_body(model: str, fields: Mapping[str, Any], call_back_url: str) -> dict[str, Any]:
    """Market models take their fields in `input`, beside the model's name."""
    return _with_callback({"model": model, "input": dict(fields)}, call_back_url)


def flat_body(model: str, fields: Mapping[str, Any], call_back_url: str) -> dict[str, Any]:
    """Veo takes everything side by side."""
    return _with_callback({"model": model, **fields}, call_back_url)


def nameless_body(model: str, fields: Mapping[str, Any], call_back_url: str) -> dict[str, Any]:
    """Where the path says which model it is: the fields alone."""
    return _with_callback(dict(fields), call_back_url)


def bare_body(model: str, fields: Mapping[str, Any], call_back_url: str) -> dict[str, Any]:
    """Where KIE.AI calls nobody back."""
    return dict(fields)


def _with_callback(body: dict[str, Any], call_back_url: str) -> dict[str, Any]:
    return body | {"callBackUrl": call_back_url} if call_back_url else body


# --- Market -------------------------------------------------------------------------------------

_PICTURE = re.compile(r"\.(jpe?g|png|webp)$", re.IGNORECASE)
# The market's and Runway's words for an end; whatever else they say, it still runs.
ENDINGS = {"success": TaskState.SUCCEEDED, "fail": TaskState.FAILED}


def read_market_task(data: Record) -> TaskSnapshot:
    """Read `data` of GET /jobs/recordInfo.

    The state decides, never the presence of an address: an example of KIE.AI's own shows a
    waiting task with results. A state we do not know is one that still runs.
    """
    kie_state, state = _state_in_words(data, record="recordInfo")
    has_succeeded, has_failed = state is TaskState.SUCCEEDED, state is TaskState.FAILED
    consumed = data.get("creditsConsumed", data.get("consumeCredits"))
    return _snapshot(
        data,
        state=state,
        kie_state=kie_state,
        request=_market_request(data),
        video_urls=_market_urls(data) if has_succeeded else (),
        error_code="" if has_succeeded else data.get("failCode"),
        failure="" if has_succeeded else data.get("failMsg"),
        created=data.get("createTime"),
        completed=data.get("completeTime"),
        progress=None if has_succeeded else said.percent(data.get("progress")),
        credits=said.credits(consumed) if has_succeeded or has_failed else None,
    )


def _state_in_words(data: Record, *, record: str) -> tuple[str, TaskState]:
    """KIE.AI's word for the state, and what it comes down to. Raises KieUnclear without one."""
    kie_state = said.text(data.get("state"), most=40)
    if not kie_state:
        raise KieUnclear(f"{record} names no state", raw=said.raw(data))
    return kie_state, ENDINGS.get(kie_state, TaskState.RUNNING)


def _market_request(data: Record) -> TaskRequest:
    """The echo in `param`: JSON in a text, in which the input may be JSON in a text again."""
    echo = _mapping(data.get("param"))
    return TaskRequest(
        model=said.text(echo.get("model") or data.get("model"), most=120),
        fields=_mapping(echo.get("input")),
        call_back_url=said.url(echo.get("callBackUrl")),
    )


def _market_urls(data: Record) -> tuple[str, ...]:
    """The results: JSON in a text, or (seen since September 2026) the same already parsed.

    The first one is the video. Where Seedance's last frame stands is not documented: a picture
    among the results comes last, and so does one under the names that ByteDance has for it.
    """
    for result in (_parsed(data.get("resultJson")), data.get("response")):
        if isinstance(result, Mapping):
            found = said.urls(url_list(result.get("resultUrls") or result.get("resultUrl")))
            if found:
                frames = said.urls([result.get("last_frame_url"), result.get("lastFrameUrl")])
                return tuple(dict.fromkeys((*sorted(found, key=_is_of_picture), *frames)))
    return ()


def _is_of_picture(url: str) -> bool:
    return bool(_PICTURE.search(urlsplit(url).path))


# --- Veo ----------------------------------------------------------------------------------------

VEO_STATES = {0: TaskState.RUNNING, 1: TaskState.SUCCEEDED}


def read_veo_task(data: Record) -> TaskSnapshot:
    """Read `data` of GET /veo/record-info: 0 runs, 1 is success, any other flag a failure."""
    flag = _flag(data)
    state = VEO_STATES.get(flag, TaskState.FAILED)
    response = _object(data.get("response"))
    found: tuple[str, ...] = ()
    if state is TaskState.SUCCEEDED:
        # An extension's whole video stands in fullResultUrls, its new part in resultUrls.
        for value in (
            response.get("fullResultUrls"),
            response.get("resultUrls"),
            data.get("resultUrls"),
        ):
            found = found or said.urls(url_list(value))
    return _snapshot(
        data,
        state=state,
        kie_state=str(flag),
        request=_flat_request(data.get("paramJson")),
        video_urls=found,
        error_code=data.get("errorCode"),
        failure=data.get("errorMessage"),
        created=data.get("createTime"),
        completed=data.get("completeTime"),
    )


def _flag(data: Record) -> int:
    """The successFlag. Raises KieUnclear without one."""
    flag = data.get("successFlag")
    if isinstance(flag, bool) or not isinstance(flag, int):
        raise KieUnclear("record-info has no successFlag", raw=said.raw(data))
    return flag


# --- Veo in 1080p -------------------------------------------------------------------------------

# An id of ours: which video of which task. What stands between makes each request another one,
# for a second try is a video of its own.
_OWN_1080P_ID = re.compile(r"1080p:(\d{1,4}):[0-9a-f]{8}:(.+)")
# What KIE.AI says while it works, under several codes. Source: docs.kie.ai, and clients in 2026
_STILL_WORKING = re.compile(r"processing|check back|not ready", re.IGNORECASE)
STILL_WORKING_CODE, GENERATION_FAILED = 400, 501


def own_1080p_id(body: Record) -> str:
    """The id under which we ask for this; "" for a body that names no video of a task."""
    made = f"1080p:{body.get('index') or 0}:{uuid4().hex[:8]}:{body.get('taskId') or ''}"
    return said.task_id(made) if _OWN_1080P_ID.fullmatch(made) else ""


def ask_for_1080p(task_id: str) -> dict[str, Any]:
    """The query that such an id stands for."""
    if not (found := _OWN_1080P_ID.fullmatch(task_id)):
        raise KieUnclear("this is no id of a 1080p version")
    return {"taskId": found[2], "index": int(found[1])}


def read_1080p(data: Record) -> TaskSnapshot:
    """Read `data` of GET /veo/get-1080p-video: it names the file as soon as there is one."""
    address = said.url(data.get("resultUrl"))
    if not address:
        raise KieUnclear("get-1080p-video names no address", raw=said.raw(data))
    return TaskSnapshot(state=TaskState.SUCCEEDED, kie_state="200", video_urls=(address,))


def read_1080p_refusal(refusal: KieRefused) -> TaskSnapshot | None:
    """A refusal is how KIE.AI says here that it is still at work, or that it has failed."""
    if refusal.code == STILL_WORKING_CODE or _STILL_WORKING.search(refusal.words):
        return TaskSnapshot(state=TaskState.RUNNING, kie_state="processing")
    if refusal.code == GENERATION_FAILED:
        return TaskSnapshot(
            state=TaskState.FAILED,
            kie_state="failed",
            error_code=str(refusal.code),
            failure=refusal.words,
        )
    return None


# --- Runway -------------------------------------------------------------------------------------


def read_runway_task(data: Record) -> TaskSnapshot:
    """Read `data` of GET /runway/record-detail, of a generation or of an extension."""
    kie_state, state = _state_in_words(data, record="record-detail")
    # Two weeks later the links of a success are dead, and the record says so.
    has_results = state is TaskState.SUCCEEDED and data.get("expireFlag") != 1
    results = _object(data.get("videoInfo")) if has_results else {}
    # The one time it names: of its beginning, and after a success of its end.
    time = data.get("generateTime")
    return _snapshot(
        data,
        state=state,
        kie_state=kie_state,
        request=_runway_request(data),
        video_urls=said.urls([results.get("videoUrl")]),
        thumbnail_url=said.url(results.get("imageUrl")),
        error_code=data.get("failCode"),
        failure=data.get("failMsg"),
        created=time,
        completed=time if state is TaskState.SUCCEEDED else None,
    )


def _runway_request(data: Record) -> TaskRequest:
    """The echo in `generateParam`, and the task that was extended, which stands beside it."""
    request = _flat_request(data.get("generateParam"))
    parent = said.task_id(data.get("parentTaskId"))
    return replace(request, fields={**request.fields, "taskId": parent}) if parent else request


# --- Aleph --------------------------------------------------------------------------------------


def read_aleph_task(data: Record) -> TaskSnapshot:
    """Read `data` of GET /aleph/record-info: 1 is success, an error a failure; else it runs."""
    flag = _flag(data)
    code, words = (said.text(data.get(name)) for name in ("errorCode", "errorMessage"))
    state = TaskState.FAILED if words or code not in {"", "0"} else TaskState.RUNNING
    results: Record = {}
    if flag == 1:
        state, results = TaskState.SUCCEEDED, _object(data.get("response"))
    return _snapshot(
        data,
        state=state,
        kie_state=str(flag),
        request=_flat_request(data.get("paramJson")),
        video_urls=said.urls([results.get("resultVideoUrl")]),
        thumbnail_url=said.url(results.get("resultImageUrl")),
        error_code=code if state is TaskState.FAILED else "",
        failure=words,
        created=data.get("createTime"),
        completed=data.get("completeTime"),
    )


# --- What they share ----------------------------------------------------------------------------


def _snapshot(
    data: Record,
    *,
    state: TaskState,
    kie_state: str,
    request: TaskRequest,
    video_urls: tuple[str, ...],
    error_code: Any,
    failure: Any,
    created: Any,
    completed: Any,
    **more: Any,
) -> TaskSnapshot:
    """What a record says, its words made safe. One that ended without a video is kept whole."""
    ended_without = state is not TaskState.RUNNING and not video_urls
    ours = request.call_back_url
    return TaskSnapshot(
        state=state,
        kie_state=said.text(kie_state, most=40),
        request=request,
        video_urls=video_urls,
        error_code=said.text(error_code, most=16),
        failure=said.words(failure, without=ours),
        created_at=said.moment(created),
        completed_at=said.moment(completed),
        raw=said.raw(data, without=ours) if ended_without else "",
        **more,
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


def _object(value: Any) -> Record:
    return value if isinstance(value, Mapping) else {}


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
        Family(
            name="veo-extend",
            create_path="/api/v1/veo/extend",
            status_path="/api/v1/veo/record-info",
            body=flat_body,
            read=read_veo_task,
            names_task=True,
        ),
        Family(
            name="veo-4k",
            create_path="/api/v1/veo/get-4k-video",
            status_path="/api/v1/veo/record-info",
            body=nameless_body,
            read=read_veo_task,
            model="veo-get-4k",
            names_task=True,
            # Source: docs.kie.ai/veo3-api/get-veo-3-4k-video, Error Responses
            known_code=422,
        ),
        Family(
            name="veo-1080p",
            create_path="/api/v1/veo/get-1080p-video",
            status_path="/api/v1/veo/get-1080p-video",
            body=bare_body,
            read=read_1080p,
            model="veo-get-1080p",
            names_task=True,
            own_id=own_1080p_id,
            query=ask_for_1080p,
            read_refusal=read_1080p_refusal,
            # Source: docs.kie.ai/veo3-api/get-veo-3-1080-p-video: "every 20-30 s"
            asked_every=20,
        ),
        Family(
            name="runway",
            create_path="/api/v1/runway/generate",
            status_path="/api/v1/runway/record-detail",
            body=nameless_body,
            read=read_runway_task,
            model="runway",
        ),
        Family(
            name="runway-extend",
            create_path="/api/v1/runway/extend",
            status_path="/api/v1/runway/record-detail",
            body=nameless_body,
            read=read_runway_task,
            model="runway-extend",
            names_task=True,
        ),
        Family(
            name="aleph",
            create_path="/api/v1/aleph/generate",
            status_path="/api/v1/aleph/record-info",
            body=nameless_body,
            read=read_aleph_task,
            model="aleph",
        ),
    )
}
