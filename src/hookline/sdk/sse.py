"""Server-sent events out of bytes, as the HTML standard reads them.

Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation.
Nothing here performs IO: pieces of a body go in, in whatever sizes they come, events come out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["ServerSentEvent", "SseParser"]

MAX_EVENT = 8 * 1024 * 1024
"""Bytes of one event: what is longer is no event but an attack on our memory."""

_MARK = b"\xef\xbb\xbf"
"""A byte order mark at the start of a stream is not part of it."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        event: Its name; ``message`` when it has none.
        data: Its lines, joined by line feeds.
        id: The last id that was seen, of this or an earlier event.
    """

    event: str
    data: str
    id: str = ""


class SseParser:
    """Reads one stream. Comments and fields that it does not know are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._begun = False
        self._event = ""
        self._data: list[str] = []
        self._size = 0
        self._id = ""

    def feed(self, piece: bytes) -> Iterator[ServerSentEvent]:
        """The events that end within this piece.

        Raises:
            ValueError: One event has more than `MAX_EVENT` bytes.
        """
        data = self._rest + piece
        if not self._begun and not _MARK.startswith(data[:3]):
            self._begun = True
        elif not self._begun and len(data) >= len(_MARK):
            data, self._begun = data.removeprefix(_MARK), True
        # A CR at the end may be half of a CRLF. No byte of a longer character is a CR or an LF.
        held = b"\r" if data.endswith(b"\r") else b""
        whole = data[: len(data) - len(held)].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *lines, rest = whole.split(b"\n")
        self._rest = rest + held
        for line in lines:
            found = self._line(line.decode("utf-8", "replace"))
            if found is not None:
                yield found
        if self._size + len(self._rest) > MAX_EVENT:
            raise ValueError(f"an event of the stream has more than {MAX_EVENT} bytes")

    def _line(self, line: str) -> ServerSentEvent | None:
        if not line:
            return self._dispatch()
        if line.startswith(":"):
            return None
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match name:
            case "event":
                self._event = value
            case "data":
                self._data.append(value)
                self._size += len(value)
            case "id" if "\0" not in value:
                self._id = value
        return None

    def _dispatch(self) -> ServerSentEvent | None:
        event, data = self._event or "message", self._data
        self._event, self._data, self._size = "", [], 0
        # Without data there is no event; an `id:` alone is remembered.
        return ServerSentEvent(event, "\n".join(data), self._id) if data else None
