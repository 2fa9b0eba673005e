"""The page about speed quotes the newest figures that were saved, and only those."""

from __future__ import annotations

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (?!what|---)(.+?) \| (-?[\d,.]+) ?(.*) \|$", re.MULTILINE)


def test_the_figures_are_those_of_the_newest_result() -> None:
    newest = max((ROOT / "benchmarks" / "results").glob("overview-*.json"))
    saved = json.loads(newest.read_text("utf-8"))["figures"]
    page = (ROOT / "docs" / "explanation" / "speed.md").read_text("utf-8")
    quoted = {name: figure for name, figure, _ in ROW.findall(page)}
    assert quoted == {name: shown(value) for name, value in saved.items()}
    assert newest.name in page


def shown(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
