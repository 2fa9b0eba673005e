"""What a component is given: everything that is IO, time or chance comes through here."""

from __future__ import annotations

from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeVar

from .file_stores import FileStore
from .files import File

__all__ = [
    "ConnectionContext",
    "Context",
    "Files",
    "HookAnswered",
    "HookContext",
    "HookEvent",
    "HookRefused",
    "HookReply",
    "HookRequest",
    "Http",
    "Imap",
    "MailFound",
    "MailboxLook",
    "Park",
    "PastOutput",
    "Pause",
    "Poll",
    "Response",
    "SetupContext",
    "SetupStep",
    "Smtp",
    "Streamed",
    "TriggerContext",
    "TriggerEvent",
    "Unreadable",
    "Wake",
    "WatchContext",
]

Json = Any
T = TypeVar("T")

_PIECE = 256 * 1024


class Response(Protocol):
    """An answer of the guarded HTTP client, read in full and capped."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def text(self) -> str: ...

    def json(self) -> Json:
        """The body as strict JSON.

        Raises:
            MalformedOutput: It is not JSON, too deep, or too large.
        """


class Streamed(Protocol):
    """An answer of the guarded HTTP client whose body is still on its way."""

    status: int
    headers: Mapping[str, str]

    def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes, once.

        Raises:
            OutcomeUnknown, Unavailable: It broke off, or the time was over.
            MalformedOutput: It is longer than allowed.
        """


class Http(Protocol):
    """The guarded HTTP client: checked addresses, no redirects, a deadline and a byte cap.

    A credential given when the client was made is attached only to its own origin.
    """

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Json = ...,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        timeout: float | None = None,
        max_bytes: int | None = None,
        follow_redirects: int = 0,
    ) -> Response:
        """Send one request; any status is an answer.

        Args:
            url: Absolute, or a path below the base address the client was made with.
            timeout: Seconds for everything together.
            max_bytes: Largest body accepted.

        Raises:
            RateLimited, Unavailable: Nothing was sent: refused, not resolved, not connected.
            OutcomeUnknown: Sent, but no readable answer came back.
            MalformedOutput: The answer broke HTTP or a cap.
            BadInput: The address is not allowed.
        """

    def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Json = ...,
        timeout: float | None = None,
        max_bytes: int | None = None,
    ) -> AbstractAsyncContextManager[Streamed]:
        """As `request`, for a body that is read while it comes, such as server-sent events.

        The connection is closed on leaving. Redirects are not followed.
        """

    async def download(self, url: str, *, name: str = "", max_bytes: int | None = None) -> File:
        """Copy an address into the artifact store, without any credential for foreign origins."""


class Smtp(Protocol):
    """A mail server: one message, one connection, which is never in the clear with a password."""

    async def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Mapping[str, str]:
        """Hand over a message; returns the recipients that were refused, with the server's reason.

        Args:
            sender, recipients: Bare addresses, of the envelope.
            message: As RFC 5322 wants it, with CRLF.

        Raises:
            Unavailable: Nothing was taken: not connected, or put off.
            OutcomeUnknown: The message was sent, and the server's answer was lost.
            AuthenticationFailed: The password was refused.
            ContentRejected: The server does not want this message.
            NotFound: Not one of the recipients was accepted.
            BadInput: The server cannot do what the connection wants, or refuses the sender.
        """

    async def check(self) -> None:
        """Connect and log in, and send nothing; raises as `send` does."""


@dataclass(frozen=True, slots=True)
class MailFound:
    """A message in a mailbox.

    Attributes:
        uid: Its number in the mailbox, as long as the mailbox's validity stays the same.
        size: In bytes, as the server says.
        received_at: When the server took it in.
        content: The message, or its header when it is not `is_whole`.
        is_gone: It was removed before it could be read.
    """

    uid: int
    size: int
    received_at: datetime
    flags: Sequence[str] = ()
    content: bytes = field(default=b"", repr=False)
    is_whole: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class MailboxLook:
    """What is new in a mailbox.

    Attributes:
        validity: Of the numbers: when it is another one than before, all numbers are new.
        last: The highest number that was gone through.
        more: Whether there is more behind it.
    """

    validity: int
    last: int
    messages: Sequence[MailFound]
    more: bool


