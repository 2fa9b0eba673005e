"""How the type of a component's field is said."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.cli.field_types import alternatives, type_text

from .conftest import Cli


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ({}, "any"),
        (True, "any"),
        ({"type": "integer"}, "integer"),
        ({"type": ["string", "null"]}, "string or null"),
        (
            {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
            "string or list of string",
        ),
        ({"anyOf": [{"type": "object"}, {"type": "object"}]}, "object"),
        ({"oneOf": [{"const": "a"}, {"const": "b"}]}, '"a", "b"'),
        ({"enum": [1, "x"]}, '1, "x"'),
        ({"$ref": "#/$defs/size"}, "number"),
    ],
)
def test_types_are_said_in_words(field: Any, text: str) -> None:
    assert type_text(field, {"$defs": {"size": {"type": "number"}}}) == text


def test_the_forms_of_a_union_are_told_by_their_type() -> None:
    def form(kind: str, *names: str) -> dict[str, Any]:
        members = {name: {"type": "string"} for name in names}
        return {
            "type": "object",
            "properties": {"type": {"const": kind}, **members},
            "required": ["type", *names[:1]],
        }

    union = {"anyOf": [form("key", "name", "prefix"), form("none")]}
    assert alternatives(union) == 'Its type is "key" with name (required), prefix; "none".'
    assert alternatives({"anyOf": [{"type": "string"}, form("none")]}) == ""
    assert alternatives({"type": "string"}) == ""


def test_a_webhook_shows_its_kinds_of_proof(cli: Cli) -> None:
    shown = cli.ok("connectors", "show", "webhook").stdout
    assert "object/object" not in shown
    assert '"bearer" with header' in shown
    assert '"at_once", "output"' in shown
