"""Header fields: what may be sent, and a case-insensitive view of what came."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from .errors import RefusedByPolicy

__all__ = ["FRAMING_HEADERS", "Headers", "check_headers", "kept_across_origins"]

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}", re.ASCII)
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[\ud800-\udfff]")
MAX_VALUE = 16 * 1024

FRAMING_HEADERS = frozenset({"content-type", "content-length", "transfer-encoding"})
# The client decides about these: they change where a request goes, how it is framed or how it is read.
_RESERVED = frozenset(
    {
        "accept-encoding",
        "connection",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# Everything else may be a credential under a name nobody has thought of.
_HARMLESS = frozenset(
    {"accept", "accept-language", "if-modified-since", "if-none-match", "range", "user-agent"}
)


class Headers(Mapping[str, str]):
    """Headers of an answer. Names are case-insensitive; repeated ones are joined by ``, ``."""

    __slots__ = ("_pairs", "_values")

    def __init__(self, pairs: Iterable[tuple[str, str]]) -> None:
        self._pairs = tuple((name.lower(), value) for name, value in pairs)
        self._values: dict[str, str] = {}
        for name, value in self._pairs:
            self._values[name] = f"{self._values[name]}, {value}" if name in self._values else value

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and name.lower() in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"

    def get_list(self, name: str) -> list[str]:
        """Every value of a header, in order: ``Set-Cookie`` cannot be joined."""
        return [value for key, value in self._pairs if key == name.lower()]


def check_headers(headers: Mapping[str, str], *, streamed: bool = False) -> list[tuple[str, str]]:
    """Headers of a caller, ready to be sent.

    Args:
        streamed: Whether the body's length is not known; only then may the caller state it.

    Raises:
        RefusedByPolicy: C108, naming the header but never its value.
    """
    checked: dict[str, tuple[str, str]] = {}
    for name, value in headers.items():
        key = name.lower()
        if not _NAME.fullmatch(name):
            raise RefusedByPolicy("C108", "a header name is not valid")
        if key in _RESERVED or (key == "content-length" and not streamed):
            raise RefusedByPolicy(
                "C108", f"the header {name} is set by the client itself", hint="leave it out"
            )
        if not isinstance(value, str) or len(value) > MAX_VALUE or _BAD_VALUE.search(value):
            raise RefusedByPolicy(
                "C108",
                f"the value of the header {name} is not valid",
                hint="one line of text, at most 16 KiB",
            )
        if key in checked:
            raise RefusedByPolicy("C108", f"the header {name} is given twice")
        checked[key] = (name, value.strip(" \t"))
    return list(checked.values())


def kept_across_origins(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The headers that may follow a redirect to another origin."""
    return tuple((name, value) for name, value in headers if name.lower() in _HARMLESS)
