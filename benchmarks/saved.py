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

__all__ = ["machine", "save"]


def machine() -> dict[str, Any]:
    """What it ran on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return {
        "cpu": next(names, platform.processor()),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.machine()}",
    }


def save(name: str, figures: Mapping[str, Any]) -> None:
    """Write the figures of the benchmark of this name, under today's date.

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
