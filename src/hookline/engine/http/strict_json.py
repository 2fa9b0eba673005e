"""JSON from strangers: bounded, and only what every store can keep.

The standard library accepts NaN, infinity, repeated keys, half surrogate pairs and NUL, and fails
with RecursionError on deep nesting. None of that may reach a run's history.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

__all__ = ["MAX_DEPTH", "MAX_NODES", "StrictJsonError", "loads"]

MAX_DEPTH = 64
MAX_NODES = 500_000
MAX_KEY = 1024
MAX_INTEGER = 2**63 - 1

# A string (a broken one runs to the end, so that no byte is looked at twice) or a structural byte.
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)|[\[\]{},]', re.DOTALL)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")


class StrictJsonError(ValueError):
    """The bytes are not usable JSON. The message holds nothing of them."""


def loads(data: bytes) -> Any:
    """Parse JSON in UTF-8.

    Integers beyond 64 bits become strings of their digits: databases and browsers cannot hold them
    as numbers, and a service that sends one (a seed, an id) must not make the whole answer useless.

    Raises:
        StrictJsonError: It is not JSON; is nested deeper than `MAX_DEPTH`; has more than
            `MAX_NODES` values; repeats a key; or holds NaN, infinity, NUL or half a surrogate pair.
    """
    _check_size(data)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise StrictJsonError("the bytes are not UTF-8") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
            parse_int=_integer,
        )
    except StrictJsonError:
        raise
    except ValueError as error:
        where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
        raise StrictJsonError(f"it cannot be parsed{where}") from None
    except RecursionError:
        raise StrictJsonError("it is nested too deeply") from None
    if "\\u" in text or "\x00" in text:
        _check_strings(value)
    return value


def _check_size(data: bytes) -> None:
    opened = data.count(b"[") + data.count(b"{")
    if opened <= MAX_DEPTH and opened + data.count(b",") < MAX_NODES:
        return
    depth = nodes = 0
    for match in _TOKEN.finditer(data):
        first = data[match.start()]
        if first in b"[{":
            depth += 1
            nodes += 1
            if depth > MAX_DEPTH:
                raise StrictJsonError(f"it is nested deeper than {MAX_DEPTH}")
        elif first in b"]}":
            depth -= 1
        elif first in b",":
            nodes += 1
        if nodes > MAX_NODES:
            raise StrictJsonError(f"it has more than {MAX_NODES} values")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise StrictJsonError("an object repeats a key")
    if any(len(key) > MAX_KEY for key in result):
        raise StrictJsonError(f"a key is longer than {MAX_KEY} characters")
    return result


def _no_constant(name: str) -> NoReturn:
    raise StrictJsonError(f"it holds {name}, which is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise StrictJsonError("it holds a number that is too large")
    return number


def _integer(text: str) -> int | str:
    if len(text) < 19:
        return int(text)
    if len(text) > 1000:
        raise StrictJsonError("it holds a number that is too large")
    number = int(text)
    return number if abs(number) <= MAX_INTEGER else text


def _check_strings(value: Any) -> None:
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if _UNSTORABLE.search(item):
                raise StrictJsonError("a string holds NUL or half a surrogate pair")
        elif isinstance(item, dict):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)
