"""What a Cog server's refusals mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from hookline.sdk import (
    ActionError,
    BadInput,
    MalformedOutput,
    NotFound,
    RateLimited,
    Response,
    Unavailable,
)
from hookline.sdk.http import raise_for_status

__all__ = ["BUSY_SECONDS", "busy", "not_working", "raise_problem"]

BUSY_SECONDS = 2.0
"""Seconds to wait for a free slot: a Cog server has no queue."""

STARTING_SECONDS = 5.0


def busy() -> RateLimited:
    """Every slot is taken."""
    return RateLimited(
        "the Cog server is busy",
        retry_after=BUSY_SECONDS,
        hint="it runs as many predictions at once as it has slots (COG_MAX_CONCURRENCY) and has no queue: "
        "limit the connection's concurrency; up to Cog 0.16, a server that could not deliver a result stays "
        "busy until it is killed",
    )


def not_working(status: str) -> ActionError:
    """The server runs and its model does not."""
    if status == "STARTING":
        return Unavailable("the Cog server is still setting up its model", retry_after=STARTING_SECONDS)
    return Unavailable(
        f"the Cog server's model does not work ({status})",
        hint="look at the setup logs in GET /health-check and restart the server: it does not recover alone",
    )


def raise_problem(response: Response) -> None:
    """Raise what an answer to a prediction outside 2xx means."""
    status = response.status
    if 200 <= status < 300:
        return
    told = _told(response)
    if status == 409:
        raise busy()
    if status == 503:
        raise Unavailable(
            f"the Cog server does not take predictions: {told or 'not ready'}", retry_after=STARTING_SECONDS
        )
    if status in (400, 415, 422):
        raise BadInput(f"the model refuses its input: {told or status}")
    if status in (404, 405):
        raise NotFound(
            "the server has no PUT /predictions/<id>",
            hint="check the base_url; Cog servers before 0.3 do not have it",
        )
    effect: Literal["check"] = "check"
    raise_for_status(response, effect=effect, service="The Cog server", reason=told)


def _told(response: Response) -> str:
    """What the server says, of both generations: ``detail`` is a text or a list of findings."""
    try:
        body = response.json()
    except MalformedOutput:
        return " ".join(response.text.split())[:300]
    if not isinstance(body, Mapping):
        return ""
    detail = body.get("detail") or body.get("error")
    if not isinstance(detail, list):
        return str(detail or "")[:1000]
    found = []
    for entry in detail:
        if isinstance(entry, Mapping):
            place = entry.get("loc")
            parts = [str(part) for part in place if part != "body"] if isinstance(place, list) else []
            found.append(f"/{'/'.join(parts)}: {entry.get('msg')}")
    return "; ".join(found)[:1000]
