"""The project a command works on."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .errors import INVALID, CliError, did_you_mean, translated

if TYPE_CHECKING:
    from hookline.engine.connections import Connections
    from hookline.engine.registry import Registry
    from hookline.engine.settings import Settings
    from hookline.engine.workflows import Installed, Workflows

__all__ = ["Project", "pass_project"]


class Project:
    """A folder with workflows, and what is installed and configured for it; read at the first use.

    Args:
        path: Its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flags: dict[str, str | None] = {}

    @classmethod
    def find(cls, folder: Path | None) -> Project:
        """The project of a folder; without one, the nearest above the current folder."""
        if folder is not None:
            return cls(folder.resolve())
        here = Path.cwd()
        for candidate in (here, *here.parents):
            if (candidate / "hookline.toml").is_file():
                return cls(candidate)
        return cls(here)

    @property
    def exists(self) -> bool:
        """Whether the folder is a project's: it has a hookline.toml."""
        return (self.path / "hookline.toml").is_file()

    def require(self) -> None:
        """For what makes sense in a project only.

        Raises:
            CliError: The folder has no hookline.toml.
        """
        if not self.exists:
            raise CliError(
                f"there is no hookline.toml in {self.path}",
                hint="go to the project's folder, name it with --project, or start one with `hookline init`",
            )

    def require_database(self) -> None:
        """For what looks at runs: `run FILE` keeps one outside of a project, too.

        Raises:
            CliError: The folder is no project's, nobody named a database, and none is in the folder.
        """
        is_named = self.settings.origins["database_url"] != "default"
        if not is_named and not (self.path / self.settings["database_url"].partition(":///")[2]).is_file():
            self.require()

    @property
    def workflows_folder(self) -> Path:
        return self.path / "workflows"

    @cached_property
    def settings(self) -> Settings:
        """Its settings.

        Raises:
            CliError: They cannot be read.
        """
        from hookline.engine.settings import load_settings

        with translated():
            return load_settings(self.path, os.environ, self.flags)

    @cached_property
    def registry(self) -> Registry:
        """What is installed.

        Raises:
            CliError: It contradicts itself.
        """
        from hookline.engine.loader import load_registry

        with translated():
            return load_registry(self.path)

    @cached_property
    def connections(self) -> Connections:
        """What is configured."""
        from hookline.engine.connections import Connections
        from hookline.engine.redaction import Redactor

        return Connections(self.settings, self.registry, Redactor())

    @cached_property
    def installed(self) -> Installed:
        """What definitions are checked against."""
        from hookline.engine.workflows import Installed

        return Installed.of(self.registry, self.connections)

    def note_unavailable(self) -> None:
        """Say which of the project's own components could not be loaded, on standard error."""
        for each in self.registry.unavailable:
            if each.is_own:
                note = click.style("note", fg="yellow", bold=True)
                click.echo(f"{note}: {each.place} could not be loaded: {each.reason}", err=True)
                click.echo(f"    hint: {each.hint}", err=True)

    def load(self, paths: Iterable[Path] = ()) -> Workflows:
        """Read and check these files together with the project's own, which come behind them.

        A file from elsewhere stands in for the project's workflow of the same name.
        """
        from hookline.engine.workflows import find_workflows, load_workflows, read_workflow

        given = list(dict.fromkeys(path.resolve() for path in paths))
        folder = self.workflows_folder.resolve()
        replaced = {read_workflow(path).name for path in given if path.parent != folder}
        own = [path for path in find_workflows(folder) if path not in given]
        if replaced:
            own = [path for path in own if read_workflow(path).name not in replaced]
        return load_workflows([*given, *own], self.installed, self.registry)

    def workflow(self, name: str) -> tuple[Workflows, str]:
        """Load a workflow named by its name or its file, and the others that it may call.

        Returns:
            What was loaded, and the workflow's name.

        Raises:
            CliError: There is none, or it has errors (exit code 3).
        """
        from hookline.engine.workflows import SUFFIXES

        from .findings import print_findings

        path = Path(name)
        is_path = path.suffix in SUFFIXES or len(path.parts) > 1
        if not is_path:
            self.require()
        if is_path and not path.is_file():
            raise CliError(f"there is no file {name!r}", hint=did_you_mean(name, self.workflow_names()))
        self.note_unavailable()
        workflows = self.load([path] if is_path else [])
        if is_path:
            file = workflows.files[0]
        else:
            found = next((file for file in workflows.files if file.name == name), None)
            if found is None:
                names = [file.name for file in workflows.files]
                known = (
                    f"known: {', '.join(names)}" if names else f"there are none in {self.workflows_folder}"
                )
                raise CliError(f"there is no workflow {name!r}", hint=did_you_mean(name, names, known))
            file = found
        if file.plan is None:
            print_findings([file])
            raise CliError(f"{file.name} is not valid; nothing was started", exit_code=INVALID)
        return workflows, file.name

    def workflow_names(self) -> list[str]:
        """Names of the project's workflows, valid or not."""
        from hookline.engine.workflows import find_workflows, read_workflow

        return [read_workflow(path).name for path in find_workflows(self.workflows_folder)]


pass_project = click.make_pass_decorator(Project)
