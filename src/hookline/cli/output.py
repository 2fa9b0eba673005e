"""What goes to the terminal: data to standard output, everything else to standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

__all__ = [
    "STATUS_COLORS",
    "emit_json",
    "next_step",
    "on_terminal",
    "say",
    "shown_path",
    "status_text",
    "table",
    "usd_text",
]

Json = Any

STATUS_COLORS = {
    "succeeded": "green",
    "approved": "green",
    "done": "green",
    "failed": "red",
    "rejected": "red",
    "canceled": "yellow",
    "expired": "yellow",
    "unknown": "yellow",
    "retrying": "yellow",
    "waiting": "cyan",
    "pending": "cyan",
    "queued": "cyan",
    "running": "blue",
    "skipped": "bright_black",
    "filtered": "bright_black",
    "duplicate": "bright_black",
}
"""Colour of each status of runs, steps, events and approvals."""


def emit_json(document: Json) -> None:
    """Write one JSON document to standard output."""
    click.echo(json.dumps(document, indent=2, ensure_ascii=False))


def say(text: str = "") -> None:
    """Tell a person something, on standard error."""
    click.echo(text, err=True)


def on_terminal() -> bool:
    """Whether a person is watching standard error."""
    return sys.stderr.isatty()


def next_step(*commands: str) -> None:
    """Say what to do next; only to a person."""
    if on_terminal():
        for command in commands:
            say(click.style(f"next: {command}", dim=True))


def status_text(status: str, width: int = 0) -> str:
    """A status in its colour, padded."""
    return click.style(status.ljust(width), fg=STATUS_COLORS.get(status))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, status_column: int = -1) -> None:
    """Write columns to standard output; the header only for people."""
    shown = [list(header), *[list(row) for row in rows]] if sys.stdout.isatty() else [list(r) for r in rows]
    widths = [max((len(row[column]) for row in shown), default=0) for column in range(len(header))]
    for number, row in enumerate(shown):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        if number == 0 and sys.stdout.isatty():
            cells = [click.style(cell, bold=True) for cell in cells]
        elif status_column >= 0:
            cells[status_column] = status_text(row[status_column], widths[status_column])
        click.echo("  ".join(cells).rstrip())


def shown_path(path: Path) -> str:
    """A path as a person would write it: relative to where they are when it is below."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def usd_text(amount: float) -> str:
    """An amount of US dollars with its currency."""
    from hookline.core.units import format_usd

    return f"{format_usd(amount)} USD"
