"""Figures in Prometheus' text format, from counters in memory: nothing here looks through a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hookline import __version__
from hookline.engine.engine import Engine
from hookline.store.port import StoreError

__all__ = ["METRICS_TYPE", "metrics_text"]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

EVENT_STATES = ("received", "duplicate", "filtered", "rejected")
FINISHED_STATUSES = ("succeeded", "failed", "canceled")

Sample = tuple[str, float]
"""Labels as they are written (``{state="received"}`` or nothing), and the value."""

Add = Callable[[str, str, str, Iterable[Sample]], None]


def metrics_text(engine: Engine) -> str:
    """What this process has done since it started, and what it is doing."""
    counts = engine.counts()
    healthy = engine.health().ok
    lines: list[str] = []

    def add(name: str, kind: str, what: str, samples: Iterable[Sample]) -> None:
        lines.append(f"# HELP hookline_{name} {what}")
        lines.append(f"# TYPE hookline_{name} {kind}")
        lines.extend(f"hookline_{name}{labels} {value}" for labels, value in samples)

    add("info", "gauge", "The version that runs.", [(f'{{version="{__version__}"}}', 1)])
    add(
        "events_total",
        "counter",
        "Events taken in by this process, by what became of them.",
        [(f'{{state="{state}"}}', counts.events[state]) for state in EVENT_STATES],
    )
    add("runs_opened_total", "counter", "Runs begun by this process.", [("", counts.runs_opened)])
    add(
        "runs_finished_total",
        "counter",
        "Runs finished by this process, by their status.",
        [(f'{{status="{status}"}}', counts.runs_finished[status]) for status in FINISHED_STATUSES],
    )
    add("attempts_executing", "gauge", "Attempts of actions under way.", [("", counts.executing)])
    add("runs_active", "gauge", "Runs in this process's hands, not waiting.", [("", counts.active)])
    try:
        backlog: list[Sample] = [("", engine.store.open_runs())]
    except StoreError:
        # A figure that cannot be had is left out: 0 would say that there is nothing to do.
        backlog, healthy = [], False
    add("backlog_runs", "gauge", "Runs queued or running in the database.", backlog)
    add("runs_to_come", "gauge", "Runs that events in the database wait for.", [("", counts.to_come)])
    add("backlog_limit", "gauge", "Backlog from which hooks answer 503.", [("", counts.max_backlog)])
    _add_limits(engine, add)
    add("store_up", "gauge", "Whether the database can be written.", [("", 1 if healthy else 0)])
    return "\n".join(lines) + "\n"


def _add_limits(engine: Engine, add: Add) -> None:
    """The queues at the services, as far as this process has asked them for anything."""
    figures = engine.turntable.figures()
    labels = [f'{{connection="{",".join(each.connections)}",limit="{each.limit}"}}' for each in figures]
    for name, what, values in (
        ("limit_waiting", "Steps that wait for their turn at a service.", [each.waiting for each in figures]),
        ("limit_oldest_seconds", "How long the first of them has waited.", [each.oldest for each in figures]),
        (
            "limit_blocked_seconds",
            "How long the service wants no request.",
            [each.blocked for each in figures],
        ),
    ):
        add(name, "gauge", what, zip(labels, (round(value, 3) for value in values), strict=True))
