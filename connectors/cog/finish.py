"""From a prediction that is over to the step's result: its files kept, its failure typed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from hookline.sdk import (
    ActionError,
    Canceled,
    Context,
    File,
    OutcomeUnknown,
    RateLimited,
    Unavailable,
)
from hookline.sdk.expectations import check_output
from hookline.sdk.model_files import Archived, ModelSchema, archive
from hookline.sdk.predictions import Prediction, failure, parse_time, succeeded

from .client import CogClient, Snapshot
from .records import Waiting, Wanted

__all__ = ["charge", "finish"]

Json = Any

_OVER = "the model ran, and the server keeps nothing: change its input, or what is expected of its output"


def charge(ctx: Context, client: CogClient, wanted: Wanted, seconds: float | None) -> float | None:
    """Add what a prediction that is over cost to the step; None when no price or time is known."""
    cost = None
    if wanted.usd_per_second is not None and seconds is not None:
        cost = round(wanted.usd_per_second * seconds, 8)
    ctx.cost(cost or 0.0, of=wanted.model or client.base_url)
    return cost


async def finish(
    ctx: Context, client: CogClient, wanted: Wanted, waiting: Waiting, snapshot: Snapshot
) -> Prediction:
    """The normalised result of a prediction that is over.

    Raises:
        ActionError: It did not succeed, or its output cannot be kept or is not what was expected.
        RateLimited, Unavailable, OutcomeUnknown: A file of it cannot be fetched just now.
    """
    job = f"Cog prediction {waiting.job}"
    try:
        if snapshot.status == "canceled":
            raise Canceled(f"{job} was canceled")
        if snapshot.status == "failed":
            raise failure(snapshot.error, job=job)
        output = await _kept(ctx, client, snapshot)
    except (RateLimited, Unavailable, OutcomeUnknown):
        raise  # It is tried again, and is charged for once it is here.
    except ActionError:
        charge(ctx, client, wanted, snapshot.predict_seconds)
        raise
    cost = charge(ctx, client, wanted, snapshot.predict_seconds)
    completed_at = snapshot.completed_at or ctx.now()
    result = succeeded(
        provider="cog",
        job_id=waiting.job,
        model=wanted.model or client.base_url,
        output=output,
        created_at=snapshot.created_at or _time(waiting.since, completed_at),
        completed_at=completed_at,
        attempts=ctx.attempt,
        cost_usd=cost,
    )
    return check_output(result, wanted.expect, hint=_OVER) if wanted.expect else result


async def _kept(ctx: Context, client: CogClient, snapshot: Snapshot) -> Archived:
    """The output, its files in the artifact store."""

    async def download(url: str, name: str) -> File:
        http = client.http if client.owns(url) else ctx.http
        return await http.download(url, name=name)

    noted = ctx.notes.get("model")
    schema = ModelSchema(noted["output"]) if noted else None
    output = snapshot.output
    if output is None and schema is not None and noted["drops_empty"]:
        output = _empty(schema.output)
    return await archive(output, files=ctx.files, download=download, schema=schema, addresses="if_declared")


def _empty(node: Mapping[str, Json]) -> Json:
    """What a null stands for: up to Cog 0.16 it takes the place of every output that Python calls false."""
    if node.get("nullable") or node.get("format") == "uri" or node.get("required"):
        return None
    empty: Mapping[str, Json] = {
        "string": "",
        "integer": 0,
        "number": 0,
        "boolean": False,
        "array": [],
        "object": {},
    }
    return empty.get(str(node.get("type")))


def _time(text: str, otherwise: datetime) -> datetime:
    return parse_time(text) or otherwise
