"""Which way a file goes into a model: by its size, and by who can reach the store it is in."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hookline.sdk import BadInput, File
from hookline.sdk.http import is_public_host
from hookline.sdk.model_inputs import presigned, send_files, tell_of_files
from hookline.testing.fakes import FakeContext, FakeFiles, FakeObjectStore

KB = 1000


class Store(FakeObjectStore):
    """Signs addresses of the host that a test wants."""

    host = "https://bucket.s3.example.com"

    async def presign(self, uri: str, expires: float, *, version_id: str = "", method: str = "GET") -> str:
        self._get(uri)
        return f"{self.host}/{uri.rpartition('/')[2]}?expires={expires:g}&version={version_id}"


def context(store: Store, **objects: bytes) -> FakeContext:
    files = FakeFiles()
    for name, content in objects.items():
        store.objects[f"s3://b/{name}"] = content
        files.put(content, name=name, uri=f"s3://b/{name}")
    return FakeContext(files=files, connections={"s3": store}, schemes={"s3": "s3"})


def reference(name: str, size: int | None, version: str | None = None) -> dict[str, Any]:
    return File(f"s3://b/{name}", name=name, mime="image/png", bytes=size, version=version).to_json()


def send(
    ctx: FakeContext, value: Any, *, public: bool = True, with_upload: bool = True, **limits: Any
) -> Any:
    async def upload(content: bytes, file: File) -> str:
        return f"https://api.example/files/{file.name}"

    given = {"inline": 10 * KB, "largest": 100 * KB, "inline_total": 25 * KB, **limits}
    return asyncio.run(
        send_files(
            value,
            ctx.files,
            upload=upload if with_upload else None,
            share=presigned(ctx, public=public),
            tell=tell_of_files(ctx),
            **given,
        )
    )


def ways(ctx: FakeContext) -> list[tuple[str, str]]:
    return [(values["input"], values["way"]) for _, values in ctx.logged if "way" in values]


def test_small_in_the_request_larger_where_it_is_and_the_way_is_told() -> None:
    ctx = context(Store(), small=bytes(9 * KB), large=bytes(11 * KB))
    value = {"a": reference("small", 9 * KB), "b": [{"c": reference("large", 11 * KB, "v1")}]}
    sent = send(ctx, value)
    assert sent["a"].startswith("data:image/png;base64,")
    assert sent["b"][0]["c"] == "https://bucket.s3.example.com/large?expires=86400&version=v1"
    assert ways(ctx) == [("/a", "data URL"), ("/b/0/c", "presigned address")]
    assert all("expires=" not in str(line) for line in ctx.logged)


def test_what_is_too_large_for_everything_else_can_still_be_shared_unread() -> None:
    store = Store()
    ctx = context(store, huge=b"never read")
    assert send(ctx, reference("huge", 50_000_000_000)).startswith("https://bucket.s3.example.com/huge?")
    store.host = "http://127.0.0.1:9000"
    with pytest.raises(BadInput):
        send(ctx, reference("huge", 50_000_000_000), largest=5)


@pytest.mark.parametrize(
    "host",
    [
        "http://bucket.s3.example.com",
        "https://127.0.0.1:9000",
        "https://10.0.0.7",
        "https://minio",
        "https://s3.internal",
    ],
)
def test_a_store_that_the_world_cannot_reach_is_not_named_to_it(host: str) -> None:
    store = Store()
    store.host = host
    ctx = context(store, large=bytes(11 * KB))
    assert send(ctx, reference("large", 11 * KB)) == "https://api.example/files/large"
    assert ways(ctx) == [("", "upload")]
    assert send(ctx, reference("large", 11 * KB), public=False).startswith(host)


def test_many_small_files_do_not_make_a_large_request() -> None:
    ctx = context(Store(), **{name: bytes(9 * KB) for name in "abcd"})
    send(ctx, [reference(name, 9 * KB) for name in "abcda"])
    assert [way for _, way in ways(ctx)] == ["data URL", "data URL", "presigned address", "presigned address"]
    ctx = context(Store(), **{name: bytes(9 * KB) for name in "abcd"})
    ctx.connections.clear()
    send(ctx, [reference(name, 9 * KB) for name in "abcd"], with_upload=False)
    assert [way for _, way in ways(ctx)] == ["data URL"] * 4


def test_a_file_of_unknown_size_is_read_to_know() -> None:
    ctx = context(Store(), small=bytes(9 * KB), large=bytes(11 * KB))
    send(ctx, [reference("small", None), reference("large", None)])
    assert [way for _, way in ways(ctx)] == ["data URL", "presigned address"]


def test_an_address_lives_a_little_longer_than_the_step() -> None:
    ctx = context(Store(), large=bytes(11 * KB))
    ctx.deadline = ctx.now() + timedelta(minutes=5)
    assert "expires=360&" in send(ctx, reference("large", 11 * KB))


def test_a_kept_file_or_a_store_that_cannot_sign_is_uploaded() -> None:
    ctx = context(Store())
    kept = ctx.fake_files.put(bytes(11 * KB), name="kept.bin")
    assert send(ctx, kept.to_json()) == "https://api.example/files/kept.bin"
    ctx = context(Store(), large=bytes(11 * KB))
    ctx.connections["s3"] = object()
    assert send(ctx, reference("large", 11 * KB)) == "https://api.example/files/large"


@pytest.mark.parametrize(
    ("host", "public"),
    [
        ("8.8.8.8", True),
        ("s3.amazonaws.com", True),
        ("::1", False),
        ("localhost", False),
        ("nas.local", False),
        ("192.168.1.1", False),
        ("minio", False),
    ],
)
def test_public_hosts(host: str, public: bool) -> None:
    assert is_public_host(host) is public
