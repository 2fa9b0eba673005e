"""Which event is this? So that a second delivery starts nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from hookline.sdk import BadInput, render_event

from .._paths import MISSING, value_at
from .refusals import no_key, unusable

__all__ = ["event_key"]

_MAX_KEY = 200


def event_key(
    dedupe: str, kind: str, headers: Mapping[str, str], event: Mapping[str, Any], signed: str | None
) -> str:
    """The event's identity, or ``""`` when the sender gives none.

    Args:
        dedupe: ``header:X-Request-Id``, ``body.data.id``, an expression over the event, or ``""`` for what
            the scheme offers: its own identity, else the digest of what was signed together with a time.
        kind: ``auth.type``.
        headers: As they came; the event has no credentials.
        signed: SHA-256 of the signed bytes, when they hold a timestamp.

    Raises:
        HookRefused: `dedupe` names something that the request does not have.
    """
    body = event["body"]
    if "{{" in dedupe:
        return _short(_evaluated(dedupe, event))
    if dedupe:
        return _short(_named(dedupe, headers, body))
    known = {
        "standard_webhooks": headers.get("webhook-id"),
        "github": headers.get("x-github-delivery"),
        "stripe": _at(body, ".id"),
        "slack": _at(body, ".event_id"),
        "sns": _at(body, ".MessageId"),
    }.get(kind)
    if isinstance(known, str) and known:
        return _short(known)
    return f"signed:{signed}" if signed is not None else ""


def _evaluated(dedupe: str, event: Mapping[str, Any]) -> str:
    try:
        return _identity(render_event(dedupe, event), dedupe)
    except BadInput as error:
        raise no_key(f"dedupe: {error.message}") from error


def _identity(found: Any, where: str) -> str:
    if isinstance(found, bool) or not isinstance(found, str | int | float) or found == "":
        raise no_key(f"dedupe: the request has no text or number at {where[:80]}")
    return str(found)


def _named(dedupe: str, headers: Mapping[str, str], body: Any) -> str:
    if dedupe.startswith("header:"):
        found: Any = headers.get(dedupe.removeprefix("header:").strip().lower(), "")
    elif dedupe.startswith("body"):
        found = _at(body, dedupe.removeprefix("body"))
    else:
        raise unusable(f"dedupe: {dedupe[:80]!r} is neither header:<name> nor body.<path>")
    return _identity(found, dedupe)


def _at(body: Any, path: str) -> Any:
    """The value at ``.data.items[0].id``, None where there is none."""
    try:
        if not path:
            raise ValueError("it names nothing")
        found = value_at(body, path)
    except ValueError as error:
        raise unusable(f"dedupe: body{path[:80]} is not a path like body.data.id") from error
    return None if found is MISSING else found


def _short(key: str) -> str:
    # Index entries have a size limit in every database.
    return key if len(key) <= _MAX_KEY else f"sha256:{hashlib.sha256(key.encode()).hexdigest()}"
