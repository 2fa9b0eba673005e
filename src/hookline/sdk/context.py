"""What the code of actions and connections is given: all IO, time and chance come through here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from .clients import Files, Http, Imap, Smtp
from .file_stores import FileStore
from .files import File

__all__ = [
    "ConnectionContext",
    "Context",
    "Park",
    "PastOutput",
    "Wake",
    "WatchContext",
]

Json = Any


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
