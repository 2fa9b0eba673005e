"""A message from a stranger, read: texts, addresses and files, whatever its sender made of it.

Sources: RFC 5322 (messages), RFC 2045 to 2047 (MIME), RFC 2231 (names of files).
"""

from __future__ import annotations

import email.header
import email.utils
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import Message
from typing import Any

__all__ = ["Letter", "Part", "Unreadable", "read_letter"]

Json = Any

MAX_PARTS = 200
MAX_TEXT = 500_000
"""Characters of a text that stands in the event; a longer one is cut."""

MAX_ADDRESSES = 200
_MAX_HEADER = 2000
_MAX_NAME = 200
_MULTIPART = re.compile(rb"^content-type\s*:\s*multipart/", re.IGNORECASE | re.MULTILINE)
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_MIME = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_KEPT = ("list-id", "in-reply-to", "references", "auto-submitted", "precedence", "return-path")
"""Further headers of the event: those that say whether a program or a list has written."""


class Unreadable(ValueError):
    """It is no message, or one that is made to do harm; the message says why."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a message."""

    name: str
    mime: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Letter:
    """What a message says: the event without its files, and these."""

    data: dict[str, Json]
    parts: tuple[Part, ...]


def read_letter(content: bytes) -> Letter:
    """Read a message, or its header alone.

    Raises:
        Unreadable: It has too many parts, too deep, or cannot be read at all.
    """
    # The reader recurses with the depth, and its time grows with it.
    if len(_MULTIPART.findall(content)) > MAX_PARTS:
        raise Unreadable(f"the message has more than {MAX_PARTS} parts")
    try:
        message = message_from_bytes(content)
        leaves = list(_leaves(message))
        texts: dict[str, list[str]] = {"text/plain": [], "text/html": []}
        files: list[Part] = []
        for leaf in leaves:
            kind = leaf.get_content_type()
            if kind in texts and not _is_file(leaf):
                texts[kind].append(_text(leaf))
            else:
                files.append(_file(leaf, len(files) + 1))
        return Letter(_data(message, texts), tuple(files))
    except (RecursionError, MemoryError) as error:
        raise Unreadable("the message is nested too deeply") from error
    except Unreadable:
        raise
    # The standard library's reader fails on some broken headers with what it happens to stumble over.
    except Exception as error:
        raise Unreadable(f"the message cannot be read: {type(error).__name__}") from error


def _leaves(message: Message) -> Iterator[Message]:
    count = 0
    waiting = [message]
    while waiting:
        part = waiting.pop(0)
        count += 1
        if count > MAX_PARTS:
            raise Unreadable(f"the message has more than {MAX_PARTS} parts")
        payload = part.get_payload()
        if part.get_content_maintype() == "multipart" and isinstance(payload, list):
            waiting[:0] = [each for each in payload if isinstance(each, Message)]
        else:
            yield part


def _is_file(part: Message) -> bool:
    disposition = str(part.get("content-disposition") or "").strip().lower()
    return disposition.startswith("attachment") or bool(part.get_filename())


def _file(part: Message, number: int) -> Part:
    kind = part.get_content_type()
    mime = kind if _MIME.fullmatch(kind) else "application/octet-stream"
    payload = part.get_payload()
    if isinstance(payload, list):  # message/rfc822: a message in the message
        content = b"".join(bytes(each) for each in payload if isinstance(each, Message))
        name = _name(part) or f"message-{number}.eml"
    else:
        decoded = part.get_payload(decode=True)
        content = decoded if isinstance(decoded, bytes) else b""
        name = _name(part) or f"part-{number}"
    return Part(name, mime, content)


def _name(part: Message) -> str:
    given = part.get_filename()
    last = re.split(r"[/\\]", _header(given))[-1] if given else ""
    return last.replace("\n", " ").replace("\r", " ").strip().lstrip(".")[:_MAX_NAME]


def _text(part: Message) -> str:
    raw = part.get_payload(decode=True)
    raw = raw if isinstance(raw, bytes) else b""
    charset = str(part.get_content_charset() or "utf-8")
    for name in (charset, "utf-8"):
        try:
            return _clean(raw.decode(name, "replace" if name == "utf-8" else "strict"))
        except (LookupError, ValueError):
            continue
    return ""


def _data(message: Message, texts: dict[str, list[str]]) -> dict[str, Json]:
    headers = {name: _header(message.get(name))[:_MAX_HEADER] for name in _KEPT if message.get(name)}
    sender = _addresses(message, "from") or [{"name": "", "address": ""}]
    return {
        "message_id": _header(message.get("message-id"))[:_MAX_HEADER],
        "subject": _header(message.get("subject"))[:_MAX_HEADER],
        "from": sender[0],
        "to": _addresses(message, "to"),
        "cc": _addresses(message, "cc"),
        "reply_to": _addresses(message, "reply-to"),
        "date": _date(message.get("date")),
        "text": "\n".join(texts["text/plain"])[:MAX_TEXT],
        "html": "\n".join(texts["text/html"])[:MAX_TEXT],
        "headers": headers,
    }


def _addresses(message: Message, header: str) -> list[dict[str, str]]:
    given = [str(value) for value in message.get_all(header, [])]
    found = email.utils.getaddresses(given)[:MAX_ADDRESSES]
    return [
        {"name": _header(name)[:_MAX_NAME], "address": _clean(address)[:320]}
        for name, address in found
        if address
    ]


def _header(value: Any) -> str:
    """A header with its encoded words (``=?utf-8?q?…?=``) written out, on one line."""
    if value is None:
        return ""
    text = str(value)
    try:
        parts = email.header.decode_header(text)
    except (ValueError, email.errors.HeaderParseError):
        parts = [(text, None)]
    pieces: list[str] = []
    for piece, charset in parts:
        if isinstance(piece, str):
            pieces.append(piece)
            continue
        try:
            pieces.append(piece.decode(charset or "utf-8", "replace"))
        except (LookupError, ValueError):
            pieces.append(piece.decode("utf-8", "replace"))
    return " ".join(_clean("".join(pieces)).split())


def _clean(text: str) -> str:
    """Text that can be kept: no NUL, no halves of surrogate pairs."""
    return _CONTROL.sub("", text).encode("utf-8", "replace").decode("utf-8")


def _date(value: Any) -> str | None:
    try:
        moment = email.utils.parsedate_to_datetime(str(value))
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
        return utc_text(moment)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
