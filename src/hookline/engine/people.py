"""The people of an installation: declared once, in ``hookline.toml``.

    [people.anna]
    name = "Anna Berg"
    roles = ["editor"]
    email = "anna@example.com"
    slack = "U024BE7LH"

Beside ``name`` and ``roles``, each key is a type of connection and its value the person's address there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from hookline.core.approvals import OPERATOR
from hookline.core.grammar import IDENTIFIER

from .settings import SettingsError

__all__ = ["ROLE", "People", "Person"]

ROLE = "role"
"""What stands before the colon in ``role:editor``; no connection may be named so in ``who``."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who can be asked.

    Attributes:
        id: The name in ``hookline.toml``, or ``<connection>:<address>`` of somebody who is only known
            as a member of a group.
        addresses: Type of connection to the address there.
    """

    id: str
    name: str
    roles: Sequence[str] = ()
    addresses: Mapping[str, str] = field(default_factory=dict)

    def is_called(self, text: str) -> bool:
        """Whether a text names this person: by id, name, or an address."""
        wanted = text.strip().casefold()
        return bool(wanted) and wanted in {
            each.casefold() for each in (self.id, self.name, *self.addresses.values())
        }


@dataclass(frozen=True, slots=True)
class People:
    """Everybody who is declared, by id."""

    declared: Mapping[str, Person] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def of(cls, tables: Mapping[str, Any]) -> People:
        """Read the ``[people.*]`` tables.

        Raises:
            SettingsError: One of them cannot be used.
        """
        found = {name: _person(name, table) for name, table in tables.items()}
        taken: dict[tuple[str, str], str] = {}
        for person in found.values():
            for kind, address in person.addresses.items():
                other = taken.setdefault((kind, address.casefold()), person.id)
                if other != person.id:
                    raise SettingsError(
                        f"hookline.toml: {other} and {person.id} have the same {kind} address",
                        "two people who share an address cannot be told apart",
                    )
        return cls(MappingProxyType(found))

    @property
    def roles(self) -> frozenset[str]:
        """Every role that somebody has."""
        return frozenset(role for person in self.declared.values() for role in person.roles)

    def named(self, entry: str) -> list[Person]:
        """The people that a name or ``role:<role>`` means; none when there are none."""
        start, colon, role = entry.partition(":")
        if colon and start == ROLE:
            return [person for person in self.declared.values() if role in person.roles]
        person = self.declared.get(entry)
        return [] if person is None else [person]

    def at(self, kind: str, address: str) -> Person | None:
        """Who has an address at a type of connection."""
        wanted = address.casefold()
        for person in self.declared.values():
            if person.addresses.get(kind, "").casefold() == wanted:
                return person
        return None

    def __iter__(self) -> Iterator[Person]:
        return iter(self.declared.values())


def _person(name: str, table: Any) -> Person:
    where = f"hookline.toml: [people.{name}]"
    if not isinstance(table, Mapping):
        raise SettingsError(f"{where} is not a table", f'write [people.{name}] and name = "…" below it')
    if not IDENTIFIER.fullmatch(name) or name in (OPERATOR, ROLE):
        raise SettingsError(f"{where}: {name!r} cannot be the name of a person", "use letters, digits and _")
    roles = table.get("roles", [])
    if not isinstance(roles, list) or not all(isinstance(role, str) and role for role in roles):
        raise SettingsError(f"{where}: roles is not a list of texts", 'write roles = ["editor"]')
    rest = {key: value for key, value in table.items() if key != "roles"}
    for key, value in rest.items():
        if not isinstance(value, str) or not value.strip():
            raise SettingsError(f"{where}: {key} is not a text", "leave it out when there is none")
    addresses = {key: value.strip() for key, value in rest.items() if key != "name"}
    return Person(name, rest.get("name", name), tuple(roles), addresses)
