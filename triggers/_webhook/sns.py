"""Requests of Amazon SNS: who signed them, and what they say.

Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import urlsplit

from hookline.sdk import BadInput, Field, Http, Unavailable

from .refusals import expired, unauthenticated, unreadable
from .strict_json import strict_json

__all__ = ["KEPT_CERTIFICATES", "SECONDS", "Envelope", "Sns", "confirm", "verified"]

SECONDS = 10.0
"""How long SNS may take to give its certificate, or to confirm a subscription. It waits 15 itself."""
TOLERANCE = timedelta(hours=1)
"""How far the signed time may be from now: SNS repeats a message for so long under the same time."""
KEPT_CERTIFICATES: dict[str, bytes] = {}
"""Certificates by their address. What stands at one address never changes: a new one has a new name."""

_MAX_KEPT = 16
_MAX_BYTES = 65_536
_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_SIGNED: Mapping[str, Sequence[str]] = {
    "Notification": _NOTIFICATION,
    "SubscriptionConfirmation": _CONFIRMATION,
    "UnsubscribeConfirmation": _CONFIRMATION,
}
"""What is signed, in this order, each as ``Name\\nValue\\n``."""
_HOST = re.compile(r"sns\.[a-z]{2}(?:-[a-z]+)+-[0-9]\.amazonaws\.com(?:\.cn)?", re.ASCII)
_PATH = re.compile(r"/[A-Za-z0-9_-]{1,128}\.pem", re.ASCII)
_ARN = re.compile(r"arn:(aws[a-z-]*):sns:([a-z0-9-]+):[0-9]{12}:[A-Za-z0-9_.-]{1,256}", re.ASCII)
_SHA = ("1", "2")


class Sns(TypedDict):
    """Amazon SNS."""

    type: Annotated[Literal["sns"], Field("Signature of Amazon SNS; there is no secret.")]
    topics: Annotated[
        list[str],
        Field(
            "ARNs of the topics that are listened to; a subscription to one of them is confirmed by itself.",
            min_length=1,
            examples=[["arn:aws:sns:eu-west-1:123456789012:uploads"]],
        ),
    ]


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message of SNS whose signature is in order.

    Attributes:
        kind: ``Notification``, ``SubscriptionConfirmation`` or ``UnsubscribeConfirmation``.
        token: Confirms a subscription.
    """

    kind: str
    id: str
    topic: str
    message: str
    token: str = ""

    @property
    def content(self) -> Any:
        """The message: what its JSON says when it is an object or a list, else its text."""
        if not self.message.lstrip().startswith(("{", "[")):
            return self.message
        try:
            return strict_json(self.message.encode())
        except (ValueError, RecursionError):
            return self.message


