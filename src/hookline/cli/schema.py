"""``hookline schema``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .files import write_text
from .output import emit_json, next_step, say, shown_path
from .project import Project, pass_project
from .starter import SCHEMA_FILE

__all__ = ["schema", "write_schema"]


@click.command()
@click.option("--write", is_flag=True, help=f"Write it to {SCHEMA_FILE}, where workflows look for it.")
@pass_project
def schema(project: Project, write: bool) -> None:
    """Print the JSON Schema of workflows, for editors.

    It is made from what is installed here, so that an editor completes and checks every
    component's parameters. Run it again after installing or changing a component.

    \b
      hookline schema --write
    """
    if write:
        say(f"wrote {shown_path(write_schema(project))}")
        next_step('let a workflow begin with "$schema": "../.hookline/workflow.schema.json"')
    else:
        from hookline.core.schema import workflow_schema

        project.note_unavailable()
        emit_json(workflow_schema(project.installed))


def write_schema(project: Project) -> Path:
    """Write the schema of workflows into the project; gives the file.

    Components that are not in it, because they could not be loaded, are named on standard error.

    Raises:
        CliError: This is no project.
        OSError: It cannot be written.
    """
    from hookline.core.schema import workflow_schema

    project.require()
    project.note_unavailable()
    path = project.path / SCHEMA_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(workflow_schema(project.installed), indent=2, ensure_ascii=False) + "\n")
    return path
