"""``hookline moderation``: policies, and what they make of verdicts and labelled examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .errors import DONE, INVALID, CliError, translated
from .office import parse_since
from .output import emit_json, say, table
from .project import Project, pass_project
from .root import Group
from .run import complete_workflow

if TYPE_CHECKING:
    from hookline.engine.engine import Engine
    from hookline.sdk.policies import Policy

__all__ = ["Change", "moderation"]

Json = Any


@dataclass(frozen=True, slots=True)
class Change:
    """A stored verdict, and what it would be.

    Attributes:
        before: The action that was taken.
        after: The action under the other policy.
        policy: The policy that was applied, as ``id/version``.
    """

    run: str
    workflow: str
    step: str
    evaluated_at: str
    sha256: str | None
    before: str
    after: str
    reason: str
    policy: str


@click.group(cls=Group)
def moderation() -> None:
    """Check policies, and try them on verdicts and examples.

    None of these commands asks a provider or changes a run.

    \b
      hookline moderation policies
      hookline moderation rejudge --policy comments --since 30d
      hookline moderation evaluate examples.jsonl --policy comments
    """


@moderation.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_project
def policies(project: Project, as_json: bool) -> int:
    """List the policies of the project, and check them; also those that workflows name and nobody wrote."""
    project.require()
    from hookline.sdk import ActionError
    from hookline.sdk.policies import applied

    rows: list[dict[str, Json]] = []
    for path in sorted((project.path / "policies").glob("*.json")):
        try:
            found = applied(_read(project, path.stem))
            rows.append({"name": path.stem, "version": found["version"], "sha256": found["sha256"]})
        except ActionError as error:
            rows.append({"name": path.stem, "error": {"code": error.code, "message": error.message}})
    present = {row["name"] for row in rows}
    for workflow, name in _named_by_workflows(project):
        if name not in present:
            told = f"{workflow} names it, and there is no policies/{name}.json"
            rows.append({"name": name, "error": {"code": "C035", "message": told}})
    if as_json:
        emit_json({"schema": "hookline.policies/1", "policies": rows})
    else:
        shown = [
            (row["name"], f"version {row['version']}", row["sha256"][:12])
            if "version" in row
            else (row["name"], "error", f"{row['error']['code']}: {row['error']['message']}")
            for row in rows
        ]
        table(("POLICY", "VERSION", "SHA256"), shown)
        if not rows:
            say("there are no policies; a policy is a file policies/<name>.json")
    return INVALID if any("error" in row for row in rows) else DONE


def _named_by_workflows(project: Project) -> list[tuple[str, str]]:
    """Names of workflows, and the policies that their checks name outright."""
    from hookline.engine.workflows import find_workflows, read_workflow

    found: dict[tuple[str, str], None] = {}
    for path in find_workflows(project.workflows_folder):
        file = read_workflow(path)
        pending: list[Json] = [] if file.document is None else [file.document.value]
        while pending:
            value = pending.pop()
            if isinstance(value, dict):
                given = value.get("with")
                policy = given.get("policy") if isinstance(given, dict) else None
                if value.get("uses") == "moderation.check" and isinstance(policy, str) and "{{" not in policy:
                    found[file.name, policy] = None
                pending.extend(value.values())
            elif isinstance(value, list):
                pending.extend(value)
    return sorted(found)


@moderation.command()
@click.option("--policy", "name", required=True, help="Name of a policy, or a file.")
@click.option("--since", callback=parse_since, help="Only runs since: 30d, or 2026-11-20T09:00:00Z.")
@click.option("--workflow", help="Only of this workflow.", shell_complete=complete_workflow)
@click.option("--all", "show_all", is_flag=True, help="Also those that stay as they are.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_project
def rejudge(
    project: Project, name: str, since: float | None, workflow: str | None, show_all: bool, as_json: bool
) -> None:
    """Decide stored verdicts again under another policy, and show what would change.

    The scores are those of the runs' histories: no provider is asked, and no run is changed.
    """
    from hookline.sdk.policies import applied

    from .foreground import opened

    policy = _policy(project, name)
    counts: Counter[tuple[str, str]] = Counter()
    shown: list[Change] = []
    unreadable: list[str] = []
    with opened(project) as engine, translated():
        for change in _changes(engine, policy, since, workflow, unreadable):
            counts[change.before, change.after] += 1
            if show_all or change.before != change.after:
                shown.append(change)
    total = counts.total()
    changed = sum(number for (before, after), number in counts.items() if before != after)
    if as_json:
        emit_json(
            {
                "schema": "hookline.rejudged/1",
                "policy": applied(policy),
                "verdicts": total,
                "changed": changed,
                "counts": [
                    {"before": before, "after": after, "verdicts": number}
                    for (before, after), number in sorted(counts.items())
                ],
                "unreadable_runs": unreadable,
                "changes": [asdict(change) for change in shown],
            }
        )
        return
    rows = [(each.run, each.step, each.evaluated_at, each.before, each.after, each.reason) for each in shown]
    table(("RUN", "STEP", "AT", "WAS", "WOULD BE", "WHY"), rows)
    say(f"{total} verdicts, {changed} would change")
    for (before, after), number in sorted(counts.items()):
        if before != after:
            say(f"  {before} to {after}: {number}")
    if unreadable:
        say(f"{len(unreadable)} runs could not be read, for example {unreadable[0]}")


def _changes(
    engine: Engine, policy: Policy, since: float | None, workflow: str | None, unreadable: list[str]
) -> Iterator[Change]:
    from hookline.engine.past import Past
    from hookline.sdk import BadInput
    from hookline.sdk.verdicts import is_verdict, rejudge

    for run in Past(engine.store, engine.journal).runs(is_verdict, since, workflow):
        try:
            decided = [(each, *rejudge(each.output, policy)) for each in run.outputs]
        except BadInput:
            unreadable.append(run.id)
            continue
        if run.problem:
            unreadable.append(run.id)
        for past, after, reason in decided:
            verdict = past.output
            subject, applied = verdict["subject"], verdict["policy"]
            yield Change(
                past.run,
                past.workflow,
                past.step,
                str(verdict.get("evaluated_at", "")),
                subject.get("sha256"),
                verdict["action"],
                after,
                reason,
                f"{applied.get('id')}/{applied.get('version')}",
            )


@moderation.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--policy", "name", help="Name of a policy, or a file; the default thresholds without.")
@click.option("--category", help="Draw the curve for this category, not for the highest score of all.")
@click.option("--csv", "csv_file", type=click.Path(dir_okay=False, path_type=Path), help="Write the curve.")
@click.option(
    "--plot",
    "plot_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the curve (png, svg, pdf); needs matplotlib.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_project
def evaluate(
    project: Project,
    file: Path,
    name: str | None,
    category: str | None,
    csv_file: Path | None,
    plot_file: Path | None,
    as_json: bool,
) -> None:
    """Try a policy on labelled examples: a confusion matrix, and a curve over thresholds.

    FILE holds one JSON object a line: "expect" (allow, review or block), and "verdict" (a stored one),
    "scores" (category to score), or "text" (looked at with the word list that comes with Hookline).
    """
    from . import moderation_evaluation as evaluation

    with _told():
        policy: Policy = _policy(project, name) if name else {}
        examples = evaluation.read_examples(file)
        matrix = evaluation.confusion(examples, policy)
        points = evaluation.curve(examples, category)
    if csv_file is not None:
        csv_file.write_text(evaluation.as_csv(points), "utf-8")
    if plot_file is not None:
        with _told():
            evaluation.plot(points, plot_file, category or "highest score")
    if as_json:
        emit_json(evaluation.document(matrix, points, policy, category))
        return
    for line in evaluation.as_text(matrix, points):
        click.echo(line)


def _policy(project: Project, name: str) -> Policy:
    from hookline.sdk.policies import MAX_POLICY_BYTES, parse_policy

    with _told():
        path = Path(name)
        if path.suffix != ".json":
            return _read(project, name)
        try:
            with path.open("rb") as opened:
                content = opened.read(MAX_POLICY_BYTES + 1)
        except OSError as error:
            raise CliError(f"{name} cannot be read: {error.strerror}", code="C035") from error
        return parse_policy(content, path.stem)


def _read(project: Project, name: str) -> Policy:
    from hookline.engine.project_files import read_project_file
    from hookline.sdk import BadInput, NotFound
    from hookline.sdk.policies import MAX_POLICY_BYTES, parse_policy, policy_path

    try:
        content = read_project_file(project.path, policy_path(name), MAX_POLICY_BYTES)
    except NotFound as error:
        raise BadInput(error.message, code="C035", hint="see `hookline moderation policies`") from error
    return parse_policy(content, name)


@contextmanager
def _told() -> Iterator[None]:
    """Tell what is wrong with a policy or an example."""
    from hookline.sdk import ActionError

    try:
        yield
    except ActionError as error:
        raise CliError(error.message, code=error.code, hint=error.hint, exit_code=INVALID) from error