async def verified(http: Http, body: bytes, topics: Sequence[str], now: datetime) -> Envelope:
    """Read a message, and prove that SNS has signed it.

    Args:
        http: The guarded client; the certificate is fetched with it, once.
        topics: ARNs of the topics that may be heard.

    Raises:
        HookRefused: It is not genuine, of another topic, or too old.
        BadInput: Signatures cannot be checked in this installation.
        Unavailable: The certificate cannot be had now.
    """
    try:
        value = strict_json(body)
    except (ValueError, RecursionError) as error:
        raise unreadable(f"the body is not acceptable JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise unreadable("the body is no object")
    kind = value.get("Type")
    if not isinstance(kind, str) or kind not in _SIGNED:
        raise unauthenticated("it is no message of SNS with its signature; turn raw message delivery off")
    names = [name for name in _SIGNED[kind] if name != "Subject" or value.get("Subject") is not None]
    signature, address = _claims(value, names)
    if value["TopicArn"] not in topics:
        raise unauthenticated("it comes from a topic that is not in auth.topics")
    signed = "".join(f"{name}\n{value[name]}\n" for name in names).encode()
    certificate = await _certificate(http, address)
    _check(certificate, signed, signature, value["SignatureVersion"], now)
    if abs(_moment(value["Timestamp"]) - now) > TOLERANCE:
        raise expired("the timestamp is more than an hour away from now")
    return Envelope(kind, value["MessageId"], value["TopicArn"], value["Message"], value.get("Token", ""))


async def confirm(http: Http, envelope: Envelope) -> None:
    """Confirm a subscription, by the API: the address in the message is not opened.

    Raises:
        HookRefused: SNS does not take the token.
        Unavailable: SNS cannot be asked now.
    """
    arn = _ARN.fullmatch(envelope.topic)
    if arn is None:
        raise unauthenticated("its topic is no ARN of SNS")
    suffix = "amazonaws.com.cn" if arn[1] == "aws-cn" else "amazonaws.com"
    asked = {
        "Action": "ConfirmSubscription",
        "Version": "2010-03-31",
        "TopicArn": envelope.topic,
        "Token": envelope.token,
    }
    url = f"https://sns.{arn[2]}.{suffix}/"
    answer = await http.request("GET", url, params=asked, timeout=SECONDS, max_bytes=_MAX_BYTES)
    if 400 <= answer.status < 500 and answer.status != 429:
        raise unauthenticated(f"SNS does not confirm the subscription: it answered {answer.status}")
    if answer.status != 200:
        raise Unavailable(f"SNS answered {answer.status} when it was to confirm the subscription")


def _claims(value: Mapping[str, Any], names: Sequence[str]) -> tuple[bytes, str]:
    """Signature and the certificate's address, once everything signed is a text."""
    for name in (*names, "SignatureVersion", "Signature", "SigningCertURL"):
        if not isinstance(value.get(name), str):
            raise unauthenticated(f"{name} is missing")
    if value["SignatureVersion"] not in _SHA:
        raise unauthenticated("its SignatureVersion is not known")
    try:
        signature = base64.b64decode(value["Signature"], validate=True)
    except (binascii.Error, ValueError):
        raise unauthenticated("its signature is not base64") from None
    address = value["SigningCertURL"]
    try:
        parts = urlsplit(address)
    except ValueError:
        raise unauthenticated("its certificate is at no address") from None
    is_aws = parts.scheme == "https" and _HOST.fullmatch(parts.netloc) and _PATH.fullmatch(parts.path)
    if not is_aws or parts.query or parts.fragment or "?" in address or "#" in address:
        raise unauthenticated("its certificate is not at an address of SNS")
    return signature, address


async def _certificate(http: Http, address: str) -> bytes:
    kept = KEPT_CERTIFICATES.get(address)
    if kept is not None:
        return kept
    answer = await http.request("GET", address, timeout=SECONDS, max_bytes=_MAX_BYTES)
    if answer.status in (403, 404):
        raise unauthenticated("there is no certificate at the address that it names")
    if answer.status != 200:
        raise Unavailable(f"the certificate of SNS cannot be had: {answer.status}")
    while len(KEPT_CERTIFICATES) >= _MAX_KEPT:
        del KEPT_CERTIFICATES[next(iter(KEPT_CERTIFICATES))]
    KEPT_CERTIFICATES[address] = answer.content
    return answer.content


def _check(certificate: bytes, signed: bytes, signature: bytes, version: str, now: datetime) -> None:
    try:
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
        from cryptography.hazmat.primitives.hashes import SHA1, SHA256
    except ImportError as error:
        hint = "pip install 'hookline[sns]'"
        raise BadInput("signatures of SNS need the library cryptography", code="C612", hint=hint) from error
    try:
        found = x509.load_pem_x509_certificate(certificate)
        key = found.public_key()
    except ValueError:
        raise unauthenticated("what stands at the certificate's address is no certificate") from None
    if not found.not_valid_before_utc <= now <= found.not_valid_after_utc:
        raise unauthenticated("the certificate is not valid now")
    if not isinstance(key, RSAPublicKey):
        raise unauthenticated("the certificate has no RSA key")
    try:
        # SHA-1 is what version 1 has; a topic is set to version 2 in AWS.
        key.verify(signature, signed, PKCS1v15(), SHA1() if version == "1" else SHA256())  # noqa: S303
    except InvalidSignature:
        raise unauthenticated("the signature does not match") from None


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise unauthenticated("its timestamp is none") from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
