"""Rendered parameters against an action's schema: what the lints could not know before the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import referencing
from jsonschema import Draft202012Validator, ValidationError

from hookline.sdk import Action, BadInput

__all__ = ["checked"]

_validators: dict[int, tuple[Action, Draft202012Validator]] = {}
"""Compiled once for each action; the action is kept, so that its id stays its own."""

_FROM_TEXT = {"integer": "int", "number": "double", "boolean": "bool"}


def checked(action: Action, values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters as the action takes them; null counts as left out where it may be.

    Raises:
        BadInput: R209, naming the first that does not fit.
    """
    if not action.input_schema["properties"]:
        return dict(values)
    required = action.input_schema["required"]
    given = {name: value for name, value in values.items() if value is not None or name in required}
    error = next(_validator(action).iter_errors(given), None)
    if error is not None:
        raise BadInput(
            f"{_place(error)}: {error.message[:200]}",
            code="R209",
            hint=_conversion(error) or f"hookline connectors show {action.name} lists what it takes",
        )
    return given


def _validator(action: Action) -> Draft202012Validator:
    known = _validators.get(id(action))
    if known is None:
        made = Draft202012Validator(action.input_schema, registry=referencing.Registry())
        known = _validators[id(action)] = (action, made)
    return known[1]


def _conversion(error: ValidationError) -> str:
    """How a value is converted that is only of the wrong type; ``""`` when no function does it."""
    wanted, value = error.validator_value, error.instance
    if error.validator != "type":
        return ""
    if wanted == "string" and isinstance(value, bool | int | float):
        return "an expression keeps the type of its value: write {{ string(…) }}"
    if wanted == "string" and isinstance(value, list | dict):
        return "an expression keeps the type of its value: write {{ json(…) }} for its JSON text"
    if wanted in _FROM_TEXT and isinstance(value, str):
        return f"an expression keeps the type of its value: write {{{{ {_FROM_TEXT[wanted]}(…) }}}}"
    return ""


def _place(error: ValidationError) -> str:
    return "/".join(["with", *map(str, error.absolute_path)])
