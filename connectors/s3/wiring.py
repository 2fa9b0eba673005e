"""What a bucket needs to tell a queue of its uploads: found out, written down, and made.

A bucket has one notification configuration, and a queue one policy; putting one replaces it. So what
is there is read first, and ours is added to it.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hookline.sdk import ActionError, BadInput, SetupStep

from .errors import code_of, translate
from .queue import in_thread
from .services import Services

__all__ = ["Plan", "Wiring", "bucket_policy", "merge_notification", "merge_policy", "needed_permissions"]

Json = Any

EVENTS = "s3:ObjectCreated:*"
"""Only with the star: a large upload ends as CompleteMultipartUpload and not as Put."""
UNKNOWN_ACCOUNT, UNKNOWN_REGION = "ACCOUNT", "REGION"
_DESTINATIONS = (
    ("QueueConfigurations", "QueueArn"),
    ("TopicConfigurations", "TopicArn"),
    ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
)
_DEAD = {"MessageRetentionPeriod": "1209600"}
"""Fourteen days, longer than the queue itself: the time counts from the first sending."""
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_TRIES = 5
_PAUSE = 3.0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is wanted.

    Attributes:
        id: Name of our part of the bucket's configuration, so that it is found again.
        queue: Name of the queue.
        account, region: ``""`` while nobody has been asked.
    """

    id: str
    bucket: str
    prefix: str
    queue: str
    account: str = ""
    region: str = ""

    @property
    def partition(self) -> str:
        """AWS's name for the part of it that a region belongs to."""
        if self.region.startswith("cn-"):
            return "aws-cn"
        return "aws-us-gov" if self.region.startswith("us-gov-") else "aws"

    @property
    def queue_arn(self) -> str:
        """The queue's ARN."""
        return self._arn(self.queue)

    @property
    def dead_arn(self) -> str:
        """The ARN of its dead-letter queue."""
        return self._arn(self.dead)

    @property
    def dead(self) -> str:
        """Name of its dead-letter queue."""
        return f"{self.queue}-dead"

    @property
    def url(self) -> str:
        """The queue's address at AWS."""
        suffix = "amazonaws.com.cn" if self.partition == "aws-cn" else "amazonaws.com"
        region, account = self.region or UNKNOWN_REGION, self.account or UNKNOWN_ACCOUNT
        return f"https://sqs.{region}.{suffix}/{account}/{self.queue}"

    @property
    def attributes(self) -> dict[str, str]:
        """The queue's attributes."""
        return {
            "VisibilityTimeout": "60",
            "ReceiveMessageWaitTimeSeconds": "20",
            "MessageRetentionPeriod": "345600",
            "RedrivePolicy": json.dumps({"deadLetterTargetArn": self.dead_arn, "maxReceiveCount": 5}),
        }

    @property
    def notification(self) -> dict[str, Json]:
        """Our part of the bucket's configuration.

        Suffixes are left to the trigger: S3 knows one, and minds capital letters.
        """
        entry: dict[str, Json] = {"Id": self.id, "QueueArn": self.queue_arn, "Events": [EVENTS]}
        if self.prefix:
            rules = [{"Name": "prefix", "Value": self.prefix}]
            entry["Filter"] = {"Key": {"FilterRules": rules}}
        return entry

    def _arn(self, name: str) -> str:
        region, account = self.region or UNKNOWN_REGION, self.account or UNKNOWN_ACCOUNT
        return f"arn:{self.partition}:sqs:{region}:{account}:{name}"


def bucket_policy(plan: Plan) -> dict[str, Json]:
    """The statement that lets this bucket, and no other, send to the queue."""
    return {
        "Sid": "".join(char for char in f"Hookline{plan.bucket.title()}" if char.isalnum()),
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": plan.queue_arn,
        "Condition": {
            "ArnEquals": {"aws:SourceArn": f"arn:{plan.partition}:s3:::{plan.bucket}"},
            "StringEquals": {"aws:SourceAccount": plan.account or UNKNOWN_ACCOUNT},
        },
    }


