"""Plain JSON from outside: the bodies of requests.

The standard library's parser does the work, behind checks of what it would let through (duplicate
keys, NaN, 1e999, NUL, lone surrogates, integers no database takes) or die of (depth).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from typing import Any, NoReturn

from hookline.core.document.model import DocumentError, DocumentLimits

__all__ = ["strict_json"]

_STRUCTURE = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],]', re.DOTALL)
_SUSPICIOUS_ESCAPE = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_INTEGER = 2**63 - 1
_MAX_INTEGER_DIGITS = 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def strict_json(data: bytes, limits: DocumentLimits | None = None) -> Any:
    """Read plain JSON: no comments, no trailing commas, nothing two readers read differently.

    Args:
        data: UTF-8; a byte order mark is skipped.
        limits: Size limits; by default those of `DocumentLimits`.

    Raises:
        DocumentError: The text is not acceptable; its code says why.
    """
    limits = limits or DocumentLimits()
    if len(data) > limits.max_bytes:
        raise DocumentError("D102", f"larger than {limits.max_bytes} bytes")
    data = data.removeprefix(_BYTE_ORDER_MARK)
    _scan_structure(data, limits)
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise DocumentError("D101", f"byte {error.start} is not UTF-8", offset=error.start) from None
    if not text.strip(" \t\r\n"):
        raise DocumentError("D112", "the text is empty")
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object_reader(limits.max_key_length),
            parse_int=_integer,
            parse_float=_number,
            parse_constant=_refuse_constant,
        )
    except json.JSONDecodeError as error:
        raise DocumentError("D105", f"not JSON: {error.msg}", offset=error.pos) from None
    if _SUSPICIOUS_ESCAPE.search(data):
        _refuse_characters(value)
    return value


def _scan_structure(data: bytes, limits: DocumentLimits) -> None:
    """Refuse too much depth or too many values before a parser sees the text."""
    openings = data.count(b"{") + data.count(b"[")
    if openings <= limits.max_depth and openings + data.count(b",") < limits.max_nodes:
        return
    depth = 0
    nodes = 1
    for found in _STRUCTURE.finditer(data):
        sign = found[0]
        if sign in (b"{", b"["):
            depth += 1
            nodes += 1
            if depth > limits.max_depth:
                raise DocumentError(
                    "D103", f"nested more than {limits.max_depth} levels deep", offset=found.start()
                )
        elif sign in (b"}", b"]"):
            depth -= 1
        elif sign == b",":
            nodes += 1
        if nodes > limits.max_nodes:
            raise DocumentError("D104", f"more than {limits.max_nodes} values", offset=found.start())


def _object_reader(max_key_length: int) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    def read_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) != len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    raise DocumentError("D106", f"the key {json.dumps(key[:80])} appears twice in one object")
                seen.add(key)
        for key in value:
            if len(key) > max_key_length:
                raise DocumentError("D110", f"a key is longer than {max_key_length} characters")
        return value

    return read_object


def _integer(digits: str) -> int:
    if len(digits) > _MAX_INTEGER_DIGITS or abs(int(digits)) > _MAX_INTEGER:
        raise DocumentError("D108", f"the integer {digits[:24]} does not fit in 64 bits")
    return int(digits)


def _number(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise DocumentError("D108", f"the number {digits[:24]} is too large")
    return number


def _refuse_constant(word: str) -> NoReturn:
    raise DocumentError("D109", f"{word} is not a JSON number")


def _refuse_characters(value: Any) -> None:
    waiting = [value]
    while waiting:
        current = waiting.pop()
        if isinstance(current, dict):
            waiting.extend(current)
            waiting.extend(current.values())
        elif isinstance(current, list):
            waiting.extend(current)
        elif isinstance(current, str):
            if "\x00" in current:
                raise DocumentError("D107", "a string contains the character NUL")
            if _SURROGATE.search(current):
                raise DocumentError("D107", "a string contains half of a surrogate pair")
