"""Start a workflow when the run of another one has ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from hookline.sdk import Field, trigger

__all__ = ["workflow"]

_MOMENT: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}
_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "run": {"type": "string", "description": "Id of the run that has ended."},
        "workflow": {"type": "string", "description": "Its workflow."},
        "version": {"type": "string", "description": "The version that it was pinned to."},
        "status": {
            "type": "string",
            "enum": ["succeeded", "failed", "canceled"],
            "description": "How it ended.",
        },
        "output": {"description": "Its output; null unless it succeeded and has one."},
        "error": {
            "type": ["object", "null"],
            "description": "Why it failed; null unless it failed.",
            "properties": {name: {"type": "string"} for name in ("type", "code", "message", "hint", "step")},
        },
        "event": {"type": ["string", "null"], "description": "Id of the event that had started it."},
        "replay_of": {"type": ["string", "null"], "description": "Id of the run that it repeated."},
        "cost_usd": {"type": "number", "description": "What it cost in US dollars, by estimate."},
        "created_at": {**_MOMENT, "description": "When its event was taken in."},
        "started_at": {**_MOMENT, "description": "When it began."},
        "finished_at": {**_MOMENT, "description": "When it ended."},
        "depth": {"type": "integer", "description": "How many workflows in a row have started each other."},
    },
    "required": [
        *("run", "workflow", "version", "status", "output", "error", "event", "replay_of", "cost_usd"),
        *("created_at", "started_at", "finished_at", "depth"),
    ],
    "additionalProperties": False,
}


@trigger(
    "workflow",
    kind="workflow",
    output=_EVENT,
    sample={
        "run": "run_019abc",
        "workflow": "restyle-upload",
        "version": "9f2c41d07b6e",
        "status": "failed",
        "output": None,
        "error": {
            "type": "rate_limited",
            "code": "C429",
            "message": "too many requests",
            "hint": "try again later",
            "step": "steps[1]",
        },
        "event": "evt_019abc",
        "replay_of": None,
        "cost_usd": 0.0,
        "created_at": "2026-03-02T08:00:00.012Z",
        "started_at": "2026-03-02T08:00:00.015Z",
        "finished_at": "2026-03-02T08:00:07.310Z",
        "depth": 1,
    },
)
def workflow(
    ended: Mapping[str, Any],
    workflow: Annotated[
        str | list[str],
        Field("The workflow, or several, by name.", examples=["restyle-upload", ["orders", "refunds"]]),
    ],
    status: Annotated[
        Literal["any", "succeeded", "failed", "canceled"],
        Field(
            "Which ends start a run.",
            options={
                "any": "Every end.",
                "succeeded": "It did what it was to do.",
                "failed": "A step failed and nothing caught it.",
                "canceled": "Somebody, or a `stop`, called it off.",
            },
        ),
    ] = "any",
) -> Mapping[str, Any] | None:
    """Another workflow's run has ended.

    Starts one run for every end of a run of these workflows, whatever had started it: an event, a person, a
    `call`, a replay. It is stored together with that end, so none is missed and none comes twice. A failed
    run that is resumed ends once more.
    """
    return dict(ended) if status in ("any", ended["status"]) else None
