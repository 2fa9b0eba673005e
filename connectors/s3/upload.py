"""Writing: one request for what is small, parts for the rest."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from hookline.sdk import ActionError, BadInput, NotFound, Writing

from .address import Address
from .errors import code_of
from .session import Session

__all__ = [
    "PART",
    "CannotCopyParts",
    "Multipart",
    "Written",
    "conditionally",
    "part_size",
    "take_back",
    "upload",
]

PART = 5 * 1024 * 1024
"""Bytes of a part, and the most that is written in one request: the least that S3 takes, for the sake
of memory. Some stores (R2) want equal parts."""

_MAX_PARTS = 10_000

_LARGEST_PART = 64 * 1024 * 1024
"""A part is in memory as a whole."""


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


def part_size(size: int | None) -> int:
    """Bytes of each part of an object of `size` bytes: as many as keep it within 10,000 parts."""
    needed = -(-(size or 0) // _MAX_PARTS)
    return min(max(PART, -(-needed // PART) * PART), _LARGEST_PART)


async def upload(
    session: Session,
    at: Address,
    source: bytes | AsyncIterator[bytes],
    headers: Mapping[str, Any],
    *,
    size: int | None = None,
    only_new: bool = False,
    writing: Writing | None = None,
) -> Written:
    """Write `source` to `at`.

    Args:
        size: Bytes that will come, if that is known.
        only_new: Refuse to replace an object; stores that know no conditional writes ignore it.
        writing: Remembers an upload in parts, which a repetition then takes back.

    Raises:
        ActionError: As `Session.call`; also whatever `source` raises.
    """
    writing = writing or Writing()
    condition = {"IfNoneMatch": "*"} if only_new else {}
    target = {"Bucket": at.bucket, "Key": at.key}
    await take_back(session, at, writing)
    digest, count = hashlib.sha256(), 0
    sending = Multipart(session, at, target)
    try:
        async for part, is_last in _parts(source, part_size(size)):
            count += len(part)
            await asyncio.to_thread(digest.update, part)
            if is_last and not sending.is_open:
                etag = await _put(session, at, part, {**target, **headers}, condition)
                return Written(count, digest.hexdigest(), etag)
            if not sending.is_open:
                await sending.begin(headers, writing)
            await sending.send(part)
        etag = await sending.complete(condition)
    except BaseException:
        if sending.is_open:
            await asyncio.shield(sending.abort())
        raise
    return Written(count, digest.hexdigest(), etag)


async def _put(
    session: Session, at: Address, content: bytearray, given: Mapping[str, Any], condition: Mapping[str, str]
) -> str:
    answer = await conditionally(
        session,
        f"writing {at.uri}",
        condition,
        lambda client, extra: client.put_object(**given, **extra, Body=_Body(content)),
    )
    return str(answer.get("ETag", "")).strip('"')


class CannotCopyParts(Exception):
    """The store does not know how to copy a part of an object."""


async def conditionally(
    session: Session, what: str, condition: Mapping[str, str], work: Callable[[Any, Mapping[str, str]], Any]
) -> Any:
    """Do something under a condition; without it at a store that says it knows none."""
    try:
        return await session.call(what, lambda client: work(client, condition))
    except ActionError as error:
        if not condition or code_of(error.__cause__) != "NotImplemented":
            raise
    return await session.call(what, lambda client: work(client, {}))


class Multipart:
    """One object written in parts.

    Args:
        target: Bucket and key, as boto3 wants them.
    """

    def __init__(self, session: Session, at: Address, target: Mapping[str, str]) -> None:
        self._session = session
        self._what = f"writing {at.uri}"
        self._target = dict(target)
        self._done: list[dict[str, Any]] = []
        self._sending: asyncio.Future[Any] | None = None

    async def begin(self, headers: Mapping[str, Any], writing: Writing) -> None:
        """Open the upload, and remember it on disk so that its parts are taken back after a crash."""
        answer = await self._session.call(
            self._what, lambda client: client.create_multipart_upload(**self._target, **headers)
        )
        self._target["UploadId"] = answer["UploadId"]
        await writing.keep(upload=dict(self._target))

    @property
    def is_open(self) -> bool:
        """Whether it was begun, so that it must be completed or aborted."""
        return "UploadId" in self._target

    async def send(self, part: bytearray) -> None:
        """Add the next part, which must not be changed before this returns."""
        await self._add("upload_part", {"Body": _Body(part)}, lambda answer: answer["ETag"])

    async def copy(self, source: Mapping[str, Any], start: int, end: int) -> None:
        """Add bytes of another object of the store, `end` not included, as the next part."""
        given = {**source, "CopySourceRange": f"bytes={start}-{end - 1}"}
        await self._add("upload_part_copy", given, _etag_of_copy)

    async def _add(self, operation: str, given: Mapping[str, Any], etag: Callable[[Any], str]) -> None:
        number = len(self._done) + 1
        if number > _MAX_PARTS:
            raise BadInput(f"{self._what}: it has more than {_MAX_PARTS} parts")
        # A future of its own, so that a canceled caller can still wait for the thread before it aborts.
        self._sending = asyncio.ensure_future(
            self._session.call(
                self._what,
                lambda client: getattr(client, operation)(**self._target, **given, PartNumber=number),
            )
        )
        answer = await asyncio.shield(self._sending)
        self._done.append({"PartNumber": number, "ETag": etag(answer)})

    async def complete(self, condition: Mapping[str, str]) -> str:
        """Make the parts one object; returns its ETag."""
        parts = {"Parts": self._done}
        answer = await conditionally(
            self._session,
            self._what,
            condition,
            lambda client, given: client.complete_multipart_upload(
                **self._target, **given, MultipartUpload=parts
            ),
        )
        return str(answer.get("ETag", "")).strip('"')

    async def abort(self) -> None:
        """Take back what was sent."""
        if self._sending is not None:
            await asyncio.wait([self._sending])
        # The reason for aborting is what matters; a bucket's lifecycle rule removes orphaned parts.
        with suppress(ActionError):
            await _abort(self._session, self._what, self._target)


def _etag_of_copy(answer: Mapping[str, Any]) -> str:
    etag: str | None = answer.get("CopyPartResult", {}).get("ETag")
    if not etag:
        # It took the request for the upload of an empty part.
        raise CannotCopyParts
    return etag


async def take_back(session: Session, at: Address, writing: Writing) -> None:
    """Abort the upload that an earlier try of the same writing had begun when its process died."""
    left = writing.kept.get("upload")
    if left:
        with suppress(NotFound):
            await _abort(session, f"taking back what was sent to {at.uri}", left)


async def _abort(session: Session, what: str, upload: Mapping[str, str]) -> None:
    await session.call(what, lambda client: client.abort_multipart_upload(**upload))


async def _parts(source: bytes | AsyncIterator[bytes], size: int) -> AsyncIterator[tuple[bytearray, bool]]:
    """Parts of exactly `size` bytes, the last one shorter, and whether it is the last.

    They all are the same buffer, written over when the next one is asked for.
    """
    part, filled = bytearray(), 0
    async for piece in _one(source) if isinstance(source, bytes) else source:
        rest = memoryview(piece)
        while rest:
            if filled == size:
                yield part, False
                filled = 0
            taken = rest[: size - filled]
            part[filled : filled + len(taken)] = taken
            filled += len(taken)
            rest = rest[len(taken) :]
    del part[filled:]
    yield part, True


async def _one(piece: bytes) -> AsyncIterator[bytes]:
    yield piece


class _Body:
    """A part as a file: given bytes, the HTTP client would put a copy of them behind the headers."""

    def __init__(self, content: bytearray) -> None:
        self._content = content
        self._at = 0

    def __len__(self) -> int:
        return len(self._content)

    def read(self, size: int | None = -1) -> bytes:
        start = self._at
        end = len(self._content) if size is None or size < 0 else start + size
        self._at = min(end, len(self._content))
        with memoryview(self._content) as content:
            return bytes(content[start : self._at])

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, len(self._content))[whence]
        return self._at

    def tell(self) -> int:
        return self._at
