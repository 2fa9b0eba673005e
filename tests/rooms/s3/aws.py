"""AWS on this machine: moto, for what the S3 server of the tests does not have."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hookline.engine.loader import import_room
from hookline.testing import FakeConnectionContext

REGION = "eu-west-1"
ACCOUNT = "123456789012"
_NUMBERS = itertools.count(1)


class Aws:
    """A running moto.

    Attributes:
        url: The one address of all its services.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """A boto3 client of a service."""
        import boto3

        if service not in self._clients:
            self._clients[service] = boto3.client(
                service,
                region_name=REGION,
                endpoint_url=self.url,
                aws_access_key_id="key",
                aws_secret_access_key="secret",
            )
        return self._clients[service]

    @property
    def fields(self) -> dict[str, str]:
        """Of an `s3` connection."""
        return {
            "endpoint_url": self.url,
            "sqs_endpoint_url": self.url,
            "region": REGION,
            "access_key_id": "key",
            "secret_access_key": "secret",
        }

    def connect(self, **fields: str) -> Any:
        """An opened `s3` connection."""
        kind = import_room("connectors.s3.connector").s3.connection_type
        return kind.open(FakeConnectionContext("s3"), **{**self.fields, **fields})

    def bucket(self) -> str:
        """A new bucket."""
        name = f"uploads-{next(_NUMBERS)}"
        self.client("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return name

    def queue(self, **attributes: str) -> str:
        """The address of a new queue."""
        made = self.client("sqs").create_queue(QueueName=f"queue-{next(_NUMBERS)}", Attributes=attributes)
        return str(made["QueueUrl"])

    def arn(self, url: str) -> str:
        """The ARN of a queue."""
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{url.rpartition('/')[2]}"

    def left(self, url: str) -> int:
        """Messages in a queue, hidden ones too."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)

    def notify(self, bucket: str, way: str, queue: str) -> None:
        """Let a bucket tell a queue: ``plain``, ``sns``, ``raw sns`` or ``event bridge``."""
        told: dict[str, Any]
        arn = self.arn(queue)
        if way == "plain":
            told = {"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]}
        elif way == "event bridge":
            events = self.client("events")
            pattern = {"source": ["aws.s3"], "detail": {"bucket": {"name": [bucket]}}}
            events.put_rule(Name=bucket, EventPattern=json.dumps(pattern))
            events.put_targets(Rule=bucket, Targets=[{"Id": "1", "Arn": arn}])
            told = {"EventBridgeConfiguration": {}}
        else:
            topic = self.client("sns").create_topic(Name=bucket)["TopicArn"]
            raw = {"RawMessageDelivery": "true" if way == "raw sns" else "false"}
            self.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn, Attributes=raw)
            told = {"TopicConfigurations": [{"TopicArn": topic, "Events": ["s3:ObjectCreated:*"]}]}
        self.client("s3").put_bucket_notification_configuration(Bucket=bucket, NotificationConfiguration=told)


@contextmanager
def running() -> Iterator[Aws]:
    """moto in a thread of this process."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    aws = Aws(f"http://{host}:{port}")
    try:
        yield aws
    finally:
        for client in aws._clients.values():
            client.close()
        server.stop()
