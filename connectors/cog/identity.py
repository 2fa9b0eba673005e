"""Which model is behind the address, as far as a Cog server tells.

A Cog server has no name for its model, and none for its weights. What it tells of it:

- its schema (``/openapi.json``): another model nearly always takes or gives something else;
- its own version (``version`` in ``/health-check``; up to Cog 0.16 it says none);
- when it set up its model (``setup.started_at``).

Other weights under the same schema come with a new start, so by default a start counts: an output is
kept until the server is started again. An operator who knows that the model is the same after a start
says so with the connection's ``model_version``; then that counts in its place.
"""

from __future__ import annotations

from typing import Any

from hookline.sdk import Unavailable

from .client import CogClient
from .problems import not_working

__all__ = ["identity_of"]

Json = Any


async def identity_of(client: CogClient) -> Json:
    """What is different when another model would run.

    Raises:
        Unavailable: The server does not answer, its model does not work, or it does not tell when it
            was started and the connection has no ``model_version``.
    """
    health = await client.health()
    if not health.works:
        raise not_working(health.status)
    if not client.model_version and health.boot is None:
        raise Unavailable(
            "the Cog server does not tell when it was started",
            hint="name what it runs with the connection's model_version",
        )
    published = await client.published(health.boot)
    return {
        "schema": published.digest if published else None,
        "server": dict(health.version),
        **({"model_version": client.model_version} if client.model_version else {"started": health.boot}),
    }
