"""The output CDN: another origin, public by URL, that must never be shown the API token."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import Answer, Chunks, HttpServer, Request, Response
from hookline.testing.replicate.plans import FileValue
from hookline.testing.replicate.records import new_id

__all__ = ["Cdn", "CdnRequest"]

_METADATA_SERVICE = "http://169.254.169.254/latest/meta-data/"
_ENDLESS_BYTES = 10_000_000_000


@dataclass(frozen=True, slots=True)
class CdnRequest:
    """One request to the CDN."""

    method: str
    path: str
    authorization: str | None


@dataclass(frozen=True, slots=True)
class _Stored:
    prediction_id: str
    file: FileValue


class Cdn:
    """Serves output files under ``/xezq/<opaque>/<name>``."""

    def __init__(self, faults: FaultPlan, *, host: str, port: int = 0) -> None:
        self._faults = faults
        self._files: dict[str, _Stored] = {}
        self._requests: list[CdnRequest] = []
        self._guard = threading.Lock()
        self._server = HttpServer(host=host, port=port, name="replicate-cdn")

    @property
    def origin(self) -> str:
        """``http://host:port`` of the CDN."""
        return self._server.origin

    @property
    def requests(self) -> list[CdnRequest]:
        """Everything that was asked of it."""
        with self._guard:
            return list(self._requests)

    @property
    def leaks(self) -> list[CdnRequest]:
        """Requests that carried an ``Authorization`` header."""
        return [request for request in self.requests if request.authorization is not None]

    def start(self) -> None:
        """Begin to answer."""
        self._server.start(self._answer)

    def stop(self) -> None:
        """Stop answering."""
        self._server.stop()

    def publish(self, prediction_id: str, file: FileValue) -> str:
        """Store `file` and return its URL."""
        path = f"/xezq/{new_id(40)}/{file.name}"
        with self._guard:
            self._files[path] = _Stored(prediction_id, file)
        return self.origin + path

    def read(self, url: str) -> FileValue | None:
        """The file behind one of our URLs."""
        with self._guard:
            stored = self._files.get(url.removeprefix(self.origin))
        return None if stored is None else stored.file

    def remove(self, prediction_id: str) -> None:
        """Forget a prediction's files; their URLs answer 404 from now on."""
        with self._guard:
            self._files = {
                path: item for path, item in self._files.items() if item.prediction_id != prediction_id
            }

    def _answer(self, request: Request) -> Answer:
        authorization = request.header("Authorization")
        with self._guard:
            self._requests.append(CdnRequest(request.method, request.path, authorization))
            stored = self._files.get(request.path)
        if authorization is not None:
            return Response.text(
                400, "The output CDN was sent an Authorization header: the API token has leaked."
            )
        if self._faults.take("cdn.server_error"):
            return Response.text(500, "Internal Server Error")
        if stored is None or self._faults.take("cdn.not_found"):
            return Response.text(404, "Not Found")
        if (fault := self._faults.take("cdn.redirect")) is not None:
            return Response(302, headers={"Location": fault.value or _METADATA_SERVICE})
        file = stored.file
        if self._faults.take("cdn.wrong_length"):
            return Response(200, file.data, file.mime, {"Content-Length": str(len(file.data) + 1000)})
        if self._faults.take("cdn.endless"):
            return Chunks(200, file.mime, _endless())
        return Response(200, file.data, file.mime, {"Cache-Control": "public, max-age=3600"})


def _endless() -> Iterator[bytes]:
    block = bytes(65_536)
    for _ in range(_ENDLESS_BYTES // len(block)):
        yield block
