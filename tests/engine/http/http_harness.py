"""Stand-ins for the tests of the guarded client: a raw server, a recording dialler, a scripted transport."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpcore

from hookline.engine.http import Progress, WireRequest, WireResponse

T = TypeVar("T")
Script = Callable[["Connection"], Awaitable[None]]


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run to the end, or fail: a hang is a finding."""

    async def bounded() -> T:
        return await asyncio.wait_for(coroutine, 30)

    return asyncio.run(bounded())


class Connection:
    """The server's side of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def request(self) -> bytes:
        """Read one request, head and body."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                return head + await self.reader.readexactly(int(line.split(b":")[1]))
        return head

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End with RST instead of FIN."""
        self.writer.transport.abort()

    async def forever(self) -> None:
        """Keep the connection open until the client ends it."""
        await self.reader.read()


class RawServer:
    def __init__(self) -> None:
        self.port = 0
        self.connections = 0
        self.requests: list[bytes] = []
        self.received = asyncio.Event()
        self.handlers: set[asyncio.Task[None]] = set()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def ended(self) -> None:
        """Wait until every connection so far is closed on this side."""
        await asyncio.gather(*self.handlers)


@asynccontextmanager
async def serving(script: Script) -> AsyncIterator[RawServer]:
    """Serve `script` on loopback, once for each connection."""
    server = RawServer()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        server.handlers.add(task)
        server.connections += 1
        connection = Connection(reader, writer)
        receive = connection.request

        async def recorded() -> bytes:
            data = await receive()
            server.requests.append(data)
            server.received.set()
            return data

        connection.request = recorded  # type: ignore[method-assign]
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await script(connection)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    try:
        yield server
    finally:
        listener.close()
        for task in server.handlers:
            task.cancel()
        await asyncio.gather(*server.handlers, return_exceptions=True)


def answer(body: bytes = b"ok", *, status: str = "200 OK", headers: Iterable[str] = ()) -> bytes:
    """A whole answer with its length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def always(data: bytes) -> Script:
    """Answer every request of a connection in the same way."""

    async def script(connection: Connection) -> None:
        while True:
            await connection.request()
            await connection.send(data)

    return script


class RecordingDial(httpcore.AsyncNetworkBackend):
    """Notes what is dialled; answers with `data`, or refuses the addresses in `refuse`."""

    def __init__(self, data: bytes = b"", *, refuse: Sequence[str] = ()) -> None:
        self.dialled: list[tuple[str, int]] = []
        self._data = data
        self._refuse = refuse

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> httpcore.AsyncNetworkStream:
        self.dialled.append((host, port))
        if host in self._refuse:
            raise httpcore.ConnectError("refused")
        return httpcore.AsyncMockStream([self._data])


class FakeResolver:
    """Gives the answers one after the other, the last one for ever."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


class ScriptedTransport:
    """A network where every request gets the next of `answers`: status, headers, body."""

    def __init__(self, *answers: tuple[int, dict[str, str], bytes]) -> None:
        self._answers = list(answers)
        self.requests: list[WireRequest] = []
        self.trusted: list[bool] = []
        self.closed = 0

    async def send(
        self, request: WireRequest, progress: Progress, *, trusted: bool, connect_timeout: float
    ) -> WireResponse:
        progress.sent = True
        self.requests.append(request)
        self.trusted.append(trusted)
        status, headers, body = self._answers.pop(0)

        async def chunks() -> AsyncGenerator[bytes, None]:
            yield body

        async def close() -> None:
            self.closed += 1

        return WireResponse(status, tuple(headers.items()), chunks(), close)

    async def aclose(self) -> None:
        return None

    def sent_headers(self, index: int) -> dict[str, str]:
        return {name.lower(): value for name, value in self.requests[index].headers}
