"""Handing mail to a server (RFC 5321), with what is certain about it when something breaks.

A message is the server's from the moment it answers the end of the data with 250. Everything before
the data is sent has certainly done nothing; an answer that is lost after it leaves the outcome open.
"""

from __future__ import annotations

import asyncio
import re
import smtplib
import ssl
from collections.abc import Mapping, Sequence
from typing import Literal

from hookline.sdk import (
    ActionError,
    AuthenticationFailed,
    BadInput,
    ContentRejected,
    NotFound,
    OutcomeUnknown,
    Unavailable,
)

__all__ = ["SmtpServer"]

TIMEOUT = 60.0
"""Seconds for each answer of the server; RFC 5321 §4.5.3.2 asks for minutes, which nobody waits for."""

_LINE_WITH_DOT = re.compile(rb"(?m)^\.")


class SmtpServer:
    """Satisfies `hookline.sdk.Smtp`.

    Args:
        security: ``starttls`` (usually port 587), ``tls`` from the first byte (465), ``none`` (25).

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
            raise BadInput(
                "a password is never sent in the clear", hint="set security to starttls or tls, or remove it"
            )
        self._host = host
        self._port = port
        self._security = security
        self._username = username
        self._password = password

    def __repr__(self) -> str:
        return f"SmtpServer({self._host!r}, {self._port}, {self._security!r})"

    async def send(self, sender: str, recipients: Sequence[str], message: bytes) -> Mapping[str, str]:
        """See `hookline.sdk.Smtp.send`."""
        return await asyncio.to_thread(self._send, sender, list(recipients), message)

    async def check(self) -> None:
        """See `hookline.sdk.Smtp.check`."""
        await asyncio.to_thread(self._check)

    def _check(self) -> None:
        _leave(self._open())

    def _send(self, sender: str, recipients: Sequence[str], message: bytes) -> dict[str, str]:
        server = self._open()
        try:
            refused = self._envelope(server, sender, recipients, len(message))
            self._data(server, message)
        finally:
            _leave(server)
        return refused

    def _open(self) -> smtplib.SMTP:
        server: smtplib.SMTP | None = None
        try:
            if self._security == "tls":
                context = ssl.create_default_context()
                server = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT, context=context)
            else:
                server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT)
            server.ehlo_or_helo_if_needed()
            if self._security == "starttls":
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            if self._username:
                server.login(self._username, self._password)
        except Exception as error:
            if server is not None:
                server.close()
            if isinstance(error, OSError):  # smtplib's own errors are among them.
                raise self._not_open(error) from error
            raise
        return server

    def _not_open(self, error: OSError) -> ActionError:
        where = f"the mail server {self._host}:{self._port}"
        if isinstance(error, smtplib.SMTPAuthenticationError):
            if 400 <= error.smtp_code < 500:
                return Unavailable(f"{where} puts off the login ({error.smtp_code})")
            return AuthenticationFailed(
                f"{where} refused the user name and password",
                hint="many providers want a password made for programs",
            )
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return BadInput(
                f"{where} does not offer what the connection asks for ({self._security}"
                f"{', login' if self._username else ''})",
                hint="nothing was sent; change security or the port",
            )
        if isinstance(error, ssl.SSLCertVerificationError):
            return BadInput(
                f"the certificate of {where} is not trusted: {error.verify_message}",
                hint="use the name in the certificate; nothing was sent",
            )
        if isinstance(error, ssl.SSLError):
            return BadInput(f"{where} does not speak TLS here", hint="465 wants tls, 587 wants starttls")
        return Unavailable(f"{where} could not be reached", detail=str(error))

    def _envelope(
        self, server: smtplib.SMTP, sender: str, recipients: Sequence[str], size: int
    ) -> dict[str, str]:
        try:
            options = [f"size={size}"] if server.has_extn("size") else []
            code, reply = server.mail(sender, options)
            if code != 250:
                raise _refusal(code, f"the sender {sender} was refused: {_told(code, reply)}", BadInput)
            refused: dict[str, str] = {}
            put_off = False
            for recipient in recipients:
                code, reply = server.rcpt(recipient)
                if code not in (250, 251):
                    put_off |= code < 500
                    refused[recipient] = _told(code, reply)
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("the mail server went away before it was given the message") from error
        if len(refused) == len(recipients):
            first = next(iter(refused.values()))
            raise _refusal(450 if put_off else 550, f"not one recipient was accepted: {first}", NotFound)
        return refused

    def _data(self, server: smtplib.SMTP, message: bytes) -> None:
        try:
            code, reply = server.docmd("DATA")
        except (smtplib.SMTPException, OSError) as error:
            raise Unavailable("the mail server went away before it was given the message") from error
        if code != 354:
            raise _refusal(code, f"the mail server wants no message: {_told(code, reply)}", ContentRejected)
        try:
            body = _LINE_WITH_DOT.sub(b"..", message)
            server.send(body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n")
            code, reply = server.getreply()
        except (smtplib.SMTPException, OSError) as error:
            raise OutcomeUnknown(
                "the mail server's answer to the message was lost",
                hint="look for the message before repeating the step; both would have the same Message-ID",
            ) from error
        if code != 250:
            raise _refusal(code, f"the message was refused: {_told(code, reply)}", ContentRejected)


def _refusal(code: int, message: str, permanent: type[ActionError]) -> ActionError:
    """4xx: later; 5xx: never. Either way the server took nothing."""
    if 400 <= code < 500:
        return Unavailable(f"{message} (it may be tried again)")
    return permanent(message)


def _told(code: int, reply: bytes) -> str:
    text = " ".join(reply.decode("utf-8", "replace").split())
    return f"{code} {text}"[:200]


def _leave(server: smtplib.SMTP) -> None:
    """Say goodbye; whether it is heard no longer matters."""
    try:
        server.quit()
    except (smtplib.SMTPException, OSError):
        server.close()
