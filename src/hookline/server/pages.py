"""Pages for people: runs, approvals, workflows, events and costs. They need no JavaScript."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlencode

from flask import Response, current_app, render_template, request

from hookline.engine import documents
from hookline.engine.costs import BY, costs_document, day_start
from hookline.engine.engine import Engine, EngineError
from hookline.store.port import Approval, EventFilter, Page, RunFilter, Store

from .api import STORED_STATES, workflow_documents
from .presentation import run_in_words
from .routes import Answer, Routes
from .schemas import APPROVAL_STATUSES, RUN_STATUSES

__all__ = ["html_page", "page_engine", "pages"]

pages = Routes(is_listed=False)

ROWS = 50
"""Rows on a page of a list."""

MAX_STEPS = 300
"""Steps on the page of a run; the API gives all of them."""

MAX_ASKING = 20
"""Open approvals that stand at the top of the page of a run."""

MAX_HISTORY = 200
"""Entries of the history on the page of a run, the newest ones."""

_PAGE = {200: Answer("A page.", None, "text/html")}


def page_engine() -> Engine:
    """The engine that the pages show."""
    engine: Engine = current_app.extensions["hookline"]
    return engine


def html_page(template: str, **values: Any) -> Response:
    """A page made of a template."""
    response = Response(render_template(template, **values), mimetype="text/html")
    # Data of runs does not belong into caches, nor into the history of a shared machine.
    response.headers["Cache-Control"] = "no-store"
    return response


def _chosen(name: str, choices: tuple[str, ...]) -> str | None:
    """A filter of the address; what it cannot be is no filter."""
    value = request.args.get(name)
    return value if value in choices else None


def _rows(read: Callable[[int, str | None], Page]) -> Page:
    """The page that the address asks for; the first one when its cursor is none of this list."""
    try:
        return read(ROWS, request.args.get("cursor"))
    except ValueError:
        return read(ROWS, None)


def _older(following: str | None, **filters: str | None) -> str | None:
    """The query of the next page."""
    if following is None:
        return None
    kept = {name: value for name, value in filters.items() if value}
    return "?" + urlencode({**kept, "cursor": following})


@pages.get("/", permission="read", answers=_PAGE)
def runs_page() -> Response:
    """Runs, newest first."""
    engine = page_engine()
    status = _chosen("status", RUN_STATUSES)
    workflow = request.args.get("workflow") or None
    page = _rows(partial(engine.store.runs, RunFilter(workflow, status)))
    return html_page(
        "runs.html",
        runs=[documents.run_summary(row) for row in page.rows],
        older=_older(page.next, workflow=workflow, status=status),
        workflows=sorted(
            {file.name for file in engine.workflows.files} | ({workflow} if workflow else set())
        ),
        statuses=RUN_STATUSES,
        workflow=workflow,
        status=status,
    )


@pages.get("/runs", permission="read", answers=_PAGE)
def all_runs_page() -> Response:
    """The list of runs, where somebody looks for it who shortens a run's address."""
    query = request.query_string.decode("latin-1")
    return Response(status=308, headers={"Location": f"/?{query}" if query else "/"})


@pages.get("/runs/<run_id>", permission="read", answers=_PAGE, problems=(404,))
def run_page(run_id: str) -> Response:
    """One run with its steps and its history."""
    engine = page_engine()
    # Read before the run: what is not stored any more has been taken in, and the run shows it.
    asked = {signal.kind for signal in engine.store.signals(run_id)}
    document = engine.run_document(run_id)
    is_open = document["status"] in ("queued", "running", "waiting")
    is_resumable = document["status"] in ("failed", "canceled")
    history = engine.history(run_id)
    return html_page(
        "run.html",
        run=document,
        words=run_in_words(document),
        steps=document["steps"][:MAX_STEPS],
        steps_left=max(len(document["steps"]) - MAX_STEPS, 0),
        history=history[-MAX_HISTORY:],
        history_left=max(len(history) - MAX_HISTORY, 0),
        last_entry=history[-1]["seq"] if history else -1,
        asking=[step for step in document["steps"] if (step["waiting_for"] or {}).get("approval")][
            :MAX_ASKING
        ],
        is_open=is_open,
        is_resumable=is_resumable,
        is_canceling=is_open and "cancel" in asked,
        is_resuming=is_resumable and "resume" in asked,
    )