def needed_permissions(plan: Plan) -> dict[str, Json]:
    """What the key of the connection must be allowed to do while workflows run."""
    objects = f"arn:{plan.partition}:s3:::{plan.bucket}/{plan.prefix}*"
    listing: dict[str, Json] = {
        "Effect": "Allow",
        "Action": "s3:ListBucket",
        "Resource": f"arn:{plan.partition}:s3:::{plan.bucket}",
    }
    if plan.prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": f"{plan.prefix}*"}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueUrl"],
                "Resource": plan.queue_arn,
            },
            {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": objects},
            listing,
        ],
    }


def merge_policy(present: str, statement: Mapping[str, Json]) -> dict[str, Json] | None:
    """A queue's policy with our statement in it, None when it is in it already.

    Raises:
        BadInput: What is there cannot be read.
    """
    try:
        policy = json.loads(present) if present else {}
        found = policy.get("Statement", [])
    except (ValueError, AttributeError) as error:
        raise BadInput("the queue's policy cannot be read", hint="correct it in AWS") from error
    statements = found if isinstance(found, list) else [found]
    if dict(statement) in statements:
        return None
    others = [each for each in statements if each.get("Sid") != statement["Sid"]]
    return {"Version": "2012-10-17", **policy, "Statement": [*others, dict(statement)]}


def merge_notification(present: Mapping[str, Json], entry: Mapping[str, Json]) -> dict[str, Json] | None:
    """A bucket's whole configuration with our part in it, None when it is told already.

    Raises:
        BadInput: Another destination is told of some of the same objects; S3 allows only one.
    """
    prefix = _rule(entry, "prefix")
    merged = {name: value for name, value in present.items() if name != "ResponseMetadata"}
    queues: list[Json] = list(merged.get("QueueConfigurations", ()))
    for each in queues:
        is_ours = each["QueueArn"] == entry["QueueArn"] and not _rule(each, "suffix")
        if is_ours and EVENTS in each["Events"] and prefix.startswith(_rule(each, "prefix")):
            return None
    merged["QueueConfigurations"] = [*(each for each in queues if each.get("Id") != entry["Id"]), dict(entry)]
    for kind, arn in _DESTINATIONS:
        for each in merged.get(kind, ()):
            theirs = _rule(each, "prefix")
            overlaps = theirs.startswith(prefix) or prefix.startswith(theirs)
            if each.get("Id") != entry["Id"] and overlaps and _creates(each["Events"]):
                raise BadInput(
                    f"the bucket tells {each[arn]} of the same uploads ({each.get('Id', 'without a name')}), "
                    "and S3 tells one only",
                    hint="let that one pass them on, or use EventBridge or an SNS topic for both",
                )
    return merged


def _rule(entry: Mapping[str, Json], name: str) -> str:
    rules = entry.get("Filter", {}).get("Key", {}).get("FilterRules", ())
    return next((str(rule["Value"]) for rule in rules if str(rule["Name"]).lower() == name), "")


def _creates(events: Sequence[str]) -> bool:
    return any(event.startswith("s3:ObjectCreated:") for event in events)


