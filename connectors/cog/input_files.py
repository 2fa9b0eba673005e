"""How the files of an input get to a Cog server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.sdk import AuthenticationFailed, BadInput, Context, MalformedOutput, NotFound
from hookline.sdk.model_checks import check_input
from hookline.sdk.model_files import ModelSchema
from hookline.sdk.model_inputs import presigned, send_files, tell_of_files

from .client import CogClient
from .inputs import check_paths, fetch_addresses
from .records import Wanted

__all__ = ["sent_body"]

Json = Any

INLINE = 20_000_000
"""Bytes up to which a file is sent, inside the request; the server takes 100 MiB in all."""


async def sent_body(
    ctx: Context, client: CogClient, wanted: Wanted, schema: ModelSchema | None
) -> Mapping[str, Json]:
    """The input as sent.

    Raises:
        BadInput: The model does not take it, a file is too large, or the server would read its own disk.
        RateLimited, Unavailable: A file cannot be had just now.
    """
    values: Json = wanted.input
    if schema is None or not check_input(values, schema, model=wanted.model or client.base_url):
        ctx.log("the input was not checked: the server does not say what its model takes")
    if wanted.addresses == "hookline":
        values = await fetch_addresses(values, schema, _Fetching(ctx))
    # An address of the store's own making may be one of the operator's network: it is no stranger's.
    share = presigned(ctx, public=False)
    sent = await send_files(
        values, ctx.files, inline=INLINE, largest=INLINE, share=share, tell=tell_of_files(ctx)
    )
    check_paths(sent, schema)
    return {"input": sent}


class _Fetching:
    """Fetches each address once for an attempt: what is there may be gone when the input is sent again."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx

    async def __call__(self, address: str, where: str) -> Json:
        fetched: Mapping[str, Json] = self._ctx.notes.get("fetched") or {}
        if address in fetched:
            return fetched[address]
        try:
            file = await self._ctx.http.download(address, max_bytes=INLINE)
        except (AuthenticationFailed, BadInput, MalformedOutput, NotFound) as error:
            raise BadInput(
                f"{where} cannot be fetched: {error.message}",
                code=error.code,
                hint='what stands in your own network has to be in HOOKLINE_ALLOW_ORIGINS; "addresses": '
                '"server" lets the Cog server fetch it, of any size',
            ) from error
        await self._ctx.note(fetched={**fetched, address: file.to_json()})
        return file.to_json()
