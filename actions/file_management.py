"""Look at, sign and delete files where they are."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Literal, TypedDict

from hookline.sdk import (
    BadInput,
    Context,
    Example,
    Field,
    File,
    FileStore,
    NotFound,
    PresignsFiles,
    action,
    parse_duration,
)
from hookline.sdk.patterns import glob_matches

from ._files.fields import Connection, Of

__all__ = ["delete", "list_", "presign"]

_MOST_PAGES = 100


class Deleted(TypedDict):
    """A file that is gone."""

    url: Annotated[str, Field("Where it was.")]
    existed: Annotated[bool, Field("Whether there was one.")]


class Found(TypedDict):
    """A file in a listing."""

    url: Annotated[str, Field("Its address.")]
    path: Annotated[str, Field("Where it is below the folder.")]
    name: Annotated[str, Field("Its name.")]
    bytes: Annotated[int | None, Field("Its size.")]
    modified: Annotated[str | None, Field("When it was written.", format="date-time")]
    file: Annotated[File, Field("Reference to it.")]


class Listing(TypedDict):
    """Files of a folder."""

    files: Annotated[list[Found], Field("The files found.")]
    next: Annotated[str, Field("Give it as page to go on; empty at the end.")]


class Presigned(TypedDict):
    """A signed address."""

    url: Annotated[str, Field("Address that works for anybody who has it.", secret=True)]
    expires_at: Annotated[str, Field("When it stops working.", format="date-time")]


@action(
    "files.delete",
    effect="idempotent",
    summary="Deleted {url}",
    examples=(Example({"file": "s3://uploads/cat.png"}, title="An object"),),
)
async def delete(
    ctx: Context,
    file: Of,
    if_missing: Annotated[
        Literal["ignore", "fail"],
        Field(
            "What to do when there is no such file.",
            options={"ignore": "Go on.", "fail": "Fail."},
        ),
    ] = "ignore",
    connection: Connection = "",
) -> Deleted:
    """Delete a file

    A folder cannot be deleted. What is in the artifact store goes by itself when no run refers to it.
    """
    uri = file.uri if isinstance(file, File) else file
    if uri.startswith("artifact:"):
        raise BadInput(
            "a file of the artifact store cannot be deleted by a step",
            code="C924",
            hint="nothing need be done: it goes when no run, event or cached output refers to it",
        )
    store = await ctx.open_store(file, connection)
    # On disk before it is deleted: a repetition finds nothing, and there was something.
    if "existed" not in ctx.notes:
        await ctx.note(existed=await _exists(store, uri))
    existed: bool = ctx.notes["existed"]
    if existed:
        await store.delete(uri)
    elif if_missing == "fail":
        raise NotFound(f"there is no file {uri}")
    return {"url": uri, "existed": existed}


@action(
    "files.list",
    effect="read",
    summary="Listed {folder}",
    examples=(Example({"folder": "s3://uploads/raw/", "pattern": "**/*.png"}, title="Pictures"),),
)
async def list_(
    ctx: Context,
    folder: Annotated[
        str,
        Field(
            "Address of the folder: s3://bucket/folder/, or file:folder/ below the folder the operator "
            "allows; file: alone is all of it.",
            min_length=3,
            max_length=2048,
            examples=["s3://uploads/raw/"],
        ),
    ],
    pattern: Annotated[
        str,
        Field(
            "Only paths below the folder that fit: * and ? stand for characters of a name, ** for any "
            "number of folders.",
            max_length=512,
            examples=["**/*.png"],
        ),
    ] = "",
    recursive: Annotated[bool, Field("Also what is in folders inside it.")] = True,
    max_files: Annotated[int, Field("Most files to return.", minimum=1, maximum=10_000)] = 1000,
    page: Annotated[str, Field("Where to go on: next of the listing before.", advanced=True)] = "",
    connection: Connection = "",
) -> Listing:
    """List files

    In the order of the store. A thousand files take one request; next is there when more follow.
    """
    store = await ctx.open_store(folder, connection)
    below = folder if folder.endswith(("/", ":")) else f"{folder}/"
    found: list[Found] = []
    for _ in range(_MOST_PAGES):
        limit = min(max_files - len(found), 1000)
        listed = await store.list_files(folder, recursive=recursive, token=page, limit=limit)
        for each in listed.files:
            path = each.file.uri.removeprefix(below)
            if pattern and not glob_matches(pattern, path):
                continue
            modified = None if each.modified is None else each.modified.isoformat().replace("+00:00", "Z")
            found.append(
                {
                    "url": each.file.uri,
                    "path": path,
                    "name": each.file.name,
                    "bytes": each.file.bytes,
                    "modified": modified,
                    "file": each.file,
                }
            )
        page = listed.next
        if not page or len(found) >= max_files:
            break
    return {"files": found, "next": page}


@action(
    "files.presign",
    effect="read",
    summary="Signed an address for {expires_in}",
    examples=(Example({"file": "s3://uploads/raw/cat.png", "expires_in": "10m"}, title="For ten minutes"),),
)
async def presign(
    ctx: Context,
    file: Of,
    expires_in: Annotated[
        str | int,
        Field("How long it works; S3 allows seven days at most.", format="duration", examples=["10m", "6h"]),
    ] = "1h",
    method: Annotated[
        Literal["GET", "PUT"],
        Field("What it allows.", options={"GET": "To read the file.", "PUT": "To write it."}),
    ] = "GET",
    connection: Connection = "",
) -> Presigned:
    """Presign an address

    Makes an address that works without any other credential. It is a secret: whoever sees it can use it.
    With temporary credentials it stops working when they do.
    """
    uri = file.uri if isinstance(file, File) else file
    store = None if uri.startswith("artifact:") else await ctx.open_store(file, connection)
    if not isinstance(store, PresignsFiles):
        raise BadInput(
            f"no address can be signed for {uri[:100]}",
            code="C060",
            hint="upload the file to an object store first, and sign the address there",
        )
    seconds = parse_duration(expires_in, name="expires_in")
    ends = ctx.now() + timedelta(seconds=int(seconds))
    return {
        "url": await store.presign(uri, seconds, method=method),
        "expires_at": ends.isoformat(timespec="seconds").replace("+00:00", "Z"),
    }


async def _exists(store: FileStore, uri: str) -> bool:
    try:
        await store.stat(uri)
    except NotFound:
        return False
    return True
