"""JSON as it may be kept: what databases, other readers and people would misread is refused."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

__all__ = ["strict_json"]

_MAX_DEPTH = 64
_MAX_NODES = 100_000
_MAX_KEY = 256
_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 20


def strict_json(data: bytes) -> Any:
    """Read a JSON document.

    Refused: anything but UTF-8, a byte order mark, NaN and infinities, numbers that overflow,
    integers beyond 64 bits, duplicate keys, NUL and lone surrogates, more than 64 levels,
    more than 100,000 values, keys of more than 256 characters.

    Raises:
        ValueError: It is not such a document; the message says why.
    """
    _check_depth(data)
    value = json.loads(
        data.decode("utf-8", "strict"),
        parse_constant=_no_constant,
        parse_float=_float,
        parse_int=_int,
        object_pairs_hook=_object,
    )
    _check_values(value)
    return value


def _check_depth(data: bytes) -> None:
    """The standard reader recurses; too deep must be known before it starts."""
    if data.count(b"[") + data.count(b"{") <= _MAX_DEPTH:
        return
    depth, in_string, escaped = 0, False, False
    for byte in data:
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > _MAX_DEPTH:
                raise ValueError(f"more than {_MAX_DEPTH} levels")
        elif byte in b"]}":
            depth -= 1


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def _int(text: str) -> int:
    if len(text) > _MAX_DIGITS or not -_MAX_INTEGER - 1 <= int(text) <= _MAX_INTEGER:
        raise ValueError("an integer does not fit into 64 bits")
    return int(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _check_values(value: Any) -> None:
    waiting, count = [value], 0
    while waiting:
        each = waiting.pop()
        count += 1
        if count > _MAX_NODES:
            raise ValueError(f"more than {_MAX_NODES} values")
        if isinstance(each, str):
            _check_text(each)
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, dict):
            waiting.extend(each.values())
            for key in each:
                if len(key) > _MAX_KEY:
                    raise ValueError(f"a key is longer than {_MAX_KEY} characters")
                _check_text(key)


def _check_text(text: str) -> None:
    if "\0" in text:
        raise ValueError("a text contains NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a text contains half of a surrogate pair") from None
