"""Move files between the artifact store, the stores that connections reach, and the web."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypedDict

from hookline.sdk import Context, Example, Field, File, Recorded, action, parse_size
from hookline.sdk.verdicts import require_verdict as allows

from ._files.fields import LARGEST, Cap, Connection, Of, OnExisting, To
from ._files.names import inside, plain_name
from ._files.progress import capped, followed, too_large
from ._files.sources import Source, source_of
from ._files.writing import Put, transfer

__all__ = ["copy", "download", "upload"]

_EXAMPLE = {"$file": "artifact:example", "name": "cat.webp", "mime": "image/webp"}


class Uploaded(TypedDict):
    """A file that was written."""

    url: Annotated[str, Field("Where it is now.")]
    name: Annotated[str, Field("Its name there.")]
    bytes: Annotated[int | None, Field("Its size.")]
    file: Annotated[File, Field("Reference to it, for later steps.")]
    skipped: Annotated[bool, Field("It was there already and was left as it is.")]


class Downloaded(TypedDict):
    """A file that was fetched."""

    file: Annotated[File, Field("Reference to the copy in the artifact store.")]
    name: Annotated[str, Field("Its name.")]
    mime: Annotated[str, Field("Its media type.")]
    bytes: Annotated[int | None, Field("Its size.")]


@action(
    "files.upload",
    effect="idempotent",
    summary="Uploaded {name} to {url}",
    writes=("{to}",),
    examples=(
        Example({"file": _EXAMPLE, "to": "s3://processed/cat.webp"}, title="To an object store"),
        Example({"file": _EXAMPLE, "to": "s3://processed/2026/"}, title="Into a folder, under its own name"),
    ),
)
async def upload(
    ctx: Context,
    file: Annotated[File, Field("The file.")],
    to: To,
    if_exists: OnExisting = "overwrite",
    connection: Connection = "",
    mime: Annotated[str, Field("Media type to write; the file's own when left out.", advanced=True)] = "",
    require_verdict: Annotated[
        dict[str, Any] | None,
        Field(
            "The output of the moderation.check step that examined this very file. Nothing is written "
            "unless it allows exactly these bytes.",
            advanced=True,
        ),
    ] = None,
    max_bytes: Cap = LARGEST,
) -> Uploaded:
    """Upload a file

    It appears under its address whole or not at all. A repetition after a crash writes the same bytes to
    the same place once more, or finds what it has written.
    """
    if require_verdict is not None:
        file = await _allowed(ctx, file, require_verdict)
    return _uploaded(
        await transfer(
            ctx,
            await source_of(ctx, file),
            inside(to, file.name),
            doing="Uploading",
            connection=connection,
            mime=mime,
            choice=if_exists,
            limit=parse_size(max_bytes, name="max_bytes"),
        )
    )


@action(
    "files.copy",
    effect="idempotent",
    summary="Copied {name} to {url}",
    writes=("{to}",),
    examples=(
        Example({"file": "s3://uploads/cat.png", "to": "s3://archive/2026/cat.png"}, title="Within a store"),
        Example({"file": "file:reports/may.pdf", "to": "s3://archive/"}, title="From one store to another"),
    ),
)
async def copy(
    ctx: Context,
    file: Of,
    to: To,
    if_exists: OnExisting = "overwrite",
    connection: Connection = "",
    from_connection: Annotated[
        str, Field("Connection that reads the file, where another one writes it.", advanced=True)
    ] = "",
    max_bytes: Cap = LARGEST,
) -> Uploaded:
    """Copy a file

    Within one store the store copies by itself; otherwise the bytes pass through in small pieces. A
    repetition after a crash copies to the same place once more, or finds what it has written.
    """
    source = await source_of(ctx, file, from_connection)
    return _uploaded(
        await transfer(
            ctx,
            source,
            inside(to, source.file.name),
            doing="Copying",
            connection=connection,
            choice=if_exists,
            limit=parse_size(max_bytes, name="max_bytes"),
        )
    )


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
    max_bytes: Cap = "100MB",
    connection: Connection = "",
) -> Downloaded:
    """Download a file

    The bytes are copied into the artifact store, so later steps do not depend on the address.
    """
    limit = parse_size(max_bytes, name="max_bytes")
    if url.startswith(("https://", "http://")):
        file = await ctx.http.download(url, name=plain_name(name) if name else "", max_bytes=limit)
    else:
        store = await ctx.open_store(url, connection)
        found = await store.stat(url)
        if found.bytes is not None and found.bytes > limit:
            raise too_large(url, limit)
        async with store.stream(url) as content:
            pieces = followed(ctx, capped(content, url, limit), f"Downloading {found.name}", found.bytes)
            file = await ctx.files.save(pieces, name=plain_name(name or found.name), mime=found.mime)
    return {"file": file, "name": file.name, "mime": file.mime, "bytes": file.bytes}


def _uploaded(put: Put) -> Uploaded:
    file = put.file
    return {
        "url": file.uri,
        "name": file.name,
        "bytes": file.bytes,
        "file": file,
        "skipped": put.is_skipped,
    }


async def _allowed(ctx: Context, file: File, verdict: Mapping[str, Any]) -> File:
    """The file as it was examined: a copy that nobody can exchange between this look and the upload.

    Raises:
        BadInput: C036.
    """
    async with Source(ctx, file).pieces("Checking") as content:
        kept = await ctx.files.save(content, name=file.name, mime=file.mime)
    allows(verdict, kept.sha256 or "")
    return kept
