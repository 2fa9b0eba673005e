"""``hookline costs``."""

from __future__ import annotations

from typing import Any

import click

from .office import Office, at_office
from .output import emit_json, say, table

__all__ = ["costs"]

Json = Any


def _moment(ctx: click.Context, param: click.Parameter, value: str | None) -> float | None:
    """A day, a time with its zone, or how long ago."""
    import time

    from hookline.core.units import parse_duration
    from hookline.engine.costs import day_start

    if value is None:
        return None
    try:
        return time.time() - parse_duration(value)
    except ValueError:
        pass
    try:
        return day_start(value)
    except (ValueError, OverflowError):
        raise click.BadParameter('write "7d", a day such as 2026-11-20, or a time with its zone') from None


@click.command()
@click.option(
    "--by",
    type=click.Choice(["day", "workflow", "model"]),
    default="day",
    show_default=True,
    help="What to add up by.",
)
@click.option("--since", callback=_moment, help="The first day; 30 days in all by default.")
@click.option("--until", callback=_moment, help="The last day; today by default.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_office
def costs(office: Office, by: str, since: float | None, until: float | None, as_json: bool) -> None:
    """Add up what was spent, by estimate.

    Days are those of UTC. Runs that are forgotten still count.

    \b
      hookline costs --since 7d
      hookline costs --by model --since 2026-11-01 --until 2026-11-30
    """
    found: Json = office.costs(by, since, until)
    if as_json:
        emit_json(found)
        return
    from hookline.core.units import format_usd

    rows = [
        (str(row[by]), format_usd(row["usd"]), str(row["count"]), format_usd(row["highest_usd"]))
        for row in found["rows"]
    ]
    table((by.upper(), "USD", "CHARGES", "HIGHEST"), rows)
    say(f"{format_usd(found['total_usd'])} USD from {found['since']} to {found['until']}, an estimate")
