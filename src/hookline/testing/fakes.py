"""In-memory stand-ins for everything a component is given.

::

    ctx = FakeContext(answers=[Recorded(json={"ok": True}, expect="POST /api/chat.postMessage")])
    open_connection(slack.connection_type, ctx, token="xoxb-test")
    output = asyncio.run(run_action(post_message, {"channel": "#art", "text": "hello"}, ctx))
    assert ctx.requests[0].json == {"channel": "#art", "text": "hello"}
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import mimetypes
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeVar
from urllib.parse import urlsplit

from hookline.sdk import (
    Action,
    AlreadyExists,
    BadInput,
    ConnectionContext,
    ConnectionType,
    Context,
    File,
    FilePage,
    Files,
    FileStore,
    HookContext,
    HookEvent,
    HookRequest,
    Http,
    IfExists,
    ListedFile,
    NotFound,
    OverBudget,
    PastOutput,
    Pause,
    Poll,
    Recorded,
    Trigger,
    TriggerContext,
    Wake,
    Writing,
)

from .fake_http import Exchange, FakeHttp, FakeResponse, SentRequest
from .fake_imap import FakeImap
from .fake_smtp import FakeSmtp

__all__ = [
    "Exchange",
    "FakeClock",
    "FakeConnectionContext",
    "FakeContext",
    "FakeFiles",
    "FakeHookContext",
    "FakeHttp",
    "FakeImap",
    "FakeObjectStore",
    "FakeResponse",
    "FakeSmtp",
    "FakeTriggerContext",
    "SentRequest",
    "open_connection",
    "run_action",
    "run_trigger",
]

Json = Any
T = TypeVar("T")
_START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
_PIECE = 64 * 1024


class FakeClock:
    """A clock that stands still until `advance`."""

    def __init__(self, start: datetime = _START) -> None:
        self._now = start

    def now(self) -> datetime:
        """The time, in UTC."""
        return self._now

    def advance(self, seconds: float) -> datetime:
        """Move on; returns the new time."""
        self._now += timedelta(seconds=seconds)
        return self._now


class FakeFiles:
    """An artifact store in memory; satisfies `hookline.sdk.Files`.

    Args:
        folder: Where `local_path` puts bytes; a temporary folder when None.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._content: dict[str, bytes] = {}
        self._folder = folder
        self._temporary: tempfile.TemporaryDirectory[str] | None = None

    def put(self, content: bytes, *, name: str = "file", mime: str = "", uri: str = "") -> File:
        """Keep bytes, under an address of your own if you like."""
        digest = hashlib.sha256(content).hexdigest()
        uri = uri or f"artifact:{digest}"
        self._content[uri] = content
        guessed = mime or mimetypes.guess_type(name)[0] or "application/octet-stream"
        return File(uri, name=name, mime=guessed, bytes=len(content), sha256=digest)

    def content(self, file: File) -> bytes:
        """The bytes, without any limit."""
        if file.uri not in self._content:
            raise NotFound(f"there is no file {file.uri}")
        return self._content[file.uri]

    def __contains__(self, uri: object) -> bool:
        return uri in self._content

    async def read(self, file: File, *, max_bytes: int | None = None) -> bytes:
        content = self.content(file)
        if max_bytes is not None and len(content) > max_bytes:
            raise BadInput(f"{file.name} is larger than {max_bytes} bytes")
        return content

    def stream(self, file: File) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return _pieces(self.content(file))

    async def save(self, content: bytes | AsyncIterator[bytes], *, name: str, mime: str = "") -> File:
        return self.put(await _joined(content), name=name, mime=mime)

    async def local_path(self, file: File) -> Path:
        if self._folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="hookline-files-")
            self._folder = Path(self._temporary.name)
        content = self.content(file)
        path = self._folder / f"{hashlib.sha256(content).hexdigest()}{Path(file.name).suffix}"
        # Written once: somebody else may be reading it.
        if not path.exists():
            path.write_bytes(content)
        return path

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        if self._temporary is not None:
            self._temporary.cleanup()
            self._temporary = self._folder = None


