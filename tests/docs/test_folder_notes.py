"""The examples that ``hookline init`` writes into a project's folders work when they are copied out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from hookline.cli.starter import starter_files
from hookline.core.document import read
from hookline.core.lint import check
from hookline.engine.loader import load_registry
from hookline.engine.registry import Registry
from hookline.testing.conformance import check as check_components
from hookline.testing.conformance import import_problems, room_files

from .test_examples import Everything

FILES = {
    "connectors": "connectors/tracker/connector.json",
    "triggers": "triggers/countdown.py",
    "actions": "actions/shout.py",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project in which every note's example is a file of the name that the note says."""
    folder = tmp_path_factory.mktemp("notes")
    written = starter_files([], load_registry())
    for room, name in FILES.items():
        note = written[f"{room}/README.md"]
        assert f"`{name}`" in note
        (example,) = re.findall(r"^```(?:json|python)\n(.*?)^```$", note, re.MULTILINE | re.DOTALL)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(example, "utf-8")
    return folder


@pytest.fixture(scope="module")
def registry(project: Path) -> Registry:
    return load_registry(project)


def test_the_components_conform(project: Path, registry: Registry) -> None:
    own = ("tracker", "countdown", "shout")
    assert {"tracker.create_task", "shout"} <= set(registry.actions)
    assert "countdown" in registry.triggers
    problems = [
        problem for problem in check_components(registry) if any(name in problem.name for name in own)
    ]
    assert problems == []
    assert [problem for file in room_files(project) for problem in import_problems(file)] == []


def test_a_workflow_can_use_them(registry: Registry) -> None:
    workflow = {
        "name": "all-three",
        "trigger": {"uses": "countdown", "with": {"count": 3}},
        "steps": [
            {"id": "loud", "uses": "shout", "with": {"text": "{{ string(trigger.left) }}"}},
            {"uses": "tracker.create_task", "with": {"text": "{{ steps.loud.text }}"}},
        ],
    }
    assert check(read(json.dumps(workflow).encode()), Everything.of(registry)) == []
