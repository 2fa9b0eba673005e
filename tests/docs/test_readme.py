"""The readme's first steps do what it says."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from .markdown import ROOT, blocks

README = ROOT / "README.md"
WORKFLOW, INSTALL, TRY, FINDING, *_ = blocks(README)


def hookline(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line of the readme in a folder."""
    words = shlex.split(line)
    assert words.pop(0) == "hookline"
    program = "import sys; sys.argv[0] = 'hookline'; from hookline.cli import main; main()"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOOKLINE_")}
    return subprocess.run(
        [sys.executable, "-c", program, *words],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project that ``hookline init`` makes, with the readme's workflow in it."""
    folder = tmp_path_factory.mktemp("readme")
    made = hookline("hookline init shop", folder)
    assert made.returncode == 0, made.stderr
    (folder / "shop" / "workflows" / "comment-check.json").write_text(WORKFLOW.text)
    return folder / "shop"


def test_the_blocks_are_those_that_are_meant() -> None:
    assert (WORKFLOW.language, INSTALL.language, TRY.language, FINDING.language) == (
        "json",
        "sh",
        "sh",
        "text",
    )
    assert "hookline init shop && cd shop\n" in INSTALL.text


def test_the_installation_ends_with_a_run(shop: Path) -> None:
    *_, validate, run = INSTALL.text.splitlines()
    assert hookline(validate, shop).returncode == 0
    ran = hookline(run, shop)
    assert ran.returncode == 0, ran.stderr
    document = json.loads(ran.stdout)
    assert document["schema"] == "hookline.run/1"
    assert document["output"] == {"greeting": "Hello, world!"}


def test_the_workflow_runs_and_is_found_again(shop: Path) -> None:
    first = next(line for line in TRY.text.splitlines() if line.startswith("hookline run"))
    ran = hookline(first, shop)
    assert ran.returncode == 0, ran.stderr
    assert "Published: Hello" in ran.stderr
    listed = hookline("hookline runs list", shop).stdout
    assert "comment-check" in listed
    assert "succeeded" in listed


def test_the_finding_is_the_one_shown(shop: Path) -> None:
    file = shop / "workflows" / "comment-check.json"
    file.write_text(WORKFLOW.text.replace("steps.check", "steps.chek"))
    try:
        checked = hookline("hookline validate", shop)
    finally:
        file.write_text(WORKFLOW.text)
    assert checked.returncode == 3
    assert checked.stdout.strip() == FINDING.text.strip()
