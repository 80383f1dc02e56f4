"""How each family of KIE.AI's models talks, as the sandbox plays it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import NAMESPACE_URL, uuid4, uuid5

from generation.kie.sandbox.tasks import SandboxTask
from generation.kie.sandbox.words import REFUSALS

type Json = dict[str, Any]
type Body = Mapping[str, Any]
# Per word of a prompt: code and text of the failure it asks for.
type Failures = Mapping[str, tuple[int, str]]


@dataclass(frozen=True, slots=True)
class Results:
    """Where the files of a task are served, a still of its first one too.

    `whole`: of an extension, the earlier video and the new part in one.
    """

    urls: list[str]
    whole: list[str]
    stills: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Where a family is asked, what it takes and how it answers."""

    name: str
    create_path: str
    status_path: str
    required: Mapping[str, type | tuple[type, ...]]
    settings_in: Callable[[Body], Body]  # prompt, duration, …
    usual_model: str
    usual_seconds: float
    new_task_id: Callable[[], str]
    unknown_task: str  # what a question about a task nobody knows is told
    failures: Failures
    # What a question about a task with that state and those results is told; the whole envelope.
    record: Callable[[SandboxTask, str, Results], Json]
    # What is posted to callBackUrl.
    callback: Callable[[SandboxTask, Results], Json]
    # The earlier task that a creation names, "" for none; and where such tasks are asked about.
    source_in: Callable[[Body], str] = lambda body: ""
    sources_path: str = ""
    # The earlier video goes on: how long the new part is does not depend on it.
    continues: bool = False
    # … and the result is both in one.
    joins: bool = False
    # What a second request for the same thing is told. None: it is another task.
    known: Callable[[SandboxTask, str, Results], Json] | None = None
    # Beside the task's id, in the answer to a creation.
    created: Body | None = None


# --- market -------------------------------------------------------------------------------------

MARKET_RECORD = "/api/v1/jobs/recordInfo"
# As failCode and failMsg say them.
MARKET_FAILURES: Failures = {
    "fail": (500, "Internal server error"),
    "fail-policy": (422, "Invalid prompt: prompt contains prohibited content"),
    "fail-image": (400, REFUSALS["451"][1]),
}


def market_record(task: SandboxTask, state: str, results: Results) -> Json:
    """Source: docs.kie.ai/market/common/get-task-detail, which says `message`, not `msg`."""
    return {"code": 200, "message": "success", "data": _market_data(task, state, results)}


def market_callback(task: SandboxTask, results: Results) -> Json:
    """The record in an envelope of its own. Source: docs.kie.ai/market/common/get-task-detail"""
    if task.failure:
        data = _market_data(task, "fail", results) | {"resultJson": None}
        return {"code": 501, "msg": "Playground task failed.", "data": data}
    data = _market_data(task, "success", results) | {"failCode": None, "failMsg": None}
    return {"code": 200, "msg": "Playground task completed successfully.", "data": data}


def _market_data(task: SandboxTask, state: str, results: Results) -> Json:
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
        return data | {"failCode": str(fail_code), "failMsg": fail_message, "creditsConsumed": 0}
    return data | {
        "resultJson": json.dumps({"resultUrls": results.urls}),
        "creditsConsumed": task.price,
    }


def _milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


# --- veo ----------------------------------------------------------------------------------------

VEO_RECORD = "/api/v1/veo/record-info"
VEO_1080P = "/api/v1/veo/get-1080p-video"
# As errorCode and errorMessage say them.
VEO_FAILURES: Failures = {
    "fail": (501, "Failed - Video generation task failed"),
    "fail-policy": (400, "Your prompt was flagged by Website as violating content policies."),
    "fail-image": (400, REFUSALS["451"][1]),
}
VEO_4K_FAILURES: Failures = {
    "fail": VEO_FAILURES["fail"],
    "fail-upgrade": (
        500,
        "The 4K version of this video is unavailable. Please try a different video.",
    ),
}
VEO_1080P_FAILURES: Failures = {
    "fail": VEO_FAILURES["fail"],
    "fail-upgrade": VEO_FAILURES["fail"],
}


