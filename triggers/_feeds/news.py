"""Which items are new."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hookline.sdk import BadInput, TriggerContext, TriggerEvent, render_event

from .fetch import key_of

__all__ = ["News", "sort_out"]

Json = Any


@dataclass(slots=True)
class News:
    """What a look gives, in order."""

    events: list[TriggerEvent] = field(default_factory=list)
    skipped: list[tuple[TriggerEvent, str]] = field(default_factory=list)
    baseline: list[str] = field(default_factory=list)


def sort_out(ctx: TriggerContext, key: str, found: Sequence[Mapping[str, Json]], *, seed: bool) -> News:
    """The events that were not had before.

    Args:
        key: An expression over an event.
        seed: Remember all of them, and start nothing.
    """
    keyed: dict[str, TriggerEvent] = {}
    broken: dict[str, tuple[TriggerEvent, str]] = {}
    for data in found:
        try:
            name = key_of(render_event(key, data))
            keyed.setdefault(name, TriggerEvent(name, data))
        except BadInput as error:
            # One item that does not fit must not keep the others out, nor be told at every look.
            digest = hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
            event = TriggerEvent(f"unkeyed:{digest}", data)
            broken[event.key] = (event, f"it has no key: {error.message}")
    if seed:
        return News(baseline=[*keyed, *broken])
    known = ctx.seen([*keyed, *broken])
    return News(
        [event for name, event in keyed.items() if name not in known],
        [pair for name, pair in broken.items() if name not in known],
    )
