"""The type of a component's field in words, for the terminal and the reference."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hookline.core.lint.unions import constants, tagged_union

__all__ = ["alternatives", "type_text"]

Json = Any


def type_text(field: Json, root: Mapping[str, Json]) -> str:
    """The type of a field, for example ``string or integer``, ``"a", "b"`` or ``list of string``.

    Args:
        root: The schema in which the field's references lead somewhere.
    """
    if not isinstance(field, Mapping):
        return "any"
    if "$ref" in field:
        return type_text(root.get("$defs", {}).get(str(field["$ref"]).rpartition("/")[2], True), root)
    if allowed := constants(field):
        return ", ".join(json.dumps(value, ensure_ascii=False) for value in allowed)
    for key in ("oneOf", "anyOf"):
        if key in field:
            return " or ".join(dict.fromkeys(type_text(each, root) for each in field[key]))
    kind = field.get("type")
    if kind == "array":
        return f"list of {type_text(field.get('items', True), root)}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind or "any")


def alternatives(field: Json) -> str:
    """What the forms of a union of objects are and take; ``""`` for any other field."""
    union = tagged_union(field.get("anyOf") or field.get("oneOf")) if isinstance(field, Mapping) else None
    if union is None:
        return ""
    forms = []
    for values, schema in union.forms:
        names = ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
        needed = schema.get("required", ())
        members = [
            f"{name} (required)" if name in needed else name
            for name in schema["properties"]
            if name != union.tag
        ]
        forms.append(f"{names} with {', '.join(members)}" if members else names)
    return f"Its {union.tag} is {'; '.join(forms)}."
