"""Start a workflow for every message that arrives in a mailbox."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from hookline.sdk import (
    BadInput,
    ConnectionContext,
    Field,
    File,
    Imap,
    MailFound,
    Poll,
    TriggerContext,
    TriggerEvent,
    Unreadable,
    parse_size,
)

from .app import email, mailbox
from .reading import Letter, read_letter, utc_text
from .reading import Unreadable as UnreadableLetter

__all__ = ["Mailbox", "connect_mailbox", "received"]

Json = Any

MAX_EVENTS = 20
"""Messages of one look; the next one goes on at once."""

MAX_TAKEN = 5_000
"""Messages whose runs are waited for at the same time, to be marked, moved or deleted."""

NO_RUN = timedelta(days=1)
"""How long a message that started no run is waited for."""

OVERLAP = timedelta(days=1)
"""When all numbers of a mailbox are new: how long before the last look a message may have come and be new."""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox server and whose it is."""

    imap: Imap
    username: str


@mailbox.connection
def connect_mailbox(
    ctx: ConnectionContext,
    host: Annotated[str, Field("Name of the IMAP server.", env="IMAP_HOST", examples=["imap.example.com"])],
    port: Annotated[int, Field("Its port.", minimum=1, maximum=65535)] = 993,
    security: Annotated[
        Literal["tls", "starttls", "none"],
        Field(
            "How the connection is protected.",
            options={
                "tls": "TLS from the first byte; usually port 993.",
                "starttls": "TLS after a greeting; usually port 143.",
                "none": "Not at all; without a password only.",
            },
        ),
    ] = "tls",
    username: Annotated[str, Field("User name.", env="IMAP_USERNAME")] = "",
    password: Annotated[
        str | None,
        Field(
            "Password of the user; many providers want one made for programs.",
            secret=True,
            env="IMAP_PASSWORD",
        ),
    ] = None,
) -> Mailbox:
    """Look into a mailbox."""
    imap = ctx.imap(host, port, security=security, username=username, password=password or "")
    return Mailbox(imap, username)


@mailbox.on_test
async def check_mailbox(client: Mailbox) -> str:
    """Log in, and look at nothing."""
    await client.imap.check()
    return client.username or "the mailbox server"


_PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "address": {"type": "string"}},
    "required": ["name", "address"],
    "additionalProperties": False,
}
_PEOPLE: dict[str, Any] = {"type": "array", "items": _PERSON}

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "message_id": {"type": "string", "description": "As its sender says; empty when it says nothing."},
        "mailbox": {"type": "string"},
        "uid": {"type": "integer", "description": "Its number in the mailbox."},
        "subject": {"type": "string"},
        "from": {**_PERSON, "description": "As the message says; anybody can write anything there."},
        "to": _PEOPLE,
        "cc": _PEOPLE,
        "reply_to": _PEOPLE,
        "date": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "As the message says, in UTC.",
        },
        "received_at": {
            "type": "string",
            "format": "date-time",
            "description": "By the server's clock, in UTC.",
        },
        "text": {"type": "string", "description": "The plain text; empty when there is only HTML."},
        "html": {"type": "string", "description": "The HTML, as it came."},
        "headers": {
            "type": "object",
            "description": "A few more, in lower case: list-id, in-reply-to, references, auto-submitted, …",
            "additionalProperties": {"type": "string"},
        },
        "attachments": {"type": "array", "items": File.schema()},
        "bytes": {"type": "integer", "description": "Size of the whole message."},
    },
    "required": [
        *("message_id", "mailbox", "uid", "subject", "from", "to", "cc", "reply_to", "date", "received_at"),
        *("text", "html", "headers", "attachments", "bytes"),
    ],
    "additionalProperties": False,
}


