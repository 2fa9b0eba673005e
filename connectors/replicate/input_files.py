"""How the files of an input get to Replicate."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.sdk import Context
from hookline.sdk.model_inputs import presigned, send_files, tell_of_files

from .client import MAX_UPLOAD, ReplicateClient

__all__ = ["sent_input"]

Json = Any

INLINE = 256_000
"""Bytes up to which Replicate advises to send a file as a data: URL."""

INLINE_TOTAL = 1_000_000
"""Bytes of all data: URLs of an input together: requests with several megabytes of them have been
accepted, and their predictions have failed minutes later without a word."""


async def sent_input(ctx: Context, client: ReplicateClient, values: Mapping[str, Json]) -> Json:
    """The input with its files as data: URLs, presigned addresses of their own store, or uploads.

    Raises:
        BadInput: A file is too large for every way.
        Unavailable: A file could not be uploaded.
    """
    return await send_files(
        values,
        ctx.files,
        inline=INLINE,
        inline_total=INLINE_TOTAL,
        largest=MAX_UPLOAD,
        upload=client.upload,
        share=presigned(ctx, public=True),
        tell=tell_of_files(ctx),
    )
