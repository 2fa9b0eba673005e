"""The figures of one run side by side: bare journal, engine, HTTP, and the ratios between them.

    python benchmarks/overview.py [--runs 10000] [--finished 100000] [--waiting 100000] [--save]

``--save`` writes the figures with machine, versions and command to ``benchmarks/results/``, and into the
page ``docs/explanation/speed.md``.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import engine
import http_runs
import store
from saved import quote, save

PAGE = Path(__file__).parents[1] / "docs" / "explanation" / "speed.md"


def bare_journal(runs: int, in_flight: int) -> float:
    """Runs a second of the least that SQLite needs for five records a run."""
    with tempfile.TemporaryDirectory() as folder:
        journal = store.Bare(Path(folder))
        try:
            return runs / store.measure(journal, runs, in_flight)
        finally:
            journal.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--finished", type=int, default=100_000)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--save", action="store_true")
    options = parser.parse_args()
    figures: dict[str, Any] = {}
    units: dict[str, str] = {}

    def show(name: str, value: float, unit: str, note: str = "") -> None:
        figures[name], units[name] = round(value, 3), unit
        print(f"{name:<44} {value:10,.2f} {unit:<12} {note}", flush=True)

    # Each pair is measured one after the other, so that both meet the same machine.
    for in_flight in (50, 500):
        bare = bare_journal(options.runs * 2, in_flight)
        rate, used = engine.three_step_runs(options.runs, in_flight)
        show(f"bare group-commit journal, {in_flight} in flight", bare, "runs/s")
        show(
            f"engine without HTTP, {in_flight} in flight", rate, "runs/s", f"{rate / bare:.2f} of the journal"
        )
        show(f"engine's processor time, {in_flight} in flight", used, "us/run")
    bare = bare_journal(options.runs * 2, 50)
    throughput, waits = http_runs.measure(options.runs, 50, 500)
    note = f"{throughput / bare:.2f} of the journal ({bare:,.0f} runs/s beside it)"
    show("webhook to finished run, 50 connections", throughput, "runs/s", note)
    show("answer to a hook at 500/s, p50", statistics.median(waits) * 1e3, "ms")
    show("answer to a hook at 500/s, p99", waits[int(len(waits) * 0.99)] * 1e3, "ms")
    for items in (1_000, 10_000, 50_000):
        show(f"for_each over {items} items", engine.loop_items(items, 100), "items/s")
    # In turns, and the best of each: what else the machine does hits one of them as hard as the other.
    without = rate = 0.0
    for _ in range(3):
        without = max(without, engine.three_step_runs(options.runs, 500)[0])
        rate = max(rate, engine.three_step_runs(options.runs, 500, options.finished)[0])
    note = f"{rate / without:.2f} of {without:,.0f} runs/s with an empty one beside it"
    show(f"engine with {options.finished} finished runs in its file", rate, "runs/s", note)
    show("engine with an empty file beside it", without, "runs/s")
    waiting = engine.waiting_runs(options.waiting)
    show(
        f"memory of {options.waiting} waiting runs", waiting.megabytes, "MB", "above the process without them"
    )
    show(f"start with {options.waiting} waiting runs", waiting.started, "s")
    show("memory after that start", waiting.restarted, "MB", "above a process with an empty database")
    if options.save:
        quote(save("overview", figures), PAGE, units)


if __name__ == "__main__":
    sys.setswitchinterval(0.0005)
    main()
