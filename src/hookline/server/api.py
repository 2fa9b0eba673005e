"""``/api/v1``: workflows, runs, events, approvals and what is installed, as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import referencing
from flask import Response, current_app, request
from jsonschema import Draft202012Validator

from hookline.core.diagnostics import DefinitionError, Diagnostic
from hookline.core.document import read as read_definition
from hookline.core.document import strict_json
from hookline.core.lint import check
from hookline.engine import documents
from hookline.engine.catalogue import catalogue_document
from hookline.engine.engine import Busy, Engine, EngineError
from hookline.engine.replays import Slice
from hookline.store.port import EventFilter, Page, RunFilter

from .access import acting_user
from .openapi import openapi_document
from .routes import Answer, Parameter, Routes
from .schemas import (
    APPROVAL_STATUSES,
    COUNT,
    RUN_STATUSES,
    TEXT,
    TIME,
    YES,
    listing,
    many,
    one_of,
    record,
    ref,
)
from .start_forms import start_form

__all__ = [
    "answer_json",
    "api",
    "diagnostic_document",
    "sent_object",
    "who_asks",
    "workflow_documents",
]

api = Routes("/api/v1")

Json = Any
Schema = dict[str, Any]

MAX_LIMIT = 500
"""Most rows of one page of a list."""

STORED_STATES = ("received", "duplicate", "filtered", "rejected")
"""States that events are kept in; running and done are told from their runs."""

_PAGING = (
    Parameter(
        "limit",
        "Rows of the page.",
        {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": 50},
    ),
    Parameter("cursor", "The `next` of the page before.", {"type": "string", "minLength": 1}),
)
_WORKFLOW = Parameter("workflow", "Only those of this workflow.")
_STARTED = {202: Answer("A run was started.", ref("Accepted"))}
_VERSION: Schema = {
    **one_of("original", "latest"),
    "description": "The definition the run had, or the newest.",
}


def _engine() -> Engine:
    engine: Engine = current_app.extensions["hookline"]
    return engine


def answer_json(document: Json, status: int = 200) -> Response:
    """An answer that is JSON."""
    return Response(json.dumps(document), status, mimetype="application/json")


def _limit() -> int:
    text = request.args.get("limit", "50")
    if not text.isascii() or not text.isdigit() or len(text) > 6 or not 1 <= int(text) <= MAX_LIMIT:
        raise EngineError(f"limit must be a number from 1 to {MAX_LIMIT}", code="S601", status=422)
    return int(text)


def _time(name: str) -> float | None:
    return _moment(name, request.args.get(name))


def _moment(name: str, text: str | None) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise EngineError(f"{name} needs a time zone, for example Z", code="S603", status=422)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise EngineError(
            f"{name} must be a time such as 2026-11-20T09:00:00Z", code="S603", status=422
        ) from None


def _choice(name: str, choices: Sequence[str]) -> str | None:
    value = request.args.get(name)
    if value is not None and value not in choices:
        raise EngineError(f"{name} must be one of {', '.join(choices)}", code="S605", status=422)
    return value


def _listed(name: str, read: Callable[[int, str | None], Page], document: Callable[[Any], Json]) -> Response:
    limit, cursor = _limit(), request.args.get("cursor")
    try:
        page = read(limit, cursor)
    except ValueError as error:
        if cursor is None:
            raise
        raise EngineError("this cursor was not given by this list", code="S602", status=422) from error
    return answer_json({name: [document(row) for row in page.rows], "next": page.next})


def sent_object(schema: Schema) -> dict[str, Json]:
    """The request's JSON object, checked; empty when there is no body."""
    data = request.get_data(cache=False)
    if not data.strip():
        value: Json = {}
    else:
        try:
            value = strict_json(data)
        except (ValueError, RecursionError) as error:
            raise EngineError(f"the body is not JSON: {str(error)[:200]}", code="S604", status=400) from error
    if not isinstance(value, dict):
        raise EngineError("the body must be a JSON object", code="S604", status=400)
    wrong = next(Draft202012Validator(schema, registry=referencing.Registry()).iter_errors(value), None)
    if wrong is not None:
        where = "/".join(map(str, ("", *wrong.absolute_path)))
        raise EngineError(f"the body does not fit: {where} {wrong.message[:200]}", code="S606", status=422)
    return value


def who_asks() -> str:
    """The name that is noted for what this request does."""
    return acting_user(request, "api")


def workflow_documents(engine: Engine) -> list[dict[str, Json]]:
    """Every workflow file, with its findings."""
    return [
        {
            "name": file.name,
            "version": file.plan.version if file.plan else None,
            "description": str(file.document.value.get("description", ""))
            if file.plan and file.document
            else "",
            "triggers": [trigger.uses for trigger in file.plan.triggers] if file.plan else [],
            "deployed": file.plan is not None,
            "diagnostics": [diagnostic_document(found) for found in file.diagnostics],
        }
        for file in engine.workflows.files
    ]


