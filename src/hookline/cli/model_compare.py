"""``hookline models compare``: run several models on the same inputs, and write down what came of it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import DONE, FAILED, INVALID, TIMED_OUT, CliError, translated
from .files import write_text
from .inputs import DURATION
from .model_comparison import Cell, Comparison, Result, cells_of, read_comparison, results, workflow
from .model_record import Record, as_html, as_markdown, kept_decision
from .output import emit_json, say, shown_path, table, usd_text
from .project import Project, pass_project

if TYPE_CHECKING:
    from hookline.engine.engine import Engine
    from hookline.store.port import RunRow

    from .foreground import Foreground

__all__ = ["compare"]

Json = Any

LARGEST_COPY = 50_000_000
"""Bytes up to which an output file is copied beside the record."""

RECORD = "hookline.decision/1"


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--plan", "only_plan", is_flag=True, help="Show what would be run; run nothing.")
@click.option("--again", is_flag=True, help="Run every input again, not only what has no result yet.")
@click.option("--timeout", type=DURATION, help="Stop watching after this long; the runs stay. Example: 10m.")
@click.option("--json", "as_json", is_flag=True, help="Print the record as one JSON document.")
@pass_project
def compare(
    project: Project, file: Path, only_plan: bool, again: bool, timeout: float | None, as_json: bool
) -> int:
    """Run several models on the same inputs, and write a decision record.

    FILE names the question, the models, realistic inputs and a budget. Odd, hostile, oversized and
    malformed inputs can be generated from the models' schemas. Each model runs each input once,
    through the same action as in a workflow, as ordinary runs that survive a crash: the same command
    goes on where it was left, and pays for nothing twice. The record is in decisions/<name>: outputs
    side by side, times, estimated costs, failures, parameters, and what is still to be validated.
    What you write into its decision is kept.
    """
    from .foreground import Foreground

    project.require()
    comparison = read_comparison(file, project.installed)
    with Foreground(project) as foreground:
        engine = foreground.engine
        cells = asyncio.run(_cells(project, comparison, engine))
        since = time.time() if again else 0.0
        known = {} if again else _written(project, comparison)
        if only_plan:
            return _plan(comparison, cells, known)
        with translated():
            # Deployed first: runs that were left open go on under the version that they have.
            rows = _rows(engine, comparison, since)
            for row in rows:
                if row.finished_at is None:
                    foreground.adopt(row)
                    foreground.follow(row.id, engine.plans.get(row.version), timeout)
            _gather(engine, rows, known)
            pending = [cell for cell in cells if not _is_settled(known.get(cell.key))]
            left = comparison.budget - sum(row.cost_usd for row in _rows(engine, comparison, since))
            if pending and left > 0:
                interrupted = _run(foreground, comparison, pending, left, timeout)
                _gather(engine, _rows(engine, comparison, since), known)
            else:
                interrupted = None
        record = _write(project, engine, comparison, cells, known)
    if as_json:
        emit_json(record)
    open_cells = [cell for cell in cells if not _is_settled(known.get(cell.key))]
    # What was interrupted still shows what an earlier run with a smaller budget has left out.
    spent = left <= 0 or (
        interrupted is None
        and any(
            each is not None and each.error_type == "insufficient_credit"
            for each in (known.get(cell.key) for cell in open_cells)
        )
    )
    _tell(project, comparison, cells, known, len(open_cells), spent=spent)
    if interrupted is not None:
        return interrupted
    if not open_cells:
        return DONE
    return TIMED_OUT if any(_is_open(known.get(cell.key)) for cell in open_cells) else FAILED


async def _cells(project: Project, comparison: Comparison, engine: Engine) -> list[Cell]:
    from hookline.engine.asking import asker

    async with asker(project.settings, project.registry) as asking:
        return await cells_of(comparison, project.registry, asking, engine)


def _plan(comparison: Comparison, cells: Sequence[Cell], known: Mapping[str, Result]) -> int:
    rows = [
        (
            comparison.candidates[cell.candidate].label,
            cell.case.kind,
            cell.case.name,
            "done" if _is_settled(known.get(cell.key)) else "to run",
        )
        for cell in cells
    ]
    table(("MODEL", "KIND", "INPUT", ""), rows)
    say(f"{len(cells)} predictions by {len(comparison.candidates)} models, at most {comparison.budget:g} USD")
    return DONE


def _run(
    foreground: Foreground,
    comparison: Comparison,
    pending: Sequence[Cell],
    left: float,
    timeout: float | None,
) -> int | None:
    """Run these cells; gives the exit code when somebody interrupts."""
    from hookline.core.document import read
    from hookline.core.lint import check
    from hookline.core.plan import compile_plan

    engine = foreground.engine
    document = read(json.dumps(workflow(comparison, left)))
    wrong = next((each for each in check(document, engine.installed) if each.severity == "error"), None)
    if wrong is not None:
        message = f"{shown_path(comparison.path)}: {wrong.message}"
        raise CliError(message, code=wrong.code, hint=wrong.hint, exit_code=INVALID)
    plan = compile_plan(document.value, engine.installed)
    engine.deploy(plan)
    lists: list[list[Json]] = [[] for _ in comparison.candidates]
    for cell in pending:
        lists[cell.candidate].append({"key": cell.key, "name": cell.case.name, "input": cell.inputs})
    say(f"{len(pending)} predictions, at most {usd_text(left)} by estimate")
    accepted = engine.start_run(plan.name, None, {"cells": lists}, source="cli")
    assert accepted.run_id is not None
    try:
        foreground.follow(accepted.run_id, plan, timeout)
    except KeyboardInterrupt:
        return foreground.interrupted(accepted.run_id)
    return None


def _rows(engine: Engine, comparison: Comparison, since: float) -> list[RunRow]:
    """The runs of this comparison, oldest first."""
    from hookline.store.port import RunFilter

    found: list[RunRow] = []
    cursor = None
    while True:
        page = engine.store.runs(RunFilter(comparison.workflow, None, since or None), 500, cursor)
        found += page.rows
        if page.next is None:
            return found[::-1]
        cursor = page.next


def _gather(engine: Engine, rows: Sequence[RunRow], known: dict[str, Result]) -> None:
    """Add what these runs say; a result is only replaced by one that tells more."""
    for row in rows:
        for key, result in results(engine, row.id).items():
            if not _is_settled(known.get(key)):
                known[key] = result


def _is_settled(result: Result | None) -> bool:
    return result is not None and result.is_settled


def _is_open(result: Result | None) -> bool:
    return result is not None and result.status == "open"


# The record ---------------------------------------------------------------------------------------------


def _folder(project: Project, comparison: Comparison) -> Path:
    return project.path / "decisions" / comparison.name


def _written(project: Project, comparison: Comparison) -> dict[str, Result]:
    """Results of an earlier record, whose runs may be forgotten by now."""
    path = _folder(project, comparison) / "results.json"
    if not path.is_file():
        return {}
    try:
        document = json.loads(path.read_text("utf-8"))
        return {each["key"]: Result(**each["result"]) for each in document["cells"] if each["result"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CliError(
            f"{shown_path(path)} cannot be read: {error}", hint="remove it to begin anew, or use --again"
        ) from error


def _write(
    project: Project,
    engine: Engine,
    comparison: Comparison,
    cells: Sequence[Cell],
    known: Mapping[str, Result],
) -> Json:
    folder = _folder(project, comparison)
    (folder / "files").mkdir(parents=True, exist_ok=True)
    markdown = folder / "README.md"
    at = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    record = Record(
        comparison=comparison,
        cells=cells,
        results=known,
        at=at,
        address=lambda file: _copied(engine, folder, file),
        decision=kept_decision(markdown.read_text("utf-8")) if markdown.is_file() else "",
    )
    document = {
        "schema": RECORD,
        "name": comparison.name,
        "question": comparison.question,
        "at": at,
        "models": [candidate.label for candidate in comparison.candidates],
        "cells": [
            {
                "key": cell.key,
                "model": comparison.candidates[cell.candidate].label,
                "kind": cell.case.kind,
                "case": cell.case.name,
                "input": cell.inputs,
                "result": asdict(known[cell.key]) if cell.key in known else None,
            }
            for cell in cells
        ],
    }
    try:
        write_text(folder / "results.json", json.dumps(document, ensure_ascii=False, indent=2) + "\n")
        write_text(markdown, as_markdown(record))
        write_text(folder / "index.html", as_html(record))
    except OSError as error:
        raise CliError(f"{shown_path(folder)}: {error.strerror}", exit_code=FAILED) from error
    return document


def _copied(engine: Engine, folder: Path, file: Mapping[str, Json]) -> str:
    """Address of a copy beside the record; "" for what is too large, or not kept any more.

    The name is made of the digest and a harmless type: neither is the model's to choose.
    """
    from hookline.server.artifacts import SAFE_TYPES
    from hookline.store.artifacts import ArtifactMissing

    sha256, size = str(file.get("sha256", "")), file.get("bytes")
    if not sha256 or not isinstance(size, int) or size > LARGEST_COPY:
        return ""
    name = f"{sha256[:32]}.{SAFE_TYPES.get(str(file.get('mime')), 'bin')}"
    target = folder / "files" / name
    if not target.is_file():
        try:
            content = b"".join(engine.artifacts.pieces(sha256))
        except ArtifactMissing:
            return ""
        target.write_bytes(content)
    return f"files/{name}"


def _tell(
    project: Project,
    comparison: Comparison,
    cells: Sequence[Cell],
    known: Mapping[str, Result],
    left: int,
    *,
    spent: bool,
) -> None:
    for place, candidate in enumerate(comparison.candidates):
        mine = [known.get(cell.key) for cell in cells if cell.candidate == place]
        good = sum(result is not None and result.status == "succeeded" for result in mine)
        costs = [result.cost_usd for result in mine if result is not None and result.cost_usd is not None]
        cost = f"{usd_text(sum(costs))} by estimate" if costs else "cost not known"
        say(f"{candidate.label}: {good} of {len(mine)} succeeded, {cost}")
    if left:
        why = "the budget has no room for them: raise it in the file, then" if spent else "for these,"
        say(f"{left} have no result; {why} run the same command again")
    say(f"written: {shown_path(_folder(project, comparison) / 'README.md')} and index.html")
