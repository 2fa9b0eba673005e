"""``files.zip`` and ``files.unzip``: nothing is unpacked of an archive that cannot be trusted."""

from __future__ import annotations

import asyncio
import io
import stat
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.engine.loader import load_registry
from hookline.sdk import BadInput
from hookline.testing import FakeContext, FakeObjectStore, run_action

REGISTRY = load_registry()


def unzip(content: bytes, **given: Any) -> Any:
    ctx = FakeContext()
    file = ctx.fake_files.put(content, name="a.zip", mime="application/zip").to_json()
    try:
        output = asyncio.run(run_action(REGISTRY.actions["files.unzip"], {"file": file, **given}, ctx))
        return {each["path"]: ctx.fake_files.content(each["file"]) for each in output["files"]}
    finally:
        ctx.fake_files.close()


def archive(members: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return sink.getvalue()


def entry(name: str, content: bytes = b"x", **attributes: Any) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as made:
        info = zipfile.ZipInfo(name)
        for attribute, value in attributes.items():
            setattr(info, attribute, value)
        made.writestr(info, content)
    return sink.getvalue()


def refused(content: bytes, code: str = "C061", **given: Any) -> str:
    with pytest.raises(BadInput) as caught:
        unzip(content, **given)
    assert caught.value.code == code
    return caught.value.message


def test_files_are_packed_and_unpacked() -> None:
    ctx = FakeContext(connections={"s3": FakeObjectStore({"s3://b/dir/a.txt": b"second" * 1000})})
    first = ctx.fake_files.put(b"first", name="a.txt").to_json()
    given = {"files": [first, "s3://b/dir/a.txt"], "name": "both.zip"}
    output = asyncio.run(run_action(REGISTRY.actions["files.zip"], given, ctx))
    assert output["names"] == ["a.txt", "a-2.txt"]
    content = ctx.fake_files.content(output["file"])
    assert unzip(content) == {"a.txt": b"first", "a-2.txt": b"second" * 1000}
    assert len(content) < 1000
    with zipfile.ZipFile(io.BytesIO(content)) as made:
        assert made.testzip() is None
    again = asyncio.run(run_action(REGISTRY.actions["files.zip"], given, ctx))
    assert again["file"] == output["file"]


@given(members=st.dictionaries(st.text("abc/é", min_size=1, max_size=6), st.binary(max_size=400), max_size=5))
@settings(max_examples=40, deadline=None)
def test_an_archive_gives_what_was_put_into_it_or_is_refused(members: dict[str, bytes]) -> None:
    content = archive(members)
    try:
        found = unzip(content)
    except BadInput:
        return
    assert found == {name: value for name, value in members.items() if not name.endswith("/")}


def test_an_archive_of_a_store_is_fetched_first() -> None:
    store = FakeObjectStore({"s3://b/a.zip": archive({"a/b.txt": b"text", "a/": b""})})
    ctx = FakeContext(connections={"s3": store})
    output = asyncio.run(run_action(REGISTRY.actions["files.unzip"], {"file": "s3://b/a.zip"}, ctx))
    ctx.fake_files.close()
    (only,) = output["files"]
    assert (only["path"], only["name"], only["bytes"], output["bytes"]) == ("a/b.txt", "b.txt", 4, 4)
    assert only["file"].mime == "text/plain"


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../a",
        "a/../../b",
        "a/./b",
        "a//b",
        "C:/a",
        "a\\..\\b",
        "a\nb",
        "a\x1b[0m",
        "x/" * 40 + "a",
        "n" * 2000,
    ],
)
def test_a_path_that_leads_elsewhere_is_refused(name: str) -> None:
    refused(entry(name))


