"""The Files API: upload by multipart form, metadata, signed download, deletion, expiry."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import secrets
import threading
from collections.abc import Mapping
from typing import IO
from urllib.parse import urlencode

from werkzeug.formparser import MultiPartParser
from werkzeug.http import parse_options_header

from hookline.testing.httpd import Request, Response
from hookline.testing.replicate.contract import checked
from hookline.testing.replicate.plans import FileValue
from hookline.testing.replicate.records import FileRecord, new_id
from hookline.testing.replicate.routing import Route
from hookline.testing.replicate.services import Services
from hookline.testing.replicate.wire import problem

__all__ = ["MAX_FILE_BYTES", "FileRoutes"]

MAX_FILE_BYTES = 100_000_000
LIFETIME_SECONDS = 24 * 3600.0


class FileRoutes:
    """The routes below ``/v1/files``.

    Args:
        max_bytes: Larger uploads are refused with 413.
    """

    def __init__(self, services: Services, base_url: str, max_bytes: int = MAX_FILE_BYTES) -> None:
        self._parts = services
        self._base_url = base_url
        self._max_bytes = max_bytes
        self._files: dict[str, FileRecord] = {}
        self._guard = threading.Lock()
        self._download_secret = secrets.token_bytes(32)

    def routes(self) -> tuple[Route, ...]:
        """What this module answers."""
        return (
            Route("POST", "/v1/files", "files", self._create),
            Route("GET", "/v1/files", "files", self._list),
            Route("GET", "/v1/files/{id}", "files", self._get),
            Route("DELETE", "/v1/files/{id}", "files", self._delete),
            Route("GET", "/v1/files/{id}/download", "files", self._download, open=True),
        )

    def read_own(self, url: str) -> FileValue | None:
        """The bytes behind `url` when it is the `urls.get` of one of our files."""
        record = self._current(url.removeprefix(f"{self._base_url}/v1/files/"))
        return None if record is None else FileValue(record.data, record.content_type, record.name)

    def download_url(self, file_id: str) -> str:
        """A signed download address, valid until the file expires; no API call gives it."""
        record = self._current(file_id)
        expiry = int(record.expires_at if record is not None else self._parts.clock.now())
        query = {
            "owner": self._parts.username,
            "expiry": expiry,
            "signature": self._signature(file_id, expiry),
        }
        return f"{self._base_url}/v1/files/{file_id}/download?{urlencode(query)}"

    def _current(self, file_id: str) -> FileRecord | None:
        with self._guard:
            record = self._files.get(file_id)
        return None if record is None or record.expires_at <= self._parts.clock.now() else record

    def _create(self, request: Request, names: Mapping[str, str]) -> Response:
        kind, options = parse_options_header(request.header("Content-Type"))
        if kind != "multipart/form-data" or "boundary" not in options:
            return problem(400, "The request must be multipart/form-data", "Bad request")
        parser = MultiPartParser(stream_factory=_in_memory, max_form_memory_size=None)
        try:
            form, files = parser.parse(
                io.BytesIO(request.body), options["boundary"].encode(), len(request.body)
            )
            part = files.get("content")
            metadata = json.loads(form.get("metadata") or "{}")
        except ValueError as error:
            return problem(400, f"Malformed form: {error}", "Bad request")
        if part is None:
            return problem(400, "Missing form part: content", "Bad request")
        if not isinstance(metadata, dict):
            return problem(400, "metadata must be a JSON object", "Bad request")
        data = part.stream.read()
        if len(data) > self._max_bytes:
            return problem(413, "Files must be less than 100MB in size")
        now = self._parts.clock.now()
        name = form.get("filename") or part.filename or "file"
        content_type = form.get("type") or part.content_type or "application/octet-stream"
        record = FileRecord(new_id(40), name, content_type, data, metadata, now, now + LIFETIME_SECONDS)
        with self._guard:
            self._files[record.id] = record
        return Response.of(201, self._parts.wire.file(record))

    def _list(self, request: Request, names: Mapping[str, str]) -> Response:
        with self._guard:
            ids = list(self._files)
        records = [record for file_id in reversed(ids) if (record := self._current(file_id)) is not None]
        page = {
            "next": None,
            "previous": None,
            "results": [self._parts.wire.file(record) for record in records],
        }
        return Response.of(200, checked("page", page))

    def _get(self, request: Request, names: Mapping[str, str]) -> Response:
        record = self._current(names["id"])
        return _not_found() if record is None else Response.of(200, self._parts.wire.file(record))

    def _delete(self, request: Request, names: Mapping[str, str]) -> Response:
        if self._current(names["id"]) is None:
            return _not_found()
        with self._guard:
            self._files.pop(names["id"], None)
        return Response(204)

    def _download(self, request: Request, names: Mapping[str, str]) -> Response:
        record = self._current(names["id"])
        expiry = request.query.get("expiry", "")
        if record is None or not expiry.isdigit() or int(expiry) <= self._parts.clock.now():
            return _not_found()
        given = request.query.get("signature", "")
        owner = request.query.get("owner", "")
        if owner != self._parts.username or not hmac.compare_digest(
            given, self._signature(record.id, int(expiry))
        ):
            return _not_found()
        return Response(200, record.data, "application/octet-stream")

    def _signature(self, file_id: str, expiry: int) -> str:
        content = f"{self._parts.username} {file_id} {expiry}".encode()
        return base64.b64encode(hmac.new(self._download_secret, content, hashlib.sha256).digest()).decode()


def _in_memory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> IO[bytes]:
    """The whole request is in memory already; a temporary file would only have to be closed."""
    return io.BytesIO()


def _not_found() -> Response:
    return Response.of(404, {"detail": "File not found"}, content_type="application/problem+json")
