"""What every store of files must do, as tests.

Subclass `FileStoreContract` in a test module, and give it the opened client and an empty folder::

    class TestMyStore(FileStoreContract):
        @pytest.fixture
        def place(self):
            return Place(client, "mystore://box/folder/")

The optional parts, copying and presigning, are tested where the client offers them.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from hookline.sdk import (
    ActionError,
    AlreadyExists,
    BadInput,
    CopiesFiles,
    FileStore,
    NotFound,
    PresignsFiles,
    Unavailable,
    Writing,
)

__all__ = ["FileStoreContract", "Place", "Remembered", "pieces_of", "read"]

_MIB = 1024**2


@dataclass(frozen=True, slots=True)
class Place:
    """An opened client, and the address of an empty folder of its own, which ends with ``/``."""

    store: FileStore
    folder: str


class Remembered:
    """What one writing keeps on disk, over its repetitions."""

    def __init__(self, name: str) -> None:
        self.key = hashlib.sha256(name.encode()).hexdigest()[:32]
        self.kept: dict[str, Any] = {}

    async def keep(self, **values: Any) -> None:
        self.kept.update(values)

    @property
    def writing(self) -> Writing:
        """The next try."""
        return Writing(self.key, dict(self.kept), self.keep)


async def read(store: FileStore, uri: str) -> bytes:
    """All bytes of a file."""
    async with store.stream(uri) as pieces:
        return b"".join([piece async for piece in pieces])


async def pieces_of(content: bytes, size: int = 100_000) -> AsyncIterator[bytes]:
    """The bytes, as a stream."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def _names(place: Place, *, limit: int = 1000, recursive: bool = True) -> list[str]:
    found, token = [], ""
    while True:
        page = await place.store.list_files(place.folder, recursive=recursive, token=token, limit=limit)
        assert len(page.files) <= limit
        found += [each.file.uri.removeprefix(place.folder) for each in page.files]
        token = page.next
        if not token:
            return found