class FakeObjectStore:
    """A store such as S3 in memory; satisfies `hookline.sdk.FileStore`, `CopiesFiles`, `PresignsFiles`.

    Attributes:
        objects: Bytes by address, for example ``s3://bucket/key``.
        metadata: What was written along, by address.
        copies: How many were copied within the store.
    """

    def __init__(self, objects: Mapping[str, bytes] | None = None) -> None:
        self.objects = dict(objects or {})
        self.metadata: dict[str, Mapping[str, str]] = {}
        self.copies = 0
        self._mimes: dict[str, str] = {}
        self._keys: dict[str, str] = {}

    async def stat(self, uri: str) -> File:
        """What is known about an object, without its bytes."""
        content = self._get(uri)
        name = urlsplit(uri).path.rpartition("/")[2] or "file"
        mime = self._mimes.get(uri) or mimetypes.guess_type(name)[0] or "application/octet-stream"
        etag = hashlib.md5(content, usedforsecurity=False).hexdigest()
        return File(uri, name=name, mime=mime, bytes=len(content), etag=etag)

    def stream(self, uri: str) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The bytes in pieces."""
        return _pieces(self._get(uri))

    async def write(
        self,
        uri: str,
        source: AsyncIterator[bytes] | bytes,
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        size: int | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Write an object."""
        writing = writing or Writing()
        if if_exists == "fail":
            self._refuse_another(uri, writing)
        content = await _joined(source)
        if if_exists == "fail":
            self._refuse_another(uri, writing)
        self.objects[uri] = content
        self.metadata[uri] = dict(metadata or {})
        self._mimes[uri] = mime
        self._keys[uri] = writing.key
        return await self.stat(uri)

    def _refuse_another(self, uri: str, writing: Writing) -> None:
        is_own = bool(writing.key) and self._keys.get(uri) == writing.key
        if uri in self.objects and not is_own:
            raise AlreadyExists(f"there is an object {uri}")

    async def copy(
        self,
        source: str,
        target: str,
        *,
        mime: str = "",
        metadata: Mapping[str, str] | None = None,
        if_exists: IfExists = "overwrite",
        writing: Writing | None = None,
    ) -> File:
        """Copy an object, and count that it was."""
        found = await self.stat(source)
        properties = {**self.metadata.get(source, {}), **(metadata or {})}
        self.copies += 1
        return await self.write(
            target,
            self._get(source),
            mime=mime or found.mime,
            metadata=properties,
            if_exists=if_exists,
            writing=writing,
        )

    async def delete(self, uri: str) -> None:
        """Delete an object, if there is one."""
        for table in (self.objects, self.metadata, self._mimes, self._keys):
            table.pop(uri, None)

    async def list_files(
        self, uri: str, *, recursive: bool = True, token: str = "", limit: int = 1000
    ) -> FilePage:
        """One page of a folder, in the order of the addresses."""
        folder = uri if uri.endswith("/") else f"{uri}/"
        found = sorted(
            each
            for each in self.objects
            if each.startswith(folder) and each > token and (recursive or "/" not in each[len(folder) :])
        )
        files = [ListedFile(await self.stat(each), _START) for each in found[:limit]]
        return FilePage(tuple(files), found[limit - 1] if len(found) > limit else "")

    async def presign(self, uri: str, expires: float, *, version_id: str = "", method: str = "GET") -> str:
        """An address that would be readable without a credential."""
        if expires > 604_800 or method not in ("GET", "PUT"):
            raise BadInput(f"no address for {method} that lives for {expires:g} s")
        return f"https://store.example/{uri.partition('://')[2]}?expires={expires:g}"

    def _get(self, uri: str) -> bytes:
        if uri not in self.objects:
            raise NotFound(f"there is no object {uri}")
        return self.objects[uri]


@asynccontextmanager
async def _pieces(content: bytes) -> AsyncIterator[AsyncIterator[bytes]]:
    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), _PIECE):
            yield content[start : start + _PIECE]

    yield pieces()


async def _joined(content: bytes | AsyncIterator[bytes]) -> bytes:
    if isinstance(content, bytes):
        return content
    return b"".join([piece async for piece in content])


