"""What a store tells about uploads, in the shapes of AWS, MinIO, Cloudflare R2 and Backblaze B2.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html,
https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html,
https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html,
https://developers.cloudflare.com/r2/buckets/event-notifications/,
https://www.backblaze.com/docs/cloud-storage-event-notifications-reference-guide
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import unquote_plus

from .._webhook.strict_json import strict_json

__all__ = ["MAX_RECORDS", "Notice", "Told", "in_sequence", "read"]

MAX_RECORDS = 1000
"""Records of one message. S3 sends one, B2 up to 50."""

_R2_WRITES = frozenset({"PutObject", "CopyObject", "CompleteMultipartUpload"})
_MAX_KEY = 1024


@dataclass(frozen=True, slots=True)
class Notice:
    """Somebody says that an object was written.

    Attributes:
        key: The object's key, decoded.
        etag: ``""`` where the store does not say.
        bytes: None where the store does not say.
        version_id: ``""`` where the bucket keeps no versions.
        sequencer: Orders what happened to one key, ``""`` where the store has none; see `in_sequence`.
        at: When, in the store's own words.
    """

    bucket: str
    key: str
    etag: str = ""
    bytes: int | None = None
    version_id: str = ""
    sequencer: str = ""
    at: str = ""

    @property
    def identity(self) -> str:
        """Identity of what is told, for an object that cannot be looked at any more."""
        if self.version_id:
            return f"{self.bucket}/{self.key}@{self.version_id}"
        return f"{self.bucket}/{self.key}~{self.etag}:{self.bytes}:{self.sequencer or self.at}"

    def to_json(self) -> dict[str, Any]:
        """What a cursor keeps."""
        return asdict(self)


@dataclass(slots=True)
class Told:
    """What a message says.

    Attributes:
        notices: Objects that were written.
        problems: What is wrong with records that cannot be read; the others are in `notices`.
    """

    notices: list[Notice] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def in_sequence(sequencer: str, other: str) -> bool:
    """Whether `sequencer` comes before `other`, of the same key.

    They are hexadecimal and may differ in length: the shorter one is padded with zeros on the right.
    """
    length = max(len(sequencer), len(other))
    return sequencer.ljust(length, "0").lower() < other.ljust(length, "0").lower()


def read(body: bytes) -> Told:
    """Read a message.

    What is no upload (a test event, a deletion, a change of tags) is passed over.

    Raises:
        ValueError: Nobody can read it; the message says why.
    """
    value = _json(body)
    if _is_sns(value):
        # Wrapped for a queue. One envelope: SNS does not deliver to itself.
        if value["Type"] != "Notification":
            raise ValueError(f"it is a {value['Type'][:40]} of SNS; confirm the subscription in AWS")
        value = _json(_text(value, "Message").encode("utf-8"))
    for is_it, records, reader in _SHAPES:
        if is_it(value):
            return _each(records(value), reader)
    raise ValueError("it has the shape of no notification that is known")


def _json(body: bytes) -> dict[str, Any]:
    try:
        value = strict_json(body)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"it is not acceptable JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise ValueError("it is JSON, and no object")
    return value


def _is_sns(value: Mapping[str, Any]) -> bool:
    return isinstance(value.get("Type"), str) and isinstance(value.get("TopicArn"), str)


def _each(records: Any, reader: Callable[[Mapping[str, Any]], Notice | None]) -> Told:
    if not isinstance(records, list):
        raise ValueError("its records are no list")
    if len(records) > MAX_RECORDS:
        raise ValueError(f"it has {len(records)} records; at most {MAX_RECORDS} are read")
    told = Told()
    for index, record in enumerate(records):
        try:
            if not isinstance(record, dict):
                raise ValueError("it is no object")
            notice = reader(record)
        except (ValueError, UnicodeDecodeError) as error:
            told.problems.append(f"record {index}: {str(error)[:200]}")
            continue
        if notice is not None:
            told.notices.append(notice)
    return told


def _s3(record: Mapping[str, Any]) -> Notice | None:
    """A record of S3 or MinIO. New fields may come with any version 2.x."""
    version = _text(record, "eventVersion")
    if version.partition(".")[0] != "2":
        raise ValueError(f"eventVersion {version[:20]!r} is not read")
    if not _text(record, "eventName").removeprefix("s3:").startswith("ObjectCreated:"):
        return None
    s3 = _object(record, "s3")
    written = _object(s3, "object")
    # Encoded as in a form: a space is a plus. Once, and never what is not UTF-8.
    key = unquote_plus(_text(written, "key"), errors="strict")
    return _notice(
        bucket=_text(_object(s3, "bucket"), "name"),
        key=key,
        etag=_text(written, "eTag", ""),
        size=written.get("size"),
        version=_text(written, "versionId", ""),
        sequencer=_text(written, "sequencer", ""),
        at=_text(record, "eventTime", ""),
    )


def _event_bridge(event: Mapping[str, Any]) -> Notice | None:
    """An event of EventBridge; here the key is not encoded."""
    if event["detail-type"] != "Object Created":
        return None
    detail = _object(event, "detail")
    written = _object(detail, "object")
    return _notice(
        bucket=_text(_object(detail, "bucket"), "name"),
        key=_text(written, "key"),
        etag=_text(written, "etag", "") or _text(written, "eTag", ""),
        size=written.get("size"),
        version=_text(written, "version-id", ""),
        sequencer=_text(written, "sequencer", ""),
        at=_text(event, "time", ""),
    )


def _r2(message: Mapping[str, Any]) -> Notice | None:
    if message["action"] not in _R2_WRITES:
        return None
    written = _object(message, "object")
    return _notice(
        bucket=_text(message, "bucket"),
        key=_text(written, "key"),
        etag=_text(written, "eTag", ""),
        size=written.get("size"),
        at=_text(message, "eventTime", ""),
    )


def _b2(event: Mapping[str, Any]) -> Notice | None:
    if not _text(event, "eventType").startswith("b2:ObjectCreated:"):
        return None
    # The version's name in B2's own API is the S3 API's version, too, but B2 does not say that a
    # bucket keeps versions: so the object is looked at as it is now.
    return _notice(
        bucket=_text(event, "bucketName"),
        key=_text(event, "objectName"),
        size=event.get("objectSize"),
        at=str(event.get("eventTimestamp", "")),
    )


def _notice(
    *, bucket: str, key: str, etag: str = "", size: Any, version: str = "", sequencer: str = "", at: str = ""
) -> Notice:
    if not key or "\0" in key or len(key.encode("utf-8")) > _MAX_KEY:
        raise ValueError("its key is empty, longer than 1024 bytes, or holds NUL")
    if size is not None and (isinstance(size, bool) or not isinstance(size, int) or size < 0):
        raise ValueError("its size is no number of bytes")
    if any(char not in "0123456789abcdefABCDEF" for char in sequencer):
        raise ValueError("its sequencer is not hexadecimal")
    version = "" if version == "null" else version
    return Notice(bucket, key, etag.strip('"'), size, version, sequencer, at)


def _object(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    if not isinstance(found, dict):
        raise ValueError(f"{name} is missing or no object")
    return found


def _text(value: Mapping[str, Any], name: str, default: str | None = None) -> str:
    found = value.get(name)
    if found is None and default is not None:
        return default
    if not isinstance(found, str):
        raise ValueError(f"{name} is missing or no text")
    return found


_Shape = tuple[
    Callable[[Mapping[str, Any]], bool],
    Callable[[Mapping[str, Any]], Any],
    Callable[[Mapping[str, Any]], Notice | None],
]

_SHAPES: tuple[_Shape, ...] = (
    # MinIO puts EventName and Key beside the records; they say the same.
    (lambda value: "Records" in value, lambda value: value["Records"], _s3),
    # What S3 sends when a configuration is saved.
    (lambda value: value.get("Event") == "s3:TestEvent", lambda value: [], _s3),
    (
        lambda value: value.get("source") == "aws.s3" and isinstance(value.get("detail-type"), str),
        lambda value: [value],
        _event_bridge,
    ),
    (
        lambda value: isinstance(value.get("action"), str) and "account" in value and "bucket" in value,
        lambda value: [value],
        _r2,
    ),
    (lambda value: "events" in value, lambda value: value["events"], _b2),
)
