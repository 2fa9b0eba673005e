"""Sending bytes to Drive: in one request where they are few, else piece by piece.

Source: https://developers.google.com/workspace/drive/api/guides/manage-uploads
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from hookline.sdk import ActionError, MalformedOutput, NotFound, RateLimited, Unavailable

from .api import FILES, TRANSFER_TIMEOUT, UPLOAD, Api
from .finding import ALL_DRIVES
from .resource import FIELDS, OWN_MD5, Resource

__all__ = ["CHUNK", "Sent", "Upload"]

CHUNK = 4 * 1024 * 1024
"""Bytes of one piece: a multiple of 256 KiB, as Drive wants it. What is smaller goes in one request, of
which Drive takes 5 MB."""
_RESUMES = 3
"""How often one upload is taken up again after a piece whose answer was lost."""
_MADE = re.compile(r"bytes=0-(\d+)")


class _Lost(Unavailable):
    """The session is gone: everything has to be sent once more."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of an upload; `taken` says that a file of its id was there already."""

    file: Resource | None
    taken: bool = False


class Upload:
    """One upload, of a new file or of another content for one that is there.

    Args:
        body: The file's metadata; with its `id` when it is new.
        file_id: The file to be given this content, ``""`` for a new one.
    """

    def __init__(self, api: Api, what: str, body: Mapping[str, Any], mime: str, *, file_id: str = "") -> None:
        self._api = api
        self._what = what
        self._body = dict(body)
        self._mime = mime
        self._method = "PATCH" if file_id else "POST"
        self._path = f"{UPLOAD}/{file_id}" if file_id else UPLOAD
        self._digest = hashlib.md5(usedforsecurity=False)
        self._size = 0

    async def send(self, source: AsyncIterator[bytes]) -> Sent:
        """Send everything. The file has the new content when this returns, and else the old one.

        Raises:
            Unavailable: Not everything came; sending it again does no harm.
            MalformedOutput: C045: what Drive has is not what was sent.
        """
        chunks = _chunks(source)
        first = await anext(chunks, b"")
        if len(first) < CHUNK:
            sent = await self._whole(first)
        else:
            sent = await self._pieces(first, chunks)
        if sent.file is not None:
            self._check(sent.file)
        return sent

    async def _whole(self, content: bytes) -> Sent:
        self._count(content)
        # Known before it is sent, so it goes along: who changes the file later is told from who wrote it.
        properties = {**self._body.get("appProperties", {}), OWN_MD5: self._digest.hexdigest()}
        body = json.dumps({**self._body, "appProperties": properties}).encode()
        boundary = hashlib.sha256(body + content).hexdigest()
        content_type = self._mime.encode()
        parts = (
            b"--%s\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n%s\r\n"
            % (boundary.encode(), body),
            b"--%s\r\nContent-Type: %s\r\n\r\n" % (boundary.encode(), content_type),
            content,
            b"\r\n--%s--\r\n" % boundary.encode(),
        )
        response = await self._api.send(
            self._method,
            self._path,
            self._what,
            params={**ALL_DRIVES, "uploadType": "multipart", "fields": FIELDS},
            content=b"".join(parts),
            headers={"Content-Type": f"multipart/related; boundary={boundary}"},
            effect="idempotent",
            accept=(200, 409),
            timeout=TRANSFER_TIMEOUT,
        )
        return Sent(None, taken=True) if response.status == 409 else Sent(self._parse(response))

    async def _pieces(self, first: bytes, rest: AsyncIterator[bytes]) -> Sent:
        session = await self._begin()
        start, chunk = 0, first
        while True:
            # One is read ahead, because the last one says how many there were.
            following = await anext(rest, b"")
            self._count(chunk)
            total = str(self._size) if not following else "*"
            response = await self._piece(session, start, chunk, total)
            if response.status == 409:
                return Sent(None, taken=True)
            if not following:
                break
            if response.status != 308:
                raise MalformedOutput(f"{self._what}: Google Drive was done before everything was sent")
            start, chunk = start + len(chunk), following
        if response.status == 308:
            raise MalformedOutput(f"{self._what}: Google Drive waits for more than there is")
        return Sent(await self._marked(self._parse(response)))

    async def _begin(self) -> str:
        response = await self._api.send(
            self._method,
            self._path,
            self._what,
            params={**ALL_DRIVES, "uploadType": "resumable", "fields": FIELDS},
            json={**self._body, "appProperties": self._unmarked()},
            headers={"X-Upload-Content-Type": self._mime},
            effect="idempotent",  # a session that nothing is sent to makes no file
        )
        session = response.headers.get("location", "")
        given, own = urlsplit(session), urlsplit(self._api.base_url)
        if (given.scheme, given.netloc) != (own.scheme, own.netloc):
            # The credential would stay here in any case; the file must, too.
            raise MalformedOutput(
                f"{self._what}: Google Drive gave an address for the bytes that is not its own"
            )
        return session

    def _unmarked(self) -> dict[str, str | None]:
        """Properties without the digest of what was there before: it must not tell against this one."""
        given: dict[str, str | None] = dict(self._body.get("appProperties", {}))
        return {**given, OWN_MD5: None} if self._method == "PATCH" else given

    async def _piece(self, session: str, start: int, chunk: bytes, total: str) -> Any:
        """Send one piece; when the answer is lost, ask how much came and send what did not."""
        sent, resumes = 0, 0
        while True:
            content = chunk[sent:]
            try:
                if content:
                    span = f"bytes {start + sent}-{start + len(chunk) - 1}/{total}"
                else:
                    span = f"bytes */{total}"
                response = await self._put(session, span, content)
            except (Unavailable, RateLimited) as error:
                resumes += 1
                if resumes > _RESUMES or isinstance(error, RateLimited | _Lost):
                    raise
                response = await self._put(session, f"bytes */{total}", b"")
            if response.status != 308:
                return response
            arrived = _arrived(response.headers) - start
            if not sent <= arrived <= len(chunk):
                raise MalformedOutput(f"{self._what}: Google Drive counts bytes that were not sent")
            if arrived == len(chunk) and total == "*":
                return response
            if arrived == sent and resumes > _RESUMES:
                raise Unavailable(f"{self._what}: Google Drive takes no more bytes")
            resumes += arrived == sent
            sent = arrived

    async def _put(self, session: str, span: str, content: bytes) -> Any:
        try:
            return await self._api.send(
                "PUT",
                session,
                self._what,
                content=content,
                headers={"Content-Range": span},
                effect="idempotent",
                accept=(200, 201, 308, 409),
                timeout=TRANSFER_TIMEOUT,
            )
        except NotFound as error:
            raise _Lost(f"{self._what}: Google Drive has forgotten the upload") from error

    async def _marked(self, file: Resource) -> Resource:
        """Note the digest of what was sent, which was not known when it began."""
        properties = {OWN_MD5: self._digest.hexdigest()}
        answer = await self._api.ask(
            "PATCH",
            f"{FILES}/{file.id}",
            self._what,
            params={**ALL_DRIVES, "fields": FIELDS},
            json={"appProperties": properties},
            effect="idempotent",
        )
        return Resource.parse(answer)

    def _parse(self, response: Any) -> Resource:
        try:
            return Resource.parse(response.json())
        except ActionError as error:
            raise Unavailable(f"{self._what}: Google Drive's answer cannot be read") from error

    def _count(self, content: bytes) -> None:
        self._size += len(content)
        self._digest.update(content)

    def _check(self, file: Resource) -> None:
        if file.bytes != self._size or (file.md5 and file.md5 != self._digest.hexdigest()):
            raise MalformedOutput(
                f"{self._what}: what Google Drive keeps is not what was sent",
                code="C045",
                hint="look at the file in Drive before writing it again",
            )


def _arrived(headers: Mapping[str, str]) -> int:
    match = _MADE.fullmatch(headers.get("range", ""))
    return int(match[1]) + 1 if match else 0


async def _chunks(source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same bytes in pieces of exactly `CHUNK`, the last one excepted."""
    waiting = bytearray()
    async for piece in source:
        waiting += piece
        while len(waiting) >= CHUNK:
            yield bytes(waiting[:CHUNK])
            del waiting[:CHUNK]
    if waiting:
        yield bytes(waiting)
