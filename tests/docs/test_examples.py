"""What stands in a fenced block works: workflows are valid, components conform, tests pass."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hookline.core.canonical import format_document
from hookline.core.document import Document, read
from hookline.core.grammar import STEP_KEYS, kinds_of
from hookline.core.lint import check
from hookline.engine.loader import load_registry
from hookline.engine.registry import Registry
from hookline.testing.conformance import check as check_components
from hookline.testing.conformance import import_problems, room_files

from .markdown import PAGES, Block, all_blocks, blocks, name

Json = Any

CONNECTOR_GUIDE = next(page for page in PAGES if name(page) == "docs/how-to/write-a-connector.md")

OWN = ("github", "pagerduty", "renders")

JSON_BLOCKS = all_blocks("json", "jsonc")


@dataclass(frozen=True, slots=True)
class Everything:
    """A catalogue in which every connection type has a connection of its own name."""

    actions: Mapping[str, Any]
    triggers: Mapping[str, Any]
    connections: Mapping[str, str]

    @classmethod
    def of(cls, registry: Registry) -> Everything:
        types = {kind: kind for kind in registry.connection_types}
        return cls(registry.actions, registry.triggers, types)


def is_workflow(value: Json) -> bool:
    return isinstance(value, dict) and "steps" in value and "name" in value


def as_steps(value: Json) -> list[Json] | None:
    """The steps that a block shows, None when it shows something else."""
    steps = value if isinstance(value, list) else [value]
    looks = [isinstance(step, dict) and len(kinds_of(step)) == 1 and set(step) <= STEP_KEYS for step in steps]
    return steps if steps and all(looks) else None


def read_block(block: Block) -> Document:
    return read(block.text.encode())


WORKFLOWS = [block for block in JSON_BLOCKS if is_workflow(read_block(block).value)]
STEPS = [block for block in JSON_BLOCKS if as_steps(read_block(block).value) is not None]

# The reference shows keys in the order in which it explains them.
TO_COPY = [block for block in WORKFLOWS if "reference" not in block.page.parts]

# What a shown step may refer to; the page says where it comes from.
FRAME: Mapping[str, Json] = {
    "name": "frame",
    "trigger": {"uses": "webhook", "with": {"path": "frame", "auth": {"type": "none"}}},
    "vars": {"count": 0},
}
CALLED: Mapping[str, Json] = {
    "name": "resize",
    "inputs": {"type": "object", "properties": {"width": {"type": "integer"}}},
    "steps": [{"uses": "log", "with": {"message": "{{ inputs.width }}"}}],
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with the components of the connector guide."""
    folder = tmp_path_factory.mktemp("guide")
    for block in blocks(CONNECTOR_GUIDE):
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)
    return folder


@pytest.fixture(scope="module")
def registry(project: Path) -> Registry:
    return load_registry(project)


@pytest.mark.parametrize("block", JSON_BLOCKS, ids=str)
def test_it_is_json(block: Block) -> None:
    assert read_block(block).value is not None


@pytest.mark.parametrize("block", WORKFLOWS, ids=str)
def test_a_workflow_passes_the_checks(block: Block, registry: Registry) -> None:
    found = check(read_block(block), Everything.of(registry), others={"resize": CALLED})
    assert found == []


@pytest.mark.parametrize("block", STEPS, ids=str)
def test_steps_pass_the_checks(block: Block, registry: Registry) -> None:
    steps = as_steps(read_block(block).value)
    workflow = read(_dump({**FRAME, "steps": steps}))
    found = check(workflow, Everything.of(registry), others={"resize": CALLED})
    assert found == []


@pytest.mark.parametrize("block", TO_COPY, ids=str)
def test_a_workflow_to_copy_is_in_the_form_that_fmt_writes(block: Block) -> None:
    assert block.text == format_document(read_block(block))


def test_workflows_and_steps_are_found() -> None:
    assert {name(block.page) for block in WORKFLOWS} >= {"README.md", "docs/reference/workflow-format.md"}
    assert len(STEPS) >= 12


@pytest.mark.parametrize("block", all_blocks("python"), ids=str)
def test_python_can_be_read(block: Block) -> None:
    # A line that is only an ellipsis stands for what the reader has of their own.
    compile(re.sub(r"^(\s*)…", r"\1...", block.text, flags=re.M), str(block), "exec")


@pytest.mark.parametrize("block", all_blocks("toml"), ids=str)
def test_toml_can_be_read(block: Block) -> None:
    assert tomllib.loads(block.text)


def test_the_components_of_the_guide_conform(project: Path, registry: Registry) -> None:
    own = {component for component in registry.actions if component.startswith(OWN)}
    assert own == {"github.create_comment", "pagerduty.trigger", "renders.render"}
    shown = [problem for problem in check_components(registry) if _is_own(problem.name)]
    assert shown == []
    assert [list(import_problems(file)) for file in room_files(project)] == [[], []]


def test_the_tests_of_the_guide_pass(project: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "3 passed" in ran.stdout


def _is_own(component: str) -> bool:
    return component.rpartition(" ")[2].startswith(OWN)


def _dump(value: Json) -> bytes:
    return json.dumps(value).encode()