@email.trigger(
    "received",
    kind="poll",
    connection="mailbox",
    interval=60.0,
    output=_EVENT,
    docs="https://www.rfc-editor.org/rfc/rfc3501",
    sample={
        "message_id": "<17@example.com>",
        "mailbox": "INBOX",
        "uid": 17,
        "subject": "Invoice of May",
        "from": {"name": "Ada", "address": "ada@example.com"},
        "to": [{"name": "", "address": "invoices@example.com"}],
        "cc": [],
        "reply_to": [],
        "date": "2026-03-02T08:00:00Z",
        "received_at": "2026-03-02T08:00:02Z",
        "text": "It is attached.",
        "html": "",
        "headers": {"return-path": "<ada@example.com>"},
        "attachments": [
            {
                "$file": "artifact:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                "name": "may.pdf",
                "mime": "application/pdf",
                "bytes": 183204,
                "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
            }
        ],
        "bytes": 251000,
    },
)
async def received(
    ctx: TriggerContext,
    folder: Annotated[
        str, Field("The mailbox that is looked into.", max_length=200, examples=["INBOX", "Invoices"])
    ] = "INBOX",
    max_bytes: Annotated[
        int | str,
        Field(
            "Largest message; of a larger one only the header is recorded.", format="size", examples=["10MB"]
        ),
    ] = "25MB",
    after: Annotated[
        Literal["keep", "seen", "move", "delete"],
        Field(
            "What becomes of a message once its run has succeeded.",
            options={
                "keep": "Nothing: it is not even marked as read.",
                "seen": "It is marked as read.",
                "move": "It is moved to move_to.",
                "delete": "It is deleted.",
            },
        ),
    ] = "keep",
    move_to: Annotated[str, Field("A mailbox that exists.", max_length=200, examples=["Done"])] = "",
    start_from: Annotated[
        Literal["now", "all"],
        Field(
            "What becomes of messages that are there already at the first look.",
            options={"now": "They start nothing.", "all": "Each of them starts a run."},
        ),
    ] = "now",
    interval: Annotated[
        str, Field("Time between two looks; 1m when left out.", format="duration", advanced=True)
    ] = "",
) -> Poll:
    """Email received.

    Starts a run for every message that arrives in a mailbox. Attachments go to the artifact store. Nothing
    is marked, moved or deleted unless `after` says so. Senders are whoever they say they are: a message
    proves nothing.
    """
    if after == "move" and not move_to:
        raise BadInput("after: move needs move_to", hint='write "move_to": "Done"')
    client: Mailbox = ctx.connection
    before = _State.read(ctx.cursor)
    taken, problem = await _put_away(ctx, client.imap, folder, before, after, move_to)
    if before.validity is None and start_from == "now":
        first = await client.imap.look(folder, validity=None, after=0, limit=0, max_bytes=0)
        return Poll(cursor=_State(first.validity, first.last, utc_text(ctx.now())).to_json())
    look = await client.imap.look(
        folder,
        validity=before.validity if before.validity is not None else 0,
        after=before.last,
        limit=MAX_EVENTS,
        max_bytes=parse_size(max_bytes, name="max_bytes"),
        known=before.knows,
    )
    is_renumbered = before.is_renumbered(look.validity)
    events: list[TriggerEvent] = []
    skipped: list[tuple[TriggerEvent, str]] = []
    unreadable: list[Unreadable] = []
    traces: list[str] = []
    for found in look.messages:
        if found.is_gone:
            continue
        key = f"{look.validity}:{found.uid}"
        traces.append(f"content:{hashlib.sha256(found.content).hexdigest()}")
        # With new numbers, a message that was had is known by its content.
        if is_renumbered and ctx.seen(traces[-1:]):
            continue
        try:
            letter = read_letter(found.content)
        except UnreadableLetter as error:
            unreadable.append(Unreadable(key, str(error), found.content))
            continue
        if not found.is_whole:
            data = _event(folder, found, letter, [])
            skipped.append((TriggerEvent(key, data), f"it has {found.size} bytes, more than max_bytes"))
            continue
        files = [await ctx.files.save(part.content, name=part.name, mime=part.mime) for part in letter.parts]
        events.append(TriggerEvent(key, _event(folder, found, letter, files)))
        if after != "keep":
            taken[key] = utc_text(ctx.now())
    state = _State(
        validity=look.validity,
        last=look.last,
        at=utc_text(ctx.now()),
        since=(before.since or before.at) if is_renumbered and look.more else "",
        taken={key: at for key, at in taken.items() if key.startswith(f"{look.validity}:")},
    )
    return Poll(
        events=events,
        skipped=skipped,
        unreadable=unreadable,
        baseline=list(dict.fromkeys(traces)),
        cursor=state.to_json(),
        next_at=ctx.now() if look.more else None,
        problem=problem,
    )


@dataclass(frozen=True, slots=True)
class _State:
    """Where the last look ended.

    Attributes:
        validity, last: Of the numbers, and the highest of them.
        at: When that was.
        since: While a mailbox that has new numbers is gone through: when it was looked at before.
        taken: Messages whose runs are waited for, and since when.
    """

    validity: int | None = None
    last: int = 0
    at: str = ""
    since: str = ""
    taken: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, cursor: Json) -> _State:
        if cursor is None:
            return cls()
        try:
            since, taken = str(cursor.get("since", "")), dict(cursor.get("taken", {}))
            return cls(int(cursor["validity"]), int(cursor["last"]), str(cursor["at"]), since, taken)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise BadInput("the trigger's cursor cannot be read", hint="reset the trigger") from error

    def to_json(self) -> Json:
        taken = dict(list(self.taken.items())[-MAX_TAKEN:])
        more = {name: value for name, value in (("since", self.since), ("taken", taken)) if value}
        return {"validity": self.validity, "last": self.last, "at": self.at, **more}

    def is_renumbered(self, validity: int) -> bool:
        return bool(self.since) or self.validity not in (None, validity)

    def knows(self, found: MailFound, validity: int) -> bool:
        """Whether a message with a new number came so long before the last look that it was had then."""
        if not self.is_renumbered(validity):
            return False
        return found.received_at < datetime.fromisoformat(self.since or self.at) - OVERLAP


async def _put_away(
    ctx: TriggerContext, imap: Imap, folder: str, before: _State, after: str, target: str
) -> tuple[dict[str, str], str]:
    """Messages whose runs are not over, after those whose runs have succeeded were put away."""
    if after == "keep" or not before.taken or before.validity is None:
        return {}, ""
    outcomes = ctx.outcomes(before.taken)
    done = [key for key in before.taken if outcomes.get(key) == "succeeded"]
    left = {
        key: at
        for key, at in before.taken.items()
        if key not in done and (key in outcomes or ctx.now() - datetime.fromisoformat(at) < NO_RUN)
    }
    if not done:
        return left, ""
    uids = [int(key.partition(":")[2]) for key in done]
    what: Any = after
    try:
        await imap.put_away(folder, before.validity, uids, what, target)
    except BadInput as error:
        # It is tried again at the next look; new messages are looked for all the same.
        return {**{key: before.taken[key] for key in done}, **left}, error.message
    return left, ""


def _event(folder: str, found: MailFound, letter: Letter, files: Sequence[File]) -> dict[str, Json]:
    return {
        **letter.data,
        "mailbox": folder,
        "uid": found.uid,
        "received_at": utc_text(found.received_at),
        "attachments": [file.to_json() for file in files],
        "bytes": found.size,
    }
