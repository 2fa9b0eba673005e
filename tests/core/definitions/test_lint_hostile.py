# ruff: noqa: E501 - one case per line reads better than one per screen
"""Definitions made to hurt: the checks end in bounded time and never raise."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from definition_fixtures import CATALOGUE, DESIGN_EXAMPLE, EVERYTHING, OTHERS, act, workflow
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.core.codes import CODES
from hookline.core.diagnostics import Diagnostic
from hookline.core.document import read
from hookline.core.lint import MAX_DIAGNOSTICS, check, check_value
from hookline.core.lint.author_schemas import MAX_DEPTH, MAX_NODES, schema_problems

EXAMPLES = [read(DESIGN_EXAMPLE).value, read(EVERYTHING).value]
REPLACEMENTS = [
    None,
    True,
    0,
    -1.5,
    "",
    "x",
    "{{ steps.a.x }}",
    "{{",
    "10m",
    [],
    {},
    [1],
    {"x": 1},
    [{}],
    {"": []},
]


def places(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    children = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, child in children:
        yield from places(child, (*path, key))


PLACES = [list(places(example)) for example in EXAMPLES]


def mutate(value: Any, path: tuple[str | int, ...], change: Callable[[Any, Any], None]) -> Any:
    """A copy in which `change` has been done to the container of the place."""
    changed = copy.deepcopy(value)
    container = changed
    for part in path[:-1]:
        container = container[part]
    change(container, path[-1])
    return changed


@st.composite
def mutations(draw: st.DrawFn) -> Any:
    """An example with one to three places replaced, removed, renamed or moved."""
    which = draw(st.integers(0, len(EXAMPLES) - 1))
    value = EXAMPLES[which]
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(list(places(value))))
        if not path:
            continue
        replacement = draw(st.sampled_from(REPLACEMENTS))
        kind = draw(st.sampled_from(["replace", "remove", "rename"]))

        def change(container: Any, key: Any, kind: str = kind, replacement: Any = replacement) -> None:
            if kind == "replace":
                container[key] = copy.deepcopy(replacement)
            elif kind == "remove":
                del container[key]
            elif isinstance(container, dict):
                container[f"{key}x"] = container.pop(key)

        value = mutate(value, path, change)
    return value


def sound(found: list[Diagnostic]) -> None:
    assert len(found) <= MAX_DIAGNOSTICS + 1
    for finding in found:
        assert finding.code in CODES
        assert finding.message
        assert len(finding.message) < 400


@given(mutations())
@settings(max_examples=150, deadline=None)
def test_any_mutation_of_a_workflow_is_checked_without_a_crash(value: Any) -> None:
    sound(check_value(value, CATALOGUE, others={**OTHERS, "mutated": value}))


@given(
    st.recursive(
        st.sampled_from(REPLACEMENTS),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "steps", "uses", "with", "if", "then", "parallel", "vars", "trigger", "id", "x"]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=15,
    )
)
@settings(max_examples=150, deadline=None)
def test_any_json_is_checked_without_a_crash(value: Any) -> None:
    sound(check_value(value, CATALOGUE, others={"other": value}))


def test_every_single_removal_and_replacement_is_survived() -> None:
    for example, paths in zip(EXAMPLES, PLACES, strict=True):
        for path in paths[1:]:
            sound(check_value(mutate(example, path, lambda box, key: box.__delitem__(key)), CATALOGUE))
            for replacement in (None, {"x": "{{ y }}"}):
                sound(
                    check_value(
                        mutate(example, path, lambda box, key, new=replacement: box.__setitem__(key, new)),
                        CATALOGUE,
                    )
                )


def nested(kind: Callable[[Any], Any], times: int) -> Any:
    step: Any = act()
    for _ in range(times):
        step = kind(step)
    return step


def chain(count: int) -> str:
    steps = [act("s0")] + [act(f"s{n}", x=f"{{{{ steps.s{n - 1}.x }}}}") for n in range(1, count)]
    return json.dumps({"name": "w", "steps": steps})


HOSTILE = {
    "ten thousand steps": chain(10_000),
    "ten thousand unknown references": workflow(
        *[act(f"s{n}", x=f"{{{{ steps.t{n}.x }}}}") for n in range(10_000)]
    ),
    "ten thousand unknown actions": json.dumps(
        {"name": "w", "steps": [{"uses": f"a{n}"} for n in range(10_000)]}
    ),
    "ten thousand duplicate ids": json.dumps(
        {"name": "w", "steps": [{"uses": "transform", "id": "a"}] * 10_000}
    ),
    "thousands of unknown keys": json.dumps(
        {"name": "w", "steps": [act()], **{f"k{n}": 1 for n in range(20_000)}}
    ),
    "deep choices": workflow(nested(lambda step: {"if": True, "then": [step, act()]}, 30)),
    "deep loops": workflow(nested(lambda step: {"for_each": [1], "do": [step, {"set": {"a": 1}}]}, 30)),
    "deep branches": workflow(nested(lambda step: {"parallel": {"a": [act(), step], "b": [act()]}}, 19)),
    "deep handlers": workflow(nested(lambda step: {**act(), "catch": [step], "finally": [act()]}, 30)),
    "deep data": workflow(act(x=nested(lambda inner: {"a": inner}, 50))),
    "many expressions": workflow(act(list=[f"{{{{ run.id + '{n}' }}}}" for n in range(20_000)])),
    "one long expression": workflow(act(x="{{ " + "1+" * 100_000 + "1 }}")),
    "braces": workflow(act(x="{{" * 200_000)),
    "many variables": workflow(*[{"set": {f"v{n}": f"{{{{ vars.?v{n - 1} }}}}"}} for n in range(5000)]),
    "wide branches": workflow({"parallel": {f"b{n}": [act(f"s{n}")] for n in range(5000)}}),
    "wide cases": workflow({"switch": "x", "cases": {f"b{n}": [act(f"s{n}")] for n in range(5000)}}),
    "schema": workflow(
        act(), inputs={"type": "object", "properties": {f"p{n}": {"items": {}} for n in range(20_000)}}
    ),
    "secrets": workflow(act(list=["r8_" + "a" * 30] * 20_000)),
}


@pytest.mark.timeout(40)
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_definitions_are_checked_in_bounded_time(name: str) -> None:
    sound(check(read(HOSTILE[name]), CATALOGUE, others=OTHERS))


def test_a_correct_definition_of_ten_thousand_steps_has_no_findings() -> None:
    assert check(read(HOSTILE["ten thousand steps"]), CATALOGUE) == []


@pytest.mark.timeout(20)
def test_values_deeper_than_a_document_are_refused_without_recursion() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    (finding,) = check_value({"name": "w", "steps": value}, CATALOGUE)
    assert finding.code == "D103"
    # A deep neighbour is not looked into, and does no harm.
    assert check_value(json.loads(workflow(act())), CATALOGUE, others={"deep": {"steps": value}}) == []
    while isinstance(value, list):  # Taken apart by hand: freeing it would recurse on some versions.
        value = value.pop()


def test_the_deepest_document_is_still_checked() -> None:
    deep = nested(lambda inner: [inner], 59)
    assert check_value(json.loads(workflow(act(x=deep))), CATALOGUE) == []


@pytest.mark.timeout(20)
def test_many_workflows_that_call_each_other_end() -> None:
    others = {
        f"w{n}": {"name": f"w{n}", "steps": [{"call": f"w{(n * k) % 500}"} for k in range(20)]}
        for n in range(500)
    }
    sound(check_value(json.loads(workflow({"call": "w1"})), CATALOGUE, others=others))


def doubling(levels: int) -> dict[str, Any]:
    """A schema that says twice the next definition, and so on: small text, exponential work."""
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]}
        for n in range(levels)
    }
    definitions[f"d{levels}"] = {"type": "string"}
    return {"$ref": "#/$defs/d0", "$defs": definitions}


def deep_schema(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels - 1):
        schema = {"items": schema}
    return schema


BOMBS: dict[str, Any] = {
    "remote http": {"$ref": "http://example.com/schema.json"},
    "remote file": {"$ref": "file:///etc/passwd"},
    "relative": {"$ref": "other.json"},
    "dynamic": {"$dynamicRef": "#x"},
    "own id": {"$id": "http://example.com/", "$ref": "#/$defs/a", "$defs": {"a": {}}},
    "to the whole": {"$ref": "#"},
    "missing": {"$ref": "#/$defs/none"},
    "circle of one": {"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/a"}}},
    "circle of two": {
        "$defs": {"a": {"items": {"$ref": "#/$defs/b"}}, "b": {"properties": {"x": {"$ref": "#/$defs/a"}}}}
    },
    "doubling": doubling(12),
    "doubling far": doubling(25),
    "long chain": {
        "$ref": "#/$defs/d0",
        "$defs": {**{f"d{n}": {"$ref": f"#/$defs/d{n + 1}"} for n in range(1500)}, "d1500": {}},
    },
    "pattern": {"pattern": "^(a+)+$"},
    "pattern properties": {"patternProperties": {"^(a+)+$": {}}},
    "deep": deep_schema(MAX_DEPTH + 1),
    "very deep": deep_schema(60),
    "wide": {"properties": {f"p{n}": {} for n in range(MAX_NODES)}},
    "unique": {"uniqueItems": True},
    "unevaluated": {"unevaluatedProperties": False},
    "not a schema": {"type": "text"},
    "not an object": {"properties": {"a": 5}},
    "text": "string",
    "inner definitions": {"properties": {"a": {"$defs": {"b": {}}}}},
    "odd reference": {"$ref": 5},
    "odd definitions": {"$ref": "#/$defs/a", "$defs": []},
}


@pytest.mark.timeout(20)
@pytest.mark.parametrize("name", BOMBS)
def test_schema_bombs_are_refused(name: str) -> None:
    problems = schema_problems(BOMBS[name])
    assert problems
    assert all(problem.message for problem in problems)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        {
            "type": "object",
            "title": "Order",
            "properties": {
                "pattern": {"type": "string", "minLength": 1},
                "kind": {"oneOf": [{"const": "a", "description": "A."}, {"const": "b"}]},
                "lines": {
                    "type": "array",
                    "items": {"$ref": "#/$defs/line"},
                    "maxItems": 100,
                    "uniqueItems": True,
                },
                "size": {"type": ["integer", "null"], "exclusiveMinimum": 0, "x-advanced": True},
            },
            "required": ["kind"],
            "if": {"properties": {"kind": {"const": "a"}}},
            "then": {"required": ["size"]},
            "additionalProperties": False,
            "$defs": {
                "line": {"properties": {"again": {"$ref": "#/$defs/leaf"}}},
                "leaf": {"type": "number"},
            },
        },
        doubling(3),
        deep_schema(MAX_DEPTH),
        {"properties": {f"p{n}": {} for n in range(MAX_NODES - 1)}},
    ],
    ids=["empty", "true", "form", "small doubling", "deepest", "widest"],
)
def test_ordinary_schemas_are_accepted(schema: Any) -> None:
    assert schema_problems(schema) == []


@given(st.recursive(st.sampled_from(REPLACEMENTS), lambda inner: st.dictionaries(
    st.sampled_from(["type", "properties", "items", "$ref", "$defs", "allOf", "required", "enum", "uniqueItems", "maxItems"]),
    inner, max_size=4) | st.lists(inner, max_size=3), max_leaves=12))  # fmt: skip
def test_any_value_as_a_schema_is_judged_without_a_crash(schema: Any) -> None:
    for problem in schema_problems(schema):
        assert problem.message
