"""Asking an address again and again, politely: only for what has changed (RFC 9110 §13)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hookline.sdk import BadInput, Http, Response, raise_for_status

__all__ = ["fetch", "key_of", "remembered"]

Json = Any

TIMEOUT = 60.0
"""Seconds for an answer."""

MAX_BYTES = 10_000_000
"""Largest answer."""

REDIRECTS = 3

_MAX_KEY = 200


async def fetch(
    http: Http, url: str, *, headers: Mapping[str, str], params: Mapping[str, str], known: Json, accept: str
) -> Response | None:
    """An answer, or None when it is what was had before.

    Args:
        known: What `remembered` gave for the answer before; None at the first time.

    Raises:
        ActionError: There is none.
    """
    sent = {"Accept": accept, **headers}
    if isinstance(known, Mapping) and known.get("of") == _name(url, params):
        for header, name in (("If-None-Match", "etag"), ("If-Modified-Since", "last_modified")):
            if isinstance(known.get(name), str):
                sent[header] = known[name]
    answer = await http.request(
        "GET",
        url,
        headers=sent,
        params=params or None,
        timeout=TIMEOUT,
        max_bytes=MAX_BYTES,
        follow_redirects=REDIRECTS,
    )
    if answer.status == 304:
        return None
    raise_for_status(answer, effect="read", service="The address")
    return answer


def remembered(answer: Response, url: str, params: Mapping[str, str]) -> Json:
    """What the next look says it has already; None when the service offers nothing for it."""
    told = {name.lower(): value for name, value in answer.headers.items()}
    found = {"etag": told.get("etag"), "last_modified": told.get("last-modified")}
    kept = {name: value for name, value in found.items() if value and len(value) <= _MAX_KEY}
    return {"of": _name(url, params), **kept} if kept else None


def key_of(identity: Any) -> str:
    """An event's key out of what an expression gave.

    Raises:
        BadInput: It is no text and no number.
    """
    if isinstance(identity, bool) or not isinstance(identity, str | int | float) or identity == "":
        raise BadInput("the key is no text and no number", hint="name something that every item has")
    text = str(identity)
    # Index entries have a size limit in every database.
    return text if len(text) <= _MAX_KEY else f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def _name(url: str, params: Mapping[str, str]) -> str:
    return hashlib.sha256(repr([url, sorted(params.items())]).encode()).hexdigest()[:32]
