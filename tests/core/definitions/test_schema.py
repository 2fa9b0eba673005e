# ruff: noqa: E501 - one case per line reads better than one per screen
"""The generated JSON Schema agrees with the checks, and stays within what editors understand."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from definition_fixtures import (
    CATALOGUE,
    DESIGN_EXAMPLE,
    EVERYTHING,
    OTHERS,
    Component,
    FakeCatalogue,
    act,
    workflow,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry
from test_lint import CASES
from test_lint_hostile import mutations

from hookline.core.document import read
from hookline.core.grammar import STEP_KINDS, WORKFLOW, Shape
from hookline.core.lint import check_value
from hookline.core.schema import EXPRESSION, PORTABLE_KEYWORDS, widen, workflow_schema

SCHEMA = workflow_schema(CATALOGUE)
VALIDATOR = Draft202012Validator(SCHEMA, registry=Registry())
# As old editors read it.
OLD_VALIDATOR = Draft7Validator(json.loads(json.dumps(SCHEMA)), registry=Registry())


def refuses(value: Any) -> bool:
    return not VALIDATOR.is_valid(value)


def subschemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(schema, Mapping):
        return
    yield schema
    for key, value in schema.items():
        if key in ("properties", "$defs"):
            for member in value.values():
                yield from subschemas(member)
        elif key in ("allOf", "anyOf", "oneOf"):
            for member in value:
                yield from subschemas(member)
        elif key in ("items", "additionalProperties", "not", "if", "then", "else", "propertyNames"):
            yield from subschemas(value)


def test_it_is_a_json_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA


def test_it_stays_in_the_portable_subset() -> None:
    for schema in subschemas(SCHEMA):
        assert set(schema) <= PORTABLE_KEYWORDS
        assert isinstance(schema.get("type", ""), str)
        assert "$ref" not in schema or set(schema) == {"$ref"}
        assert schema.get("$ref", "#/$defs/").startswith("#/$defs/")
        if "$ref" in schema:
            assert schema["$ref"].removeprefix("#/$defs/") in SCHEMA["$defs"]


def test_every_key_of_the_grammar_is_described() -> None:
    def described(schema: Mapping[str, Any], shape: Shape) -> None:
        assert set(schema["properties"]) == set(shape.keys)
        for key in shape.keys.values():
            assert schema["properties"][key.name]["description"] == key.description

    described(SCHEMA, WORKFLOW)
    for kind, shape in STEP_KINDS.items():
        described(SCHEMA["$defs"][f"step_{kind}"], shape)
    for schema in subschemas(SCHEMA):
        for form in schema.get("oneOf", ()):
            assert "const" not in form or form["description"]


@pytest.mark.parametrize("text", [DESIGN_EXAMPLE, EVERYTHING], ids=["design", "everything"])
def test_examples_satisfy_it(text: str) -> None:
    value = read(text).value
    assert [error.message for error in VALIDATOR.iter_errors(value)] == []
    assert OLD_VALIDATOR.is_valid(value)


# What a schema cannot say: names and references elsewhere, expressions, units, other files.
BEYOND = {
    "D209", "D210", "D211", "D212", "D214", "D215", "D301", "D302", "D303", "D304", "D305", "D306", "D307", "D308",
    "D309", "D310", "D311", "D312", "D313", "D314", "D403", "D404", "D410", "D411", "D412", "D413", "D414", "D415", "D417", "D418",
    "D505", "D506", "D508", "D509", "D510", "D511", "D520", "D521", "D522", "D523",
}  # fmt: skip


# Among the other codes, the cases that need another file, a unit or the meaning of a name.
SAYABLE = [
    text
    for code, text, pointer, _ in CASES
    if code not in BEYOND
    and pointer not in ("/steps/0/as", "/steps/0/timeout", "/steps/0/with/wait", "/steps/0/with/limit")
    and '"call"' not in text
    and '"archive"' not in text
    and '"x {{' not in text
]


@pytest.mark.parametrize("text", SAYABLE, ids=range(len(SAYABLE)))
def test_mistakes_a_schema_can_say_fail_in_both(text: str) -> None:
    assert refuses(read(text).value)


@given(mutations())
@settings(max_examples=80, deadline=None)
def test_what_the_schema_refuses_the_checks_refuse(value: Any) -> None:
    if refuses(value):
        found = check_value(value, CATALOGUE, others=OTHERS)
        assert any(finding.severity == "error" for finding in found), list(VALIDATOR.iter_errors(value))


leaves = st.sampled_from(
    [
        {"type": "string"}, {"type": "string", "minLength": 2}, {"type": "integer", "maximum": 3}, {"type": "boolean"},
        {"enum": ["a", "b", 1]}, {"const": 5}, {"type": ["string", "null"]}, {"type": ["integer", "boolean"]}, {}, True,
        {"oneOf": [{"const": "a", "description": "A."}, {"const": "b"}]}, {"$ref": "#/$defs/d"},
    ]
)  # fmt: skip
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        st.dictionaries(st.sampled_from("abc"), inner, max_size=3).map(
            lambda properties: {"type": "object", "properties": properties, "additionalProperties": False}
        ),
        st.lists(inner, min_size=1, max_size=3).map(lambda forms: {"anyOf": forms}),
        st.lists(inner, min_size=2, max_size=2).map(lambda forms: {"oneOf": forms}),
        st.lists(inner, min_size=1, max_size=2).map(lambda forms: {"allOf": forms}),
        inner.map(lambda value: {"type": "object", "additionalProperties": value}),
    ),
    max_leaves=6,
)
values = st.recursive(
    st.sampled_from([None, True, 1, 5, 2.5, "", "a", "bb"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2),
    max_leaves=5,
)


def with_expressions(value: Any, draw: Any) -> Any:
    """The value with some of its parts written as expressions."""
    if draw(st.integers(0, 3)) == 0:
        return "{{ vars.x }}"
    if isinstance(value, dict):
        return {key: with_expressions(member, draw) for key, member in value.items()}
    return [with_expressions(item, draw) for item in value] if isinstance(value, list) else value


@given(schemas, values, st.data())
@settings(max_examples=300, deadline=None)
def test_widening_accepts_every_part_as_an_expression(schema: Any, value: Any, data: st.DataObject) -> None:
    definitions = {"$defs": {"d": {"type": "integer"}}}
    whole = {**schema, **definitions} if isinstance(schema, dict) else schema
    before = copy.deepcopy(whole)
    widened = widen(whole)
    assert whole == before
    for part in subschemas(widened):
        assert set(part) <= PORTABLE_KEYWORDS
    if Draft202012Validator(whole, registry=Registry()).is_valid(value):
        validator = Draft202012Validator(widened, registry=Registry())
        assert validator.is_valid(value)
        assert validator.is_valid(with_expressions(value, data.draw))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, "five"),
        ({"type": "object", "properties": {"a": {"type": "boolean"}}}, {"a": "yes"}),
        ({"type": "array", "items": {"enum": ["a"]}}, ["b"]),
        ({"type": ["integer", "null"]}, "x"),
        ({"type": "object", "required": ["a"]}, {}),
    ],
)
def test_widening_still_refuses_wrong_constants(schema: Any, value: Any) -> None:
    assert not Draft202012Validator(widen(schema), registry=Registry()).is_valid(value)


def test_text_fields_stay_plain() -> None:
    assert widen({"type": "string", "description": "Text.", "x-multiline": True}) == {
        "type": "string",
        "description": "Text.",
    }
    assert widen({"type": "boolean"}) == {"anyOf": [{"type": "boolean"}, dict(EXPRESSION)]}


def test_definitions_of_components_do_not_collide() -> None:
    def component(name: str, kind: str) -> Component:
        schema = {
            "type": "object",
            "properties": {"v": {"$ref": "#/$defs/value"}},
            "$defs": {"value": {"type": kind}},
        }
        return Component(name, schema)

    catalogue = FakeCatalogue({"a": component("a", "integer"), "b": component("b", "boolean")}, {}, {})
    schema = workflow_schema(catalogue)
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, registry=Registry())
    for name, right, wrong in (("a", 1, True), ("b", True, 1)):
        assert validator.is_valid({"name": "w", "steps": [{"uses": name, "with": {"v": right}}]})
        assert not validator.is_valid({"name": "w", "steps": [{"uses": name, "with": {"v": wrong}}]})


def test_nothing_installed_still_gives_a_schema() -> None:
    schema = workflow_schema(FakeCatalogue({}, {}, {}))
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema, registry=Registry()).is_valid(read(workflow(act())).value)