def veo_record(task: SandboxTask, state: str, results: Results) -> Json:
    """Source: docs.kie.ai/veo3-api/get-veo-3-video-details"""
    data = _veo_data(task, state, VEO_FAILURES) | {"fallbackFlag": False}
    if state == "success":
        facts = {"taskId": task.task_id, "fullResultUrls": results.whole}
        data["response"] = _veo_result(task, results) | facts
    return {"code": 200, "msg": "success", "data": data}


def veo_4k_record(task: SandboxTask, state: str, results: Results) -> Json:
    """The same page: without a fallbackFlag, with mediaIds."""
    data = _veo_data(task, state, VEO_4K_FAILURES)
    if state == "success":
        facts = {"taskId": task.task_id, "mediaIds": [task.task_id], "resolution": "4k"}
        data["response"] = _veo_result(task, results) | facts
    return {"code": 200, "msg": "success", "data": data}


def _veo_data(task: SandboxTask, state: str, failures: Failures) -> Json:
    data: Json = {
        "taskId": task.task_id,
        "paramJson": json.dumps(task.body),
        "completeTime": None,
        "response": None,
        "successFlag": int(state == "success"),
        "errorCode": None,
        "errorMessage": "",
        "createTime": _clock(task.created_at),
    }
    if state in {"success", "fail"} and task.completed_at:
        data["completeTime"] = _clock(task.completed_at)
    if state == "fail":
        error_code, message = failures[task.failure]
        # 2: refused or failed; 3: created, then failed upstream.
        flag = 3 if error_code >= 500 else 2
        data |= {"successFlag": flag, "errorCode": error_code, "errorMessage": message}
    return data


def veo_callback(task: SandboxTask, results: Results) -> Json:
    """Source: docs.kie.ai/veo3-api/generate-veo-3-video-callbacks"""
    data: Json = {"taskId": task.task_id, "fallbackFlag": False}
    if task.failure:
        code, message = VEO_FAILURES[task.failure]
        return {"code": code, "msg": message, "data": data}
    data |= {"promptJson": json.dumps(task.body), "info": _veo_result(task, results)}
    return {"code": 200, "msg": "Veo3.1 video generated successfully.", "data": data}


def veo_4k_callback(task: SandboxTask, results: Results) -> Json:
    """In the schema's spelling. Source: docs.kie.ai/veo3-api/get-veo-3-4k-video-callbacks"""
    if task.failure:
        code, message = VEO_4K_FAILURES[task.failure]
        return {"code": code, "msg": message, "data": {"taskId": task.task_id}}
    data = {
        "task_id": task.task_id,
        "result_urls": results.urls,
        "media_ids": [task.task_id],
        "image_urls": results.stills,
    }
    return {"code": 200, "msg": "4K Video generated successfully.", "data": data}


def veo_4k_known(task: SandboxTask, state: str, results: Results) -> Json:
    """A second request for the same video. Source: docs.kie.ai/veo3-api/get-veo-3-4k-video"""
    words = "4k is processing. It should be ready in 5-10 minutes. Please check back shortly."
    found: Json = {"resultUrls": None, "imageUrls": None}
    if state == "success":
        words = "The video has been generated successfully"
        found = {"resultUrls": results.urls, "imageUrls": results.stills}
    return {"code": 422, "msg": words, "data": {"taskId": task.task_id, **found}}


def veo_1080p_record(task: SandboxTask, state: str, results: Results) -> Json:
    """Source: docs.kie.ai/veo3-api/get-veo-3-1080-p-video"""
    if state == "success":
        data = {"resultUrl": results.urls[0]} if results.urls else {}
        return {"code": 200, "msg": "success", "data": data}
    if state == "fail":
        code, message = VEO_1080P_FAILURES[task.failure]
        return {"code": code, "msg": message, "data": None}
    words = "1080P is processing. It should be ready in 1-2 minutes. Please check back shortly."
    return {"code": 400, "msg": words, "data": None}


def no_callback(task: SandboxTask, results: Results) -> Json:
    """Nobody is called back: a task without an address for it never asks for this."""
    return {}


def _veo_result(task: SandboxTask, results: Results) -> Json:
    resolution = str(task.body.get("resolution") or "720p")
    return {"resultUrls": results.urls, "originUrls": None, "resolution": resolution}


