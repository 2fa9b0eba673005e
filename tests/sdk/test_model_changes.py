"""What another version of a model changes for those who call it."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.sdk.model_changes import schema_changes
from hookline.testing.replicate import openapi_schema

TEXT = {"type": "string"}
STREAM = {"x-cog-array-type": "iterator", "x-cog-array-display": "concatenate", "type": "array"}
ONE, TWO, ANY = {"type": "number", "maximum": 1}, {"type": "number", "maximum": 2}, {"type": "number"}
FROM_ONE, FROM_TWO = {"type": "number", "minimum": 1}, {"type": "number", "minimum": 2}
X, Y = {**TEXT, "default": "x"}, {**TEXT, "default": "y"}
LIST = {"type": "array", "items": TEXT}
OIL = {"style": {**TEXT, "enum": ["oil"]}}
OIL_AND_INK = {"style": {**TEXT, "enum": ["oil", "ink"]}}
CHOICE = {"allOf": [{"$ref": "#/components/schemas/style"}], "default": "oil"}


def change(before: dict[str, Any], after: dict[str, Any], **options: Any) -> list[tuple[str, str, str]]:
    def document(properties: dict[str, Any], required: list[str], output: Any, enums: Any) -> Any:
        return openapi_schema(properties, required, output, enums)

    was = document(before, options.get("required", []), options.get("output", TEXT), options.get("enums"))
    now = document(
        after, options.get("now_required", options.get("required", [])), options.get("now_output", TEXT),
        options.get("now_enums", options.get("enums")),
    )  # fmt: skip
    return [(found.kind, found.input, found.text) for found in schema_changes(was, now)]


@pytest.mark.parametrize(
    ("before", "after", "options", "kind", "told"),
    [
        ({"a": TEXT, "b": TEXT}, {"a": TEXT}, {}, "breaking", "'b' is gone"),
        ({}, {"a": TEXT}, {"now_required": ["a"]}, "breaking", "'a', which is required"),
        ({}, {"a": {**TEXT, "default": "x"}}, {}, "harmless", "'a', \"x\" if left out"),
        ({"a": TEXT}, {"a": TEXT}, {"now_required": ["a"]}, "breaking", "is required now"),
        ({"a": TEXT}, {"a": TEXT}, {"required": ["a"], "now_required": []}, "harmless", "may be left out"),
        ({"a": TEXT}, {"a": {"type": "integer"}}, {}, "breaking", "was string and is integer"),
        ({"a": TEXT}, {"a": {**TEXT, "format": "uri"}}, {}, "breaking", "was string and is a file"),
        (
            {"a": {"type": "number", "maximum": 2}},
            {"a": {"type": "number", "maximum": 1}},
            {},
            "breaking",
            "was 2 and is 1",
        ),
        (
            {"a": {"type": "number", "minimum": 2}},
            {"a": {"type": "number", "minimum": 1}},
            {},
            "harmless",
            "was 2 and is 1",
        ),
        (
            {"a": {"type": "number"}},
            {"a": {"type": "number", "minimum": 1}},
            {},
            "breaking",
            "was none and is 1",
        ),
        (
            {"a": {**TEXT, "default": "x"}},
            {"a": {**TEXT, "default": "y"}},
            {},
            "behaviour",
            'was "x" and is "y"',
        ),
        (
            {"style": CHOICE},
            {"style": CHOICE},
            {"enums": OIL_AND_INK, "now_enums": OIL},
            "breaking",
            'does not take "ink" any more',
        ),
        (
            {"style": CHOICE},
            {"style": CHOICE},
            {"enums": OIL, "now_enums": OIL_AND_INK},
            "harmless",
            'also takes "ink"',
        ),
        (
            {},
            {},
            {"now_output": LIST},
            "breaking",
            "was string and is a list of string",
        ),
        (
            {},
            {},
            {"now_output": STREAM},
            "breaking",
            "is a text that comes in pieces",
        ),
    ],
)
def test_a_difference(before: Any, after: Any, options: Any, kind: str, told: str) -> None:
    ((found_kind, _, text),) = change(before, after, **options)
    assert (found_kind, told in text) == (kind, True), text


def test_the_same_has_no_difference_and_what_breaks_comes_first() -> None:
    assert change({"a": CHOICE}, {"a": CHOICE}, enums=OIL) == []
    found = change({"a": TEXT, "b": {**TEXT, "default": 1}}, {"b": {**TEXT, "default": 2}, "c": TEXT})
    assert [kind for kind, _, _ in found] == ["breaking", "behaviour", "harmless"]


@pytest.mark.parametrize(
    "document", [{}, {"components": 1}, {"components": {"schemas": {"Input": {"properties": 3}}}}]
)
def test_a_document_that_is_none_is_no_fault(document: Any) -> None:
    assert schema_changes(document, document) == []