class Imap(Protocol):
    """A mailbox server; a password is never sent in the clear."""

    async def look(
        self,
        mailbox: str,
        *,
        validity: int | None,
        after: int,
        limit: int,
        max_bytes: int,
        known: Callable[[MailFound, int], bool] | None = None,
    ) -> MailboxLook:
        """Messages behind a number, the oldest first; nothing is marked or changed.

        Args:
            validity: What the look before gave; None reads nothing and tells where the mailbox ends. When
                it has changed, `after` means nothing any more and the whole mailbox is gone through.
            limit: Most messages.
            max_bytes: Of a larger message only the header is read.
            known: Asked, with the validity, before a message is read; True passes over it.

        Raises:
            Unavailable: The server cannot be reached, or broke off.
            AuthenticationFailed: The password was refused.
            NotFound: There is no such mailbox.
            BadInput, MalformedOutput: The server cannot do what is wanted.
        """

    async def put_away(
        self,
        mailbox: str,
        validity: int,
        uids: Sequence[int],
        what: Literal["seen", "delete", "move"],
        target: str = "",
    ) -> bool:
        """Mark messages as read, delete them, or move them; repeating it does no harm.

        False when the numbers are not valid any more; raises as `look` does.
        """

    async def check(self) -> None:
        """Connect and log in; raises as `look` does."""


