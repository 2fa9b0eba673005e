"""The stand-in's own routes under ``/_standin``: faults, state, the clock, and the Cog server's callbacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from hookline.testing.faults import UnknownFaultError
from hookline.testing.httpd import Request, Response
from hookline.testing.replicate.cog_backend import CALLBACK_PATH
from hookline.testing.replicate.execution import publish_files
from hookline.testing.replicate.plans import FileValue, png
from hookline.testing.replicate.records import JsonObject
from hookline.testing.replicate.routing import Route
from hookline.testing.replicate.services import Services

__all__ = ["ControlRoutes"]


class ControlRoutes:
    """Orders to the stand-in itself. They need no token: it listens on loopback only."""

    def __init__(self, services: Services) -> None:
        self._parts = services

    def routes(self) -> tuple[Route, ...]:
        """What this module answers."""
        return (
            Route("GET", "/_standin/health", "", self._health, open=True),
            Route("GET", "/_standin/state", "", self._state, open=True),
            Route("POST", "/_standin/faults", "", self._set_fault, open=True),
            Route("DELETE", "/_standin/faults", "", self._clear_faults, open=True),
            Route("POST", "/_standin/clock", "", self._advance, open=True),
            Route("POST", "/_standin/predictions/{id}", "", self._steer, open=True),
            Route("POST", f"{CALLBACK_PATH}{{id}}/{{token}}", "", self._cog_callback, open=True),
        )

    def _health(self, request: Request, names: Mapping[str, str]) -> Response:
        return Response.of(200, {"status": "ready"})

    def _state(self, request: Request, names: Mapping[str, str]) -> Response:
        predictions: list[JsonObject] = [
            {"id": item.id, "model": item.model, "status": item.status, "webhook": item.webhook}
            for item in self._parts.predictions.all().values()
        ]
        return Response.of(
            200,
            {
                "creates": [asdict(item) for item in self._parts.creations.all()],
                "predictions": predictions,
                "deliveries": [asdict(item) for item in self._parts.webhooks.deliveries],
                "cdn_requests": [
                    {"method": item.method, "path": item.path, "leaked_token": item.authorization is not None}
                    for item in self._parts.cdn.requests
                ],
                "faults": [asdict(item) for item in self._parts.faults.active()],
                "known_faults": self._parts.faults.known,
                "now": self._parts.clock.now(),
            },
        )

    def _set_fault(self, request: Request, names: Mapping[str, str]) -> Response:
        body = request.json()
        value = body.get("value")
        try:
            self._parts.faults.set(
                str(body.get("name")), times=body.get("times", 1), value=None if value is None else str(value)
            )
        except UnknownFaultError as error:
            return Response.of(400, {"detail": str(error)})
        return Response.of(200, {"faults": [asdict(item) for item in self._parts.faults.active()]})

    def _clear_faults(self, request: Request, names: Mapping[str, str]) -> Response:
        self._parts.faults.clear(request.query.get("name"))
        return Response(204)

    def _advance(self, request: Request, names: Mapping[str, str]) -> Response:
        self._parts.clock.advance(float(request.json()["advance"]))
        return Response.of(200, {"now": self._parts.clock.now()})

    def _steer(self, request: Request, names: Mapping[str, str]) -> Response:
        """End a prediction (``{"status": "succeeded", "output": …}``) or start a held one (``release``).

        ``{"status": "succeeded", "files": 2}`` gives it that many PNG pictures as its output.
        """
        body = request.json()
        record = self._parts.predictions.get(names["id"])
        if record is None:
            return Response.of(404, {"detail": "no such prediction"})
        if body.get("release"):
            return Response.of(200, {"released": self._parts.executor.release(record.id)})
        output = body.get("output")
        if "files" in body:
            pictures = [
                FileValue(png(16, 16, (51, 102, 153)), "image/png", f"out-{number}.png")
                for number in range(int(body["files"]))
            ]
            output = publish_files(self._parts.cdn, record.id, pictures)
        self._parts.predictions.start(record.id)
        ended = self._parts.predictions.finish(
            record.id, body["status"], output=output, error=body.get("error")
        )
        return Response.of(200, {"ended": ended})

    def _cog_callback(self, request: Request, names: Mapping[str, str]) -> Response:
        cog = self._parts.cog
        if cog is None or not cog.receive(names["id"], names["token"], request.json()):
            # Cog repeats a terminal webhook on 5xx but not on 404, so it stops here.
            return Response.of(404, {"detail": "nothing waits for this"})
        return Response.of(200, {})