class FileStoreContract:
    """All of it."""

    @pytest.mark.parametrize("size", [0, 1, 300_000, 9 * _MIB])
    @pytest.mark.parametrize("streamed", [False, True])
    def test_what_is_written_is_read(self, place: Place, size: int, streamed: bool) -> None:
        content = (b"0123456789abcdef" * (size // 16 + 1))[:size]
        uri = f"{place.folder}new/cat.png"

        async def go() -> None:
            source = pieces_of(content) if streamed else content
            written = await place.store.write(uri, source, mime="image/png", size=size)
            assert (written.uri, written.name, written.mime, written.bytes) == (
                uri,
                "cat.png",
                "image/png",
                size,
            )
            found = await place.store.stat(uri)
            assert (found.uri, found.bytes, found.name) == (uri, size, "cat.png")
            assert await read(place.store, uri) == content

        asyncio.run(go())

    def test_writing_replaces_and_deleting_is_repeatable(self, place: Place) -> None:
        uri = f"{place.folder}a.txt"

        async def go() -> None:
            await place.store.write(uri, b"old")
            await place.store.write(uri, b"newer")
            assert await read(place.store, uri) == b"newer"
            await place.store.delete(uri)
            await place.store.delete(uri)
            with pytest.raises(NotFound):
                await place.store.stat(uri)
            with pytest.raises(NotFound):
                await read(place.store, uri)

        asyncio.run(go())

    def test_fail_leaves_what_is_there_and_does_not_read_the_source(self, place: Place) -> None:
        uri = f"{place.folder}a.txt"

        reads: list[str] = []

        async def never() -> AsyncIterator[bytes]:
            reads.append("read")
            yield b""

        async def go() -> None:
            await place.store.write(uri, b"first", if_exists="fail", writing=Remembered("one").writing)
            with pytest.raises(AlreadyExists):
                await place.store.write(uri, never(), if_exists="fail", writing=Remembered("two").writing)
            with pytest.raises(AlreadyExists):
                await place.store.write(uri, never(), if_exists="fail")
            assert await read(place.store, uri) == b"first"
            assert not reads

        asyncio.run(go())

    @pytest.mark.parametrize("size", [10, 9 * _MIB])
    def test_a_repeated_writing_finds_its_own_file(self, place: Place, size: int) -> None:
        uri, one = f"{place.folder}a.bin", Remembered("one")

        async def go() -> None:
            first = await place.store.write(uri, b"x" * size, if_exists="fail", writing=one.writing)
            again = await place.store.write(uri, b"x" * size, if_exists="fail", writing=one.writing)
            assert (again.uri, again.bytes) == (first.uri, size)

        asyncio.run(go())

    def test_two_at_once_are_not_both_the_first(self, place: Place) -> None:
        """Only for stores that can promise it; override with a skip for those that cannot."""
        uri = f"{place.folder}a.txt"

        async def go() -> None:
            async def one(number: int) -> str:
                content = pieces_of(b"%d" % number * 1000, 10)
                try:
                    await place.store.write(uri, content, if_exists="fail")
                except AlreadyExists:
                    return "refused"
                return f"{number}"

            results = await asyncio.gather(*(one(number) for number in range(5)))
            winners = [each for each in results if each != "refused"]
            assert len(winners) == 1
            assert await read(place.store, uri) == winners[0].encode() * 1000

        asyncio.run(go())

    @pytest.mark.parametrize("size", [100, 20 * _MIB])
    def test_a_source_that_breaks_leaves_what_was_there(self, place: Place, size: int) -> None:
        uri = f"{place.folder}a.bin"

        async def broken() -> AsyncIterator[bytes]:
            for _ in range(max(1, size // _MIB)):
                yield b"x" * min(size, _MIB)
            raise Unavailable("the source is gone")

        async def go() -> None:
            await place.store.write(uri, b"before")
            with pytest.raises(Unavailable):
                await place.store.write(uri, broken(), writing=Remembered("one").writing)
            assert await read(place.store, uri) == b"before"
            assert await _names(place) == ["a.bin"]

        asyncio.run(go())

    @pytest.mark.parametrize("limit", [1, 2, 1000])
    def test_a_listing_shows_every_file_once(self, place: Place, limit: int) -> None:
        names = ["a", "a.b", "b/c", "b/d/e", "b.c", "f g.txt", "ü"]

        async def go() -> None:
            for name in names:
                await place.store.write(f"{place.folder}{name}", name.encode())
            assert sorted(await _names(place, limit=limit)) == sorted(names)
            flat = [name for name in names if "/" not in name]
            assert sorted(await _names(place, limit=limit, recursive=False)) == sorted(flat)
            page = await place.store.list_files(place.folder, limit=limit)
            for each in page.files:
                assert each.file.bytes == len(each.file.uri.removeprefix(place.folder).encode())

        asyncio.run(go())

    def test_an_address_of_another_store_is_refused(self, place: Place) -> None:
        async def go() -> None:
            for uri in ("", "other:x", "relative/path", "/etc/passwd"):
                with pytest.raises(BadInput):
                    await place.store.stat(uri)
                with pytest.raises(BadInput):
                    await place.store.write(uri, b"")
                with pytest.raises(BadInput):
                    await place.store.list_files(uri)

        asyncio.run(go())

    def test_a_copy_is_as_a_file_written(self, place: Place) -> None:
        store = place.store
        if not isinstance(store, CopiesFiles):
            pytest.skip("it does not copy by itself")
        source, target = f"{place.folder}a.png", f"{place.folder}b/ü c.png"

        async def go() -> None:
            await place.store.write(source, b"picture", mime="image/png")
            copied = await store.copy(source, target)
            assert (copied.uri, copied.bytes, copied.mime) == (target, 7, "image/png")
            assert await read(place.store, target) == b"picture"
            with pytest.raises(AlreadyExists):
                await store.copy(source, target, if_exists="fail")
            one = Remembered("one")
            new = f"{place.folder}c.png"
            await store.copy(source, new, if_exists="fail", writing=one.writing)
            await store.copy(source, new, if_exists="fail", writing=one.writing)
            with pytest.raises(NotFound):
                await store.copy(f"{place.folder}none", target)

        asyncio.run(go())

    def test_an_address_can_be_signed(self, place: Place) -> None:
        store = place.store
        if not isinstance(store, PresignsFiles):
            pytest.skip("it signs no addresses")

        async def go() -> None:
            await place.store.write(f"{place.folder}a.txt", b"x")
            for method in ("GET", "PUT"):
                signed = await store.presign(f"{place.folder}a.txt", 60, method=method)
                assert signed.startswith(("https://", "http://"))
            with pytest.raises(ActionError):
                await store.presign(f"{place.folder}a.txt", 10**9)
            with pytest.raises(ActionError):
                await store.presign(f"{place.folder}a.txt", 60, method="BREW")

        asyncio.run(go())
