"""``/api/v1``: workflows, runs, events, approvals and what is installed, as JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, json, request

from hookline.core.diagnostics import DefinitionError, Diagnostic
from hookline.core.document import read, strict_json
from hookline.core.lint import check
from hookline.engine import documents
from hookline.engine.catalogue import catalogue_document
from hookline.engine.engine import Engine, EngineError
from hookline.store.port import Page, RunFilter

from .access import permission

__all__ = ["api"]

api = Blueprint("api", __name__, url_prefix="/api/v1")

Json = Any

MAX_LIMIT = 500
RUN_STATUSES = ("queued", "running", "waiting", "succeeded", "failed", "canceled")


def _engine() -> Engine:
    engine: Engine = current_app.extensions["hookline"]
    return engine


def _json(document: Json, status: int = 200) -> Response:
    return Response(json.dumps(document), status, mimetype="application/json")


def _limit() -> int:
    text = request.args.get("limit", "50")
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= MAX_LIMIT:
        raise EngineError(f"limit must be a number from 1 to {MAX_LIMIT}", code="S601", status=422)
    return int(text)


def _cursor() -> str | None:
    cursor = request.args.get("cursor")
    if cursor is not None and not (cursor.isascii() and cursor.isdigit()):
        raise EngineError("this cursor was not given by a list", code="S602", status=422)
    return cursor


def _time(name: str) -> float | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise EngineError(
            f"{name} must be a time such as 2026-11-20T09:00:00Z", code="S603", status=422
        ) from None
    if moment.tzinfo is None:
        raise EngineError(f"{name} needs a time zone, for example Z", code="S603", status=422)
    return moment.timestamp()


def _listed(name: str, page: Page, document: Callable[[Any], Json]) -> Response:
    return _json({name: [document(row) for row in page.rows], "next": page.next})


def _sent() -> dict[str, Json]:
    """The request's JSON object; empty when there is no body."""
    data = request.get_data(cache=False)
    if not data:
        return {}
    try:
        value = strict_json(data)
    except ValueError as error:
        raise EngineError(f"the body is not JSON: {error}", code="S604", status=400) from error
    if not isinstance(value, dict):
        raise EngineError("the body must be a JSON object", code="S604", status=400)
    return value


def _by() -> str:
    return str(request.headers.get("X-Hookline-User", "")) or "api"


@api.get("/workflows")
@permission("read")
def workflows() -> Response:
    """Every workflow file, with its findings."""
    found = [
        {
            "name": file.name,
            "version": file.plan.version if file.plan else None,
            "description": (
                file.document.value.get("description", "") if file.plan and file.document else ""
            ),
            "triggers": [trigger.uses for trigger in file.plan.triggers] if file.plan else [],
            "deployed": file.plan is not None,
            "diagnostics": [diagnostic_document(found) for found in file.diagnostics],
        }
        for file in _engine().workflows.files
    ]
    return _json({"workflows": found, "next": None})


@api.get("/workflows/<name>")
@permission("read")
def workflow(name: str) -> Response:
    """One deployed workflow and its definition."""
    plan = _engine().plan(name)
    return _json({"name": plan.name, "version": plan.version, "definition": plan.value})


