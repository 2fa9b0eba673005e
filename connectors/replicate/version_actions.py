"""Versions of models, and what they take."""

from __future__ import annotations

from typing import Annotated, TypedDict

from hookline.sdk import Context, Example, Field, Recorded

from .client import ReplicateClient
from .paging import Cursor, Limit, listed
from .recorded import HELLO_VERSION, VERSION, page_of
from .service import replicate
from .shapes import Deleted, ModelName, VersionShape, path_of, read_version

__all__ = ["delete_version", "get_version", "list_versions"]

_DOCS = "https://replicate.com/docs/reference/http"
_ALL = "/v1/models/replicate/hello-world/versions"
Version = Annotated[
    str,
    Field("The version: 64 hexadecimal digits.", examples=[HELLO_VERSION]),
    {"pattern": "^[0-9a-f]{64}$"},
]


class Versions(TypedDict):
    """Versions, newest first."""

    results: Annotated[list[VersionShape], Field("The versions.")]
    next: Annotated[str | None, Field("cursor for more; null at the end.")]


@replicate.action(
    "list_versions",
    effect="read",
    summary="Listed {results} versions of {model}",
    docs=f"{_DOCS}#models.versions.list",
    examples=[
        Example(
            input={"model": "replicate/hello-world"},
            responses=[Recorded(json=page_of(VERSION), expect=f"GET {_ALL}")],
        )
    ],
)
async def list_versions(
    ctx: Context, model: ModelName, limit: Limit = 100, cursor: Cursor = None
) -> Versions:
    """List the versions of a model

    Newest first. Official models show none, or are not found: they run without a version.
    """
    found = await listed(ctx.connection, f"{path_of(model)}/versions", limit=limit, cursor=cursor)
    return {"results": [read_version(item) for item in found.results], "next": found.next}


@replicate.action(
    "get_version",
    effect="read",
    summary="Version of {model}",
    docs=f"{_DOCS}#models.versions.get",
    examples=[
        Example(
            input={"model": "replicate/hello-world", "version": HELLO_VERSION},
            responses=[Recorded(json=VERSION, expect=f"GET {_ALL}/{HELLO_VERSION}")],
        )
    ],
)
async def get_version(ctx: Context, model: ModelName, version: Version) -> VersionShape:
    """Get a version of a model

    With the OpenAPI document that says what it takes and gives.
    """
    client: ReplicateClient = ctx.connection
    return read_version(await client.get(f"{path_of(model)}/versions/{version}"))


@replicate.action(
    "delete_version",
    effect="idempotent",
    summary="Deleted a version of {model}",
    docs=f"{_DOCS}#models.versions.delete",
    examples=[
        Example(
            input={"model": "acme/tuned", "version": HELLO_VERSION},
            responses=[Recorded(202, expect=f"DELETE /v1/models/acme/tuned/versions/{HELLO_VERSION}")],
        )
    ],
)
async def delete_version(ctx: Context, model: ModelName, version: Version) -> Deleted:
    """Delete a version of a model

    With its predictions and their files, within minutes. Refused when others ran it, or a training, a
    deployment or another version depends on it.
    """
    client: ReplicateClient = ctx.connection
    return {"deleted": await client.delete(f"{path_of(model)}/versions/{version}")}
