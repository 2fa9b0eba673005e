"""Start a workflow by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from hookline.sdk import BadInput, Field, HookContext, trigger

from ._safe_schema import UnsafeSchema, first_error

__all__ = ["manual"]


@trigger("manual", kind="manual", sample={"prompt": "a lighthouse at dusk"})
def manual(
    ctx: HookContext,
    input: Any,
    inputs: Annotated[
        dict[str, dict[str, Any]] | None,
        Field(
            "The form's fields: the JSON Schema of each, by name. A field without a `default` is required. "
            "When left out, any object is accepted.",
            examples=[{"prompt": {"type": "string"}, "count": {"type": "integer", "default": 1}}],
        ),
    ] = None,
) -> Mapping[str, Any]:
    """By hand.

    Starts a run when a person (or `hookline run`, or the API) asks for one. The input is the event:
    `trigger.prompt` is the field `prompt`.

    Raises:
        BadInput: The input does not satisfy the fields.
    """
    given = {} if input is None else input
    if not isinstance(given, Mapping):
        raise BadInput("the input is not an object", hint='give an object such as {"prompt": "…"}')
    if inputs is None:
        return dict(given)
    defaults = {name: field["default"] for name, field in inputs.items() if "default" in field}
    values = {**defaults, **given}
    schema = {
        "type": "object",
        "properties": inputs,
        "required": [name for name in inputs if name not in defaults],
        "additionalProperties": False,
    }
    try:
        found = first_error(schema, values)
    except UnsafeSchema as error:
        raise BadInput(f"inputs cannot be used: {error}", hint="correct the trigger's inputs") from error
    if found:
        raise BadInput(f"the input is wrong at {found}", hint=_asked(inputs))
    return values


def _asked(inputs: Mapping[str, Mapping[str, Any]]) -> str:
    """The form in one line."""
    fields = []
    for name, each in inputs.items():
        kind = " or ".join(map(json.dumps, each["enum"])) if "enum" in each else str(each.get("type", "any"))
        rest = f"{json.dumps(each['default'])} when left out" if "default" in each else "required"
        fields.append(f"{name} ({kind}, {rest})")
    return f"it takes {', '.join(fields)}" if fields else "it takes nothing"
