"""The generated pages of the reference say what the program says."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from hookline.cli.reference import PAGES, main, stale_pages
from hookline.cli.root import COMMANDS
from hookline.core.codes import CODES
from hookline.engine.loader import load_registry
from hookline.engine.settings import FIELDS

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_fresh(name: str) -> None:
    assert (FOLDER / name).read_text("utf-8") == PAGES[name](), "stale: run scripts/docs"


def test_the_pages_hold_everything() -> None:
    pages = {name: make() for name, make in PAGES.items()}
    registry = load_registry(plugins=())
    assert all(f"## hookline {name}" in pages["cli.md"] for name in COMMANDS)
    names = [*registry.actions, *registry.triggers, *registry.connection_types]
    assert all(f"### `{name}`" in pages["components.md"] for name in names)
    assert all(f"### {code}\n" in pages["errors.md"] for code in CODES)
    assert all(f"`{setting.variable}`" in pages["settings.md"] for setting in FIELDS)


def test_stale_pages_are_found_and_written(tmp_path: Path) -> None:
    assert set(stale_pages(tmp_path)) == set(PAGES)
    checked = CliRunner().invoke(main, ["--check", str(tmp_path)])
    assert checked.exit_code == 1
    assert "stale" in checked.output
    assert list(tmp_path.iterdir()) == []
    assert CliRunner().invoke(main, [str(tmp_path)]).exit_code == 0
    assert stale_pages(tmp_path) == {}
    (tmp_path / "cli.md").write_text("old")
    assert set(stale_pages(tmp_path)) == {"cli.md"}
    assert CliRunner().invoke(main, ["--check", str(tmp_path)]).exit_code == 1
