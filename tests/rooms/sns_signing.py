"""Messages of SNS signed with a key of our own, in the way that AWS writes down."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

Json = Any
TOPIC = "arn:aws:sns:eu-west-1:123456789012:uploads"
NOW = datetime(2026, 3, 2, 8, 0, 10, tzinfo=UTC)
ADDRESS = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-9c6465fa.pem"


@cache
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def certificate(
    begins: datetime = NOW - timedelta(days=1), ends: datetime = NOW + timedelta(days=1)
) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key().public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(ends)
        .sign(key(), hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def notification(message: str, **given: Json) -> dict[str, Json]:
    value = {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "Amazon S3 Notification",
        "Message": message,
        "Timestamp": "2026-03-02T08:00:00.000Z",
        "SignatureVersion": "2",
        "SigningCertURL": ADDRESS,
        "UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=x",
        **given,
    }
    return {name: each for name, each in value.items() if each is not None}


def confirmation(kind: str = "SubscriptionConfirmation", **given: Json) -> dict[str, Json]:
    return {
        **notification("You have chosen to subscribe to the topic …", Subject=None, UnsubscribeURL=None),
        "Type": kind,
        "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
        "Token": "2336412f37fb687f5d51e6e2425a8a5871f98f8f8b0f",
        "SubscribeURL": "https://attacker.example/?Action=ConfirmSubscription",
        **given,
    }


def signed(value: dict[str, Json]) -> bytes:
    """The body of a request. What is signed is spelt out here, after the documentation of AWS."""
    if value["Type"] == "Notification":
        names = ["Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"]
    else:
        names = ["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    text = "".join(f"{name}\n{value[name]}\n" for name in names if name in value)
    algorithm = hashes.SHA1() if value["SignatureVersion"] == "1" else hashes.SHA256()
    signature = key().sign(text.encode(), padding.PKCS1v15(), algorithm)
    return json.dumps({**value, "Signature": base64.b64encode(signature).decode()}).encode()
