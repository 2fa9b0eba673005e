"""The action `cog.get_health`."""

from __future__ import annotations

from typing import Annotated, TypedDict

from hookline.sdk import Context, Example, Field, Recorded
from hookline.sdk.predictions import iso, parse_time

from .client import CogClient
from .recorded import READY
from .service import cog

__all__ = ["get_health"]


class ServerHealth(TypedDict):
    """How a Cog server is."""

    status: Annotated[
        str, Field("READY, BUSY, STARTING, SETUP_FAILED, UNHEALTHY, DEFUNCT or UNKNOWN.", examples=["READY"])
    ]
    works: Annotated[bool, Field("Whether its model is set up and alive: READY or BUSY.")]
    started_at: Annotated[
        str | None,
        Field("When it last began to set up its model; null when it does not say.", format="date-time"),
    ]
    ready_at: Annotated[str | None, Field("When that was done; null until then.", format="date-time")]
    setup_seconds: Annotated[float | None, Field("How long it took: the cold start.")]
    version: Annotated[str | None, Field("Version of the server; null up to Cog 0.16.", examples=["0.23.1"])]


@cog.action(
    "get_health",
    effect="read",
    summary="The server is {status}",
    docs="https://cog.run/http#get-health-check",
    examples=[
        Example(
            title="A server that is ready",
            input={},
            responses=[Recorded(json=READY, expect="GET /health-check")],
            output={
                "status": "READY",
                "works": True,
                "started_at": "2026-11-18T11:00:00.527Z",
                "ready_at": "2026-11-18T11:00:00.941Z",
                "setup_seconds": 0.414,
                "version": "0.23.1",
            },
        )
    ],
)
async def get_health(ctx: Context) -> ServerHealth:
    """Look at a server

    Says whether its model works, when it was started, and how long the model took to start. It fails when
    the server does not answer.
    """
    client: CogClient = ctx.connection
    health = await client.health()
    started, ready = parse_time(health.boot), parse_time(health.ready)
    version = health.version.get("coglet")
    return ServerHealth(
        status=health.status,
        works=health.works,
        started_at=started and iso(started),
        ready_at=ready and iso(ready),
        setup_seconds=round((ready - started).total_seconds(), 3) if started and ready else None,
        version=version if isinstance(version, str) else None,
    )
