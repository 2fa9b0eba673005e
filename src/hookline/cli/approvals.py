"""``hookline approvals``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import click

from .inputs import JSON
from .office import MAX_PAGE, Office, at_office
from .output import emit_json, next_step, say, status_text, table, usd_text
from .progress import say_how_to_decide
from .root import Group
from .runs import whoever

__all__ = ["approvals"]

Json = Any
F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Group)
def approvals() -> None:
    """Look at approvals and decide on them as the operator.

    People decide through the links and buttons they are sent. The operator may decide where the
    approval's `who` names `operator`.

    They are those of the project's database, or with --server those of a server. A decision is
    stored at once; whoever executes the run takes it in.

    \b
      hookline approvals list
      hookline approvals approve APPROVAL --comment "looks good"
    """


@approvals.command("list")
@click.option(
    "--status",
    type=click.Choice(["pending", "approved", "rejected", "expired", "canceled", "all"]),
    default="pending",
    show_default=True,
    help="Only with this status.",
)
@click.option("--limit", type=click.IntRange(1, MAX_PAGE), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_office
def list_(office: Office, status: str, limit: int, as_json: bool) -> None:
    """List approvals, newest first."""
    found = office.approvals(None if status == "all" else status, limit)
    if as_json:
        emit_json({"schema": "hookline.approvals/1", **found})
        return
    rows = [
        (each["id"], each["workflow"], each["status"], each["due_at"] or "", str(each["message"] or ""))
        for each in found["approvals"]
    ]
    table(("APPROVAL", "WORKFLOW", "STATUS", "UNTIL", "QUESTION"), rows, status_column=2)
    if not rows:
        say("no approvals")
    elif status == "pending":
        next_step(f"hookline approvals show {rows[0][0]}")


@approvals.command()
@click.argument("approval_id", metavar="APPROVAL")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@at_office
def show(office: Office, approval_id: str, as_json: bool) -> None:
    """Show one approval: what is asked, who was told, and what has been decided so far."""
    found = office.approval(approval_id)
    if as_json:
        emit_json(found)
        return
    click.echo(f"{click.style(found['id'], bold=True)}  {found['workflow']}  {status_text(found['status'])}")
    for name, value in (
        ("question", found["message"]),
        ("run", f"{found['run']} at {found['step']}"),
        ("who decides", ", ".join(map(str, found["who"] or ()))),
        ("must approve", found["quorum"] if found["quorum"] > 1 else None),
        ("until", found["due_at"]),
        ("cost so far", usd_text(found["cost_usd"]) if found["cost_usd"] else None),
        ("decided", f"by {found['decided_by']} at {found['decided_at']}" if found["decided_by"] else None),
        ("shown", found["show"] if isinstance(found["show"], str) else _json(found["show"])),
        ("form", _json(found["form"])),
    ):
        if value:
            click.echo(f"  {name:<13} {value}")
    for each in found["decisions"]:
        comment = f": {each['comment']}" if each["comment"] else ""
        click.echo(f"  {each['decision']:<13} by {each['by']} at {each['at']}{comment}")
    for each in found["told"]:
        error = f": {each['error']}" if each["error"] else ""
        click.echo(
            f"  {each['status']:<13} {each['person'] or each['to']} through {each['connection']}{error}"
        )
    for problem in found["problems"]:
        click.echo(f"  {'problem':<13} {problem}")
    if found["status"] == "pending":
        say_how_to_decide(approval_id, office.address, is_operators=found["operator_may_decide"])


def _json(value: Json) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _deciding(function: F) -> F:
    """Arguments and options of a decision."""
    for part in (
        click.option("--comment", default="", help="Kept with the decision."),
        click.option("--by", default=None, help="Your name, kept with it; by default this terminal's user."),
        click.argument("approval_id", metavar="APPROVAL"),
    ):
        function = part(function)
    return function


@approvals.command()
@_deciding
@click.option("--form", type=JSON, default=None, help="What the approval's form asks for.")
@at_office
def approve(office: Office, approval_id: str, by: str | None, comment: str, form: Json) -> None:
    """Approve as the operator, where the approval's `who` allows that: the run goes on."""
    _decide(office, approval_id, "approved", by, comment, form)


@approvals.command()
@_deciding
@at_office
def reject(office: Office, approval_id: str, by: str | None, comment: str) -> None:
    """Reject as the operator: the step fails, or goes on as its `on_reject` says."""
    _decide(office, approval_id, "rejected", by, comment, None)


def _decide(
    office: Office, approval_id: str, decision: str, by: str | None, comment: str, form: Json
) -> None:
    by = by or whoever()
    answer = office.decide(approval_id, decision, by, comment, form)
    told = f"{decision} by the operator ({by})"
    say(f"{approval_id}: {told}" if answer["decided"] else "the operator has decided on this before")