def _clock(moment: datetime) -> str:
    """KIE.AI names no time zone here; the sandbox means UTC."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


# --- runway -------------------------------------------------------------------------------------

RUNWAY_RECORD = "/api/v1/runway/record-detail"
# As failCode and failMsg say them: nearly everything is a 400. Source: docs.kie.ai/runway-api
RUNWAY_FAILURES: Failures = {
    "fail": (500, "Internal Error, Please try again later."),
    "fail-policy": (
        400,
        "Your prompt was caught by our AI moderator. Please adjust it and try again!",
    ),
    "fail-image": (400, "Inappropriate content detected. Please replace the image or video."),
}
RUNWAY_STATES = {"waiting": "wait", "queuing": "queueing"}


def runway_record(task: SandboxTask, state: str, results: Results) -> Json:
    """Source: docs.kie.ai/runway-api/get-ai-video-details"""
    moment = task.completed_at if state == "success" else task.created_at
    data: Json = {
        "taskId": task.task_id,
        "parentTaskId": task.source_id,
        "generateParam": {
            "prompt": task.prompt,
            "imageUrl": str(task.body.get("imageUrl") or ""),
            "expandPrompt": True,
        },
        "state": RUNWAY_STATES.get(state, state),
        "generateTime": _clock(moment or task.created_at),
        "videoInfo": None,
        "failCode": None,
        "failMsg": "",
        "expireFlag": 0,
    }
    if state == "success":
        data["videoInfo"] = {
            "videoId": _video_id(task),
            "taskId": task.task_id,
            "videoUrl": _first(results.urls),
            "imageUrl": _first(results.stills),
        }
    if state == "fail":
        data["failCode"], data["failMsg"] = RUNWAY_FAILURES[task.failure]
    return {"code": 200, "msg": "success", "data": data}


def runway_callback(task: SandboxTask, results: Results) -> Json:
    """Source: docs.kie.ai/runway-api/generate-ai-video-callbacks"""
    data = {"task_id": task.task_id, "video_id": "", "video_url": "", "image_url": ""}
    if task.failure:
        code, message = RUNWAY_FAILURES[task.failure]
        return {"code": code, "msg": message, "data": data}
    data |= {"video_id": _video_id(task)}
    data |= {"video_url": _first(results.urls), "image_url": _first(results.stills)}
    return {"code": 200, "msg": "All generated successfully.", "data": data}


def _video_id(task: SandboxTask) -> str:
    return str(uuid5(NAMESPACE_URL, task.task_id))


def _first(urls: list[str]) -> str:
    return urls[0] if urls else ""


# --- aleph --------------------------------------------------------------------------------------


def aleph_record(task: SandboxTask, state: str, results: Results) -> Json:
    """Source: docs.kie.ai/runway-api/get-aleph-video-details"""
    data: Json = {
        "taskId": task.task_id,
        "paramJson": json.dumps(task.body),
        "response": None,
        "completeTime": None,
        "createTime": _iso(task.created_at),
        "successFlag": int(state == "success"),
        "errorCode": 0,
        "errorMessage": "",
    }
    if state in {"success", "fail"} and task.completed_at:
        data["completeTime"] = _iso(task.completed_at)
    if state == "success":
        data["response"] = {
            "taskId": task.task_id,
            "resultVideoUrl": _first(results.urls),
            "resultImageUrl": _first(results.stills),
        }
    if state == "fail":
        # Still 0: what has failed says so by its error alone.
        data["errorCode"], data["errorMessage"] = RUNWAY_FAILURES[task.failure]
    return {"code": 200, "msg": "success", "data": data}


def aleph_callback(task: SandboxTask, results: Results) -> Json:
    """In the page's spelling. Source: docs.kie.ai/runway-api/generate-aleph-video-callbacks"""
    if task.failure:
        code, message = RUNWAY_FAILURES[task.failure]
        return {"code": code, "msg": message, "data": None, "taskId": task.task_id}
    data = {
        "result_video_url": _first(results.urls),
        "result_image_url": _first(results.stills),
    }
    return {"code": 200, "msg": "success", "data": data, "taskId": task.task_id}


