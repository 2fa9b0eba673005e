"""What a bucket needs to tell a queue of its uploads: written down, and put beside what is there.

A bucket has one notification configuration, and a queue one policy; putting one replaces it. So ours is
merged into what is there.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/grant-destinations-permissions-to-s3.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-how-to-filtering.html
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hookline.sdk import BadInput

__all__ = ["Plan", "bucket_policy", "merge_notification", "merge_policy", "needed_permissions"]

Json = Any

EVENTS = "s3:ObjectCreated:*"
"""Only with the star: a large upload ends as CompleteMultipartUpload and not as Put."""
UNKNOWN_ACCOUNT, UNKNOWN_REGION = "ACCOUNT", "REGION"
_DESTINATIONS = (
    ("QueueConfigurations", "QueueArn"),
    ("TopicConfigurations", "TopicArn"),
    ("LambdaFunctionConfigurations", "LambdaFunctionArn"),
)


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