class Files(Protocol):
    """The artifact store and everything that connections can read."""

    async def read(self, file: File, *, max_bytes: int | None = None) -> bytes:
        """All bytes, verified against the digest when it is known.

        Raises:
            NotFound: The file is gone.
            BadInput: It is larger than `max_bytes`.
        """

    def stream(self, file: File) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes in pieces, for what may be large."""

    async def save(self, content: bytes | AsyncIterator[bytes], *, name: str, mime: str = "") -> File:
        """Keep bytes in the artifact store; the media type is guessed from the name when empty."""

    async def local_path(self, file: File) -> Path:
        """A readable path of the bytes, for libraries that insist on one. Read-only."""


@dataclass(frozen=True, slots=True)
class Park:
    """Returned by an action that waits: the engine lets go of everything but a row.

    The step is woken by its callback address, or at `until`, whichever comes first, and the
    action's `resume` function goes on from there.

    Attributes:
        reason: For people: what it is waiting for.
        until: When to wake at the latest, if no callback comes.
        data: What `resume` needs to know; JSON, kept in the run's record.
    """

    reason: str
    until: datetime | None = None
    data: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wake:
    """Why a parked action is woken.

    Attributes:
        kind: ``callback`` (somebody posted to the callback address), ``timer`` (`Park.until`
            came), ``recovered`` (the process died while `resume` ran; nothing else is known).
        data: `Park.data` of the park that ends now.
        body: Raw body of the callback.
        headers: Its headers, lower-case names.
    """

    kind: Literal["callback", "timer", "recovered"]
    data: Mapping[str, Json]
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PastOutput:
    """What a step of an earlier run, or of this one, gave.

    Attributes:
        run, workflow, step: Where; `step` is the step's path.
        at: When it was recorded.
        output: As it stands in the history: secrets are masked.
    """

    run: str
    workflow: str
    step: str
    at: datetime
    output: Json


class Context(Protocol):
    """What an action is given.

    Attributes:
        run_id, workflow, step, attempt: Where this call stands; `step` is the step's path.
        idempotency_key: The same whenever this attempt is repeated after a crash, different
            for every other attempt. Send it where the service takes one.
        deadline: When the step's timeout ends it, None without one.
        callback_url: Address that wakes this attempt once it is parked; unguessable. Empty where
            nobody listens: then the action has to look for its result itself.
        connection: The opened client of the action's connection, None without one.
        http: Guarded client without any credential.
        files: The artifact store.
        notes: What earlier calls of this attempt noted, newest value of each key.
        callbacks: What was posted to the callback address so far, oldest first, with the body and headers
            of each: for a look-up, when nobody knows what the attempt has started, and for a settlement.
    """

    run_id: str
    workflow: str
    step: str
    attempt: int
    idempotency_key: str
    deadline: datetime | None
    callback_url: str
    connection: Any
    http: Http
    files: Files
    notes: Mapping[str, Json]
    callbacks: Sequence[Wake]

    def now(self) -> datetime:
        """The time, in UTC."""

    async def note(self, **values: Json) -> None:
        """Keep values with this attempt; they are on disk when this returns."""

    def noted(self, name: str) -> list[Json]:
        """What the other steps of this run have noted under a name, each in its newest attempt."""

    async def open(self, connection: str, *, type: str) -> Any:
        """The opened client of a connection named by the workflow, checked for its type.

        Raises:
            BadInput: There is no such connection, or it has another type.
        """

    async def open_store(self, at: File | str, connection: str = "") -> FileStore:
        """The store that keeps a file: at an address such as ``s3://bucket/key``, or a reference's.

        Args:
            connection: Which connection to it; the reference's own, or the one named after its type
                when empty.

        Raises:
            BadInput: C924: nothing installed keeps such addresses, or a reference must not name them;
                or there is no such connection.
        """

    async def project_file(self, path: str, *, max_bytes: int) -> bytes:
        """A small file that belongs to the project, such as ``policies/comments.json``.

        Only the project's ``policies`` folder and ``prices.json`` can be read, and no link is followed.

        Raises:
            NotFound: There is no such file.
            BadInput: The path leads elsewhere, or the file is larger than `max_bytes`.
        """

    def past_outputs(
        self, is_wanted: Callable[[Json], bool], *, since: datetime, workflow: str = ""
    ) -> AsyncIterator[PastOutput]:
        """Outputs of finished steps of runs that were created at `since` or later, newest run first.

        Args:
            is_wanted: Called with every output, on another thread.
            workflow: Only of this workflow.
        """

    def log(self, message: str, **values: Json) -> None:
        """Add a line to the step's log; secrets are masked."""

    def cost(self, usd: float, *, of: str = "") -> None:
        """Add to the step's cost, an estimate in US dollars.

        It also says that nothing the attempt has started goes on or is still to be paid, until `reserve`
        is called again: an attempt that fails behind it leaves nothing to be stopped or settled. So it is
        worth calling with 0, for what is over and free, or was refused.

        Args:
            of: What it was for, such as the model; ``hookline costs`` adds up by it. The action's name
                when empty.
        """

    async def reserve(self, usd: float, *, of: str = "", firm: bool = False) -> None:
        """Set aside what the thing about to be started may cost at most, in US dollars.

        It counts against every budget until the attempt ends, and is on disk when this returns. A
        second call replaces the first: one attempt starts one thing at a time. What the attempt has
        cost so far is kept with it. Where no budget is set it does nothing.

        Args:
            of: As for `cost`. What this cost at most lately is set aside if that is more.
            firm: It cannot cost more than `usd`; then that is set aside, whatever it cost before.

        Raises:
            OverBudget: There is not enough left; nothing may be started.
        """

    def progress(self, text: str, *, replace: bool = False) -> None:
        """Show text to whoever looks at the step just now, such as a model's words as they come.

        It is no history: nothing is stored, nothing waits for it, and what nobody looks at is
        dropped. Secrets are masked; of a long text the end is shown.

        Args:
            replace: In place of what was shown, not after it.
        """


class WatchContext(Protocol):
    """What `Action.on_watch` is given: enough to look and to show, nothing to change the run with."""

    run_id: str
    step: str
    attempt: int
    connection: Any
    http: Http

    def now(self) -> datetime:
        """The time, in UTC."""

    def progress(self, text: str, *, replace: bool = False) -> None:
        """See `Context.progress`."""


