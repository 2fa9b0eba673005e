"""The workflows in the guides can be copied: they are without findings."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hookline.engine.connections import Connections
from hookline.engine.loader import load_registry
from hookline.engine.redaction import Redactor
from hookline.engine.settings import load_settings
from hookline.engine.workflows import Installed, load_workflows

from .installation import ROOT

GUIDES = [
    ROOT / "docs" / "how-to" / name
    for name in ("s3-upload.md", "webhook.md", "schedules.md", "other-triggers.md", "files.md")
]
TUTORIAL = ROOT / "docs" / "tutorials" / "five-minutes.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)\)")


def blocks(guide: Path, mark: str) -> list[str]:
    return [text for language, text in BLOCK.findall(guide.read_text("utf-8")) if language == mark]


def findings(folder: Path, *texts: str) -> list[tuple[str, str]]:
    """Code and place of what is found in these workflows, in a project like this repository."""
    registry = load_registry()
    paths = [folder / f"{number}.json" for number in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8")
    connections = Connections(load_settings(ROOT, {}), registry, Redactor())
    loaded = load_workflows(paths, Installed.of(registry, connections), registry)
    return [(found.code, found.pointer) for file in loaded.files for found in file.diagnostics]


@pytest.mark.parametrize("guide", GUIDES, ids=lambda guide: guide.stem)
def test_its_workflows_have_no_findings(tmp_path: Path, guide: Path) -> None:
    texts = blocks(guide, "json")
    assert texts
    assert findings(tmp_path, *texts) == []


def test_the_tutorials_workflow_has_the_mistake_it_is_said_to_have(tmp_path: Path) -> None:
    (text,) = [text for text in blocks(TUTORIAL, "") if text.startswith('{\n  "$schema"')]
    assert findings(tmp_path, text) == [("D302", "/steps/1/respond/body/verdict")]
    corrected = tmp_path / "corrected"
    corrected.mkdir()
    assert findings(corrected, text.replace("chek", "check")) == []


@pytest.mark.parametrize("guide", [*GUIDES, TUTORIAL], ids=lambda guide: guide.stem)
def test_its_links_lead_somewhere(guide: Path) -> None:
    for target in LINK.findall(guide.read_text("utf-8")):
        assert (guide.parent / target).exists(), target
