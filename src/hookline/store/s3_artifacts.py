"""The artifact store in an object store, so that several machines share it.

Content is written to a folder of this machine first: its digest, which is its name, is known only at
the end. From there it goes up, in parts if it is large, and the name is given when the object is
whole. What the folder still has later is read from there; the oldest goes when it grows too large.

Removing excludes keeping without any lock. Whoever removes marks the content first, and then looks
whether it was kept since; whoever keeps it looks for the mark *afterwards*, and then whether it is still
there. So either the remover sees the new time, or the keeper sees the mark or the loss, and keeps it
again. This needs a store that reads what was written, as S3 has done since December 2020.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .artifacts import (
    PIECE,
    ArtifactMissing,
    ArtifactStore,
    ArtifactTooLarge,
    ArtifactWriter,
    Stored,
    StoredAt,
    is_digest,
)
from .port import CorruptStore, StoreUnavailable

if TYPE_CHECKING:
    from boto3.s3.transfer import TransferConfig

__all__ = ["S3Artifacts", "S3Place"]

CACHE_BYTES = 1024**3
"""What the folder of this machine holds before the oldest files go."""

CACHE_SECONDS = 3600.0
"""Files that were used since are left: somebody may be about to open them."""

_PART = 8 * 1024**2
_MISSING = frozenset({"NoSuchKey", "NotFound", "404"})
STALE_MARK_SECONDS = 120.0
"""Age, by the store's clock, from which a mark was left by a process that died."""

_REMOVE_WITHIN = 30.0
"""Seconds in which the look at the time is followed by the removal, or there is none."""


@dataclass(frozen=True, slots=True)
class S3Place:
    """Where the contents are: ``s3://bucket/prefix``; the prefix is ``""`` or ends with ``/``."""

    bucket: str
    prefix: str

    @classmethod
    def parse(cls, url: str) -> S3Place:
        """Read ``s3://bucket/prefix``.

        Raises:
            ValueError: It is no such address.
        """
        scheme, separator, rest = url.partition("://")
        bucket, _, prefix = rest.partition("/")
        if scheme != "s3" or not separator or not bucket or "?" in rest or "#" in rest:
            raise ValueError(f"{url!r} is not an address like s3://bucket/prefix")
        prefix = prefix.strip("/")
        return cls(bucket, f"{prefix}/" if prefix else "")


