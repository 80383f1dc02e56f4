"""KIE.AI over HTTP: one method per call, one typed value or one KieError as its answer."""

import json
import logging
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from traceback import walk_tb
from typing import IO, Any

import requests
from django.conf import settings
from requests.auth import AuthBase
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from . import live
from . import snapshot as said
from .deadline import DeadlineAdapter
from .errors import KieError, KieNotSent, KieRefused, KieUnclear
from .families import Family
from .snapshot import TaskSnapshot

logger = logging.getLogger(__name__)

CONNECT_SECONDS, READ_SECONDS = 3, 20
UPLOAD_READ_SECONDS = 60
MOST_ANSWER_BYTES = 1024 * 1024
# KIE.AI's edge answers requests without an explicit agent with a bare 403 that looks like a key
# error (seen by clients in 2026).
USER_AGENT = "Mozilla/5.0 (compatible; VideoStudio/0.1)"

# Nothing was sent when the connection was never made.
NEVER_CONNECTED = (NewConnectionError, NameResolutionError, ConnectTimeoutError)
# KIE.AI's codes for "not now": refused unread, and not queued. Source: docs.kie.ai, status codes.
RATE_LIMITED, MAINTENANCE = 429, 455
KEY_REFUSED = 401


class Bearer(AuthBase):
    """Signs each request with the key, and shows it to nobody: its repr is Python's own."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class KieClient:
    """A connection pool to KIE.AI. Threads may share one."""

    def __init__(
        self, *, api_key: str, base_url: str, upload_base_url: str, connections: int = 32
    ) -> None:
        self._base_url = base_url
        self._upload_base_url = upload_base_url
        self._session = requests.Session()
        # No proxy or .netrc of the environment: the key goes to KIE.AI and nowhere else.
        self._session.trust_env = False
        self._session.auth = Bearer(api_key)
        self._session.headers.update({"User-Agent": USER_AGENT, "Accept": "*/*"})
        # urllib3 must not repeat by itself what may have been charged.
        adapter = DeadlineAdapter(pool_connections=4, pool_maxsize=connections, max_retries=0)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    @classmethod
    def from_settings(cls) -> "KieClient":
        """The client this installation is configured for; its pool is shared by the process."""
        return _shared_client(
            settings.KIE_API_KEY,
            settings.KIE_API_BASE_URL,
            settings.KIE_UPLOAD_BASE_URL,
            settings.KIE_STATUS_CONNECTIONS,
        )

    def create_task(self, body: Mapping[str, Any], *, family: Family) -> str:
        """Ask for a video. Returns the id of the task, which from now on costs money.

        Raises KieRefused (no task), KieNotSent (send it again) or KieUnclear (perhaps charged).
        """
        if family.own_id is not None:
            return self._ask_for(body, own_id=family.own_id(body), family=family)
        url = self._base_url + family.create_path
        data = self._call("POST", url, json=body, known_code=family.known_code)
        task_id = _task_id_in(data)
        if not task_id:
            raise KieUnclear("accepted without a task id")
        if task_id == body.get("taskId"):
            raise KieUnclear("accepted under the id of the task that was to be continued")
        return task_id

    def _ask_for(self, body: Mapping[str, Any], *, own_id: str, family: Family) -> str:
        """Create by asking. Once more does no harm, so no answer means: ask again later."""
        if not own_id:
            raise KieRefused("it names no task of KIE.AI's")
        try:
            self.fetch_task(own_id, family=family)
        except KieUnclear as error:
            unclear = error
        else:
            return own_id
        raise KieNotSent(str(unclear), code=unclear.code, is_silence=unclear.is_silence)

    def fetch_task(self, task_id: str, *, family: Family) -> TaskSnapshot:
        """What KIE.AI says about this task now. Asking costs nothing and may be repeated."""
        query = family.query(task_id)
        try:
            data = self._call("GET", self._base_url + family.status_path, params=query)
        except KieRefused as refusal:
            if (snapshot := family.read_refusal(refusal)) is None:
                raise
            return snapshot
        if not isinstance(data, Mapping):
            raise KieUnclear("a record that is no object", raw=said.raw(data))
        return family.read(data)

    def upload(
        self,
        file: IO[bytes],
        *,
        name: str,
        media_type: str,
        while_sending: Callable[[], None] = lambda: None,
    ) -> str:
        """Hand KIE.AI a file for a creation. Returns its address, good for a day.

        The same name overwrites an earlier file, and the name's ending decides the content type:
        give a random name with the right ending. Source: docs.kie.ai/file-upload-api

        `while_sending` is called again and again until the file is there; what it raises ends it.
        """
        # Loaded by the first upload: most web processes never see one.
        from requests_toolbelt.multipart.encoder import MultipartEncoder, MultipartEncoderMonitor

        # requests would read the whole file into memory: clips have hundreds of megabytes.
        parts = {"uploadPath": "studio", "fileName": name, "file": (name, file, media_type)}
        form = MultipartEncoderMonitor(MultipartEncoder(parts), lambda sent: while_sending())
        data = self._call(
            "POST",
            f"{self._upload_base_url}/api/file-stream-upload",
            data=form,
            headers={"Content-Type": form.content_type},
            read_seconds=UPLOAD_READ_SECONDS,
        )
        address = said.url(data.get("downloadUrl")) if isinstance(data, Mapping) else ""
        if not address:
            raise KieUnclear("uploaded without an address")
        return address

    def fetch_download_url(self, url: str) -> str:
        """Another link to a result, good for 20 minutes; the file lives no longer by it.

        KIE.AI refuses addresses that are not its own. Source: docs.kie.ai/common-api/download-url
        """
        body = {"url": url}
        link = said.url(
            self._call("POST", f"{self._base_url}/api/v1/common/download-url", json=body)
        )
        if not link:
            raise KieUnclear("a download link that is no address")
        return link

    def fetch_credits(self) -> Decimal:
        """The balance of the account, in credits (1 credit = 0.005 USD)."""
        balance = said.credits(self._call("GET", f"{self._base_url}/api/v1/chat/credit"))
        if balance is None:
            raise KieUnclear("a balance that is no number")
        return balance

    # KIE.AI's live catalogue: one request per second for the four together, see kie/budget.py.

    def fetch_models(self) -> live.LiveModels:
        """Every model that KIE.AI has now, images and music too."""
        return live.read_models(self._call("GET", f"{self._base_url}/api/v1/models"))

    def fetch_model_schema(self, model: str) -> live.LiveSchema:
        """How KIE.AI wants to be asked for this model, as an OpenAPI document."""
        data = self._call("GET", f"{self._base_url}{live.model_path(model)}/schema")
        return live.read_schema(data, model=model)

    def fetch_model_price(self, model: str) -> live.LivePrice:
        """What this model costs now."""
        data = self._call("GET", f"{self._base_url}{live.model_path(model)}/price")
        return live.read_price(data, model=model)

    def fetch_success_rate(self, model: str) -> live.SuccessRate:
        """How well this model has worked in the last 24 hours."""
        data = self._call("GET", f"{self._base_url}{live.model_path(model)}/success-rate")
        return live.read_success_rate(data, model=model)

    def _call(
        self,
        method: str,
        url: str,
        *,
        read_seconds: int = READ_SECONDS,
        known_code: int | None = None,
        **content: Any,
    ) -> Any:
        """`data` of the answer's envelope. Raises KieError for everything but code 200.

        `known_code`: with a task's id it is as good, for it tells of a task that there is already.
        """
        try:
            with self._session.request(
                method,
                url,
                timeout=(CONNECT_SECONDS, read_seconds),
                allow_redirects=False,
                stream=True,
                **content,
            ) as response:
                body = response.raw.read(MOST_ANSWER_BYTES + 1, decode_content=True)
        except Exception as error:
            # Whatever it was, it decides between money and no money.
            failed = _failed_call(error)
        else:
            return _envelope_data(response, body, known_code=known_code)
        # Raised out here: a context would carry the request, and the request the key.
        raise failed


@cache
def _shared_client(
    api_key: str, base_url: str, upload_base_url: str, connections: int
) -> KieClient:
    return KieClient(
        api_key=api_key,
        base_url=base_url,
        upload_base_url=upload_base_url,
        connections=connections,
    )


def _failed_call(error: Exception) -> KieError:
    """The same requests.ConnectionError means "never left" and "perhaps charged": urllib3 knows."""
    name = type(error).__name__
    reason = getattr(error.args[0], "reason", None) if error.args else None
    if isinstance(error, requests.ConnectionError) and isinstance(reason, NEVER_CONNECTED):
        return _unreachable(f"no connection: {type(reason).__name__}")
    if _is_from_handshake(error):
        return _unreachable("TLS handshake failed")
    if isinstance(error, requests.ConnectTimeout):
        return _unreachable("connect timeout")
    return KieUnclear(f"no answer: {name}", is_silence=True)


def _unreachable(why: str) -> KieNotSent:
    return KieNotSent(why, is_silence=True)


def _is_from_handshake(error: BaseException | None) -> bool:
    """Whether TLS was still being agreed upon: the words of an SSLError do not say when it was."""
    while error is not None:
        if any(frame.f_code.co_name == "do_handshake" for frame, _ in walk_tb(error.__traceback__)):
            return True
        error = error.__context__
    return False


def _envelope_data(
    response: requests.Response, body: bytes, *, known_code: int | None = None
) -> Any:
    """Only the envelope's `code` counts: KIE.AI answers HTTP 200 for refusals too."""
    try:
        envelope = json.loads(body) if len(body) <= MOST_ANSWER_BYTES else None
    except (ValueError, RecursionError):
        envelope = None
    if not isinstance(envelope, Mapping):
        raise _without_envelope(response, body)
    code = envelope.get("code")
    if isinstance(code, bool) or not isinstance(code, int):
        # A gateway's JSON, not KIE.AI's: like its HTML it does not say what happened behind it.
        if response.status_code >= 500:
            raise _without_envelope(response, body)
        code = response.status_code
    data = envelope.get("data")
    if code == 200 or (code == known_code and _task_id_in(data)):
        return data
    message = said.words(envelope.get("msg") or envelope.get("message"))
    logger.info("kie_refused code=%s message=%s", code, message)
    if code in {RATE_LIMITED, MAINTENANCE}:
        raise KieNotSent(
            f"{code} {message}",
            code=code,
            words=message,
            retry_after=_seconds(response.headers.get("Retry-After")),
            is_silence=code == MAINTENANCE,
        )
    if _task_id_in(data):
        raise KieUnclear(f"{code} with a task id", code=code)
    raise KieRefused(f"{code} {message}", code=code, words=message, is_silence=code == KEY_REFUSED)


def _task_id_in(data: Any) -> str:
    return said.task_id(data.get("taskId")) if isinstance(data, Mapping) else ""


def _without_envelope(response: requests.Response, body: bytes) -> KieError:
    status = response.status_code
    if status == 403:
        return KieRefused("HTTP 403 from the edge", code=403, is_silence=True)
    if status == RATE_LIMITED:
        wait = _seconds(response.headers.get("Retry-After"))
        return KieNotSent("HTTP 429", code=429, retry_after=wait)
    page = said.words(body[: said.MOST_RAW].decode(errors="replace"))
    return KieUnclear(f"HTTP {status} without an envelope", code=status, raw=page, is_silence=True)


def _seconds(header: str | None) -> float | None:
    """Retry-After in seconds, at most 15 minutes; None where it says nothing we understand."""
    return min(float(header), 900.0) if header and header.isascii() and header.isdigit() else None
