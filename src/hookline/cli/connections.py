"""``hookline connections``."""

from __future__ import annotations

from typing import Any

import click

from .office import Office, at_office
from .output import emit_json, say, table
from .root import Group

__all__ = ["connections"]

Json = Any


@click.group(cls=Group)
def connections() -> None:
    """Look at connections and their limits.

    Connections are configured in `hookline.toml` and in the environment.
    """


@connections.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_office
def list_(office: Office, as_json: bool) -> None:
    """List connections, their limits, and who waits for a turn.

    The queues are those of a server: ask it with --server.
    """
    found: Json = office.connections()
    if as_json:
        emit_json({"schema": "hookline.connections/1", **found})
        return
    rows = []
    for each in found["connections"]:
        shown = [_limit(limit) for limit in each["limits"]]
        if each["concurrency"] is not None:
            shown.append(f"{each['concurrency']} at a time")
        rows.append((each["name"], each["type"], ", ".join(shown)))
    table(("CONNECTION", "TYPE", "LIMITS"), rows)
    if not rows:
        say("no connections")


def _limit(limit: Json) -> str:
    rate = "as it says" if limit["per_minute"] is None else f"{limit['per_minute']:g} a minute"
    text = f"{limit['name']} {rate}"
    if limit["waiting"]:
        text += f" ({limit['waiting']} waiting, the first for {limit['oldest_seconds']:.0f} s)"
    if limit["blocked_seconds"]:
        text += f" (blocked for {limit['blocked_seconds']:.0f} s)"
    return text
