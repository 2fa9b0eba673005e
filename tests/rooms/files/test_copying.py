"""``files.copy``, what is done when there is a file already, and what a crash may repeat."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.loader import import_room, load_registry
from hookline.sdk import AlreadyExists, BadInput, File, NotFound
from hookline.testing import FakeContext, FakeObjectStore, open_connection, run_action

REGISTRY = load_registry()
LOCAL = import_room("connectors.local_files.connector").local_files
progress = import_room("actions._files.progress")
names = import_room("actions._files.names")


def do(name: str, ctx: FakeContext, **given: Any) -> Any:
    return asyncio.run(run_action(REGISTRY.actions[f"files.{name}"], given, ctx))


def local(root: Path, **more: Any) -> FakeContext:
    ctx = FakeContext(**more)
    ctx.connections["local_files"] = open_connection(LOCAL.connection_type, ctx, directory=str(root))
    return ctx


def test_within_a_store_the_store_copies() -> None:
    store = FakeObjectStore({"s3://b/a.png": b"picture"})
    ctx = FakeContext(connections={"s3": store})
    output = do("copy", ctx, file="s3://b/a.png", to="s3://b/archive/")
    assert output["url"] == "s3://b/archive/a.png"
    assert store.objects["s3://b/archive/a.png"] == b"picture"
    assert store.copies == 1
    assert store.metadata[output["url"]]["hookline-run"] == ctx.run_id
    reference = {"$file": "s3://b/a.png", "name": "a.png"}
    do("copy", ctx, file=reference, to="s3://b/again.png")
    do("upload", ctx, file=reference, to="s3://b/once-more.png")
    assert store.copies == 3


def test_a_version_is_never_exchanged_for_the_newest_one() -> None:
    """What was examined is what is copied: by itself a store would copy what came after it."""
    store = FakeObjectStore({"s3://b/a.png": b"picture"})
    ctx = FakeContext(connections={"s3": store})
    examined = ctx.fake_files.put(b"picture", uri="s3://b/a.png").to_json() | {"version": "v1"}
    do("copy", ctx, file=examined, to="s3://b/copy.png")
    do("upload", ctx, file=examined, to="s3://b/upload.png")
    assert (store.copies, len(store.objects)) == (0, 3)


def test_between_stores_the_bytes_pass_through(tmp_path: Path) -> None:
    one, other = FakeObjectStore({"s3://b/a.png": b"picture"}), FakeObjectStore()
    ctx = local(tmp_path, connections={"s3": one, "backup": other}, types={"backup": "s3"})
    do("copy", ctx, file="s3://b/a.png", to="s3://b/a.png", connection="backup")
    assert other.objects == {"s3://b/a.png": b"picture"}
    do("copy", ctx, file="s3://b/a.png", to="file:in/")
    assert (tmp_path / "in/a.png").read_bytes() == b"picture"
    do("copy", ctx, file="file:in/a.png", to="s3://b/back.png")
    assert one.objects["s3://b/back.png"] == b"picture"
    assert one.copies == other.copies == 0


def test_what_is_not_there_cannot_be_copied() -> None:
    ctx = FakeContext(connections={"s3": FakeObjectStore()})
    with pytest.raises(NotFound):
        do("copy", ctx, file="s3://b/none", to="s3://b/copy")


@pytest.mark.parametrize("uri", ["file:secret.txt", "s3://b/k"])
@pytest.mark.parametrize("name", ["copy", "hash", "read_text", "delete", "presign"])
def test_a_reference_names_only_what_references_may(tmp_path: Path, name: str, uri: str) -> None:
    """A reference may come out of somebody else's JSON; the local folder is out of its reach."""
    (tmp_path / "secret.txt").write_text("secret")
    store = FakeObjectStore({"s3://b/k": b"x"})
    ctx = local(tmp_path, connections={"s3": store})
    ctx.fake_files.put(b"x", uri="s3://b/k")
    given = {"to": "s3://b/stolen"} if name == "copy" else {}
    reference = {"$file": uri, "name": "x.txt"}
    if uri.startswith("s3:"):
        do(name, ctx, file=reference, **given)
        return
    with pytest.raises((BadInput, NotFound)):
        do(name, ctx, file=reference, **given)
    assert (tmp_path / "secret.txt").exists()
    assert "s3://b/stolen" not in store.objects


@pytest.mark.parametrize("action", ["copy", "upload", "write_text"])
@pytest.mark.parametrize("place", ["file:", "s3://b/"])
def test_what_is_there_is_treated_as_asked(tmp_path: Path, action: str, place: str) -> None:
    store = FakeObjectStore({f"s3://b/{name}.txt": b"theirs" for name in ("one", "two", "three", "four")})
    for name in ("one", "two", "three", "four"):
        (tmp_path / f"{name}.txt").write_bytes(b"theirs")
    ctx = local(tmp_path, connections={"s3": store})

    def content(uri: str) -> bytes:
        if uri.startswith("s3:"):
            return store.objects[uri]
        return (tmp_path / uri.removeprefix("file:")).read_bytes()

    def write(name: str, **choice: str) -> Any:
        to = f"{place}{name}.txt"
        if action == "write_text":
            return do(action, ctx, text="ours", to=to, **choice)
        return do(action, ctx, file=ctx.fake_files.put(b"ours", name="x.txt").to_json(), to=to, **choice)

    assert write("one")["skipped"] is False
    assert content(f"{place}one.txt") == b"ours"
    skipped = write("two", if_exists="skip")
    assert (skipped["skipped"], skipped["url"], skipped["bytes"]) == (True, f"{place}two.txt", 6)
    assert content(f"{place}two.txt") == b"theirs"
    with pytest.raises(AlreadyExists) as caught:
        write("three", if_exists="fail")
    assert caught.value.code == "C912"
    renamed = write("four", if_exists="rename")
    assert renamed["url"].startswith(f"{place}four-")
    assert renamed["url"].endswith(".txt")
    assert content(renamed["url"]) == b"ours"
    assert content(f"{place}four.txt") == b"theirs"
    assert write("five", if_exists="rename")["url"] == f"{place}five.txt"
    assert write("six", if_exists="skip")["skipped"] is False


