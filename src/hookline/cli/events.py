"""``hookline events``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from .errors import CliError, translated
from .inputs import DURATION, JSON, start_values
from .office import MAX_PAGE, Local, Office, at_office, office_of, parse_since
from .output import emit_json, next_step, say, table
from .project import Project, pass_project
from .root import Group
from .run import complete_workflow, deploy_with_callees

__all__ = ["events"]

Json = Any
Function = TypeVar("Function", bound=Callable[..., Any])

STATES = ("received", "duplicate", "filtered", "rejected")
RUN_STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "canceled")
_VERSION = click.option(
    "--version", type=click.Choice(["original", "latest"]), default="original", show_default=True
)


def filtered(function: Function) -> Function:
    """Give a command the options that choose events; it gets them as ``where``."""
    for option in (
        click.option("--until", callback=parse_since, help="Received before this; as --since."),
        click.option(
            "--since",
            callback=parse_since,
            help='Received since then: "2h" ago, or a time with its zone.',
        ),
        click.option("--key", help="With this dedupe key."),
        click.option("--run-status", type=click.Choice(RUN_STATUSES), help="Whose run has this status."),
        click.option("--state", type=click.Choice(STATES), help="In this state."),
        click.option("--trigger", help="Of this trigger component."),
        click.option("--workflow", help="For this workflow.", shell_complete=complete_workflow),
    ):
        function = option(function)
    return function


def _where(given: dict[str, Json]) -> dict[str, Json]:
    """Take the options of `filtered` out of a command's arguments."""
    names = ("workflow", "state", "trigger", "key", "run_status", "since", "until")
    return {name: value for name in names if (value := given.pop(name)) is not None}


@click.group(cls=Group)
def events() -> None:
    """Look at what came in, send and replay events.

    They are those of the project's database, or with --server those of a server.

    \b
      hookline events list --state rejected
      hookline events send moderate-upload --data @event.json
      hookline events replay --run-status failed --since 2h --rate 5/s
    """


@events.command("list")
@filtered
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_office
def list_(office: Office, /, limit: int, as_json: bool, **given: Json) -> None:
    """List events, newest first."""
    found = office.events(_where(given), limit)
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
            " ".join(event["runs"]) if event["state"] in ("running", "done") else event["reason"] or "",
        )
        for event in found["events"]
    ]
    table(("EVENT", "TRIGGER", "WORKFLOW", "STATE", "RECEIVED", ""), rows, status_column=3)
    if not rows:
        say("no events")
    elif found["next"] is not None:
        say(f"more than {limit}; see --limit, --state, --workflow and --since")


@events.command()
@click.argument("event_id", metavar="EVENT")
@at_office
def show(office: Office, event_id: str) -> None:
    """Show an event with its headers, body and data, as JSON."""
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
@click.argument("trigger")
@click.option("--last", is_flag=True, help="The newest real event in place of the declared example.")
@click.option("--workflow", help="With --last: of this workflow.", shell_complete=complete_workflow)
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="With --last: of this server.")
@pass_project
def sample(project: Project, trigger: str, last: bool, workflow: str | None, server: str | None) -> None:
    """Print an event of a trigger as its workflows see it: the declared example, or a real one.

    \b
      hookline events sample s3_upload > event.json
      hookline events sample webhook --last | hookline run price --input -
    """
    from hookline.core.expressions.errors import did_you_mean

    if not last:
        declared = project.registry.triggers.get(trigger)
        if declared is None:
            hint = did_you_mean(trigger, project.registry.triggers) or "see `hookline connectors list`"
            raise CliError(f"there is no trigger {trigger!r}", code="D402", hint=hint)
        emit_json(dict(declared.sample))
        return
    with office_of(project, server) as office:
        where = {"trigger": trigger, "workflow": workflow}
        found = office.events({name: value for name, value in where.items() if value is not None}, 50)
        for event in found["events"]:
            data = office.event(event["id"])["data"] if event["state"] != "duplicate" else None
            if data is not None:
                say(f"event {event['id']}, received at {event['received_at']}")
                emit_json(data)
                return
    raise CliError(f"no event of the trigger {trigger!r} is kept", code="R414")


@events.command()
@click.argument("event_ids", metavar="[EVENT]...", nargs=-1)
@filtered
@click.option("--limit", type=click.IntRange(1), help="At most so many events, the oldest ones.")
@_VERSION
@click.option("--rate", metavar="N/UNIT", help="Of several: how many in a second, minute or hour: 5/s.")
@click.option("--name", help="Of several: under one name each event is replayed once.")
@click.option("--dry-run", is_flag=True, help="Of several: only say how many they are.")
@click.option("-y", "--yes", is_flag=True, help="Of several: do not ask.")
@click.option("--detach", is_flag=True, help="Of one: leave the execution to a server.")
@click.option("--json", "as_json", is_flag=True, help="Print the new run's document, or the ids.")
@click.option("--timeout", type=DURATION, help="Of one: stop watching after this long; the run stays.")
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="Replay events of this server.")
@pass_project
def replay(
    project: Project,
    /,
    event_ids: tuple[str, ...],
    limit: int | None,
    version: str,
    rate: str | None,
    name: str | None,
    dry_run: bool,
    yes: bool,
    detach: bool,
    as_json: bool,
    timeout: float | None,
    server: str | None,
    **given: Json,
) -> int:
    """Run the workflows of events again with the same events.

    One EVENT is replayed and watched here. Of several, or of all that fit the options, the runs are
    left to a server. They are started oldest first; when it is interrupted, the same --name goes on
    where it stopped.

    \b
      hookline events replay evt_0192
      hookline events replay --workflow orders --run-status failed --since 2h --rate 5/s --version latest
    """
    from .replay_events import replay_one, replay_several

    where = _where(given)
    if event_ids and where:
        raise CliError("name events, or choose them with options, not both")
    if not event_ids and not where:
        raise CliError(
            "which events?", hint="name them, or choose them with --workflow, --state, --since and others"
        )
    if len(event_ids) == 1:
        return replay_one(
            project,
            event_ids[0],
            version,
            name,
            server=server,
            detach=detach,
            as_json=as_json,
            timeout=timeout,
        )
    options: Mapping[str, Json] = {"version": version, "rate": rate, "name": name, "limit": limit}
    return replay_several(
        project, event_ids, where, options, server=server, dry_run=dry_run, yes=yes, as_json=as_json
    )