class ConnectionContext(Protocol):
    """What a connection is given when it is opened."""

    name: str

    def http(self, base_url: str, *, headers: Mapping[str, str] | None = None, account: str = "") -> Http:
        """A guarded client for the service at `base_url`.

        The headers are a credential: they go to the origin of `base_url` and nowhere else.
        Only the operator sets `base_url`, so its origin may be private or plain http.

        Args:
            account: Whose limits the requests count for. The headers say it when this is empty; give
                it where they hold a token that is another one every hour.
        """

    def smtp(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
    ) -> Smtp:
        """A mail server. Only the operator sets `host`, so it may be private.

        Raises:
            BadInput: There is a password, and no security.
        """

    def imap(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
    ) -> Imap:
        """A mailbox server. Only the operator sets `host`, so it may be private.

        Raises:
            BadInput: There is a password, and no security.
        """

    def setting(self, name: str, default: str = "") -> str:
        """A setting of the installation, such as an ``HOOKLINE_*`` variable."""

    def now(self) -> datetime:
        """The time, in UTC: for credentials that end."""


@dataclass(frozen=True, slots=True)
class TriggerEvent:
    """Something that happened.

    Attributes:
        key: The event's identity within this trigger: the same key never starts a second run.
        data: The event as expressions see it (``trigger.*``); valid against the output schema.
    """

    key: str
    data: Mapping[str, Json]


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that came in and that nobody can read: kept as a rejected event, to be looked at.

    Attributes:
        key: Its identity; what comes again under it is kept once.
        reason: Why it cannot be read.
        body: What came, cut short where it is large.
    """

    key: str
    reason: str
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Poll:
    """What one look found. Events and cursor are committed together.

    Attributes:
        events: New events; those whose key was seen before are dropped by the engine.
        cursor: Given back at the next look; JSON.
        baseline: Keys to remember as seen without starting anything.
        next_at: When to look again; the trigger's own interval when None.
        skipped: Events that are recorded with a reason and start nothing, as (event, reason).
        unreadable: What is no event and must not be lost; committed with the events.
        acknowledge: Called once everything above is on disk, never before: it tells the source that
            it may forget (deletes messages of a queue). A process that dies before this is given
            the same again, and drops it by its keys; so it may fail, and may happen twice.
        problem: What went wrong while this was found, for people; empty when nothing did.
    """

    events: Sequence[TriggerEvent] = ()
    cursor: Json = None
    baseline: Sequence[str] = ()
    next_at: datetime | None = None
    skipped: Sequence[tuple[TriggerEvent, str]] = ()
    unreadable: Sequence[Unreadable] = ()
    acknowledge: Callable[[], Awaitable[None]] | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Pause:
    """A time during which a schedule starts nothing.

    Attributes:
        until: When it was resumed, None while it is paused.
    """

    since: datetime
    until: datetime | None = None

    def covers(self, moment: datetime) -> bool:
        """Whether what was to happen at this moment does not."""
        return self.since <= moment and (self.until is None or moment < self.until)


class TriggerContext(Protocol):
    """What a polling trigger is given.

    Attributes:
        workflow: The workflow it starts.
        cursor: What the last committed look returned, None at the first.
        interval: Seconds between looks, as the workflow or the trigger says.
        woken: This look was asked for by a request (`Poll.next_at`), and is not the usual one.
        pause: The last time that people paused a trigger that has `ticks`; None when they never did.
    """

    workflow: str
    cursor: Json
    interval: float
    woken: bool
    connection: Any
    http: Http
    files: Files
    pause: Pause | None

    def now(self) -> datetime: ...

    async def open(self, connection: str, *, type: str) -> Any:
        """The opened client of another connection; see `Context.open`.

        Raises:
            BadInput: There is no such connection, or it has another type.
        """

    def seen(self, keys: Iterable[str]) -> set[str]:
        """Which of these keys this trigger has had already."""

    def outcomes(self, keys: Iterable[str]) -> Mapping[str, str]:
        """The status of the run that each of these keys started: ``succeeded``, ``running``, …

        Keys that started none (yet), and those whose run has been forgotten, are left out.
        """


@dataclass(frozen=True, slots=True)
class HookRequest:
    """A request to ``/hooks/<path>``, as it came.

    Attributes:
        body: Raw bytes, read before anything was parsed; empty while they are in `stream`.
        headers: Lower-case names.
        query: Each name's last value.
        stream: A body that is too large to be held in memory, seekable; only triggers that declare
            `streams` are given one.
        stream_bytes: Its size.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    body: bytes
    received_at: datetime
    remote_addr: str = ""
    stream: BinaryIO | None = field(default=None, repr=False)
    stream_bytes: int = 0

    @property
    def size(self) -> int:
        """Bytes of the body, wherever they are."""
        return len(self.body) if self.stream is None else self.stream_bytes

    def pieces(self) -> Iterator[bytes]:
        """The raw body from its beginning, wherever it is; may be asked for again."""
        if self.stream is None:
            yield self.body
            return
        self.stream.seek(0)
        while piece := self.stream.read(_PIECE):
            yield piece

    def in_memory(self) -> HookRequest:
        """The same request with its whole body in `body`."""
        if self.stream is None:
            return self
        return replace(self, body=b"".join(self.pieces()), stream=None, stream_bytes=0)


