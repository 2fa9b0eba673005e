"""A message as RFC 5322 wants it, out of values that may come from outside.

No value can add a header or a recipient: line breaks become spaces, and an address is one address.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime

from hookline.sdk import BadInput

__all__ = ["Attachment", "compose", "message_id", "parse_address"]

_DOMAIN = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?", re.ASCII)
_ADDRESS = re.compile(r'(?:"?([^"<>\r\n]*?)"? *<([^<>\s]+)>|([^<>\s]+))')
_LOCAL = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file with its bytes."""

    name: str
    mime: str
    content: bytes


def parse_address(text: str, where: str) -> Address:
    """One address, with or without a name: ``Ada <ada@example.com>``.

    Raises:
        BadInput: It is none, or more than one.
    """
    found = _ADDRESS.fullmatch(text)
    name, address = (found[1] or "", found[2] or found[3]) if found else ("", "")
    local, _, domain = address.rpartition("@")
    try:
        domain = domain.encode("idna").decode("ascii")
    except UnicodeError:
        domain = ""
    if not _LOCAL.fullmatch(local) or not _DOMAIN.fullmatch(domain):
        raise BadInput(f"{where}: {text[:100]!r} is not one email address", hint="write ada@example.com")
    return Address(display_name=_line(name), username=local, domain=domain)


def message_id(key: str, domain: str) -> str:
    """The same for every try to send one message, so that mailboxes can tell a repetition."""
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:32]}@{domain}>"


def compose(
    *,
    sender: Address,
    to: Sequence[Address],
    cc: Sequence[Address],
    reply_to: Address | None,
    subject: str,
    text: str,
    html: str,
    attachments: Sequence[Attachment],
    date: datetime,
    id: str,
) -> bytes:
    """The message's bytes."""
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = tuple(to)
    if cc:
        message["Cc"] = tuple(cc)
    if reply_to is not None:
        message["Reply-To"] = reply_to
    message["Subject"] = _line(subject)
    message["Date"] = format_datetime(date)
    message["Message-ID"] = id
    # RFC 3834: vacation programs do not answer a program.
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(_storable(text))
    if html:
        message.add_alternative(_storable(html), subtype="html")
    for each in attachments:
        main, _, sub = each.mime.partition("/")
        if not sub or main in ("multipart", "message"):
            main, sub = "application", "octet-stream"
        message.add_attachment(each.content, maintype=main, subtype=sub, filename=_line(each.name) or "file")
    return message.as_bytes()


def _line(text: str) -> str:
    return " ".join("".join(char if char.isprintable() else " " for char in _storable(text)).split())


def _storable(text: str) -> str:
    return text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}")
