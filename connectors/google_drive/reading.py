"""The bytes of a file in pieces, checked against Drive's own digest at the end."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from urllib.parse import quote

from hookline.sdk import BadInput, Unavailable

from .address import Address
from .api import FILES, TRANSFER_TIMEOUT, Api
from .finding import ALL_DRIVES
from .resource import EXPORTS, Resource

__all__ = ["MAX_EXPORT_BYTES", "PART", "default_export", "pieces"]

PART = 4 * 1024 * 1024
"""Bytes of one request; this much of a file is in memory at a time."""
MAX_EXPORT_BYTES = 11 * 1024 * 1024
"""Google exports 10 MB at most."""
_PIECE = 256 * 1024


def default_export(found: Resource) -> str:
    """What a document is exported as when nothing was chosen.

    Raises:
        BadInput: C044: it cannot be exported.
    """
    mime = EXPORTS["pdf"].get(found.mime, "")
    if not mime:
        raise BadInput(
            f"{found.name} has no bytes and is of a type that is not exported: {found.mime}", code="C044"
        )
    return mime


async def pieces(api: Api, at: Address, found: Resource, *, earlier: bool = False) -> AsyncIterator[bytes]:
    """All bytes of a file, or an error.

    Args:
        earlier: `found` is not the newest version.

    Raises:
        Unavailable: They are not those that Drive describes: the file was replaced meanwhile, or what
            came was damaged. Reading it again does no harm.
    """
    what = f"reading {at.uri}"
    if found.is_native or at.export:
        parts = _exported(api, at, found, what)
    else:
        parts = _parts(api, found, what, earlier=earlier)
    async for part in parts:
        for start in range(0, len(part), _PIECE):
            yield part[start : start + _PIECE]


async def _exported(api: Api, at: Address, found: Resource, what: str) -> AsyncIterator[bytes]:
    response = await api.send(
        "GET",
        f"{FILES}/{found.id}/export",
        what,
        params={"mimeType": at.export or default_export(found)},
        timeout=TRANSFER_TIMEOUT,
        max_bytes=MAX_EXPORT_BYTES,
    )
    yield response.content


async def _parts(api: Api, found: Resource, what: str, *, earlier: bool) -> AsyncIterator[bytes]:
    size = found.bytes or 0
    digest = hashlib.sha256() if found.sha256 else hashlib.md5(usedforsecurity=False)
    expected = found.sha256 or found.md5
    path, params = f"{FILES}/{found.id}", {"alt": "media", **({} if earlier else ALL_DRIVES)}
    if earlier:
        path = f"{path}/revisions/{quote(found.revision, safe='')}"
    start = 0
    while start < size:
        end = min(start + PART, size)
        response = await api.send(
            "GET",
            path,
            what,
            params=params,
            headers={"Range": f"bytes={start}-{end - 1}"},
            # A whole file is the answer of a server that knows no ranges.
            accept=(206, 200) if end - start == size else (206, 416),
            timeout=TRANSFER_TIMEOUT,
            max_bytes=PART,
        )
        if response.status == 416 or len(response.content) != end - start:
            raise Unavailable(f"{what}: {len(response.content)} bytes came, and not {end - start}")
        digest.update(response.content)
        yield response.content
        start = end
    if expected and digest.hexdigest() != expected:
        raise Unavailable(
            f"{what}: the bytes do not have the digest that Google Drive names",
            code="C045",
            hint="the file was replaced while it was read, or what came was damaged",
        )