@dataclass(frozen=True, slots=True)
class HookReply:
    """What a sender is answered that insists on an answer of its own.

    Attributes:
        headers: Further ones; those of the connection and those that protect pages are left out.
    """

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HookEvent:
    """An accepted request.

    Attributes:
        data: The event.
        key: Its identity; ``""`` when the sender gives none (every request is an event then).
        also: What only a copy of the very request shares with it, such as the digest of what was signed:
            had before under another `key`, it is a repetition.
        answer: Sent once the event is stored, and for a repetition too; None for the usual document.
        skip: Why the event is only recorded and starts nothing; ``""`` when it starts a run.
    """

    data: Mapping[str, Json]
    key: str = ""
    answer: HookReply | None = None
    skip: str = ""
    also: str = ""


@dataclass(frozen=True, slots=True)
class HookAnswered:
    """Returned in place of a `HookEvent` by a request that is no event: answered, and not recorded.

    A sender that asks whether the address is ours (Slack's ``url_verification``) is answered so.
    """

    answer: HookReply


class HookRefused(Exception):
    """The request is refused: recorded with its reason, and nothing runs.

    Args:
        status: HTTP status of the answer: 400, 401, 405, 413, 415, 422, 429.
        reason: Kept with the event and shown to the operator, not to the sender.
        code: A stable code.
        retry_after: Seconds after which the sender may come again; None to say nothing.
    """

    def __init__(self, status: int, reason: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.code = code
        self.retry_after = retry_after


class HookContext(Protocol):
    """What a webhook trigger is given. It runs on a thread of the server."""

    workflow: str
    connection: Any
    http: Http
    files: Files

    def ask(self, coroutine: Coroutine[Any, Any, T], *, timeout: float) -> T:
        """Run a coroutine on the engine's loop, and wait for what it gives.

        The sender waits too. For what a request cannot be judged without: a certificate.

        Args:
            timeout: Seconds.

        Raises:
            Unavailable: It took longer.
        """

    def save_file(self, content: bytes | BinaryIO, *, name: str, mime: str) -> File:
        """Keep an uploaded part; its name is made by the server, `name` is only remembered.

        Args:
            content: Bytes, or a file to be read from where it stands to its end.
        """

    def take_turn(self, count: int, seconds: float) -> float:
        """Count a request against a rate; 0 when there is room, else the seconds until there is.

        Args:
            count, seconds: So many at once, and then evenly so many in that time.
        """

    def now(self) -> datetime: ...


@dataclass(frozen=True, slots=True)
class SetupStep:
    """One thing that has to be there elsewhere for a trigger to be told of anything.

    Attributes:
        title: What it is, for people: ``queue hookline-uploads``.
        document: How it has to be, in the outside service's own terms.
        state: ``missing``, ``present``, or ``unknown`` when nobody was asked.
        apply: Makes it, and says what was done; None when only a person can.
    """

    title: str
    document: Json
    state: Literal["missing", "present", "unknown"] = "unknown"
    apply: Callable[[], Awaitable[str]] | None = None


class SetupContext(Protocol):
    """What a trigger's setup is given.

    Attributes:
        look: Whether the outside may be asked what is there already.
        options: What the person said beyond the workflow: ``{"queue": "name"}``.
    """

    workflow: str
    connection: Any
    look: bool
    options: Mapping[str, str]


Clock = Callable[[], datetime]
