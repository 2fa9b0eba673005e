"""Queues as SQS keeps them, and notifications on their way through S3, SNS and EventBridge."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, NotFound, Poll, Unavailable
from hookline.testing import FakeTriggerContext, run_trigger
from hookline.testing.s3 import S3Server

from . import shapes
from .aws import Aws

TRIGGER = import_room("triggers.s3_upload")
QUEUE = import_room("connectors.s3.queue")
NAME = QUEUE.QueueName


@pytest.fixture(scope="module")
def store(aws: Aws) -> Iterator[Any]:
    client = aws.connect()
    yield client
    client.close()


@pytest.fixture(autouse=True)
def _do_not_hold_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_room("triggers._s3.queue"), "WAIT", 0)


async def receive(queue: Any, **given: Any) -> list[Any]:
    return list(await queue.receive(**{"limit": 10, "wait": 0, "visibility": 60, **given}))


# The queue.


def test_messages_are_taken_hidden_and_deleted(aws: Aws, store: Any) -> None:
    url = aws.queue()
    for number in range(13):
        aws.client("sqs").send_message(QueueUrl=url, MessageBody=f"number {number}")

    async def go() -> None:
        queue = store.queue(aws.arn(url))
        first = await receive(queue)
        second = await receive(queue)
        assert sorted(each.body for each in [*first, *second]) == sorted(f"number {n}" for n in range(13))
        assert {each.received for each in first} == {1}
        assert await receive(queue) == []
        await queue.delete([*first, *second])

    asyncio.run(go())
    assert aws.left(url) == 0


def test_what_is_not_deleted_comes_again(aws: Aws, store: Any) -> None:
    url = aws.queue()
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="again")

    async def go() -> None:
        queue = store.queue(url)
        await receive(queue, visibility=0)
        (message,) = await receive(queue, wait=5)
        assert (message.body, message.received) == ("again", 2)

    asyncio.run(go())


def test_a_receipt_that_is_refused_is_said(aws: Aws, store: Any) -> None:
    url = aws.queue()
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="one")

    async def go() -> None:
        queue = store.queue(url)
        (message,) = await receive(queue)
        stale = QUEUE.Message("x", "x", "no such receipt", 1)
        with pytest.raises(Unavailable, match="1 of 2"):
            await queue.delete([stale, message])

    asyncio.run(go())
    assert aws.left(url) == 0


def test_a_queue_that_does_not_exist_is_said(store: Any) -> None:
    queue = store.queue("arn:aws:sqs:eu-west-1:123456789012:nothing")
    with pytest.raises(NotFound, match="the queue nothing"):
        asyncio.run(receive(queue))


def test_sqs_that_is_not_there_is_unavailable(aws: Aws) -> None:
    store = aws.connect(sqs_endpoint_url="http://127.0.0.1:9")
    with pytest.raises(Unavailable):
        asyncio.run(receive(store.queue("arn:aws:sqs:eu-west-1:123456789012:nothing")))
    store.close()


def test_a_store_without_sqs_says_so(aws: Aws) -> None:
    store = aws.connect(sqs_endpoint_url="")
    with pytest.raises(BadInput) as error:
        store.queue("arn:aws:sqs:eu-west-1:123456789012:nothing")
    assert "sqs_endpoint_url" in error.value.hint
    store.close()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://sqs.eu-west-1.amazonaws.com/123456789012/up", ("eu-west-1", "123456789012", "up")),
        ("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/up", ("cn-north-1", "123456789012", "up")),
        ("arn:aws:sqs:us-east-2:123456789012:up_1.fifo", ("us-east-2", "123456789012", "up_1.fifo")),
        ("arn:aws-us-gov:sqs:us-gov-west-1:123456789012:up", ("us-gov-west-1", "123456789012", "up")),
        ("http://localhost:9324/000000000000/up", ("", "000000000000", "up")),
    ],
)
def test_names_of_queues(text: str, expected: tuple[str, ...]) -> None:
    found = NAME.parse(text, "http://localhost:9324")
    assert (found.region, found.account, found.name) == expected


@pytest.mark.parametrize(
    "text",
    [
        *(
            "up",
            "",
            "https://example.com/123456789012/up",
            "http://sqs.eu-west-1.amazonaws.com/123456789012/up",
        ),
        *("https://sqs.eu-west-1.amazonaws.com.example.com/123456789012/up", "arn:aws:s3:::uploads"),
        *(
            "https://user@sqs.eu-west-1.amazonaws.com/123456789012/up",
            "http://localhost:9325/000000000000/up",
        ),
        *(
            "https://sqs.eu-west-1.amazonaws.com/123456789012/../up",
            "https://sqs.eu-west-1.amazonaws.com/1/up",
        ),
        "https://sqs.eu-west-1.amazonaws.com:444/123456789012/up",
    ],
)
def test_a_request_is_signed_for_no_other_host(text: str) -> None:
    with pytest.raises(BadInput):
        NAME.parse(text, "http://localhost:9324")


# All the way.


async def turn(ctx: FakeTriggerContext, bucket: str, url: str, **given: Any) -> Poll:
    found = await run_trigger(TRIGGER.s3_upload, {"bucket": bucket, "queue": url, **given}, ctx)
    assert isinstance(found, Poll)
    return found


async def whole(ctx: FakeTriggerContext, bucket: str, url: str, **given: Any) -> list[str]:
    """One look with its commit and its acknowledgement; the keys that start a run."""
    poll = await turn(ctx, bucket, url, **given)
    assert poll.unreadable == []
    data = {event.key: str(event.data["key"]) for event in poll.events}
    fresh = ctx.commit(poll)
    if poll.acknowledge is not None:
        await poll.acknowledge()
    return [data[key] for key in fresh]


async def until_empty(ctx: FakeTriggerContext, aws: Aws, bucket: str, url: str, **given: Any) -> list[str]:
    started = []
    while aws.left(url):
        started += await whole(ctx, bucket, url, **given)
    return started


@pytest.mark.parametrize("way", ["plain", "sns", "raw sns", "event bridge"])
def test_an_upload_comes_through(aws: Aws, store: Any, way: str) -> None:
    bucket, url = aws.bucket(), aws.queue()
    ctx = FakeTriggerContext(connection=store)

    async def go() -> None:
        aws.notify(bucket, way, url)
        await whole(ctx, bucket, url, prefix="raw/")
        for key in ("raw/a b+ä%.png", "raw/two.txt", "else/c.png"):
            await store.write(f"s3://{bucket}/{key}", key.encode())
        assert sorted(await until_empty(ctx, aws, bucket, url, prefix="raw/")) == [
            "raw/a b+ä%.png",
            "raw/two.txt",
        ]
        # What was told is known to the listing.
        ctx.clock.advance(16 * 60)
        assert (await turn(ctx, bucket, url, prefix="raw/")).events == []

    asyncio.run(go())


def test_versions_of_a_bucket_that_keeps_them(aws: Aws, store: Any) -> None:
    bucket, url = aws.bucket(), aws.queue()
    boto = aws.client("s3")
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ctx = FakeTriggerContext(connection=store)

    async def go() -> list[Any]:
        ctx.commit(await turn(ctx, bucket, url))
        versions = [boto.put_object(Bucket=bucket, Key="a", Body=body)["VersionId"] for body in (b"1", b"22")]
        for number, version in enumerate(versions):
            told = shapes.record("a", bucket=bucket, versionId=version, sequencer=f"0{number}")
            aws.client("sqs").send_message(QueueUrl=url, MessageBody=shapes.s3(told))
        poll = await turn(ctx, bucket, url)
        assert [event.data["version_id"] for event in poll.events] == versions
        files = [event.data["file"] for event in poll.events]
        read = []
        for file in files:
            async with store.stream(file["$file"], version_id=file["version"]) as pieces:
                read.append(b"".join([piece async for piece in pieces]))
        ctx.commit(poll)
        ctx.clock.advance(16 * 60)
        assert (await turn(ctx, bucket, url)).events == []
        return read

    assert asyncio.run(go()) == [b"1", b"22"]


def test_a_version_that_was_deleted_is_gone(aws: Aws, store: Any) -> None:
    bucket, url = aws.bucket(), aws.queue()
    boto = aws.client("s3")
    boto.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    ctx = FakeTriggerContext(connection=store)
    version = boto.put_object(Bucket=bucket, Key="a", Body=b"1")["VersionId"]
    boto.delete_object(Bucket=bucket, Key="a", VersionId=version)
    told = shapes.s3(shapes.record("a", bucket=bucket, versionId=version))
    aws.client("sqs").send_message(QueueUrl=url, MessageBody=told)
    poll = asyncio.run(turn(ctx, bucket, url, reconcile=False))
    assert [reason[:11] for _, reason in poll.skipped] == ["source gone"]


def test_what_nobody_can_read_leaves_the_queue_before_its_redrive_policy_acts(aws: Aws, store: Any) -> None:
    dead = aws.queue()
    policy = json.dumps({"deadLetterTargetArn": aws.arn(dead), "maxReceiveCount": 2})
    bucket, url = aws.bucket(), aws.queue(RedrivePolicy=policy)
    aws.client("sqs").send_message(QueueUrl=url, MessageBody="poison")
    ctx = FakeTriggerContext(connection=store)

    async def go() -> None:
        poll = await turn(ctx, bucket, url, reconcile=False)
        assert [each.body for each in poll.unreadable] == [b"poison"]
        assert poll.acknowledge is not None
        await poll.acknowledge()

    asyncio.run(go())
    assert (aws.left(url), aws.left(dead)) == (0, 0)


def test_sqs_beside_another_store(aws: Aws, server: S3Server, bucket: str) -> None:
    """Objects in a real S3 server, notifications in a queue elsewhere."""
    store = aws.connect(
        endpoint_url=server.endpoint_url,
        access_key_id=server.access_key,
        secret_access_key=server.secret_key,
    )
    url = aws.queue()
    ctx = FakeTriggerContext(connection=store)

    async def go() -> None:
        ctx.commit(await turn(ctx, bucket, url))
        names = [f"in/{number}.png" for number in range(40)]
        await asyncio.gather(*(store.write(f"s3://{bucket}/{key}", key.encode()) for key in names))
        for number, key in enumerate(names):
            # A fifth is lost, another fifth comes twice.
            for _ in range({0: 0, 1: 2}.get(number % 5, 1)):
                body = shapes.s3(shapes.record(key, bucket=bucket))
                aws.client("sqs").send_message(QueueUrl=url, MessageBody=body)
        started = await until_empty(ctx, aws, bucket, url)
        assert len(started) == len(set(started)) == 32
        ctx.clock.advance(16 * 60)
        started += await whole(ctx, bucket, url)
        assert sorted(started) == sorted(names)

    asyncio.run(go())
    store.close()
