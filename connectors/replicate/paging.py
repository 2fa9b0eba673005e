"""Lists: as many entries as asked for, and a cursor to go on from exactly there.

A cursor is the rest of a list's address below ``/v1/`` as Replicate gave it, and how many entries of
that page were had already. It names no host, so it cannot lead the token anywhere else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from hookline.sdk import BadInput, Field, MalformedOutput

from .client import ReplicateClient

__all__ = ["Cursor", "Limit", "Listed", "listed"]

Json = Any

_CURSOR = re.compile(r"[!-~]+#[0-9]{1,5}", re.ASCII)
MAX_PAGES = 12
"""Pages of one call. Replicate gives about 100 entries a page, and takes no size."""

Limit = Annotated[
    int, Field("Most entries; pages are read until there are so many.", minimum=1, maximum=1000)
]
Cursor = Annotated[
    str | None, Field("next of an earlier call, to go on from there.", advanced=True, max_length=4000)
]


@dataclass(frozen=True, slots=True)
class Listed:
    """Part of a list.

    Attributes:
        next: Where it goes on, None at its end.
    """

    results: list[Json]
    next: str | None


async def listed(
    client: ReplicateClient,
    path: str,
    *,
    limit: int,
    cursor: str | None = None,
    params: Mapping[str, str | None] | None = None,
) -> Listed:
    """Read a list.

    Args:
        path: Below ``/v1/``.
        params: Of the first page; a cursor has its own.

    Raises:
        BadInput: The cursor is not one of this list.
        MalformedOutput: A page is none, or continues on another host.
    """
    given = {name: value for name, value in (params or {}).items() if value is not None}
    place, skip = (f"{path}?{urlencode(given)}" if given else path), 0
    if cursor is not None:
        place, skip = _read(cursor, path)
    found: list[Json] = []
    for _ in range(MAX_PAGES):
        page = await client.get(place)
        results = page.get("results") if isinstance(page, Mapping) else None
        if not isinstance(results, list):
            raise MalformedOutput("Replicate answered a list that is none")
        taken = results[skip : skip + limit - len(found)]
        found += taken
        if skip + len(taken) < len(results):
            return Listed(found, f"{place}#{skip + len(taken)}")
        following = client.same_origin(page.get("next"))
        if following is None:
            return Listed(found, None)
        place, skip = following.removeprefix(client.base_url), 0
        if len(found) >= limit:
            break
    return Listed(found, f"{place}#0")


def _read(cursor: str, path: str) -> tuple[str, int]:
    place, _, skip = cursor.rpartition("#")
    if place.partition("?")[0] != path or not _CURSOR.fullmatch(cursor):
        raise BadInput("cursor is not one of this list", hint="give what next was in an earlier call")
    return place, int(skip)
