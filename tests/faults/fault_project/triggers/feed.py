"""A trigger that reads the lines of a file."""

from __future__ import annotations

import os
from pathlib import Path

from hookline.sdk import Poll, TriggerContext, TriggerEvent, trigger

FEED = Path(os.environ["FAULT_FEED"])


LINE = {"type": "object", "properties": {"line": {"type": "string"}}}


@trigger("feed", kind="poll", interval=1, sample={"line": "x"}, output=LINE)
def feed(ctx: TriggerContext) -> Poll:
    """A line is added to a file"""
    seen = int(ctx.cursor or 0)
    lines = FEED.read_text().splitlines() if FEED.exists() else []
    found = [TriggerEvent(f"line-{number}", {"line": lines[number]}) for number in range(seen, len(lines))]
    return Poll(found, cursor=len(lines))
