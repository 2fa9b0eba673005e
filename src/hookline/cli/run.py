"""``hookline run``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from .errors import translated
from .inputs import DURATION, JSON, start_values
from .project import Project, pass_project

if TYPE_CHECKING:
    from hookline.core.plan import Plan
    from hookline.engine.engine import Engine
    from hookline.engine.workflows import Workflows

__all__ = ["complete_workflow", "deploy_with_callees", "run"]

_NOT_GIVEN = object()


def complete_workflow(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the project's workflows, for shells."""
    folder = ctx.find_root().params.get("folder")
    project = Project.find(Path(folder) if folder else None)
    return [CompletionItem(name) for name in project.workflow_names() if name.startswith(incomplete)]


@click.command()
@click.argument("workflow", shell_complete=complete_workflow)
@click.option("--input", "given", type=JSON, default=None, help="The input, or the trigger's event.")
@click.option("--sample", is_flag=True, help="Use the trigger's own example as the event.")
@click.option("--dry-run", is_flag=True, help="Show what would happen; nothing is sent or stored.")
@click.option("--json", "as_json", is_flag=True, help="Print the run's document.")
@click.option("--timeout", type=DURATION, help="Stop watching after this long; the run stays. Example: 60s.")
@click.option("-q", "--quiet", is_flag=True, help="No line for each step.")
@pass_project
@click.pass_context
def run(
    ctx: click.Context,
    project: Project,
    workflow: str,
    given: Any,
    sample: bool,
    dry_run: bool,
    as_json: bool,
    timeout: float | None,
    quiet: bool,
) -> int:
    """Run a workflow once, in the foreground.

    WORKFLOW is a name or a file. The run is stored in the project's database like any other:
    Ctrl-C, a --timeout or a crash leaves it open, and it goes on where it was. The output of the
    run is printed; --json prints the whole document.

    The exit code is 0 when the run succeeded, 1 when it failed (4 when a service refused the
    credentials), 5 when it is still open.

    \b
      hookline run hello --input '{"name": "Ada"}'
      hookline run moderate-upload --input @event.json --json
      hookline run moderate-upload --sample --dry-run
    """
    has_input = ctx.get_parameter_source("given") is not click.core.ParameterSource.DEFAULT
    workflows, name = project.workflow(workflow)
    plan = workflows.plans[name]
    event, inputs = start_values(plan, project.registry, given, has_input=has_input, sample=sample)
    if dry_run:
        from .dry_run import dry_run_command

        return dry_run_command(project, workflows, plan, event, inputs, as_json=as_json)
    return _run(project, workflows, plan, event, inputs, as_json=as_json, timeout=timeout, quiet=quiet)


def _run(
    project: Project,
    workflows: Workflows,
    plan: Plan,
    event: Any,
    inputs: Any,
    *,
    as_json: bool,
    timeout: float | None,
    quiet: bool,
) -> int:
    from .foreground import Foreground, report

    with Foreground(project, quiet=quiet) as foreground:
        engine = foreground.engine
        with translated():
            deploy_with_callees(engine, workflows, plan)
            accepted = engine.start_run(plan.name, event, inputs, source="cli")
        assert accepted.run_id is not None
        try:
            row = foreground.follow(accepted.run_id, plan, timeout)
        except KeyboardInterrupt:
            return foreground.interrupted(accepted.run_id)
        return report(engine, row, as_json=as_json)


def deploy_with_callees(engine: Engine, workflows: Workflows, plan: Plan) -> None:
    """Deploy a workflow and those it calls, however far, and those that start when one of them has ended."""
    from hookline.engine.workflows import followed

    waiting, seen = [plan.name], {plan.name}
    while waiting:
        current = workflows.plans.get(waiting.pop())
        if current is None:
            continue
        engine.deploy(current)
        called = {node.options["workflow"] for node in current.by_path.values() if node.kind == "call"}
        waiting += sorted(called - seen)
        seen |= called
    for other in workflows.plans.values():
        for trigger in other.triggers:
            if seen.intersection(followed(trigger, engine.registry.triggers.get(trigger.uses))):
                engine.deploy(other)
    engine.workflows.files = workflows.files
