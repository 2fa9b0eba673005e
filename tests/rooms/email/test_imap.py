"""The IMAP client against a strict server on loopback."""

from __future__ import annotations

import asyncio
import imaplib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.imap import ImapServer
from hookline.sdk import (
    AuthenticationFailed,
    BadInput,
    MailboxLook,
    MalformedOutput,
    NotFound,
    Unavailable,
)
from hookline.testing.imap import ImapStandIn

from .test_email import certificate, needs_openssl, server_tls

__all__ = ["certificate"]


def mail(name: str, size: int = 0) -> bytes:
    return f"Subject: {name}\r\nFrom: a@example.com\r\n\r\n{name}{'x' * size}\r\n".encode()


def client(server: ImapStandIn, security: Any = "none", **login: str) -> ImapServer:
    return ImapServer("localhost", server.port, security, **login)


def look(server: ImapStandIn, **options: Any) -> MailboxLook:
    given = {"validity": server.validity, "after": 0, "limit": 100, "max_bytes": 1_000_000, **options}
    return asyncio.run(client(server).look(given.pop("mailbox", "INBOX"), **given))


def test_what_is_new_is_read_and_nothing_is_marked() -> None:
    with ImapStandIn() as server:
        server.deliver(mail("one"))
        second = server.deliver(mail("two"), at=datetime(2026, 7, 1, 10, 2, 3, tzinfo=UTC))
        found = look(server, after=1)
        (message,) = found.messages
        assert (message.uid, message.content, message.is_whole) == (second, mail("two"), True)
        assert (message.size, message.received_at) == (
            len(mail("two")),
            datetime(2026, 7, 1, 10, 2, 3, tzinfo=UTC),
        )
        assert (found.validity, found.last, found.more) == (server.validity, 2, False)
        assert all(not each.flags for each in server.boxes["INBOX"])
        assert not [command for command in server.commands if command.startswith(("SELECT", "UID STORE"))]
        # n:* names the last message even when its number is smaller.
        assert look(server, after=2).messages == ()


@pytest.mark.parametrize("without", [False, True])
def test_the_first_look_reads_nothing(without: bool) -> None:
    with ImapStandIn(without_uidnext=without) as server:
        for number in range(3):
            server.deliver(mail(str(number)))
        assert look(server, validity=None) == MailboxLook(server.validity, 3, (), False)
        assert not [command for command in server.commands if command.startswith("UID FETCH")]


def test_with_other_numbers_the_whole_mailbox_is_gone_through() -> None:
    with ImapStandIn() as server:
        for number in range(3):
            server.deliver(mail(str(number)))
        found = look(server, validity=1, after=99, known=lambda each, validity: each.uid == 2)
        assert [message.uid for message in found.messages] == [1, 3]
        assert found.validity == server.validity


def test_a_limit_leaves_the_rest_for_the_next_look() -> None:
    with ImapStandIn() as server:
        for number in range(5):
            server.deliver(mail(str(number)))
        first = look(server, limit=2)
        assert ([each.uid for each in first.messages], first.last, first.more) == ([1, 2], 2, True)
        second = look(server, limit=3, after=first.last)
        assert ([each.uid for each in second.messages], second.more) == ([3, 4, 5], False)


def test_of_a_large_message_only_the_header_is_read() -> None:
    with ImapStandIn() as server:
        server.deliver(mail("large", 100_000))
        (message,) = look(server, max_bytes=1000).messages
        assert not message.is_whole
        assert message.content == b"Subject: large\r\nFrom: a@example.com\r\n\r\n"
        assert message.size > 100_000


def test_a_server_that_announces_more_than_it_said_is_cut_off() -> None:
    with ImapStandIn() as server:
        server.deliver(mail("one"))
        server.lie_about[len(mail("one"))] = 10**9
        with pytest.raises(Unavailable):
            look(server, max_bytes=1000)


@pytest.mark.parametrize("command", ["CAPABILITY", "EXAMINE", "UID SEARCH", "UID FETCH"])
def test_a_server_that_goes_away_is_unavailable(command: str) -> None:
    with ImapStandIn() as server:
        server.deliver(mail("one"))
        server.hang_up[command] = 1
        with pytest.raises(Unavailable):
            look(server)
        assert len(look(server).messages) == 1


def test_nobody_there_is_unavailable() -> None:
    with ImapStandIn() as server:
        port = server.port
    with pytest.raises(Unavailable):
        asyncio.run(ImapServer("localhost", port, "none").check())


