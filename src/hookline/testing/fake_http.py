"""An HTTP client that answers from recordings and remembers what was asked."""

from __future__ import annotations

import json as jsonlib
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import urlencode, urljoin, urlsplit

from hookline.sdk import File, MalformedOutput, Recorded, raise_for_status

if TYPE_CHECKING:
    from .fakes import FakeFiles

__all__ = ["Exchange", "FakeHttp", "FakeResponse", "FakeStreamed", "SentRequest"]

Json = Any
_PIECE = 1024


@dataclass(frozen=True, slots=True)
class SentRequest:
    """A request as it would have left, credentials included.

    Attributes:
        url: Absolute when the client has a base address; without `params`.
        headers: Lower-case names.
        json: The body given as JSON; Ellipsis when none was.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, str] = field(default_factory=dict)
    json: Json = ...
    content: bytes | None = None
    data: Mapping[str, str] | None = None
    files: Mapping[str, tuple[str, bytes, str]] | None = None
    timeout: float | None = None
    max_bytes: int | None = None

    @property
    def path(self) -> str:
        """The path, always starting with a slash."""
        return urlsplit(self.url).path or "/"

    @property
    def target(self) -> str:
        """Path and query."""
        query = "&".join(part for part in (urlsplit(self.url).query, urlencode(self.params)) if part)
        return f"{self.path}?{query}" if query else self.path


@dataclass(slots=True)
class FakeResponse:
    """A recorded answer, as the guarded client would give it."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @classmethod
    def of(cls, recorded: Recorded) -> FakeResponse:
        """The answer a recording stands for."""
        headers = {name.lower(): value for name, value in recorded.headers.items()}
        if recorded.text or recorded.json is None:
            return cls(recorded.status, headers, recorded.text.encode())
        headers.setdefault("content-type", "application/json")
        return cls(recorded.status, headers, jsonlib.dumps(recorded.json).encode())

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Json:
        try:
            return jsonlib.loads(self.content, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise MalformedOutput(f"the answer is not JSON: {error}") from error


@dataclass(slots=True)
class FakeStreamed:
    """A recorded answer that is read in pieces."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    async def pieces(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.content), _PIECE):
            yield self.content[start : start + _PIECE]


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


class Exchange:
    """The conversation of one test: the answers still to come, and the requests that came.

    Args:
        answers: In order; an exception is raised instead of answering.
    """

    def __init__(self, answers: Iterable[Recorded | Exception] = ()) -> None:
        self.answers: deque[Recorded | Exception] = deque(answers)
        self.requests: list[SentRequest] = []

    def send(self, request: SentRequest) -> FakeResponse:
        """The next answer.

        Raises:
            AssertionError: No answer is left, or the request is not the one it was recorded for.
        """
        self.requests.append(request)
        if not self.answers:
            raise AssertionError(f"no recorded answer is left for {request.method} {request.url}")
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        if answer.expect and answer.expect not in _names(request):
            raise AssertionError(f"{answer.expect} was expected, not {request.method} {request.url}")
        return FakeResponse.of(answer)


def _names(request: SentRequest) -> set[str]:
    """The ways in which a recording may name a request: path, path with query, whole address."""
    return {
        f"{request.method} {place}"
        for place in (request.path, request.target, request.url, request.url.partition("?")[0])
    }


class FakeHttp:
    """Satisfies `hookline.sdk.Http`.

    Args:
        answers: What the service answers, in order.
        base_url: Address that relative paths are below.
        headers: A credential: sent to the origin of `base_url` only.
        files: Where downloads are kept.
        exchange: Shared with other clients of the same test, in place of `answers`.
    """

    def __init__(
        self,
        answers: Iterable[Recorded | Exception] = (),
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        files: FakeFiles | None = None,
        exchange: Exchange | None = None,
    ) -> None:
        self.exchange = exchange if exchange is not None else Exchange(answers)
        self.base_url = base_url
        self.headers = dict(headers or {})
        self._files = files

    @property
    def requests(self) -> list[SentRequest]:
        """What was asked, oldest first."""
        return self.exchange.requests

    def answer(self, *answers: Recorded | Exception) -> FakeHttp:
        """Add answers; returns the client."""
        self.exchange.answers.extend(answers)
        return self

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Json = ...,
        content: bytes | None = None,
        data: Mapping[str, str] | None = None,
        files: Mapping[str, tuple[str, bytes, str]] | None = None,
        timeout: float | None = None,
        max_bytes: int | None = None,
        follow_redirects: int = 0,
    ) -> FakeResponse:
        if json is not ...:
            jsonlib.dumps(json, allow_nan=False)  # what cannot be sent for real must not pass here
        address = self._address(url)
        for hop in range(follow_redirects + 1):
            response = self.exchange.send(
                SentRequest(
                    method,
                    address,
                    headers=self._credential(address) | {k.lower(): v for k, v in (headers or {}).items()},
                    params=dict(params or {}),
                    json=json,
                    content=content,
                    data=data,
                    files=files,
                    timeout=timeout,
                    max_bytes=max_bytes,
                )
            )
            location = response.headers.get("location", "")
            if not (300 <= response.status < 400 and location and hop < follow_redirects):
                break
            address = urljoin(address, location)
        if max_bytes is not None and len(response.content) > max_bytes:
            raise MalformedOutput(f"the answer is larger than {max_bytes} bytes")
        return response

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Json = ...,
        timeout: float | None = None,
        max_bytes: int | None = None,
    ) -> AsyncIterator[FakeStreamed]:
        response = await self.request(
            method, url, headers=headers, json=json, timeout=timeout, max_bytes=max_bytes
        )
        yield FakeStreamed(response.status, response.headers, response.content)

    async def download(self, url: str, *, name: str = "", max_bytes: int | None = None) -> File:
        from .fakes import FakeFiles

        response = await self.request("GET", url, max_bytes=max_bytes)
        raise_for_status(response, effect="read", service="The address")
        if self._files is None:
            self._files = FakeFiles()
        mime = response.headers.get("content-type", "").partition(";")[0]
        return self._files.put(
            response.content, name=name or urlsplit(url).path.rpartition("/")[2] or "file", mime=mime
        )

    def _address(self, url: str) -> str:
        if "://" in url or not self.base_url:
            return url
        return f"{self.base_url.rstrip('/')}/{url.lstrip('/')}"

    def _credential(self, address: str) -> dict[str, str]:
        if not self.base_url or urlsplit(address)[:2] != urlsplit(self.base_url)[:2]:
            return {}
        return {name.lower(): value for name, value in self.headers.items()}
