"""Replicate's refusals as typed errors.

Bodies are problem documents (``title``, ``detail``, ``status``, ``invalid_fields``, ``errors``,
``retry_after``), of which any part may be missing; a 5xx may be an HTML page.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    InsufficientCredit,
    MalformedOutput,
    RateLimited,
    Response,
    Slower,
    told_by,
)
from hookline.sdk.http import raise_for_status, retry_after

__all__ = ["raise_problem", "told"]

Json = Any

_WAIT = re.compile(r"(?:in|~)\s?(\d{1,6})\s?s", re.IGNORECASE)
_REDUCED = re.compile(r"reduced to (\d{1,4}) requests per minute with a burst of (\d{1,4})", re.IGNORECASE)
"""What Replicate says to accounts with little credit (production, 2026)."""

_LONGEST = 1000


def raise_problem(response: Response, *, effect: Literal["check", "read"]) -> None:
    """Raise what a status outside 2xx means.

    Args:
        effect: ``check`` when the request would create a prediction: a 5xx then leaves open
            whether it did. ``read`` when repeating it does no harm.
    """
    if 200 <= response.status < 300:
        return
    problem = _problem(response)
    detail = _line(problem.get("detail")) or _line(problem.get("title"))
    match response.status:
        case 401:
            raise AuthenticationFailed(
                "Replicate refused the API token",
                hint="make a token at https://replicate.com/account/api-tokens and test the connection",
            )
        case 402:
            raise InsufficientCredit(
                f"Replicate: {detail or 'insufficient credit'}",
                hint="buy credit at https://replicate.com/account/billing and wait a few minutes",
            )
        case 429:
            raise RateLimited(
                f"Replicate: {detail or 'too many requests'}",
                retry_after=_wait(response, problem, detail),
                hint="nothing was created; below 5 USD of credit Replicate allows 6 predictions a minute",
            )
        case 400 | 422:
            raise BadInput(f"Replicate: {_findings(problem) or detail or 'the request is not valid'}")
    raise_for_status(response, effect=effect, service="Replicate", reason=detail)


def told(response: Response) -> Slower | None:
    """What an answer says about how often Replicate wants to be asked, in its headers or in words."""
    usual = told_by(response)
    if usual is None or response.status != 429:
        return usual
    problem = _problem(response)
    detail = _line(problem.get("detail"))
    wait = _wait(response, problem, detail)
    found = _REDUCED.search(detail)
    rate, burst = (max(float(found[1]), 1.0), max(int(found[2]), 1)) if found else (None, None)
    return Slower(usual.wait if wait is None else min(wait, 3600.0), rate, burst)


def _problem(response: Response) -> Mapping[str, Json]:
    try:
        value = response.json()
    except MalformedOutput:
        return {}
    return value if isinstance(value, Mapping) else {}


def _wait(response: Response, problem: Mapping[str, Json], detail: str) -> float | None:
    told = retry_after(response.headers)
    if told is not None:
        return told
    given = problem.get("retry_after")
    if isinstance(given, int | float) and not isinstance(given, bool) and given >= 0:
        return float(given)
    found = _WAIT.search(detail)
    return float(found.group(1)) if found else None


def _findings(problem: Mapping[str, Json]) -> str:
    """``/input/output_format: must be one of …``, one after the other."""
    found: list[str] = []
    for key, place in (("invalid_fields", "field"), ("errors", "pointer")):
        entries = problem.get(key)
        for entry in entries if isinstance(entries, list) else ():
            if isinstance(entry, Mapping):
                where = _line(entry.get(place))
                if where and not where.startswith("/"):
                    where = f"/{where.replace('.', '/')}"
                told = _line(entry.get("description")) or _line(entry.get("detail")) or "is not valid"
                found.append(f"{where}: {told}" if where else told)
    return "; ".join(found)[:_LONGEST]


def _line(value: Json) -> str:
    return " ".join(value.split())[:_LONGEST] if isinstance(value, str) else ""
