"""A small mail server on loopback that does what a test tells it."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

__all__ = ["MailServer", "Received"]


@dataclass
class Received:
    """A message that was taken."""

    sender: str
    recipients: list[str]
    content: bytes
    secure: bool
    user: str

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.default)


@dataclass
class MailServer:
    """Use it as a context manager.

    Attributes:
        replies: What a verb is answered in place of 250: ``{"MAIL": "550 no"}``; ``"RCPT a@b"`` is for
            one address, ``"END"`` for the end of the data.
        hang_up: Close the connection instead of answering this verb; ``END`` takes the message first.
        offers: Extensions named after EHLO.
    """

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    user: str = ""
    password: str = ""
    offers: tuple[str, ...] = ("SIZE 30000000",)
    replies: dict[str, str] = field(default_factory=dict)
    hang_up: str = ""
    taken: list[Received] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def __enter__(self) -> MailServer:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._upgraded: list[ssl.SSLSocket] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(10)
        for thread in self._threads:
            thread.join(10)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(10)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.implicit and self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            self._talk(connection)
        except OSError:
            return
        finally:
            connection.close()
            for upgraded in self._upgraded:
                upgraded.close()

    def _talk(self, connection: Any) -> None:
        reader = connection.makefile("rb")
        sender, recipients, user = "", [], ""
        self._say(connection, "220 mail.test ready")
        while line := reader.readline():
            text = line.decode("utf-8", "replace").rstrip("\r\n")
            verb, _, rest = text.partition(" ")
            verb = verb.upper()
            self.seen.append(verb)
            if verb == self.hang_up:
                return
            scripted = self.replies.get(f"{verb} {_address(rest)}") or self.replies.get(verb)
            if verb == "EHLO":
                secure = isinstance(connection, ssl.SSLSocket)
                offers = [*self.offers]
                if self.tls is not None and not secure:
                    offers.append("STARTTLS")
                if self.user:
                    offers.append("AUTH PLAIN")
                lines = ["mail.test", *offers]
                for place, each in enumerate(lines):
                    self._say(connection, f"250{' ' if place == len(lines) - 1 else '-'}{each}")
            elif scripted:
                self._say(connection, scripted)
            elif verb == "STARTTLS" and self.tls is not None:
                self._say(connection, "220 go ahead")
                reader.close()
                connection = self.tls.wrap_socket(connection, server_side=True)
                self._upgraded.append(connection)
                reader = connection.makefile("rb")
            elif verb == "AUTH":
                _, given_user, given = base64.b64decode(rest.split(" ")[1]).decode().split("\0")
                is_right = (given_user, given) == (self.user, self.password)
                user = given_user if is_right else ""
                self._say(connection, "235 welcome" if is_right else "535 5.7.8 wrong")
            elif verb == "MAIL":
                sender = _address(rest)
                self._say(connection, "250 ok")
            elif verb == "RCPT":
                recipients.append(_address(rest))
                self._say(connection, "250 ok")
            elif verb == "DATA":
                self._say(connection, "354 go on")
                content = b""
                while (line := reader.readline()) != b".\r\n":
                    if not line:
                        return
                    content += line.removeprefix(b".")
                if end := self.replies.get("END"):
                    self._say(connection, end)
                    continue
                secure = isinstance(connection, ssl.SSLSocket)
                self.taken.append(Received(sender, list(recipients), content, secure, user))
                if self.hang_up == "END":
                    return
                self._say(connection, "250 queued")
            elif verb == "QUIT":
                self._say(connection, "221 bye")
                return
            else:
                self._say(connection, "250 ok")

    def _say(self, connection: Any, line: str) -> None:
        connection.sendall(line.encode() + b"\r\n")


def _address(rest: str) -> str:
    return rest.partition("<")[2].partition(">")[0]
