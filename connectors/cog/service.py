"""The service itself: its name, its connection, how to prove that its model works."""

from __future__ import annotations

from typing import Annotated

from hookline.sdk import ConnectionContext, Connector, Field

from .client import CogClient
from .problems import not_working

__all__ = ["cog", "connect"]

cog = Connector("cog", title="Cog", docs="https://cog.run/http")


@cog.connection(concurrency=1)
def connect(
    ctx: ConnectionContext,
    base_url: Annotated[
        str,
        Field(
            "Address of the Cog server.", format="uri", env="COG_BASE_URL", examples=["http://127.0.0.1:5000"]
        ),
    ],
    token: Annotated[
        str | None,
        Field("Bearer token of a proxy before the server; Cog itself has none.", secret=True, advanced=True),
    ] = None,
    webhook_token: Annotated[
        str | None,
        Field(
            "The server's WEBHOOK_AUTH_TOKEN: callbacks without it are refused.", secret=True, advanced=True
        ),
    ] = None,
    model_version: Annotated[
        str | None,
        Field(
            "Which version of the model the server has, in your words: an image's digest, a date. Cached "
            "outputs then outlive a restart of the server, so change it whenever its weights change.",
            advanced=True,
            examples=["sha256:5c7d5dc6dd8b"],
        ),
    ] = None,
) -> CogClient:
    """Open a client."""
    base = base_url.rstrip("/")
    headers = {"Authorization": f"Bearer {token}"} if token else None
    return CogClient(ctx.http(base + "/", headers=headers), base, webhook_token or "", model_version or "")


@cog.on_test
async def check_server(client: CogClient) -> str:
    """Whether the server answers and its model works."""
    health = await client.health()
    if not health.works:
        raise not_working(health.status)
    return f"{client.base_url} ({health.status.lower()})"