class FakeConnectionContext:
    """What a connection is given when it is opened; satisfies `hookline.sdk.ConnectionContext`."""

    def __init__(
        self,
        name: str = "test",
        *,
        exchange: Exchange | None = None,
        files: FakeFiles | None = None,
        settings: Mapping[str, str] | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.name = name
        self._clock = clock or FakeClock()
        self._exchange = exchange if exchange is not None else Exchange()
        self._files = files
        self._settings = dict(settings or {})

    def http(self, base_url: str, *, headers: Mapping[str, str] | None = None, account: str = "") -> FakeHttp:
        return FakeHttp(base_url=base_url, headers=headers, files=self._files, exchange=self._exchange)

    def smtp(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
    ) -> FakeSmtp:
        return FakeSmtp()

    def imap(
        self,
        host: str,
        port: int,
        *,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
    ) -> FakeImap:
        return FakeImap()

    def setting(self, name: str, default: str = "") -> str:
        return self._settings.get(name, default)

    def now(self) -> datetime:
        return self._clock.now()


class FakeContext:
    """What an action is given; satisfies `hookline.sdk.Context`.

    Args:
        answers: What services answer, in order, whichever client asks.
        connection: The opened client of the action's connection; see `open_connection`.
        connections: Clients that `open` finds, by name; a name is its own type unless `types`
            says otherwise.
        schemes: Connection type of each address scheme that is not a type's own name.
        settings: Settings of the installation, for connections that ask for them.
        project_files: Files of the project, by path.
        past: What steps of earlier runs gave.
        budget: US dollars that may be spent in all; None for any amount.

    Attributes:
        logged: Lines of the log, as (message, values).
        usd: Sum of the costs reported.
        shown: What the step shows just now.
        charged: The costs reported, as (what for, US dollars).
        reserved: What was set aside, in the same form.
        owes: Whether something may go on, or be still to be paid, should the attempt fail now.
    """

    def __init__(
        self,
        *,
        answers: Iterable[Recorded | Exception] = (),
        connection: Any = None,
        connections: Mapping[str, Any] | None = None,
        types: Mapping[str, str] | None = None,
        schemes: Mapping[str, str] | None = None,
        files: FakeFiles | None = None,
        clock: FakeClock | None = None,
        settings: Mapping[str, str] | None = None,
        attempt: int = 1,
        deadline: datetime | None = None,
        project_files: Mapping[str, bytes] | None = None,
        past: Iterable[PastOutput] = (),
        budget: float | None = None,
    ) -> None:
        self.run_id = "run_test"
        self.workflow = "test"
        self.step = "steps[0]"
        self.attempt = attempt
        self.idempotency_key = f"run_test/steps[0]/{attempt}"
        self.deadline = deadline
        self.callback_url = "https://hookline.example/callbacks/token"
        self.clock = clock or FakeClock()
        self.fake_files = files or FakeFiles()
        self.files: Files = self.fake_files
        self.exchange = Exchange(answers)
        self.http: Http = FakeHttp(files=self.fake_files, exchange=self.exchange)
        self.connection = connection
        self.connections = dict(connections or {})
        self.types = dict(types or {})
        self.schemes = {"file": "local_files", **(schemes or {})}
        self.settings = dict(settings or {})
        self.project_files = dict(project_files or {})
        self.past = list(past)
        self.notes: Mapping[str, Json] = {}
        self.other_notes: list[Mapping[str, Json]] = []
        self.callbacks: Sequence[Wake] = ()
        self.logged: list[tuple[str, dict[str, Json]]] = []
        self.usd = 0.0
        self.shown = ""
        self.charged: list[tuple[str, float]] = []
        self.reserved: list[tuple[str, float]] = []
        self.owes = True
        self.budget = budget

    @property
    def requests(self) -> list[SentRequest]:
        """Every request sent, through whichever client."""
        return self.exchange.requests

    def now(self) -> datetime:
        return self.clock.now()

    async def note(self, **values: Json) -> None:
        self.notes = {**self.notes, **values}

    def noted(self, name: str) -> list[Json]:
        return [notes[name] for notes in self.other_notes if name in notes]

    async def open(self, connection: str, *, type: str) -> Any:
        if connection not in self.connections:
            raise BadInput(f"there is no connection {connection!r}")
        if self.types.get(connection, connection) != type:
            raise BadInput(f"the connection {connection!r} is not of the type {type!r}")
        return self.connections[connection]

    async def open_store(self, at: File | str, connection: str = "") -> FileStore:
        uri = at.uri if isinstance(at, File) else at
        scheme, colon, _ = uri.partition(":")
        kind = self.schemes.get(scheme, scheme)
        if not colon or kind in ("http", "https", "artifact", "data"):
            raise BadInput(f"nothing keeps files at {uri!r}", code="C924")
        if isinstance(at, File):
            if kind == "local_files":
                raise BadInput(f"a file reference cannot name {uri!r}", code="C924")
            connection = connection or at.connection or ""
        store: FileStore = await self.open(connection or kind, type=kind)
        return store

    async def project_file(self, path: str, *, max_bytes: int) -> bytes:
        if path not in self.project_files:
            raise NotFound(f"the project has no file {path}")
        if len(self.project_files[path]) > max_bytes:
            raise BadInput(f"{path} is larger than {max_bytes} bytes")
        return self.project_files[path]

    async def past_outputs(
        self, is_wanted: Callable[[Json], bool], *, since: datetime, workflow: str = ""
    ) -> AsyncIterator[PastOutput]:
        for each in self.past:
            if each.at >= since and workflow in ("", each.workflow) and is_wanted(each.output):
                yield each

    def log(self, message: str, **values: Json) -> None:
        self.logged.append((message, values))

    def cost(self, usd: float, *, of: str = "") -> None:
        self.owes = False
        if usd:
            self.usd += usd
            self.charged.append((of, usd))

    async def reserve(self, usd: float, *, of: str = "", firm: bool = False) -> None:
        self.owes = True
        self.reserved.append((of, usd))
        if self.budget is not None and self.usd + usd > self.budget:
            raise OverBudget(
                f"{of} may cost {usd:g} USD, and {self.budget - self.usd:g} USD are left", fallback=True
            )

    def progress(self, text: str, *, replace: bool = False) -> None:
        self.shown = text if replace else self.shown + text

    def connection_context(self, name: str = "test") -> FakeConnectionContext:
        """A context for opening a connection whose requests this context answers."""
        return FakeConnectionContext(
            name, exchange=self.exchange, files=self.fake_files, settings=self.settings, clock=self.clock
        )


class FakeTriggerContext:
    """What a polling trigger is given; satisfies `hookline.sdk.TriggerContext`.

    After a look, hand its result to `commit` to be given its cursor and keys at the next one.

    Attributes:
        statuses: Of runs, by the keys that started them; see `outcomes`.
    """

    def __init__(
        self,
        *,
        cursor: Json = None,
        interval: float = 60.0,
        connection: Any = None,
        answers: Iterable[Recorded | Exception] = (),
        files: FakeFiles | None = None,
        clock: FakeClock | None = None,
        settings: Mapping[str, str] | None = None,
        connections: Mapping[str, Any] | None = None,
    ) -> None:
        self.workflow = "test"
        self.cursor = cursor
        self.interval = interval
        self.woken = False
        self.connection = connection
        self.connections = dict(connections or {})
        self.clock = clock or FakeClock()
        self.fake_files = files or FakeFiles()
        self.files: Files = self.fake_files
        self.exchange = Exchange(answers)
        self.http: Http = FakeHttp(files=self.fake_files, exchange=self.exchange)
        self.settings = dict(settings or {})
        self.keys: set[str] = set()
        self.pause: Pause | None = None
        self.statuses: dict[str, str] = {}

    @property
    def requests(self) -> list[SentRequest]:
        """Every request sent."""
        return self.exchange.requests

    def now(self) -> datetime:
        return self.clock.now()

    def seen(self, keys: Iterable[str]) -> set[str]:
        return self.keys & set(keys)

    def outcomes(self, keys: Iterable[str]) -> Mapping[str, str]:
        return {key: self.statuses[key] for key in keys if key in self.statuses}

    async def open(self, connection: str, *, type: str) -> Any:
        if connection not in self.connections:
            raise BadInput(f"there is no connection {connection!r}", code="C920")
        return self.connections[connection]

    def commit(self, poll: Poll) -> list[str]:
        """What the engine does with a look; returns the keys that start a run."""
        fresh = [event.key for event in poll.events if event.key not in self.keys]
        left = (*(event.key for event, _ in poll.skipped), *(each.key for each in poll.unreadable))
        self.keys |= {*fresh, *poll.baseline, *left}
        self.cursor = poll.cursor
        return list(dict.fromkeys(fresh))

    def connection_context(self, name: str = "test") -> FakeConnectionContext:
        """A context for opening a connection whose requests this context answers."""
        return FakeConnectionContext(
            name, exchange=self.exchange, files=self.fake_files, settings=self.settings, clock=self.clock
        )


class FakeHookContext:
    """What a webhook trigger is given; satisfies `hookline.sdk.HookContext`.

    Attributes:
        wait: What `take_turn` gives: seconds until there is room, 0 when there is.
        turns: The rates it was asked for.
    """

    def __init__(
        self,
        *,
        connection: Any = None,
        answers: Iterable[Recorded | Exception] = (),
        files: FakeFiles | None = None,
        clock: FakeClock | None = None,
    ) -> None:
        self.workflow = "test"
        self.connection = connection
        self.clock = clock or FakeClock()
        self.fake_files = files or FakeFiles()
        self.files: Files = self.fake_files
        self.wait = 0.0
        self.turns: list[tuple[int, float]] = []
        self.exchange = Exchange(answers)
        self.http: Http = FakeHttp(files=self.fake_files, exchange=self.exchange)

    @property
    def requests(self) -> list[SentRequest]:
        """Every request sent."""
        return self.exchange.requests

    def take_turn(self, count: int, seconds: float) -> float:
        self.turns.append((count, seconds))
        return self.wait

    def ask(self, coroutine: Coroutine[Any, Any, T], *, timeout: float) -> T:
        return asyncio.run(coroutine)

    def save_file(self, content: bytes | BinaryIO, *, name: str, mime: str) -> File:
        whole = content if isinstance(content, bytes) else content.read()
        return replace(self.fake_files.put(whole, name=name, mime=mime), name=name)

    def now(self) -> datetime:
        return self.clock.now()


def open_connection(
    connection_type: ConnectionType | None, ctx: FakeContext | FakeTriggerContext, **fields: Json
) -> Any:
    """Open a connection so that `ctx` answers its requests, and make it the context's own."""
    if connection_type is None:
        raise BadInput("the connector declares no connection")
    ctx.connection = connection_type.open(ctx.connection_context(connection_type.name), **fields)
    return ctx.connection


async def run_action(action: Action, input: Mapping[str, Json], ctx: Context) -> Any:
    """Call an action as the engine does, with parameters as they stand in JSON."""
    result = action.run(ctx, **action.bind(input))
    return await result if inspect.isawaitable(result) else result


async def run_trigger(
    trigger: Trigger,
    input: Mapping[str, Json],
    ctx: TriggerContext | HookContext,
    request: HookRequest | Json = None,
) -> Poll | HookEvent | Any:
    """Call a trigger as the engine does: one look, or one request, or one input by hand."""
    arguments = (ctx,) if trigger.kind == "poll" else (ctx, request)
    result = trigger.run(*arguments, **trigger.bind(input))
    return await result if inspect.isawaitable(result) else result


if TYPE_CHECKING:
    # Assignments that a type checker compares with the protocols.
    _context: Context = FakeContext()
    _trigger_context: TriggerContext = FakeTriggerContext()
    _hook_context: HookContext = FakeHookContext()
    _connection_context: ConnectionContext = FakeConnectionContext()
    _http: Http = FakeHttp()
    _files: Files = FakeFiles()
