"""Look into files: digests, text, tables."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Annotated, Literal, TypedDict

from hookline.sdk import BadInput, Context, Example, Field, File, action, parse_size

from ._files.fields import LARGEST, Cap, Connection, Of, OnExisting
from ._files.names import inside, plain_name
from ._files.progress import followed
from ._files.sources import Source, source_of
from ._files.text import Encoding, Format, converted, decoded, encoded
from ._files.writing import put

__all__ = ["convert", "hash_", "read_text", "write_text"]

_MOST_TEXT = 16 * 1024 * 1024
_MIMES: dict[str, str] = {"csv": "text/csv", "json": "application/json", "jsonl": "application/x-ndjson"}
_SUFFIXES: dict[str, Format] = {"csv": "csv", "json": "json", "jsonl": "jsonl", "ndjson": "jsonl"}

_Encoding = Annotated[Encoding, Field("Character encoding of the file.", advanced=True)]


class Hashed(TypedDict):
    """A digest."""

    hash: Annotated[str, Field("The digest, in hexadecimal.")]
    algorithm: Annotated[str, Field("How it was made.")]
    bytes: Annotated[int, Field("Size of the file.")]


class Text(TypedDict):
    """A file's text."""

    text: Annotated[str, Field("The text.")]
    bytes: Annotated[int, Field("Size of the file.")]


class Written(TypedDict):
    """A file that was written."""

    url: Annotated[str, Field("Where it is.")]
    name: Annotated[str, Field("Its name.")]
    bytes: Annotated[int | None, Field("Its size.")]
    file: Annotated[File, Field("Reference to it, for later steps.")]
    skipped: Annotated[bool, Field("There was a file already and it was left as it is.")]


class Converted(TypedDict):
    """A file in another form."""

    file: Annotated[File, Field("The converted file, in the artifact store.")]
    rows: Annotated[int | None, Field("Number of rows; null where only the encoding was changed.")]
    bytes: Annotated[int | None, Field("Its size.")]


@action(
    "files.hash",
    effect="read",
    summary="{algorithm} {hash}",
    examples=(Example({"file": "s3://uploads/cat.png"}, title="SHA-256"),),
)
async def hash_(
    ctx: Context,
    file: Of,
    algorithm: Annotated[
        Literal["sha256", "sha512", "sha1", "md5"],
        Field(
            "How it is made.",
            options={
                "sha256": "SHA-256, the usual one.",
                "sha512": "SHA-512.",
                "sha1": "SHA-1: no proof against somebody who means it, but widely compared.",
                "md5": "MD5: no proof against somebody who means it, but widely compared.",
            },
        ),
    ] = "sha256",
    connection: Connection = "",
    max_bytes: Cap = LARGEST,
) -> Hashed:
    """Hash a file"""
    digest, size = hashlib.new(algorithm, usedforsecurity=False), 0
    source = await source_of(ctx, file, connection)
    async with source.pieces("Reading", parse_size(max_bytes, name="max_bytes")) as pieces:
        async for piece in pieces:
            digest.update(piece)
            size += len(piece)
    return {"hash": digest.hexdigest(), "algorithm": algorithm, "bytes": size}


@action(
    "files.read_text",
    effect="read",
    summary="Read {bytes} bytes",
    examples=(
        Example({"file": {"$file": "artifact:example", "name": "note.txt"}}, title="A note"),
        Example(
            {"file": {"$file": "artifact:old", "name": "old.txt"}, "encoding": "windows-1252"},
            title="From an old program",
        ),
    ),
)
async def read_text(
    ctx: Context,
    file: Of,
    encoding: _Encoding = "utf-8",
    connection: Connection = "",
    max_bytes: Annotated[
        str | int, Field("Largest file accepted, 16 MiB at most.", format="size", advanced=True)
    ] = "1MB",
) -> Text:
    """Read a text file

    The text becomes part of the run. A byte order mark is left out; bytes that are no text in this
    encoding are an error, not question marks.
    """
    limit = min(parse_size(max_bytes, name="max_bytes"), _MOST_TEXT)
    content = bytearray()
    source = await source_of(ctx, file, connection)
    async with source.pieces("Reading", limit) as pieces:
        async for piece in pieces:
            content += piece
    return {"text": decoded(bytes(content), encoding), "bytes": len(content)}


