"""The transport that opens sockets: names are resolved, checked and dialled in one place.

The address that was checked is the address that is dialled, so a name server that answers
differently the second time (DNS rebinding) gains nothing: there is no second time. TLS still
verifies the name, not the address.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, cast

from . import wire
from .policy import Guard, IPAddress
from .transport import FailureKind, Progress, WireFailure, WireRequest, WireResponse

__all__ = ["PoolTransport", "Resolver", "SystemResolver"]

Resolver: TypeAlias = Callable[[str, int], Awaitable[Sequence[str]]]
"""Given host and port, the addresses of the host as text. Raises `OSError` when there is none."""

MAX_CONNECTIONS = 100
MAX_IDLE_CONNECTIONS = 20
MAX_ADDRESSES_DIALLED = 4


class SystemResolver:
    """Asks the operating system, in threads of its own so that slow blocking actions cannot delay it."""

    def __init__(self, threads: int = 8) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hookline-dns")

    async def __call__(self, host: str, port: int) -> list[str]:
        def resolve() -> list[str]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(str(entry[4][0]) for entry in found))

        return await asyncio.get_running_loop().run_in_executor(self._executor, resolve)

    def close(self) -> None:
        """Let the threads end; look-ups under way are not waited for."""
        self._executor.shutdown(wait=False, cancel_futures=True)


class CheckedBackend(wire.Backend):
    """Resolves, checks every address, and dials only addresses that were checked.

    Args:
        trusted: Whether the pool that uses this backend serves origins named by the operator.
        dial: Opens the connection to an address.
    """

    def __init__(
        self,
        guard: Guard,
        resolver: Resolver,
        *,
        trusted: bool,
        dial: wire.Backend,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._guard = guard
        self._resolver = resolver
        self._trusted = trusted
        self._dial = dial
        self._now = now

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: wire.SocketOptions | None = None,
    ) -> wire.NetworkStream:
        seconds = self._guard.policy.connect_timeout if timeout is None else timeout
        ends = self._now() + seconds
        addresses = await self._addresses(host, port, seconds)
        for address in addresses:
            self._guard.check_address(host, address, trusted=self._trusted)
        tried = addresses[:MAX_ADDRESSES_DIALLED]
        for left in range(len(tried), 0, -1):
            address = tried[-left]
            # Each address gets its share of the time, so that a dead first one does not use it all.
            share = max((ends - self._now()) / left, 0.001)
            try:
                return await self._dial.connect_tcp(
                    str(address), port, timeout=share, socket_options=socket_options
                )
            except wire.NETWORK_ERRORS as error:
                if left == 1:
                    raise WireFailure(_kind(error), f"{host} ({address}): {error}") from error
        raise AssertionError("a name resolves to at least one address")

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: wire.SocketOptions | None = None
    ) -> wire.NetworkStream:
        raise WireFailure("connect", "unix sockets are not used")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _addresses(self, host: str, port: int, timeout: float) -> list[IPAddress]:
        try:
            return [ipaddress.ip_address(host)]
        except ValueError:
            pass
        try:
            async with asyncio.timeout(timeout):
                found = await self._resolver(host, port)
            addresses = [ipaddress.ip_address(text) for text in found]
        except TimeoutError as error:
            raise WireFailure("timeout", f"{host}: no answer from the name server") from error
        except (OSError, ValueError) as error:
            raise WireFailure("dns", f"{host}: {error}") from error
        if not addresses:
            raise WireFailure("dns", f"{host}: no address")
        return addresses


class PoolTransport:
    """Keeps connections open between requests; for one event loop.

    Operator-named origins have a pool of their own: whether an address is allowed depends on who
    named the origin, and a connection must not be shared across that line.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_connections: int = MAX_CONNECTIONS,
        dial: wire.Backend | None = None,
    ) -> None:
        self._own_resolver = SystemResolver() if resolver is None else None
        context = ssl_context or wire.make_ssl_context()
        # Requests wait here and never in httpcore's queue: a wait canceled there can lose a
        # connection's place in the pool for good.
        self._slots = asyncio.Semaphore(max_connections)
        self._pools = {
            trusted: wire.make_pool(
                CheckedBackend(
                    guard,
                    resolver or cast(Resolver, self._own_resolver),
                    trusted=trusted,
                    dial=dial or wire.anyio_backend(),
                ),
                context,
                connections=max_connections,
                idle=min(MAX_IDLE_CONNECTIONS, max_connections),
            )
            for trusted in (False, True)
        }

    async def send(
        self, request: WireRequest, progress: Progress, *, trusted: bool, connect_timeout: float
    ) -> WireResponse:
        async def trace(event: str, info: Mapping[str, Any]) -> None:
            # Whatever is not known to belong to connecting counts as sent: the safe way to be wrong.
            if event.startswith("connection.start_tls."):
                progress.securing = True
            elif not event.startswith("connection."):
                progress.sent = True

        origin = request.url.origin
        raw = wire.make_request(
            method=request.method,
            scheme=origin.scheme,
            host=origin.host,
            port=origin.port,
            target=request.url.target,
            headers=request.headers,
            body=request.body,
            connect_timeout=connect_timeout,
            trace=trace,
        )
        await self._slots.acquire()
        try:
            response = await self._pools[trusted].handle_async_request(raw)
        except wire.NETWORK_ERRORS as error:
            self._slots.release()
            raise WireFailure(_kind(error), str(error)) from error
        except BaseException:
            self._slots.release()
            raise
        return self._received(response)

    def _received(self, response: wire.RawResponse) -> WireResponse:
        source = cast(AsyncIterator[bytes], response.stream).__aiter__()
        chunks = _chunks(source)
        closed = False

        async def close() -> None:
            nonlocal closed
            if closed:
                return
            closed = True
            try:
                await chunks.aclose()
                if isinstance(source, AsyncGenerator):
                    await source.aclose()
                await response.aclose()
            finally:
                self._slots.release()

        return WireResponse(
            status=response.status,
            headers=tuple((name.decode("latin-1"), _text(value)) for name, value in response.headers),
            chunks=chunks,
            close=close,
        )

    async def aclose(self) -> None:
        for pool in self._pools.values():
            await pool.aclose()
        if self._own_resolver is not None:
            self._own_resolver.close()


async def _chunks(source: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    try:
        async for chunk in source:
            yield chunk
    except wire.NETWORK_ERRORS as error:
        raise WireFailure(_kind(error), str(error)) from error


def _kind(error: Exception) -> FailureKind:
    return cast(FailureKind, wire.failure_kind(error))


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")
