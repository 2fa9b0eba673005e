"""Every starter workflow is without findings, formatted, and held to the rules of starters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookline.core.canonical import format_document
from hookline.core.grammar import child_blocks
from hookline.engine.connections import Connections
from hookline.engine.loader import load_registry
from hookline.engine.redaction import Redactor
from hookline.engine.settings import load_settings
from hookline.engine.workflows import Installed, Workflows, find_workflows, load_workflows, read_workflow

from .installation import ROOT, STARTERS

FILES = find_workflows(STARTERS)


@pytest.fixture(scope="module")
def starters() -> Workflows:
    """All of them, checked as `hookline validate` does in the repository, with nothing in the environment."""
    registry = load_registry()
    connections = Connections(load_settings(ROOT, {}), registry, Redactor())
    return load_workflows(FILES, Installed.of(registry, connections), registry)


def steps_of(value: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All steps of a workflow, however deep."""
    waiting = [*value["steps"], *value.get("on_error", ()), *value.get("finally", ())]
    while waiting:
        step = waiting.pop()
        yield step
        for block in child_blocks(step):
            waiting.extend(block.steps)


def test_there_are_several() -> None:
    assert len(FILES) >= 6


def test_there_is_nothing_to_find(starters: Workflows) -> None:
    found = [
        (file.path.name, each.code, each.message) for file in starters.files for each in file.diagnostics
    ]
    assert found == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_formatted(path: Path) -> None:
    document = read_workflow(path).document
    assert document is not None
    assert format_document(document) == path.read_text("utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_is_named_and_described(path: Path) -> None:
    document = read_workflow(path).document
    assert document is not None
    assert document.value["name"] == path.stem
    assert document.value["$schema"] == "../.hookline/workflow.schema.json"
    assert len(document.value["description"]) > 30


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_goes_wrong_reaches_somebody(path: Path) -> None:
    """Each tells Slack of its failures, unless another workflow calls it and gets them."""
    document = read_workflow(path).document
    assert document is not None
    value = document.value
    channels = [step["with"]["channel"] for step in value.get("on_error", ())]
    assert channels == (["#ops"] if "trigger" in value else [])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_costs_money_or_waits_for_others_says_how_long_and_how_often(path: Path) -> None:
    document = read_workflow(path).document
    assert document is not None
    for step in steps_of(document.value):
        if step.get("uses") in ("replicate.run", "cog.run"):
            assert "timeout" in step
            assert set(step["retry"]["on"]) <= {"rate_limited", "unavailable"}, "others might pay twice"
        if "approve" in step:
            assert step["on_timeout"] in ("reject", "fail")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_whoever_calls_a_hook_must_prove_who_it_is(path: Path) -> None:
    document = read_workflow(path).document
    assert document is not None
    trigger = document.value.get("trigger", {})
    if trigger.get("uses") == "webhook":
        assert trigger["with"]["auth"]["type"] != "none"


def test_no_two_answer_at_the_same_address(starters: Workflows) -> None:
    paths = [
        trigger.parameters["path"]
        for plan in starters.plans.values()
        for trigger in plan.triggers
        if trigger.uses == "webhook"
    ]
    assert len(paths) == len(set(paths)) == len(starters.hooks)


def test_every_connection_the_project_declares_is_of_an_installed_type() -> None:
    settings = load_settings(ROOT, {})
    registry = load_registry()
    types = {table.get("type", name) for name, table in settings.connections.items()}
    assert types <= set(registry.connection_types)


def test_no_secret_is_written_down() -> None:
    for path in [*FILES, ROOT / "hookline.toml"]:
        text = path.read_text("utf-8")
        for mark in ("r8_", "xoxb-", "AKIA", "whsec_", "sk-"):
            assert mark not in text, path.name
    assert json.dumps(load_settings(ROOT, {}).connections).count("standin") == 0
