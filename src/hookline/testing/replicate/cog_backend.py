"""Runs predictions on a real Cog server, so that validation, logs, cancel and outputs are genuine.

Cog queues nothing and forgets finished predictions; its webhooks are unsigned and may be lost with the
process. This backend therefore queues, gives each prediction a secret callback path, and looks after a
completion that does not come.
"""

from __future__ import annotations

import base64
import binascii
import mimetypes
import secrets
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx

from hookline.testing.clock import Clock
from hookline.testing.ports import is_loopback_url
from hookline.testing.replicate.catalog import input_schema, output_schema
from hookline.testing.replicate.cdn import Cdn
from hookline.testing.replicate.execution import publish_files
from hookline.testing.replicate.plans import FileValue
from hookline.testing.replicate.predictions import Predictions
from hookline.testing.replicate.records import JsonObject, Prediction
from hookline.testing.replicate.tasks import Tasks

__all__ = ["CALLBACK_PATH", "CogBackend", "CogUnavailableError", "read_cog_schema"]

CALLBACK_PATH = "/_standin/cog/"
_INTERRUPTED = "Prediction interrupted; please retry (code: PA)"
_RETRY_SECONDS = 0.2


class CogUnavailableError(RuntimeError):
    """The Cog server cannot be used; the message says why and what to do."""


def read_cog_schema(url: str) -> JsonObject:
    """The OpenAPI document of the Cog server at `url`.

    Raises:
        ValueError: The server is not on loopback.
        CogUnavailableError: It does not answer, or has no schema.
    """
    if not is_loopback_url(url):
        raise ValueError(f"the Cog server must be on loopback, not at {url}")
    try:
        answer = httpx.get(f"{url.rstrip('/')}/openapi.json", timeout=30.0, trust_env=False)
    except httpx.HTTPError as error:
        raise CogUnavailableError(f"no Cog server answers at {url} ({error}); start it first") from error
    if answer.status_code != 200:
        raise CogUnavailableError(
            f"the Cog server at {url} has no schema (HTTP {answer.status_code}); "
            "put .cog/openapi_schema.json beside its predict.py"
        )
    schema: JsonObject = answer.json()
    return schema


@dataclass(slots=True)
class _Job:
    prediction_id: str
    token: str
    resubmitted: bool = False
    quiet_checks: int = 0


