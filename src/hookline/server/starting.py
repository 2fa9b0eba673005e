"""Starting a workflow at the page: a form made of what the workflow takes."""

from __future__ import annotations

import json
from typing import Any

from flask import Response, request

from hookline.core.document import strict_json
from hookline.engine.engine import Engine, EngineError

from .forms import checked_engine, form_done, form_values
from .pages import html_page, page_engine
from .routes import Answer, Routes
from .start_forms import start_form

__all__ = ["starting"]

starting = Routes(is_listed=False)

Json = Any


@starting.get(
    "/workflows/<name>/start",
    permission="read",
    answers={200: Answer("A page.", None, "text/html")},
    problems=(404, 409),
)
def start_page(name: str) -> Response:
    """The form that starts a workflow. Looking at it starts nothing; its button does."""
    engine = page_engine()
    plan = engine.plan(name)
    form = start_form(plan, engine.registry)
    return html_page(
        "start.html",
        workflow=plan.name,
        description=plan.value.get("description", ""),
        form=form,
        is_by_hand=any(_is_by_hand(engine, trigger.uses) for trigger in plan.triggers) or not plan.triggers,
        event=json.dumps(form.event, indent=2, ensure_ascii=False) if form.event is not None else None,
    )


def _is_by_hand(engine: Engine, uses: str) -> bool:
    declared = engine.registry.triggers.get(uses)
    return declared is not None and declared.kind == "manual"


@starting.post(
    "/workflows/<name>/start",
    permission="run",
    answers={303: Answer("Done; look at the run.", None, "text/html")},
    problems=(404, 409, 422),
)
def start_by_form(name: str) -> Response:
    """Start a workflow with what was filled in."""
    engine = checked_engine()
    form = start_form(engine.plan(name), engine.registry)
    if form.event is not None:
        accepted = engine.start_run(name, _event(request.form.get("event", "")), source="page")
    else:
        values = form_values({"properties": form.properties})
        accepted = engine.start_run(name, None, values, source="page")
    return form_done(f"/runs/{accepted.run_id}")


def _event(text: str) -> Json:
    try:
        return strict_json(text.encode("utf-8", "replace"))
    except (ValueError, RecursionError) as error:
        raise EngineError(
            f"the event is not JSON: {str(error)[:200]}",
            code="S707",
            status=422,
            hint="go back and correct it",
        ) from error
