"""Files of the project that a step may read, and all those that it may not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hookline.engine.project_files import read_project_file
from hookline.sdk import BadInput, NotFound


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "policies" / "deep").mkdir(parents=True)
    (folder / "policies" / "strict.json").write_text("{}")
    (folder / "policies" / "deep" / "x.json").write_text("{}")
    (folder / ".env").write_text("TOKEN=secret")
    (folder / "hookline.toml").write_text("")
    (folder / "policies" / "link.json").symlink_to(folder / ".env")
    os.mkfifo(folder / "policies" / "pipe.json")
    return folder


def test_a_policy_is_read(project: Path) -> None:
    assert read_project_file(project, "policies/strict.json", 2) == b"{}"


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "hookline.toml",
        "policies",
        "policies/",
        "policies/.",
        "policies/..",
        "policies/../.env",
        "policies/deep/x.json",
        "policies/deep",
        "/policies/strict.json",
        "./policies/strict.json",
        "policies//strict.json",
        "policies/link.json",
        "policies/pipe.json",
        "policies/a\0b",
        "policies/" + "x" * 300,
        "",
    ],
)
def test_nothing_else_is_read(project: Path, path: str) -> None:
    with pytest.raises(BadInput):
        read_project_file(project, path, 1000)


def test_a_folder_that_is_a_link_is_not_followed(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "policies").symlink_to(project / "policies")
    with pytest.raises(BadInput):
        read_project_file(other, "policies/strict.json", 1000)


def test_what_is_missing_or_too_large_is_said(project: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        read_project_file(project, "policies/gone.json", 1000)
    with pytest.raises(NotFound):
        read_project_file(tmp_path, "policies/gone.json", 1000)
    with pytest.raises(BadInput):
        read_project_file(project, "policies/strict.json", 1)
