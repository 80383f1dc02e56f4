"""How each family of KIE.AI's models talks, as the sandbox plays it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid4

from generation.kie.sandbox.tasks import SandboxTask
from generation.kie.sandbox.words import REFUSALS

type Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Where a family is asked, what it takes and how it answers."""

    name: str
    create_path: str
    status_path: str
    required: Mapping[str, type]
    settings_in: Callable[[Mapping[str, Any]], Mapping[str, Any]]  # prompt, duration, …
    usual_model: str
    usual_seconds: float
    new_task_id: Callable[[], str]
    unknown_task: str  # what a question about a task nobody knows is told
    # What recordInfo says about a task with that state and those result URLs; the whole envelope.
    record: Callable[[SandboxTask, str, list[str]], Json]
    # What is posted to callBackUrl.
    callback: Callable[[SandboxTask, list[str]], Json]


# --- market -------------------------------------------------------------------------------------

# The words for a failed generation, as failCode and failMsg say them.
MARKET_FAILURES = {
    "fail": ("500", "Internal server error"),
    "fail-policy": ("422", "Invalid prompt: prompt contains prohibited content"),
    "fail-image": ("400", REFUSALS["451"][1]),
}


def market_record(task: SandboxTask, state: str, urls: list[str]) -> Json:
    """Source: docs.kie.ai/market/common/get-task-detail, which says `message`, not `msg`."""
    return {"code": 200, "message": "success", "data": _market_data(task, state, urls)}


def market_callback(task: SandboxTask, urls: list[str]) -> Json:
    """The record in an envelope of its own. Source: docs.kie.ai/market/common/get-task-detail"""
    if task.failure:
        data = _market_data(task, "fail", urls) | {"resultJson": None}
        return {"code": 501, "msg": "Playground task failed.", "data": data}
    data = _market_data(task, "success", urls) | {"failCode": None, "failMsg": None}
    return {"code": 200, "msg": "Playground task completed successfully.", "data": data}


def _market_data(task: SandboxTask, state: str, urls: list[str]) -> Json:
    created = _milliseconds(task.created_at)
    data: Json = {
        "taskId": task.task_id,
        "model": task.model,
        "state": state,
        "param": json.dumps(task.body),
        "resultJson": "",
        "failCode": "",
        "failMsg": "",
        "costTime": None,
        "completeTime": None,
        "createTime": created,
        "updateTime": created,
    }
    if state not in {"success", "fail"} or task.completed_at is None:
        return data
    completed = _milliseconds(task.completed_at)
    data |= {"completeTime": completed, "updateTime": completed}
    data |= {"costTime": (completed - created) // 1000}  # seconds, whatever the page says
    if state == "fail":
        fail_code, fail_message = MARKET_FAILURES[task.failure]
        return data | {"failCode": fail_code, "failMsg": fail_message, "creditsConsumed": 0}
    return data | {
        "resultJson": json.dumps({"resultUrls": urls}),
        "creditsConsumed": task.price,
    }


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


# --- veo ----------------------------------------------------------------------------------------

# The same words, as errorCode and errorMessage say them.
VEO_FAILURES = {
    "fail": (501, "Failed - Video generation task failed"),
    "fail-policy": (400, "Your prompt was flagged by Website as violating content policies."),
    "fail-image": (400, REFUSALS["451"][1]),
}


def veo_record(task: SandboxTask, state: str, urls: list[str]) -> Json:
    """Source: docs.kie.ai/veo3-api/get-veo-3-video-details"""
    data: Json = {
        "taskId": task.task_id,
        "paramJson": json.dumps(task.body),
        "completeTime": None,
        "response": None,
        "successFlag": 0,
        "errorCode": None,
        "errorMessage": "",
        "createTime": _clock(task.created_at),
        "fallbackFlag": False,
    }
    if state in {"success", "fail"} and task.completed_at:
        data["completeTime"] = _clock(task.completed_at)
    if state == "success":
        info = _veo_result(task, urls) | {"taskId": task.task_id, "fullResultUrls": []}
        data |= {"successFlag": 1, "response": info}
    if state == "fail":
        error_code, message = VEO_FAILURES[task.failure]
        # 2: refused or failed; 3: created, then failed upstream.
        flag = 3 if error_code == 501 else 2
        data |= {"successFlag": flag, "errorCode": error_code, "errorMessage": message}
    return {"code": 200, "msg": "success", "data": data}


def veo_callback(task: SandboxTask, urls: list[str]) -> Json:
    """Source: docs.kie.ai/veo3-api/generate-veo-3-video-callbacks"""
    data: Json = {"taskId": task.task_id, "fallbackFlag": False}
    if task.failure:
        code, message = VEO_FAILURES[task.failure]
        return {"code": code, "msg": message, "data": data}
    data |= {"promptJson": json.dumps(task.body), "info": _veo_result(task, urls)}
    return {"code": 200, "msg": "Veo3.1 video generated successfully.", "data": data}


def _veo_result(task: SandboxTask, urls: list[str]) -> Json:
    resolution = str(task.body.get("resolution") or "720p")
    return {"resultUrls": urls, "originUrls": None, "resolution": resolution}


def _clock(moment: datetime) -> str:
    """KIE.AI names no time zone here; the sandbox means UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


# --- all of them --------------------------------------------------------------------------------

FAMILIES = (
    Family(
        name="market",
        create_path="/api/v1/jobs/createTask",
        status_path="/api/v1/jobs/recordInfo",
        required={"model": str, "input": dict},
        settings_in=lambda body: dict(body["input"]),
        usual_model="",
        usual_seconds=5,
        new_task_id=lambda: uuid4().hex,
        unknown_task="recordInfo is null",
        record=market_record,
        callback=market_callback,
    ),
    Family(
        name="veo",
        create_path="/api/v1/veo/generate",
        status_path="/api/v1/veo/record-info",
        required={"prompt": str},
        settings_in=lambda body: body,
        usual_model="veo3_fast",
        usual_seconds=8,
        new_task_id=lambda: f"veo_task_{uuid4().hex[:12]}",
        unknown_task="record is null",
        record=veo_record,
        callback=veo_callback,
    ),
)
BY_NAME = {family.name: family for family in FAMILIES}
BY_CREATE_PATH = {family.create_path: family for family in FAMILIES}
BY_STATUS_PATH = {family.status_path: family for family in FAMILIES}
