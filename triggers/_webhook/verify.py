"""Who sent this? Every scheme works on the raw bytes and raises nothing but `HookRefused`.

Sources: Standard Webhooks (https://www.standardwebhooks.com), GitHub (https://docs.github.com/en/webhooks),
Stripe (https://docs.stripe.com/webhooks), Slack (https://docs.slack.dev/authentication/verifying-requests-from-slack),
Microsoft Graph (https://learn.microsoft.com/graph/change-notifications-delivery-webhooks),
Backblaze B2 (https://www.backblaze.com/docs/cloud-storage-event-notifications-reference-guide).
Amazon SNS signs with a certificate and not with a secret: `sns`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hookline.sdk import BadInput, HookRequest, parse_duration

from .refusals import expired, no_secret, unauthenticated, unusable
from .strict_json import strict_json

__all__ = ["TOLERANCE", "verify"]

TOLERANCE = 300.0
"""Seconds a signed timestamp may lie in the past or in the future."""

_TIMESTAMP = re.compile(r"[0-9]{1,12}", re.ASCII)
# The full stop separates the signed parts, so an identity that holds one could be shifted into them.
_MESSAGE_ID = re.compile(r"[!-\-/-~]{1,256}", re.ASCII)
_MAX_SIGNATURES = 16
_MAX_NOTIFICATIONS = 1000
_MAX_TOLERANCE = 3 * 86400.0
"""Seconds. What was had is remembered for longer than twice of it, so that nothing can be sent again."""
_TOKEN = re.compile(r"(\{timestamp\}|\{body\})")

Encode = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a request says about itself.

    Attributes:
        signed: What is under the signature, in order; None stands for the body.
        signatures: What the sender says it is; empty when it says nothing.
        timestamp: The signed time as it came, None when the scheme has none.
    """

    signed: Sequence[bytes | None]
    signatures: Sequence[bytes]
    timestamp: str | None = None
    tolerance: float = TOLERANCE


def verify(
    auth: Mapping[str, Any], secrets: Sequence[str], request: HookRequest, now: datetime
) -> str | None:
    """Check a request.

    Args:
        auth: The trigger's ``auth``.
        secrets: The active secrets; during a rotation more than one.
        now: The time, for the replay window.

    Returns:
        SHA-256 of the signed bytes, when they hold a timestamp that was checked; None otherwise.

    Raises:
        HookRefused: It is not genuine.
    """
    kind = auth.get("type")
    if kind == "none":
        return None
    if not secrets:
        raise no_secret("the connection holds no secret")
    if kind == "bearer":
        _bearer(auth, secrets, request)
        return None
    if kind == "basic":
        _basic(auth, secrets, request)
        return None
    if kind == "microsoft_graph":
        _microsoft_graph(secrets, request)
        return None
    if kind == "standard_webhooks":
        keys = [_standard_key(secret) for secret in secrets]
        return _check(request, _standard_webhooks(request), keys, base64.b64encode, now)
    keys = [secret.encode("utf-8", "replace") for secret in secrets]
    if kind == "github":
        return _check(request, _github(request), keys, _hex, now)
    if kind == "b2":
        return _check(request, _b2(request), keys, _hex, now)
    if kind == "stripe":
        return _check(request, _stripe(request), keys, _hex, now)
    if kind == "slack":
        return _check(request, _slack(request), keys, _hex, now)
    if kind == "hmac":
        encode = base64.b64encode if auth.get("encoding") == "base64" else _hex
        algorithm = str(auth.get("algorithm", "sha256"))
        return _check(request, _hmac(auth, request), keys, encode, now, algorithm)
    raise unusable(f"auth: the type {kind!r} does not exist")


def _check(
    request: HookRequest,
    claim: _Claim,
    keys: Sequence[bytes],
    encode: Encode,
    now: datetime,
    algorithm: str = "sha256",
) -> str | None:
    """Compare with every key and every signature, whatever is found on the way."""
    digest, expected = _digests(request, claim.signed, keys, algorithm)
    genuine = False
    for mac in expected:
        for signature in claim.signatures or (b"",):
            genuine |= hmac.compare_digest(encode(mac), signature)
    if not genuine:
        raise unauthenticated("the signature does not match" if claim.signatures else "there is no signature")
    if claim.timestamp is None:
        return None
    if not _TIMESTAMP.fullmatch(claim.timestamp):
        raise unauthenticated("the timestamp is not a number of seconds")
    if abs(now.timestamp() - int(claim.timestamp)) > claim.tolerance:
        raise expired(f"the timestamp is more than {claim.tolerance:g} seconds away from now")
    return digest


def _digests(
    request: HookRequest, signed: Sequence[bytes | None], keys: Sequence[bytes], algorithm: str
) -> tuple[str, list[bytes]]:
    """SHA-256 of what is signed, and its HMAC with every key, in one pass over the body."""
    if algorithm not in ("sha256", "sha512"):
        raise unusable(f"auth: the algorithm {algorithm!r} is not supported")
    plain = hashlib.sha256()
    macs = [hmac.new(key, digestmod=algorithm) for key in keys]
    for part in signed:
        for piece in request.pieces() if part is None else (part,):
            plain.update(piece)
            for mac in macs:
                mac.update(piece)
    return plain.hexdigest(), [mac.digest() for mac in macs]


