"""The event of a run that many events went into."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["MOST_EVENTS", "batch_event", "batch_schema", "is_batched"]

Json = Any

MOST_EVENTS = 1000
"""Most events that go into one run; with so many a batch is full, whatever its author says."""


def batch_event(
    events: Sequence[Json],
    ids: Sequence[str],
    key: str | None,
    first_at: str,
    last_at: str,
) -> dict[str, Json]:
    """What ``trigger`` is in such a run; times are RFC 3339, of the first and the last event.

    Args:
        events: Each as its trigger gives it alone, in the order in which they were stored.
        ids: Of the events in the inbox, in the same order.
        key: What the trigger's `key` gave, None when it has none.
    """
    return {
        "events": list(events),
        "ids": list(ids),
        "count": len(events),
        "key": key,
        "first_at": first_at,
        "last_at": last_at,
    }


def batch_schema(event: Mapping[str, Any] | None) -> dict[str, Any]:
    """JSON Schema of `batch_event` for a trigger with this output schema; None: anything may come."""
    item = dict(event or {})
    # References lead to the top of a schema, wherever it stands.
    definitions = item.pop("$defs", None)
    moment = {"type": "string", "format": "date-time"}
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {
            "events": {"type": "array", "items": item if event else True},
            "ids": {"type": "array", "items": {"type": "string"}},
            "count": {"type": "integer"},
            "key": {"type": ["string", "null"]},
            "first_at": moment,
            "last_at": moment,
        },
        "required": ["events", "ids", "count", "key", "first_at", "last_at"],
        "additionalProperties": False,
    }
    return schema if definitions is None else {**schema, "$defs": definitions}


def is_batched(trigger: Mapping[str, Any]) -> bool:
    """Whether the runs of a trigger, as written in a definition, get `batch_event`."""
    debounce = trigger.get("debounce")
    return "batch" in trigger or (isinstance(debounce, Mapping) and debounce.get("events") == "all")
