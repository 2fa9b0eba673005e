"""The Files API: inputs kept for about a day. `replicate.run` uses it by itself for large files."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict
from urllib.parse import quote

from hookline.sdk import Context, Example, Field, File, MalformedOutput, OutcomeUnknown, Recorded

from .client import MAX_UPLOAD, UPLOAD_TIMEOUT, ReplicateClient
from .paging import Cursor, Limit, listed
from .problems import raise_problem
from .recorded import FILE, page_of
from .service import replicate
from .shapes import Deleted, FileShape, read_file

__all__ = ["create_file", "delete_file", "get_file", "list_files"]

Json = Any
_DOCS = "https://replicate.com/docs/reference/http"
_ONE = f"/v1/files/{FILE['id']}"
FileId = Annotated[str, Field("Identifier of the file.", examples=[FILE["id"]], min_length=1)]


class StoredFiles(TypedDict):
    """Files."""

    results: Annotated[list[FileShape], Field("The files.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


@replicate.action(
    "create_file",
    effect="at_least_once",
    summary="Uploaded {file} as {id}",
    docs=f"{_DOCS}#files.create",
    examples=[
        Example(
            input={"file": {"$file": "artifact:1", "name": "cat.png", "mime": "image/png"}},
            responses=[Recorded(201, json=FILE, expect="POST /v1/files")],
        )
    ],
)
async def create_file(
    ctx: Context, file: Annotated[File, Field("What to upload; up to 100 MB.")]
) -> FileShape:
    """Upload a file

    For use as an input; it is deleted after about a day, see expires_at. After a crash it may be uploaded
    twice: the first copy is then forgotten, and expires.
    """
    client: ReplicateClient = ctx.connection
    content = await ctx.files.read(file, max_bytes=MAX_UPLOAD)
    try:
        response = await client.http.request(
            "POST", "files", files={"content": (file.name, content, file.mime)}, timeout=UPLOAD_TIMEOUT
        )
        raise_problem(response, effect="check")
        return read_file(response.json())
    except MalformedOutput as error:
        raise OutcomeUnknown(
            f"whether {file.name!r} was uploaded is not known: {error.message}",
            hint="it may be repeated: a forgotten upload expires within a day",
        ) from error


@replicate.action(
    "list_files",
    effect="read",
    summary="Listed {results} files",
    docs=f"{_DOCS}#files.list",
    examples=[Example(input={}, responses=[Recorded(json=page_of(FILE), expect="GET /v1/files")])],
)
async def list_files(ctx: Context, limit: Limit = 100, cursor: Cursor = None) -> StoredFiles:
    """List the account's files"""
    found = await listed(ctx.connection, "files", limit=limit, cursor=cursor)
    return {"results": [read_file(item) for item in found.results], "next": found.next}


@replicate.action(
    "get_file",
    effect="read",
    summary="File {name}",
    docs=f"{_DOCS}#files.get",
    examples=[Example(input={"id": FILE["id"]}, responses=[Recorded(json=FILE, expect=f"GET {_ONE}")])],
)
async def get_file(ctx: Context, id: FileId) -> FileShape:
    """Get what is known of a file

    Not its bytes: no address that the API gives leads to them.
    """
    client: ReplicateClient = ctx.connection
    return read_file(await client.get(_path(id)))


@replicate.action(
    "delete_file",
    effect="idempotent",
    summary="Deleted the file {id}",
    docs=f"{_DOCS}#files.delete",
    examples=[Example(input={"id": FILE["id"]}, responses=[Recorded(204, expect=f"DELETE {_ONE}")])],
)
async def delete_file(ctx: Context, id: FileId) -> Deleted:
    """Delete a file"""
    client: ReplicateClient = ctx.connection
    return {"deleted": await client.delete(_path(id))}


def _path(id: str) -> str:
    return f"files/{quote(id, safe='')}"
