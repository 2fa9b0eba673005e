"""The documents other programs read: runs, events and approvals as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from hookline.core import events as ev
from hookline.core.approvals import OPERATOR
from hookline.core.plan import Plan
from hookline.core.records import Settlement
from hookline.core.scope import timestamp_text
from hookline.core.state import Entry, RunState, StepRecord
from hookline.store.port import Approval, EventRow, RunRow

from .live import approval_id

__all__ = [
    "RUN_SCHEMA",
    "approval_document",
    "event_document",
    "history_document",
    "run_document",
    "run_summary",
]

Json = Any

RUN_SCHEMA = "hookline.run/1"


def run_summary(row: RunRow) -> dict[str, Json]:
    """A run in a list: its document without the steps."""
    return {
        "schema": RUN_SCHEMA,
        "id": row.id,
        "workflow": row.workflow,
        "version": row.version,
        "status": row.status,
        "event": row.event_id,
        "output": row.output,
        "error": row.error,
        "cost_usd": row.cost_usd,
        "created_at": timestamp_text(row.created_at),
        "started_at": timestamp_text(row.started_at),
        "finished_at": timestamp_text(row.finished_at),
        "waiting_for": row.waiting_for or None,
        "replay_of": row.replay_of,
        "parent": {"run": row.parent_run, "step": row.parent_path} if row.parent_run else None,
    }


def run_document(row: RunRow, state: RunState, plan: Plan | None) -> dict[str, Json]:
    """A run with all its steps, in the order in which they began."""
    left: dict[str, list[Settlement]] = {}
    for settlement in state.settlements.values():
        left.setdefault(settlement.path, []).append(settlement)
    steps = [
        _step(row.id, record, left.get(path, ()), plan) for path, record in state.records.items() if path
    ]
    return {**run_summary(row), "steps": steps}


def _step(run_id: str, record: StepRecord, left: Iterable[Settlement], plan: Plan | None) -> dict[str, Json]:
    node = None
    if plan is not None:
        try:
            node, _ = plan.locate(record.path)
        except KeyError:
            node = None
    status = record.status if record.status != "failing" else "running"
    return {
        "path": record.path,
        "id": node.id if node else None,
        "name": node.name if node else None,
        "uses": (node.uses or node.kind) if node else None,
        "status": status,
        "attempts": record.tries,
        "interruptions": record.interruptions,
        "input": record.input,
        "output": record.output,
        "error": record.error or record.caught,
        "cost_usd": round(record.cost, 9),
        "started_at": timestamp_text(record.started_at),
        "finished_at": timestamp_text(record.finished_at),
        "waiting_for": _waiting(run_id, record),
        "settling": [
            {
                "attempt": each.attempt,
                "reason": each.waits_for or "what it left to stop",
                "until": timestamp_text(each.due),
            }
            for each in left
        ],
    }


def _waiting(run_id: str, record: StepRecord) -> Json:
    if record.waiting is None:
        return None
    is_asked = record.waiting.waits_for == "approval"
    return {
        "kind": record.waiting.waits_for,
        "reason": record.waiting.reason,
        "until": timestamp_text(record.deadline if is_asked else record.waiting.until),
        "approval": approval_id(run_id, record.path, record.attempt) if is_asked else None,
    }


def history_document(entries: Sequence[Entry]) -> list[dict[str, Json]]:
    """A run's history, event by event."""
    found = []
    for entry in entries:
        record = ev.to_record(entry.event)
        found.append(
            {
                "seq": entry.seq,
                "at": timestamp_text(entry.at),
                "kind": record.kind,
                "path": record.path,
                "data": record.data,
            }
        )
    return found


_DONE = {"succeeded", "failed", "canceled"}


def event_document(row: EventRow, *, full: bool = False) -> dict[str, Json]:
    """An event of the inbox; `full` adds headers, body and data."""
    state, reason = row.state, row.reason
    if state == "received" and row.run_status is not None:
        state = "done" if row.run_status in _DONE else "running"
    if row.due_at is not None:
        reason = f"{reason} until {timestamp_text(row.due_at)}"
    document: dict[str, Json] = {
        "schema": "hookline.event/1",
        "id": row.id,
        "trigger": row.trigger,
        "workflow": row.workflow or None,
        "received_at": timestamp_text(row.received_at),
        "state": state,
        "reason": reason or None,
        "dedupe_key": row.dedupe_key,
        "runs": [*([row.run_id] if row.run_id else []), *row.replays],
        "replay_of": row.replay_of,
    }
    if full:
        document["headers"] = dict(row.headers)
        document["body"] = None if row.body is None else row.body.decode(errors="replace")
        document["data"] = row.data
    return document


def approval_document(row: Approval) -> dict[str, Json]:
    """An approval as people decide on it; of secrets that were given out it says nothing."""
    data = row.data
    return {
        "schema": "hookline.approval/1",
        "id": row.id,
        "run": row.run_id,
        "step": row.path,
        "workflow": row.workflow,
        "status": row.status,
        "who": row.data.get("who"),
        "message": row.data.get("message"),
        "show": row.data.get("show"),
        "form": row.data.get("form"),
        "requested_at": timestamp_text(row.requested_at),
        "due_at": timestamp_text(row.due_at),
        "decided_by": row.decided_by,
        "decided_at": timestamp_text(row.decided_at),
        "quorum": data.get("quorum", 1),
        "reject_quorum": data.get("reject_quorum", 1),
        "operator_may_decide": OPERATOR in (data.get("who") or ()),
        "requester": data.get("requester"),
        "people": [{"id": id_, "name": each["name"]} for id_, each in (data.get("people") or {}).items()],
        "decisions": [
            {
                "decision": each["decision"],
                "by": each["by"],
                "name": each["name"],
                "via": each["via"],
                "at": timestamp_text(each["at"]),
                "comment": each["comment"],
            }
            for each in data.get("decisions", ())
        ],
        "told": [
            {
                "connection": each["connection"],
                "to": each["to"],
                "person": each["person"],
                "reason": each["reason"],
                "status": each["status"],
                "error": each.get("error"),
            }
            for each in (data.get("told") or {}).values()
        ],
        "problems": data.get("problems", []),
        "cost_usd": data.get("cost_usd", 0.0),
        "sha256": data.get("sha256"),
    }
