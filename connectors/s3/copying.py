"""Copying within a store: one request for what is small, parts for the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from hookline.sdk import AlreadyExists, Unavailable, Writing

from .address import Address
from .session import Session
from .upload import Multipart, conditionally, take_back

__all__ = ["LARGEST_COPY", "copy"]

LARGEST_COPY = 512 * 1024**2
"""Bytes that one request copies. S3 takes ten times as many, and is then silent for longer than a
connection waits; with this, 10,000 parts are still its largest object."""


async def copy(
    session: Session,
    source: Address,
    size: int,
    etag: str,
    at: Address,
    headers: Mapping[str, Any],
    *,
    only_new: bool,
    writing: Writing,
    largest: int = LARGEST_COPY,
) -> str:
    """Copy an object; returns the new one's ETag.

    Args:
        size, etag: Of the source; another one that took its place meanwhile is not copied.
        largest: Bytes from which it is copied in parts.

    Raises:
        ActionError: As `Session.call`.
    """
    target = {"Bucket": at.bucket, "Key": at.key}
    given = {"CopySource": {"Bucket": source.bucket, "Key": source.key}}
    condition = {"IfNoneMatch": "*"} if only_new else {}
    what = f"copying {source.uri} to {at.uri}"
    await take_back(session, at, writing)
    if size <= largest:
        replaced = {"MetadataDirective": "REPLACE"}
        answer = await conditionally(
            session,
            what,
            condition,
            lambda client, extra: client.copy_object(**target, **given, **headers, **replaced, **extra),
        )
        return str(answer["CopyObjectResult"].get("ETag", "")).strip('"')
    part = -(-size // -(-size // largest))  # equal parts, rounded up
    sending = Multipart(session, at, target)
    try:
        await sending.begin(headers, writing)
        for start in range(0, size, part):
            pinned = {**given, **({"CopySourceIfMatch": etag} if etag else {})}
            try:
                await sending.copy(pinned, start, min(start + part, size))
            except AlreadyExists as error:
                raise Unavailable(f"{what}: the source changed meanwhile") from error
        return await sending.complete(condition)
    except BaseException:
        if sending.is_open:
            await asyncio.shield(sending.abort())
        raise
