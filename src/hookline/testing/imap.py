"""A strict little IMAP server on loopback (RFC 3501, with UIDPLUS and MOVE where they are switched on).

It knows the commands that Hookline uses, answers everything else with ``BAD``, refuses what is out of
order (a search before a mailbox is open, a change in one that is open for reading), and can let one down.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from hookline.testing.ports import LOOPBACK

__all__ = ["ImapStandIn", "StoredMail"]

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\([^)]*\))|(\S+)')
_MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
_SECONDS = 10.0


@dataclass
class StoredMail:
    """A message in a mailbox; `flags` are as a client set them."""

    uid: int
    content: bytes
    at: datetime
    flags: set[str] = field(default_factory=set)


@dataclass
class ImapStandIn:
    """Use it as a context manager; `port` is where it listens.

    Attributes:
        user, password: Asked for; a connection is let in at once when there is no user.
        tls: Spoken from the first byte when `implicit`, else after STARTTLS.
        capabilities: Named beside IMAP4rev1.
        boxes: Messages by mailbox.
        commands: What clients sent, without arguments of LOGIN.
        hang_up: Close the connection instead of answering this command, so many times.
        lie_about: What a literal's size is said to be, by its true size.
        without_uidnext: Leave UIDNEXT out, as some servers do.
    """

    user: str = ""
    password: str = ""
    tls: ssl.SSLContext | None = None
    implicit: bool = False
    capabilities: tuple[str, ...] = ("UIDPLUS", "MOVE")
    boxes: dict[str, list[StoredMail]] = field(default_factory=lambda: {"INBOX": []})
    validity: int = 1_700_000_000
    commands: list[str] = field(default_factory=list)
    hang_up: dict[str, int] = field(default_factory=dict)
    lie_about: dict[int, int] = field(default_factory=dict)
    without_uidnext: bool = False

    def deliver(self, content: bytes, box: str = "INBOX", at: datetime | None = None) -> int:
        """Put a message into a mailbox; returns its number."""
        uid = self._next_uid
        self._next_uid += 1
        self.boxes[box].append(StoredMail(uid, content, at or datetime(2026, 3, 1, 12, tzinfo=UTC)))
        return uid

    def __enter__(self) -> ImapStandIn:
        self._next_uid = 1
        self._listener = socket.create_server((LOOPBACK, 0))
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._open: set[Any] = set()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._acceptor.join(_SECONDS)
        for thread in self._threads:
            thread.join(_SECONDS)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            connection.settimeout(_SECONDS)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            if self.implicit and self.tls is not None:
                connection = self.tls.wrap_socket(connection, server_side=True)
            _Session(self, connection).talk()
        except OSError:
            return
        finally:
            connection.close()


class _Session:
    """One connection."""

    def __init__(self, server: ImapStandIn, connection: Any) -> None:
        self._server = server
        self._connection = connection
        self._reader = connection.makefile("rb")
        self._is_in = not server.user
        self._box: list[StoredMail] | None = None
        self._may_change = False

    def talk(self) -> None:
        try:
            self._converse()
        finally:
            # After STARTTLS it is another one than the server has.
            with contextlib.suppress(OSError):
                self._reader.close()
            self._connection.close()

    def _converse(self) -> None:
        self._say("* PREAUTH ready" if self._is_in else "* OK ready")
        while line := self._reader.readline(8192):
            tag, _, rest = line.decode("utf-8", "replace").rstrip("\r\n").partition(" ")
            command, words = self._parsed(rest)
            self._server.commands.append(command if command == "LOGIN" else rest)
            if self._server.hang_up.get(command, 0) > 0:
                self._server.hang_up[command] -= 1
                return
            answer = self._answer(command, words)
            self._say(f"{tag} {answer}")
            if command == "LOGOUT":
                return
            if command == "STARTTLS" and answer.startswith("OK"):
                assert self._server.tls is not None
                self._reader.close()
                self._connection = self._server.tls.wrap_socket(self._connection, server_side=True)
                self._reader = self._connection.makefile("rb")

    @staticmethod
    def _parsed(rest: str) -> tuple[str, list[str]]:
        words = [
            quoted.replace('\\"', '"').replace("\\\\", "\\") if match.startswith('"') else (group or bare)
            for match, quoted, group, bare in ((found[0], *found.groups()) for found in _WORD.finditer(rest))
        ]
        command = words.pop(0).upper() if words else ""
        if command == "UID" and words:
            command = f"UID {words.pop(0).upper()}"
        return command, words

    def _say(self, text: str) -> None:
        self._connection.sendall(text.encode() + b"\r\n")

    def _answer(self, command: str, words: list[str]) -> str:
        server = self._server
        if command == "CAPABILITY":
            offers = ["STARTTLS"] if server.tls and not isinstance(self._connection, ssl.SSLSocket) else []
            self._say(" ".join(["* CAPABILITY IMAP4rev1", *offers, *server.capabilities]))
            return "OK done"
        if command == "NOOP":
            return "OK done"
        if command == "LOGOUT":
            self._say("* BYE")
            return "OK done"
        if command == "STARTTLS":
            return (
                "OK go ahead" if server.tls and not isinstance(self._connection, ssl.SSLSocket) else "BAD no"
            )
        if command == "LOGIN":
            if self._is_in:
                return "BAD already in"
            self._is_in = words == [server.user, server.password]
            return "OK welcome" if self._is_in else "NO [AUTHENTICATIONFAILED] wrong"
        if not self._is_in:
            return "BAD log in first"
        if command in ("SELECT", "EXAMINE"):
            return self._select(words, may_change=command == "SELECT")
        if self._box is None:
            return "BAD open a mailbox first"
        if command == "UID SEARCH":
            found = [mail.uid for mail in self._chosen(words[1])] if words[:1] == ["UID"] else None
            if found is None:
                return "BAD only UID is searched"
            self._say(" ".join(["* SEARCH", *map(str, found)]))
            return "OK done"
        if command == "UID FETCH":
            return self._fetch(words)
        if command in ("UID STORE", "UID COPY", "UID MOVE", "UID EXPUNGE"):
            return self._change(command, words)
        return "BAD unknown command"

    def _select(self, words: list[str], *, may_change: bool) -> str:
        name = _decoded(words[0])
        box = self._server.boxes.get(name)
        if box is None:
            self._box = None
            return "NO [NONEXISTENT] no such mailbox"
        self._box, self._may_change = box, may_change
        self._say(f"* {len(box)} EXISTS")
        self._say(f"* OK [UIDVALIDITY {self._server.validity}] valid")
        if not self._server.without_uidnext:
            self._say(f"* OK [UIDNEXT {self._server._next_uid}] next")
        return "OK [READ-WRITE] done" if may_change else "OK [READ-ONLY] done"

    def _chosen(self, ranges: str) -> Iterator[StoredMail]:
        assert self._box is not None
        last = max((mail.uid for mail in self._box), default=0)
        wanted: set[int] = set()
        for part in ranges.split(","):
            first, colon, end = part.partition(":")
            low = int(first)
            high = low if not colon else last if end == "*" else int(end)
            # As in RFC 3501: the order of the two does not matter, so n:* always names the last one.
            wanted.update(range(min(low, high), max(low, high) + 1))
        return (mail for mail in list(self._box) if mail.uid in wanted)

    def _fetch(self, words: list[str]) -> str:
        assert self._box is not None
        what = words[1].upper()
        for place, mail in enumerate(self._box, 1):
            if mail not in list(self._chosen(words[0])):
                continue
            head = f"* {place} FETCH (UID {mail.uid}"
            if "BODY.PEEK[]" in what:
                self._literal(f"{head} BODY[] ", mail.content)
            elif "BODY.PEEK[HEADER]" in what:
                size = int(re.findall(r"<0\.(\d+)>", what)[0])
                header = mail.content.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
                self._literal(f"{head} BODY[HEADER]<0> ", header[:size])
            elif "RFC822.SIZE" in what:
                flags, size = " ".join(sorted(mail.flags)), len(mail.content)
                self._say(f'{head} RFC822.SIZE {size} INTERNALDATE "{_date(mail.at)}" FLAGS ({flags}))')
            else:
                return "BAD this is not fetched"
        return "OK done"

    def _literal(self, head: str, content: bytes) -> None:
        size = self._server.lie_about.get(len(content), len(content))
        self._connection.sendall(f"{head}{{{size}}}\r\n".encode() + content + b")\r\n")

    def _change(self, command: str, words: list[str]) -> str:
        assert self._box is not None
        if not self._may_change:
            return "NO the mailbox is open for reading only"
        chosen = list(self._chosen(words[0]))
        if command == "UID STORE":
            if words[1].upper() != "+FLAGS.SILENT":
                return "BAD only +FLAGS.SILENT"
            for mail in chosen:
                mail.flags |= set(words[2].strip("()").split())
            return "OK done"
        if command in ("UID COPY", "UID MOVE"):
            if command == "UID MOVE" and "MOVE" not in self._server.capabilities:
                return "BAD unknown command"
            target = self._server.boxes.get(_decoded(words[1]))
            if target is None:
                return "NO [TRYCREATE] no such mailbox"
            for mail in chosen:
                target.append(StoredMail(self._server._next_uid, mail.content, mail.at, set(mail.flags)))
                self._server._next_uid += 1
            if command == "UID COPY":
                return "OK done"
        elif "UIDPLUS" not in self._server.capabilities:
            return "BAD unknown command"
        for mail in chosen:
            if command == "UID MOVE" or "\\Deleted" in mail.flags:
                self._box.remove(mail)
        return "OK done"


def _date(at: datetime) -> str:
    return f"{at.day:02}-{_MONTHS[at.month - 1]}-{at.year} {at:%H:%M:%S} +0000"


def _decoded(name: str) -> str:
    """A mailbox's name out of modified UTF-7 (RFC 3501 §5.1.3)."""

    def decode(found: re.Match[str]) -> str:
        if not found[1]:
            return "&"
        text = found[1].replace(",", "/")
        return base64.b64decode(text + "=" * (-len(text) % 4)).decode("utf-16-be")

    return re.sub(r"&([^-]*)-", decode, name)
