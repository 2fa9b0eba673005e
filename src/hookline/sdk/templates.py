"""Expressions that a trigger evaluates over an event it is about to give."""

from __future__ import annotations

import functools
from typing import Any

from hookline.core.expressions import ExpressionError, ValueTemplate, compile_value

from .errors import BadInput

__all__ = ["render_event"]

Json = Any


def render_event(template: Json, trigger: Json) -> Json:
    """A parameter's value, with its expressions evaluated over an event.

    Args:
        template: JSON; texts in it may hold ``{{ trigger.body.id }}``.
        trigger: The event, as the workflow's expressions will see it.

    Raises:
        BadInput: An expression cannot be read, or a value that it names is missing.
    """
    try:
        compiled = _compiled(template) if isinstance(template, str) else compile_value(template)
        return compiled.render({"trigger": trigger, "inputs": {}, "vars": {}})
    except ExpressionError as error:
        raise BadInput(error.message, hint=error.hint or "") from error


@functools.lru_cache(maxsize=512)
def _compiled(text: str) -> ValueTemplate:
    return compile_value(text)
