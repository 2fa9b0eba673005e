"""Finding the prediction of an attempt that was cut off between sending and recording.

Replicate has no idempotency key and takes no id from the client, but it echoes ``webhook``, and
ours names the attempt. Where there was no webhook, or the list does not echo it, a prediction of
the same model with the same input, created since, is taken for ours, unless it is known to be
another attempt's: a loop may ask for the same picture four times.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from hookline.sdk import ActionError, Context, OutcomeUnknown
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

NEAR = (-30.0, 90.0)
"""Seconds around the intent that are gone through where the account has made too many predictions since."""

RAN = 1800.0
"""Seconds that a run may have gone on before it made a prediction, for its results to be known here."""

_HIDDEN = re.compile(r"\*{3,}|\W*(?:redacted|hidden|secret)\W*", re.IGNORECASE)
"""What may stand in the place of a secret; how Replicate writes it is not documented."""

ABSENT_AFTER = 60.0
"""Seconds after which a request that created nothing visible is known to have created nothing."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What is noted before the POST.

    Attributes:
        at: When it was about to be sent.
        callback: The webhook address sent with it that is this attempt's alone, None without one.
        fingerprint: SHA-256 of each value of the input, as sent; of secrets nothing.
        shared: The webhook address sent with it that others may have been given too, None without one.
    """

    at: datetime
    callback: str | None
    fingerprint: Mapping[str, str]
    shared: str | None = None

    @classmethod
    def of(
        cls,
        at: datetime,
        callback: str | None,
        body: Mapping[str, Json],
        *,
        shared: str | None = None,
        secrets: Collection[str] = (),
    ) -> Intent:
        """The intent to send `body`.

        Args:
            secrets: Names of inputs that Replicate does not give back.
        """
        given = {key: _digest(value) for key, value in body["input"].items() if key not in secrets}
        return cls(at, callback, given, shared)

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


async def find(ctx: Context, intent: Intent, target: Target, *, known: Collection[str] = ()) -> Remote | None:
    """The prediction that came of an intent; None when it is certain that there is none.

    Args:
        known: Predictions of this attempt that came of earlier intents: they have the same webhook address.

    Raises:
        OutcomeUnknown: It cannot be told (yet).
    """
    client: ReplicateClient = ctx.connection
    known = {*known, *_of_others(ctx, client)}
    try:
        listing = await client.created_since(intent.at - timedelta(seconds=SEARCHED), target.kind)
        near: tuple[Remote, ...] = ()
        if not listing.complete and target.kind == "predictions":
            # It is found among those of its own minutes; that it is not there would prove nothing.
            begin, end = (intent.at + timedelta(seconds=each) for each in NEAR)
            near = (await client.created_since(begin, before=end)).predictions
    except ActionError as error:
        raise _undecided(f"the list cannot be read: {error.message}", error.retry_after) from error
    listed = [remote for remote in (*listing.predictions, *near) if remote.id not in known]
    tagged = [remote for remote in listed if intent.callback and remote.webhook == intent.callback]
    if tagged:
        return tagged[-1]
    verdicts = [(_is_ours(remote, intent, target), remote) for remote in listed]
    ended = await _results(ctx, [remote.id for verdict, remote in verdicts if verdict != "no"], intent.at)
    verdicts = [(verdict, remote) for verdict, remote in verdicts if remote.id not in ended]
    ours = [remote for verdict, remote in verdicts if verdict == "yes"]
    if ours:
        return ours[-1]  # Newest first: the last is the one created soonest after the intent.
    doubtful = [remote.id for verdict, remote in verdicts if verdict == "maybe"]
    if doubtful:
        raise _undecided(f"it may be one of {', '.join(doubtful[:5])}", None)
    if not listing.complete:
        raise _undecided("the account has too many predictions since then", None)
    waited = (ctx.now() - intent.at).total_seconds()
    if waited < ABSENT_AFTER:
        raise _undecided("it is not in the account's list so far", max(1.0, ABSENT_AFTER - waited))
    return None


def _of_others(ctx: Context, client: ReplicateClient) -> list[str]:
    """What is known to be other attempts': the notes of this run's steps, and what this process has seen."""
    noted = [*ctx.noted("prediction"), *(job for each in ctx.noted("known") for job in each or ())]
    return [*filter(None, noted), *client.owners.others(ctx.idempotency_key)]


async def _results(ctx: Context, jobs: Collection[str], at: datetime) -> set[str]:
    """Those that are the results of finished steps, of whatever run and process."""
    found: set[str] = set()

    def is_one(output: Json) -> bool:
        is_result = isinstance(output, Mapping) and output.get("provider") == "replicate"
        return is_result and output.get("provider_job_id") in jobs

    if jobs:
        async for past in ctx.past_outputs(is_one, since=at - timedelta(seconds=SEARCHED + RAN)):
            found.add(past.output["provider_job_id"])
            if len(found) == len(jobs):
                break
    return found


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
    # A data: URL may come back as an address, a secret as stars: what differs so proves nothing.
    if all(_is_changed_on_the_way(remote.input[key]) for key in differing):
        return "maybe"
    return "no"


def _is_changed_on_the_way(value: Json) -> bool:
    is_hidden = isinstance(value, str) and _HIDDEN.fullmatch(value) is not None
    return is_hidden or is_web_url(value) or is_data_url(value)


def _digest(value: Json) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _undecided(reason: str, retry_after: float | None) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"whether Replicate created the prediction is not known: {reason}",
        hint="look at https://replicate.com/predictions; nothing is sent again until it is known",
        retry_after=retry_after,
    )
