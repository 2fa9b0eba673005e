"""The action `cog.get_schema`."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

from hookline.sdk import Context, Example, Field, Recorded

from .client import CogClient
from .problems import not_working
from .recorded import READY, SCHEMA
from .service import cog

__all__ = ["get_schema"]


class PublishedSchema(TypedDict):
    """What a Cog server says of its model."""

    openapi_schema: Annotated[
        Any, Field("What the model takes and gives, as OpenAPI; null when the server does not publish it.")
    ]
    sha256: Annotated[
        str | None, Field("Digest of it, whatever the order of its keys; null when it is not published.")
    ]


@cog.action(
    "get_schema",
    effect="read",
    summary="The schema is {sha256}",
    docs="https://cog.run/http#get-openapijson",
    examples=[
        Example(
            title="A text model",
            input={},
            responses=[
                Recorded(json=READY, expect="GET /health-check"),
                Recorded(json=SCHEMA, expect="GET /openapi.json"),
            ],
        )
    ],
)
async def get_schema(ctx: Context) -> PublishedSchema:
    """Get the schema of a server's model

    Servers publish what `cog build` has written; up to Cog 0.16 they make it themselves. It fails while the
    model does not work.
    """
    client: CogClient = ctx.connection
    health = await client.health()
    if not health.works:
        raise not_working(health.status)
    published = await client.published(health.boot)
    return PublishedSchema(
        openapi_schema=published and dict(published.document), sha256=published and published.digest
    )
