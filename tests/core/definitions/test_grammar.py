"""The tables of the grammar hang together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hookline.core.grammar import (
    STEP_KEYS,
    STEP_KINDS,
    WORKFLOW,
    Shape,
    child_blocks,
    kinds_of,
    step_kind,
)
from hookline.core.units import parse_duration


def shapes() -> Iterator[Shape]:
    """Every shape, the nested ones included."""
    waiting = [WORKFLOW, *STEP_KINDS.values()]
    while waiting:
        shape = waiting.pop()
        yield shape
        waiting.extend(key.shape for key in shape.keys.values() if key.shape is not None)


def test_keys_are_complete() -> None:
    for shape in shapes():
        assert shape.description.endswith(".")
        assert set(shape.exactly_one) | set(shape.at_most_one) <= set(shape.keys)
        for name, key in shape.keys.items():
            assert name == key.name
            assert key.description.endswith((".", "`.")), key
            assert (key.shape is not None) == (key.type in ("object", "objects"))
            assert bool(key.choices) == (key.type in ("choice", "choices"))
            assert key.default is None or not key.required
            if key.type in ("integer", "number"):
                assert key.minimum is not None
                assert key.maximum is not None
            if key.type == "duration" and key.default:
                assert parse_duration(key.default) >= (key.minimum or 0)
            if key.type == "choice" and key.default:
                assert key.default in [choice.value for choice in key.choices]


def test_every_step_has_its_kind_key_and_the_common_ones() -> None:
    common = {"id", "name", "when", "timeout", "retry", "catch", "finally", "cache", "sample"}
    for kind, shape in STEP_KINDS.items():
        assert shape.keys[kind].required
        assert common <= set(shape.keys)
        assert set(shape.keys) & set(STEP_KINDS) == {kind}
        assert set(shape.keys) <= STEP_KEYS


def test_no_answer_is_never_yes() -> None:
    on_timeout = STEP_KINDS["approve"].keys["on_timeout"]
    assert on_timeout.required
    assert STEP_KINDS["approve"].keys["timeout"].required
    assert {choice.value for choice in on_timeout.choices} == {"reject", "fail"}


@pytest.mark.parametrize(
    ("step", "kind"),
    [({"uses": "a"}, "uses"), ({"id": "a"}, None), ({"if": True, "uses": "a"}, None), ({}, None)],
)
def test_a_step_is_of_one_kind(step: dict[str, object], kind: str | None) -> None:
    assert step_kind(step) == kind
    assert (len(kinds_of(step)) == 1) == (kind is not None)


def test_blocks_are_found_in_the_order_of_the_grammar() -> None:
    step = {
        "finally": [{"stop": "e"}],
        "catch": [{"stop": "d"}],
        "default": [{"stop": "c"}],
        "cases": {"y": [{"stop": "b"}], "x": [{"stop": "a"}], "broken": 5},
        "switch": "s",
        "do": [{"stop": "not of this kind"}],
    }
    found = [(block.path, block.steps[0]["stop"]) for block in child_blocks(step)]
    assert found == [
        (("cases", "y"), "b"),
        (("cases", "x"), "a"),
        (("default",), "c"),
        (("catch",), "d"),
        (("finally",), "e"),
    ]
