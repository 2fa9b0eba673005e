"""A trigger that takes the lines of a file as a queue's messages: what it acknowledged is not given again."""

from __future__ import annotations

import os
from pathlib import Path

from hookline.sdk import Poll, TriggerContext, TriggerEvent, trigger

FEED = Path(os.environ["FAULT_FEED"])
DONE = FEED.with_suffix(".done")


LINE = {"type": "object", "properties": {"line": {"type": "string"}}}


@trigger("feed", kind="poll", interval=1, sample={"line": "x"}, output=LINE)
def feed(ctx: TriggerContext) -> Poll:
    """A line is added to a file"""
    lines = FEED.read_text().splitlines() if FEED.exists() else []
    done = set(DONE.read_text().splitlines()) if DONE.exists() else set()
    left = [line for line in lines if line not in done]

    async def acknowledge() -> None:
        with DONE.open("a") as file:
            file.writelines(f"{line}\n" for line in left)

    found = [TriggerEvent(f"line-{line}", {"line": line}) for line in left]
    return Poll(found, cursor=len(lines), acknowledge=acknowledge)
