"""Findings about definitions, as a compiler, a program or a code host wants them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from .output import shown_path

if TYPE_CHECKING:
    from hookline.core.diagnostics import Diagnostic
    from hookline.engine.workflows import WorkflowFile

__all__ = ["VALIDATION_SCHEMA", "github_lines", "print_findings", "validation_document"]

VALIDATION_SCHEMA = "hookline.validation/1"


def print_findings(files: Iterable[WorkflowFile], *, err: bool = True) -> None:
    """Write findings like a compiler: ``file:line:column: error CODE: message (at /pointer)``."""
    for file in files:
        for found in file.diagnostics:
            line, column = _position(file, found)
            color = "red" if found.severity == "error" else "yellow"
            head = click.style(f"{shown_path(file.path)}:{line}:{column}:", bold=True)
            severity = click.style(f"{found.severity} {found.code}", fg=color, bold=True)
            where = f" (at {found.pointer})" if found.pointer else ""
            click.echo(f"{head} {severity}: {found.message}{where}", err=err)
            if found.hint:
                click.echo(f"    hint: {found.hint}", err=err)


def _position(file: WorkflowFile, found: Diagnostic) -> tuple[int, int]:
    if found.line:
        return found.line, found.column
    return file.document.position(found.pointer) if file.document else (1, 1)


def validation_document(files: Sequence[WorkflowFile]) -> dict[str, Any]:
    """The findings as one document."""
    return {
        "schema": VALIDATION_SCHEMA,
        "ok": not any(file.has_errors for file in files),
        "files": [
            {
                "path": shown_path(file.path),
                "name": file.name,
                "diagnostics": [_finding(file, found) for found in file.diagnostics],
            }
            for file in files
        ],
    }


def _finding(file: WorkflowFile, found: Diagnostic) -> dict[str, Any]:
    line, column = _position(file, found)
    return {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        "pointer": found.pointer,
        "line": line,
        "column": column,
        "hint": found.hint,
    }


def github_lines(files: Iterable[WorkflowFile]) -> list[str]:
    """The findings as workflow commands of GitHub Actions, which shows them beside the lines.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    lines = []
    for file in files:
        for found in file.diagnostics:
            line, column = _position(file, found)
            place = f"file={_property(shown_path(file.path))},line={line},col={column}"
            text = f"{found.message}\n{found.hint}" if found.hint else found.message
            lines.append(f"::{found.severity} {place},title={found.code}::{_data(text)}")
    return lines


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
