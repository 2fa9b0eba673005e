"""TLS verifies the name that was asked for, whatever address was dialled."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest
from http_harness import FakeResolver, run

from hookline.engine.http import ConnectFailed, GuardedClient, Origin, Policy

OPENSSL = shutil.which("openssl")
pytestmark = pytest.mark.skipif(OPENSSL is None, reason="makes its certificate with the openssl program")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = [
        *(str(OPENSSL), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
        *("-nodes", "-days", "2", "-subj", "/CN=good.example.com"),
        *("-addext", "subjectAltName=DNS:good.example.com", "-keyout", str(key), "-out", str(cert)),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return key, cert


async def get(certificate: tuple[Path, Path], host: str, *, trusted: bool) -> int:
    key, cert = certificate
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    port = listener.sockets[0].getsockname()[1]
    origin = f"https://{host}:{port}"
    client = GuardedClient(
        Policy(),
        resolver=FakeResolver(["127.0.0.1"]),
        ssl_context=ssl.create_default_context(cafile=str(cert)) if trusted else None,
    )
    try:
        response = await client.request("GET", origin, trusted=(Origin.parse(origin),))
        return response.status
    finally:
        await client.aclose()
        listener.close()
        await listener.wait_closed()


def test_the_right_name_under_a_trusted_authority(certificate: tuple[Path, Path]) -> None:
    assert run(get(certificate, "good.example.com", trusted=True)) == 200


def test_another_name(certificate: tuple[Path, Path]) -> None:
    for host in ("other.example.com", "127.0.0.1"):
        with pytest.raises(ConnectFailed) as caught:
            run(get(certificate, host, trusted=True))
        assert caught.value.code == "C111"


def test_an_unknown_authority(certificate: tuple[Path, Path]) -> None:
    with pytest.raises(ConnectFailed) as caught:
        run(get(certificate, "good.example.com", trusted=False))
    assert caught.value.code == "C111"
