"""``hookline runs``."""

from __future__ import annotations

import getpass
import time
from typing import Any

import click

from .errors import DONE, FAILED, INTERRUPTED, TIMED_OUT, CliError, translated
from .inputs import DURATION, JSON
from .office import MAX_PAGE, Office, at_office, office_of, parse_since
from .output import emit_json, next_step, say, status_text, table, usd_text
from .progress import say_how_to_decide
from .project import Project, pass_project
from .root import Group
from .run import complete_workflow
from .shown_texts import ShownTexts

__all__ = ["runs", "whoever"]

Json = Any

STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "canceled")
LOOK_SECONDS = 1.0
"""How often a server is asked about a run that is watched."""


def whoever() -> str:
    """The name of the person at this terminal."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "cli"


@click.group(cls=Group)
def runs() -> None:
    """Look at runs, cancel, replay and resume them.

    They are those of the project's database, or with --server those of a server.

    \b
      hookline runs list --status failed
      hookline runs show RUN
      hookline runs resume RUN
    """


@runs.command("list")
@click.option("--workflow", help="Only of this workflow.", shell_complete=complete_workflow)
@click.option("--status", type=click.Choice(STATUSES), help="Only with this status.")
@click.option("--since", callback=parse_since, help="Only newer ones: 2h, or 2026-11-20T09:00:00Z.")
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_office
def list_(
    office: Office, workflow: str | None, status: str | None, since: float | None, limit: int, as_json: bool
) -> None:
    """List runs, newest first."""
    found = office.runs(workflow, status, since, limit)
    if as_json:
        emit_json({"schema": "hookline.runs/1", **found})
        return
    rows = [
        (run["id"], run["workflow"], run["status"], run["created_at"], _says(run)) for run in found["runs"]
    ]
    table(("RUN", "WORKFLOW", "STATUS", "CREATED", ""), rows, status_column=2)
    if not rows:
        say("no runs")
    elif found["next"] is not None:
        say(f"more than {limit}; see --limit, --status and --since")
    else:
        next_step(f"hookline runs show {rows[0][0]}")


def _says(run: Json) -> str:
    if run["error"]:
        return f"{run['error'].get('code')}: {run['error'].get('message')}"
    return f"waiting for {run['waiting_for']}" if run["waiting_for"] else ""


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--history", is_flag=True, help="Every event of the run in place of its steps.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's document.")
@at_office
def show(office: Office, run_id: str, history: bool, as_json: bool) -> None:
    """Show a run with its steps."""
    if history:
        found = office.history(run_id)
        if as_json:
            emit_json({"schema": "hookline.history/1", **found})
            return
        rows = [(str(each["seq"]), each["at"], each["kind"], each["path"]) for each in found["history"]]
        table(("SEQ", "AT", "EVENT", "STEP"), rows)
        return
    run = office.run(run_id)
    if as_json:
        emit_json(run)
        return
    _show_run(run)
    for step in run["steps"]:
        approval = (step["waiting_for"] or {}).get("approval")
        if approval is not None:
            may_decide = office.approval(approval)["operator_may_decide"]
            say_how_to_decide(approval, office.address, is_operators=may_decide)
    if run["status"] in ("failed", "canceled"):
        next_step(f"hookline runs resume {run_id}", f"hookline runs replay {run_id}")


def _show_run(run: Json) -> None:
    click.echo(f"{click.style(run['id'], bold=True)}  {run['workflow']}  {status_text(run['status'])}")
    for name in ("version", "event", "created_at", "finished_at", "waiting_for", "replay_of"):
        if run[name] is not None:
            click.echo(f"  {name}: {run[name]}")
    if run["cost_usd"]:
        click.echo(f"  cost: {usd_text(run['cost_usd'])}")
    if run["error"]:
        click.echo(f"  error: {run['error'].get('code')}: {run['error'].get('message')}")
        if run["error"].get("hint"):
            click.echo(f"  hint: {run['error']['hint']}")
    click.echo()
    rows = [
        (_label(step), step["uses"] or "", step["status"], str(step["attempts"]), _about(step))
        for step in run["steps"]
    ]
    table(("STEP", "USES", "STATUS", "TRIES", ""), rows, status_column=2)
    if run["output"] is not None:
        click.echo("\noutput:")
        emit_json(run["output"])


def _label(step: Json) -> str:
    """A step's id with the items it stands for, ``fetch#0``; its path when it has no id."""
    from hookline.core.plan import split_path

    if not step["id"]:
        return str(step["path"])
    return "#".join([step["id"], *map(str, split_path(step["path"])[1])])


def _about(step: Json) -> str:
    count = step.get("interruptions", 0)
    interrupted = f"interrupted {'once' if count == 1 else f'{count} times'}" if count else ""
    settling = [f"settling: {each['reason']}, next look {each['until']}" for each in step.get("settling", ())]
    return "; ".join(filter(None, (interrupted, _now(step), *settling)))