@api.get("/openapi.json", permission="read", answers={200: Answer("This description.", {"type": "object"})})
def openapi() -> Response:
    """This description of the API, OpenAPI 3.1."""
    return answer_json(openapi_document(current_app.extensions["hookline.routes"].values()))


@api.get(
    "/workflows",
    permission="read",
    answers={200: Answer("All of them.", listing("workflows", ref("Workflow")))},
)
def workflows() -> Response:
    """Every workflow file, with its findings."""
    return answer_json({"workflows": workflow_documents(_engine()), "next": None})


@api.get(
    "/workflows/<name>",
    permission="read",
    answers={200: Answer("The version in force.", ref("Definition"))},
    problems=(404, 409),
)
def workflow(name: str) -> Response:
    """One deployed workflow and its definition."""
    engine = _engine()
    plan = engine.plan(name)
    form = start_form(plan, engine.registry).to_json()
    return answer_json({"name": plan.name, "version": plan.version, "definition": plan.value, "form": form})


@api.post(
    "/validate",
    permission="read",
    answers={200: Answer("Its findings.", ref("Validation"))},
    problems=(400, 413),
    body={},
    body_types=("application/json", "application/yaml"),
)
def validate() -> Response:
    """Check a definition without deploying it; the body is the definition's text."""
    engine = _engine()
    syntax: Any = "yaml" if "yaml" in (request.content_type or "") else "jsonc"
    try:
        document = read_definition(request.get_data(cache=False), syntax=syntax)
    except DefinitionError as error:
        found: list[Diagnostic] = list(error.diagnostics)
    else:
        own = document.value.get("name") if isinstance(document.value, dict) else None
        others = {name: plan.value for name, plan in engine.workflows.plans.items() if name != own}
        found = check(document, engine.installed, others=others)
    ok = not any(each.severity == "error" for each in found)
    return answer_json(
        {"schema": "hookline.validation/1", "ok": ok, "diagnostics": [diagnostic_document(d) for d in found]}
    )


def diagnostic_document(found: Diagnostic) -> dict[str, Json]:
    """A finding as JSON."""
    return {
        "code": found.code,
        "severity": found.severity,
        "message": found.message,
        "pointer": found.pointer,
        "line": found.line,
        "column": found.column,
        "hint": found.hint,
    }


@api.get(
    "/runs",
    permission="read",
    answers={200: Answer("A page of runs, without their steps.", listing("runs", ref("Run")))},
    problems=(422,),
    parameters=(
        _WORKFLOW,
        Parameter("status", "Only those of this status.", one_of(*RUN_STATUSES)),
        Parameter("since", "Only those created at this time or later.", TIME),
        Parameter("until", "Only those created before this time.", TIME),
        *_PAGING,
    ),
)
def runs() -> Response:
    """Runs, newest first."""
    status = _choice("status", RUN_STATUSES)
    where = RunFilter(request.args.get("workflow"), status, _time("since"), _time("until"))
    return _listed("runs", partial(_engine().store.runs, where), documents.run_summary)


_START = record(
    {"workflow": TEXT, "trigger": {}, "inputs": {"type": ["object", "null"]}},
    optional=("trigger", "inputs"),
)


@api.post(
    "/runs",
    permission="run",
    answers=_STARTED,
    problems=(400, 404, 409, 413, 422),
    body=_START,
)
def start() -> Response:
    """Start a workflow by hand."""
    sent = sent_object(_START)
    accepted = _engine().start_run(sent["workflow"], sent.get("trigger"), sent.get("inputs"))
    return answer_json({"event": accepted.event_id, "runs": [accepted.run_id]}, 202)


@api.get(
    "/runs/<run_id>",
    permission="read",
    answers={200: Answer("The run.", ref("RunWithSteps"))},
    problems=(404,),
)
def run(run_id: str) -> Response:
    """A run with its steps."""
    return answer_json(_engine().run_document(run_id))


@api.get(
    "/runs/<run_id>/history",
    permission="read",
    answers={
        200: Answer(
            "All of it.",
            record({"run": TEXT, "history": many(ref("HistoryEntry")), "next": {"type": "null"}}),
        )
    },
    problems=(404,),
)
def history(run_id: str) -> Response:
    """Every event of a run, oldest first."""
    return answer_json({"run": run_id, "history": _engine().history(run_id), "next": None})


_CANCEL = record({"reason": TEXT}, optional=("reason",))


