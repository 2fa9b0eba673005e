"""Mail that is sent to a server on loopback, and what every way of failing means."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.engine.smtp import SmtpServer
from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    ContentRejected,
    NotFound,
    OutcomeUnknown,
    Unavailable,
)
from hookline.testing.fakes import FakeContext, run_action

from .smtp_server import MailServer

connector = import_room("connectors.email.connector")
compose = import_room("connectors.email.compose")
OPENSSL = shutil.which("openssl")
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="makes its certificate with the openssl program")
STEP = {"to": ["Ada <ada@example.com>"], "subject": "Hello", "text": "It works."}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A key and a certificate for localhost, in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    key, cert = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *(str(OPENSSL), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(cert)),
        ],
        check=True,
        capture_output=True,
    )
    both = folder / "both.pem"
    both.write_text(key.read_text() + cert.read_text())
    return both


def server_tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def client_of(server: MailServer, security: Any = "none", **login: str) -> Any:
    smtp = SmtpServer("localhost", server.port, security, **login)
    return connector.EmailClient(smtp, "Hookline <hookline@example.com>")


def send(client: Any, step: dict[str, Any], ctx: FakeContext | None = None) -> Any:
    ctx = ctx or FakeContext()
    ctx.connection = client
    return asyncio.run(run_action(connector.send, step, ctx))


def test_a_message_arrives_with_its_files() -> None:
    ctx = FakeContext()
    picture = ctx.fake_files.put(b"\x89PNG\r\n.\r\nbytes", name="cat.png")
    with MailServer() as server:
        step = {
            **STEP,
            "text": "Grüße\n.\n..dots\nend",
            "html": "<p>Grüße</p>",
            "files": [picture.to_json()],
            "cc": ["grace@example.com"],
            "bcc": ["linus@example.com", "ada@example.com"],
            "reply_to": "office@example.com",
        }
        output = send(client_of(server), step, ctx)
    (mail,) = server.taken
    everybody = ["ada@example.com", "grace@example.com", "linus@example.com"]
    assert (mail.sender, mail.recipients) == ("hookline@example.com", everybody)
    assert output == {"message_id": mail.message["Message-ID"], "accepted": everybody, "refused": {}}
    assert mail.message["From"] == "Hookline <hookline@example.com>"
    assert mail.message["To"] == "Ada <ada@example.com>"
    assert mail.message["Reply-To"] == "office@example.com"
    assert b"linus" not in mail.content
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert body.get_content().splitlines() == ["Grüße", ".", "..dots", "end"]
    (attached,) = mail.message.iter_attachments()
    assert (attached.get_filename(), attached.get_content()) == ("cat.png", b"\x89PNG\r\n.\r\nbytes")


def test_every_try_has_the_same_message_id_and_every_step_its_own() -> None:
    with MailServer() as server:
        for attempt in (1, 2):
            send(client_of(server), STEP, FakeContext(attempt=attempt))
        other = FakeContext()
        other.step = "steps[1]"
        send(client_of(server), STEP, other)
    first, second, third = (mail.message["Message-ID"] for mail in server.taken)
    assert first == second != third


@pytest.mark.parametrize(
    "hostile",
    [
        {"subject": "Hi\r\nBcc: eve@evil.example"},
        {"subject": "Hi\nX-Evil: 1\n\nbody"},
        {"to": ['"Ada\\nBcc: eve@evil.example" <ada@example.com>']},
        {"text": "line\r\n.\r\nMAIL FROM:<eve@evil.example>\r\n"},
        {"text": "\ud800\0 text"},
    ],
)
def test_no_value_adds_a_header_or_a_recipient(hostile: dict[str, Any]) -> None:
    with MailServer() as server:
        send(client_of(server), {**STEP, **hostile})
    (mail,) = server.taken
    assert mail.recipients == ["ada@example.com"]
    assert mail.sender == "hookline@example.com"
    assert mail.message["Bcc"] is None
    assert mail.message["X-Evil"] is None


@pytest.mark.parametrize(
    "address",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@example.com, eve@evil.example",
        "ada@example.com\r\nRCPT TO:<eve@evil.example>",
        "a da@example.com",
        "ada@exa mple.com",
        "<ada@example.com",
        "ada@example.com>",
        "ädä@example.com",
        f"{'a' * 65}@example.com",
    ],
)
def test_what_is_not_one_address_is_refused(address: str) -> None:
    with MailServer() as server:
        for name in ("to", "cc", "bcc"):
            with pytest.raises(BadInput):
                send(client_of(server), {**STEP, name: [address]})
    assert server.seen == []


@needs_openssl
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_password_travels_under_tls(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    tls = server_tls(certificate)
    with MailServer(tls=tls, implicit=security == "tls", user="me", password="canary-pass") as server:
        client = client_of(server, security, username="me", password="canary-pass")
        asyncio.run(connector.check_login(client))
        send(client, STEP)
        wrong = client_of(server, security, username="me", password="canary-wrong")
        with pytest.raises(AuthenticationFailed) as caught:
            send(wrong, STEP)
    (mail,) = server.taken
    assert (mail.secure, mail.user) == (True, "me")
    assert "canary" not in f"{caught.value.message} {caught.value.hint} {caught.value.detail} {wrong!r}"


@needs_openssl
@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_that_is_not_trusted_gets_nothing(certificate: Path, security: str) -> None:
    with (
        MailServer(tls=server_tls(certificate), implicit=security == "tls") as server,
        pytest.raises(BadInput, match="not trusted"),
    ):
        send(client_of(server, security), STEP)
    assert server.taken == []
    assert "MAIL" not in server.seen


def test_without_starttls_nothing_is_sent_in_the_clear() -> None:
    with MailServer(user="me", password="x") as server, pytest.raises(BadInput, match="does not offer"):
        send(client_of(server, "starttls", username="me", password="x"), STEP)
    assert "AUTH" not in server.seen
    with pytest.raises(BadInput, match="clear"):
        SmtpServer("localhost", 25, "none", "me", "x")


@pytest.mark.parametrize(
    ("replies", "error"),
    [
        ({"MAIL": "451 later"}, Unavailable),
        ({"MAIL": "550 never"}, BadInput),
        ({"RCPT": "450 greylisted"}, Unavailable),
        ({"RCPT": "550 unknown"}, NotFound),
        ({"DATA": "451 later"}, Unavailable),
        ({"DATA": "554 no"}, ContentRejected),
        ({"END": "452 full"}, Unavailable),
        ({"END": "554 spam"}, ContentRejected),
    ],
)
def test_a_refusal_has_its_type_and_nothing_is_taken(replies: dict[str, str], error: Any) -> None:
    with MailServer(replies=replies) as server, pytest.raises(error) as caught:
        send(client_of(server), STEP)
    assert type(caught.value) is error
    assert server.taken == []


@pytest.mark.parametrize(
    ("verb", "error", "taken"),
    [
        ("EHLO", Unavailable, 0),
        ("MAIL", Unavailable, 0),
        ("RCPT", Unavailable, 0),
        ("DATA", Unavailable, 0),
        ("END", OutcomeUnknown, 1),
    ],
)
def test_only_an_answer_lost_after_the_message_is_unknown(verb: str, error: Any, taken: int) -> None:
    with MailServer(hang_up=verb) as server, pytest.raises(error) as caught:
        send(client_of(server), STEP)
    assert type(caught.value) is error
    assert len(server.taken) == taken


def test_a_server_that_is_not_there_was_not_asked() -> None:
    with MailServer() as server:
        client = client_of(server)
    with pytest.raises(Unavailable):
        send(client, STEP)


def test_some_recipients_may_be_refused() -> None:
    with MailServer(replies={"RCPT grace@example.com": "550 unknown"}) as server:
        output = send(client_of(server), {**STEP, "cc": ["grace@example.com"]})
    assert output["accepted"] == ["ada@example.com"]
    assert output["refused"] == {"grace@example.com": "550 unknown"}
    assert server.taken[0].recipients == ["ada@example.com"]


def test_files_that_are_too_large_together_are_refused() -> None:
    ctx = FakeContext()
    files = [ctx.fake_files.put(bytes([n]) * 9_000_000, name=f"{n}.bin").to_json() for n in range(3)]
    with MailServer() as server, pytest.raises(BadInput, match="25 MB"):
        send(client_of(server), {**STEP, "files": files}, ctx)
    assert server.seen == []


def test_addresses_of_the_world_are_written_for_the_wire() -> None:
    found = compose.parse_address("Jürgen <juergen@bücher.example>", "/to/0")
    assert found.addr_spec == "juergen@xn--bcher-kva.example"
    assert found.display_name == "Jürgen"
