"""``hookline fmt``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from .errors import DONE, FAILED, INVALID, CliError
from .files import write_text
from .findings import print_findings
from .output import say, shown_path
from .project import Project, pass_project
from .validate import named_files

if TYPE_CHECKING:
    from hookline.core.document import Document

__all__ = ["fmt"]

_YAML = (".yaml", ".yml")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file would change.")
@click.option("--convert", is_flag=True, help="Replace YAML files by .jsonc files of the same name.")
@pass_project
def fmt(project: Project, paths: tuple[Path, ...], check: bool, convert: bool) -> int:
    """Write workflows in their canonical form.

    Keys come in a fixed order, short objects on one line; comments are kept. What a workflow
    means, and so its version, does not change. YAML is left alone, because the canonical form is
    JSON: --convert makes a .jsonc file of it and removes the YAML file.

    \b
      hookline fmt
      hookline fmt --check workflows
    """
    from hookline.core.canonical import format_document
    from hookline.engine.workflows import read_workflow

    changed, broken = [], []
    for path in named_files(project, paths):
        file = read_workflow(path)
        if file.document is None:
            broken.append(file)
        elif path.suffix in _YAML:
            changed += _yaml(path, file.document, is_named=path in paths, check=check, convert=convert)
        elif format_document(file.document).encode() != path.read_bytes():
            changed.append(path)
            if not check:
                _write(path, format_document(file.document))
    for path in changed:
        click.echo(shown_path(path))
    if broken:
        print_findings(broken)
        return INVALID
    if changed and check:
        say(f"{len(changed)} would change; write them with `hookline fmt`")
        return FAILED
    return DONE


def _yaml(path: Path, document: Document, *, is_named: bool, check: bool, convert: bool) -> list[Path]:
    """What becomes of a YAML file: the files that were (or would be) written for it."""
    from hookline.core.canonical import format_document

    if not convert:
        if is_named:
            hint = "--convert replaces it by a .jsonc file"
            raise CliError(f"{shown_path(path)} is YAML, and the canonical form is JSON", hint=hint)
        say(f"{shown_path(path)}: YAML is left as it is")
        return []
    target = path.with_suffix(".jsonc")
    if target.exists():
        raise CliError(f"{shown_path(target)} exists already; it is not overwritten")
    if not check:
        _write(target, format_document(document))
        path.unlink()
    return [target]


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        raise CliError(f"{shown_path(path)}: {error.strerror}", exit_code=FAILED) from error