@api.post(
    "/runs/<run_id>/cancel",
    permission="run",
    answers={
        202: Answer(
            "It will stop; `duplicate` when it was asked before.",
            record({"run": TEXT, "canceling": YES, "duplicate": YES}),
        )
    },
    problems=(400, 404, 409, 422),
    body=_CANCEL,
)
def cancel(run_id: str) -> Response:
    """Ask a run to stop."""
    is_new = _engine().cancel(run_id, reason=sent_object(_CANCEL).get("reason", ""), by=who_asks())
    return answer_json({"run": run_id, "canceling": True, "duplicate": not is_new}, 202)


_REPLAY = record(
    {
        "version": _VERSION,
        "from": {**TEXT, "description": "Id or path of the first step to execute again."},
        "trigger": {"description": "Another event than the run had."},
        "inputs": {"type": ["object", "null"]},
    },
    optional=("version", "from", "trigger", "inputs"),
)


@api.post(
    "/runs/<run_id>/replay",
    permission="run",
    answers=_STARTED,
    problems=(400, 404, 409, 422),
    body=_REPLAY,
)
def replay(run_id: str) -> Response:
    """Run again, as a new run."""
    sent = sent_object(_REPLAY)
    accepted = _engine().replay_run(
        run_id,
        version=sent.get("version", "original"),
        first_step=sent.get("from"),
        data=sent.get("trigger"),
        inputs=sent.get("inputs"),
    )
    return answer_json({"event": accepted.event_id, "runs": [accepted.run_id]}, 202)


_RESUME = record({"version": _VERSION}, optional=("version",))


@api.post(
    "/runs/<run_id>/resume",
    permission="run",
    answers={202: Answer("It goes on.", record({"run": TEXT, "resuming": YES}))},
    problems=(400, 404, 409, 422),
    body=_RESUME,
)
def resume(run_id: str) -> Response:
    """Go on with a failed or canceled run from what did not succeed."""
    _engine().resume(run_id, version=sent_object(_RESUME).get("version", "original"), by=who_asks())
    return answer_json({"run": run_id, "resuming": True}, 202)


@api.get(
    "/events",
    permission="read",
    answers={200: Answer("A page of events.", listing("events", ref("Event")))},
    problems=(422,),
    parameters=(
        Parameter("state", "Only those of this state.", one_of(*STORED_STATES)),
        _WORKFLOW,
        Parameter("trigger", "Only those of this trigger component."),
        Parameter("key", "Only those with this dedupe key."),
        Parameter("run_status", "Only those whose run has this status.", one_of(*RUN_STATUSES)),
        Parameter("since", "Only those received at this time or later.", TIME),
        Parameter("until", "Only those received before this time.", TIME),
        *_PAGING,
    ),
)
def events() -> Response:
    """The inbox, newest first."""
    state, workflow = _choice("state", STORED_STATES), request.args.get("workflow")
    where = EventFilter(
        trigger=request.args.get("trigger"),
        since=_time("since"),
        until=_time("until"),
        key=request.args.get("key"),
        run_status=_choice("run_status", RUN_STATUSES),
    )

    def read(limit: int, cursor: str | None) -> Page:
        return _engine().store.events(state, workflow, limit, cursor, where)

    return _listed("events", read, documents.event_document)


@api.get(
    "/events/<event_id>",
    permission="read",
    answers={200: Answer("The event.", ref("Event"))},
    problems=(404,),
)
def event(event_id: str) -> Response:
    """One event with its headers and body."""
    return answer_json(_engine().event_document(event_id))


_NAME: Schema = {
    "type": "string",
    "minLength": 1,
    "maxLength": 200,
    "description": "Replays that belong together: under one name an event is started once.",
}
_REPLAY_EVENT = record({"version": _VERSION, "name": _NAME}, optional=("version", "name"))


@api.post(
    "/events/<event_id>/replay",
    permission="run",
    answers={200: Answer("It was replayed under this name before.", ref("Accepted")), **_STARTED},
    problems=(400, 404, 409, 422),
    body=_REPLAY_EVENT,
)
def replay_event(event_id: str) -> Response:
    """Run an event's workflow again with the same event; of events in one run, that run."""
    sent = sent_object(_REPLAY_EVENT)
    accepted = _engine().replays.event(
        event_id, version=sent.get("version", "original"), name=sent.get("name", "")
    )
    runs = [accepted.run_id] if accepted.run_id else []
    if accepted.state == "duplicate":
        return answer_json({"event": accepted.event_id, "runs": runs, "duplicate": True})
    return answer_json({"event": accepted.event_id, "runs": runs}, 202)


_REPLAY_EVENTS = record(
    {
        "workflow": TEXT,
        "state": one_of(*STORED_STATES),
        "trigger": TEXT,
        "key": TEXT,
        "run_status": one_of(*RUN_STATUSES),
        "since": TIME,
        "until": TIME,
        "version": _VERSION,
        "name": _NAME,
        "limit": {**COUNT, "minimum": 1, "maximum": MAX_LIMIT, "description": "At most so many now."},
        "dry_run": {**YES, "description": "Only say which events they are."},
    },
    optional=(
        *("workflow", "state", "trigger", "key", "run_status", "since", "until"),
        *("version", "name", "limit", "dry_run"),
    ),
)  # fmt: skip


