"""Unions of objects that tell by one member, most often ``type``, which of them is meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["TaggedUnion", "constants", "tagged_union"]


@dataclass(frozen=True, slots=True)
class TaggedUnion:
    """A union of objects.

    Attributes:
        tag: The member that tells which form is meant.
        forms: The values of the tag and the schema of each form, in the schema's order.
    """

    tag: str
    forms: tuple[tuple[tuple[Any, ...], Mapping[str, Any]], ...]

    @property
    def values(self) -> list[Any]:
        """Every value that the tag may have."""
        return [value for values, _ in self.forms for value in values]

    def places(self, value: Any) -> list[int]:
        """The forms that a value of the tag stands for, by their index."""
        return [place for place, (values, _) in enumerate(self.forms) if value in values]


def tagged_union(options: Any) -> TaggedUnion | None:
    """The union that the alternatives of an ``anyOf`` or ``oneOf`` make, None when they have no tag."""
    if not isinstance(options, Sequence) or len(options) < 2:
        return None
    schemas = [option for option in options if isinstance(option, Mapping) and _is_object(option)]
    if len(schemas) < len(options):
        return None
    for name in schemas[0]["properties"]:
        found = [constants(schema["properties"].get(name)) for schema in schemas]
        if all(found) and all(name in schema.get("required", ()) for schema in schemas):
            return TaggedUnion(name, tuple(zip(map(tuple, found), schemas, strict=True)))
    return None


def constants(schema: Any) -> list[Any]:
    """The only values that a schema allows; empty when it allows others too."""
    if not isinstance(schema, Mapping):
        return []
    if "const" in schema:
        return [schema["const"]]
    if "enum" in schema:
        return list(schema["enum"])
    options = schema.get("oneOf") or schema.get("anyOf") or ()
    parts = [constants(option) for option in options]
    return [value for part in parts for value in part] if parts and all(parts) else []


def _is_object(schema: Mapping[str, Any]) -> bool:
    return schema.get("type") == "object" and isinstance(schema.get("properties"), Mapping)
