"""``/api/v1/triggers``: what starts the workflows."""

from __future__ import annotations

from flask import Response, current_app

from hookline.engine.engine import Engine

from .api import answer_json
from .routes import Answer, Routes
from .schemas import listing, ref

__all__ = ["triggers"]

triggers = Routes("/api/v1")


@triggers.get(
    "/triggers",
    permission="read",
    answers={200: Answer("All of them.", listing("triggers", ref("TriggerState")))},
)
def all_triggers() -> Response:
    """Every trigger in force: what it watches, its last look, and what is wrong."""
    engine: Engine = current_app.extensions["hookline"]
    return answer_json({"triggers": engine.trigger_states(), "next": None})