def test_names_of_mailboxes() -> None:
    with ImapStandIn() as server:
        server.boxes["Entwürfe & mehr"] = []
        server.deliver(mail("one"), "Entwürfe & mehr")
        assert len(look(server, mailbox="Entwürfe & mehr").messages) == 1
        assert any("Entw&APw-rfe &- mehr" in command for command in server.commands)
        with pytest.raises(NotFound):
            look(server, mailbox="Nowhere")
        for name in ('a" UID STORE 1 +FLAGS (\\Deleted)', "a\r\nA1 LOGOUT", "", "*"):
            with pytest.raises(BadInput):
                look(server, mailbox=name)


def put_away(server: ImapStandIn, what: Any, target: str = "", validity: int | None = None) -> bool:
    return asyncio.run(client(server).put_away("INBOX", validity or server.validity, [1, 3], what, target))


def uids(server: ImapStandIn) -> list[int]:
    return [each.uid for each in server.boxes["INBOX"]]


@pytest.mark.parametrize(
    ("what", "capabilities", "left"),
    [
        ("seen", (), [1, 2, 3]),
        ("delete", ("UIDPLUS",), [2]),
        ("delete", (), [1, 2, 3]),
        ("move", ("MOVE", "UIDPLUS"), [2]),
        ("move", ("UIDPLUS",), [2]),
        ("move", (), [1, 2, 3]),
    ],
)
def test_messages_are_put_away_and_no_others(
    what: str, capabilities: tuple[str, ...], left: list[int]
) -> None:
    with ImapStandIn(capabilities=capabilities) as server:
        server.boxes["Done"] = []
        for number in range(3):
            server.deliver(mail(str(number)))
        # Somebody else has marked this one, and means to look at it again.
        server.boxes["INBOX"][1].flags.add("\\Deleted")
        assert put_away(server, what, "Done")
        assert uids(server) == left
        assert len(server.boxes["Done"]) == (2 if what == "move" else 0)
        if what == "seen":
            assert [sorted(each.flags) for each in server.boxes["INBOX"]] == [
                ["\\Seen"],
                ["\\Deleted"],
                ["\\Seen"],
            ]
        assert not any(command.startswith("EXPUNGE") for command in server.commands)
        if capabilities:
            assert put_away(server, what, "Done")


def test_with_other_numbers_nothing_is_put_away() -> None:
    with ImapStandIn() as server:
        server.deliver(mail("one"))
        assert not put_away(server, "delete", validity=1)
        assert uids(server) == [1]
        with pytest.raises(BadInput, match="mailbox"):
            put_away(server, "move", "Nowhere")


@needs_openssl
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_password_goes_over_tls_only(
    certificate: Path, monkeypatch: pytest.MonkeyPatch, security: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(BadInput, match="in the clear"):
        ImapServer("localhost", 143, "none", "ada", "pass")
    tls = server_tls(certificate)
    password = 'p"a\\ss word'
    with ImapStandIn(user="ada", password=password, tls=tls, implicit=security == "tls") as server:
        asyncio.run(client(server, security, username="ada", password=password).check())
        with pytest.raises(AuthenticationFailed):
            asyncio.run(client(server, security, username="ada", password="wrong").check())
        assert "repr" not in repr(client(server, security, username="ada", password=password))
        assert password not in repr(client(server, security, username="ada", password=password))


@needs_openssl
@pytest.mark.parametrize("security", ["tls", "starttls"])
def test_a_certificate_that_is_not_trusted_gets_nothing(certificate: Path, security: str) -> None:
    with ImapStandIn(
        user="ada", password="x", tls=server_tls(certificate), implicit=security == "tls"
    ) as server:
        with pytest.raises(BadInput, match="not trusted"):
            asyncio.run(client(server, security, username="ada", password="x").check())
        assert "LOGIN" not in server.commands


def test_without_starttls_nothing_is_sent() -> None:
    with ImapStandIn(user="ada", password="x") as server:
        with pytest.raises(BadInput, match="STARTTLS"):
            asyncio.run(client(server, "starttls", username="ada", password="x").check())
        assert "LOGIN" not in server.commands


def test_the_stand_in_is_strict() -> None:
    with ImapStandIn(user="ada", password="x") as server:
        plain = imaplib.IMAP4("localhost", server.port, timeout=5)
        with pytest.raises(imaplib.IMAP4.error):
            plain._simple_command("EXAMINE", "INBOX")  # type: ignore[attr-defined]
        assert plain.login("ada", "x")[0] == "OK"
        assert plain.select("INBOX", readonly=True)[0] == "OK"
        server.deliver(mail("one"))
        assert plain.uid("STORE", "1", "+FLAGS.SILENT", "(\\Seen)")[0] == "NO"
        with pytest.raises(imaplib.IMAP4.error):
            plain.uid("THREAD", "1")
        plain.logout()


def test_a_server_without_uidvalidity_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with ImapStandIn() as server:
        server.validity = "x"  # type: ignore[assignment]
        with pytest.raises(MalformedOutput, match="UIDVALIDITY"):
            look(server, validity=None)
