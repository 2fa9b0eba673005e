"""``hookline schedules``."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import click

from .office import project_office
from .output import emit_json, say, table
from .project import Project, pass_project
from .root import Group
from .run import complete_workflow
from .runs import whoever

__all__ = ["schedules"]

Json = Any
F = TypeVar("F", bound=Callable[..., Any])

MAX_SHOWN = 1000


@click.group(cls=Group)
def schedules() -> None:
    """Look at schedules, pause them, and make up for a range of time.

    They are those of the project, or with --server those of a server.

    \b
      hookline schedules list
      hookline schedules next nightly-report --count 3
      hookline schedules backfill nightly-report --from 2026-03-01 --to 2026-03-07 --dry-run
    """


def _server(function: F) -> F:
    return click.option(
        "--server",
        metavar="URL",
        envvar="HOOKLINE_SERVER",
        help="Ask this server instead of the project; its token is in HOOKLINE_TOKEN.",
    )(function)


def _one(function: F) -> F:
    """The workflow, and which of its schedules."""
    which = click.option("--trigger", metavar="ID", help="Which of several: its id, or its place from 0.")
    return click.argument("workflow", shell_complete=complete_workflow)(which(_server(function)))


_as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


@schedules.command("list")
@_as_json
@_server
@pass_project
def list_(project: Project, as_json: bool, server: str | None) -> None:
    """List schedules with their next ticks."""
    with project_office(project, server) as office:
        found = office.schedules()
    if as_json:
        emit_json({"schema": "hookline.schedules/1", **found})
        return
    rows = [
        (
            each["workflow"],
            each["trigger"],
            _state(each),
            "" if each["paused"] else each["next"] or "",
            _pattern(each["with"]),
        )
        for each in found["schedules"]
    ]
    table(("WORKFLOW", "TRIGGER", "STATE", "NEXT", ""), rows, status_column=2)
    if not rows:
        say("no schedules")


def _state(schedule: Json) -> str:
    if schedule["problem"]:
        return "failed"
    return "paused" if schedule["paused"] else "active"


def _pattern(given: Json) -> str:
    pattern = given.get("cron") or given.get("every") or f"{len(given.get('at') or ())} dates"
    return f"{pattern} {given['time_zone']}" if "time_zone" in given else str(pattern)


@schedules.command("next")
@_one
@click.option("--count", type=click.IntRange(1, MAX_SHOWN), default=5, show_default=True)
@_as_json
@pass_project
def next_(
    project: Project, workflow: str, trigger: str | None, count: int, as_json: bool, server: str | None
) -> None:
    """Print the next ticks, in the schedule's own time zone."""
    with project_office(project, server) as office:
        found = office.next_ticks(workflow, trigger, count)
    if as_json:
        emit_json({"schema": "hookline.ticks/1", **found})
    else:
        for tick in found["ticks"]:
            click.echo(tick)


@schedules.command()
@_one
@_as_json
@pass_project
def pause(project: Project, workflow: str, trigger: str | None, as_json: bool, server: str | None) -> None:
    """Let no tick start anything until it is resumed.

    Ticks that come meanwhile are recorded as skipped. It survives a restart.
    """
    with project_office(project, server) as office:
        found = office.pause_schedule(workflow, trigger, whoever())
    _tell(found, as_json, f"{workflow} is paused since {found['paused_since'][:19]}Z")


@schedules.command()
@_one
@_as_json
@pass_project
def resume(project: Project, workflow: str, trigger: str | None, as_json: bool, server: str | None) -> None:
    """Let ticks start runs again, those from now on."""
    with project_office(project, server) as office:
        found = office.resume_schedule(workflow, trigger, whoever())
    _tell(found, as_json, f"{workflow} ticks again at {found['next'] or 'no time any more'}")


def _tell(found: Json, as_json: bool, text: str) -> None:
    if as_json:
        emit_json({"schema": "hookline.schedule/1", **found})
    else:
        say(text)


@schedules.command()
@_one
@click.option("--from", "since", metavar="TIME", required=True, help="A date, or a time, inclusive.")
@click.option("--to", "until", metavar="TIME", required=True, help="A date, or a time, inclusive.")
@click.option("--dry-run", is_flag=True, help="Only say what would be started.")
@click.option(
    "--per-minute",
    type=click.IntRange(1, 60_000),
    default=60,
    show_default=True,
    help="Runs started in a minute.",
)
@_as_json
@pass_project
def backfill(
    project: Project,
    workflow: str,
    trigger: str | None,
    since: str,
    until: str,
    dry_run: bool,
    per_minute: int,
    as_json: bool,
    server: str | None,
) -> None:
    """Start a run for each tick of a range that has started none.

    A time without a zone is one of the schedule's own. Ticks that ran are left alone, so a backfill that
    was interrupted is simply given again. The runs are left to a server.
    """
    told: list[Json] = []
    with project_office(project, server) as office:
        following: str | None = since
        while following is not None:
            part = office.backfill(workflow, trigger, following, until, MAX_SHOWN if dry_run else 1, dry_run)
            following = part["next"]
            for tick in part["ticks"]:
                told.append(tick)
                if not as_json:
                    table(("TICK", "STATE", "RUN"), [(tick["at"], tick["state"], tick["run"] or "")])
            if following is not None and any(tick["state"] == "started" for tick in part["ticks"]):
                time.sleep(60 / per_minute)
    if as_json:
        emit_json({"schema": "hookline.backfill/1", "workflow": workflow, "ticks": told})
    elif not told:
        say("no ticks in this range")
