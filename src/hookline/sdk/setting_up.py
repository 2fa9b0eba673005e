"""What has to be there elsewhere before a trigger is told of anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

__all__ = [
    "SetupContext",
    "SetupStep",
]

Json = Any


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One thing that has to be there elsewhere for a trigger to be told of anything.

    Attributes:
        title: What it is, for people: ``queue hookline-uploads``.
        document: How it has to be, in the outside service's own terms.
        state: ``missing``, ``present``, or ``unknown`` when nobody was asked.
        apply: Makes it, and says what was done; None when only a person can.
    """

    title: str
    document: Json
    state: Literal["missing", "present", "unknown"] = "unknown"
    apply: Callable[[], Awaitable[str]] | None = None


class SetupContext(Protocol):
    """What a trigger's setup is given.

    Attributes:
        look: Whether the outside may be asked what is there already.
        options: What the person said beyond the workflow: ``{"queue": "name"}``.
    """

    workflow: str
    connection: Any
    look: bool
    options: Mapping[str, str]
