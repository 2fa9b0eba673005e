"""A queue of SQS that a bucket's notifications go to: take messages, and delete them once they are kept.

Source: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from hookline.sdk import ActionError, BadInput, NotFound, Unavailable

from .errors import code_of, translate
from .services import Services

__all__ = ["LONGEST_WAIT", "MOST_AT_ONCE", "Message", "Queue", "QueueName"]

T = TypeVar("T")

LONGEST_WAIT = 20.0
"""Seconds that SQS holds a request which finds nothing."""
MOST_AT_ONCE = 10
"""Messages that SQS gives, and deletes, in one request."""

_ARN = re.compile(r"arn:aws[a-z-]*:sqs:([a-z0-9-]+):([0-9]{12}):([A-Za-z0-9_-]{1,80}(?:\.fifo)?)", re.ASCII)
_HOST = re.compile(r"sqs\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?", re.ASCII)
_PATH = re.compile(r"/([0-9]{12})/([A-Za-z0-9_-]{1,80}(?:\.fifo)?)", re.ASCII)
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})


@dataclass(frozen=True, slots=True)
class QueueName:
    """Which queue.

    Attributes:
        region: ``""`` leaves it to the connection.
    """

    region: str
    account: str
    name: str

    @classmethod
    def parse(cls, text: str, endpoint_url: str = "") -> QueueName:
        """Read the address of a queue (``https://sqs.REGION.amazonaws.com/ACCOUNT/NAME``) or its ARN.

        A request is signed for whatever host it goes to, and a workflow names the queue; so the host
        is AWS's, or the one that the operator has set.

        Raises:
            BadInput: It is neither.
        """
        arn = _ARN.fullmatch(text)
        if arn is not None:
            return cls(*arn.groups())
        parts = urlsplit(text)
        host, path = _HOST.fullmatch(parts.hostname or ""), _PATH.fullmatch(parts.path)
        is_set = bool(endpoint_url) and (parts.scheme, parts.netloc) == urlsplit(endpoint_url)[:2]
        is_aws = parts.scheme == "https" and host is not None and parts.netloc == parts.hostname
        if path is None or parts.query or parts.fragment or not (is_set or is_aws):
            raise BadInput(
                f"{text[:200]!r} is not the address of a queue",
                hint="write https://sqs.REGION.amazonaws.com/ACCOUNT/NAME or its ARN; "
                "another host has to be the connection's sqs_endpoint_url",
            )
        return cls(host[1] if host is not None else "", *path.groups())


@dataclass(frozen=True, slots=True)
class Message:
    """A message that was taken, and comes again unless it is deleted in time.

    Attributes:
        receipt: What deletes it.
        received: How often it was taken so far, this time included.
    """

    id: str
    body: str
    receipt: str
    received: int


class Queue:
    """One queue.

    Args:
        named: Its address or ARN.

    Raises:
        BadInput: `named` is neither.
    """

    def __init__(self, services: Services, named: str) -> None:
        self._services = services
        self._queue = QueueName.parse(named, services.sqs_endpoint_url)
        self._url = ""

    async def receive(self, *, limit: int, wait: float, visibility: float) -> list[Message]:
        """Take messages; none when there are none.

        Args:
            limit: Most messages, up to `MOST_AT_ONCE`.
            wait: Seconds to wait for the first one, up to `LONGEST_WAIT`.
            visibility: Seconds for which nobody else gets them.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """

        def take(client: Any) -> Any:
            return client.receive_message(
                QueueUrl=self._address(client),
                MaxNumberOfMessages=limit,
                WaitTimeSeconds=int(wait),
                VisibilityTimeout=int(visibility),
                MessageSystemAttributeNames=["ApproximateReceiveCount"],
            )

        answer = await self._call("receiving from", take)
        return [
            Message(
                str(each["MessageId"]),
                str(each["Body"]),
                str(each["ReceiptHandle"]),
                int(each.get("Attributes", {}).get("ApproximateReceiveCount", 1)),
            )
            for each in answer.get("Messages", ())
        ]

    async def delete(self, messages: Sequence[Message]) -> None:
        """Delete messages that were taken. Those that could not be deleted come again.

        Raises:
            NotFound, AuthenticationFailed, RateLimited, Unavailable, BadInput: See `errors`.
        """
        parts = [messages[at : at + MOST_AT_ONCE] for at in range(0, len(messages), MOST_AT_ONCE)]
        failed = sum(await asyncio.gather(*(self._delete(part) for part in parts)))
        if failed:
            raise Unavailable(f"{failed} of {len(messages)} messages could not be deleted; they come again")

    async def _delete(self, messages: Sequence[Message]) -> int:
        entries = [{"Id": str(n), "ReceiptHandle": each.receipt} for n, each in enumerate(messages)]
        answer = await self._call(
            "deleting from",
            lambda client: client.delete_message_batch(QueueUrl=self._address(client), Entries=entries),
        )
        return len(answer.get("Failed", ()))

    def _address(self, client: Any) -> str:
        if not self._url:
            account = {"QueueOwnerAWSAccountId": self._queue.account}
            self._url = str(client.get_queue_url(QueueName=self._queue.name, **account)["QueueUrl"])
        return self._url

    async def _call(self, what: str, work: Callable[[Any], T]) -> T:
        what = f"{what} the queue {self._queue.name}"
        try:
            return await in_thread(lambda: work(self._services.client("sqs", self._queue.region)))
        except ActionError:
            raise
        except Exception as error:
            if code_of(error) in _MISSING:
                raise NotFound(f"{what}: there is no such queue") from error
            raise translate(error, what) from error


async def in_thread(work: Callable[[], T]) -> T:
    """Run something that may block for long in a thread that a process which ends does not wait for."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, error = None, None
        try:
            result = work()
        except BaseException as raised:
            error = raised
        try:
            loop.call_soon_threadsafe(settle, result, error)
        except RuntimeError:
            # The loop is gone. What was taken from the queue comes again.
            return

    threading.Thread(target=run, name="sqs", daemon=True).start()
    return await done
