"""Uploads that somebody tells of by a request: SNS, EventBridge, MinIO, B2, a Worker of Cloudflare."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from hookline.sdk import (
    Field,
    HookAnswered,
    HookReply,
    HookRequest,
    Poll,
    TriggerContext,
    Unavailable,
    Unreadable,
)

from .._webhook.refusals import unreadable
from .._webhook.sns import Sns, confirm, verified
from .._webhook.verify import verify
from .look import Look, Wanted
from .notices import read
from .store import Position, Waiting

__all__ = ["Push", "receive"]


class Token(TypedDict):
    """A token in a header: MinIO, EventBridge (API key), a Worker."""

    type: Annotated[Literal["bearer"], Field("Authorization: Bearer; the token is the secret.")]
    header: NotRequired[
        Annotated[str, Field("Another header whose whole value is the token.", examples=["X-Api-Key"])]
    ]


class Password(TypedDict):
    """A user name and a password: EventBridge (basic)."""

    type: Annotated[Literal["basic"], Field("Authorization: Basic; the password is the secret.")]
    username: Annotated[str, Field("The user name.")]


class B2(TypedDict):
    """Backblaze B2."""

    type: Annotated[Literal["b2"], Field("X-Bz-Event-Notification-Signature of Backblaze B2.")]


class Push(TypedDict):
    """Where uploads are told, and by whom."""

    path: Annotated[
        str,
        Field("Last part of the address: `uploads` is reached at `/hooks/uploads`.", max_length=200),
        {"pattern": "^[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*$"},
    ]
    auth: Annotated[Sns | Token | Password | B2, Field("How the sender proves who it is.")]
    connection: NotRequired[
        Annotated[str, Field("Connection of the type `webhook` with the secret; `webhook` when left out.")]
    ]


async def receive(
    ctx: TriggerContext, request: HookRequest, push: Mapping[str, Any], wanted: Wanted, *, lists: bool
) -> Poll | HookAnswered:
    """What a request tells, under the identities that a look would give it.

    Args:
        lists: Whether a look goes through the listing, so that it can take what has not settled.

    Raises:
        HookRefused: The sender is not who it should be, or nobody can read what it says.
        ActionError: An object cannot be looked at now; the sender comes again.
    """
    body = await _verified(ctx, request, push)
    if not isinstance(body, bytes):
        return body
    try:
        told = read(body)
    except ValueError as error:
        raise unreadable(f"it cannot be read: {error}") from error
    now = ctx.now()
    waiting = [Waiting(notice, now, now) for notice in told.notices if notice.bucket == wanted.bucket]
    others = {notice.bucket for notice in told.notices} - {wanted.bucket}
    problems = [*told.problems, *(f"it is about the bucket {name[:63]}" for name in sorted(others))]
    look = Look(ctx, ctx.connection, wanted)
    left = await look.learn(waiting, Position.read(ctx.cursor), keeps=False)
    if left and not lists:
        raise Unavailable("the object has not settled yet")
    key = f"request:{hashlib.sha256(body).hexdigest()}"
    return Poll(
        events=look.events,
        baseline=look.baseline,
        skipped=look.skipped,
        unreadable=[Unreadable(key, "; ".join(problems[:3]), body)] if problems else [],
        # What has not settled is left to the listing, which is looked at when it has.
        next_at=look.next_due,
    )


async def _verified(
    ctx: TriggerContext, request: HookRequest, push: Mapping[str, Any]
) -> bytes | Poll | HookAnswered:
    """The notification's own bytes, or what becomes of a request that is none."""
    auth = push["auth"]
    if auth["type"] != "sns":
        connection = await ctx.open(push.get("connection") or "webhook", type="webhook")
        verify(auth, connection.secrets, request, ctx.now())
        return request.body
    envelope = await verified(ctx.http, request.body, auth["topics"], ctx.now())
    if envelope.kind == "SubscriptionConfirmation":
        await confirm(ctx.http, envelope)
        return HookAnswered(HookReply(200, b"confirmed"))
    if envelope.kind == "UnsubscribeConfirmation":
        reason = f"the subscription to {envelope.topic} has ended: no upload is told here any more"
        return Poll(unreadable=[Unreadable(f"sns:{envelope.id}", reason, request.body)])
    return envelope.message.encode()
