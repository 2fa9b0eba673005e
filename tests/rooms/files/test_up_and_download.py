"""``files.upload``, ``files.download`` and the local folder."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.loader import import_room, load_registry
from hookline.sdk import BadInput, NotFound, Recorded, Unavailable
from hookline.testing import FakeContext, FakeFiles, FakeObjectStore, open_connection, run_action

REGISTRY = load_registry()
UPLOAD = REGISTRY.actions["files.upload"]
DOWNLOAD = REGISTRY.actions["files.download"]
LOCAL = import_room("connectors.local_files.connector").local_files
LocalFiles = import_room("connectors.local_files.client").LocalFiles


def upload(ctx: FakeContext, content: bytes, name: str, to: str, **given: Any) -> Any:
    reference = ctx.fake_files.put(content, name=name).to_json()
    return asyncio.run(run_action(UPLOAD, {"file": reference, "to": to, **given}, ctx))


def download(ctx: FakeContext, url: str, **given: Any) -> Any:
    return asyncio.run(run_action(DOWNLOAD, {"url": url, **given}, ctx))


@pytest.mark.parametrize(
    ("name", "to", "written"),
    [
        ("cat.png", "s3://b/dir/dog.png", "s3://b/dir/dog.png"),
        ("cat.png", "s3://b/dir/", "s3://b/dir/cat.png"),
        ("../../etc/passwd", "s3://b/dir/", "s3://b/dir/.._.._etc_passwd"),
        ("..", "s3://b/", "s3://b/file"),
        ("a\\b\nc", "s3://b/", "s3://b/a_b_c"),
    ],
)
def test_a_file_is_written_to_its_address(name: str, to: str, written: str) -> None:
    store = FakeObjectStore()
    ctx = FakeContext(connections={"s3": store})
    output = upload(ctx, b"bytes", name, to)
    assert store.objects == {written: b"bytes"}
    assert output["url"] == written
    assert output["file"].uri == written
    assert store.metadata[written] == {"hookline-run": ctx.run_id, "hookline-workflow": ctx.workflow}


def test_the_connection_can_be_named() -> None:
    store = FakeObjectStore()
    ctx = FakeContext(connections={"backup": store}, types={"backup": "s3"})
    upload(ctx, b"bytes", "a", "s3://b/a", connection="backup")
    assert "s3://b/a" in store.objects
    with pytest.raises(BadInput):
        upload(ctx, b"bytes", "a", "s3://b/a")


@pytest.mark.parametrize("to", ["/etc/passwd", "passwd", "https://a.example/x", "data:x", "artifact:x"])
def test_only_addresses_that_can_be_written_are(to: str) -> None:
    with pytest.raises(BadInput) as caught:
        upload(FakeContext(connections={"s3": FakeObjectStore()}), b"", "a", to)
    assert caught.value.code == "C924"


def test_a_download_is_kept_in_the_artifact_store() -> None:
    ctx = FakeContext(answers=[Recorded(text="meow", headers={"Content-Type": "text/plain"})])
    output = download(ctx, "https://a.example/dir/cat.txt?x=1")
    assert (output["name"], output["mime"], output["bytes"]) == ("cat.txt", "text/plain", 4)
    assert ctx.fake_files.content(output["file"]) == b"meow"
    assert output["file"].uri.startswith("artifact:")


def test_an_object_is_copied_under_a_plain_name() -> None:
    ctx = FakeContext(connections={"s3": FakeObjectStore({"s3://b/k.png": b"123"})})
    output = download(ctx, "s3://b/k.png", name="x/../y.png")
    assert output["name"] == "x_.._y.png"
    assert ctx.fake_files.content(output["file"]) == b"123"


class Liar(FakeObjectStore):
    """A store that says less than it sends."""

    async def stat(self, uri: str) -> Any:
        from dataclasses import replace

        return replace(await super().stat(uri), bytes=None)


@pytest.mark.parametrize("store", [FakeObjectStore, Liar])
def test_what_is_too_large_is_refused(store: type[FakeObjectStore]) -> None:
    ctx = FakeContext(connections={"s3": store({"s3://b/k": b"x" * 200_000})})
    with pytest.raises(BadInput) as caught:
        download(ctx, "s3://b/k", max_bytes="100KB")
    assert caught.value.code == "C026"
    assert download(ctx, "s3://b/k", max_bytes="200KB")["bytes"] == 200_000


def local(root: Path) -> FakeContext:
    ctx = FakeContext()
    ctx.connections["local_files"] = open_connection(LOCAL.connection_type, ctx, directory=str(root))
    return ctx


def test_a_local_file_is_written_and_read(tmp_path: Path) -> None:
    ctx = local(tmp_path)
    output = upload(ctx, b"report", "may.pdf", "file:2026/reports/")
    assert output["url"] == "file:2026/reports/may.pdf"
    assert (tmp_path / "2026/reports/may.pdf").read_bytes() == b"report"
    upload(ctx, b"newer", "may.pdf", "file:2026/reports/may.pdf")
    assert os.listdir(tmp_path / "2026/reports") == ["may.pdf"]
    read = download(ctx, "file:2026/reports/may.pdf")
    assert ctx.fake_files.content(read["file"]) == b"newer"
    assert (read["mime"], read["bytes"]) == ("application/pdf", 5)
    with pytest.raises(NotFound):
        download(ctx, "file:2026/none.pdf")


@pytest.mark.parametrize(
    "to",
    [
        "file:../x",
        "file:a/../../x",
        "file:/etc/passwd",
        "file:///etc/passwd",
        "file:a//b",
        "file:./x",
        "file:a/.",
        "file:a\0b",
        "file:..\\x",
        "file:" + "n" * 300,
        "file:folder",
        "file:link/x",
        "file:loop",
        "file:file/x",
    ],
)
def test_nothing_outside_the_folder_can_be_named(tmp_path: Path, to: str) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "folder").mkdir(parents=True)
    (root / "file").write_text("kept")
    outside.mkdir()
    (outside / "x").write_text("secret")
    (root / "link").symlink_to(outside)
    (root / "loop").symlink_to(outside / "x")
    ctx = local(root)
    with pytest.raises(BadInput) as caught:
        download(ctx, to)
    assert caught.value.code == "C021"
    if to != "file:loop":
        with pytest.raises(BadInput):
            upload(ctx, b"overwritten", "x", to)
    assert (outside / "x").read_text() == "secret"
    assert (root / "file").read_text() == "kept"
    assert not [name for name in os.listdir(root) if name.endswith(".part")]


def test_a_link_under_the_final_name_is_replaced_not_followed(tmp_path: Path) -> None:
    root, target = tmp_path / "root", tmp_path / "target"
    root.mkdir()
    target.write_text("secret")
    (root / "x").symlink_to(target)
    upload(local(root), b"new", "x", "file:x")
    assert target.read_text() == "secret"
    assert not (root / "x").is_symlink()


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(BadInput):
        download(local(tmp_path), "file:pipe")


def test_a_write_that_fails_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("before")

    async def broken() -> AsyncIterator[bytes]:
        yield b"half"
        raise Unavailable("the source is gone")

    client = LocalFiles(tmp_path)
    with pytest.raises(Unavailable):
        asyncio.run(client.write("file:x", broken(), mime="text/plain"))
    assert os.listdir(tmp_path) == ["x"]
    assert (tmp_path / "x").read_text() == "before"


def test_the_folder_must_exist(tmp_path: Path) -> None:
    for directory in ("relative", str(tmp_path / "none")):
        with pytest.raises(BadInput) as caught:
            open_connection(LOCAL.connection_type, FakeContext(), directory=directory)
        assert caught.value.code == "C020"


def test_a_file_reference_cannot_name_the_local_folder() -> None:
    assert REGISTRY.schemes["file"] == "local_files"
    assert not REGISTRY.connection_types["local_files"].references


def test_files_are_closed_when_a_test_is_done() -> None:
    files = FakeFiles()
    path = asyncio.run(files.local_path(files.put(b"x")))
    files.close()
    assert not path.exists()
