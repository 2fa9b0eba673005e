"""``hookline models``: the models that workflows name, what is newest, and which one to take."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import DONE, FAILED, INVALID, CliError
from .findings import print_findings
from .model_compare import compare
from .model_pins import Finding, find_mentions, look_up, rewrite
from .output import emit_json, next_step, say, shown_path
from .project import Project, pass_project
from .root import Group
from .validate import named_files

if TYPE_CHECKING:
    from hookline.engine.workflows import WorkflowFile

__all__ = ["models"]

Json = Any

_COLORS = {"outdated": "yellow", "unpinned": "red", "floating": "yellow", "unknown": "red"}
_WORDS = {
    "current": "is pinned to the newest version",
    "outdated": "is pinned to an older version",
    "floating": "takes the newest version of each run",
    "unpinned": "is no official model and needs a version",
    "official": "is an official model, which has no versions to pin",
    "unknown": "cannot be judged",
}


@click.group(cls=Group)
def models() -> None:
    """See which models the workflows name, pin them, and compare models with each other.

    \b
      hookline models outdated
      hookline models pin
      hookline models compare models/captions.json
    """


models.add_command(compare)


@models.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Exit with 1 when a pin is missing or not the newest.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_project
def outdated(project: Project, paths: tuple[Path, ...], check: bool, as_json: bool) -> int:
    """Compare the pinned versions of models with what is newest, and show what the newest changes.

    Asks the service, and writes nothing. Models that come out of expressions are not looked at.
    """
    files, findings = _findings(project, paths)
    if as_json:
        emit_json({"schema": "hookline.models/1", "models": [_document(found) for found in findings]})
    else:
        for found in findings:
            _show(found)
        if not findings:
            say("no workflow names a model")
    counts = Counter(found.state for found in findings)
    late = counts["outdated"] + counts["floating"] + counts["unpinned"]
    if not as_json and late:
        next_step("hookline models pin", "hookline models pin --newest")
    if any(file.document is None for file in files):
        return INVALID
    return FAILED if check and late else DONE


@models.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--newest", is_flag=True, help="Also replace pins of older versions.")
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 when a file would change.")
@pass_project
def pin(project: Project, paths: tuple[Path, ...], newest: bool, check: bool) -> int:
    """Write the newest version behind every model that has none, or says latest.

    Only these texts change; comments and layout stay. A pinned version runs the same for ever.
    """
    files, findings = _findings(project, paths)
    wanted = {"floating", "unpinned", *(["outdated"] if newest else [])}
    changed = False
    for file in files:
        mine = [found for found in findings if found.mention.file is file and found.state in wanted]
        if not mine:
            continue
        changed = True
        if not check:
            assert file.document is not None
            rewrite(file.path, file.document, {found.mention.pointer: found.pinned for found in mine})
        for found in mine:
            click.echo(f"{shown_path(file.path)}: {found.mention.text} -> {found.pinned}")
            for change in found.changes:
                if found.concerns(change) and change.kind != "harmless":
                    say(f"  {change.kind}: {change.text}")
    for found in findings:
        if found.state == "unknown":
            say(f"{shown_path(found.mention.file.path)}: {found.mention.text}: {found.note}")
    if not changed:
        say("every model is pinned" if findings else "no workflow names a model")
    if any(file.document is None for file in files):
        return INVALID
    return FAILED if check and changed else DONE


def _findings(project: Project, paths: tuple[Path, ...]) -> tuple[list[WorkflowFile], list[Finding]]:
    from hookline.engine.asking import asker
    from hookline.engine.workflows import read_workflow

    files = [read_workflow(path) for path in named_files(project, paths)]
    print_findings(file for file in files if file.document is None)
    mentions = find_mentions(files, project.installed)

    async def ask() -> list[Finding]:
        async with asker(project.settings, project.registry) as asking:
            return await look_up(asking, mentions)

    findings = asyncio.run(ask()) if mentions else []
    refused = [found for found in findings if found.state == "unknown" and not found.newest]
    if findings and len(refused) == len(findings) and all(found.mention.name for found in findings):
        # Not one answer: the connection is the trouble, not the models.
        raise CliError(f"no model could be looked up: {refused[0].note}", hint="see `hookline doctor`")
    return files, findings


def _show(found: Finding) -> None:
    mention = found.mention
    document = mention.file.document
    assert document is not None
    line, _ = document.position(mention.pointer)
    head = click.style(f"{shown_path(mention.file.path)}:{line}:", bold=True)
    state = click.style(found.state, fg=_COLORS.get(found.state, "green"))
    click.echo(f"{head} {state}: {mention.name or mention.text} {_WORDS[found.state]}")
    if found.state not in ("current", "official") and found.newest:
        made = f" of {found.published[:10]}" if found.published else ""
        click.echo(f"    newest: {found.newest}{made}")
    for change in found.changes:
        uses = "" if found.concerns(change) else " (this step does not give it)"
        click.echo(f"    {change.kind}: {change.text}{uses}")
    if found.state == "outdated" and not found.changes and not found.note:
        click.echo("    its inputs and its output are described as before")
    if found.note:
        click.echo(f"    note: {found.note}")


def _document(found: Finding) -> Json:
    mention = found.mention
    return {
        "file": shown_path(mention.file.path),
        "pointer": mention.pointer,
        "model": mention.name or None,
        "text": mention.text,
        "state": found.state,
        "newest": found.newest or None,
        "published_at": found.published or None,
        "changes": [
            {
                "kind": change.kind,
                "input": change.input or None,
                "text": change.text,
                "used": found.concerns(change),
            }
            for change in found.changes
        ],
        "note": found.note or None,
    }