class S3Artifacts:
    """Contents in an object store.

    Args:
        client: A boto3 S3 client.
        place: Bucket and prefix, which belong to one installation alone.
        folder: Of this machine, for what is on its way up or was read lately.
        sleep: How to wait for somebody who is just removing the same content.
    """

    def __init__(
        self,
        client: Any,
        place: S3Place,
        folder: Path,
        *,
        cache_bytes: int = CACHE_BYTES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._place = place
        self._here = ArtifactStore(folder)
        self._cache_bytes = cache_bytes
        self._sleep = sleep
        self._since_eviction = 0

    @property
    def where(self) -> str:
        """For people: ``s3://bucket/prefix``."""
        return f"s3://{self._place.bucket}/{self._place.prefix}"

    def save(self, content: bytes) -> Stored:
        """Keep bytes.

        Raises:
            StoreUnavailable: The folder or the object store cannot be written.
        """
        stored = self._here.save(content)
        self._put(stored)
        return stored

    async def save_stream(self, pieces: AsyncIterator[bytes], max_bytes: int | None = None) -> Stored:
        """Keep a stream. What the stream raises is passed on.

        Raises:
            ArtifactTooLarge: It has more than `max_bytes`.
            StoreUnavailable: The folder or the object store cannot be written.
        """
        stored = await self._here.save_stream(pieces, max_bytes)
        await asyncio.to_thread(self._put, stored)
        return stored

    @contextlib.contextmanager
    def writer(self, max_bytes: int | None = None) -> Iterator[ArtifactWriter]:
        """A sink for one content; it is kept when the block ends without an error.

        Raises:
            ArtifactTooLarge: It has more than `max_bytes`.
            StoreUnavailable: The folder or the object store cannot be written.
        """
        with self._here.writer(max_bytes) as writer:
            yield writer
        self._put(writer.stored)

    def read(self, sha256: str, max_bytes: int | None = None) -> bytes:
        """All bytes, checked.

        Raises:
            ArtifactMissing, ArtifactTooLarge, CorruptStore, StoreUnavailable
        """
        with contextlib.suppress(ArtifactMissing, CorruptStore):
            return self._here.read(sha256, max_bytes)
        if max_bytes is not None and (size := self.size(sha256)) > max_bytes:
            raise ArtifactTooLarge(f"{size} bytes; {max_bytes} are allowed")
        self._fetch(sha256)
        return self._here.read(sha256, max_bytes)

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """The bytes in pieces; a damaged content raises `CorruptStore` at its end."""
        try:
            self._used(sha256)
        except ArtifactMissing:
            return self._downloaded(sha256)
        return self._here.pieces(sha256)

    def size(self, sha256: str) -> int:
        """How many bytes a content has.

        Raises:
            ArtifactMissing, StoreUnavailable
        """
        return int(self._head(sha256)["ContentLength"])

    def path(self, sha256: str) -> Path:
        """A file of this machine with the content; fetched when it is not there.

        Raises:
            ArtifactMissing, CorruptStore, StoreUnavailable
        """
        with contextlib.suppress(ArtifactMissing):
            return self._used(sha256)
        self._fetch(sha256)
        return self._used(sha256)

    def _used(self, sha256: str) -> Path:
        """The copy in the folder, which from now on is not taken away for a while.

        Raises:
            ArtifactMissing: There is none, or it was taken away at this very moment.
        """
        path = self._here.path(sha256)
        try:
            os.utime(path)
        except FileNotFoundError:
            raise ArtifactMissing(f"artifact {sha256} is not at hand any more") from None
        return path

    def listed(self) -> Iterator[StoredAt]:
        """Everything that is kept, in no order.

        Raises:
            StoreUnavailable: The object store cannot be listed.
        """
        token: dict[str, str] = {}
        while True:
            with self._translated("listing"):
                page = self._client.list_objects_v2(
                    Bucket=self._place.bucket, Prefix=f"{self._place.prefix}content/", **token
                )
            for each in page.get("Contents", ()):
                name = str(each["Key"]).rpartition("/")[2]
                if is_digest(name):
                    yield StoredAt(name, int(each["Size"]), each["LastModified"].timestamp())
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def owner(self, name: str) -> str:
        """Whose store this is: `name`, unless somebody asked before with another one.

        Raises:
            StoreUnavailable: The object store cannot be read or written.
        """
        at = {"Bucket": self._place.bucket, "Key": f"{self._place.prefix}owner"}
        try:
            with self._translated("looking at", "the owner's name"):
                answer = self._client.get_object(**at)
                with contextlib.closing(answer["Body"]) as body:
                    return str(body.read().decode()) or name
        except ArtifactMissing:
            with self._translated("writing"):
                self._client.put_object(**at, Body=name.encode())
        return name

    def remove(self, sha256: str, kept_before: float) -> bool:
        """Remove a content, unless it was kept again since. Copies in folders are found a while longer.

        Raises:
            StoreUnavailable: The object store cannot be reached; the content may be there or not.
        """
        if not is_digest(sha256):
            return False
        at = {"Bucket": self._place.bucket, "Key": self._key("removing", sha256)}
        begun = time.monotonic()
        with self._translated("removing", sha256):
            self._client.put_object(**at, Body=b"")
        try:
            try:
                kept_at = self._head(sha256)["LastModified"].timestamp()
            except ArtifactMissing:
                return False
            if kept_at >= kept_before or time.monotonic() - begun > _REMOVE_WITHIN:
                return False
            with self._translated("removing", sha256):
                self._client.delete_object(**{**at, "Key": self._key("content", sha256)})
        finally:
            self._unmark(sha256)
        # A copy that is younger may be on its way up again.
        self._here.remove(sha256, time.time() - CACHE_SECONDS)
        return True

    def _key(self, kind: str, sha256: str) -> str:
        return f"{self._place.prefix}{kind}/{sha256[:2]}/{sha256}"

    def _put(self, stored: Stored) -> None:
        """Bring a content up, and be sure that nobody removes it again."""
        path = self._here.path(stored.sha256)
        while True:
            with self._translated("writing", stored.sha256):
                self._client.upload_file(
                    str(path),
                    self._place.bucket,
                    self._key("content", stored.sha256),
                    Config=_transfer(),
                )
            age = self._age_of_mark(stored.sha256)
            if age is None and self._is_there(stored):
                break
            if age is not None and age > STALE_MARK_SECONDS:
                self._unmark(stored.sha256)
            elif age is not None:
                self._sleep(1.0)
        self._evict(stored.size)

    def _age_of_mark(self, sha256: str) -> float | None:
        """Seconds since somebody began to remove it, None when nobody does."""
        try:
            answer = self._head(sha256, "removing")
        except ArtifactMissing:
            return None
        now = email.utils.parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
        return float((now - answer["LastModified"]).total_seconds())

    def _unmark(self, sha256: str) -> None:
        with self._translated("removing", sha256):
            self._client.delete_object(Bucket=self._place.bucket, Key=self._key("removing", sha256))

    def _is_there(self, stored: Stored) -> bool:
        try:
            return self.size(stored.sha256) == stored.size
        except ArtifactMissing:
            return False

    def _head(self, sha256: str, kind: str = "content") -> Any:
        if not is_digest(sha256):
            raise ArtifactMissing(f"{sha256[:70]!r} is no SHA-256")
        with self._translated("looking at", sha256):
            return self._client.head_object(Bucket=self._place.bucket, Key=self._key(kind, sha256))

    def _fetch(self, sha256: str) -> None:
        """Bring a content into the folder, where it is checked once more when it is read."""
        with self._here.writer() as writer:
            for piece in self._downloaded(sha256):
                writer.write(piece)
        self._evict(writer.size)

    def _downloaded(self, sha256: str) -> Iterator[bytes]:
        if not is_digest(sha256):
            raise ArtifactMissing(f"{sha256[:70]!r} is no SHA-256")
        digest = hashlib.sha256()
        with self._translated("reading", sha256):
            answer = self._client.get_object(Bucket=self._place.bucket, Key=self._key("content", sha256))
        with contextlib.closing(answer["Body"]) as body:
            while True:
                with self._translated("reading", sha256):
                    piece = body.read(PIECE)
                if not piece:
                    break
                digest.update(piece)
                yield piece
        if digest.hexdigest() != sha256:
            raise CorruptStore(f"artifact {sha256} is damaged in {self.where}")

    def _evict(self, added: int) -> None:
        """Make room in the folder, once a good part of it was written anew."""
        self._since_eviction += added
        if self._since_eviction < self._cache_bytes // 8:
            return
        self._since_eviction = 0
        files = sorted(self._here.listed(), key=lambda each: each.at)
        excess = sum(each.size for each in files) - self._cache_bytes
        latest = time.time() - CACHE_SECONDS
        for each in files:
            if excess <= 0:
                return
            if self._here.remove(each.sha256, latest):
                excess -= each.size

    @contextlib.contextmanager
    def _translated(self, doing: str, sha256: str = "") -> Iterator[None]:
        from boto3.exceptions import Boto3Error
        from botocore.exceptions import BotoCoreError, ClientError
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            if sha256 and code in _MISSING:
                raise ArtifactMissing(f"artifact {sha256} is gone") from error
            raise StoreUnavailable(f"{doing} artifacts in {self.where}: the store answered {code}") from error
        except (Boto3Error, BotoCoreError, HTTPError, OSError) as error:
            raise StoreUnavailable(f"{doing} artifacts in {self.where}: {type(error).__name__}") from error


def _transfer() -> TransferConfig:
    from boto3.s3.transfer import TransferConfig

    # One part at a time: what is large waits for the line, not for the memory.
    return TransferConfig(multipart_threshold=_PART, multipart_chunksize=_PART, use_threads=False)
