"""Credentials, and what a caller gets back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from email.message import Message
from typing import Any

from .errors import BadResponse
from .headers import check_headers
from .strict_json import StrictJsonError, loads
from .urls import Origin

__all__ = ["Credential", "DownloadResult", "HttpResponse", "media_type"]


class Credential:
    """Headers that only ever go to the origins they belong to.

    Args:
        headers: Such as ``{"Authorization": "Bearer …"}``.
        origins: Such as ``("https://api.replicate.com",)``; scheme, host and port must all match.

    Raises:
        ValueError: An origin is not one, or there is none.
        RefusedByPolicy: C108, a header is not valid.
    """

    __slots__ = ("_headers", "origins")

    def __init__(self, headers: Mapping[str, str], origins: Sequence[str]) -> None:
        if isinstance(origins, str) or not origins:
            raise ValueError("a credential needs a sequence of at least one origin")
        self._headers = tuple(check_headers(headers))
        self.origins = frozenset(Origin.parse(text) for text in origins)

    def __repr__(self) -> str:
        return f"Credential(origins={sorted(map(str, self.origins))})"

    def headers_for(self, origin: Origin) -> tuple[tuple[str, str], ...] | None:
        """The headers if they belong to this origin, None otherwise."""
        return self._headers if origin in self.origins else None


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """An answer, read in full.

    Attributes:
        headers: Names are case-insensitive, repeated ones joined by ``, ``; the object is a
            `Headers`, whose `get_list` gives them one by one.
        url: The address that answered, after redirects.
        elapsed: Seconds from the call to the last byte.
        retry_after: Seconds the service asks to wait, 0 to 3600, None when it does not say.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    content: bytes = field(repr=False)
    url: str = field(repr=False)
    elapsed: float
    retry_after: float | None = None

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    @property
    def content_type(self) -> str:
        """Media type in lower case without parameters, ``""`` when absent."""
        return media_type(self.headers)

    @property
    def text(self) -> str:
        """The body in the charset it states, UTF-8 otherwise; bytes that do not fit become U+FFFD."""
        try:
            return self.content.decode(_charset(self.headers), errors="replace")
        except (LookupError, ValueError):
            return self.content.decode("utf-8", errors="replace")

    def json(self) -> Any:
        """The body as strict JSON; see `hookline.engine.http.strict_json.loads`.

        Raises:
            BadResponse: C118. The message holds nothing of the body.
        """
        try:
            return loads(self.content)
        except StrictJsonError as error:
            kind = self.content_type or "no content type"
            raise BadResponse(
                "C118",
                f"the answer is not usable JSON: {error}",
                hint=f"the answer says it is {kind}" if kind.isprintable() else "",
                status=self.status,
                retry_after=self.retry_after,
            ) from None


@dataclass(frozen=True, slots=True)
class DownloadResult:
    """A body that was written out.

    Attributes:
        bytes: How many were written.
        sha256: Their digest in hexadecimal.
        content_type: Media type as the service states it, ``""`` when absent. Not verified.
        url: The address that answered, after redirects.
    """

    bytes: int
    sha256: str
    content_type: str
    status: int
    headers: Mapping[str, str] = field(repr=False)
    url: str = field(repr=False)
    elapsed: float = 0.0


def media_type(headers: Mapping[str, str]) -> str:
    """Media type of a ``Content-Type`` header, lower case, without parameters."""
    return headers.get("content-type", "").partition(";")[0].strip().lower()


def _charset(headers: Mapping[str, str]) -> str:
    message = Message()
    message["Content-Type"] = headers.get("content-type", "")
    charset = message.get_content_charset()
    return charset or "utf-8"