def _now(step: Json) -> str:
    if step["error"]:
        return f"{step['error'].get('code')}: {step['error'].get('message')}"
    if step["waiting_for"]:
        from hookline.core.records import LOOKED_AT

        waiting = step["waiting_for"]
        word = ", next look" if waiting["kind"] in LOOKED_AT else " until"
        return f"waiting for {waiting['reason']}" + (f"{word} {waiting['until']}" if waiting["until"] else "")
    return ""


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--timeout", type=DURATION, help="Stop watching after this long. Example: 60s.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's document at the end.")
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="Watch a run of this server.")
@pass_project
def watch(project: Project, run_id: str, timeout: float | None, as_json: bool, server: str | None) -> int:
    """Show a run as it goes on.

    Only looks: if no server and no other command executes the run, it says so. The exit code is
    that of `hookline run`.
    """
    if server is not None:
        with office_of(project, server) as office:
            return _watch_server(office, run_id, timeout, as_json=as_json)
    from .foreground import opened, report
    from .foreground import watch as watch_run
    from .progress import Progress

    with opened(project) as engine, translated():
        row = engine.store.run(run_id)
        if row is None:
            raise _no_run(run_id)
        if run_id in engine.store.abandoned_runs(100_000):
            say("nobody executes this run; go on here with:")
            say(f"  hookline runs resume {run_id}")
        progress = Progress(engine.plans.get(row.version), engine.registry.actions, engine.redactor)
        try:
            row = watch_run(engine, run_id, progress, timeout)
        except KeyboardInterrupt:
            return INTERRUPTED
        return report(engine, row, as_json=as_json)


def _watch_server(office: Office, run_id: str, timeout: float | None, *, as_json: bool) -> int:
    until = None if timeout is None else time.monotonic() + timeout
    told: dict[str, str] = {}
    with ShownTexts(office, run_id) as texts:
        while True:
            run = office.run(run_id)
            for step in run["steps"]:
                if told.get(step["path"]) != step["status"]:
                    told[step["path"]] = step["status"]
                    texts.end_line()
                    say(f"{status_text(step['status'], 10)} {_label(step):<20} {_about(step)}".rstrip())
            is_over = run["finished_at"] is not None
            if is_over or (until is not None and time.monotonic() >= until):
                break
            try:
                texts.write_for(LOOK_SECONDS)
            except KeyboardInterrupt:
                return INTERRUPTED
    say(f"{run_id} {status_text(run['status'])}")
    if as_json:
        emit_json(run)
    if not is_over:
        return TIMED_OUT
    return DONE if run["status"] == "succeeded" else FAILED


def _no_run(run_id: str) -> CliError:
    return CliError(f"there is no run {run_id!r}", code="R405", hint="see `hookline runs list`")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--reason", default="", help="Why; it stands in the run.")
@at_office
def cancel(office: Office, run_id: str, reason: str) -> None:
    """Ask a run to stop.

    Whoever executes the run stops it: its open steps are canceled, then its `finally` runs. A run
    that nobody executes stops as soon as a server or `hookline runs resume` takes it up.
    """
    answer = office.cancel(run_id, reason, whoever())
    say(f"{run_id}: was asked to stop before" if answer["duplicate"] else f"{run_id}: asked to stop")
    next_step(f"hookline runs watch {run_id}")


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--from", "first_step", metavar="STEP", help="Take over what steps before this one gave.")
@click.option("--input", "given", type=JSON, default=None, help="Another input or event than the run had.")
@click.option("--version", type=click.Choice(["original", "latest"]), default="original", show_default=True)
@click.option("--detach", is_flag=True, help="Leave the execution to a server.")
@click.option("--json", "as_json", is_flag=True, help="Print the new run's document.")
@click.option("--timeout", type=DURATION, help="Stop watching after this long; the run stays.")
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="Replay a run of this server.")
@pass_project
def replay(
    project: Project,
    run_id: str,
    first_step: str | None,
    given: Json,
    version: str,
    detach: bool,
    as_json: bool,
    timeout: float | None,
    server: str | None,
) -> int:
    """Run again with the same event, as a new run.

    In the foreground, unless --detach or --server leaves it to a server.
    """
    from .again import replay_run

    options: dict[str, Json] = {"version": version, "from": first_step}
    return replay_run(
        project,
        run_id,
        options,
        given,
        server=server,
        detach=detach,
        as_json=as_json,
        timeout=timeout,
    )


@runs.command()
@click.argument("run_id", metavar="RUN")
@click.option("--version", type=click.Choice(["original", "latest"]), default="original", show_default=True)
@click.option("--detach", is_flag=True, help="Leave the execution to a server.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's document.")
@click.option("--timeout", type=DURATION, help="Stop watching after this long; the run stays.")
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="Resume a run of this server.")
@pass_project
def resume(
    project: Project,
    run_id: str,
    version: str,
    detach: bool,
    as_json: bool,
    timeout: float | None,
    server: str | None,
) -> int:
    """Go on with a run.

    A failed or canceled run goes on from what did not succeed; a run that was left open, by
    Ctrl-C or a crash, goes on where it was. In the foreground, unless --detach or --server leaves
    it to a server.
    """
    from .again import resume_run

    return resume_run(
        project, run_id, version, server=server, detach=detach, as_json=as_json, timeout=timeout
    )
