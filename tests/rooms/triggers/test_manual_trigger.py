"""Runs that are started by hand."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput
from hookline.testing import FakeHookContext, run_trigger

MANUAL = import_room("triggers.manual").manual
FIELDS = {
    "prompt": {"type": "string", "minLength": 1},
    "count": {"type": "integer", "maximum": 4, "default": 1},
}


def start(given: Any, **parameters: Any) -> Any:
    return asyncio.run(run_trigger(MANUAL, parameters, FakeHookContext(), given))


def test_without_fields_any_object_is_the_event() -> None:
    assert start({"a": [1, {"b": None}]}) == {"a": [1, {"b": None}]}
    assert start(None) == {}
    for wrong in ([], "text", 1, True):
        with pytest.raises(BadInput):
            start(wrong)


def test_defaults_are_filled_in_and_the_rest_is_checked() -> None:
    assert start({"prompt": "x"}, inputs=FIELDS) == {"prompt": "x", "count": 1}
    assert start({"prompt": "x", "count": 4}, inputs=FIELDS) == {"prompt": "x", "count": 4}
    for wrong in ({}, {"prompt": ""}, {"prompt": "x", "count": 5}, {"prompt": "x", "more": 1}, {"count": 1}):
        with pytest.raises(BadInput):
            start(wrong, inputs=FIELDS)


@pytest.mark.parametrize(
    "field",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "file:///etc/passwd"},
        {"pattern": "(a+)+$"},
        {"items": {"patternProperties": {"(a+)+$": {}}}},
        {"type": "nonsense"},
        {"anyOf": [{"$dynamicRef": "#x"}]},
    ],
    ids=str,
)
def test_a_schema_that_could_do_harm_is_refused(field: dict[str, Any]) -> None:
    with pytest.raises(BadInput, match="inputs cannot be used"):
        start({"x": "a" * 40 + "!"}, inputs={"x": field})


def test_a_schema_bomb_is_refused() -> None:
    bomb: dict[str, Any] = {}
    for _ in range(25):
        bomb = {"allOf": [bomb, bomb]}
    with pytest.raises(BadInput, match="inputs cannot be used"):
        start({"x": 1}, inputs={"x": bomb})


def test_who_gives_the_wrong_input_is_told_what_the_form_takes() -> None:
    inputs = {"name": {"type": "string"}, "tone": {"enum": ["a", 2], "default": "a"}, "any": {}}
    with pytest.raises(BadInput) as refused:
        asyncio.run(run_trigger(MANUAL, {"inputs": inputs}, FakeHookContext(), {}))
    assert refused.value.hint == (
        'it takes name (string, required), tone ("a" or 2, "a" when left out), any (any, required)'
    )