@pytest.mark.parametrize(
    "members",
    [["a", "a"], ["a", "A"], ["caf\u00e9", "cafe\u0301"], ["a", "a/b"], ["a/b/c", "a/b"], ["a", "a/"]],
)
def test_a_name_that_is_there_twice_is_refused(members: list[str]) -> None:
    sink = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w") as made:
        warnings.simplefilter("ignore")  # zipfile warns of what this is about
        for name in members:
            made.writestr(name, b"" if name.endswith("/") else b"x")
    refused(sink.getvalue())


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_link_is_refused(kind: int) -> None:
    assert "link or a device" in refused(entry("a", b"/etc/passwd", external_attr=(kind | 0o777) << 16))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_any_amount_at_once_are_refused(method: int) -> None:
    refused(archive({"a": b"x" * 1000}, method))


def test_an_encrypted_file_is_refused() -> None:
    content = bytearray(archive({"a": b"secret"}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.index(mark) + place
        content[at] |= 1
    refused(bytes(content))


def test_a_bomb_is_refused_by_its_ratio() -> None:
    bomb = archive({"a": bytes(20 * 1024**2)})
    assert len(bomb) < 25_000
    assert "times as large" in refused(bomb)
    assert len(unzip(bomb, max_ratio=1100)["a"]) == 20 * 1024**2


def test_a_bomb_of_many_files_is_refused_by_its_size() -> None:
    refused(archive({f"{number}": bytes(900_000) for number in range(12)}), max_bytes="10MB")


def test_too_many_entries_are_refused() -> None:
    content = archive({f"{number}": b"" for number in range(101)})
    assert "101 entries" in refused(content, max_files=100)
    assert len(unzip(content, max_files=101)) == 101


def test_a_list_of_entries_that_would_fill_the_memory_is_not_read() -> None:
    """The list's size is looked at before the list, which zipfile reads as a whole."""
    content = bytearray(archive({"a": b"x"}))
    end = content.rindex(b"PK\x05\x06")
    struct.pack_into("<L", content, end + 12, 3_000_000_000)
    assert "entries" in refused(bytes(content))


def test_a_long_list_announced_the_new_way_is_not_read() -> None:
    content = archive({"a": b"x"})
    end = content.rindex(b"PK\x05\x06")
    record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 2**40, 0)
    locator = struct.pack("<4sLQL", b"PK\x06\x07", 0, end, 1)
    assert "entries" in refused(content[:end] + record + locator + content[end:])


def test_entries_that_share_their_bytes_are_refused() -> None:
    """How a few kilobytes become terabytes without any suspicious ratio of one file."""
    content = bytearray(archive({"a": b"A" * 50, "b": b"B" * 50}, zipfile.ZIP_STORED))
    second = content.rindex(b"PK\x01\x02")
    struct.pack_into("<L", content, second + 42, 0)
    assert "overlaps" in refused(bytes(content))


def test_an_archive_inside_stays_a_file() -> None:
    inner = archive({"a": b"x"})
    assert unzip(archive({"inner.zip": inner})) == {"inner.zip": inner}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: b"no archive",
        lambda content: content[: len(content) // 2],
        lambda content: content[:45] + b"\0\0\0\0" + content[49:],
        lambda content: content.replace(b"PK\x03\x04", b"PK\x03\x05"),
        lambda content: b"PK\x05\x06" + bytes(10),
    ],
)
def test_what_is_damaged_is_no_archive(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(BadInput) as caught:
        unzip(damage(archive({"name.txt": bytes(range(256)) * 20})))
    assert caught.value.code in ("C061", "C062")


@given(place=st.integers(0, 400), value=st.integers(0, 255))
@settings(max_examples=80, deadline=None)
def test_a_changed_byte_never_gives_other_content(place: int, value: int) -> None:
    members = {"a.txt": b"some text " * 10, "b/c.txt": b"more"}
    content = bytearray(archive(members))
    content[place % len(content)] = value
    try:
        found = unzip(bytes(content))
    except BadInput:
        return
    # The name may be another, or an entry may be gone; no file's bytes are.
    assert all(value in members.values() for value in found.values())
