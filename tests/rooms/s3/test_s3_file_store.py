"""S3 as a store of files, against a real server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from hookline.engine.loader import import_room
from hookline.sdk import AlreadyExists, NotFound, Unavailable
from hookline.testing.file_store_contract import FileStoreContract, Place, Remembered, pieces_of, read

from .aws import Aws

MIB = 1024**2


class TestS3(FileStoreContract):
    """Against a real server, which knows no conditional writes."""

    @pytest.fixture
    def place(self, store: Any, bucket: str) -> Place:
        return Place(store, f"s3://{bucket}/contract/")

    def test_two_at_once_are_not_both_the_first(self, place: Place) -> None:
        pytest.skip("rclone ignores If-None-Match")


@pytest.fixture(scope="module")
def aws_store(aws: Aws) -> Iterator[Any]:
    opened = aws.connect()
    yield opened
    opened.close()


class TestAws(FileStoreContract):
    """Against moto, which knows conditional writes and copies parts, as AWS does."""

    @pytest.fixture
    def place(self, aws: Aws, aws_store: Any) -> Place:
        return Place(aws_store, f"s3://{aws.bucket()}/contract/")


class _CopiesParts:
    """A boto3 client over the server, which cannot copy parts by itself, that can."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.ranges: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def upload_part_copy(
        self,
        *,
        Bucket: str,
        Key: str,
        UploadId: str,
        PartNumber: int,
        CopySource: dict[str, str],
        CopySourceRange: str,
        CopySourceIfMatch: str,
    ) -> Any:
        head = self._client.head_object(**CopySource)
        assert head["ETag"].strip('"') == CopySourceIfMatch
        self.ranges.append(CopySourceRange)
        content = self._client.get_object(**CopySource, Range=CopySourceRange)["Body"].read()
        assert (
            len(content)
            == int(CopySourceRange.partition("-")[2])
            - int(CopySourceRange.removeprefix("bytes=").partition("-")[0])
            + 1
        )
        part = self._client.upload_part(
            Bucket=Bucket, Key=Key, UploadId=UploadId, PartNumber=PartNumber, Body=content
        )
        return {"CopyPartResult": {"ETag": part["ETag"]}}


@pytest.fixture
def copies_parts(store: Any, monkeypatch: pytest.MonkeyPatch) -> _CopiesParts:
    client = _CopiesParts(store.session._opened())
    monkeypatch.setattr(store.session, "_opened", lambda: client)
    return client


class _Dead(BaseException):
    """The process died; nobody cleaned up."""


async def _uploads(store: Any, bucket: str) -> list[str]:
    """Keys of the uploads in parts that are neither completed nor aborted."""
    try:
        found = await store.session.call(
            "listing uploads", lambda client: client.list_multipart_uploads(Bucket=bucket)
        )
    except NotFound:
        return []  # What the server says of a bucket that never had one.
    return [each["Key"] for each in found.get("Uploads", ())]


@pytest.mark.parametrize("error", [Unavailable("the source is gone"), asyncio.CancelledError()])
def test_parts_are_taken_back_when_writing_fails(store: Any, bucket: str, error: BaseException) -> None:
    async def broken() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * MIB
        assert await _uploads(store, bucket) == ["big"]
        raise error

    with pytest.raises(type(error)):
        asyncio.run(store.write(f"s3://{bucket}/big", broken()))
    assert asyncio.run(_uploads(store, bucket)) == []


