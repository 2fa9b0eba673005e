"""JSON Schemas of what the API answers, by the names under which OpenAPI has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = ["RUN_STATUSES", "SCHEMAS", "STEP_STATUSES", "listing", "record", "ref"]

Schema = dict[str, Any]

RUN_STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "canceled")
STEP_STATUSES = (
    "pending", "running", "retrying", "waiting", "succeeded", "failed", "skipped", "canceled", "unknown"
)  # fmt: skip
EVENT_STATES = ("received", "duplicate", "filtered", "rejected", "running", "done")
APPROVAL_STATUSES = ("pending", "approved", "rejected", "expired", "canceled")

TEXT: Schema = {"type": "string"}
COUNT: Schema = {"type": "integer", "minimum": 0}
YES: Schema = {"type": "boolean"}
ANY: Schema = {}
TIME: Schema = {"type": "string", "format": "date-time"}
USD: Schema = {"type": "number", "description": "US dollars, an estimate."}


def ref(name: str) -> Schema:
    """A reference to a schema of `SCHEMAS`."""
    return {"$ref": f"#/components/schemas/{name}"}


def maybe(schema: Schema) -> Schema:
    """The schema, or null."""
    if "type" in schema and "enum" not in schema:
        return {**schema, "type": [schema["type"], "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def record(properties: dict[str, Schema], optional: Sequence[str] = ()) -> Schema:
    """An object that has these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def many(schema: Schema) -> Schema:
    """A list."""
    return {"type": "array", "items": schema}


def one_of(*values: str) -> Schema:
    """One of these texts."""
    return {"type": "string", "enum": list(values)}


def listing(name: str, schema: Schema) -> Schema:
    """A page of a list: the rows under the list's own name, and the cursor of the next page."""
    return record({name: many(schema), "next": maybe(TEXT)})


_RUN_PROPERTIES: dict[str, Schema] = {
    "schema": {"const": "hookline.run/1"},
    "id": TEXT,
    "workflow": TEXT,
    "version": {"type": "string", "description": "Hash of the definition that the run is pinned to."},
    "status": one_of(*RUN_STATUSES),
    "event": maybe(TEXT),
    "output": ANY,
    "error": maybe(ref("Error")),
    "cost_usd": USD,
    "created_at": TIME,
    "started_at": maybe(TIME),
    "finished_at": maybe(TIME),
    "waiting_for": maybe(TEXT),
    "replay_of": maybe(TEXT),
    "parent": maybe(record({"run": TEXT, "step": maybe(TEXT)})),
}

_COMPONENT: dict[str, Schema] = {
    "name": TEXT,
    "title": TEXT,
    "description": TEXT,
    "docs": TEXT,
    "connection": maybe(TEXT),
    "input": {"type": "object"},
    "output": maybe({"type": "object"}),
}

