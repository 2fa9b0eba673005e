"""The opened client of an `s3` connection; a `hookline.sdk.FileStore` that copies and presigns."""

from __future__ import annotations

import email.utils
import mimetypes
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from hookline.sdk import (
    AlreadyExists,
    BadInput,
    File,
    FilePage,
    IfExists,
    ListedFile,
    NotFound,
    SetupStep,
    Unavailable,
    Writing,
)

from .address import Address
from .copying import copy
from .queue import Queue
from .services import Services
from .session import Session
from .upload import CannotCopyParts, Written, upload
from .wanted import Plan
from .wiring import Wiring

__all__ = ["MAX_EXPIRES", "S3", "Listed", "Object", "Page"]

MAX_EXPIRES = 604_800
"""Longest life of a presigned address in seconds (SigV4); boto3 does not check it."""

MARK = "hookline-write"
"""Metadata that says which writing made an object."""

_PIECE = 256 * 1024
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Listed:
    """An object as a listing shows it."""

    key: str
    bytes: int
    etag: str
    last_modified: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """A piece of a listing, in the order of the keys' UTF-8 bytes.

    Attributes:
        next: Token of the next page, ``""`` at the end.
        at: The store's own clock when it answered, None when it does not say.
    """

    objects: tuple[Listed, ...]
    next: str
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Object:
    """What is known about one object.

    Attributes:
        version_id: ``""`` where the bucket keeps no versions.
        metadata: The owner's own, names in lower case.
    """

    address: Address
    bytes: int
    etag: str
    mime: str
    last_modified: datetime
    version_id: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)


