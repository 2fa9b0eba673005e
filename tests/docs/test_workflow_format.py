"""The reference page of the format says everything the grammar says, and is current."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import hookline
from hookline.cli.format_reference import NOT_IN_FORCE, workflow_format_page
from hookline.core.grammar import ERROR_TYPES, ROOTS, STEP_KINDS, WORKFLOW, Key, Shape

from .markdown import ROOT

PAGE = workflow_format_page()
SOURCE = Path(hookline.__file__).parent


def shapes(shape: Shape, seen: set[int]) -> Iterator[Shape]:
    if id(shape) in seen:
        return
    seen.add(id(shape))
    yield shape
    for key in shape.keys.values():
        if key.shape is not None:
            yield from shapes(key.shape, seen)


def all_shapes() -> list[Shape]:
    seen: set[int] = set()
    return [found for shape in (WORKFLOW, *STEP_KINDS.values()) for found in shapes(shape, seen)]


def row(key: Key) -> re.Pattern[str]:
    return re.compile(rf"^\| `{re.escape(key.name)}` \|[^\n]*{re.escape(key.description)}", re.M)


def test_the_committed_page_is_current() -> None:
    committed = (ROOT / "docs" / "reference" / "workflow-format.md").read_text("utf-8")
    assert committed == PAGE, "run scripts/docs"


@pytest.mark.parametrize("shape", all_shapes(), ids=lambda shape: shape.name)
def test_every_key_is_on_the_page(shape: Shape) -> None:
    for key in shape.keys.values():
        assert row(key).search(PAGE), f"{shape.name}.{key.name}"
        for choice in key.choices:
            assert f"| `{choice.value}` | {choice.description} |" in PAGE


def test_every_root_and_error_type_is_on_the_page() -> None:
    assert all(f"| `{name}` | {text} |" in PAGE for name, text in ROOTS.items())
    assert all(f"| `{choice.value}` |" in PAGE for choice in ERROR_TYPES)


def test_notes_are_about_keys_that_exist() -> None:
    names = {f"{shape.name}.{key}" for shape in all_shapes() for key in shape.keys}
    common = {f"step.{key}" for shape in STEP_KINDS.values() for key in shape.keys}
    assert set(NOT_IN_FORCE) <= names | common
