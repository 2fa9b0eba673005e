"""``hookline validate``."""

from __future__ import annotations

from pathlib import Path

import click

from .errors import DONE, INVALID, CliError
from .findings import github_lines, print_findings, validation_document
from .output import emit_json, next_step, say, shown_path
from .project import Project, pass_project

__all__ = ["named_files", "validate"]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "json", "github"]),
    default="text",
    show_default=True,
    help="How findings are written: for a person, for a program, or for GitHub Actions.",
)
@pass_project
def validate(project: Project, paths: tuple[Path, ...], style: str) -> int:
    """Check workflows without running them.

    PATH is a file or a folder; without any, the project's workflows are checked. The exit code is
    3 when there is an error; warnings alone leave it 0.

    \b
      hookline validate
      hookline validate workflows/hello.json
      hookline validate --format json | jq '.files[].diagnostics[]'
    """
    files = named_files(project, paths)
    project.note_unavailable()
    wanted = {path.resolve() for path in files}
    found = [file for file in project.load(files).files if file.path.resolve() in wanted]
    if style == "json":
        emit_json(validation_document(found))
    elif style == "github":
        for line in github_lines(found):
            click.echo(line)
    else:
        print_findings(found, err=False)
    severities = [each.severity for file in found for each in file.diagnostics]
    errors, warnings = severities.count("error"), severities.count("warning")
    say(f"{_count(len(found), 'workflow')}, {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    if errors:
        first = next(each for file in found for each in file.diagnostics if each.severity == "error")
        next_step(f"hookline explain {first.code}")
        return INVALID
    if found:
        next_step(f"hookline run {found[0].name}")
    return DONE


def named_files(project: Project, paths: tuple[Path, ...]) -> list[Path]:
    """The workflow files that paths stand for; the project's own without any.

    Raises:
        CliError: There is no such file or folder.
    """
    from hookline.engine.workflows import find_workflows

    if not paths and not project.workflows_folder.is_dir():
        project.require()
        raise CliError(f"there is no folder {shown_path(project.workflows_folder)!r}", hint="name a file")
    files: list[Path] = []
    for path in paths or (project.workflows_folder,):
        if path.is_dir():
            files += find_workflows(path)
        elif path.is_file():
            files.append(path)
        else:
            raise CliError(f"there is no file or folder {str(path)!r}")
    return files


def _count(number: int, name: str) -> str:
    return f"{number} {name}{'' if number == 1 else 's'}"
