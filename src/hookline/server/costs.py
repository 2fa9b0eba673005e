"""``/api/v1/costs``: what was spent, by day, workflow or model."""

from __future__ import annotations

from flask import Response, current_app, request

from hookline.engine.costs import BY, COSTS_SCHEMA, costs_document, day_start
from hookline.engine.engine import Engine, EngineError

from .api import answer_json
from .routes import Answer, Parameter, Routes
from .schemas import COUNT, TEXT, USD, YES, many, one_of, record

__all__ = ["costs"]

costs = Routes("/api/v1")

_DAY = {**TEXT, "description": "A day in UTC, `2026-11-20`, or a time with its zone."}
_ROW = record(
    {
        "day": {**TEXT, "format": "date"},
        "workflow": TEXT,
        "model": {**TEXT, "description": "The model, or the action where it names none."},
        "usd": USD,
        "count": {**COUNT, "description": "How many charges make it up."},
        "highest_usd": {**USD, "description": "The highest of them."},
    },
    optional=BY,
)
_COSTS = record(
    {
        "schema": {"const": COSTS_SCHEMA},
        "by": one_of(*BY),
        "since": {**TEXT, "format": "date"},
        "until": {**TEXT, "format": "date"},
        "is_estimate": YES,
        "total_usd": USD,
        "rows": many(_ROW),
    }
)


def _moment(name: str) -> float | None:
    text = request.args.get(name)
    if text is None:
        return None
    try:
        return day_start(text)
    except (ValueError, OverflowError):
        message = f"{name} must be a day such as 2026-11-20, or a time with its zone"
        raise EngineError(message, code="S603", status=422) from None


@costs.get(
    "/costs",
    permission="read",
    answers={200: Answer("The sums; days in order, everything else from the highest.", _COSTS)},
    problems=(422,),
    parameters=(
        Parameter("by", "What to add up by.", {**one_of(*BY), "default": "day"}),
        Parameter("since", "The first day; 30 days in all by default.", _DAY),
        Parameter("until", "The last day; today by default.", _DAY),
    ),
)
def costs_added_up() -> Response:
    """What was spent, by estimate; runs that are forgotten still count."""
    engine: Engine = current_app.extensions["hookline"]
    by = request.args.get("by", "day")
    if by not in BY:
        raise EngineError(f"by must be one of {', '.join(BY)}", code="S605", status=422)
    since, until = _moment("since"), _moment("until")
    return answer_json(costs_document(engine.store, by, since, until, now=engine.clock()))
