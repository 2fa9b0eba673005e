"""Notifications as the services send them."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote_plus

Json = Any
TOPIC = "arn:aws:sns:eu-west-1:123456789012:uploads"

TEST_EVENT = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2026-03-02T08:00:00.000Z",
    "Bucket": "uploads",
    "RequestId": "C3D13FE58DE4C810",
    "HostId": "xMIrB3KPk3wTqQ5nMqMI1q4nXBEyBiuhpAdWkEdYT9JLi4VTdZY2Pgs3Z0hHx7Pe",
}


def record(key: str, /, **given: Json) -> dict[str, Json]:
    """A record of S3, with everything that AWS puts into it; `given` replaces parts of the object's."""
    name = given.pop("name", "ObjectCreated:Put")
    version = given.pop("event_version", "2.6")
    bucket = given.pop("bucket", "uploads")
    written = {
        "key": quote_plus(key, safe="/"),
        "size": 1,
        "eTag": "d41d8cd98f00b204e9800998ecf8427e",
        "sequencer": "0055AED6DCD90281E5",
        **given,
    }
    return {
        "eventVersion": version,
        "eventSource": "aws:s3",
        "awsRegion": "eu-west-1",
        "eventTime": "2026-03-02T08:00:00.000Z",
        "eventName": name,
        "userIdentity": {"principalId": "AWS:AIDAINPONIXQXHT3IKHL2"},
        "requestParameters": {"sourceIPAddress": "205.255.255.255"},
        "responseElements": {
            "x-amz-request-id": "D82B88E5F771F645",
            "x-amz-id-2": "vlR7PnpV2Ce81l0PRw6jlUpck",
        },
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "hookline-new-picture",
            "bucket": {
                "name": bucket,
                "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                "arn": f"arn:aws:s3:::{bucket}",
            },
            "object": {name: value for name, value in written.items() if value is not None},
        },
    }


def s3(*records: Json) -> str:
    return json.dumps({"Records": list(records)})


def minio(key: str, bucket: str = "uploads") -> str:
    own = record(key, bucket=bucket, name="s3:ObjectCreated:Put", event_version="2.0")
    own |= {
        "eventSource": "minio:s3",
        "source": {"host": "10.0.0.2", "port": "", "userAgent": "MinIO (linux)"},
    }
    own["s3"]["object"] |= {"contentType": "image/png", "userMetadata": {"content-type": "image/png"}}
    return json.dumps({"EventName": "s3:ObjectCreated:Put", "Key": f"{bucket}/{key}", "Records": [own]})


def event_bridge(key: str, kind: str = "Object Created", bucket: str = "uploads", **given: Json) -> str:
    return json.dumps(
        {
            "version": "0",
            "id": "17793124-05d4-b198-2fde-7ededc63b103",
            "detail-type": kind,
            "source": "aws.s3",
            "account": "123456789012",
            "time": "2026-03-02T08:00:00Z",
            "region": "eu-west-1",
            "resources": [f"arn:aws:s3:::{bucket}"],
            "detail": {
                "version": "0",
                "bucket": {"name": bucket},
                "object": {
                    "key": key,
                    "size": 1,
                    "etag": "d41d8cd98f00b204e9800998ecf8427e",
                    "sequencer": "0055AED6DCD90281E5",
                    **given,
                },
                "request-id": "N4N7GDK58NMKJ12R",
                "requester": "123456789012",
                "source-ip-address": "1.2.3.4",
                "reason": "PutObject",
            },
        }
    )


def sns(message: str, **given: Json) -> dict[str, Json]:
    """The envelope, not signed."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon S3 Notification",
        "Message": message,
        "Timestamp": "2026-03-02T08:00:00.000Z",
        "SignatureVersion": "2",
        "Signature": "EXAMPLE",
        "SigningCertURL": "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-9c6465fa.pem",
        "UnsubscribeURL": f"https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn={TOPIC}:1",
        **given,
    }


def r2(key: str, action: str = "PutObject", bucket: str = "uploads") -> str:
    written = {"key": key, "size": 1, "eTag": "d41d8cd98f00b204e9800998ecf8427e"}
    return json.dumps(
        {
            "account": "3f4b7e3dcab231cbfdaa90a6a28bd548",
            "action": action,
            "bucket": bucket,
            "object": written if "Delet" not in action else {"key": key},
            "eventTime": "2026-03-02T08:00:00.000Z",
        }
    )


def b2(*keys: str, kind: str = "b2:ObjectCreated:Upload", bucket: str = "uploads") -> str:
    return json.dumps(
        {
            "events": [
                {
                    "accountId": "e85c6a500333",
                    "bucketId": "aea8c5bc362ae55070130333",
                    "bucketName": bucket,
                    "eventId": f"3f4b7e3dcab231cb-{number}",
                    "eventTimestamp": 1772438400000 + number,
                    "eventType": kind,
                    "eventVersion": 1,
                    "matchedRuleName": "hookline",
                    "objectName": key,
                    "objectSize": 1,
                    "objectVersionId": "4_zaea8c5bc362ae55070130333_f117c7bd5d6c6597c",
                }
                for number, key in enumerate(keys)
            ]
        }
    )
