"""A workflow's name belongs to one file."""

from __future__ import annotations

import json
from pathlib import Path

from hookline.engine.connections import Connections
from hookline.engine.loader import load_registry
from hookline.engine.redaction import Redactor
from hookline.engine.settings import load_settings
from hookline.engine.workflows import Installed, Workflows, load_workflows


def load(folder: Path, **names: str) -> Workflows:
    """Files, each with the name of its workflow."""
    paths = []
    for file, name in names.items():
        step = {"uses": "transform", "with": {"from": file}}
        paths.append(folder / f"{file}.json")
        paths[-1].write_text(json.dumps({"name": name, "trigger": {"uses": "manual"}, "steps": [step]}))
    registry = load_registry()
    connections = Connections(load_settings(folder, {}), registry, Redactor())
    return load_workflows(paths, Installed.of(registry, connections), registry)


def test_of_files_with_the_same_name_none_is_deployed(tmp_path: Path) -> None:
    loaded = load(tmp_path, a="hello", b="hello", c="hello", d="other")
    codes = {file.path.stem: [found.code for found in file.diagnostics] for file in loaded.files}
    assert codes == {"a": ["D416"], "b": ["D416"], "c": ["D416"], "d": []}
    assert list(loaded.plans) == ["other"]
    assert [file.plan for file in loaded.files[:3]] == [None, None, None]


def test_the_finding_names_the_other_files(tmp_path: Path) -> None:
    first, second, third = load(tmp_path, a="hello", b="hello", c="hello").files
    assert first.diagnostics[0].message.endswith(": b.json, c.json")
    assert second.diagnostics[0].message.endswith(": a.json, c.json")
    assert third.diagnostics[0].message.endswith(": a.json, b.json")
