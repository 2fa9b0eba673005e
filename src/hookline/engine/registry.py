"""What is installed: every action, trigger and connection type by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeVar

from hookline.sdk import Action, ConnectionType, Connector, Trigger

__all__ = ["Found", "Registry", "RegistryError", "Unavailable", "build_registry"]

Component = Action | Trigger | Connector
T = TypeVar("T")


class RegistryError(Exception):
    """What is installed contradicts itself; nothing can be loaded until a person decides.

    Attributes:
        code: A stable code, ``C001`` to ``C003``.
        message: What is wrong and where.
        hint: What to do about it.
    """

    def __init__(self, code: str, message: str, *, hint: str) -> None:
        super().__init__(f"{code}: {message} ({hint})")
        self.code = code
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Unavailable:
    """Components that are there and cannot be used.

    Attributes:
        name: Where they are: ``connectors/s3``, ``actions/http``, or an entry point's name.
        reason: Why not, for a person.
        hint: What to do about it.
    """

    name: str
    reason: str
    hint: str

    @property
    def is_own(self) -> bool:
        """Whether it is the project's."""
        return self.name.startswith("project:")

    @property
    def place(self) -> str:
        """Where it is, for a person: a project's own relative to the project."""
        return self.name.removeprefix("project:")


@dataclass(frozen=True, slots=True)
class Found:
    """One component and the place it was declared in.

    Attributes:
        origin: ``connectors/slack``; with ``project:`` before it when it is the project's own,
            or ``<distribution>:<entry point>``.
    """

    component: Component
    origin: str


@dataclass(frozen=True, slots=True)
class Registry:
    """Everything that is installed.

    Attributes:
        actions: By the name used in ``uses``.
        triggers: By the name used in ``uses``.
        connectors: By id.
        connection_types: By name, for example ``slack``.
        schemes: URI scheme of an address to the connection type whose client keeps it.
        origins: Name of an action or trigger to the place it is declared in.
        unavailable: What could not be loaded, and why.
    """

    actions: Mapping[str, Action]
    triggers: Mapping[str, Trigger]
    connectors: Mapping[str, Connector]
    connection_types: Mapping[str, ConnectionType]
    schemes: Mapping[str, str]
    origins: Mapping[str, str]
    unavailable: tuple[Unavailable, ...] = ()


def build_registry(found: Iterable[Found], unavailable: Iterable[Unavailable] = ()) -> Registry:
    """Put components together.

    Raises:
        RegistryError: The same name or scheme is declared twice (C001, C003).
    """
    actions: dict[str, Action] = {}
    triggers: dict[str, Trigger] = {}
    connectors: dict[str, Connector] = {}
    origins: dict[str, str] = {}

    def declare(kind: str, name: str, component: object, known: object, origin: str) -> bool:
        if known is component:
            return False  # the same object, reached through its connector and through its module
        if known is not None:
            raise RegistryError(
                "C001",
                f"the {kind} {name!r} is declared twice: in {origins[f'{kind}:{name}']} and in {origin}",
                hint="rename one of them, or declare the override in hookline.toml",
            )
        origins[f"{kind}:{name}"] = origin
        return True

    for each in found:
        parts: list[Component] = [each.component]
        if isinstance(each.component, Connector):
            parts += [*each.component.actions, *each.component.triggers]
        for part in parts:
            if isinstance(part, Action):
                if declare("action", part.name, part, actions.get(part.name), each.origin):
                    actions[part.name] = part
            elif isinstance(part, Trigger):
                if declare("trigger", part.name, part, triggers.get(part.name), each.origin):
                    triggers[part.name] = part
            elif declare("connector", part.id, part, connectors.get(part.id), each.origin):
                connectors[part.id] = part

    connection_types = {c.id: c.connection_type for c in connectors.values() if c.connection_type is not None}
    return Registry(
        actions=_sorted(actions),
        triggers=_sorted(triggers),
        connectors=_sorted(connectors),
        connection_types=_sorted(connection_types),
        schemes=_sorted(_schemes(connection_types)),
        origins=_sorted({key.partition(":")[2]: origin for key, origin in origins.items()}),
        unavailable=tuple(sorted(unavailable, key=lambda each: each.name)),
    )


def _schemes(connection_types: Mapping[str, ConnectionType]) -> dict[str, str]:
    schemes: dict[str, str] = {}
    for type_ in connection_types.values():
        for scheme in type_.schemes:
            other = schemes.setdefault(scheme, type_.name)
            if other != type_.name:
                raise RegistryError(
                    "C003",
                    f"{scheme}:// is claimed by the connection types {other!r} and {type_.name!r}",
                    hint="remove the scheme from one of them",
                )
    return schemes


def _sorted(mapping: Mapping[str, T]) -> Mapping[str, T]:
    return MappingProxyType(dict(sorted(mapping.items())))