SCHEMAS: dict[str, Schema] = {
    "Problem": {
        "type": "object",
        "description": "Problem details, RFC 9457.",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer"},
            "code": {"type": "string", "description": "A stable code; `hookline explain CODE` says more."},
            "detail": TEXT,
            "hint": TEXT,
        },
        "required": ["type", "title", "status", "code", "detail"],
    },
    "Error": {
        "type": "object",
        "properties": {
            "type": TEXT,
            "code": TEXT,
            "message": TEXT,
            "hint": TEXT,
            "step": {"type": "string", "description": "Path of the step that failed."},
        },
        "required": ["type", "code", "message"],
    },
    "Run": record(_RUN_PROPERTIES),
    "RunWithSteps": record({**_RUN_PROPERTIES, "steps": many(ref("Step"))}),
    "Step": record(
        {
            "path": TEXT,
            "id": maybe(TEXT),
            "name": maybe(TEXT),
            "uses": maybe(TEXT),
            "status": one_of(*STEP_STATUSES),
            "attempts": COUNT,
            "interruptions": {**COUNT, "description": "How often the process died while it was executed."},
            "input": ANY,
            "output": ANY,
            "error": maybe(ref("Error")),
            "cost_usd": USD,
            "started_at": maybe(TIME),
            "finished_at": maybe(TIME),
            "waiting_for": maybe(
                record({"kind": TEXT, "reason": TEXT, "until": maybe(TIME), "approval": maybe(TEXT)})
            ),
            "settling": {
                **many(record({"attempt": COUNT, "reason": TEXT, "until": TIME})),
                "description": "Attempts that are over and have left something that is to be stopped or "
                "paid: what is waited for, and when it is looked at next.",
            },
        }
    ),
    "HistoryEntry": record(
        {"seq": COUNT, "at": TIME, "kind": TEXT, "path": TEXT, "data": {"type": "object"}}
    ),
    "Event": record(
        {
            "schema": {"const": "hookline.event/1"},
            "id": TEXT,
            "trigger": TEXT,
            "workflow": maybe(TEXT),
            "received_at": TIME,
            "state": one_of(*EVENT_STATES),
            "reason": maybe(TEXT),
            "dedupe_key": maybe(TEXT),
            "runs": {**many(TEXT), "description": "What it started or went into, then its replays."},
            "replay_of": maybe(TEXT),
            "headers": {"type": "object", "additionalProperties": TEXT},
            "body": maybe(TEXT),
            "data": ANY,
        },
        optional=("headers", "body", "data"),
    ),
    "TriggerState": record(
        {
            "workflow": TEXT,
            "trigger": {**TEXT, "description": "Its id, or its place among the workflow's triggers."},
            "uses": TEXT,
            "watches": {**many(TEXT), "description": "What is looked at."},
            "path": {**maybe(TEXT), "description": "Where requests reach it, below /hooks/."},
            "is_looked_at": {**YES, "description": "Whether this process looks."},
            "has_looked": {**YES, "description": "Whether a look was ever committed."},
            "last_look": {**maybe(TIME), "description": "The last good look of this process."},
            "problem": {**TEXT, "description": "What is wrong; empty when nothing is."},
        }
    ),
    "Schedule": record(
        {
            "workflow": TEXT,
            "trigger": {**TEXT, "description": "Its id, or its place among the workflow's triggers."},
            "uses": TEXT,
            "with": {"type": "object"},
            "next": maybe(TIME),
            "last_look": {**maybe(TEXT), "description": "The last tick that was dealt with."},
            "paused": YES,
            "paused_since": maybe(TIME),
            "problem": {**TEXT, "description": "Why it cannot tick; empty when it can."},
        }
    ),
    "Approval": record(
        {
            "schema": {"const": "hookline.approval/1"},
            "id": TEXT,
            "run": TEXT,
            "step": TEXT,
            "workflow": TEXT,
            "status": one_of(*APPROVAL_STATUSES),
            "who": ANY,
            "message": ANY,
            "show": ANY,
            "form": ANY,
            "requested_at": TIME,
            "due_at": maybe(TIME),
            "decided_by": maybe(TEXT),
            "decided_at": maybe(TIME),
            "quorum": COUNT,
            "reject_quorum": COUNT,
            "operator_may_decide": {**YES, "description": "Whether the admin token is enough to decide."},
            "requester": ANY,
            "people": {
                **many(record({"id": TEXT, "name": TEXT})),
                "description": "Those who may decide, once they were asked.",
            },
            "decisions": many(
                record(
                    {
                        "decision": one_of("approved", "rejected"),
                        "by": TEXT,
                        "name": TEXT,
                        "via": TEXT,
                        "at": TIME,
                        "comment": TEXT,
                    }
                )
            ),
            "told": many(
                record(
                    {
                        "connection": TEXT,
                        "to": TEXT,
                        "person": maybe(TEXT),
                        "reason": one_of("first", "reminder", "escalation"),
                        "status": one_of("sending", "sent", "failed", "unknown", "not needed"),
                        "error": maybe(TEXT),
                    }
                )
            ),
            "problems": {**many(TEXT), "description": "What stands in the way of asking somebody."},
            "cost_usd": USD,
            "sha256": {**maybe(TEXT), "description": "Hash of what is shown to whoever decides."},
        }
    ),
    "Finding": record(
        {
            "code": TEXT,
            "severity": one_of("error", "warning"),
            "message": TEXT,
            "pointer": {"type": "string", "description": "JSON Pointer into the definition."},
            "line": COUNT,
            "column": COUNT,
            "hint": TEXT,
        }
    ),
    "Workflow": record(
        {
            "name": TEXT,
            "version": maybe(TEXT),
            "description": TEXT,
            "triggers": many(TEXT),
            "deployed": YES,
            "diagnostics": many(ref("Finding")),
        }
    ),
    "Definition": record(
        {
            "name": TEXT,
            "version": TEXT,
            "definition": {"type": "object"},
            "form": {
                **record({"properties": {"type": "object"}, "required": many(TEXT), "event": ANY}),
                "description": "What starting it by hand asks for: the JSON Schema of each field; or "
                "the whole event, of which `event` is an example.",
            },
        }
    ),
    "Validation": record(
        {"schema": {"const": "hookline.validation/1"}, "ok": YES, "diagnostics": many(ref("Finding"))}
    ),
    "Accepted": record(
        {"event": TEXT, "runs": many(TEXT), "duplicate": YES, "location": TEXT},
        optional=("duplicate", "location"),
    ),
    "Replayed": record(
        {
            "schema": {"const": "hookline.replay/1"},
            "matched": {**COUNT, "description": "Events that fit the filter."},
            "already": {**COUNT, "description": "Of them, those replayed under this name before."},
            "events": {**many(TEXT), "description": "With `dry_run`: what would be started, oldest first."},
            "started": many(record({"event": TEXT, "run": maybe(TEXT)})),
            "failed": many(record({"event": TEXT, "code": TEXT, "message": TEXT})),
            "left": {**COUNT, "description": "Those that are still to be started."},
        }
    ),
    "Action": record(
        {
            **_COMPONENT,
            "effect": one_of("read", "idempotent", "check", "at_least_once"),
            "summary": TEXT,
            "waits": YES,
            "elsewhere": {"type": "object", "additionalProperties": TEXT},
            "examples": many(record({"title": TEXT, "input": {"type": "object"}})),
        }
    ),
    "Trigger": record({**_COMPONENT, "kind": TEXT, "sample": {"type": "object"}}),
    "ConnectionType": record(
        {"name": TEXT, "title": TEXT, "docs": TEXT, "fields": {"type": "object"}, "schemes": many(TEXT)}
    ),
    "Connection": record(
        {
            "name": TEXT,
            "type": TEXT,
            "limits": many(ref("Limit")),
            "concurrency": maybe({**COUNT, "description": "Steps that may be under way at a time."}),
        }
    ),
    "Limit": record(
        {
            "name": TEXT,
            "per_minute": maybe({"type": "number", "description": "Requests a minute, as it holds now."}),
            "waiting": {**COUNT, "description": "Steps that wait for their turn, of this process."},
            "oldest_seconds": {"type": "number", "description": "How long the first of them has waited."},
            "blocked_seconds": {"type": "number", "description": "How long the service wants no request."},
        }
    ),
    "Catalogue": record(
        {
            "schema": {"const": "hookline.catalogue/1"},
            "actions": many(ref("Action")),
            "triggers": many(ref("Trigger")),
            "connections": many(ref("ConnectionType")),
            "unavailable": many(record({"name": TEXT, "reason": TEXT, "hint": TEXT})),
        }
    ),
}
