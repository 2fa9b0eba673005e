"""The S3 client against a real server."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from hookline.engine.loader import import_room
from hookline.sdk import ActionError, AuthenticationFailed, BadInput, File, NotFound, Unavailable
from hookline.testing import FakeConnectionContext, FakeContext, run_action
from hookline.testing.s3 import S3Server

from .conftest import connect

MIB = 1024 * 1024
ROOM = import_room("connectors.s3.connector")

KEYS = [
    "plain.txt",
    "folder/with space.png",
    "grüße/日本語 – ☃.png",
    "emoji/🦄.bin",
    "a+b%20c.txt",
    "what?is#this&that=x.txt",
    "quo'te\"d;,.txt",
    "~tilde/(1)[2]{3}.txt",
]


async def read(store: Any, uri: str) -> bytes:
    async with store.stream(uri) as pieces:
        return b"".join([piece async for piece in pieces])


async def pieces_of(content: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_written_found_listed_and_read(store: Any, bucket: str, key: str) -> None:
    async def go() -> None:
        uri = f"s3://{bucket}/{key}"
        written = await store.write(uri, b"content", metadata={"hookline-run": "run_1"})
        assert written.uri == uri
        assert written.name == key.rpartition("/")[2]
        assert (written.bytes, written.connection) == (7, "uploads")
        assert written.sha256 == hashlib.sha256(b"content").hexdigest()
        assert await store.stat(uri) == File(
            uri, name=written.name, mime=written.mime, bytes=7, connection="uploads"
        )
        assert (await store.stat(uri)).etag == written.etag
        head = await store.head(uri)
        assert head.metadata["hookline-run"] == "run_1"
        assert head.last_modified.tzinfo is UTC
        assert await read(store, uri) == b"content"
        page = await store.list_page(bucket)
        assert [(each.key, each.bytes, each.etag) for each in page.objects] == [(key, 7, written.etag)]
        assert page.at is not None
        await store.delete(uri)
        assert (await store.list_page(bucket)).objects == ()
        await store.delete(uri)

    asyncio.run(go())


@pytest.mark.parametrize(
    ("size", "streamed"),
    [
        (0, True),
        (1, True),
        (5 * MIB, True),
        (5 * MIB + 1, True),
        (17 * MIB, True),
        (0, False),
        (17 * MIB, False),
    ],
)
def test_any_size_goes_up_and_comes_back(store: Any, bucket: str, size: int, streamed: bool) -> None:
    content = bytes(range(256)) * (size // 256) + b"x" * (size % 256)

    async def go() -> None:
        uri = f"s3://{bucket}/large.bin"
        source: Any = pieces_of(content, 3 * MIB + 7) if streamed else content
        written = await store.write(uri, source, mime="application/x-large")
        assert (written.bytes, written.sha256) == (size, hashlib.sha256(content).hexdigest())
        found = await store.stat(uri)
        assert (found.bytes, found.mime) == (size, "application/x-large")
        assert await read(store, uri) == content

    asyncio.run(go())


@pytest.mark.parametrize("before", [0, 1, 9 * MIB, 20 * MIB])
def test_an_upload_that_fails_leaves_nothing(
    store: Any, bucket: str, before: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"x" * before
        raise ConnectionResetError("the source broke")

    aborted = []

    async def go() -> None:
        client = await store.session.call("asking", lambda client: client)
        genuine = client.abort_multipart_upload
        monkeypatch.setattr(
            client, "abort_multipart_upload", lambda **given: aborted.append(given) or genuine(**given)
        )
        with pytest.raises(ConnectionResetError):
            await store.write(f"s3://{bucket}/half.bin", broken())
        assert (await store.list_page(bucket)).objects == ()

    asyncio.run(go())
    assert len(aborted) == (1 if before > 5 * MIB else 0)


def test_a_canceled_upload_is_taken_back(store: Any, bucket: str) -> None:
    async def go() -> None:
        reached = asyncio.Event()

        async def endless() -> AsyncIterator[bytes]:
            yield b"x" * (17 * MIB)
            reached.set()
            await asyncio.Event().wait()
            yield b"never"

        writing = asyncio.create_task(store.write(f"s3://{bucket}/half.bin", endless()))
        await reached.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (await store.list_page(bucket)).objects == ()

    asyncio.run(go())


def test_an_object_is_replaced_whole(store: Any, bucket: str) -> None:
    async def go() -> None:
        uri = f"s3://{bucket}/a.txt"
        await store.write(uri, b"first, and long")
        await store.write(uri, b"second")
        assert await read(store, uri) == b"second"

    asyncio.run(go())


def test_a_listing_in_pages_has_every_key_once_and_in_order(store: Any, bucket: str) -> None:
    keys = sorted((f"p/{number:02}é" for number in range(23)), key=lambda key: key.encode())

    async def go() -> None:
        await asyncio.gather(*(store.write(f"s3://{bucket}/{key}", b"") for key in [*keys, "q/other"]))
        found: list[str] = []
        token = ""
        while True:
            page = await store.list_page(bucket, "p/", token, limit=5)
            found += [each.key for each in page.objects]
            token = page.next
            if not token:
                break
        assert found == keys
        behind = await store.list_page(bucket, "p/", start_after=keys[20])
        assert [each.key for each in behind.objects] == keys[21:]

    asyncio.run(go())


def test_presigned_addresses_are_sigv4_and_work_without_credentials(store: Any, bucket: str) -> None:
    async def go() -> tuple[str, str]:
        uri = f"s3://{bucket}/grüße und so.txt"
        await store.write(uri, b"content")
        return await store.presign(uri, 60), await store.presign(f"s3://{bucket}/new.txt", 60, method="PUT")

    get, put = asyncio.run(go())
    assert parse_qs(urlsplit(get).query)["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    with httpx.Client(trust_env=False) as client:
        assert client.get(get).content == b"content"
        assert client.get(get.replace("X-Amz-Signature=", "X-Amz-Signature=0")).status_code >= 400
        assert client.put(put, content=b"mine").status_code == 200
        assert client.put(get, content=b"overwritten").status_code >= 400
    assert asyncio.run(read(store, f"s3://{bucket}/new.txt")) == b"mine"


@pytest.mark.parametrize("expires", [0, -1, 604_801, 10**9, float("nan")])
def test_a_presigned_address_lives_for_seven_days_at_most(store: Any, expires: float) -> None:
    with pytest.raises(BadInput):
        asyncio.run(store.presign("s3://bucket/key", expires))
    assert "X-Amz-Expires=604800" in asyncio.run(store.presign("s3://bucket/key", 604_800))


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "key",
        "s3://",
        "s3://bucket",
        "s3://bucket/",
        "s3:///key",
        "http://bucket/key",
        "file:///etc/passwd",
        "s3://../key",
        "s3://a b/key",
        "s3://bucket/" + "é" * 513,
        "s3://bucket/a\0b",
        "s3://bucket/\ud800",
        "s3://arn:aws:s3:::x/key",
    ],
)
def test_what_is_no_address_is_bad_input(store: Any, uri: str) -> None:
    async def streamed() -> None:
        async with store.stream(uri):
            raise AssertionError("it was opened")

    for call in (lambda: store.stat(uri), lambda: store.write(uri, b""), lambda: store.delete(uri), streamed):
        with pytest.raises(BadInput):
            asyncio.run(call())


def test_what_is_missing_is_not_found(store: Any, bucket: str) -> None:
    async def streamed() -> None:
        async with store.stream(f"s3://{bucket}/missing"):
            raise AssertionError("it was opened")

    for call in (
        lambda: store.stat(f"s3://{bucket}/missing"),
        streamed,
        lambda: store.list_page("no-such-bucket"),
        lambda: store.write("s3://no-such-bucket/key", b""),
    ):
        with pytest.raises(NotFound):
            asyncio.run(call())


def test_a_wrong_secret_is_an_authentication_failure_that_shows_nothing(
    server: S3Server, bucket: str
) -> None:
    client = connect(server, secret_access_key="a-canary-that-must-not-show")
    for call in (lambda: client.list_page(bucket), lambda: ROOM.s3.connection_type.test(client)):
        with pytest.raises(AuthenticationFailed) as caught:
            asyncio.run(call())
        assert (
            "canary"
            not in f"{caught.value} {caught.value.hint} {caught.value.detail} {client.session.settings}"
        )
    client.close()


def test_a_store_that_is_down_is_unavailable() -> None:
    settings = {
        "endpoint_url": "http://127.0.0.1:9",
        "access_key_id": "a",
        "secret_access_key": "b",
        "region": "us-east-1",
    }
    client = ROOM.s3.connection_type.open(FakeConnectionContext("s3"), **settings)
    with pytest.raises(Unavailable):
        asyncio.run(client.list_page("bucket"))
    client.close()


def test_the_connection_is_proved_by_a_signed_request(server: S3Server, store: Any, bucket: str) -> None:
    assert server.endpoint_url in asyncio.run(ROOM.s3.connection_type.test(store))


@pytest.mark.parametrize(
    "endpoint",
    ["ftp://host", "localhost:9000", "http://user:pass@host", "http://", "https://h?x=1", "file:///x"],
)
def test_an_endpoint_that_is_no_web_address_is_refused(endpoint: str) -> None:
    with pytest.raises(BadInput):
        ROOM.connect(FakeConnectionContext("s3"), endpoint_url=endpoint)
    with pytest.raises(BadInput):
        ROOM.connect(FakeConnectionContext("s3"), access_key_id="a")


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")


@pytest.mark.usefixtures("plain_environment")
@pytest.mark.parametrize(
    ("fields", "start"),
    [
        ({}, "https://a-bucket.s3.amazonaws.com/key?"),
        ({"region": "eu-west-1"}, "https://a-bucket.s3.eu-west-1.amazonaws.com/key?"),
        ({"addressing_style": "path"}, "https://s3.amazonaws.com/a-bucket/key?"),
        ({"endpoint_url": "http://127.0.0.1:1"}, "http://127.0.0.1:1/a-bucket/key?"),
        (
            {"endpoint_url": "http://store.test:1", "addressing_style": "virtual"},
            "http://a-bucket.store.test:1/key?",
        ),
    ],
)
def test_where_requests_go_is_what_the_connection_says(fields: dict[str, str], start: str) -> None:
    client = ROOM.connect(
        FakeConnectionContext("s3", settings={"AWS_DEFAULT_REGION": "us-east-1"}),
        access_key_id="AKID",
        secret_access_key="secret",
        **fields,
    )
    assert asyncio.run(client.presign("s3://a-bucket/key", 60)).startswith(start)
    client.close()


def answered(code: str, status: int, headers: dict[str, str] | None = None) -> Any:
    from botocore.exceptions import ClientError

    metadata = {"HTTPStatusCode": status, "HTTPHeaders": headers or {}}
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": metadata}, "GetObject")  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("SlowDown", 503, "rate_limited"),
        ("ThrottlingException", 400, "rate_limited"),
        ("", 429, "rate_limited"),
        ("ServiceUnavailable", 503, "unavailable"),
        ("InternalError", 500, "unavailable"),
        ("RequestTimeout", 400, "unavailable"),
        ("Whatever", 502, "unavailable"),
        ("NoSuchKey", 404, "not_found"),
        ("NoSuchBucket", 404, "not_found"),
        ("404", 404, "not_found"),
        ("AccessDenied", 403, "authentication"),
        ("403", 403, "authentication"),
        ("InvalidAccessKeyId", 403, "authentication"),
        ("SignatureDoesNotMatch", 403, "authentication"),
        ("RequestTimeTooSkewed", 403, "authentication"),
        ("ExpiredToken", 400, "authentication"),
        ("InvalidBucketName", 400, "bad_input"),
        ("PermanentRedirect", 301, "bad_input"),
        ("InvalidObjectState", 403, "bad_input"),
        ("NeverHeardOf", 418, "bad_input"),
    ],
)
def test_answers_of_the_store_become_errors_of_ours(code: str, status: int, kind: str) -> None:
    errors = import_room("connectors.s3.errors")
    found: ActionError = errors.translate(answered(code, status), "reading")
    assert found.type == kind


@pytest.mark.parametrize(
    ("given", "seconds"), [("7", 7.0), ("99999999999", 3600.0), ("-1", None), ("soon", None), ("", None)]
)
def test_the_store_says_when_to_come_back(given: str, seconds: float | None) -> None:
    errors = import_room("connectors.s3.errors")
    assert errors.translate(answered("SlowDown", 503, {"retry-after": given}), "x").retry_after == seconds


@pytest.mark.parametrize(("configured", "tries"), [(False, 2), (True, 1)])
def test_expired_credentials_are_fetched_again_once(configured: bool, tries: int) -> None:
    session = import_room("connectors.s3.session")
    keys = {"access_key_id": "AKID", "secret_access_key": "secret"} if configured else {}
    made = session.Session(session.Settings("http://127.0.0.1:1", "us-east-1", **keys))
    used: list[object] = []

    def work(client: object) -> None:
        used.append(client)
        raise answered("ExpiredToken", 400)

    with pytest.raises(AuthenticationFailed):
        asyncio.run(made.call("trying", work))
    assert len(used) == len(set(map(id, used))) == tries
    made.close()


def test_the_actions(store: Any, bucket: str) -> None:
    ctx = FakeContext(connection=store)

    async def go() -> None:
        for number in range(3):
            await store.write(f"s3://{bucket}/raw/{number}.png", b"x" * number)
        listed = await run_action(
            ROOM.list_objects, {"bucket": bucket, "prefix": "raw/", "max_objects": 2}, ctx
        )
        assert [each["key"] for each in listed["objects"]] == ["raw/0.png", "raw/1.png"]
        assert listed["more"] is True
        rest = await run_action(ROOM.list_objects, {"bucket": bucket, "start_after": "raw/1.png"}, ctx)
        assert [each["bytes"] for each in rest["objects"]] == [2]
        assert rest["more"] is False
        file = rest["objects"][0]["file"]
        assert (file["$file"], file["connection"]) == (f"s3://{bucket}/raw/2.png", "uploads")
        for named in (file, file["$file"]):
            answer = await run_action(ROOM.presign, {"file": named, "expires_in": 60}, ctx)
            async with httpx.AsyncClient(trust_env=False) as client:
                assert (await client.get(answer["url"])).content == b"xx"

    asyncio.run(go())
