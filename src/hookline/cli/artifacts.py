"""``hookline artifacts``."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from .errors import FAILED, CliError, translated
from .foreground import opened
from .output import emit_json, next_step, say
from .project import Project, pass_project
from .root import Group

if TYPE_CHECKING:
    from hookline.engine.collecting import Look

__all__ = ["PAUSE_SECONDS", "artifacts"]

PAUSE_SECONDS = 10.0
"""Between the two looks of ``clean``: whatever is being recorded meanwhile is on disk by then."""


@click.group(cls=Group)
def artifacts() -> None:
    """Look at kept files, and remove unused ones.

    Files and large values of runs are kept for as long as anything refers to them. A server removes the
    others by itself, some time after the grace period.

    \b
      hookline artifacts show
      hookline artifacts clean
    """


_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@artifacts.command()
@_as_json
@pass_project
def show(project: Project, as_json: bool) -> None:
    """Show how much is kept, and what would go. Nothing is changed."""
    with opened(project) as engine, translated():
        found = engine.collector.look()
    if as_json:
        emit_json({"schema": "hookline.artifacts/1", **_document(found)})
        return
    _print(found)
    if found.unused and not found.reason:
        next_step("hookline artifacts clean")


@artifacts.command()
@_as_json
@pass_project
def clean(project: Project, as_json: bool) -> None:
    """Remove what no run, event, cached output or approval refers to.

    Younger files than artifacts_grace says are left. It looks twice, ten seconds apart.
    """
    with opened(project) as engine, translated():
        first, _, _ = engine.collector.collect()
        if first.reason:
            raise CliError(f"nothing is removed: {first.reason}", exit_code=FAILED)
        if first.unused:
            time.sleep(PAUSE_SECONDS)
        found, count, size = engine.collector.collect()
    if as_json:
        removed = {"count": count, "bytes": size}
        emit_json({"schema": "hookline.artifacts/1", **_document(found), "removed": removed})
        return
    say(f"removed {_amount((count, size))}")


def _document(found: Look) -> dict[str, Any]:
    def amount(of: tuple[int, int]) -> dict[str, int]:
        return {"count": of[0], "bytes": of[1]}

    return {
        "kept": amount(found.kept),
        "referred": amount(found.referred),
        "too_young": amount(found.waiting),
        "unused": amount((len(found.unused), found.unused_bytes)),
        "kept_before": _time(found.cutoff),
        "reason": found.reason,
    }


def _print(found: Look) -> None:
    click.echo(f"kept       {_amount(found.kept)}")
    click.echo(f"referred   {_amount(found.referred)}")
    click.echo(f"too young  {_amount(found.waiting)}, which nothing refers to")
    click.echo(f"unused     {_amount((len(found.unused), found.unused_bytes))}")
    if found.held_since is not None:
        click.echo(f"held back  what was kept since {_time(found.held_since)}: a run executes since then")
    if found.reason:
        click.echo(f"nothing is removed: {found.reason}")


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _amount(of: tuple[int, int]) -> str:
    count, size = of
    return f"{count} file{'' if count == 1 else 's'}, {size:,} bytes"
