"""``files.list``, ``files.delete`` and ``files.presign``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.loader import load_registry
from hookline.sdk import BadInput, NotFound
from hookline.testing import FakeContext, FakeObjectStore, run_action

from .test_copying import local

REGISTRY = load_registry()


def do(name: str, ctx: FakeContext, **given: Any) -> Any:
    return asyncio.run(run_action(REGISTRY.actions[f"files.{name}"], given, ctx))


def test_a_folder_is_listed_page_by_page(tmp_path: Path) -> None:
    found = [f"{number:02}.png" for number in range(25)]
    for name in [*found, "sub/x.png", "note.txt"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    ctx = local(tmp_path)
    seen, page = [], ""
    while True:
        output = do("list", ctx, folder="file:", pattern="**/*.png", max_files=10, page=page)
        assert len(output["files"]) <= 10
        seen += [each["path"] for each in output["files"]]
        page = output["next"]
        if not page:
            break
    assert seen == [*found, "sub/x.png"]
    flat = do("list", ctx, folder="file:", recursive=False)
    assert [each["path"] for each in flat["files"]] == [*found, "note.txt"]
    one = do("list", ctx, folder="file:sub")["files"][0]
    assert (one["url"], one["path"], one["bytes"]) == ("file:sub/x.png", "x.png", 9)
    assert one["modified"].endswith("Z")
    with pytest.raises(NotFound):
        do("list", ctx, folder="file:none/")


def test_links_and_files_being_written_are_not_listed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "file").symlink_to(tmp_path / "outside/secret")
    (root / f".{'0' * 32}.part").write_text("half")
    (root / "a").write_text("a")
    assert [each["path"] for each in do("list", local(root), folder="file:")["files"]] == ["a"]


def test_a_file_is_deleted_once(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    ctx = local(tmp_path)
    assert do("delete", ctx, file="file:a", if_missing="fail") == {"url": "file:a", "existed": True}
    assert not (tmp_path / "a").exists()
    # The process died before it was recorded: the attempt goes on with its notes.
    assert do("delete", ctx, file="file:a", if_missing="fail")["existed"] is True
    later = local(tmp_path)
    assert do("delete", later, file="file:a")["existed"] is False
    with pytest.raises(NotFound):
        do("delete", local(tmp_path), file="file:a", if_missing="fail")


def test_neither_a_folder_nor_what_a_link_leads_to_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/a").write_text("kept")
    (tmp_path / "link").symlink_to(tmp_path / "folder/a")
    with pytest.raises(BadInput):
        do("delete", local(tmp_path), file="file:folder")
    with pytest.raises(BadInput):
        do("delete", local(tmp_path), file="file:link")
    assert (tmp_path / "folder/a").read_text() == "kept"


def test_an_artifact_is_not_deleted() -> None:
    ctx = FakeContext()
    with pytest.raises(BadInput):
        do("delete", ctx, file=ctx.fake_files.put(b"x").to_json())


def test_an_address_is_signed_where_the_store_can(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("x")
    ctx = local(tmp_path, connections={"s3": FakeObjectStore({"s3://b/a": b"x"})})
    output = do("presign", ctx, file="s3://b/a", expires_in="10m")
    assert output["url"].startswith("https://")
    assert output["expires_at"] == "2026-03-01T12:10:00Z"
    for file in ("file:a", ctx.fake_files.put(b"x").to_json()):
        with pytest.raises(BadInput) as caught:
            do("presign", ctx, file=file)
        assert caught.value.code == "C060"
    schema = REGISTRY.actions["files.presign"].output_schema
    assert schema is not None
    assert schema["properties"]["url"]["x-secret"] is True
