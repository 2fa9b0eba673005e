"""Keeps the figures of a benchmark in ``benchmarks/results/``, with machine, versions and command."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

__all__ = ["machine", "quote", "save"]


def machine() -> dict[str, Any]:
    """What it ran on, and how busy that was in the last minutes."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "cpu": next(names, platform.processor()),
        "cores": os.cpu_count(),
        "load": [round(each, 1) for each in os.getloadavg()],
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
    }


def save(name: str, figures: Mapping[str, Any]) -> Path:
    """Write the figures of the benchmark of this name, under today's date; gives the file.

    Args:
        figures: By what they are, with the unit where the name does not say it.
    """
    command = "python " + " ".join([f"benchmarks/{name}.py", *sys.argv[1:]])
    document = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "machine": machine(),
        "figures": figures,
    }
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{time.strftime('%Y-%m-%d', time.gmtime())}.json"
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")
    return path


def quote(saved: Path, page: Path, units: Mapping[str, str]) -> None:
    """Put the figures of a result into the section ``## Figures`` of a page, in place of those there."""
    result = json.loads(saved.read_text("utf-8"))
    on = result["machine"]
    rows = [
        f"| {name} | {f'{value:,.0f}' if value >= 100 else f'{value:.2f}'} {units[name]} |"
        for name, value in result["figures"].items()
    ]
    section = [
        f"From `benchmarks/results/{saved.name}` (`{result['command']}`):",
        f"{on['cores']} cores ({on['cpu']}), Python {on['python']}, SQLite {on['sqlite']}.",
        f"Load averages at the end, other work included: {', '.join(map(str, on['load']))}.",
        "",
        "| what | figure |",
        "| --- | --- |",
        *rows,
    ]
    before, heading, after = page.read_text("utf-8").partition("## Figures\n")
    _, following, rest = after.partition("\n## ")
    page.write_text(before + heading + "\n" + "\n".join(section) + "\n" + following + rest, "utf-8")
