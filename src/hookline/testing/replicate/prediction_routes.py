"""Creating, reading, listing and canceling predictions."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from hookline.testing.httpd import Request, Response
from hookline.testing.replicate.catalog import Model, secret_inputs
from hookline.testing.replicate.contract import checked
from hookline.testing.replicate.paging import page_of, page_url
from hookline.testing.replicate.records import Creation, JsonObject, Prediction, new_id
from hookline.testing.replicate.routing import MADE_HEADER, Route
from hookline.testing.replicate.services import Services
from hookline.testing.replicate.validation import (
    Refused,
    check_envelope,
    check_input,
    parse_cancel_after,
    parse_prefer,
)
from hookline.testing.replicate.wire import problem

__all__ = ["PredictionRoutes"]

_BAD_VERSION = "The specified version does not exist (or perhaps you don't have permission to use it?)"


class PredictionRoutes:
    """The routes below ``/v1/predictions`` and their relatives.

    Args:
        services: The stand-in's parts.
        deployment_model: The model behind a deployment ``owner/name``.
    """

    def __init__(
        self, services: Services, deployment_model: Callable[[str], Model | None], base_url: str
    ) -> None:
        self._parts = services
        self._deployment_model = deployment_model
        self._base_url = base_url

    def routes(self) -> tuple[Route, ...]:
        """What this module answers."""
        return (
            Route("POST", "/v1/predictions", "create", self._create),
            Route("POST", "/v1/models/{owner}/{name}/predictions", "create", self._create_for_model),
            Route(
                "POST", "/v1/deployments/{owner}/{name}/predictions", "create", self._create_for_deployment
            ),
            Route("GET", "/v1/predictions", "list", self._list),
            Route("GET", "/v1/predictions/{id}", "get", self._get),
            Route("POST", "/v1/predictions/{id}/cancel", "cancel", self._cancel),
        )

    def _create(self, request: Request, names: Mapping[str, str]) -> Response:
        body = self._body(request, with_version=True)
        found = self._parts.catalog.by_reference(body["version"])
        if found is None:
            raise Refused(
                422, {"title": "Invalid version or not permitted", "detail": _BAD_VERSION, "status": 422}
            )
        model, version = found
        return self._make(request, body, model, version, None)

    def _create_for_model(self, request: Request, names: Mapping[str, str]) -> Response:
        model = self._parts.catalog.by_slug(f"{names['owner']}/{names['name']}")
        if model is None or not model.official:
            return problem(404, "The requested resource could not be found.", "Not found")
        return self._make(request, self._body(request, with_version=False), model, "hidden", None)

    def _create_for_deployment(self, request: Request, names: Mapping[str, str]) -> Response:
        slug = f"{names['owner']}/{names['name']}"
        model = self._deployment_model(slug)
        if model is None:
            return problem(404, "The requested resource could not be found.", "Not found")
        return self._make(request, self._body(request, with_version=False), model, model.version, slug)

    def _body(self, request: Request, *, with_version: bool) -> JsonObject:
        try:
            body = request.json()
        except ValueError as error:
            raise Refused(
                400, {"title": "Bad request", "detail": f"Invalid JSON: {error}", "status": 400}
            ) from error
        check_envelope(body, with_version=with_version, allow_http_webhooks=self._parts.allow_http_webhooks)
        checked_body: JsonObject = body
        return checked_body

    def _make(
        self, request: Request, body: JsonObject, model: Model, version: str, deployment: str | None
    ) -> Response:
        prefer = request.header("Prefer")
        cancel_after = request.header("Cancel-After")
        hold = parse_prefer(prefer)
        lifetime = parse_cancel_after(cancel_after)
        values = check_input(model.schema, body["input"])
        now = self._parts.clock.now()
        events = body.get("webhook_events_filter")

        def build(number: int) -> Prediction:
            return Prediction(
                id=new_id(),
                number=number,
                model=model.slug,
                version=version,
                input=values,
                created_at=now,
                webhook=body.get("webhook"),
                webhook_events_filter=None if events is None else tuple(events),
                deadline=None if lifetime is None else now + lifetime,
                deployment=deployment,
                streams=model.stream_kind,
                secrets=secret_inputs(model.schema),
            )

        record = self._parts.predictions.add(build)
        self._parts.creations.add(Creation(record.id, now, request.path, body, prefer, cancel_after, None))
        self._parts.executor.submit(record)
        location = {
            "Location": f"{self._base_url}/v1/predictions/{record.id}",
            MADE_HEADER: record.id,
        }
        if hold is None:
            return Response.of(201, self._parts.wire.prediction(record), headers=location)
        if not self._parts.faults.take("sync.timeout"):
            record = self._parts.predictions.wait(record.id, lambda current: current.done, hold)
        headers = {**location, "Preference-Applied": (prefer or "").strip()}
        return Response.of(201 if record.done else 202, self._sync_body(record), headers=headers)

    def _sync_body(self, record: Prediction) -> JsonObject:
        body = self._parts.wire.prediction(record)
        if record.done and self._parts.faults.take("sync.processing_with_output"):
            body["status"] = "processing"
            body.pop("completed_at", None)
            body.pop("metrics", None)
        if self._parts.faults.take("sync.data_uri"):
            body["output"] = self._inline(body["output"])
        return body

    def _inline(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._inline(item) for item in value]
        file = self._parts.cdn.read(value) if isinstance(value, str) else None
        if file is None:
            return value
        return f"data:{file.mime};base64,{base64.b64encode(file.data).decode()}"

    def _get(self, request: Request, names: Mapping[str, str]) -> Response:
        record = self._parts.predictions.get(names["id"])
        if record is None:
            return problem(404, "Prediction not found", "Not found")
        body = self._parts.wire.prediction(record)
        if not record.done and (fault := self._parts.faults.take("execution.unknown_status")) is not None:
            body["status"] = fault.value or "queued"
        return Response.of(200, body)

    def _cancel(self, request: Request, names: Mapping[str, str]) -> Response:
        if self._parts.predictions.get(names["id"]) is None:
            return problem(404, "Prediction not found", "Not found")
        self._parts.predictions.cancel(names["id"])
        record = self._parts.predictions.get(names["id"])
        assert record is not None
        body = self._parts.wire.prediction(record)
        if self._parts.faults.take("cancel.null_logs"):
            body["logs"] = None
        return Response.of(200, body)

    def _list(self, request: Request, names: Mapping[str, str]) -> Response:
        made = (item for item in self._parts.predictions.all().values() if not item.is_training)
        selected = sorted(made, key=lambda item: -item.number)
        kept = {
            key: request.query[key] for key in ("created_after", "created_before") if key in request.query
        }
        if "created_after" in kept:
            after = _moment(kept["created_after"], "created_after")
            selected = [item for item in selected if item.created_at >= after]
        if "created_before" in kept:
            before = _moment(kept["created_before"], "created_before")
            selected = [item for item in selected if item.created_at < before]
        source = request.query.get("source")
        if source is not None:
            if source != "web":
                return problem(400, "source must be web", "Bad request")
            selected = []
        page, following, preceding = page_of(selected, request.query.get("cursor"))
        with_webhook = self._parts.faults.take("list.without_webhook") is None
        return Response.of(
            200,
            checked(
                "page",
                {
                    "next": self._next_url(kept, following),
                    "previous": self._page_url(kept, preceding),
                    "results": [
                        self._parts.wire.prediction(item, with_webhook=with_webhook) for item in page
                    ],
                },
            ),
        )

    def _next_url(self, kept: Mapping[str, str], cursor: str | None) -> str | None:
        if cursor is not None and (fault := self._parts.faults.take("list.foreign_next")) is not None:
            origin = fault.value or "http://127.0.0.2:9"
            return f"{origin}/v1/predictions?{urlencode({'cursor': cursor})}"
        if cursor is None and self._parts.faults.take("list.null_string_next"):
            return "null"
        return self._page_url(kept, cursor)

    def _page_url(self, kept: Mapping[str, str], cursor: str | None) -> str | None:
        return page_url(self._base_url, "predictions", kept, cursor)


def _moment(text: str, name: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        body: JsonObject = {
            "title": "Bad request",
            "detail": f"{name} is not an ISO 8601 time: {text}",
            "status": 400,
        }
        raise Refused(400, body) from error
    if moment.tzinfo is None:
        raise Refused(400, {"title": "Bad request", "detail": f"{name} needs a time zone", "status": 400})
    return moment.timestamp()
