"""``hookline approvals``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from .office import MAX_PAGE, Office, at_office
from .output import emit_json, next_step, say, table
from .root import Group
from .runs import whoever

__all__ = ["approvals"]

Json = Any
F = TypeVar("F", bound=Callable[..., Any])


@click.group(cls=Group)
def approvals() -> None:
    """Look at approvals and decide on them.

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
        next_step(f"hookline approvals approve {rows[0][0]}")


def _deciding(function: F) -> F:
    """Arguments and options of a decision."""
    for part in (
        click.option("--comment", default="", help="Kept with the decision."),
        click.option("--by", default=None, help="Who decides; by default the user of this terminal."),
        click.argument("approval_id", metavar="APPROVAL"),
    ):
        function = part(function)
    return function


@approvals.command()
@_deciding
@at_office
def approve(office: Office, approval_id: str, by: str | None, comment: str) -> None:
    """Approve: the run goes on."""
    _decide(office, approval_id, "approved", by, comment)


@approvals.command()
@_deciding
@at_office
def reject(office: Office, approval_id: str, by: str | None, comment: str) -> None:
    """Reject: the step fails, or goes on as its `on_reject` says."""
    _decide(office, approval_id, "rejected", by, comment)


def _decide(office: Office, approval_id: str, decision: str, by: str | None, comment: str) -> None:
    by = by or whoever()
    answer = office.decide(approval_id, decision, by, comment)
    say(f"{approval_id}: {decision} by {by}" if answer["decided"] else f"{by} has decided on this before")