class CogBackend:
    """One Cog server.

    Args:
        url: Its address.
        schema: What `read_cog_schema` gave for it.
        callback_base: Origin of the stand-in, where the Cog server sends its webhooks.
        read_own_file: Bytes and media type behind a URL of the stand-in's Files API.
        concurrency: How many predictions the server takes at once.
        check_seconds: How often to look after predictions whose completion has not come.
    """

    def __init__(
        self,
        url: str,
        schema: JsonObject,
        *,
        callback_base: str,
        predictions: Predictions,
        cdn: Cdn,
        clock: Clock,
        tasks: Tasks,
        read_own_file: Callable[[str], FileValue | None],
        concurrency: int = 1,
        check_seconds: float = 2.0,
    ) -> None:
        self._url = url.rstrip("/")
        self._callback_base = callback_base
        self._predictions = predictions
        self._cdn = cdn
        self._clock = clock
        self._tasks = tasks
        self._read_own_file = read_own_file
        self._concurrency = concurrency
        self._check_seconds = check_seconds
        self._queue: deque[str] = deque()
        self._jobs: dict[str, _Job] = {}
        self._guard = threading.Lock()
        self._client = httpx.Client(timeout=30.0, trust_env=False, verify=False)
        self.schema = schema

    def stop(self) -> None:
        """Close connections. Call after the clock and the tasks have stopped."""
        self._client.close()

    def begin(self, prediction: Prediction) -> None:
        with self._guard:
            self._queue.append(prediction.id)
        self._feed()

    def forget(self, prediction: Prediction) -> None:
        with self._guard:
            if prediction.id in self._queue:
                self._queue.remove(prediction.id)
            running = prediction.id in self._jobs
        if running and prediction.status in ("canceled", "aborted"):
            # The slot is given back when Cog's own completion says it is free.
            self._tasks.submit(lambda: self._cancel(prediction.id))

    def receive(self, prediction_id: str, token: str, body: Mapping[str, Any]) -> bool:
        """Take a webhook from the Cog server; false when nothing waits for it or the token is wrong."""
        with self._guard:
            job = self._jobs.get(prediction_id)
        if job is None or not secrets.compare_digest(job.token, token):
            return False
        self._absorb(prediction_id, body)
        return True

    def _feed(self) -> None:
        """Hand over queued predictions while the server has room."""
        while True:
            with self._guard:
                if not self._queue or len(self._jobs) >= self._concurrency:
                    return
                prediction_id = self._queue.popleft()
                job = self._jobs[prediction_id] = _Job(prediction_id, secrets.token_urlsafe(16))
            if not self._submit(job):
                return

    def _submit(self, job: _Job) -> bool:
        """Hand over one prediction; false when the server had no room and it went back into the queue."""
        record = self._predictions.get(job.prediction_id)
        if record is None or record.done:
            self._release(job.prediction_id)
            return True
        try:
            values = self._inputs(record.input)
        except ValueError as error:
            self._end(job.prediction_id, "failed", error=str(error))
            return True
        try:
            answer = self._put(job, values)
        except httpx.HTTPError:
            self._end(job.prediction_id, "failed", error=_INTERRUPTED)
            return True
        if answer.status_code == 409 and self._healthy():
            self._requeue(job.prediction_id)
            return False
        if answer.status_code not in (200, 202):
            self._end(job.prediction_id, "failed", error=_refusal(answer))
            return True
        self._predictions.start(job.prediction_id)
        if answer.status_code == 200:
            self._absorb(job.prediction_id, answer.json())
        else:
            self._clock.call_later(self._check_seconds, lambda: self._tasks.submit(lambda: self._check(job)))
        return True

    def _put(self, job: _Job, values: Mapping[str, Any]) -> httpx.Response:
        return self._client.put(
            f"{self._url}/predictions/{job.prediction_id}",
            json={
                "id": job.prediction_id,
                "input": values,
                "webhook": f"{self._callback_base}{CALLBACK_PATH}{job.prediction_id}/{job.token}",
                "webhook_events_filter": ["start", "output", "logs", "completed"],
            },
            headers={"Prefer": "respond-async"},
        )

    def _check(self, job: _Job) -> None:
        """Look after a completion that has not come: ask for the server's health, PUT once more, give up.

        A second PUT of a prediction that still runs is answered with its snapshot; of one whose completion
        was lost it runs the model again.
        """
        with self._guard:
            if self._jobs.get(job.prediction_id) is not job:
                return
        health = self._health()
        if health == "BUSY":
            job.quiet_checks = 0
        elif health != "READY":
            self._end(job.prediction_id, "failed", error=_INTERRUPTED)
            return
        else:
            job.quiet_checks += 1
        if job.quiet_checks >= 2:
            if job.resubmitted:
                self._end(job.prediction_id, "failed", error=_INTERRUPTED)
                return
            job.resubmitted = True
            job.quiet_checks = 0
            self._submit(job)
            return
        self._clock.call_later(self._check_seconds, lambda: self._tasks.submit(lambda: self._check(job)))

    def _absorb(self, prediction_id: str, body: Mapping[str, Any]) -> None:
        """Take over what a webhook or an answer of the Cog server says."""
        status = body.get("status")
        logs = body.get("logs") or ""
        if status in ("succeeded", "failed", "canceled"):
            metrics = {key: value for key, value in (body.get("metrics") or {}).items() if value is not None}
            output = publish_files(self._cdn, prediction_id, _files(body.get("output")))
            self._end(
                prediction_id, status, output=output, error=body.get("error"), metrics=metrics, logs=logs
            )
            return
        self._predictions.start(prediction_id)
        self._predictions.set_logs(prediction_id, logs)
        if "output" in body and output_schema(self.schema).get("x-cog-array-type") == "iterator":
            output = publish_files(self._cdn, prediction_id, _files(body["output"]))
            self._predictions.emit(prediction_id, output)

    def _end(self, prediction_id: str, status: Any, **result: Any) -> None:
        self._release(prediction_id)
        self._predictions.start(prediction_id)
        self._predictions.finish(prediction_id, status, **result)
        # Not called at once: a long queue before a dead server would end in one deep recursion.
        self._tasks.submit(self._feed)

    def _release(self, prediction_id: str) -> None:
        with self._guard:
            self._jobs.pop(prediction_id, None)

    def _requeue(self, prediction_id: str) -> None:
        """Somebody else uses the server's slot: try again soon, in the same place of the queue."""
        self._release(prediction_id)
        with self._guard:
            self._queue.appendleft(prediction_id)
        self._clock.call_later(_RETRY_SECONDS, lambda: self._tasks.submit(self._feed))

    def _cancel(self, prediction_id: str) -> None:
        try:
            gone = self._client.post(f"{self._url}/predictions/{prediction_id}/cancel").status_code == 404
        except httpx.HTTPError:
            gone = True
        if gone:
            self._release(prediction_id)
            self._feed()

    def _health(self) -> str:
        try:
            answer = self._client.get(f"{self._url}/health-check", timeout=5.0)
            return str(answer.json().get("status"))
        except (httpx.HTTPError, ValueError):
            return "UNREACHABLE"

    def _healthy(self) -> bool:
        return self._health() in ("READY", "BUSY")

    def _inputs(self, values: Mapping[str, Any]) -> JsonObject:
        declared = input_schema(self.schema).get("properties", {})
        return {name: self._file_input(declared.get(name, {}), value) for name, value in values.items()}

    def _file_input(self, prop: Mapping[str, Any], value: Any) -> Any:
        """A file argument as Cog can fetch it: our files become data: URLs, loopback and data: URLs stay."""
        if isinstance(value, list):
            return [self._file_input(prop.get("items", {}), item) for item in value]
        if prop.get("format") != "uri" or not isinstance(value, str) or value.startswith("data:"):
            return value
        if (own := self._read_own_file(value)) is not None:
            return f"data:{own.mime};base64,{base64.b64encode(own.data).decode()}"
        if not is_loopback_url(value):
            # Replicate would fetch it; a stand-in contacts no other machine.
            raise ValueError(f"the stand-in does not fetch {value}: use a loopback or data: URL")
        return value