@pytest.mark.parametrize("choice", ["overwrite", "fail", "rename", "skip"])
@pytest.mark.parametrize("is_taken", [False, True])
@pytest.mark.parametrize("place", ["file:", "s3://b/"])
def test_a_crash_before_the_result_is_recorded_changes_nothing(
    tmp_path: Path, choice: str, is_taken: bool, place: str
) -> None:
    """The process dies after the file is written; the engine runs the attempt again, with its notes."""
    if choice == "fail" and is_taken:
        pytest.skip("it fails the first time")
    store = FakeObjectStore({"s3://b/a.txt": b"theirs"} if is_taken else {})
    if is_taken:
        (tmp_path / "a.txt").write_bytes(b"theirs")
    ctx = local(tmp_path, connections={"s3": store})
    given = {"file": ctx.fake_files.put(b"ours", name="a.txt").to_json(), "to": place, "if_exists": choice}
    first = do("upload", ctx, **given)
    before = sorted(os.listdir(tmp_path)), dict(store.objects)
    again = local(tmp_path, connections={"s3": store}, files=ctx.fake_files)
    again.notes = ctx.notes
    second = do("upload", again, **given)
    assert (first["url"], first["skipped"]) == (second["url"], second["skipped"])
    assert (sorted(os.listdir(tmp_path)), store.objects) == before


def test_another_run_is_not_taken_for_the_same(tmp_path: Path) -> None:
    store = FakeObjectStore()
    for place in ("file:", "s3://b/"):
        ctx, other = (local(tmp_path, connections={"s3": store}) for _ in range(2))
        other.run_id = "run_other"
        do("write_text", ctx, text="mine", to=f"{place}lock", if_exists="fail")
        with pytest.raises(AlreadyExists):
            do("write_text", other, text="mine", to=f"{place}lock", if_exists="fail")


def test_a_partial_file_of_a_killed_writing_is_removed_by_its_repetition(tmp_path: Path) -> None:
    ctx = local(tmp_path)
    client = ctx.connections["local_files"]
    stopped = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"half"
        stopped.set()
        await asyncio.sleep(60)

    async def go() -> None:
        from hookline.testing.file_store_contract import Remembered

        one = Remembered("one")
        task = asyncio.ensure_future(client.write("file:a", endless(), writing=one.writing))
        await stopped.wait()
        (partial,) = os.listdir(tmp_path)
        kept = (tmp_path / partial).read_bytes()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert os.listdir(tmp_path) == []
        (tmp_path / partial).write_bytes(kept)  # as after SIGKILL, which removes nothing
        await client.write("file:a", b"whole", writing=one.writing)

    asyncio.run(go())
    assert os.listdir(tmp_path) == ["a"]


def test_more_than_is_allowed_is_refused_before_and_during(tmp_path: Path) -> None:
    ctx = local(tmp_path, connections={"s3": FakeObjectStore({"s3://b/big": b"x" * 2000})})
    for to in ("file:a", "s3://b/copy"):
        with pytest.raises(BadInput) as caught:
            do("copy", ctx, file="s3://b/big", to=to, max_bytes=1000)
        assert caught.value.code == "C026"
    unknown = {**ctx.fake_files.put(b"x" * 2000).to_json()}
    del unknown["bytes"]
    with pytest.raises(BadInput):
        do("upload", ctx, file=unknown, to="file:a", max_bytes=1000)
    assert os.listdir(tmp_path) == []


def test_progress_is_told_less_and_less_often() -> None:
    ctx = FakeContext()

    async def slow() -> AsyncIterator[bytes]:
        for _ in range(1000):
            ctx.clock.advance(1)
            yield b"x" * 1_000_000

    async def go() -> int:
        return sum([len(piece) async for piece in progress.followed(ctx, slow(), "Copying a", 10**9)])

    assert asyncio.run(go()) == 10**9
    lines = [message for message, _ in ctx.logged]
    assert lines[0] == "Copying a: 10.0 MB of 1.0 GB (1 %), 1.0 MB/s"
    assert 5 <= len(lines) <= 8
    assert [values["bytes"] for _, values in ctx.logged] == sorted(
        {values["bytes"] for _, values in ctx.logged}
    )


def test_what_is_quick_says_nothing() -> None:
    ctx = FakeContext(connections={"s3": FakeObjectStore({"s3://b/a": b"x" * 1_000_000})})
    do("hash", ctx, file="s3://b/a")
    assert ctx.logged == []


@pytest.mark.parametrize(
    ("address", "other"),
    [
        ("s3://b/dir/cat.png", "s3://b/dir/cat-12.png"),
        ("s3://b/dir.d/cat", "s3://b/dir.d/cat-12"),
        ("file:cat.tar.gz", "file:cat.tar-12.gz"),
        ("file:a/.env", "file:a/.env-12"),
    ],
)
def test_another_name_keeps_its_ending(address: str, other: str) -> None:
    assert names.beside(address, "12") == other


def test_a_long_name_keeps_its_ending() -> None:
    name = names.plain_name("n" * 300 + ".png")
    assert len(name) == 200
    assert name.endswith("n.png")


def test_references_come_back() -> None:
    ctx = FakeContext(connections={"s3": FakeObjectStore({"s3://b/a": b"1"})})
    assert isinstance(do("copy", ctx, file="s3://b/a", to="s3://b/b")["file"], File)
