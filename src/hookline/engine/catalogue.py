"""What is installed, as one document: for the catalogue page, the API and the reference."""

from __future__ import annotations

from typing import Any

from hookline.sdk import Action, ConnectionType, Trigger

from .registry import Registry

__all__ = ["catalogue_document"]

Json = Any


def catalogue_document(registry: Registry) -> dict[str, Json]:
    """Every component with its schemas, and what could not be loaded."""
    return {
        "schema": "hookline.catalogue/1",
        "actions": [_action(registry.actions[name]) for name in sorted(registry.actions)],
        "triggers": [_trigger(registry.triggers[name]) for name in sorted(registry.triggers)],
        "connections": [_connection(kind) for _, kind in sorted(registry.connection_types.items())],
        "unavailable": [
            {"name": each.name, "reason": each.reason, "hint": each.hint} for each in registry.unavailable
        ],
    }


def _component(component: Action | Trigger) -> dict[str, Json]:
    return {
        "name": component.name,
        "title": component.title,
        "description": component.description,
        "docs": component.docs,
        "connection": component.connection,
        "input": component.input_schema,
        "output": component.output_schema,
    }


def _action(action: Action) -> dict[str, Json]:
    examples = [{"title": each.title, "input": dict(each.input)} for each in action.examples]
    return {
        **_component(action),
        "effect": action.effect,
        "summary": action.summary,
        "waits": action.resume is not None,
        "elsewhere": {kind: other.action for kind, other in action.elsewhere.items()},
        "examples": examples,
    }


def _trigger(trigger: Trigger) -> dict[str, Json]:
    return {**_component(trigger), "kind": trigger.kind, "sample": dict(trigger.sample)}


def _connection(kind: ConnectionType) -> dict[str, Json]:
    return {
        "name": kind.name,
        "title": kind.title,
        "docs": kind.docs,
        "fields": kind.fields,
        "schemes": list(kind.schemes),
    }
