"""``hookline init``."""

from __future__ import annotations

import os
from pathlib import Path

import click

from .errors import FAILED, CliError
from .output import say
from .project import Project
from .schema import write_schema
from .starter import FOLDERS, SCHEMA_FILE, starter_files

__all__ = ["init"]


@click.command()
@click.argument("folder", default=".", type=click.Path(file_okay=False, path_type=Path), metavar="[DIR]")
def init(folder: Path) -> None:
    """Start a new project.

    Makes the folders connectors, triggers, actions and workflows, a workflow that runs, the
    settings, and what an editor needs to complete and check workflows. What is there already is
    left as it is.

    \b
      hookline init shop
      cd shop
      hookline run hello
    """
    from hookline.engine.settings import FIELDS

    project = Project(folder.resolve())
    try:
        for name in FOLDERS:
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name, text in starter_files(FIELDS, project.registry).items():
            _create(folder, name, text)
        is_new = not (folder / SCHEMA_FILE).exists()
        write_schema(project)
    except OSError as error:
        raise CliError(f"{error.filename}: {error.strerror}", exit_code=FAILED) from error
    say(f"  {'created' if is_new else 'updated'}  {SCHEMA_FILE}")
    say()
    say("Next:")
    if folder.resolve() != Path.cwd():
        say(f"  cd {_quoted(folder)}")
    for command in ("hookline validate", "hookline run hello --json", "hookline dev"):
        say(f"  {command}")


def _create(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        say(f"  kept     {name}")
    else:
        say(f"  created  {name}")


def _quoted(folder: Path) -> str:
    import shlex

    return shlex.quote(os.path.relpath(folder))