def _approval_shown(store: Store, row: Approval) -> dict[str, Any]:
    """An approval, with the decision on it that its run has yet to take in as ``recorded``."""
    recorded = None
    if row.status == "pending":
        for signal in store.signals(row.run_id):
            if signal.kind == "approval" and signal.path == row.path:
                recorded = {"decision": signal.body["decision"], "by": signal.body["by"]}
        # Between the two looks the run may have taken it in.
        row = store.approval(row.id) or row
    document = documents.approval_document(row)
    return {**document, "recorded": recorded if row.status == "pending" else None}


@pages.get("/approvals", permission="read", answers=_PAGE)
def approvals_page() -> Response:
    """Approvals, those that are open unless another status is asked for."""
    status = _chosen("status", (*APPROVAL_STATUSES, "all")) or "pending"
    store = page_engine().store
    page = _rows(partial(store.approvals, None if status == "all" else status))
    return html_page(
        "approvals.html",
        approvals=[_approval_shown(store, row) for row in page.rows],
        older=_older(page.next, status=status),
        statuses=(*APPROVAL_STATUSES, "all"),
        status=status,
    )


@pages.get("/approvals/<approval_id>", permission="read", answers=_PAGE, problems=(404,))
def approval_page(approval_id: str) -> Response:
    """One approval. Looking at it decides nothing; its buttons do."""
    store = page_engine().store
    row = store.approval(approval_id)
    if row is None:
        raise EngineError(f"there is no approval {approval_id!r}", code="R411", status=404)
    return html_page("approval.html", approval=_approval_shown(store, row))


@pages.get("/workflows", permission="read", answers=_PAGE)
def workflows_page() -> Response:
    """Every workflow file, with its findings."""
    return html_page("workflows.html", workflows=workflow_documents(page_engine()))


def _day(name: str) -> float | None:
    """A day of the address; what is none is as if it were left out."""
    try:
        return day_start(request.args.get(name, ""))
    except (ValueError, OverflowError):
        return None


@pages.get("/costs", permission="read", answers=_PAGE)
def costs_page() -> Response:
    """What was spent, by estimate."""
    engine = page_engine()
    by = _chosen("by", BY) or BY[0]
    caps = ((name, engine.settings[name]) for name in ("budget_day", "budget_month"))
    return html_page(
        "costs.html",
        costs=costs_document(engine.store, by, _day("since"), _day("until"), now=engine.clock()),
        choices=BY,
        budgets=[(name, most) for name, most in caps if most],
    )


@pages.get("/events", permission="read", answers=_PAGE)
def events_page() -> Response:
    """The inbox, newest first."""
    engine = page_engine()
    state, failed = _chosen("state", STORED_STATES), _chosen("run_status", RUN_STATUSES)
    workflow, trigger = (request.args.get(name) or None for name in ("workflow", "trigger"))
    where = EventFilter(trigger=trigger, run_status=failed)
    page = _rows(lambda limit, cursor: engine.store.events(state, workflow, limit, cursor, where))
    return html_page(
        "events.html",
        events=[documents.event_document(row) for row in page.rows],
        older=_older(page.next, state=state, workflow=workflow, trigger=trigger, run_status=failed),
        states=STORED_STATES,
        state=state,
        workflows=sorted(
            {file.name for file in engine.workflows.files} | ({workflow} if workflow else set())
        ),
        workflow=workflow,
        triggers=sorted(engine.registry.triggers),
        trigger=trigger,
        statuses=RUN_STATUSES,
        run_status=failed,
    )


@pages.get("/events/<event_id>", permission="read", answers=_PAGE, problems=(404,))
def event_page(event_id: str) -> Response:
    """One event with its headers and body."""
    engine = page_engine()
    document = engine.event_document(event_id)
    return html_page("event.html", event=document, is_replayable=engine.replays.is_replayable(event_id))