class S3:
    """Objects of one store.

    Attributes:
        name: The connection's name, which the file references carry.
    """

    def __init__(self, name: str, session: Session, services: Services | None = None) -> None:
        self.name = name
        self.session = session
        self.services = services or Services(session.settings)
        self._queues: dict[str, Queue] = {}

    def file(self, address: Address, *, mime: str = "", size: int | None = None, etag: str = "") -> File:
        """A reference to an object."""
        return File(
            address.uri,
            name=address.name,
            mime=mime or _guess(address),
            bytes=size,
            etag=etag or None,
            connection=self.name,
        )

    async def stat(self, uri: str) -> File:
        """A reference with size, type and ETag.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """
        found = await self.head(uri)
        return self.file(found.address, mime=found.mime, size=found.bytes, etag=found.etag)

    async def head(self, uri: str, *, version_id: str = "") -> Object:
        """Everything about an object but its bytes.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """
        at = Address.parse(uri)
        given = _request(at, version_id)
        answer = await self.session.call(f"looking at {uri}", lambda client: client.head_object(**given))
        return Object(
            address=at,
            bytes=int(answer["ContentLength"]),
            etag=_etag(answer),
            mime=str(answer.get("ContentType") or "") or _guess(at),
            last_modified=_utc(answer["LastModified"]),
            version_id=_version(answer),
            metadata={name.lower(): str(value) for name, value in answer.get("Metadata", {}).items()},
        )

    @asynccontextmanager
    async def stream(self, uri: str, *, version_id: str = "") -> AsyncIterator[AsyncIterator[bytes]]:
        """The bytes in pieces; all of them or an error.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """
        given, what = _request(Address.parse(uri), version_id), f"reading {uri}"
        answer = await self.session.call(what, lambda client: client.get_object(**given))
        body, size = answer["Body"], answer.get("ContentLength")

        async def pieces() -> AsyncIterator[bytes]:
            count = 0
            while piece := await self.session.call(what, lambda _: body.read(_PIECE)):
                count += len(piece)
                yield piece
            if size is not None and count != size:
                raise Unavailable(f"{what}: the connection ended after {count} of {size} bytes")

        try:
            yield pieces()
        finally:
            body.close()

    async def write(
        self,
        uri: str,
        source: bytes | AsyncIterator[bytes],
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        size: int | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Write an object; it appears whole or not at all.

        More than 5 MiB go up in parts, which are taken back when anything fails, and by the
        repetition when this process dies.

        Args:
            mime: Media type; guessed from the key when empty.
            metadata: The object's own metadata, ASCII.
            if_exists: ``fail`` is a conditional write, where the store knows them; where it does
                not, an object that appears between the look before and the end is replaced.

        Raises:
            AlreadyExists: Another object is there.
            AuthenticationFailed, RateLimited, Unavailable, BadInput, NotFound: See `errors`.
        """
        at, writing = Address.parse(uri), writing or Writing()
        mime = mime or _guess(at)
        headers = {"ContentType": mime, "Metadata": marked(metadata, writing)}
        is_new = if_exists == "fail"
        if is_new and (found := await self._own(at, writing)):
            return found
        try:
            written: Written = await upload(
                self.session, at, source, headers, size=size, only_new=is_new, writing=writing
            )
        except AlreadyExists:
            # The answer to an earlier request of this very writing may have been lost.
            if found := await self._own(at, writing):
                return found
            raise
        return File(
            at.uri,
            name=at.name,
            mime=mime,
            bytes=written.bytes,
            sha256=written.sha256,
            etag=written.etag or None,
            connection=self.name,
        )

    async def copy(
        self,
        source: str,
        target: str,
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Copy an object within the store, with its media type and metadata.

        The bytes pass through here only where the store cannot copy a large object in parts.

        Raises:
            NotFound: There is no such source.
            AlreadyExists, AuthenticationFailed, RateLimited, Unavailable, BadInput: As `write`.
        """
        at, writing = Address.parse(target), writing or Writing()
        found = await self.head(source)
        mime = mime or found.mime
        headers = {"ContentType": mime, "Metadata": marked({**found.metadata, **(metadata or {})}, writing)}
        is_new = if_exists == "fail"
        if is_new and (own := await self._own(at, writing)):
            return own
        try:
            etag = await copy(
                self.session,
                found.address,
                found.bytes,
                found.etag,
                at,
                headers,
                only_new=is_new,
                writing=writing,
            )
        except CannotCopyParts:
            async with self.stream(source) as pieces:
                written = await upload(
                    self.session,
                    at,
                    pieces,
                    headers,
                    size=found.bytes,
                    only_new=is_new,
                    writing=writing,
                )
            etag = written.etag
        except AlreadyExists:
            if own := await self._own(at, writing):
                return own
            raise
        return self.file(at, mime=mime, size=found.bytes, etag=etag)

    async def _own(self, at: Address, writing: Writing) -> File | None:
        """What this writing put there before, None when there is nothing.

        Raises:
            AlreadyExists: Something else is there.
        """
        try:
            found = await self.head(at.uri)
        except NotFound:
            return None
        if not writing.key or found.metadata.get(MARK) != writing.key:
            raise AlreadyExists(
                f"there is an object {at.uri} already",
                hint="choose another if_exists: overwrite, rename or skip",
            )
        return self.file(at, mime=found.mime, size=found.bytes, etag=found.etag)

    async def list_files(
        self, uri: str, *, recursive: bool = True, token: str = "", limit: int = _PAGE
    ) -> FilePage:
        """One page of the objects in a folder, without the markers of folders.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """
        at = Address.parse_folder(uri)
        page = await self.list_page(
            at.bucket, at.key, token, limit=min(limit, _PAGE), delimiter="" if recursive else "/"
        )
        files = (
            ListedFile(
                self.file(Address(at.bucket, each.key), size=each.bytes, etag=each.etag), each.last_modified
            )
            for each in page.objects
            if not each.key.endswith("/")
        )
        return FilePage(tuple(files), page.next)

    async def list_page(
        self,
        bucket: str,
        prefix: str = "",
        token: str = "",
        *,
        start_after: str = "",
        limit: int = _PAGE,
        delimiter: str = "",
    ) -> Page:
        """One page of the objects whose keys start with `prefix`.

        Args:
            token: `Page.next` of the page before.
            start_after: Begin behind this key, where there is no token.
            delimiter: Leave out keys that contain this behind the prefix.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """
        given: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": limit}
        if delimiter:
            given["Delimiter"] = delimiter
        if token:
            given["ContinuationToken"] = token
        elif start_after:
            given["StartAfter"] = start_after
        what = f"listing s3://{bucket}/{prefix}"
        answer = await self.session.call(what, lambda client: client.list_objects_v2(**given))
        objects = tuple(
            Listed(str(each["Key"]), int(each.get("Size", 0)), _etag(each), _utc(each["LastModified"]))
            for each in answer.get("Contents", ())
        )
        following = str(answer.get("NextContinuationToken") or "") if answer.get("IsTruncated") else ""
        return Page(objects, following, _date(answer))

    async def presign(self, uri: str, expires: float, *, version_id: str = "", method: str = "GET") -> str:
        """An address that whoever has it can read (GET) or write (PUT) the object with.

        It is a bearer secret, valid at most as long as the credentials that signed it.

        Args:
            expires: Seconds from now, at most `MAX_EXPIRES`.

        Raises:
            BadInput: `expires` is out of bounds, or the address or the method is wrong.
            AuthenticationFailed: There are no credentials.
        """
        if not 1 <= expires <= MAX_EXPIRES:
            raise BadInput(
                f"a presigned address cannot live for {expires:g} seconds",
                hint="use one second to seven days",
            )
        operations = {"GET": "get_object", "PUT": "put_object"}
        if method not in operations:
            raise BadInput(f"no address can be presigned for {method[:20]!r}", hint="use GET or PUT")
        given = _request(Address.parse(uri), version_id)
        address: str = await self.session.call(
            f"signing {uri}",
            lambda client: client.generate_presigned_url(
                operations[method], Params=given, ExpiresIn=int(expires), HttpMethod=method
            ),
        )
        return address

    async def delete(self, uri: str) -> None:
        """Delete an object; nothing happens when there is none.

        Raises:
            AuthenticationFailed, RateLimited, Unavailable, BadInput, NotFound: See `errors`.
        """
        given = _request(Address.parse(uri), "")
        await self.session.call(f"deleting {uri}", lambda client: client.delete_object(**given))

    def queue(self, named: str) -> Queue:
        """The queue of this address or ARN.

        Raises:
            BadInput: It is no queue's, or there is no SQS beside this store.
        """
        if not self.services.has_queues:
            raise BadInput(
                f"the connection {self.name!r} is to a store without SQS",
                hint="set its sqs_endpoint_url, or let the store push (parameter push)",
            )
        if named not in self._queues:
            self._queues[named] = Queue(self.services, named)
        return self._queues[named]

    async def wiring(
        self, bucket: str, prefix: str, queue: str, *, id: str, account: str = "", look: bool = False
    ) -> list[SetupStep]:
        """What is needed for a bucket to tell a queue of its uploads.

        Args:
            queue: The queue's name.
            id: Name of our part of the bucket's configuration.
            account: The account of bucket and queue; asked for when empty.
            look: Whether to ask what is there.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """
        if not self.services.has_queues:
            raise BadInput(
                f"the connection {self.name!r} is to a store without SQS",
                hint="set the store up with its own tools to push to Hookline; see the guide on uploads",
            )
        plan = Plan(id, bucket, prefix, queue, account, self.session.settings.region)
        return await Wiring(self.session.call, self.services).steps(plan, look=look)

    def close(self) -> None:
        """Let go of threads and connections."""
        self.session.close()
        self.services.close()


def marked(metadata: Mapping[str, str] | None, writing: Writing) -> dict[str, str]:
    """An object's metadata, with the mark by which a repetition of the writing knows it again."""
    return {**(metadata or {}), **({MARK: writing.key} if writing.key else {})}


def _request(at: Address, version_id: str) -> dict[str, Any]:
    given = {"Bucket": at.bucket, "Key": at.key}
    return {**given, "VersionId": version_id} if version_id else given


def _guess(at: Address) -> str:
    return mimetypes.guess_type(at.name)[0] or "application/octet-stream"


def _etag(answer: Mapping[str, Any]) -> str:
    # Some stores quote it in answers and not in listings.
    return str(answer.get("ETag") or "").strip('"')


def _version(answer: Mapping[str, Any]) -> str:
    found = str(answer.get("VersionId") or "")
    return "" if found == "null" else found


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


def _date(answer: Mapping[str, Any]) -> datetime | None:
    text = answer.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("date", "")
    try:
        return email.utils.parsedate_to_datetime(text).astimezone(UTC)
    except (TypeError, ValueError):
        return None
