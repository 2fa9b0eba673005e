"""What the tutorial and the guide to failed runs show is what the commands print."""

from __future__ import annotations

from pathlib import Path

import pytest

from .markdown import ROOT, Block, blocks
from .test_readme import hookline

TUTORIAL = ROOT / "docs" / "tutorials" / "five-minutes.md"
FAILED_RUNS = ROOT / "docs" / "how-to" / "failed-runs.md"


def only(page: Path, start: str) -> Block:
    """The one block of a page that begins like this."""
    (block,) = [block for block in blocks(page) if block.text.startswith(start)]
    return block


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    made = hookline("hookline init shop", tmp_path)
    assert made.returncode == 0, made.stderr
    return tmp_path / "shop"


def test_the_findings_of_the_tutorial_are_those_shown(shop: Path) -> None:
    (shop / "workflows" / "feedback.json").write_text(only(TUTORIAL, '{\n  "$schema"').text)
    checked = hookline("hookline validate", shop)
    assert checked.returncode == 3
    assert checked.stdout.strip() == only(TUTORIAL, "workflows/feedback.json:").text.strip()


def test_a_failed_run_goes_on_with_the_corrected_workflow(shop: Path) -> None:
    file = shop / "workflows" / "price.json"
    file.write_text(only(FAILED_RUNS, "{").text)
    failed = hookline(only(FAILED_RUNS, "hookline run price").text, shop)
    assert failed.returncode != 0
    assert "X201" in failed.stderr
    (run, *_) = hookline("hookline runs list --status failed", shop).stdout.split()
    file.write_text(file.read_text().replace("inputs.order.count", "inputs.order.quantity"))
    again = hookline(f"hookline runs resume {run}", shop)
    assert again.returncode != 0
    assert "X201" in again.stderr
    resumed = hookline(f"hookline runs resume {run} --version latest", shop)
    assert resumed.returncode == 0, resumed.stderr
    assert resumed.stdout.strip() == "12"


def test_a_failed_run_is_replayed_with_other_values(shop: Path) -> None:
    (shop / "workflows" / "price.json").write_text(only(FAILED_RUNS, "{").text)
    hookline(only(FAILED_RUNS, "hookline run price").text, shop)
    (run, *_) = hookline("hookline runs list --status failed", shop).stdout.split()
    replayed = hookline(only(FAILED_RUNS, "hookline runs replay").text.replace("RUN", run), shop)
    assert replayed.returncode == 0, replayed.stderr
    assert replayed.stdout.strip() == "12"
