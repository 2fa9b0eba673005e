"""The stand-in's own routes under ``/_standin``: faults, state, the clock, and what people do."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from hookline.testing.faults import UnknownFaultError
from hookline.testing.httpd import Request, Response

if TYPE_CHECKING:
    from hookline.testing.drive.server import DriveStandIn

__all__ = ["Control"]


class Control:
    """Orders to the stand-in itself. They need no token: it listens on loopback only."""

    def __init__(self, stand_in: DriveStandIn) -> None:
        self._stand_in = stand_in

    def answer(self, request: Request) -> Response:
        """Answer one order."""
        faults = self._stand_in.faults
        match request.method, request.path:
            case "GET", "/_standin/health":
                return Response.of(200, {"status": "ready"})
            case "GET", "/_standin/state":
                active = [asdict(fault) for fault in faults.active()]
                known = {"faults": active, "known_faults": faults.known}
                return Response.of(200, {**self._stand_in.state(), **known})
            case "GET", "/_standin/key":
                return Response.text(200, self._stand_in.accounts.service_account_key(), "application/json")
            case "POST", "/_standin/faults":
                body = request.json()
                value = body.get("value")
                try:
                    faults.set(
                        str(body.get("name")),
                        times=body.get("times", 1),
                        value=None if value is None else str(value),
                    )
                except UnknownFaultError as error:
                    return Response.of(400, {"detail": str(error)})
                return Response.of(200, {"faults": [asdict(fault) for fault in faults.active()]})
            case "DELETE", "/_standin/faults":
                faults.clear(request.query.get("name"))
                return Response(204)
            case "POST", "/_standin/clock":
                self._stand_in.clock.advance(float(request.json()["advance"]))
                return Response.of(200, {"now": self._stand_in.clock.now()})
            case "POST", "/_standin/files":
                return self._make(request)
            case _:
                return Response.of(404, {"detail": "not found"})

    def _make(self, request: Request) -> Response:
        """A file whose content is the body, or a folder, or a shared drive: ``?name=…&parent=…&kind=…``."""
        people = self._stand_in.people
        name, parent = request.query.get("name", "Untitled"), request.query.get("parent", "")
        try:
            match request.query.get("kind", "file"):
                case "folder":
                    id = people.folder(name, parent)
                case "drive":
                    id = people.shared_drive(name)
                case _:
                    id = people.put(name, request.body, parent, mime=request.query.get("mime", ""))
        except KeyError:
            return Response.of(404, {"detail": f"there is no folder {parent}"})
        return Response.of(201, {"id": id})
