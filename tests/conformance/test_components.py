"""Every component that comes with Hookline satisfies the conformance suite."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookline.engine.loader import load_registry
from hookline.testing.conformance import RULES, cases, import_problems, problems, room_files

from .waivers import WAIVERS

ROOT = Path(__file__).resolve().parents[2]
REGISTRY = load_registry()
WAIVED = {(waiver.rule, waiver.name): waiver for waiver in WAIVERS}
CASES = cases(REGISTRY)
FILES = room_files(ROOT)


@pytest.mark.parametrize(("rule", "name"), CASES, ids=[f"{rule}-{name}" for rule, name in CASES])
def test_a_component_satisfies_the_rule(rule: str, name: str) -> None:
    found = problems(REGISTRY, rule, name)
    if (rule, name) in WAIVED:
        assert found, "the waiver is no longer needed; remove it"
        assert len(WAIVED[rule, name].reason.split()) > 3
    else:
        assert not found, "\n".join(found)


@pytest.mark.parametrize("file", FILES, ids=[str(file.relative_to(ROOT)) for file in FILES])
def test_a_component_imports_only_what_it_may(file: Path) -> None:
    assert not list(import_problems(file))


def test_everything_can_be_loaded() -> None:
    assert REGISTRY.unavailable == ()
    assert REGISTRY.actions


def test_waivers_name_what_exists() -> None:
    assert set(WAIVED) <= set(CASES)
    assert len(WAIVED) == len(WAIVERS)
    assert all(waiver.rule in RULES for waiver in WAIVERS)
