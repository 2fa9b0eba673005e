"""Move files between the artifact store, object stores, a local folder and the web."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any, TypedDict

from hookline.sdk import BadInput, Context, Example, Field, File, Recorded, action, parse_size
from hookline.sdk.verdicts import require_verdict as allows

__all__ = ["Downloaded", "Uploaded", "download", "upload"]


class Uploaded(TypedDict):
    """A file that was written."""

    url: Annotated[str, Field("Where it is now.")]
    name: Annotated[str, Field("Its name there.")]
    bytes: Annotated[int | None, Field("Its size.")]
    file: Annotated[File, Field("Reference to it, for later steps.")]


class Downloaded(TypedDict):
    """A file that was fetched."""

    file: Annotated[File, Field("Reference to the copy in the artifact store.")]
    name: Annotated[str, Field("Its name.")]
    mime: Annotated[str, Field("Its media type.")]
    bytes: Annotated[int | None, Field("Its size.")]


@action(
    "files.upload",
    effect="idempotent",
    summary="Uploaded {name} to {to}",
    writes=("{to}",),
    examples=(
        Example(
            {
                "file": {"$file": "artifact:example", "name": "cat.webp", "mime": "image/webp"},
                "to": "s3://processed/cat.webp",
            },
            title="To an object store",
        ),
        Example(
            {
                "file": {"$file": "artifact:example", "name": "cat.webp", "mime": "image/webp"},
                "to": "s3://processed/2026/",
            },
            title="Into a folder, under its own name",
        ),
    ),
)
async def upload(
    ctx: Context,
    file: Annotated[File, Field("The file.")],
    to: Annotated[
        str,
        Field(
            "Address to write: s3://bucket/key, or file:folder/name below the folder the operator "
            "allows (HOOKLINE_FILES_DIR). One that ends with / is a folder: the file's name is appended.",
            min_length=3,
            max_length=2048,
            examples=["s3://processed/cat.webp", "file:reports/may.pdf"],
        ),
    ],
    connection: Annotated[
        str, Field("Connection that writes it; the address says which when left out.", advanced=True)
    ] = "",
    mime: Annotated[str, Field("Media type to write; the file's own when left out.", advanced=True)] = "",
    require_verdict: Annotated[
        dict[str, Any] | None,
        Field(
            "The output of the moderation.check step that examined this very file. Nothing is written "
            "unless it allows exactly these bytes.",
            advanced=True,
        ),
    ] = None,
) -> Uploaded:
    """Upload a file

    What is there under the same address is replaced, so repeating it after a crash does no harm.
    """
    if require_verdict is not None:
        file = await _allowed(ctx, file, require_verdict)
    address = f"{to}{_plain_name(file.name)}" if to.endswith("/") else to
    store = await ctx.open_store(address, connection)
    # The trigger that watches the place can tell what this installation wrote itself.
    metadata = {"hookline-run": ctx.run_id, "hookline-workflow": ctx.workflow}
    async with ctx.files.stream(file) as content:
        written = await store.write(address, content, mime=mime or file.mime, metadata=metadata)
    return {"url": written.uri, "name": written.name, "bytes": written.bytes, "file": written}


@action(
    "files.download",
    effect="read",
    summary="Downloaded {name}",
    examples=(
        Example(
            {"url": "https://example.com/cat.txt"},
            (Recorded(text="meow", headers={"Content-Type": "text/plain"}, expect="GET /cat.txt"),),
            title="From the web",
        ),
        Example({"url": "s3://uploads/cat.png", "name": "cat.png"}, title="From an object store"),
    ),
)
async def download(
    ctx: Context,
    url: Annotated[
        str,
        Field(
            "What to fetch: an https address, s3://bucket/key, or file:folder/name below the folder "
            "the operator allows.",
            min_length=3,
            max_length=2048,
            examples=["https://example.com/cat.png"],
        ),
    ],
    name: Annotated[str, Field("Name to keep it under; the address says it when left out.")] = "",
    max_bytes: Annotated[
        str | int, Field("Largest file accepted.", format="size", advanced=True, examples=["100MB"])
    ] = "100MB",
    connection: Annotated[
        str, Field("Connection that reads it; the address says which when left out.", advanced=True)
    ] = "",
) -> Downloaded:
    """Download a file

    The bytes are copied into the artifact store, so later steps do not depend on the address.
    """
    limit = parse_size(max_bytes, name="max_bytes")
    if url.startswith(("https://", "http://")):
        file = await ctx.http.download(url, name=_plain_name(name) if name else "", max_bytes=limit)
    else:
        store = await ctx.open_store(url, connection)
        found = await store.stat(url)
        if found.bytes is not None and found.bytes > limit:
            raise _too_large(url, limit)
        async with store.stream(url) as content:
            file = await ctx.files.save(
                _capped(content, url, limit), name=_plain_name(name or found.name), mime=found.mime
            )
    return {"file": file, "name": file.name, "mime": file.mime, "bytes": file.bytes}


async def _allowed(ctx: Context, file: File, verdict: Mapping[str, Any]) -> File:
    """The file as it was examined: a copy that nobody can exchange between this look and the upload.

    Raises:
        BadInput: C036.
    """
    async with ctx.files.stream(file) as content:
        kept = await ctx.files.save(content, name=file.name, mime=file.mime)
    allows(verdict, kept.sha256 or "")
    return kept


async def _capped(content: AsyncIterator[bytes], url: str, limit: int) -> AsyncIterator[bytes]:
    size = 0
    async for piece in content:
        size += len(piece)
        if size > limit:
            raise _too_large(url, limit)
        yield piece


def _too_large(url: str, limit: int) -> BadInput:
    return BadInput(f"{url} is larger than {limit} bytes", code="C026", hint="raise max_bytes")


def _plain_name(name: str) -> str:
    """A file name that stays one part of an address."""
    plain = re.sub(r"[/\\\x00-\x1f\x7f]", "_", name).strip()
    return "file" if plain in ("", ".", "..") else plain
