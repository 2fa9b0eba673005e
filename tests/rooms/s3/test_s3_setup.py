"""What is needed for a bucket to tell a queue: beside what is there, once, and never in its place."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, NotFound, SetupStep

from .aws import ACCOUNT, REGION, Aws

TRIGGER = import_room("triggers.s3_upload").s3_upload
WANTED = import_room("connectors.s3.wanted")
PLAN = WANTED.Plan("hookline-w", "uploads", "raw/", "hookline-w", ACCOUNT, REGION)


@dataclass
class Context:
    connection: Any
    look: bool = True
    workflow: str = "w"
    options: Mapping[str, str] = field(default_factory=dict)


@pytest.fixture(scope="module")
def store(aws: Aws) -> Iterator[Any]:
    client = aws.connect()
    yield client
    client.close()


async def steps(ctx: Context, **parameters: Any) -> Sequence[SetupStep]:
    assert TRIGGER.setup is not None
    found: Sequence[SetupStep] = await TRIGGER.setup(ctx, **parameters)
    return found


async def apply(ctx: Context, **parameters: Any) -> None:
    for step in await steps(ctx, **parameters):
        if step.apply is not None and step.state == "missing":
            await step.apply()


def states(found: Sequence[SetupStep]) -> list[str]:
    return [step.state for step in found if step.apply is not None]


def test_it_is_made_once_and_an_upload_arrives(aws: Aws, store: Any) -> None:
    bucket = aws.bucket()
    ctx = Context(store, options={"queue": f"of-{bucket}"})

    async def go() -> None:
        assert states(await steps(ctx, bucket=bucket, prefix="raw/")) == ["missing"] * 4
        await apply(ctx, bucket=bucket, prefix="raw/")
        before = configuration(aws, bucket)
        assert states(await steps(ctx, bucket=bucket, prefix="raw/")) == ["present"] * 4
        await apply(ctx, bucket=bucket, prefix="raw/")
        assert configuration(aws, bucket) == before

    asyncio.run(go())
    sqs = aws.client("sqs")
    url = sqs.get_queue_url(QueueName=f"of-{bucket}")["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    aws.client("s3").put_object(Bucket=bucket, Key="raw/a.png", Body=b"x")
    aws.client("s3").put_object(Bucket=bucket, Key="else/a.png", Body=b"x")
    assert aws.left(url) == 1
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert json.loads(attributes["RedrivePolicy"])["maxReceiveCount"] == 5
    (statement,) = json.loads(attributes["Policy"])["Statement"]
    assert statement["Condition"]["StringEquals"] == {"aws:SourceAccount": ACCOUNT}


def configuration(aws: Aws, bucket: str) -> dict[str, Any]:
    found = aws.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return {name: value for name, value in found.items() if name != "ResponseMetadata"}


def test_what_others_have_set_up_stays(aws: Aws, store: Any) -> None:
    bucket, other = aws.bucket(), aws.queue(Policy=json.dumps({"Statement": []}))
    theirs = {
        "Id": "theirs",
        "QueueArn": aws.arn(other),
        "Events": ["s3:ObjectCreated:*"],
        "Filter": {"Key": {"FilterRules": [{"Name": "prefix", "Value": "else/"}]}},
    }
    removed = {"Id": "removed", "QueueArn": aws.arn(other), "Events": ["s3:ObjectRemoved:*"]}
    aws.client("s3").put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"QueueConfigurations": [theirs, removed]}
    )
    name = f"kept-{bucket}"
    sqs = aws.client("sqs")
    url = sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": "77"})["QueueUrl"]
    own = {
        "Sid": "mine",
        "Effect": "Allow",
        "Principal": "*",
        "Action": "sqs:SendMessage",
        "Resource": aws.arn(url),
    }
    sqs.set_queue_attributes(
        QueueUrl=url, Attributes={"Policy": json.dumps({"Version": "2012-10-17", "Statement": own})}
    )
    asyncio.run(apply(Context(store, options={"queue": name}), bucket=bucket, prefix="raw/"))
    ids = [each["Id"] for each in configuration(aws, bucket)["QueueConfigurations"]]
    assert sorted(ids) == ["hookline-w", "removed", "theirs"]
    attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert attributes["VisibilityTimeout"] == "77"
    assert next(each["Sid"] for each in json.loads(attributes["Policy"])["Statement"]) == "mine"
    assert len(json.loads(attributes["Policy"])["Statement"]) == 2


def test_nobody_is_asked_when_it_is_only_printed(aws: Aws) -> None:
    store = aws.connect(endpoint_url="http://127.0.0.1:9", sqs_endpoint_url="http://127.0.0.1:9")
    found = asyncio.run(steps(Context(store, look=False), bucket="uploads"))
    assert {step.state for step in found} == {"unknown"}
    assert "ACCOUNT" in json.dumps([step.document for step in found])
    arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:my-queue"
    for named in (arn, f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/my-queue"):
        found = asyncio.run(steps(Context(store, look=False), bucket="uploads", queue=named))
        assert arn in json.dumps(found[3].document)
    store.close()


def test_a_bucket_that_does_not_exist_is_said(store: Any) -> None:
    with pytest.raises(NotFound):
        asyncio.run(steps(Context(store), bucket="nothing-here"))


def test_a_store_without_queues_says_so(aws: Aws) -> None:
    store = aws.connect(sqs_endpoint_url="")
    with pytest.raises(BadInput):
        asyncio.run(steps(Context(store), bucket="uploads"))
    store.close()


# Merging.


def entry(id: str, arn: str, prefix: str = "", suffix: str = "", event: str = "s3:ObjectCreated:*") -> Any:
    rules = [
        {"Name": name, "Value": value} for name, value in (("Prefix", prefix), ("Suffix", suffix)) if value
    ]
    found: dict[str, Any] = {"Id": id, "QueueArn": arn, "Events": [event]}
    return {**found, "Filter": {"Key": {"FilterRules": rules}}} if rules else found


def test_other_ways_of_the_bucket_are_kept() -> None:
    present = {
        "EventBridgeConfiguration": {},
        "TopicConfigurations": [{"Id": "t", "TopicArn": "arn:t", "Events": ["s3:ObjectRemoved:*"]}],
        "LambdaFunctionConfigurations": [
            {
                "Id": "l",
                "LambdaFunctionArn": "arn:l",
                "Events": ["s3:ObjectCreated:Put"],
                "Filter": {"Key": {"FilterRules": [{"Name": "Prefix", "Value": "else/"}]}},
            }
        ],
        "QueueConfigurations": [entry("q", "arn:q", "else/")],
        "ResponseMetadata": {"HTTPStatusCode": 200},
    }
    merged = WANTED.merge_notification(present, PLAN.notification)
    assert merged is not None
    assert [each["Id"] for each in merged.pop("QueueConfigurations")] == ["q", "hookline-w"]
    del present["QueueConfigurations"], present["ResponseMetadata"]
    assert merged == present


def test_our_own_part_is_replaced_when_the_prefix_has_changed() -> None:
    present = {
        "QueueConfigurations": [entry("hookline-w", PLAN.queue_arn, "old/"), entry("q", "arn:q", "else/")]
    }
    merged = WANTED.merge_notification(present, PLAN.notification)
    assert [each["Id"] for each in merged["QueueConfigurations"]] == ["q", "hookline-w"]
    assert merged["QueueConfigurations"][1]["Filter"]["Key"]["FilterRules"][0]["Value"] == "raw/"


@pytest.mark.parametrize("prefix", ["", "raw/", "ra"])
def test_a_queue_that_is_told_already_is_left_alone(prefix: str) -> None:
    present = {"QueueConfigurations": [entry("by hand", PLAN.queue_arn, prefix)]}
    assert WANTED.merge_notification(present, PLAN.notification) is None


def test_a_part_that_tells_of_some_suffix_only_is_not_enough() -> None:
    present = {"QueueConfigurations": [entry("by hand", PLAN.queue_arn, "raw/", ".png")]}
    with pytest.raises(BadInput):
        WANTED.merge_notification(present, PLAN.notification)


@pytest.mark.parametrize("prefix", ["", "raw/", "raw/deep/", "r"])
@pytest.mark.parametrize(("kind", "arn"), WANTED._DESTINATIONS)
def test_s3_tells_one_destination_of_an_upload_and_theirs_is_not_taken_away(
    prefix: str, kind: str, arn: str
) -> None:
    other = entry("theirs", "arn:other", prefix, event="s3:ObjectCreated:Put")
    other[arn] = other.pop("QueueArn")
    with pytest.raises(BadInput) as error:
        WANTED.merge_notification({kind: [other]}, PLAN.notification)
    assert "theirs" in error.value.message
    assert "EventBridge" in error.value.hint


def test_a_policy_of_one_statement_and_a_broken_one() -> None:
    statement = WANTED.bucket_policy(PLAN)
    single = json.dumps({"Version": "2008-10-17", "Id": "x", "Statement": {"Sid": "mine"}})
    merged = WANTED.merge_policy(single, statement)
    assert (merged["Version"], merged["Id"]) == ("2008-10-17", "x")
    assert merged["Statement"] == [{"Sid": "mine"}, statement]
    assert WANTED.merge_policy(json.dumps(merged), statement) is None
    with pytest.raises(BadInput):
        WANTED.merge_policy("no json", statement)


@given(st.lists(st.sampled_from(["a", "b", "c"]), unique=True), st.booleans())
def test_merging_a_policy_again_changes_nothing(sids: list[str], is_there: bool) -> None:
    statement = WANTED.bucket_policy(PLAN)
    others = [{"Sid": sid} for sid in sids]
    older = [{**statement, "Resource": "arn:old"}] if is_there else []
    merged = WANTED.merge_policy(json.dumps({"Statement": [*others, *older]}), statement)
    assert merged["Statement"] == [*others, statement]
    assert WANTED.merge_policy(json.dumps(merged), statement) is None
