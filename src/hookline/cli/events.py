"""``hookline events``."""

from __future__ import annotations

from typing import Any

import click

from .errors import CliError, translated
from .inputs import DURATION, JSON, start_values
from .office import MAX_PAGE, Local, Office, at_office, office_of
from .output import emit_json, next_step, say, table
from .project import Project, pass_project
from .root import Group
from .run import complete_workflow, deploy_with_callees

__all__ = ["events"]

Json = Any

STATES = ("received", "duplicate", "filtered", "rejected")


@click.group(cls=Group)
def events() -> None:
    """Look at what came in, send and replay events.

    They are those of the project's database, or with --server those of a server.

    \b
      hookline events list --state rejected
      hookline events send moderate-upload --data @event.json
    """


@events.command("list")
@click.option("--workflow", help="Only for this workflow.", shell_complete=complete_workflow)
@click.option("--state", type=click.Choice(STATES), help="Only in this state.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_office
def list_(office: Office, workflow: str | None, state: str | None, limit: int, as_json: bool) -> None:
    """List events, newest first."""
    found = office.events(state, workflow, limit)
    if as_json:
        emit_json({"schema": "hookline.events/1", **found})
        return
    rows = [
        (
            event["id"],
            event["trigger"],
            event["workflow"] or "",
            event["state"],
            event["received_at"],
            event["reason"] or " ".join(event["runs"]),
        )
        for event in found["events"]
    ]
    table(("EVENT", "TRIGGER", "WORKFLOW", "STATE", "RECEIVED", ""), rows, status_column=3)
    if not rows:
        say("no events")
    elif found["next"] is not None:
        say(f"more than {limit}; see --limit, --state and --workflow")


@events.command()
@click.argument("event_id", metavar="EVENT")
@at_office
def show(office: Office, event_id: str) -> None:
    """Show an event with its headers and body, as JSON."""
    event = office.event(event_id)
    emit_json(event)
    if event["runs"]:
        next_step(f"hookline runs show {event['runs'][0]}")


@events.command()
@click.argument("workflow", shell_complete=complete_workflow)
@click.option("--data", type=JSON, default=None, help="The event, or the workflow's inputs.")
@click.option("--sample", is_flag=True, help="Use the trigger's own example.")
@click.option("--json", "as_json", is_flag=True, help="Print the ids as JSON.")
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="Send it to this server.")
@pass_project
@click.pass_context
def send(
    ctx: click.Context,
    project: Project,
    workflow: str,
    data: Json,
    sample: bool,
    as_json: bool,
    server: str | None,
) -> int:
    """Send an event to a workflow, and leave its run to a server.

    To execute the run here, use `hookline run`.
    """
    from .again import handing_over, tell_accepted

    has_data = ctx.get_parameter_source("data") is not click.core.ParameterSource.DEFAULT
    if server is not None:
        with office_of(project, server) as office:
            # The server knows what the workflow takes; a manual one's event is its input.
            given = data if isinstance(data, dict) else None
            return tell_accepted(office.start(workflow, data, given), as_json=as_json)
    workflows, name = project.workflow(workflow)
    plan = workflows.plans[name]
    event, inputs = start_values(plan, project.registry, data, has_input=has_data, sample=sample)
    with handing_over(project) as engine, translated():
        deploy_with_callees(engine, workflows, plan)
        return tell_accepted(Local(engine).start(name, event, inputs), as_json=as_json)


@events.command()
@click.argument("event_id", metavar="EVENT")
@click.option("--version", type=click.Choice(["original", "latest"]), default="original", show_default=True)
@click.option("--detach", is_flag=True, help="Leave the execution to a server.")
@click.option("--json", "as_json", is_flag=True, help="Print the new run's document.")
@click.option("--timeout", type=DURATION, help="Stop watching after this long; the run stays.")
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="Replay an event of this server.")
@pass_project
def replay(
    project: Project,
    event_id: str,
    version: str,
    detach: bool,
    as_json: bool,
    timeout: float | None,
    server: str | None,
) -> int:
    """Run an event's workflow again with the same event."""
    from .again import replay_run, tell_accepted

    with office_of(project, server) as office:
        if server is not None:
            return tell_accepted(office.replay_event(event_id, version), as_json=as_json)
        event = office.event(event_id)
        if not event["runs"]:
            raise CliError(f"the event {event_id!r} started no run: {event['state']}", code="R414")
    return replay_run(
        project,
        event["runs"][0],
        {"version": version, "from": None},
        None,
        server=None,
        detach=detach,
        as_json=as_json,
        timeout=timeout,
    )
