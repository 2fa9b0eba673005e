"""What may have happened at the service when something goes wrong: each fault, on real sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from http_harness import Connection, RawServer, Script, always, answer, run, serving

from hookline.engine.http import (
    BadResponse,
    ConnectFailed,
    Credential,
    Guard,
    GuardedClient,
    HttpError,
    HttpResponse,
    Policy,
    PoolTransport,
    SentUnknown,
)
from hookline.engine.http.deadline import Deadline, DeadlinePassed
from hookline.engine.redaction import Redactor, Secret


async def post(
    server: RawServer | str, *, now: Callable[[], float] | None = None, **options: Any
) -> HttpResponse:
    origin = server if isinstance(server, str) else server.origin
    clock = {"now": now} if now is not None else {}
    async with GuardedClient(Policy(allow_origins=(origin,)), **clock) as client:
        return await client.request("POST", f"{origin}/path?secret=query", json={"a": 1}, **options)


async def failure(script: Script, **options: Any) -> tuple[HttpError, RawServer]:
    async with serving(script) as server:
        with pytest.raises(HttpError) as caught:
            await post(server, **options)
        return caught.value, server


def test_refused_connection_is_safe_to_repeat() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with pytest.raises(ConnectFailed) as caught:
            run(post(f"http://127.0.0.1:{bound.getsockname()[1]}"))
    assert (caught.value.phase, caught.value.code) == ("connect", "C110")
    assert caught.value.error_type == "unavailable"


def test_a_name_that_does_not_resolve_is_safe_to_repeat() -> None:
    async def nowhere(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async def check() -> None:
        async with GuardedClient(resolver=nowhere) as client:
            with pytest.raises(ConnectFailed) as caught:
                await client.request("POST", "https://nowhere.example.com/")
            assert caught.value.code == "C109"

    run(check())


def test_a_failed_handshake_is_safe_to_repeat() -> None:
    async def not_tls(connection: Connection) -> None:
        await connection.reader.read(100)
        await connection.send(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async def closes(connection: Connection) -> None:
        await connection.reader.read(100)

    async def resets(connection: Connection) -> None:
        await connection.reader.read(100)
        connection.reset()

    async def check(script: Script) -> HttpError:
        async with serving(script) as server:
            with pytest.raises(ConnectFailed) as caught:
                await post(server.origin.replace("http:", "https:"))
            return caught.value

    for script in (not_tls, closes, resets):
        assert run(check(script)).code == "C111"


def test_a_handshake_that_hangs_ends_with_the_connect_timeout() -> None:
    async def check() -> None:
        async def silent(connection: Connection) -> None:
            await connection.forever()

        async with serving(silent) as server:
            origin = server.origin.replace("http:", "https:")
            async with GuardedClient(Policy(allow_origins=(origin,), connect_timeout=0.05)) as client:
                with pytest.raises(ConnectFailed) as caught:
                    await client.request("POST", origin)
                assert caught.value.code == "C112"

    run(check())


def test_no_answer_after_the_whole_request() -> None:
    async def silent(connection: Connection) -> None:
        await connection.request()
        await connection.forever()

    error, server = run(failure(silent, timeout=0.2))
    assert isinstance(error, SentUnknown)
    assert (error.code, error.error_type, error.status) == ("C112", "timeout", None)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("after", "code"),
    [
        (b"", "C114"),
        (b"HTTP/1.1 200 OK\r\nContent-", "C114"),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "C114"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 11\r\n\r\n", "C114"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: ten\r\n\r\n", "C114"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "C114"),
        (b"HTTP/1.1 200 OK\r\nBad Header\r\n\r\n", "C114"),
        (b"HTTP/1.1 200 OK\r\nX-Flood: " + b"a" * 200_000 + b"\r\n\r\n", "C114"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Many: aaaaaaaa\r\n" * 20_000 + b"\r\n", "C114"),
    ],
)
def test_an_answer_that_is_missing_or_not_http(after: bytes, code: str) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(after)

    error, server = run(failure(script))
    assert isinstance(error, SentUnknown)
    assert error.code == code
    assert error.error_type == "unknown"
    assert len(server.requests) == 1, "it must not have been sent a second time"


@pytest.mark.parametrize("headers", [b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n"])
def test_a_short_body(headers: bytes) -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 201 Created\r\n" + headers + b"\r\n" + b"3\r\nabc")

    error, _ = run(failure(script))
    assert isinstance(error, SentUnknown)
    assert (error.code, error.status) == ("C114", 201)


def test_a_reset_after_the_request() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        connection.reset()

    error, server = run(failure(script))
    assert isinstance(error, SentUnknown)
    assert error.code in ("C113", "C114")
    assert len(server.requests) == 1


def test_a_reset_in_the_middle_of_the_body() -> None:
    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
        connection.reset()

    error, _ = run(failure(script))
    assert isinstance(error, SentUnknown)
    assert error.code in ("C113", "C114")


def test_a_connection_that_closes_while_a_large_body_is_being_sent() -> None:
    async def script(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        connection.reset()

    async def check() -> HttpError:
        async with serving(script) as server, GuardedClient(Policy(allow_origins=(server.origin,))) as client:
            with pytest.raises(SentUnknown) as caught:
                await client.request("PUT", server.origin, content=b"x" * 20_000_000)
            return caught.value

    assert run(check()).code in ("C113", "C114")


def test_an_early_answer_to_a_large_body_is_read() -> None:
    async def script(connection: Connection) -> None:
        await connection.reader.readuntil(b"\r\n\r\n")
        await connection.send(
            answer(b"too big", status="413 Content Too Large", headers=["Connection: close"])
        )
        await connection.reader.read()

    async def check() -> None:
        async with serving(script) as server, GuardedClient(Policy(allow_origins=(server.origin,))) as client:
            response = await client.request("PUT", server.origin, content=b"x" * 1_000_000)
            assert response.status == 413

    run(check())


def test_a_drip_gains_no_time() -> None:
    """A byte now and then keeps a read timeout alive for ever, but not the deadline."""

    async def drip(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await connection.send(b"x")
            await asyncio.sleep(0)

    ticks = count(0, 1.0)  # every look at the clock takes a second
    error, _ = run(failure(drip, timeout=10.0, now=lambda: next(ticks)))
    assert isinstance(error, SentUnknown)
    assert (error.code, error.status) == ("C112", 200)


def test_nothing_is_begun_when_the_time_is_over() -> None:
    begun: list[int] = []

    async def step() -> None:
        begun.append(1)

    async def check() -> None:
        ticks = iter([0.0, 9.0, 10.0])
        deadline = Deadline(lambda: next(ticks), 10.0)
        await deadline.run(step)
        with pytest.raises(DeadlinePassed):
            await deadline.run(step)

    run(check())
    assert begun == [1]


def test_a_timeout_of_the_step_itself_is_not_taken_for_the_deadline() -> None:
    async def step() -> None:
        raise TimeoutError("its own")

    async def check() -> None:
        with pytest.raises(TimeoutError, match="its own"):
            await Deadline(lambda: 0.0, 10.0).run(step)

    run(check())


def test_a_drip_of_headers_gains_no_time_either() -> None:
    async def drip(connection: Connection) -> None:
        await connection.request()
        await connection.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            await connection.send(b"X: y\r\n")
            await asyncio.sleep(0)

    error, _ = run(failure(drip, timeout=0.1))
    assert isinstance(error, SentUnknown)
    assert error.code in ("C112", "C114"), "the deadline or the limit on headers, whichever is first"


def test_endless_interim_answers_end_with_the_deadline() -> None:
    async def interim(connection: Connection) -> None:
        await connection.request()
        while True:
            await connection.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            await asyncio.sleep(0)

    error, _ = run(failure(interim, timeout=1.0))
    assert isinstance(error, SentUnknown)
    assert error.code == "C112"


def test_switching_protocols_is_refused() -> None:
    upgrade = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"
    error, _ = run(failure(always(upgrade)))
    assert error.phase in ("sent", "response")
    assert error.code == "C114"


def test_waiting_for_a_free_connection_counts_as_not_sent() -> None:
    async def check() -> None:
        async def silent(connection: Connection) -> None:
            await connection.request()
            await connection.forever()

        async with serving(silent) as server:
            policy = Policy(allow_origins=(server.origin,))
            transport = PoolTransport(Guard(policy), max_connections=1)
            async with GuardedClient(policy, transport=transport) as client:
                first = asyncio.create_task(client.request("POST", server.origin))
                await server.received.wait()
                with pytest.raises(ConnectFailed) as caught:
                    await client.request("POST", server.origin, timeout=0.05)
                assert caught.value.code == "C112"
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)

    run(check())


def test_places_in_the_pool_come_back_whatever_happens() -> None:
    faults = [
        always(answer(b"x" * 200, headers=["Content-Encoding: gzip"])),
        always(answer(b"x" * 200)),
        always(b"nonsense\r\n\r\n"),
    ]

    async def check(script: Script) -> None:
        async with serving(script) as server:
            policy = Policy(allow_origins=(server.origin,), max_response_bytes=100)
            transport = PoolTransport(Guard(policy), max_connections=1)
            async with GuardedClient(policy, transport=transport) as client:
                for _ in range(3):
                    with pytest.raises(HttpError):
                        await client.request("GET", server.origin)
                for _ in range(3):
                    task = asyncio.create_task(client.request("GET", server.origin))
                    await asyncio.sleep(0)
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                with pytest.raises(HttpError) as caught:
                    await client.request("GET", server.origin, timeout=5)
                assert caught.value.code != "C112"

    for script in faults:
        run(check(script))


def test_connections_are_kept_open_between_requests() -> None:
    async def check() -> None:
        async with serving(always(answer(b'{"a": 1}'))) as server:
            async with GuardedClient(Policy(allow_origins=(server.origin,))) as client:
                for _ in range(5):
                    assert (await client.request("POST", server.origin, json={})).json() == {"a": 1}
            assert server.connections == 1
            assert len(server.requests) == 5

    run(check())


def test_a_connection_that_the_server_closed_meanwhile_is_not_used() -> None:
    async def once(connection: Connection) -> None:
        await connection.request()
        await connection.send(answer())

    async def check() -> None:
        async with serving(once) as server, GuardedClient(Policy(allow_origins=(server.origin,))) as client:
            for _ in range(3):
                assert (await client.request("POST", server.origin)).status == 200
                await server.ended()
            assert server.connections == 3

    run(check())


def test_any_status_is_an_answer() -> None:
    for status in ("400 Bad Request", "429 Too Many Requests", "500 Oops", "503 Unavailable"):

        async def check(status: str = status) -> HttpResponse:
            async with serving(always(answer(status=status, headers=["Retry-After: 7"]))) as server:
                return await post(server)

        response = run(check())
        assert response.status == int(status[:3])
        assert not response.ok
        assert response.retry_after == 7.0


def test_messages_tell_nothing_that_is_secret() -> None:
    secret = "r8_very-secret-token"

    async def script(connection: Connection) -> None:
        await connection.request()
        await connection.send(f"HTTP/1.1 200 OK\r\nleaked upstream {secret}\r\n\r\n".encode())

    async def check() -> HttpError:
        async with serving(script) as server:
            redactor = Redactor([Secret("replicate", secret)])
            async with GuardedClient(Policy(allow_origins=(server.origin,)), redactor=redactor) as client:
                with pytest.raises(HttpError) as caught:
                    await client.request(
                        "POST",
                        f"{server.origin}/path?X-Amz-Signature=presigned",
                        credential=Credential({"Authorization": f"Bearer {secret}"}, (server.origin,)),
                    )
                return caught.value

    error = run(check())
    shown = f"{error} {error!r} {error.message} {error.hint} {error.detail}"
    for word in (secret, "presigned", "/path", "Bearer"):
        assert word not in shown
    assert "leaked upstream" not in str(error)


def test_a_closed_client_says_so() -> None:
    async def check() -> None:
        client = GuardedClient()
        await client.aclose()
        await client.aclose()
        with pytest.raises(RuntimeError, match="closed"):
            await client.request("GET", "https://example.com/")

    run(check())


def test_a_bad_response_is_not_an_unknown_outcome() -> None:
    error, _ = run(failure(always(answer(b"{}", headers=["Content-Encoding: br"]))))
    assert isinstance(error, BadResponse)
    assert (error.phase, error.code, error.status) == ("response", "C116", 200)
    assert error.error_type == "malformed_output"