def _hex(digest: bytes) -> bytes:
    return digest.hex().encode("ascii")


def _header(request: HookRequest, name: str) -> str:
    return request.headers.get(name.lower(), "")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _standard_key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except (binascii.Error, ValueError):
        raise no_secret("the connection's secret is not base64, as Standard Webhooks wants it") from None


def _standard_webhooks(request: HookRequest) -> _Claim:
    message, timestamp = _header(request, "webhook-id"), _header(request, "webhook-timestamp")
    parts = [
        part.partition(",") for part in _header(request, "webhook-signature").split(" ")[:_MAX_SIGNATURES]
    ]
    signatures = [_bytes(value) for version, _, value in parts if version == "v1"]
    if not _MESSAGE_ID.fullmatch(message):
        signatures = []
    signed = [_bytes(f"{message}.{timestamp}."), None]
    return _Claim(signed, signatures, timestamp)


def _github(request: HookRequest) -> _Claim:
    return _Claim([None], _prefixed(_header(request, "x-hub-signature-256"), "sha256="))


def _b2(request: HookRequest) -> _Claim:
    return _Claim([None], _prefixed(_header(request, "x-bz-event-notification-signature"), "v1="))


def _stripe(request: HookRequest) -> _Claim:
    pairs = [part.strip().partition("=") for part in _header(request, "stripe-signature").split(",")]
    timestamp = next((value for name, _, value in pairs if name == "t"), "")
    signatures = [_bytes(value) for name, _, value in pairs[: _MAX_SIGNATURES + 1] if name == "v1"]
    return _Claim([_bytes(f"{timestamp}."), None], signatures, timestamp)


def _slack(request: HookRequest) -> _Claim:
    timestamp = _header(request, "x-slack-request-timestamp")
    signatures = _prefixed(_header(request, "x-slack-signature"), "v0=")
    return _Claim([_bytes(f"v0:{timestamp}:"), None], signatures, timestamp)


def _hmac(auth: Mapping[str, Any], request: HookRequest) -> _Claim:
    value = _header(request, str(auth.get("header", "")))
    signatures = _prefixed(value, str(auth.get("prefix", "")))
    if auth.get("encoding", "hex") == "hex":
        signatures = [signature.lower() for signature in signatures]
    named = str(auth.get("timestamp_header", ""))
    if not named:
        if "template" in auth:
            raise unusable("auth: template needs timestamp_header")
        return _Claim([None], signatures)
    pieces = _TOKEN.split(str(auth.get("template", "{timestamp}.{body}")))
    if "{body}" not in pieces or "{timestamp}" not in pieces:
        raise unusable("auth: template must contain {timestamp} and {body}, or one of them could be forged")
    timestamp = _header(request, named)
    values = {"{timestamp}": _bytes(timestamp), "{body}": None}
    signed = [values.get(piece, _bytes(piece)) for piece in pieces]
    try:
        tolerance = parse_duration(auth.get("tolerance", TOLERANCE), name="auth.tolerance")
    except BadInput as error:
        raise unusable(error.message) from error
    if tolerance > _MAX_TOLERANCE:
        raise unusable("auth: tolerance is more than three days")
    return _Claim(signed, signatures, timestamp, tolerance)


def _prefixed(value: str, prefix: str) -> list[bytes]:
    return [_bytes(value[len(prefix) :])] if value and value.startswith(prefix) else []


def _bearer(auth: Mapping[str, Any], secrets: Sequence[str], request: HookRequest) -> None:
    named = str(auth.get("header", ""))
    if named:
        given = _header(request, named)
    else:
        scheme, _, given = _header(request, "authorization").partition(" ")
        given = given.strip() if scheme.lower() == "bearer" else ""
    _same(given, secrets, "the token")


def _basic(auth: Mapping[str, Any], secrets: Sequence[str], request: HookRequest) -> None:
    scheme, _, encoded = _header(request, "authorization").partition(" ")
    try:
        given = base64.b64decode(_bytes(encoded.strip()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        given = ""
    expected = [f"{auth.get('username', '')}:{secret}" for secret in secrets]
    _same(given if scheme.lower() == "basic" else "", expected, "the user name or password")


def _microsoft_graph(secrets: Sequence[str], request: HookRequest) -> None:
    """Graph signs nothing; every notification repeats the secret of its subscription."""
    try:
        body = strict_json(request.in_memory().body)
    except (ValueError, RecursionError):
        body = None
    notifications = body.get("value") if isinstance(body, dict) else None
    if not isinstance(notifications, list) or not 1 <= len(notifications) <= _MAX_NOTIFICATIONS:
        raise unauthenticated("there is no list of notifications")
    for each in notifications:
        state = each.get("clientState") if isinstance(each, dict) else None
        _same(state if isinstance(state, str) else "", secrets, "the clientState")


def _same(given: str, expected: Sequence[str], what: str) -> None:
    # Digests, so that the time taken does not depend on the length of a secret either.
    digest = hashlib.sha256(_bytes(given)).digest()
    genuine = False
    for each in expected:
        genuine |= hmac.compare_digest(digest, hashlib.sha256(_bytes(each)).digest())
    if not given or not genuine:
        raise unauthenticated(f"{what} is wrong" if given else f"{what} is missing")