def _refusal(answer: httpx.Response) -> str:
    try:
        detail = answer.json()
    except ValueError:
        return answer.text.strip()
    if isinstance(detail, dict) and isinstance(detail.get("detail"), list):
        return "; ".join(f"{'.'.join(map(str, item['loc'][1:]))}: {item['msg']}" for item in detail["detail"])
    return str(detail.get("error", detail)) if isinstance(detail, dict) else str(detail)


def _files(value: Any) -> Any:
    """`value` with each data: URL as the file it holds."""
    counter = iter(range(1_000_000))
    return _replace_data_urls(value, counter)


def _replace_data_urls(value: Any, counter: Iterator[int]) -> Any:
    match value:
        case str() if value.startswith("data:"):
            return _decode(value, next(counter)) or value
        case list():
            return [_replace_data_urls(item, counter) for item in value]
        case dict():
            return {key: _replace_data_urls(item, counter) for key, item in value.items()}
        case _:
            return value


def _decode(url: str, number: int) -> FileValue | None:
    head, comma, payload = url.removeprefix("data:").partition(",")
    if not comma:
        return None
    mime = head.partition(";")[0] or "text/plain"
    try:
        data = (
            base64.b64decode(payload, validate=True)
            if head.endswith(";base64")
            else unquote_to_bytes(payload)
        )
    except binascii.Error:
        return None
    extension = mimetypes.guess_extension(mime) or ".bin"
    return FileValue(data, mime, f"out-{number}{extension}")
