"""Memory does not depend on the size of a file; see ``benchmarks/files.py`` for a whole process and 2 GB.

What Python allocates is counted, so that neither the machine nor other tests matter.
"""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.files import EngineFiles
from hookline.engine.loader import import_room, load_registry
from hookline.store.artifacts import ArtifactStore
from hookline.testing import FakeContext, run_action
from hookline.testing.s3 import S3Server

from .conftest import connect

MIB = 1024**2
SMALL, LARGE = 11 * MIB, 33 * MIB
REGISTRY = load_registry()
upload = import_room("connectors.s3.upload")
LocalFiles = import_room("connectors.local_files.client").LocalFiles

Way = Callable[[FakeContext, str], Coroutine[Any, Any, Any]]


def act(name: str, **given: Any) -> Way:
    """An action on ``s3://BUCKET/source``."""

    async def do(ctx: FakeContext, bucket: str) -> Any:
        values = {
            key: value.replace("BUCKET", bucket) if isinstance(value, str) else value
            for key, value in given.items()
        }
        return await run_action(REGISTRY.actions[name], values, ctx)

    return do


async def keep_and_upload(ctx: FakeContext, bucket: str) -> None:
    """Into the artifact store, and from there to the bucket again."""
    kept = await act("files.download", url="s3://BUCKET/source", max_bytes="1GB")(ctx, bucket)
    file = kept["file"].to_json()
    await act("files.upload", file=file, to="s3://BUCKET/again", connection="other")(ctx, bucket)


async def zip_it(ctx: FakeContext, bucket: str) -> None:
    values = {"files": [f"s3://{bucket}/source"], "compress": False}
    await run_action(REGISTRY.actions["files.zip"], values, ctx)


WAYS: dict[str, Way] = {
    "from bucket to bucket": act(
        "files.copy", file="s3://BUCKET/source", to="s3://BUCKET/copy", connection="other"
    ),
    "by the artifact store": keep_and_upload,
    "into a folder": act("files.copy", file="s3://BUCKET/source", to="file:copy"),
    "for its digest": act("files.hash", file="s3://BUCKET/source"),
    "into an archive": zip_it,
}


async def made(size: int) -> AsyncIterator[bytes]:
    for _ in range(size // MIB):
        yield b"x" * MIB


@pytest.fixture(scope="module")
def other(server: S3Server) -> Any:
    """A second connection, so that the store does not copy by itself."""
    client = connect(server)
    yield client
    client.close()


@pytest.mark.parametrize("way", list(WAYS))
def test_memory_does_not_grow_with_the_file(
    server: S3Server, store: Any, other: Any, tmp_path: Path, way: str
) -> None:
    async def peak(size: int, bucket: str) -> int:
        async def referred(file: Any) -> Any:
            return store

        files: Any = EngineFiles(ArtifactStore(tmp_path / "artifacts"), referred)
        ctx = FakeContext(
            connections={"s3": store, "other": other, "local_files": LocalFiles(tmp_path)},
            types={"other": "s3"},
        )
        ctx.files = files
        await store.write(f"s3://{bucket}/source", made(size), size=size)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        await WAYS[way](ctx, bucket)
        return tracemalloc.get_traced_memory()[1] - before

    def measured(size: int) -> int:
        bucket = f"memory-{way.replace(' ', '-')}-{size // MIB}"
        server.create_bucket(bucket)
        return asyncio.run(peak(size, bucket))

    tracemalloc.start()
    try:
        measured(MIB)  # what is imported and connected at the first use
        small, large = measured(SMALL), measured(LARGE)
    finally:
        tracemalloc.stop()
    assert large < 3 * upload.PART
    assert large < small + 2 * MIB