@action(
    "files.write_text",
    effect="idempotent",
    summary="Wrote {name}",
    writes=("{to}",),
    examples=(
        Example({"text": "Done.\n", "to": "s3://reports/done.txt"}, title="To an object store"),
        Example({"text": "# May\n", "name": "may.md"}, title="To the artifact store"),
    ),
)
async def write_text(
    ctx: Context,
    text: Annotated[
        str, Field("The text; {{ json(…) }} makes one of any value.", multiline=True, max_length=_MOST_TEXT)
    ],
    to: Annotated[
        str,
        Field(
            "Address to write: s3://bucket/key, or file:folder/name below the folder the operator "
            "allows. One that ends with / is a folder: name is appended. Empty: into the artifact store.",
            max_length=2048,
            examples=["s3://reports/done.txt"],
        ),
    ] = "",
    name: Annotated[str, Field("Name of the file, where the address does not say it.", max_length=200)] = (
        "text.txt"
    ),
    if_exists: OnExisting = "overwrite",
    encoding: _Encoding = "utf-8",
    mime: Annotated[str, Field("Media type; guessed from the name when left out.", advanced=True)] = "",
    connection: Connection = "",
) -> Written:
    """Write a text file

    A repetition after a crash writes the same text to the same place once more, or finds what it has
    written.
    """
    content = encoded(text, encoding)
    if not to:
        kept = await ctx.files.save(content, name=plain_name(name), mime=mime)
        return {"url": kept.uri, "name": kept.name, "bytes": kept.bytes, "file": kept, "skipped": False}

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncIterator[bytes]]:
        yield _one(content)

    address = inside(to, name)
    store = await ctx.open_store(address, connection)
    identity = hashlib.sha256(content).hexdigest()
    written = await put(
        ctx,
        store,
        address,
        opened,
        identity=identity,
        mime=mime,
        size=len(content),
        choice=if_exists,
    )
    at = written.file
    return {
        "url": at.uri,
        "name": at.name,
        "bytes": at.bytes,
        "file": at,
        "skipped": written.is_skipped,
    }


@action(
    "files.convert",
    effect="read",
    summary="Made {to} of {file}",
    examples=(
        Example(
            {"file": {"$file": "artifact:table", "name": "people.csv", "mime": "text/csv"}, "to": "json"},
            title="A table for later steps",
        ),
        Example(
            {
                "file": {"$file": "artifact:old", "name": "old.txt"},
                "to": "text",
                "encoding": "windows-1252",
            },
            title="Text of an old program, to UTF-8",
        ),
    ),
)
async def convert(
    ctx: Context,
    file: Of,
    to: Annotated[
        Literal["csv", "json", "jsonl", "text"],
        Field(
            "What to make of it.",
            options={
                "csv": "Comma-separated values, with a header.",
                "json": "One JSON array of objects.",
                "jsonl": "JSON Lines: one object in each line.",
                "text": "The same text in another encoding.",
            },
        ),
    ],
    from_: Annotated[
        Literal["auto", "csv", "json", "jsonl"],
        Field(
            "What it is.",
            options={
                "auto": "As its name or media type says.",
                "csv": "Comma-separated values, with a header.",
                "json": "One JSON array.",
                "jsonl": "JSON Lines.",
            },
        ),
    ] = "auto",
    encoding: _Encoding = "utf-8",
    to_encoding: Annotated[Encoding, Field("Character encoding to write.", advanced=True)] = "utf-8",
    delimiter: Annotated[
        Literal[",", ";", "\t", "|"],
        Field("What separates values in CSV, read or written.", advanced=True),
    ] = ",",
    formulas: Annotated[
        Literal["keep", "escape"],
        Field(
            "What to do with text that a spreadsheet would run: =, +, - or @ in front.",
            options={"keep": "Leave it as it is.", "escape": "Put ' in front of it."},
            advanced=True,
        ),
    ] = "keep",
    name: Annotated[str, Field("Name of the result; the old one with another ending when empty.")] = "",
    connection: Connection = "",
    max_bytes: Cap = "1GB",
) -> Converted:
    """Convert a text file

    Between CSV, JSON and JSON Lines, and between encodings; row by row, so that size is no matter. Values
    out of CSV are text. Into CSV go all keys that any row has; lists and objects as JSON.
    """
    source = await source_of(ctx, file, connection)
    origin = None if to == "text" else _format(source, from_)
    # A table is read twice, once for its columns, so the bytes must be at hand.
    kept = await source.kept("Reading", parse_size(max_bytes, name="max_bytes"))
    counted = [0]
    content = converted(
        await ctx.files.local_path(kept),
        origin,
        None if to == "text" else to,
        encoding=encoding,
        to_encoding=to_encoding,
        delimiter=delimiter,
        escape_formulas=formulas == "escape",
        counted=counted,
    )
    stem, _, _ = source.file.name.rpartition(".")
    own = source.file.name if to == "text" else f"{stem or source.file.name}.{to}"
    mime = source.file.mime if to == "text" else _MIMES[to]
    made = await ctx.files.save(
        followed(ctx, _threaded(content), f"Converting {source.file.name}", None),
        name=plain_name(name or own),
        mime=mime,
    )
    return {"file": made, "rows": None if to == "text" else counted[0], "bytes": made.bytes}


def _format(source: Source, given: str) -> Format:
    suffix = source.file.name.rpartition(".")[2].lower()
    by_mime = {mime: name for name, mime in _MIMES.items()}.get(source.file.mime.partition(";")[0])
    found = _SUFFIXES.get(given) or _SUFFIXES.get(suffix) or _SUFFIXES.get(by_mime or "")
    if found is None:
        raise BadInput(
            f"neither the name {source.file.name!r} nor its media type says what it is",
            code="C064",
            hint="say it: from: csv, json or jsonl",
        )
    return found


async def _threaded(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    while (piece := await asyncio.to_thread(next, content, None)) is not None:
        yield piece


async def _one(content: bytes) -> AsyncIterator[bytes]:
    yield content
