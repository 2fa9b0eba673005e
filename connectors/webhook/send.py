"""Sending a webhook, signed as Standard Webhooks says.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from hookline.sdk import BadInput, Context, NotFound, raise_for_status

__all__ = ["deliver", "message_id", "sign"]

Json = Any

_PREFIX = "whsec_"


def message_id(ctx: Context, part: str = "") -> str:
    """The same for every attempt of a step, so that the receiver knows a repetition."""
    return f"msg_{hashlib.sha256(f'{ctx.run_id}/{ctx.step}{part}'.encode()).hexdigest()[:32]}"


def sign(secrets: Sequence[str], id: str, at: datetime, body: bytes) -> dict[str, str]:
    """The headers of a message: signed with every active secret, the newest first.

    Raises:
        BadInput: A secret is not base64.
    """
    timestamp = str(int(at.timestamp()))
    signed = b".".join((id.encode(), timestamp.encode(), body))
    signatures = [base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)) for secret in secrets]
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{each.decode()}" for each in signatures),
    }


async def deliver(
    ctx: Context, secrets: Sequence[str], url: str, body: Json, id: str, timeout: float
) -> Mapping[str, Json]:
    """One try.

    Raises:
        Unavailable, RateLimited: It may be tried again.
        OutcomeUnknown: The answer was lost; trying again does no harm.
        ActionError: The receiver does not want it.
    """
    content = json.dumps(body, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", **sign(secrets, id, ctx.now(), content)}
    answer = await ctx.http.request(
        "POST", url, content=content, headers=headers, timeout=timeout, max_bytes=1_000_000
    )
    if answer.status < 200 or answer.status >= 300:
        told = {name.lower(): value for name, value in answer.headers.items()}
        if told.get("webhook-delivery", "").strip().lower() == "abort-message":
            raise BadInput(f"the receiver answered {answer.status} and asks not to be tried again")
        if answer.status == 410:
            raise NotFound("the receiver is gone (410)", hint="remove the address")
    raise_for_status(answer, effect="idempotent", service="The receiver")
    return {"id": id, "status": answer.status}


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise BadInput(
            "the connection's secret cannot sign a webhook",
            hint="it must be whsec_ and base64: openssl rand -base64 32",
        ) from None
