"""What a person fills in to start a workflow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hookline.core.plan import Plan
from hookline.engine.registry import Registry

__all__ = ["StartForm", "start_form"]

Json = Any


@dataclass(frozen=True, slots=True)
class StartForm:
    """What a person fills in to start a workflow.

    Attributes:
        properties: JSON Schema of each field; empty when nothing is asked for, or `event` is.
        required: Names of the fields that must be filled in.
        event: The trigger's own example, when the whole event is asked for as JSON; else None.
    """

    properties: Mapping[str, Json] = field(default_factory=dict)
    required: tuple[str, ...] = ()
    event: Json = None

    def to_json(self) -> dict[str, Json]:
        """For programs that make a form of their own."""
        return {"properties": dict(self.properties), "required": list(self.required), "event": self.event}


def start_form(plan: Plan, registry: Registry) -> StartForm:
    """The form of a workflow: of its manual trigger, else of its inputs, else its trigger's event."""
    declared = [(trigger, registry.triggers.get(trigger.uses)) for trigger in plan.triggers]
    by_hand = next((trigger for trigger, known in declared if known and known.kind == "manual"), None)
    fields = by_hand.parameters.get("inputs") if by_hand is not None else None
    if isinstance(fields, Mapping):
        required = [name for name, each in fields.items() if not _has_default(each)]
        return StartForm(fields, tuple(required))
    if plan.inputs is not None:
        properties = plan.inputs.get("properties", {})
        return StartForm(properties, tuple(plan.inputs.get("required", ())))
    example = next((known for trigger, known in declared if known is not None), None)
    if example is None:
        return StartForm()
    return StartForm(event=dict(example.sample))


def _has_default(schema: Json) -> bool:
    return isinstance(schema, Mapping) and "default" in schema
