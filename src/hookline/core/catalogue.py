"""What the core needs to know about the components that are installed.

The core never imports a component. The registry of the engine (and any test) satisfies these
protocols; the lints and the generated JSON Schema read nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = [
    "ActionInfo",
    "Catalogue",
    "ComponentInfo",
    "Effect",
    "ElsewhereInfo",
    "Runner",
    "TriggerInfo",
    "runner_of",
]

Effect = Literal["read", "idempotent", "check", "at_least_once"]


class ComponentInfo(Protocol):
    """What an action and a trigger have in common."""

    @property
    def name(self) -> str:
        """The name used in ``uses``, for example ``slack.post_message``."""

    @property
    def title(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def docs(self) -> str:
        """Address of the service's own documentation, or ``""``."""

    @property
    def connection(self) -> str | None:
        """The connection type needed, for example ``slack``, or None."""

    @property
    def input_schema(self) -> Mapping[str, Any]:
        """JSON Schema (an object schema) of ``with``, before expressions are rendered."""

    @property
    def output_schema(self) -> Mapping[str, Any] | None:
        """JSON Schema of the output (of a trigger: of the event), None when anything may come."""


class ElsewhereInfo(Protocol):
    """Another action that runs a step when its connection is of another type."""

    @property
    def action(self) -> str: ...

    @property
    def hints(self) -> Mapping[str, str]:
        """What to do about each parameter that the other action does not take."""


class ActionInfo(ComponentInfo, Protocol):
    """An action as the core sees it."""

    @property
    def effect(self) -> Effect: ...

    @property
    def writes(self) -> Sequence[str]:
        """Addresses written, as format strings over ``with``: ``("{to}",)``. For the loop lint."""

    @property
    def opens(self) -> Callable[[Mapping[str, Any]], Iterable[tuple[str, str]]] | None:
        """Connections besides its own that a step with these parameters opens, as (type, name)."""

    @property
    def elsewhere(self) -> Mapping[str, ElsewhereInfo]:
        """By the type of a connection that is not this action's: what runs the step with it."""


class TriggerInfo(ComponentInfo, Protocol):
    """A trigger as the core sees it."""

    @property
    def sample(self) -> Mapping[str, Any]:
        """A realistic event, valid against `output_schema`."""

    @property
    def watches(self) -> Sequence[str]:
        """Addresses watched, as format strings over ``with``: ``("s3://{bucket}/{prefix}",)``."""


class Catalogue(Protocol):
    """Everything that is installed and configured."""

    @property
    def actions(self) -> Mapping[str, ActionInfo]: ...

    @property
    def triggers(self) -> Mapping[str, TriggerInfo]: ...

    @property
    def connections(self) -> Mapping[str, str]:
        """Name of each usable connection and its type. A type's own name is its default connection."""


@dataclass(frozen=True, slots=True)
class Runner:
    """What runs a step.

    Attributes:
        action: The action that really runs.
        connection: The connection the step names; None when it is left to the action.
        hints: What to do about parameters that it does not take and the action in ``uses`` does.
    """

    action: ActionInfo
    connection: str | None
    hints: Mapping[str, str]


def runner_of(step: Mapping[str, Any], catalogue: Catalogue) -> Runner | None:
    """What runs a step as it is written: what ``uses`` names, or what that leaves a connection's type to.

    None when nothing of that name is installed.
    """
    name, given = step.get("uses"), step.get("connection")
    action = catalogue.actions.get(name) if isinstance(name, str) else None
    if action is None:
        return None
    connection = given if isinstance(given, str) else None
    # Without the key it is the connection of the type's own name, which may be of another type.
    named = action.connection if given is None else connection
    elsewhere = action.elsewhere.get(catalogue.connections.get(named, "")) if named is not None else None
    other = catalogue.actions.get(elsewhere.action) if elsewhere is not None else None
    if elsewhere is None or other is None:
        return Runner(action, connection, {})
    return Runner(other, named, elsewhere.hints)
