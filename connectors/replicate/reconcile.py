"""Finding the prediction of an attempt that was cut off between sending and recording.

Replicate has no idempotency key and takes no id from the client, but it echoes ``webhook``, and
ours names the attempt. Where there was no webhook, or the list does not echo it, a prediction of
the same model with the same input, created since, is taken for ours: its result is the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hookline.sdk import ActionError, OutcomeUnknown
from hookline.sdk.model_files import is_data_url, is_web_url
from hookline.sdk.predictions import iso, parse_time

from .client import ReplicateClient
from .records import Remote, Target

__all__ = ["Intent", "find"]

Json = Any

CLOCK_SKEW = 5.0
"""Seconds our clock is expected to be ahead of Replicate's at most."""

SEARCHED = 300.0
"""Seconds before the intent from which on predictions are listed, should our clock be further ahead. One
with our webhook address cannot be mistaken; one with the same input, this early, leaves it open."""

ABSENT_AFTER = 60.0
"""Seconds after which a request that created nothing visible is known to have created nothing."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is noted before the POST.

    Attributes:
        at: When it was about to be sent.
        callback: The webhook address sent with it that is this attempt's alone, None without one.
        fingerprint: SHA-256 of each value of the input, as sent.
        shared: The webhook address sent with it that others may have been given too, None without one.
    """

    at: datetime
    callback: str | None
    fingerprint: Mapping[str, str]
    shared: str | None = None

    @classmethod
    def of(
        cls, at: datetime, callback: str | None, body: Mapping[str, Json], *, shared: str | None = None
    ) -> Intent:
        """The intent to send `body`."""
        return cls(at, callback, {key: _digest(value) for key, value in body["input"].items()}, shared)

    def to_json(self) -> dict[str, Json]:
        """As noted."""
        return {
            "created_after": iso(self.at),
            "callback": self.callback,
            "fingerprint": dict(self.fingerprint),
            "shared": self.shared,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Json]) -> Intent:
        """As read from the notes."""
        at = parse_time(data["created_after"])
        if at is None:
            raise ValueError("a noted intent has no time")
        return cls(at, data["callback"], data["fingerprint"], data.get("shared"))


async def find(
    client: ReplicateClient,
    intent: Intent,
    target: Target,
    now: datetime,
    *,
    known: Collection[str] = (),
) -> Remote | None:
    """The prediction that came of an intent; None when it is certain that there is none.

    Args:
        known: Predictions of this attempt that came of earlier intents: they have the same webhook address.

    Raises:
        OutcomeUnknown: It cannot be told (yet).
    """
    try:
        listing = await client.created_since(intent.at - timedelta(seconds=SEARCHED), target.kind)
    except ActionError as error:
        raise _undecided(f"the list cannot be read: {error.message}", error.retry_after) from error
    listed = [remote for remote in listing.predictions if remote.id not in known]
    tagged = [remote for remote in listed if intent.callback and remote.webhook == intent.callback]
    if tagged:
        return tagged[-1]
    verdicts = [(_is_ours(remote, intent, target), remote) for remote in listed]
    ours = [remote for verdict, remote in verdicts if verdict == "yes"]
    if ours:
        return ours[-1]  # Newest first: the last is the one created soonest after the intent.
    doubtful = [remote.id for verdict, remote in verdicts if verdict == "maybe"]
    if doubtful:
        raise _undecided(f"it may be one of {', '.join(doubtful[:5])}", None)
    if not listing.complete:
        raise _undecided("the account has too many predictions since then", None)
    waited = (now - intent.at).total_seconds()
    if waited < ABSENT_AFTER:
        raise _undecided("it is not in the account's list so far", max(1.0, ABSENT_AFTER - waited))
    return None


def _is_ours(remote: Remote, intent: Intent, target: Target) -> Literal["yes", "no", "maybe"]:
    """Whether a listed prediction that does not show this attempt's address comes of this intent."""
    if remote.webhook not in (None, intent.shared) or not target.could_have_made(remote):
        return "no"  # A webhook address that was not sent is another attempt's.
    early = remote.created_at is None or remote.created_at < intent.at - timedelta(seconds=CLOCK_SKEW)
    if remote.data_removed:
        return "maybe"
    # Replicate drops keys that the model does not know and adds defaults: only shared keys can be compared.
    shared = [key for key in remote.input if key in intent.fingerprint]
    differing = [key for key in shared if _digest(remote.input[key]) != intent.fingerprint[key]]
    if not differing:
        return "yes" if not early and (shared or not intent.fingerprint) else "maybe"
    # A data: URL may come back as an address, so a file that differs proves nothing.
    if all(is_web_url(remote.input[key]) or is_data_url(remote.input[key]) for key in differing):
        return "maybe"
    return "no"


def _digest(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _undecided(reason: str, retry_after: float | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"whether Replicate created the prediction is not known: {reason}",
        hint="look at https://replicate.com/predictions; nothing is sent again until it is known",
        retry_after=retry_after,
    )