def _iso(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


# --- all of them --------------------------------------------------------------------------------


def named_task(body: Body) -> str:
    return str(body.get("taskId") or "")


FAMILIES = (
    Family(
        name="market",
        create_path="/api/v1/jobs/createTask",
        status_path=MARKET_RECORD,
        required={"model": str, "input": dict},
        settings_in=lambda body: dict(body["input"]),
        usual_model="",
        usual_seconds=5,
        new_task_id=lambda: uuid4().hex,
        unknown_task="recordInfo is null",
        failures=MARKET_FAILURES,
        record=market_record,
        callback=market_callback,
        source_in=lambda body: str(body["input"].get("task_id") or ""),
        sources_path=MARKET_RECORD,
    ),
    Family(
        name="veo",
        create_path="/api/v1/veo/generate",
        status_path=VEO_RECORD,
        required={"prompt": str},
        settings_in=lambda body: body,
        usual_model="veo3_fast",
        usual_seconds=8,
        new_task_id=lambda: f"veo_task_{uuid4().hex[:12]}",
        unknown_task="record is null",
        failures=VEO_FAILURES,
        record=veo_record,
        callback=veo_callback,
    ),
    Family(
        name="veo-extend",
        create_path="/api/v1/veo/extend",
        status_path=VEO_RECORD,
        required={"taskId": str, "prompt": str},
        settings_in=lambda body: body,
        usual_model="fast",
        usual_seconds=8,
        new_task_id=lambda: f"veo_extend_task_{uuid4().hex[:12]}",
        unknown_task="record is null",
        failures=VEO_FAILURES,
        record=veo_record,
        callback=veo_callback,
        source_in=named_task,
        sources_path=VEO_RECORD,
        continues=True,
        joins=True,
    ),
    Family(
        name="veo-4k",
        create_path="/api/v1/veo/get-4k-video",
        status_path=VEO_RECORD,
        required={"taskId": str},
        settings_in=lambda body: {"resolution": "4k"},
        usual_model="veo 4K",
        usual_seconds=8,
        new_task_id=lambda: f"veo_4k_task_{uuid4().hex[:12]}",
        unknown_task="record is null",
        failures=VEO_4K_FAILURES,
        record=veo_4k_record,
        callback=veo_4k_callback,
        source_in=named_task,
        sources_path=VEO_RECORD,
        known=veo_4k_known,
        created={"resultUrls": None, "imageUrls": None},
    ),
    Family(
        name="veo-1080p",
        create_path=VEO_1080P,
        status_path=VEO_1080P,
        required={"taskId": str},
        settings_in=lambda body: {"resolution": "1080p"},
        usual_model="veo 1080p",
        usual_seconds=8,
        new_task_id=lambda: f"veo_1080p_{uuid4().hex[:12]}",
        unknown_task="record is null",
        failures=VEO_1080P_FAILURES,
        record=veo_1080p_record,
        callback=no_callback,
        source_in=named_task,
        sources_path=VEO_RECORD,
        known=veo_1080p_record,
    ),
    Family(
        name="runway",
        create_path="/api/v1/runway/generate",
        status_path=RUNWAY_RECORD,
        required={"prompt": str, "duration": (int, float), "quality": str},
        settings_in=lambda body: body,
        usual_model="runway",
        usual_seconds=5,
        new_task_id=lambda: str(uuid4()),
        unknown_task="record is null",
        failures=RUNWAY_FAILURES,
        record=runway_record,
        callback=runway_callback,
    ),
    Family(
        name="runway-extend",
        create_path="/api/v1/runway/extend",
        status_path=RUNWAY_RECORD,
        required={"taskId": str, "prompt": str, "quality": str},
        settings_in=lambda body: body,
        usual_model="runway extend",
        usual_seconds=5,
        new_task_id=lambda: str(uuid4()),
        unknown_task="record is null",
        failures=RUNWAY_FAILURES,
        record=runway_record,
        callback=runway_callback,
        source_in=named_task,
        sources_path=RUNWAY_RECORD,
        continues=True,
    ),
    Family(
        name="aleph",
        create_path="/api/v1/aleph/generate",
        status_path="/api/v1/aleph/record-info",
        required={"prompt": str, "videoUrl": str},
        settings_in=lambda body: body,
        usual_model="aleph",
        usual_seconds=5,
        new_task_id=lambda: str(uuid4()),
        unknown_task="record is null",
        failures=RUNWAY_FAILURES,
        record=aleph_record,
        callback=aleph_callback,
    ),
)
BY_NAME = {family.name: family for family in FAMILIES}
BY_CREATE_PATH = {family.create_path: family for family in FAMILIES}
BY_STATUS_PATH = {family.status_path: family for family in FAMILIES}
