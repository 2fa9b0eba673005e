"""Making what a bucket needs to tell a queue of its uploads, with the connection's own credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Literal

from hookline.sdk import ActionError, BadInput, SetupStep

from .errors import code_of, translate
from .queue import in_thread
from .services import Services
from .wanted import Plan, bucket_policy, merge_notification, merge_policy, needed_permissions

__all__ = ["Wiring"]

Json = Any

_DEAD = {"MessageRetentionPeriod": "1209600"}
"""Fourteen days, longer than the queue itself: the time counts from the first sending."""
_MISSING = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_TRIES = 5
_PAUSE = 3.0


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
