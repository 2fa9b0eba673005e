"""``/api/v1/schedules``: what ticks when, pausing it, and making up for a range of time."""

from __future__ import annotations

from flask import Response, current_app, request

from hookline.engine.engine import Engine, EngineError
from hookline.engine.schedules import MAX_TICKS

from .api import answer_json, sent_object, who_asks
from .routes import Answer, Parameter, Routes
from .schemas import TEXT, TIME, YES, listing, many, maybe, one_of, record, ref

__all__ = ["schedules"]

schedules = Routes("/api/v1")

_UP_TO_MAX = {"type": "integer", "minimum": 1, "maximum": MAX_TICKS}
_TRIGGER = {**TEXT, "description": "Id of the trigger, or its place counted from 0, if there are several."}
_WHICH = record({"trigger": _TRIGGER}, optional=("trigger",))
_ONE = {200: Answer("The schedule as it is now.", ref("Schedule"))}


def _engine() -> Engine:
    engine: Engine = current_app.extensions["hookline"]
    return engine


@schedules.get(
    "/schedules",
    permission="read",
    answers={200: Answer("All of them.", listing("schedules", ref("Schedule")))},
)
def all_schedules() -> Response:
    """Every schedule in force, with its next tick."""
    return answer_json({"schedules": _engine().schedules.all(), "next": None})


@schedules.get(
    "/schedules/<workflow>/next",
    permission="read",
    answers={
        200: Answer("Times in the schedule's own zone.", record({"workflow": TEXT, "ticks": many(TIME)}))
    },
    problems=(404, 422),
    parameters=(
        Parameter("trigger", "Which of several."),
        Parameter(
            "count", "How many.", {"type": "integer", "minimum": 1, "maximum": MAX_TICKS, "default": 5}
        ),
    ),
)
def next_ticks(workflow: str) -> Response:
    """The next ticks."""
    text = request.args.get("count", "5")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_TICKS):
        raise EngineError(f"count must be a number from 1 to {MAX_TICKS}", code="S601", status=422)
    found = _engine().schedules.next(workflow, request.args.get("trigger"), int(text))
    return answer_json({"workflow": workflow, "ticks": found})


@schedules.post(
    "/schedules/<workflow>/pause", permission="run", answers=_ONE, problems=(400, 404, 422), body=_WHICH
)
def pause_schedule(workflow: str) -> Response:
    """Let no tick start anything until it is resumed."""
    return answer_json(_engine().schedules.pause(workflow, sent_object(_WHICH).get("trigger"), who_asks()))


@schedules.post(
    "/schedules/<workflow>/resume", permission="run", answers=_ONE, problems=(400, 404, 422), body=_WHICH
)
def resume_schedule(workflow: str) -> Response:
    """Let ticks start runs again, those from now on."""
    return answer_json(_engine().schedules.resume(workflow, sent_object(_WHICH).get("trigger"), who_asks()))


_BACKFILL = record(
    {
        "trigger": _TRIGGER,
        "from": {**TEXT, "description": "A date, or a time; without a zone it is in the schedule's."},
        "to": {**TEXT, "description": "Likewise; inclusive."},
        "limit": {**_UP_TO_MAX, "description": "Most runs started."},
        "dry_run": {**YES, "description": "Only say what would be started."},
    },
    optional=("trigger", "limit", "dry_run"),
)
_TICK = record({"at": TIME, "state": one_of("ran", "due", "started", "skipped"), "run": maybe(TEXT)})


@schedules.post(
    "/schedules/<workflow>/backfill",
    permission="run",
    answers={
        200: Answer(
            "What was gone through; `next` is the `from` to go on with, null when the range is through.",
            record({"workflow": TEXT, "ticks": many(_TICK), "next": maybe(TIME)}),
        )
    },
    problems=(400, 404, 422),
    body=_BACKFILL,
)
def backfill(workflow: str) -> Response:
    """Start a run for the ticks of a range that have started none."""
    sent = sent_object(_BACKFILL)
    done = _engine().schedules.backfill(
        workflow,
        sent.get("trigger"),
        sent["from"],
        sent["to"],
        limit=sent.get("limit", MAX_TICKS),
        dry_run=sent.get("dry_run", False),
    )
    return answer_json({"workflow": workflow, **done})
