"""Looking into a mailbox (RFC 3501), without changing anything in it unless that is asked for.

Nothing that a server says decides how much is read: every literal is held against a cap before it is
taken in. Messages are fetched with ``BODY.PEEK``, from a mailbox that was opened for reading only.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import imaplib
import re
import ssl
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal, TypeVar

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    MailboxLook,
    MailFound,
    MalformedOutput,
    NotFound,
    Unavailable,
)

__all__ = ["ImapServer"]

T = TypeVar("T")

TIMEOUT = 60.0
"""Seconds for each answer of the server."""

HEADER_BYTES = 65_536
"""Bytes of the header of a message that is too large to be read."""

_ANSWER_BYTES = 4_000_000
"""Longest answer that is not a message: the list of a search, for example."""

_MAX_UIDS = 100_000

_UID = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d{1,12})\b")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]{1,40})"')
_FLAGS = re.compile(rb"\bFLAGS \(([^)]{0,1000})\)")
_MAILBOX = re.compile(r"[^\x00-\x1f\x7f\"\\*%]{1,200}")


class ImapServer:
    """Satisfies `hookline.sdk.Imap`.

    Args:
        security: ``tls`` from the first byte (usually port 993), ``starttls`` (143), ``none``.

    Raises:
        BadInput: There is a password, and no security.
    """

    def __init__(
        self,
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        username: str = "",
        password: str = "",
    ) -> None:
        if security == "none" and (username or password):
            raise BadInput("a password is never sent in the clear", hint="set security to tls or starttls")
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password

    def __repr__(self) -> str:
        return f"ImapServer({self._host!r}, {self._port}, {self._security!r})"

    async def check(self) -> None:
        """See `hookline.sdk.Imap.check`."""
        await asyncio.to_thread(self._with, lambda server: None)

    async def look(
        self,
        mailbox: str,
        *,
        validity: int | None,
        after: int,
        limit: int,
        max_bytes: int,
        known: Callable[[MailFound, int], bool] | None = None,
    ) -> MailboxLook:
        """See `hookline.sdk.Imap.look`."""

        def look(server: _Client) -> MailboxLook:
            return _look(server, mailbox, validity, after, limit, max_bytes, known)

        return await asyncio.to_thread(self._with, look)

    async def put_away(
        self,
        mailbox: str,
        validity: int,
        uids: Sequence[int],
        what: Literal["seen", "delete", "move"],
        target: str = "",
    ) -> bool:
        """See `hookline.sdk.Imap.put_away`."""

        def put_away(server: _Client) -> bool:
            return _put_away(server, mailbox, validity, uids, what, target)

        return await asyncio.to_thread(self._with, put_away)

    def _with(self, work: Callable[[_Client], T]) -> T:
        where = f"the mail server {self._host}:{self._port}"
        server = None
        try:
            server = self._open()
            return work(server)
        except ActionError:
            raise
        except ssl.SSLCertVerificationError as error:
            raise BadInput(
                f"the certificate of {where} is not trusted: {error.verify_message}",
                hint="use the name in the certificate",
            ) from error
        except ssl.SSLError as error:
            raise BadInput(
                f"{where} does not speak TLS here", hint="993 wants tls, 143 wants starttls"
            ) from error
        except imaplib.IMAP4.abort as error:
            raise Unavailable(f"{where} broke off", detail=str(error)[:200]) from error
        except imaplib.IMAP4.error as error:
            raise MalformedOutput(f"{where} refused a command: {str(error)[:200]}") from error
        except (OSError, ValueError, IndexError, TypeError) as error:
            raise Unavailable(
                f"{where} could not be reached or understood", detail=str(error)[:200]
            ) from error
        finally:
            if server is not None:
                _leave(server)

    def _open(self) -> _Client:
        context = None if self._security == "none" else ssl.create_default_context()
        server = _Client(self._host, self._port, context if self._security == "tls" else None)
        try:
            if self._security == "starttls":
                if "STARTTLS" not in server.capabilities:
                    raise BadInput("the mail server does not offer STARTTLS", hint="set security to tls")
                server.starttls(context)
            if self._username:
                try:
                    server.login(self._username, self._password)
                except imaplib.IMAP4.abort:
                    raise
                except imaplib.IMAP4.error as error:
                    raise AuthenticationFailed(
                        f"the mail server {self._host}:{self._port} refused the user name and password",
                        hint="many providers want a password made for programs",
                    ) from error
        except BaseException:
            _leave(server)
            raise
        return server


class _Client(imaplib.IMAP4):
    """imaplib's client, which reads no more than `most` bytes of one answer."""

    most = _ANSWER_BYTES

    def __init__(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        self._tls = tls
        super().__init__(host, port, timeout=TIMEOUT)

    def _create_socket(self, timeout: float | None) -> Any:
        plain = super()._create_socket(timeout)  # type: ignore[misc]
        return plain if self._tls is None else self._tls.wrap_socket(plain, server_hostname=self.host)

    def read(self, size: int) -> bytes:
        if size > self.most:
            raise self.abort(f"an answer of {size} bytes was announced; {self.most} are taken")
        return super().read(size)


def _look(
    server: _Client,
    mailbox: str,
    validity: int | None,
    after: int,
    limit: int,
    max_bytes: int,
    known: Callable[[MailFound, int], bool] | None,
) -> MailboxLook:
    now_valid, following = _select(server, mailbox, readonly=True)
    if validity is None:
        return MailboxLook(now_valid, following - 1 if following else _last(server), (), False)
    start = after + 1 if validity == now_valid else 1
    uids = [uid for uid in _search(server, start) if uid >= start]
    messages: list[MailFound] = []
    last = start - 1
    for place, uid in enumerate(uids):
        if len(messages) >= limit:
            return MailboxLook(now_valid, last, tuple(messages), True)
        found = _describe(server, uid)
        if found is not None and not (known is not None and known(found, now_valid)):
            messages.append(_fetched(server, found, max_bytes))
        last = uid
        if place >= _MAX_UIDS:
            return MailboxLook(now_valid, last, tuple(messages), True)
    # What was expunged meanwhile has had its number; new messages only get higher ones.
    return MailboxLook(now_valid, max(last, following - 1 if following else last), tuple(messages), False)


def _select(server: _Client, mailbox: str, *, readonly: bool) -> tuple[int, int]:
    """UIDVALIDITY and UIDNEXT (0 when the server does not say)."""
    status, answer = server.select(_quoted(mailbox), readonly=readonly)
    if status != "OK":
        raise NotFound(f"there is no mailbox {mailbox!r}: {_told(answer)}")
    validity = _number(server.response("UIDVALIDITY")[1])
    if validity is None:
        raise MalformedOutput("the mail server gives no UIDVALIDITY, so its messages cannot be told apart")
    return validity, _number(server.response("UIDNEXT")[1]) or 0


def _number(answer: Sequence[Any]) -> int | None:
    first = answer[-1] if answer else None
    return int(first) if isinstance(first, bytes) and first.isdigit() and len(first) <= 10 else None


def _search(server: _Client, start: int) -> list[int]:
    status, answer = server.uid("SEARCH", f"UID {start}:*")
    if status != "OK":
        raise MalformedOutput(f"the mail server cannot search: {_told(answer)}")
    text = b" ".join(part for part in answer if isinstance(part, bytes))
    return sorted({int(word) for word in text.split() if word.isdigit() and len(word) <= 10})


def _last(server: _Client) -> int:
    return max(_search(server, 1), default=0)


def _describe(server: _Client, uid: int) -> MailFound | None:
    """What is known of a message without reading it; None when it is gone."""
    status, answer = server.uid("FETCH", str(uid), "(UID RFC822.SIZE INTERNALDATE FLAGS)")
    line = b" ".join(part for part in answer or () if isinstance(part, bytes))
    size, date, flags = _SIZE.search(line), _DATE.search(line), _FLAGS.search(line)
    if status != "OK" or size is None or _uid_of(line) != uid:
        return None
    return MailFound(
        uid=uid,
        size=int(size[1]),
        received_at=_time(date[1] if date else b""),
        flags=tuple(flags[1].decode("ascii", "replace").split()) if flags else (),
    )


def _fetched(server: _Client, found: MailFound, max_bytes: int) -> MailFound:
    whole = found.size <= max_bytes
    what = "(UID BODY.PEEK[])" if whole else f"(UID BODY.PEEK[HEADER]<0.{HEADER_BYTES}>)"
    server.most = max_bytes if whole else HEADER_BYTES
    try:
        _, answer = server.uid("FETCH", str(found.uid), what)
    finally:
        server.most = _ANSWER_BYTES
    content = next((part[1] for part in answer or () if isinstance(part, tuple)), None)
    if content is None:
        # Expunged between two commands: there is nothing to start with.
        return MailFound(found.uid, 0, found.received_at, found.flags, b"", is_gone=True)
    return MailFound(found.uid, found.size, found.received_at, found.flags, content, is_whole=whole)


def _put_away(
    server: _Client, mailbox: str, validity: int, uids: Sequence[int], what: str, target: str
) -> bool:
    now_valid, _ = _select(server, mailbox, readonly=False)
    if now_valid != validity:
        return False
    for part in _parts(uids):
        if what == "seen":
            _done(server.uid("STORE", part, "+FLAGS.SILENT", r"(\Seen)"))
        elif what == "move" and "MOVE" in server.capabilities:
            _done(server.uid("MOVE", part, _quoted(target)))
        else:
            if what == "move":
                _done(server.uid("COPY", part, _quoted(target)))
            _done(server.uid("STORE", part, "+FLAGS.SILENT", r"(\Deleted)"))
            # Without UIDPLUS it stays marked: a plain EXPUNGE would also remove what others have marked.
            if "UIDPLUS" in server.capabilities:
                _done(server.uid("EXPUNGE", part))
    return True


def _parts(uids: Sequence[int]) -> Iterator[str]:
    for start in range(0, len(uids), 100):
        yield ",".join(str(uid) for uid in uids[start : start + 100])


def _done(answer: tuple[str, Sequence[Any]]) -> None:
    if answer[0] != "OK":
        raise BadInput(f"the mail server refuses: {_told(answer[1])}", hint="does the mailbox exist?")


def _uid_of(line: bytes) -> int | None:
    found = _UID.search(line)
    return int(found[1]) if found else None


def _time(text: bytes) -> datetime:
    try:
        # "17-Jul-1996 02:44:25 -0700"
        return parsedate_to_datetime(text.decode("ascii").strip().replace("-", " ", 2)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, UnicodeDecodeError):
        return datetime(1970, 1, 1, tzinfo=UTC)


def _quoted(mailbox: str) -> str:
    if not _MAILBOX.fullmatch(mailbox):
        raise BadInput(f"{mailbox[:60]!r} is not the name of a mailbox", hint='write "INBOX"')
    return f'"{_modified_utf7(mailbox)}"'


def _modified_utf7(text: str) -> str:
    """Names of mailboxes on the wire (RFC 3501 §5.1.3)."""
    pieces: list[str] = []
    for ascii_part, other in re.findall(r"([ -~]+)|([^ -~]+)", text):
        if ascii_part:
            pieces.append(ascii_part.replace("&", "&-"))
        else:
            encoded = other.encode("utf-16-be", "replace")
            pieces.append("&" + base64.b64encode(encoded).decode().rstrip("=").replace("/", ",") + "-")
    return "".join(pieces)


def _told(answer: Any) -> str:
    parts = [part.decode("utf-8", "replace") for part in answer or () if isinstance(part, bytes)]
    return " ".join(" ".join(parts).split())[:200]


def _leave(server: _Client) -> None:
    """Say goodbye; whether it is heard no longer matters."""
    with contextlib.suppress(imaplib.IMAP4.error, OSError, ValueError):
        server.logout()
    with contextlib.suppress(imaplib.IMAP4.error, OSError, ValueError):
        server.shutdown()
