"""Email: sent over SMTP; `received` looks for it over IMAP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.headerregistry import Address
from typing import Annotated, Any, Literal, TypedDict

from hookline.sdk import BadInput, ConnectionContext, Context, Example, Field, File, Smtp

from .app import email, mailbox
from .approvals import ask
from .compose import Attachment, compose, message_id, parse_address
from .received import Mailbox, connect_mailbox, received

__all__ = [
    "EmailClient",
    "Mailbox",
    "connect",
    "connect_mailbox",
    "email",
    "mailbox",
    "received",
    "send",
]

Json = Any

MAX_ATTACHMENTS = 25_000_000
"""Bytes of all files together; most servers take about as much."""

SUBJECT_LENGTH = 78


@dataclass(frozen=True, slots=True)
class EmailClient:
    """A mail server, and whom its messages are from."""

    smtp: Smtp
    sender: str

    async def notify(self, ctx: Context, to: str, text: str, files: Sequence[File]) -> Mapping[str, Json]:
        """Send a text and files to one address; the first line is the subject."""
        subject = text.strip().partition("\n")[0][:SUBJECT_LENGTH]
        sent = await _send(ctx, self, to=[to], subject=subject, text=text, files=files, part=f"/notify/{to}")
        return {"message_id": sent["message_id"]}


@email.connection
def connect(
    ctx: ConnectionContext,
    host: Annotated[str, Field("Name of the mail server.", env="SMTP_HOST", examples=["smtp.example.com"])],
    sender: Annotated[
        str,
        Field(
            "Address that messages are from.", env="SMTP_FROM", examples=["Hookline <hookline@example.com>"]
        ),
    ],
    port: Annotated[int, Field("Its port.", minimum=1, maximum=65535)] = 587,
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Field(
            "How the connection is protected.",
            options={
                "starttls": "TLS after a greeting; usually port 587.",
                "tls": "TLS from the first byte; usually port 465.",
                "none": "Not at all; without a password only.",
            },
        ),
    ] = "starttls",
    username: Annotated[str, Field("User name, where the server asks for one.", env="SMTP_USERNAME")] = "",
    password: Annotated[str | None, Field("Password of the user.", secret=True, env="SMTP_PASSWORD")] = None,
) -> EmailClient:
    """Open a client."""
    parse_address(sender, "sender")
    smtp = ctx.smtp(host, port, security=security, username=username, password=password or "")
    return EmailClient(smtp, sender)


email.on_ask(ask)


@email.on_test
async def check_login(client: EmailClient) -> str:
    """Log in, and send nothing."""
    await client.smtp.check()
    return client.sender


class Sent(TypedDict):
    """A message that the server took."""

    message_id: Annotated[str, Field("Its Message-ID.")]
    accepted: Annotated[list[str], Field("Addresses it goes to.")]
    refused: Annotated[dict[str, str], Field("Addresses the server refused, with its reason.")]


@email.action(
    "send",
    effect="at_least_once",
    summary="Mailed {subject}",
    docs="https://www.rfc-editor.org/rfc/rfc5322",
    examples=[
        Example(
            title="A report with a file",
            input={
                "to": ["Ada <ada@example.com>"],
                "subject": "Report of May",
                "text": "It is attached.",
                "files": [{"$file": "artifact:example", "name": "may.pdf", "mime": "application/pdf"}],
            },
        )
    ],
)
async def send(
    ctx: Context,
    to: Annotated[
        list[str],
        Field(
            "Addresses, with or without a name.", examples=[["ada@example.com"]], min_length=1, max_length=100
        ),
    ],
    subject: Annotated[str, Field("What it is about.", max_length=500)],
    text: Annotated[str, Field("The message, as plain text.", multiline=True)],
    html: Annotated[
        str,
        Field("The same as HTML. Values from outside are not escaped in it.", multiline=True, advanced=True),
    ] = "",
    files: Annotated[list[File] | None, Field("Files to attach, up to 25 MB together.")] = None,
    cc: Annotated[
        list[str] | None, Field("Addresses that get a copy.", advanced=True, max_length=100)
    ] = None,
    bcc: Annotated[
        list[str] | None,
        Field("Addresses that get a copy without the others' knowing.", advanced=True, max_length=100),
    ] = None,
    reply_to: Annotated[str | None, Field("Address that answers go to.", advanced=True)] = None,
) -> Sent:
    """Send an email

    SMTP has no way to ask what became of a message. A crash at the wrong moment sends it twice, both
    times with the same Message-ID, by which many mailboxes show it once. A lost answer is not
    repeated: the step ends as unknown.
    """
    return await _send(
        ctx,
        ctx.connection,
        to=to,
        subject=subject,
        text=text,
        html=html,
        files=files or [],
        cc=cc or [],
        bcc=bcc or [],
        reply_to=reply_to,
    )


async def _send(
    ctx: Context,
    client: EmailClient,
    *,
    to: Sequence[str],
    subject: str,
    text: str,
    html: str = "",
    files: Sequence[File] = (),
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    reply_to: str | None = None,
    part: str = "",
) -> Sent:
    sender = parse_address(client.sender, "sender")
    known = {name: _addresses(given, name) for name, given in (("to", to), ("cc", cc), ("bcc", bcc))}
    id = message_id(f"{ctx.run_id}/{ctx.step}{part}", sender.domain)
    message = compose(
        sender=sender,
        to=known["to"],
        cc=known["cc"],
        reply_to=parse_address(reply_to, "/reply_to") if reply_to else None,
        subject=subject,
        text=text,
        html=html,
        attachments=await _attachments(ctx, files),
        date=ctx.now(),
        id=id,
    )
    recipients = list(dict.fromkeys(each.addr_spec for group in known.values() for each in group))
    refused = dict(await client.smtp.send(sender.addr_spec, recipients, message))
    accepted = [each for each in recipients if each not in refused]
    return Sent(message_id=id, accepted=accepted, refused=refused)


def _addresses(given: Sequence[str], name: str) -> list[Address]:
    return [parse_address(text, f"/{name}/{place}") for place, text in enumerate(given)]


async def _attachments(ctx: Context, files: Sequence[File]) -> list[Attachment]:
    found: list[Attachment] = []
    room = MAX_ATTACHMENTS
    for place, file in enumerate(files):
        if file.bytes is not None and file.bytes > room:
            raise BadInput(
                f"/files/{place}: the files have more than 25 MB together", hint="send a link instead"
            )
        content = await ctx.files.read(file, max_bytes=room)
        room -= len(content)
        found.append(Attachment(file.name, file.mime, content))
    return found
