"""The layer every request passes last: the address is checked and the credential attached here.

A credential travels beside the request, never in it, until this module has compared the origin that
is about to be dialled with the origins the credential belongs to. No caller can put it elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from .errors import ConnectFailed, HttpError, RefusedByPolicy, SentUnknown
from .messages import Credential
from .policy import Guard
from .transport import Progress, Transport, WireFailure, WireRequest, WireResponse
from .urls import Origin, Url

__all__ = ["GuardedTransport", "failed", "timed_out"]


class GuardedTransport:
    """Applies the rules on URLs, addresses and credentials to one request without redirects.

    Args:
        redact: Masks secrets in what goes into an error's detail.
    """

    def __init__(self, guard: Guard, transport: Transport, redact: Callable[[str], str]) -> None:
        self._guard = guard
        self._transport = transport
        self._redact = redact

    async def send(
        self,
        request: WireRequest,
        progress: Progress,
        *,
        credential: Credential | None,
        hosts: Sequence[str],
        trusted: Sequence[Origin],
    ) -> WireResponse:
        """Send one request.

        Raises:
            RefusedByPolicy: C102, C104, C105, C106 or C107.
            ConnectFailed, SentUnknown: The network failed.
        """
        self._guard.check_url(request.url, hosts=hosts, trusted=trusted)
        origin = request.url.origin
        if credential is not None:
            own = credential.headers_for(origin)
            if own is None:
                raise RefusedByPolicy("C107", f"the credential does not belong to {origin}")
            names = {name.lower() for name, _ in own}
            rest = tuple(pair for pair in request.headers if pair[0].lower() not in names)
            request = replace(request, headers=rest + own)
        try:
            return await self._transport.send(
                request,
                progress,
                trusted=self._guard.trusts(origin, trusted),
                connect_timeout=self._guard.policy.connect_timeout,
            )
        except WireFailure as failure:
            raise failed(failure, request.url, progress, redact=self._redact) from failure
        except HttpError as error:
            error.detail = self._redact(error.detail)
            raise

    async def aclose(self) -> None:
        await self._transport.aclose()


def failed(
    failure: WireFailure,
    url: Url,
    progress: Progress,
    *,
    redact: Callable[[str], str],
    status: int | None = None,
) -> HttpError:
    """The error that a failure of the network means for the caller."""
    detail = redact(failure.detail)
    if not progress.sent:
        if failure.kind == "request":
            return RefusedByPolicy("C108", "the request is not valid HTTP", detail=detail)
        if failure.kind == "dns":
            return ConnectFailed("C109", f"the host name {url.origin.host} does not resolve", detail=detail)
        if failure.kind == "timeout":
            return ConnectFailed("C112", f"no connection to {url} in time", detail=detail)
        if progress.securing:
            return ConnectFailed("C111", f"no secure connection to {url}", detail=detail)
        return ConnectFailed("C110", f"no connection to {url}", detail=detail)
    if failure.kind == "protocol":
        return SentUnknown(
            "C114", f"the answer of {url} broke off or is not HTTP", status=status, detail=detail
        )
    if failure.kind == "timeout":
        return timed_out(url, progress, status=status)
    if failure.kind == "request":
        return SentUnknown(
            "C108", f"the request to {url} broke off: its body is not what was announced", detail=detail
        )
    return SentUnknown(
        "C113",
        f"the connection to {url} was lost after the request was sent",
        status=status,
        detail=detail,
    )


def timed_out(url: Url, progress: Progress, *, status: int | None = None) -> HttpError:
    """The error for a deadline that has passed."""
    if progress.sent:
        return SentUnknown("C112", f"no whole answer from {url} in time", status=status)
    return ConnectFailed("C112", f"no connection to {url} in time")