class Wiring:
    """Finds out what is there and makes what is missing, with the connection's own credentials.

    Args:
        s3: Calls of the S3 client: ``await s3(what, work)``.
    """

    def __init__(self, s3: Any, services: Services) -> None:
        self._s3 = s3
        self._services = services

    async def steps(self, plan: Plan, *, look: bool) -> list[SetupStep]:
        """Everything that is needed, in the order in which it is made.

        Args:
            look: Whether to ask what is there.

        Raises:
            ActionError: It cannot be found out.
            BadInput: Something that is there stands in the way.
        """
        if look:
            plan = await self._located(plan)
        dead = await self._queue_step(plan, plan.dead, _DEAD, "dead-letter queue", look)
        queue = await self._queue_step(plan, plan.queue, plan.attributes, "queue", look)
        policy = await self._policy_step(plan, look)
        told = await self._notification_step(plan, look)
        return [
            dead,
            queue,
            policy,
            told,
            SetupStep("permissions of the connection's key, given in IAM", needed_permissions(plan)),
            SetupStep("in the workflow, in `with` of the trigger", {"queue": plan.url}),
        ]

    async def _located(self, plan: Plan) -> Plan:
        location = await self._s3(
            f"looking where s3://{plan.bucket} is",
            lambda client: client.get_bucket_location(Bucket=plan.bucket).get("LocationConstraint"),
        )
        # The two regions that are older than their names.
        region = {None: "us-east-1", "": "us-east-1", "EU": "eu-west-1"}.get(location, location)
        account = plan.account or await self._call(
            "asking whose key this is", "sts", region, lambda sts: sts.get_caller_identity()["Account"]
        )
        return Plan(plan.id, plan.bucket, plan.prefix, plan.queue, str(account), str(region))

    async def _queue_step(
        self, plan: Plan, name: str, attributes: Mapping[str, str], kind: str, look: bool
    ) -> SetupStep:
        async def make() -> str:
            await self._call(
                f"making the queue {name}",
                "sqs",
                plan.region,
                lambda sqs: sqs.create_queue(QueueName=name, Attributes=dict(attributes)),
            )
            return f"made the {kind} {name}"

        document = {"QueueName": name, "Attributes": dict(attributes)}
        state: Literal["missing", "present", "unknown"] = "unknown"
        if look:
            state = "present" if await self._url(plan, name) is not None else "missing"
        return SetupStep(f"{kind} {name}", document, state, make)

    async def _policy_step(self, plan: Plan, look: bool) -> SetupStep:
        statement = bucket_policy(plan)

        async def merged() -> tuple[str | None, dict[str, Json] | None]:
            url = await self._url(plan, plan.queue)
            present = "" if url is None else await self._policy(plan, url)
            return url, merge_policy(present, statement)

        async def allow() -> str:
            url, policy = await merged()
            await self._call(
                f"putting the policy of {plan.queue}",
                "sqs",
                plan.region,
                lambda sqs: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)}),
            )
            return f"s3://{plan.bucket} may send to {plan.queue}"

        title = f"statement in the policy of {plan.queue}"
        if not look:
            return SetupStep(title, statement, "unknown", allow)
        _, policy = await merged()
        return SetupStep(title, statement, "present" if policy is None else "missing", allow)

    async def _notification_step(self, plan: Plan, look: bool) -> SetupStep:
        async def present() -> dict[str, Json]:
            found: dict[str, Json] = await self._s3(
                f"reading what s3://{plan.bucket} tells",
                lambda client: client.get_bucket_notification_configuration(Bucket=plan.bucket),
            )
            return found

        async def tell() -> str:
            # Read again: the less time between reading and putting, the less is lost of what others do.
            merged = merge_notification(await present(), plan.notification)
            if merged is not None:
                await self._put(plan, merged)
            return f"s3://{plan.bucket}/{plan.prefix} tells {plan.queue}"

        title = f"notification of s3://{plan.bucket}, beside what it tells already"
        if not look:
            return SetupStep(title, plan.notification, "unknown", tell)
        is_there = merge_notification(await present(), plan.notification) is None
        return SetupStep(title, plan.notification, "present" if is_there else "missing", tell)

    async def _put(self, plan: Plan, merged: dict[str, Json]) -> None:
        for left in reversed(range(_TRIES)):
            try:
                await self._s3(
                    f"putting what s3://{plan.bucket} tells",
                    lambda client: client.put_bucket_notification_configuration(
                        Bucket=plan.bucket, NotificationConfiguration=merged
                    ),
                )
                return
            except BadInput as error:
                # S3 tries the queue out, and a policy that was just put takes some seconds to hold.
                if code_of(error.__cause__) != "InvalidArgument" or not left:
                    raise
                await asyncio.sleep(_PAUSE)

    async def _url(self, plan: Plan, name: str) -> str | None:
        def ask(sqs: Any) -> str | None:
            try:
                return str(sqs.get_queue_url(QueueName=name)["QueueUrl"])
            except Exception as error:
                if code_of(error) in _MISSING:
                    return None
                raise

        url: str | None = await self._call(f"looking for the queue {name}", "sqs", plan.region, ask)
        return url

    async def _policy(self, plan: Plan, url: str) -> str:
        found = await self._call(
            f"reading the policy of {plan.queue}",
            "sqs",
            plan.region,
            lambda sqs: sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]),
        )
        return str(found.get("Attributes", {}).get("Policy", ""))

    async def _call(self, what: str, service: str, region: str, work: Any) -> Any:
        try:
            return await in_thread(lambda: work(self._services.client(service, region)))
        except ActionError:
            raise
        except Exception as error:
            raise translate(error, what) from error
