"""The process dies between a message's receipt and its deletion: no upload is lost, none runs twice."""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from fault_rig import Rig, rig_in

from hookline.testing.s3 import S3Server

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

REGION = "eu-west-1"
ACCOUNT = "123456789012"
_NUMBERS = itertools.count(1)


@dataclass
class Cloud:
    """A real S3 server, and a queue beside it."""

    s3: S3Server
    url: str
    bucket: str = ""
    queue: str = ""

    def __post_init__(self) -> None:
        import boto3

        keys = {"aws_access_key_id": self.s3.access_key, "aws_secret_access_key": self.s3.secret_key}
        self.objects = boto3.client("s3", endpoint_url=self.s3.endpoint_url, region_name=REGION, **keys)
        self.sqs = boto3.client("sqs", endpoint_url=self.url, region_name=REGION, **keys)

    def renew(self) -> None:
        """An empty bucket and an empty queue."""
        number = next(_NUMBERS)
        self.bucket = f"uploads-{number}"
        self.s3.create_bucket(self.bucket)
        self.queue = self.sqs.create_queue(QueueName=f"queue-{number}")["QueueUrl"]

    def upload(self, key: str, times: int) -> None:
        """Upload an object, and tell of it so many times."""
        self.objects.put_object(Bucket=self.bucket, Key=key, Body=key.encode())
        self.tell(key, times)

    def tell(self, key: str, times: int = 1) -> None:
        told = {"key": quote_plus(key), "size": len(key), "sequencer": "0055AED6DCD90281E5"}
        record = {
            "eventVersion": "2.6",
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": self.bucket}, "object": told},
        }
        for _ in range(times):
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps({"Records": [record]}))

    @property
    def left(self) -> int:
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.sqs.get_queue_attributes(QueueUrl=self.queue, AttributeNames=names)["Attributes"]
        return sum(int(found[name]) for name in names)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cloud]:
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    moto = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    with S3Server(tmp_path_factory.mktemp("buckets")) as s3:
        found = Cloud(s3, f"http://{host}:{port}")
        yield found
        found.objects.close()
        found.sqs.close()
    moto.stop()


@pytest.fixture
def rig(tmp_path: Path, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    cloud.renew()
    for name, value in {
        **cloud.s3.environment,
        "AWS_ENDPOINT_URL_SQS": cloud.url,
        "AWS_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    with rig_in(tmp_path) as made:
        folder = made.folder / "project/workflows"
        # Nothing else runs, so the crash points are those of this trigger.
        for other in folder.glob("*.json"):
            other.unlink()
        given: dict[str, Any] = {
            "bucket": cloud.bucket,
            "queue": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{cloud.queue.rpartition('/')[2]}",
            "reconcile": False,
            "visibility": "1s",
        }
        (folder / "uploaded.json").write_text(
            json.dumps(
                {
                    "name": "uploaded",
                    "trigger": {"uses": "s3_upload", "with": given},
                    "steps": [
                        {"uses": "ledger.once", "with": {"value": "{{ trigger.key }}"}},
                        {"id": "bytes", "uses": "ledger.check", "with": {"value": "{{ trigger.bytes }}"}},
                    ],
                    "output": "{{ trigger.key }}",
                }
            )
        )
        yield made


@pytest.mark.parametrize(
    ("point", "count"),
    [("poll.returned", 1), ("group.committed", 2), ("poll.committed", 1), ("poll.acknowledged", 1)],
)
def test_the_process_dies_between_receiving_and_deleting(
    point: str, count: int, rig: Rig, cloud: Cloud
) -> None:
    keys = [f"raw/ä b+{number}.png" for number in range(6)]
    for key in keys[:3]:
        cloud.upload(key, times=2)

    def is_dead() -> bool:
        if rig.is_up and cloud.left == 0:
            # Told again, although it is known: so that there is something to die of.
            cloud.tell(keys[0])
        return not rig.is_up

    rig.start(crash_at=f"{point}:{count}")
    for key in keys[3:]:
        cloud.upload(key, times=1)
    rig.until(is_dead, f"the crash at {point}")
    rig.buried()
    rig.start(crash_at=f"{point}:1")
    rig.until(is_dead, f"another crash at {point}")
    rig.buried()
    rig.start()

    def is_over() -> bool:
        (runs,) = rig.query("SELECT count(*), count(finished_at) FROM runs")
        return runs == (len(keys), len(keys)) and cloud.left == 0

    rig.until(is_over, "one run for each upload, and an empty queue")
    rig.check()
    outputs = [json.loads(row[0]) for row in rig.query("SELECT output FROM runs")]
    assert sorted(outputs) == keys
    states = {row[0] for row in rig.query("SELECT state FROM events")}
    assert states <= {"received", "duplicate"}
