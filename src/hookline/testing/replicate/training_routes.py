"""Trainings: created below a version, read below ``/v1/trainings`` and as predictions too."""

from __future__ import annotations

from collections.abc import Mapping

from hookline.testing.httpd import Request, Response
from hookline.testing.replicate.catalog import input_schema, secret_inputs
from hookline.testing.replicate.contract import checked
from hookline.testing.replicate.paging import page_of, page_url
from hookline.testing.replicate.records import Creation, Prediction, new_id
from hookline.testing.replicate.routing import MADE_HEADER, Route
from hookline.testing.replicate.services import Services
from hookline.testing.replicate.validation import Refused, check_envelope, check_input
from hookline.testing.replicate.wire import problem

__all__ = ["TrainingRoutes"]

_NO_DESTINATION = "The specified training destination does not exist"


class TrainingRoutes:
    """The routes of trainings."""

    def __init__(self, services: Services, base_url: str) -> None:
        self._parts = services
        self._base_url = base_url

    def routes(self) -> tuple[Route, ...]:
        """What this module answers."""
        create = "/v1/models/{owner}/{name}/versions/{version}/trainings"
        return (
            Route("POST", create, "create", self._create),
            Route("GET", "/v1/trainings", "list", self._list),
            Route("GET", "/v1/trainings/{id}", "get", self._get),
            Route("POST", "/v1/trainings/{id}/cancel", "cancel", self._cancel),
        )

    def _create(self, request: Request, names: Mapping[str, str]) -> Response:
        slug = f"{names['owner']}/{names['name']}"
        trainer = self._parts.catalog.by_slug(slug)
        if trainer is None or not trainer.published or trainer.version != names["version"]:
            return problem(404, "The requested resource could not be found.", "Not found")
        try:
            body = request.json()
        except ValueError as error:
            return problem(400, f"Invalid JSON: {error}", "Bad request")
        check_envelope(
            body,
            with_version=False,
            with_destination=True,
            allow_http_webhooks=self._parts.allow_http_webhooks,
        )
        if trainer.train is None or not input_schema(trainer.schema, "TrainingInput"):
            title = "Input validation failed"
            raise Refused(422, {"title": title, "detail": f"{slug} cannot be trained", "status": 422})
        destination = self._parts.catalog.by_slug(body["destination"])
        if destination is None or destination.owner != self._parts.username:
            return problem(404, _NO_DESTINATION)
        values = check_input(trainer.schema, body["input"], "TrainingInput")
        now = self._parts.clock.now()
        events = body.get("webhook_events_filter")

        def build(number: int) -> Prediction:
            return Prediction(
                id=new_id(),
                number=number,
                model=slug,
                version=names["version"],
                input=values,
                created_at=now,
                webhook=body.get("webhook"),
                webhook_events_filter=None if events is None else tuple(events),
                destination=destination.slug,
                secrets=secret_inputs(trainer.schema, "TrainingInput"),
            )

        record = self._parts.predictions.add(build)
        self._parts.creations.add(Creation(record.id, now, request.path, body, None, None, None))
        self._parts.executor.submit(record)
        return Response.of(
            201, self._parts.wire.training(record, just_made=True), headers={MADE_HEADER: record.id}
        )

    def _list(self, request: Request, names: Mapping[str, str]) -> Response:
        made = [item for item in self._parts.predictions.all().values() if item.is_training]
        made.sort(key=lambda item: -item.number)
        shown, following, preceding = page_of(made, request.query.get("cursor"))
        page = {
            "next": page_url(self._base_url, "trainings", {}, following),
            "previous": page_url(self._base_url, "trainings", {}, preceding),
            "results": [self._parts.wire.training(item) for item in shown],
        }
        return Response.of(200, checked("page", page))

    def _found(self, names: Mapping[str, str]) -> Prediction | None:
        record = self._parts.predictions.get(names["id"])
        return record if record is not None and record.is_training else None

    def _get(self, request: Request, names: Mapping[str, str]) -> Response:
        record = self._found(names)
        if record is None:
            return problem(404, "Training not found", "Not found")
        return Response.of(200, self._parts.wire.training(record))

    def _cancel(self, request: Request, names: Mapping[str, str]) -> Response:
        if self._found(names) is None:
            return problem(404, "Training not found", "Not found")
        self._parts.predictions.cancel(names["id"])
        return self._get(request, names)