@pytest.mark.parametrize("is_copied", [False, True])
def test_parts_of_a_killed_writing_are_taken_back_by_its_repetition(
    store: Any,
    bucket: str,
    is_copied: bool,
    monkeypatch: pytest.MonkeyPatch,
    copies_parts: _CopiesParts,
) -> None:
    one = Remembered("one")
    source, target = f"s3://{bucket}/source", f"s3://{bucket}/target"
    content = b"0123456789abcdef" * (20 * MIB // 16)
    copying = import_room("connectors.s3.copying")
    monkeypatch.setattr(copying.copy, "__kwdefaults__", {"largest": 8 * MIB})

    def write() -> Any:
        if is_copied:
            return asyncio.run(store.copy(source, target, writing=one.writing))
        return asyncio.run(store.write(target, pieces_of(content), size=len(content), writing=one.writing))

    asyncio.run(store.write(source, content))
    upload = import_room("connectors.s3.upload")
    with monkeypatch.context() as dying:

        async def die(*_: Any) -> None:
            raise _Dead

        async def nothing(*_: Any) -> None: ...

        dying.setattr(upload.Multipart, "complete", die)
        dying.setattr(upload.Multipart, "abort", nothing)
        with pytest.raises(_Dead):
            write()
    assert asyncio.run(_uploads(store, bucket)) == ["target"]
    assert write().bytes == len(content)
    assert asyncio.run(_uploads(store, bucket)) == []
    assert asyncio.run(read(store, target)) == content


@pytest.mark.parametrize("how", ["at once", "in parts", "through here"])
def test_a_copy_keeps_type_and_metadata(
    store: Any, bucket: str, how: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    source, target = f"s3://{bucket}/a.png", f"s3://{bucket}/b"
    content = b"0123456789abcde" * MIB
    client = request.getfixturevalue("copies_parts") if how == "in parts" else None
    if how != "at once":
        copying = import_room("connectors.s3.copying")
        monkeypatch.setattr(copying.copy, "__kwdefaults__", {"largest": 6 * MIB})

    async def go() -> None:
        await store.write(source, content, mime="image/png", metadata={"owner": "ada"})
        copied = await store.copy(source, target, metadata={"hookline-run": "run_1"})
        assert (copied.mime, copied.bytes) == ("image/png", len(content))
        head = await store.head(target)
        assert head.mime == "image/png"
        assert dict(head.metadata).items() >= {"owner": "ada", "hookline-run": "run_1"}.items()
        assert await read(store, target) == content
        assert await _uploads(store, bucket) == []

    asyncio.run(go())
    if client is not None:
        assert client.ranges == [f"bytes={n * 5 * MIB}-{(n + 1) * 5 * MIB - 1}" for n in range(3)]


@pytest.mark.parametrize(
    ("size", "part"),
    [
        (None, 5 * MIB),
        (0, 5 * MIB),
        (50_000 * MIB, 5 * MIB),
        (50_000 * MIB + 1, 10 * MIB),
        (600_000 * MIB, 60 * MIB),
        (10**15, 64 * MIB),
    ],
)
def test_parts_are_as_large_as_their_number_wants(size: int | None, part: int) -> None:
    assert import_room("connectors.s3.upload").part_size(size) == part


class _Conditional:
    """A boto3 client over the server, which ignores conditions, that answers them as told.

    Args:
        answer: Code and status of the answer to a request with a condition.
        acts: The request is acted upon all the same, as when its first answer was lost.
    """

    def __init__(self, client: Any, answer: tuple[str, int], *, acts: bool = False) -> None:
        self._client = client
        self._answer = answer
        self._acts = acts
        self.conditions: list[str] = []

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)

        def call(*, IfNoneMatch: str = "", **given: Any) -> Any:
            if not IfNoneMatch:
                return method(**given)
            self.conditions.append(name)
            if self._acts:
                method(**given)
            code, status = self._answer
            answer: Any = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, name)

        return call


@pytest.mark.parametrize("size", [10, 9 * MIB])
@pytest.mark.parametrize("code", ["PreconditionFailed", ""])
def test_an_object_that_appears_at_the_last_moment_is_not_replaced(
    store: Any, bucket: str, size: int, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = _Conditional(store.session._opened(), (code, 412))
    monkeypatch.setattr(store.session, "_opened", lambda: client)

    async def go() -> None:
        # Nobody's object at the look before; somebody's when it is written.
        with pytest.raises(AlreadyExists):
            await store.write(f"s3://{bucket}/a", b"x" * size, if_exists="fail")
        assert await _uploads(store, bucket) == []

    asyncio.run(go())
    assert client.conditions == ["put_object" if size == 10 else "complete_multipart_upload"]


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_writing_whose_answer_was_lost_finds_its_own_object(
    store: Any, bucket: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 sends a request again when its answer is lost; the second one is then refused."""
    client = _Conditional(store.session._opened(), ("PreconditionFailed", 412), acts=True)
    monkeypatch.setattr(store.session, "_opened", lambda: client)

    async def go() -> None:
        uri = f"s3://{bucket}/a"
        written = await store.write(uri, b"x" * size, if_exists="fail", writing=Remembered("one").writing)
        assert (written.uri, written.bytes) == (uri, size)

    asyncio.run(go())


@pytest.mark.parametrize("size", [10, 9 * MIB])
def test_a_store_that_knows_no_conditions_is_written_without(
    store: Any, bucket: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = _Conditional(store.session._opened(), ("NotImplemented", 501))
    monkeypatch.setattr(store.session, "_opened", lambda: client)

    async def go() -> None:
        uri = f"s3://{bucket}/a"
        await store.write(uri, b"x" * size, if_exists="fail")
        assert (await store.stat(uri)).bytes == size
        await store.copy(uri, f"s3://{bucket}/b", if_exists="fail")

    asyncio.run(go())
    assert client.conditions[-1] == "copy_object"
