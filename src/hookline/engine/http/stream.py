"""An answer whose body is still on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

from .deadline import Deadline, DeadlinePassed
from .errors import BadResponse
from .guarded import failed, timed_out
from .headers import Headers
from .retry_after import parse_retry_after
from .transport import Progress, WireFailure, WireResponse
from .urls import Url

__all__ = ["StreamResponse"]


class StreamResponse:
    """Status and headers, and the body piece by piece, under the request's deadline and cap.

    Attributes:
        status: Status code.
        headers: Case-insensitive.
        origin: Scheme, host and port that answered, as text.
        url: The address that answered, after redirects.
        retry_after: Seconds the service asks to wait, 0 to 3600, None when it does not say.
    """

    def __init__(
        self,
        answer: WireResponse,
        headers: Headers,
        url: Url,
        progress: Progress,
        *,
        deadline: Deadline,
        cap: int,
        redact: Callable[[str], str],
        wall: Callable[[], float],
    ) -> None:
        self.status = answer.status
        self.headers = headers
        self.origin = str(url)
        self.url = url.text
        self.retry_after = parse_retry_after(headers.get("retry-after"), wall())
        self._answer = answer
        self._url = url
        self._progress = progress
        self._deadline = deadline
        self._cap = cap
        self._redact = redact

    @property
    def elapsed(self) -> float:
        """Seconds since the call."""
        return self._deadline.elapsed

    def check_head(self, method: str) -> None:
        """Refuse what can be refused before the body is read.

        Raises:
            BadResponse: C114 (switches protocols), C115 (too large), C116 (compressed).
        """
        if self.status < 200:
            raise self._bad("C114", f"{self.origin} switches to another protocol")
        if method == "HEAD" or self.status in (204, 304):
            return
        coding = self.headers.get("content-encoding", "").strip().lower()
        if coding not in ("", "identity"):
            raise self._bad("C116", f"the answer of {self.origin} is compressed")
        length = self.headers.get("content-length", "")
        if length.isascii() and length.isdigit() and (len(length) > 18 or int(length) > self._cap):
            raise self._too_large()

    def require_success(self) -> None:
        """Refuse the body of an error where a file is wanted.

        Raises:
            BadResponse: C119, the status is not 2xx.
        """
        if not 200 <= self.status < 300:
            raise self._bad("C119", f"{self.origin} answered the download with status {self.status}")

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """The body in pieces of at most 64 KiB, once.

        Raises:
            SentUnknown: C112 (deadline), C113 or C114 (broken off).
            BadResponse: C115, more than the cap came.
        """
        received = 0
        while True:
            try:
                chunk = await self._deadline.run(self._answer.chunks.__anext__)
            except StopAsyncIteration:
                return
            except DeadlinePassed:
                raise timed_out(self._url, self._progress, status=self.status) from None
            except WireFailure as failure:
                raise failed(
                    failure, self._url, self._progress, redact=self._redact, status=self.status
                ) from failure
            received += len(chunk)
            if received > self._cap:
                raise self._too_large()
            yield chunk

    async def read(self) -> bytes:
        """The whole body."""
        return b"".join([chunk async for chunk in self.iter_bytes()])

    async def aclose(self) -> None:
        """Give the connection back; it is closed unless the body was read to its end."""
        await self._answer.close()

    def _too_large(self) -> BadResponse:
        return self._bad("C115", f"the answer of {self.origin} is larger than {self._cap} bytes")

    def _bad(self, code: str, message: str) -> BadResponse:
        return BadResponse(code, message, status=self.status, retry_after=self.retry_after)