@api.post(
    "/events/replay",
    permission="run",
    answers={
        200: Answer(
            "What was started. While `left` is not 0, send the same again, at the rate you like.",
            ref("Replayed"),
        )
    },
    problems=(400, 404, 409, 422),
    body=_REPLAY_EVENTS,
)
def replay_events() -> Response:
    """Run the workflows of all events that fit again, oldest first, each once under the `name`."""
    sent = sent_object(_REPLAY_EVENTS)
    is_dry, name = sent.get("dry_run", False), sent.get("name", "")
    if not is_dry and not name:
        hint = 'for example "name": "after-the-outage"; sending it again goes on'
        raise EngineError("a replay of several events needs a name", code="S606", status=422, hint=hint)
    where = EventFilter(
        trigger=sent.get("trigger"),
        since=_moment("since", sent.get("since")),
        until=_moment("until", sent.get("until")),
        key=sent.get("key"),
        run_status=sent.get("run_status"),
    )
    replays = _engine().replays
    found = replays.select(Slice(sent.get("state"), sent.get("workflow"), where), name=name)
    now = [] if is_dry else found.events[: sent.get("limit", 100)]
    started: list[Json] = []
    failed: list[Json] = []
    for event_id in now:
        try:
            accepted = replays.event(event_id, version=sent.get("version", "original"), name=name)
        except Busy:
            if not started:
                raise
            break
        except EngineError as error:
            failed.append({"event": event_id, "code": error.code, "message": error.message})
        else:
            started.append({"event": event_id, "run": accepted.run_id})
    return answer_json(
        {
            "schema": "hookline.replay/1",
            "matched": found.matched,
            "already": found.already,
            "events": list(found.events) if is_dry else [],
            "started": started,
            "failed": failed,
            "left": len(found.events) - len(started) - len(failed),
        }
    )


@api.get(
    "/approvals",
    permission="read",
    answers={200: Answer("A page of approvals.", listing("approvals", ref("Approval")))},
    problems=(422,),
    parameters=(Parameter("status", "Only those of this status.", one_of(*APPROVAL_STATUSES)), *_PAGING),
)
def approvals() -> Response:
    """Approvals, newest first; ``status=pending`` for those that are open."""
    read = partial(_engine().store.approvals, _choice("status", APPROVAL_STATUSES))
    return _listed("approvals", read, documents.approval_document)


_DECISION = record(
    {
        "decision": one_of("approved", "rejected"),
        "by": {**TEXT, "description": "What the operator is called; kept with the decision."},
        "comment": TEXT,
        "form": {},
        "sha256": {**TEXT, "description": "Hash of what was looked at; another one is refused."},
    },
    optional=("by", "comment", "form", "sha256"),
)


@api.get(
    "/approvals/<approval_id>",
    permission="read",
    answers={200: Answer("The approval.", ref("Approval"))},
    problems=(404,),
)
def approval(approval_id: str) -> Response:
    """One approval: what is asked, who was told, what has been decided so far."""
    row = _engine().store.approval(approval_id)
    if row is None:
        raise EngineError(f"there is no approval {approval_id!r}", code="R411", status=404)
    return answer_json(documents.approval_document(row))


@api.post(
    "/approvals/<approval_id>",
    permission="run",
    answers={
        202: Answer(
            "It is recorded; `decided` is false when the operator had decided before.",
            record({"approval": TEXT, "decided": YES}),
        )
    },
    problems=(400, 403, 404, 409, 422),
    body=_DECISION,
)
def decide(approval_id: str) -> Response:
    """Decide on an approval as the operator, where its `who` allows that."""
    sent = sent_object(_DECISION)
    is_new = _engine().decide(
        approval_id,
        sent["decision"],
        by=sent.get("by") or acting_user(request, ""),
        comment=sent.get("comment", ""),
        form=sent.get("form"),
        seen=sent.get("sha256"),
    )
    return answer_json({"approval": approval_id, "decided": is_new}, 202)


@api.get(
    "/connections",
    permission="read",
    answers={200: Answer("All of them.", listing("connections", ref("Connection")))},
)
def connections() -> Response:
    """Names, types and limits of the connections, and who waits for a turn; never what they hold."""
    return answer_json({"connections": _engine().connections.documents(), "next": None})


@api.get(
    "/catalogue",
    permission="read",
    answers={200: Answer("All components.", ref("Catalogue"))},
)
def catalogue() -> Response:
    """Every action, trigger and connection type that is installed."""
    return answer_json(catalogue_document(_engine().registry))
