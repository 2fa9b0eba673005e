"""``transform`` and ``log``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.engine.loader import load_registry
from hookline.testing import FakeContext, run_action

REGISTRY = load_registry()


@pytest.mark.parametrize(
    "given", [{}, {"value": None}, {"ctx": 1, "self": 2, "values": 3}, {"a-b": [1, {"c": "d"}], "from": 1}]
)
def test_what_is_given_is_the_output(given: dict[str, Any]) -> None:
    assert asyncio.run(run_action(REGISTRY.actions["transform"], given, FakeContext())) == given


def test_a_line_is_logged() -> None:
    ctx = FakeContext()
    given = {"message": "hello", "values": {"message": 1}}
    assert asyncio.run(run_action(REGISTRY.actions["log"], given, ctx)) == {"message": "hello"}
    assert ctx.logged == [("hello", {"values": {"message": 1}})]


@pytest.mark.parametrize("name", ["transform", "log"])
def test_no_worker_is_needed(name: str) -> None:
    action = REGISTRY.actions[name]
    assert action.pure
    assert not action.blocking
