"""``hookline triggers``."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from .errors import DONE, FAILED, USAGE, CliError, did_you_mean
from .office import project_office, refused
from .output import emit_json, next_step, say, table
from .project import Project, pass_project
from .root import Group
from .run import complete_workflow

if TYPE_CHECKING:
    from hookline.core.plan import TriggerPlan
    from hookline.sdk import SetupStep, Trigger

__all__ = ["triggers"]

Json = Any


@click.group(cls=Group)
def triggers() -> None:
    """Look at what starts workflows, and set up what it needs elsewhere.

    \b
      hookline triggers list
      hookline triggers setup s3 new-picture
      hookline triggers setup s3 new-picture --apply
    """


@triggers.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@click.option("--server", metavar="URL", envvar="HOOKLINE_SERVER", help="Ask this server, which looks.")
@pass_project
def list_(project: Project, as_json: bool, server: str | None) -> None:
    """List triggers: what each watches, its last look, and what is wrong.

    Only a server looks: its last looks and problems are shown with --server.
    """
    with project_office(project, server) as office:
        found = office.triggers()
    if as_json:
        emit_json({"schema": "hookline.triggers/1", **found})
        return
    rows = [
        (
            each["workflow"],
            each["trigger"],
            each["uses"],
            ", ".join([*each["watches"], *([f"/hooks/{each['path']}"] if each["path"] else [])]),
            each["last_look"] or ("yes" if each["has_looked"] else ""),
            each["problem"],
        )
        for each in found["triggers"]
    ]
    table(("WORKFLOW", "TRIGGER", "USES", "WATCHES", "LOOKED", "PROBLEM"), rows)
    if not rows:
        say("no workflow has a trigger")


@triggers.command()
@click.argument("kind")
@click.argument("workflow", shell_complete=complete_workflow)
@click.option("--trigger", "which", metavar="ID", help="Which of several: its id, or its place from 0.")
@click.option("--queue", metavar="NAME", help="Name of the queue; hookline-<workflow> when left out.")
@click.option("--account", metavar="NUMBER", help="The AWS account of bucket and queue; asked for else.")
@click.option("--check", is_flag=True, help="Ask what is there, change nothing; 1 if something is not.")
@click.option("--apply", "makes", is_flag=True, help="Make what is missing, beside what is there.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_project
def setup(
    project: Project,
    kind: str,
    workflow: str,
    which: str | None,
    queue: str | None,
    account: str | None,
    check: bool,
    makes: bool,
    as_json: bool,
) -> int:
    """Print what a workflow's trigger needs elsewhere; with --apply, make it.

    KIND is the trigger's connection type: s3. Without --check and --apply nobody is asked.
    """
    name, trigger, declared = _chosen(project, kind, workflow, which)
    given = {"queue": queue, "account": account}
    options = {option: value for option, value in given.items() if value is not None}
    found = asyncio.run(_go(project, name, trigger, declared, options, looks=check or makes, makes=makes))
    if as_json:
        steps = [
            {
                "title": each.step.title,
                "document": each.step.document,
                "state": each.step.state,
                "done": each.done,
            }
            for each in found
        ]
        emit_json({"schema": "hookline.setup/1", "workflow": name, "steps": steps})
    else:
        for each in found:
            _show(each)
        if not makes and any(each.step.apply is not None for each in found):
            next_step(f"hookline triggers setup {kind} {workflow} --apply")
    is_missing = any(each.step.state == "missing" and not each.done for each in found)
    return FAILED if is_missing else DONE


@dataclass(frozen=True, slots=True)
class _Context:
    """`hookline.sdk.SetupContext`."""

    workflow: str
    connection: Any
    look: bool
    options: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Shown:
    """A step, and what was done about it; empty when nothing was."""

    step: SetupStep
    done: str = ""


def _show(each: _Shown) -> None:
    states = {"missing": "missing", "present": "is there", "unknown": "needed"}
    if each.step.apply is None:  # only a person can
        states |= {"missing": "missing, for you to see to", "unknown": "for you"}
    state = each.done or states[each.step.state]
    click.echo(f"{click.style(each.step.title, bold=True)}: {state}")
    click.echo(json.dumps(each.step.document, indent=2, ensure_ascii=False))
    click.echo()


def _chosen(
    project: Project, kind: str, workflow: str, which: str | None
) -> tuple[str, TriggerPlan, Trigger]:
    """The workflow's name, and its trigger that is to be set up."""
    workflows, name = project.workflow(workflow)
    all_ = [
        (trigger, project.registry.triggers[trigger.uses])
        for trigger in workflows.plans[name].triggers
        if trigger.uses in project.registry.triggers
    ]
    able = [(trigger, declared) for trigger, declared in all_ if declared.setup is not None]
    found = [
        (trigger, declared)
        for trigger, declared in able
        if declared.connection == kind and which in (None, trigger.id, str(trigger.index))
    ]
    if not found:
        kinds = sorted({declared.connection or declared.name for _, declared in able})
        known = f"it can be set up: {', '.join(kinds)}" if kinds else "its triggers need nothing elsewhere"
        raise CliError(
            f"{name!r} has no trigger of {kind!r} that can be set up",
            hint=did_you_mean(kind, kinds, known),
            exit_code=USAGE,
        )
    trigger, declared = found[0]
    return name, trigger, declared


async def _go(
    project: Project,
    workflow: str,
    trigger: TriggerPlan,
    declared: Trigger,
    options: Mapping[str, str],
    *,
    looks: bool,
    makes: bool,
) -> Sequence[_Shown]:
    from hookline.engine.http import GuardedClient, Policy
    from hookline.sdk import ActionError

    assert declared.setup is not None
    assert declared.connection is not None
    client = GuardedClient(Policy(allow_origins=tuple(project.settings.list("allow_origins"))))
    # What is set up is asked for by the connection alone; there are no files.
    files: Any = None
    shown = []
    try:
        name = trigger.connection or declared.connection
        connection = project.connections.open(name, declared.connection, client, files)
        context = _Context(workflow, connection, looks, options)
        for step in await declared.setup(context, **declared.bind(trigger.parameters)):
            needs = makes and step.apply is not None and step.state != "present"
            shown.append(_Shown(step, await step.apply() if needs and step.apply is not None else ""))
    except ActionError as error:
        for each in shown:
            _show(each)
        raise refused(error.message, code=error.code, hint=error.hint) from error
    finally:
        await client.aclose()
    return shown
