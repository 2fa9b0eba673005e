"""Bodies as Replicate's HTTP API sends them."""

from __future__ import annotations

import base64
import hashlib
import itertools
from collections.abc import Callable, Mapping

from hookline.testing.clock import rfc3339
from hookline.testing.httpd import Response
from hookline.testing.replicate.catalog import COG_VERSION, CREATED_AT, Model
from hookline.testing.replicate.contract import checked
from hookline.testing.replicate.records import FileRecord, JsonObject, Prediction

__all__ = ["Timestamps", "Wire", "problem"]


def problem(
    status: int,
    detail: str,
    title: str | None = None,
    headers: Mapping[str, str] | None = None,
    **more: object,
) -> Response:
    """An ``application/problem+json`` answer."""
    body: JsonObject = checked("problem", {"detail": detail, "status": status, **more})
    if title is not None:
        body["title"] = title
    return Response.of(status, body, content_type="application/problem+json", headers=headers)


class Timestamps:
    """Renders times with 3, 6 and 9 fractional digits in turn: all three occur in real answers."""

    def __init__(self) -> None:
        self._turn = itertools.cycle((6, 9, 3))

    def next_format(self) -> Callable[[float], str]:
        """The format of one body."""
        digits = next(self._turn)
        return lambda moment: rfc3339(moment, digits)


class Wire:
    """Makes bodies whose URLs point back at this stand-in.

    Args:
        base_url: Origin without ``/v1``.
        streams_url: Origin of the streams.
    """

    def __init__(self, base_url: str, streams_url: str) -> None:
        self._streams = streams_url
        self._api = f"{base_url}/v1"
        self._web = f"{base_url}/p"
        self._base = base_url
        self._timestamps = Timestamps()

    def prediction(self, record: Prediction, *, with_webhook: bool = True) -> JsonObject:
        """The body of ``GET /predictions/{id}``."""
        stamp = self._timestamps.next_format()
        own = f"{self._api}/predictions/{record.id}"
        body: JsonObject = {
            "id": record.id,
            "model": record.model,
            "version": record.version,
            "input": {**record.input, **dict.fromkeys(record.secrets & record.input.keys(), "[REDACTED]")},
            "logs": record.logs,
            "output": record.output,
            "data_removed": record.data_removed,
            "error": record.error,
            "status": record.status,
            "source": "api",
            "created_at": stamp(record.created_at),
            "urls": {"cancel": f"{own}/cancel", "get": own, "web": f"{self._web}/{record.id}"},
        }
        if record.streams is not None:
            body["urls"]["stream"] = f"{self._streams}/v1/{record.streams}/{record.id}"
        if record.started_at is not None:
            body["started_at"] = stamp(record.started_at)
        if record.completed_at is not None:
            body["completed_at"] = stamp(record.completed_at)
        if record.metrics:
            body["metrics"] = dict(record.metrics)
        if record.deadline is not None:
            body["deadline"] = stamp(record.deadline)
        if record.deployment is not None:
            body["deployment"] = record.deployment
        if with_webhook and record.webhook is not None:
            body["webhook"] = record.webhook
            if record.webhook_events_filter is not None:
                body["webhook_events_filter"] = list(record.webhook_events_filter)
        return checked("prediction", body)

    def training(self, record: Prediction, *, just_made: bool = False) -> JsonObject:
        """The body of ``GET /trainings/{id}``; the answer to a creation points to ``/predictions``."""
        body = self.prediction(record)
        own = f"{self._api}/{'predictions' if just_made else 'trainings'}/{record.id}"
        body["urls"] = {"get": own, "cancel": f"{own}/cancel"}
        return checked("training", body)

    def version(self, model: Model, *, null_schema: bool = False) -> JsonObject:
        """A version of a model."""
        return checked(
            "version",
            {
                "id": model.version,
                "created_at": self._timestamps.next_format()(CREATED_AT),
                "cog_version": None if null_schema else COG_VERSION,
                "openapi_schema": None if null_schema else model.schema,
            },
        )

    def model(self, model: Model, *, null_schema: bool = False) -> JsonObject:
        """A model with its latest version."""
        return checked(
            "model",
            {
                "url": f"{self._base}/{model.slug}",
                "owner": model.owner,
                "name": model.name,
                "description": model.details.get("description", model.description),
                "visibility": model.visibility,
                "is_official": model.official,
                "github_url": model.details.get("github_url"),
                "paper_url": model.details.get("paper_url"),
                "license_url": model.details.get("license_url"),
                "run_count": 0,
                "cover_image_url": model.details.get("cover_image_url"),
                "default_example": self.example(model),
                "latest_version": self.version(model, null_schema=null_schema) if model.published else None,
                "created_at": self._timestamps.next_format()(CREATED_AT),
            },
        )

    def example(self, model: Model) -> JsonObject | None:
        """The example that a model's author chose to show."""
        if model.example is None:
            return None
        values, output = model.example
        record = Prediction(
            id=f"example{model.version[:19]}",
            number=0,
            model=model.slug,
            version=model.version,
            input=values,
            created_at=CREATED_AT,
            status="succeeded",
            output=output,
            started_at=CREATED_AT,
            completed_at=CREATED_AT,
            metrics={"predict_time": 0.0, "total_time": 0.0},
        )
        return self.prediction(record)

    def file(self, record: FileRecord) -> JsonObject:
        """A file of the Files API."""
        stamp = self._timestamps.next_format()
        digest = hashlib.sha256(record.data)
        return checked(
            "file",
            {
                "id": record.id,
                "name": record.name,
                "content_type": record.content_type,
                "size": len(record.data),
                "etag": base64.b64encode(digest.digest()[:16]).decode(),
                "checksums": {"sha256": digest.hexdigest()},
                "metadata": dict(record.metadata),
                "created_at": stamp(record.created_at),
                "expires_at": stamp(record.expires_at),
                "urls": {"get": f"{self._api}/files/{record.id}"},
            },
        )
