"""Uploads: simple, multipart and resumable.

Source: https://developers.google.com/workspace/drive/api/guides/manage-uploads
"""

from __future__ import annotations

import email.parser
import email.policy
import re
import secrets
from dataclasses import dataclass, field
from typing import Any

from hookline.testing.drive.auth import Grant
from hookline.testing.drive.errors import DriveError, bad_parameter
from hookline.testing.drive.file_routes import CREATE, UPDATE, Files, parse_json, request_json
from hookline.testing.drive.holdings import Holdings
from hookline.testing.drive.parameters import Parameters
from hookline.testing.drive.records import Item, is_native
from hookline.testing.faults import FaultPlan
from hookline.testing.httpd import Request, Response

__all__ = ["CHUNK", "MAX_SIMPLE_BYTES", "UPLOAD_PATH", "Uploads"]

UPLOAD_PATH = "/upload/drive/v3/files"
CHUNK = 256 * 1024
"""Every piece of a resumable upload but the last is a multiple of this many bytes."""
MAX_SIMPLE_BYTES = 5 * 1024 * 1024
_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_SESSION_SECONDS = 7 * 86400


@dataclass(slots=True)
class _Session:
    given: Parameters
    grant: Grant
    body: Any
    mime: str
    file_id: str
    expires: float
    received: bytearray = field(default_factory=bytearray)


class Uploads:
    """Content for new and for existing files."""

    def __init__(self, holdings: Holdings, files: Files, faults: FaultPlan, origin: str) -> None:
        self._holdings = holdings
        self._files = files
        self._faults = faults
        self._origin = origin
        self._sessions: dict[str, _Session] = {}

    def begin(self, request: Request, grant: Grant, file_id: str = "") -> Response:
        """An upload, or the session of a resumable one; for an existing file when one is named."""
        given = Parameters(request.query, UPDATE if file_id else CREATE)
        kind = given.text("uploadType")
        if file_id:
            self._files.editable(file_id, given)
        match kind:
            case "media":
                mime = request.header("Content-Type") or ""
                return self._finish({}, mime, _small(request.body), given, grant, file_id)
            case "multipart":
                body, mime, content = _parts(request)
                return self._finish(body, mime, _small(content), given, grant, file_id)
            case "resumable":
                return self._open(request, given, grant, file_id)
            case _:
                raise bad_parameter("uploadType")

    def _open(self, request: Request, given: Parameters, grant: Grant, file_id: str) -> Response:
        body = request_json(request)
        mime = request.header("X-Upload-Content-Type") or ""
        name = secrets.token_urlsafe(24)
        until = self._holdings.clock.now() + _SESSION_SECONDS
        self._sessions[name] = _Session(given, grant, body, mime, file_id, until)
        fault = self._faults.take("upload.foreign_session")
        origin = (fault.value or "http://127.0.0.2:9") if fault else self._origin
        path = f"{UPLOAD_PATH}/{file_id}" if file_id else UPLOAD_PATH
        return Response(200, headers={"Location": f"{origin}{path}?uploadType=resumable&upload_id={name}"})

    def receive(self, request: Request) -> Response:
        """One piece of a resumable upload, or the question how much came. Its address is the credential."""
        session = self._sessions.get(request.query.get("upload_id", ""))
        if (
            session is None
            or self._holdings.clock.now() > session.expires
            or self._faults.take("upload.gone")
        ):
            raise DriveError(404, "notFound", "The upload session does not exist.")
        match = _RANGE.fullmatch(request.header("Content-Range") or "")
        if match is None:
            raise DriveError(400, "invalid", "Failed to parse Content-Range header.")
        total = None if match[3] == "*" else int(match[3])
        if match[1] is None:
            return self._state(session, total)
        start, end = int(match[1]), int(match[2]) + 1
        is_last = total == end
        if end - start != len(request.body) or start != len(session.received) or (total or end) < end:
            raise DriveError(400, "invalid", "The bytes are not those that Content-Range names.")
        if not is_last and len(request.body) % CHUNK:
            raise DriveError(400, "invalid", f"Only the last piece may be no multiple of {CHUNK} bytes.")
        session.received += request.body
        if self._faults.take("upload.chunk_lost"):
            raise DriveError(503, "backendError", "Backend Error")
        return self._state(session, total)

    def _state(self, session: _Session, total: int | None) -> Response:
        size = len(session.received)
        if total != size:
            headers = {"Range": f"bytes=0-{size - 1}"} if size else {}
            return Response(308, headers=headers)
        if isinstance(session.body, Item):
            return self._files.resource(session.body, session.given)
        return self._finish(
            session.body,
            session.mime,
            bytes(session.received),
            session.given,
            session.grant,
            session.file_id,
            session,
        )

    def _finish(
        self,
        body: Any,
        mime: str,
        content: bytes,
        given: Parameters,
        grant: Grant,
        file_id: str,
        session: _Session | None = None,
    ) -> Response:
        if file_id:
            item = self._files.editable(file_id, given)
            if is_native(item.mime):
                raise DriveError(
                    403, "cannotModifyInheritedPermission", "Docs Editors files have no content."
                )
            self._files.change(item, body, given)
            item.replace(content)
            item.mime = str(body.get("mimeType") or mime or item.mime)
            self._holdings.touch(item)
        else:
            item = self._files.new(
                {"mimeType": mime, **body} if mime else body, given, grant, content=content
            )
        if session is not None:
            session.body = item  # asked once more, it says the same and makes nothing
        return self._files.resource(item, given)


def _small(content: bytes) -> bytes:
    if len(content) > MAX_SIMPLE_BYTES:
        raise DriveError(413, "uploadTooLarge", "Only resumable uploads may be larger than 5 MB.")
    return content


def _parts(request: Request) -> tuple[Any, str, bytes]:
    """Metadata, media type and content of a body of type multipart/related."""
    kind = request.header("Content-Type") or ""
    if not kind.startswith("multipart/related"):
        raise DriveError(400, "badContent", "Unsupported content with type: " + kind)
    head = f"Content-Type: {kind}\r\nMIME-Version: 1.0\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + request.body)
    parts = list(message.iter_parts()) if message.is_multipart() else []
    if len(parts) != 2 or parts[0].get_content_type() != "application/json":
        raise DriveError(400, "badContent", "Malformed multipart body.")
    boundary = message.get_boundary() or ""
    return (
        parse_json(bytes(parts[0].get_payload(decode=True))),
        parts[1].get_content_type(),
        _second(request.body, boundary.encode()),
    )


def _second(body: bytes, boundary: bytes) -> bytes:
    """The second part's bytes exactly as they came; a mail parser changes ends of lines."""
    try:
        _, _, part, end = body.split(b"--" + boundary)
        _, _, content = part.partition(b"\r\n\r\n")
        if not end.startswith(b"--") or not content.endswith(b"\r\n"):
            raise ValueError
    except ValueError:
        raise DriveError(400, "badContent", "Malformed multipart body.") from None
    return content.removesuffix(b"\r\n")
