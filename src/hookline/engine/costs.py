"""What was spent, added up out of the ledger. All figures are estimates; the ledger outlives the runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hookline.store.port import Store, day_of

__all__ = ["BY", "COSTS_SCHEMA", "DEFAULT_DAYS", "costs_document", "day_start"]

Json = Any

COSTS_SCHEMA = "hookline.costs/1"
BY = ("day", "workflow", "model")
"""What can be added up by."""

DEFAULT_DAYS = 30


def day_start(text: str) -> float:
    """The moment of a day (UTC, ``2026-11-20``) or of a time with its zone, in seconds since the epoch.

    Raises:
        ValueError: It is neither.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) != len("2026-11-20"):
            raise ValueError("a time needs its zone")
        moment = moment.replace(tzinfo=UTC)
    return moment.timestamp()


def costs_document(
    store: Store, by: str, since: float | None, until: float | None, *, now: float
) -> dict[str, Json]:
    """What was spent, by day, workflow or model.

    Args:
        by: One of `BY`.
        since: The first day's moment; `DEFAULT_DAYS` before the last when None.
        until: The last day's; today when None.
    """
    last = now if until is None else until
    first = last - (DEFAULT_DAYS - 1) * 86400.0 if since is None else since
    sums: dict[str, list[float]] = {}
    rows = store.costs(first, last)
    for row in rows:
        key = {"day": row.day, "workflow": row.workflow, "model": row.of}[by]
        entry = sums.setdefault(key, [0.0, 0, 0.0])
        entry[0] += row.usd
        entry[1] += row.count
        entry[2] = max(entry[2], row.most)
    ordered = sorted(sums.items(), key=lambda item: (0.0 if by == "day" else -item[1][0], item[0]))
    return {
        "schema": COSTS_SCHEMA,
        "by": by,
        "since": day_of(first),
        "until": day_of(last),
        "is_estimate": True,
        "total_usd": round(sum(row.usd for row in rows), 6),
        "rows": [
            {by: key, "usd": round(usd, 6), "count": int(count), "highest_usd": round(most, 6)}
            for key, (usd, count, most) in ordered
        ],
    }
