"""Writing: one request for what is small, parts for the rest."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from hookline.sdk import ActionError, BadInput

from .address import Address
from .session import Session

__all__ = ["PART", "Written", "upload"]

PART = 8 * 1024 * 1024
"""Bytes of a part, and the most that is written in one request. Some stores (R2) want equal parts."""

_MAX_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class Written:
    """What was written.

    Attributes:
        sha256: Hex digest of the bytes.
        etag: The store's version of them.
    """

    bytes: int
    sha256: str
    etag: str


async def upload(
    session: Session, at: Address, source: bytes | AsyncIterator[bytes], headers: Mapping[str, Any]
) -> Written:
    """Write `source` to `at`.

    Raises:
        ActionError: As `Session.call`; also whatever `source` raises.
    """
    digest, size = hashlib.sha256(), 0
    target = {"Bucket": at.bucket, "Key": at.key}
    parts = _parts(source)
    first = await anext(parts, b"")
    second = await anext(parts, None)
    if second is None:
        answer = await session.call(
            f"writing {at.uri}", lambda client: client.put_object(**target, **headers, Body=first)
        )
        return Written(len(first), hashlib.sha256(first).hexdigest(), str(answer.get("ETag", "")).strip('"'))

    sending = _Multipart(session, at, target)
    await sending.begin(headers)
    try:
        for part in (first, second):
            digest.update(part)
            size += len(part)
            await sending.send(part)
        async for part in parts:
            digest.update(part)
            size += len(part)
            await sending.send(part)
        etag = await sending.complete()
    except BaseException:
        await asyncio.shield(sending.abort())
        raise
    return Written(size, digest.hexdigest(), etag)


class _Multipart:
    def __init__(self, session: Session, at: Address, target: Mapping[str, str]) -> None:
        self._session = session
        self._what = f"writing {at.uri}"
        self._target = dict(target)
        self._done: list[dict[str, Any]] = []
        self._sending: asyncio.Future[Any] | None = None

    async def begin(self, headers: Mapping[str, Any]) -> None:
        answer = await self._session.call(
            self._what, lambda client: client.create_multipart_upload(**self._target, **headers)
        )
        self._target["UploadId"] = answer["UploadId"]

    async def send(self, part: bytes) -> None:
        number = len(self._done) + 1
        if number > _MAX_PARTS:
            raise BadInput(f"{self._what}: more than {_MAX_PARTS} parts of {PART} bytes")
        # A future of its own, so that a canceled caller can still wait for the thread before it aborts.
        self._sending = asyncio.ensure_future(
            self._session.call(
                self._what,
                lambda client: client.upload_part(**self._target, PartNumber=number, Body=part),
            )
        )
        answer = await asyncio.shield(self._sending)
        self._done.append({"PartNumber": number, "ETag": answer["ETag"]})

    async def complete(self) -> str:
        parts = {"Parts": self._done}
        answer = await self._session.call(
            self._what,
            lambda client: client.complete_multipart_upload(**self._target, MultipartUpload=parts),
        )
        return str(answer.get("ETag", "")).strip('"')

    async def abort(self) -> None:
        if self._sending is not None:
            await asyncio.wait([self._sending])
        try:
            await self._session.call(self._what, lambda client: client.abort_multipart_upload(**self._target))
        except ActionError:
            # The reason for aborting is what matters; a bucket's lifecycle rule removes orphaned parts.
            return


async def _parts(source: bytes | AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Pieces of exactly `PART` bytes, the last one shorter."""
    if isinstance(source, bytes):
        for start in range(0, len(source), PART):
            yield source[start : start + PART]
        return
    waiting = bytearray()
    async for piece in source:
        waiting += piece
        while len(waiting) > PART:
            yield bytes(waiting[:PART])
            del waiting[:PART]
    if waiting:
        yield bytes(waiting)
