"""What the core needs to know about the components that are installed.

The core never imports a component. The registry of the engine (and any test) satisfies these
protocols; the lints and the generated JSON Schema read nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

__all__ = ["ActionInfo", "Catalogue", "ComponentInfo", "Effect", "TriggerInfo"]

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


class ActionInfo(ComponentInfo, Protocol):
    """An action as the core sees it."""

    @property
    def effect(self) -> Effect: ...

    @property
    def writes(self) -> Sequence[str]:
        """Addresses written, as format strings over ``with``: ``("{to}",)``. For the loop lint."""


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