@api.post("/validate")
@permission("read")
def validate() -> Response:
    """Check a definition without deploying it; the body is the definition's text."""
    engine = _engine()
    syntax: Any = "yaml" if "yaml" in (request.content_type or "") else "jsonc"
    try:
        document = read(request.get_data(cache=False), syntax=syntax)
    except DefinitionError as error:
        found: list[Diagnostic] = list(error.diagnostics)
    else:
        own = document.value.get("name") if isinstance(document.value, dict) else None
        others = {name: plan.value for name, plan in engine.workflows.plans.items() if name != own}
        found = check(document, engine.installed, others=others)
    ok = not any(each.severity == "error" for each in found)
    return _json(
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


@api.get("/runs")
@permission("read")
def runs() -> Response:
    """Runs, newest first."""
    status = request.args.get("status")
    if status is not None and status not in RUN_STATUSES:
        raise EngineError(f"status must be one of {', '.join(RUN_STATUSES)}", code="S605", status=422)
    where = RunFilter(request.args.get("workflow"), status, _time("since"), _time("until"))
    return _listed("runs", _engine().store.runs(where, _limit(), _cursor()), documents.run_summary)


@api.post("/runs")
@permission("run")
def start() -> Response:
    """Start a workflow by hand: ``{"workflow", "trigger"?, "inputs"?}``."""
    sent = _sent()
    inputs = sent.get("inputs")
    if not isinstance(sent.get("workflow"), str) or not isinstance(inputs, dict | None):
        raise EngineError("workflow (text) and inputs (object) are expected", code="S604", status=422)
    accepted = _engine().start_run(sent["workflow"], sent.get("trigger"), inputs)
    return _json({"event": accepted.event_id, "runs": [accepted.run_id]}, 202)


@api.get("/runs/<run_id>")
@permission("read")
def run(run_id: str) -> Response:
    """A run with its steps."""
    return _json(_engine().run_document(run_id))


@api.get("/runs/<run_id>/history")
@permission("read")
def history(run_id: str) -> Response:
    """Every event of a run, oldest first."""
    return _json({"run": run_id, "history": _engine().history(run_id), "next": None})


@api.post("/runs/<run_id>/cancel")
@permission("run")
def cancel(run_id: str) -> Response:
    """Ask a run to stop."""
    is_new = _engine().cancel(run_id, reason=str(_sent().get("reason", "")), by=_by())
    return _json({"run": run_id, "canceling": True, "duplicate": not is_new}, 202)


@api.post("/runs/<run_id>/replay")
@permission("run")
def replay(run_id: str) -> Response:
    """Run again: ``{"version"?: "original"|"latest", "from"?: step, "trigger"?, "inputs"?}``."""
    sent = _sent()
    accepted = _engine().replay_run(
        run_id,
        version=_version(sent),
        first_step=sent.get("from"),
        data=sent.get("trigger"),
        inputs=sent.get("inputs"),
    )
    return _json({"event": accepted.event_id, "runs": [accepted.run_id]}, 202)


@api.post("/runs/<run_id>/resume")
@permission("run")
def resume(run_id: str) -> Response:
    """Go on with a failed run: ``{"version"?: "original"|"latest"}``."""
    _engine().resume(run_id, version=_version(_sent()), by=_by())
    return _json({"run": run_id, "resuming": True}, 202)


def _version(sent: dict[str, Json]) -> str:
    version = sent.get("version", "original")
    if version not in ("original", "latest"):
        raise EngineError("version must be original or latest", code="S605", status=422)
    return str(version)


@api.get("/events")
@permission("read")
def events() -> Response:
    """The inbox, newest first."""
    page = _engine().store.events(
        request.args.get("state"), request.args.get("workflow"), _limit(), _cursor()
    )
    return _listed("events", page, documents.event_document)


@api.get("/events/<event_id>")
@permission("read")
def event(event_id: str) -> Response:
    """One event with its headers and body."""
    row = _engine().store.event(event_id)
    if row is None:
        raise EngineError(f"there is no event {event_id!r}", code="R414", status=404)
    return _json(documents.event_document(row, full=True))


@api.post("/events/<event_id>/replay")
@permission("run")
def replay_event(event_id: str) -> Response:
    """Run an event's workflow again with the same event."""
    row = _engine().store.event(event_id)
    if row is None or row.run_id is None:
        raise EngineError(f"the event {event_id!r} started no run", code="R414", status=404)
    accepted = _engine().replay_run(row.run_id, version=_version(_sent()))
    return _json({"event": accepted.event_id, "runs": [accepted.run_id]}, 202)


@api.get("/approvals")
@permission("read")
def approvals() -> Response:
    """Approvals, newest first; ``status=pending`` for those that are open."""
    page = _engine().store.approvals(request.args.get("status"), _limit(), _cursor())
    return _listed("approvals", page, documents.approval_document)


@api.post("/approvals/<approval_id>")
@permission("run")
def decide(approval_id: str) -> Response:
    """Decide: ``{"decision": "approved"|"rejected", "by", "comment"?, "form"?}``."""
    sent = _sent()
    by = str(sent.get("by") or _by())
    is_new = _engine().decide(
        approval_id,
        str(sent.get("decision", "")),
        by=by,
        comment=str(sent.get("comment", "")),
        form=sent.get("form"),
    )
    return _json({"approval": approval_id, "decided": is_new}, 202)


@api.get("/connections")
@permission("read")
def connections() -> Response:
    """Names and types of the connections; never what they hold."""
    found = [{"name": name, "type": kind} for name, kind in sorted(_engine().connections.types.items())]
    return _json({"connections": found, "next": None})


@api.get("/catalogue")
@permission("read")
def catalogue() -> Response:
    """Every action, trigger and connection type that is installed."""
    return _json(catalogue_document(_engine().registry))
