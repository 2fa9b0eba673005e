"""From values of the language to JSON and to text, within a number of bytes."""

from __future__ import annotations

import base64
import json
import math
from typing import Any, Final, cast

from hookline.core.expressions.errors import DEFAULT_LIMITS, Fault, Limits
from hookline.core.expressions.times import duration_text, timestamp_text
from hookline.core.expressions.values import (
    NONE,
    Duration,
    Maybe,
    Timestamp,
    TypedMap,
    TypeValue,
    UInt,
    is_lookup,
)

__all__ = ["MAX_INT_BITS", "Room", "as_text", "double_text", "json_text", "plain", "to_json"]

JsonValue = Any

MAX_INT_BITS: Final = 256
"""Ints in data may be longer than 64 bits, and pass unharmed up to this length."""

_SCALAR_BYTES: Final = 8


class Room:
    """How many bytes of output are left."""

    __slots__ = ("left", "limits")

    def __init__(self, limits: Limits, left: int | None = None) -> None:
        self.limits = limits
        self.left = limits.max_output_bytes if left is None else left

    def take(self, size: int) -> None:
        """Count output. Raises a fault once the limit is passed."""
        self.left -= size
        if self.left < 0:
            raise Fault(
                "X208",
                f"the result is larger than {self.limits.max_output_bytes} bytes",
                "select the parts that are needed",
                fatal=True,
            )


def to_json(value: object, limits: Limits = DEFAULT_LIMITS) -> JsonValue:
    """A value of the language as JSON data, copied.

    Timestamps become RFC 3339 text in UTC, durations text such as ``90s``, bytes base64 text and
    uints ints; keys of maps become text.

    Raises:
        ExpressionError: X208, X209, X210, X213 or X216.
    """
    try:
        return plain(value, Room(limits))
    except Fault as fault:
        raise fault.public() from None
    except RecursionError:
        raise too_deep(limits).public() from None


def too_deep(limits: Limits) -> Fault:
    """The fault for data that is nested beyond the limit."""
    return Fault("X209", f"a value is nested more than {limits.max_data_depth} levels deep", fatal=True)


def plain(value: object, room: Room, depth: int = 0) -> JsonValue:
    """``to_json`` that raises faults and counts into ``room``."""
    kind = type(value)
    if kind is str:
        room.left -= _text_size(cast(str, value))
    elif value is None or kind is bool:
        room.left -= _SCALAR_BYTES // 2
    elif kind is int:
        room.left -= _SCALAR_BYTES
        _whole(cast(int, value))
    else:
        return _plain_other(value, room, depth)
    if room.left < 0:
        room.take(0)
    return value


def _plain_other(value: object, room: Room, depth: int) -> JsonValue:
    kind = type(value)
    if kind is dict:
        return _plain_map(cast("dict[object, object]", value), room, depth)
    if kind is list:
        _check_depth(room, depth)
        room.take(2)
        return [plain(item, room, depth + 1) for item in cast("list[object]", value)]
    room.take(_SCALAR_BYTES)
    if kind is float:
        return _finite(cast(float, value))
    return _plain_rest(value, room, depth)


def _check_depth(room: Room, depth: int) -> None:
    if depth >= room.limits.max_data_depth:
        raise too_deep(room.limits)


def _plain_map(value: dict[object, object], room: Room, depth: int) -> JsonValue:
    _check_depth(room, depth)
    room.take(2)
    made: dict[str, JsonValue] = {}
    for key, item in value.items():
        if type(key) is not str:
            raise Fault("X216", "an object in the data has a key that is no text")
        room.take(_text_size(key))
        made[key] = plain(item, room, depth + 1)
    return made


def _plain_rest(value: object, room: Room, depth: int) -> JsonValue:
    if isinstance(value, UInt):
        return int(value)
    if isinstance(value, Timestamp):
        room.take(_SCALAR_BYTES * 2)
        return timestamp_text(value)
    if isinstance(value, Duration):
        room.take(_SCALAR_BYTES)
        return duration_text(value)
    if isinstance(value, bytes):
        room.take(len(value) * 4 // 3)
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, TypedMap):
        named = {_key_text(key): item for key, item in value.entries.values()}
        if len(named) < len(value.entries):
            raise Fault("X214", "two keys of the map are the same text in JSON")
        return _plain_map(cast("dict[object, object]", named), room, depth)
    if isinstance(value, Maybe):
        state = "is empty" if value is NONE else "was not unwrapped"
        raise Fault("X213", f"the optional value {state}", "end the access with .orValue(other)")
    if isinstance(value, TypeValue):
        raise Fault("X216", f"the type {value.name} has no JSON form", "compare it with ==")
    if is_lookup(value):
        raise Fault("X216", "this value can only be read by key", "select a key of it")
    raise Fault("X216", "the scope holds an object that is not data")


def _key_text(key: object) -> str:
    if type(key) is bool:
        return "true" if key else "false"
    return key if type(key) is str else str(int(cast(int, key)))


def _text_size(text: str) -> int:
    """UTF-8 bytes and two quotes. Raises a fault for text that cannot be stored."""
    if "\0" in text:
        raise Fault("X210", "a text holds a NUL character", "remove it where the text is made")
    if text.isascii():
        return len(text) + 2
    try:
        return len(text.encode()) + 2
    except UnicodeEncodeError:
        raise Fault("X210", "a text holds half of a surrogate pair") from None


def _whole(value: int) -> None:
    if value.bit_length() > MAX_INT_BITS:
        raise Fault("X216", f"a number has more than {MAX_INT_BITS} bits")


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise Fault("X216", f"the double {double_text(value)} has no JSON form", "test the divisor first")
    return value


def json_text(value: object, room: Room) -> str:
    """Compact JSON text."""
    return json.dumps(plain(value, room), ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def double_text(value: float) -> str:
    """The shortest text that reads back as the same double; whole numbers without ``.0``."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    text = repr(value)
    return text[:-2] if text.endswith(".0") else text


def as_text(value: object, room: Room) -> str:
    """How a value stands inside text: scalars as ``string()`` writes them, the rest as JSON."""
    kind = type(value)
    if kind is str:
        room.take(_text_size(cast(str, value)))
        return cast(str, value)
    if value is None:
        raise Fault("X215", "null cannot stand inside text", 'write {{ x == null ? "none" : x }}')
    if kind is bool:
        room.take(5)
        return "true" if value else "false"
    if kind is float:
        room.take(_SCALAR_BYTES)
        return double_text(_finite(cast(float, value)))
    if kind is list or kind is dict or isinstance(value, TypedMap):
        return json_text(value, room)
    made = plain(value, room)
    return made if type(made) is str else str(made)
