"""The page on durability lists the crash points as they are, and each stands in the code once."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import hookline
from hookline.crashpoints import POINTS

SOURCE = Path(hookline.__file__).parent
PAGE = Path(__file__).parents[2] / "docs/explanation/durability.md"


def test_the_page_lists_every_crash_point() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert dict(rows) == POINTS
    assert len(rows) == len(POINTS)


def test_every_crash_point_stands_in_the_code() -> None:
    calls = Counter(
        name
        for path in SOURCE.rglob("*.py")
        for name in re.findall(r'(?<!def )\bcrashpoint\("([^"]+)"\)', path.read_text())
    )
    assert set(calls) == set(POINTS)
