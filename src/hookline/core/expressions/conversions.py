"""Conversions between types: ``int() uint() double() string() bytes() bool() type() dyn() json() …``."""

from __future__ import annotations

import re
from typing import Final, cast

from hookline.core.expressions.errors import Fault, shorten
from hookline.core.expressions.operators import make_timestamp
from hookline.core.expressions.rendering import MAX_INT_BITS, Room, double_text, json_text
from hookline.core.expressions.times import duration_text, parse_duration, parse_timestamp, timestamp_text
from hookline.core.expressions.values import (
    INT_MAX,
    INT_MIN,
    UINT_MAX,
    Duration,
    Frame,
    Timestamp,
    TypeValue,
    UInt,
    no_overload,
    type_name,
)

__all__ = [
    "scalar_text",
    "to_bool",
    "to_bytes",
    "to_double",
    "to_duration",
    "to_dyn",
    "to_int",
    "to_json_text",
    "to_string",
    "to_timestamp",
    "to_type",
    "to_uint",
]

_SECOND: Final = 10**9
_INT: Final = re.compile(r"[+-]?[0-9]{1,64}")
_DOUBLE: Final = re.compile(
    r"[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]{1,6})?|inf|infinity)|nan", re.IGNORECASE
)
_MAX_DOUBLE_TEXT: Final = 400
_BOOLS: Final = {
    **dict.fromkeys(("1", "t", "true", "TRUE", "True"), True),
    **dict.fromkeys(("0", "f", "false", "FALSE", "False"), False),
}


def _bad(text: str, wanted: str) -> Fault:
    return Fault("X211", f'"{shorten(text)}" is not {wanted}')


def _checked_int(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise Fault("X211", "the number does not fit into a 64-bit int")
    return value


def to_int(frame: Frame, value: object) -> object:
    """``int(x)``: doubles lose their fraction; timestamps give seconds since 1970."""
    if type(value) is int or isinstance(value, UInt):
        return _checked_int(int(value))
    if type(value) is float:
        if not -(2.0**63) < value < 2.0**63:
            raise Fault("X211", f"{double_text(value)} does not fit into a 64-bit int")
        return int(value)
    if type(value) is str:
        if not _INT.fullmatch(value):
            raise _bad(value, "a whole number")
        return _checked_int(int(value))
    if isinstance(value, Timestamp):
        return value.ns // _SECOND
    raise no_overload("int()", value)


def to_uint(frame: Frame, value: object) -> object:
    """``uint(x)``."""
    if type(value) is float:
        if not 0.0 <= value < 2.0**64:
            raise Fault("X211", f"{double_text(value)} does not fit into a 64-bit uint")
        return UInt(int(value))
    if type(value) is str:
        if not _INT.fullmatch(value) or value[0] == "-":
            raise _bad(value, "a whole number without sign")
        value = int(value)
    if type(value) is not int and not isinstance(value, UInt):
        raise no_overload("uint()", value)
    if not 0 <= value <= UINT_MAX:
        raise Fault("X211", "the number does not fit into a 64-bit uint")
    return UInt(value)


def to_double(frame: Frame, value: object) -> object:
    """``double(x)``."""
    if type(value) is float:
        return value
    if type(value) is int or isinstance(value, UInt):
        try:
            return float(value)
        except OverflowError:
            raise Fault("X211", "the number is too large for a double") from None
    if type(value) is str:
        if len(value) > _MAX_DOUBLE_TEXT or not _DOUBLE.fullmatch(value):
            raise _bad(value, "a number")
        return float(value)
    raise no_overload("double()", value)


def scalar_text(value: object) -> str | None:
    """A number, bool, time or text as text; None for anything else."""
    kind = type(value)
    if kind is str:
        return cast(str, value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is UInt:
        number = cast(int, value)
        if number.bit_length() > MAX_INT_BITS:
            raise Fault("X211", f"a number has more than {MAX_INT_BITS} bits")
        return str(int(number))
    if kind is float:
        return double_text(cast(float, value))
    if isinstance(value, Timestamp):
        return timestamp_text(value)
    if isinstance(value, Duration):
        return duration_text(value)
    return None


def to_string(frame: Frame, value: object) -> object:
    """``string(x)``: bytes must be UTF-8; lists, maps and null have json()."""
    text = scalar_text(value)
    if text is not None:
        if text is not value:
            frame.charge(len(text))
        return text
    if type(value) is bytes:
        frame.charge(len(value))
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise Fault("X211", "the bytes are not UTF-8 text") from None
    raise no_overload("string()", value, hint="write json(x) for its JSON text")


def to_bytes(frame: Frame, value: object) -> object:
    """``bytes(x)``: the UTF-8 bytes of a text."""
    if type(value) is bytes:
        return value
    if type(value) is str:
        frame.charge(len(value))
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise Fault("X210", "a text holds half of a surrogate pair") from None
    raise no_overload("bytes()", value)


def to_bool(frame: Frame, value: object) -> object:
    """``bool(x)``."""
    if type(value) is bool:
        return value
    if type(value) is str:
        if value not in _BOOLS:
            raise _bad(value, "true or false")
        return _BOOLS[value]
    raise no_overload("bool()", value)


def to_timestamp(frame: Frame, value: object) -> object:
    """``timestamp(x)``: RFC 3339 text, or seconds since 1970."""
    if isinstance(value, Timestamp):
        return value
    if type(value) is str:
        return parse_timestamp(value)
    if type(value) is int:
        return make_timestamp(value * _SECOND)
    raise no_overload("timestamp()", value)


def to_duration(frame: Frame, value: object) -> object:
    """``duration(x)``: text such as 90s or 1h30m."""
    if isinstance(value, Duration):
        return value
    if type(value) is str:
        return parse_duration(value)
    raise no_overload("duration()", value, hint='write duration("90s")')


def to_type(frame: Frame, value: object) -> object:
    """``type(x)``."""
    return TypeValue(type_name(value))


def to_dyn(frame: Frame, value: object) -> object:
    """``dyn(x)``: the value itself; CEL uses it to switch off static types."""
    return value


def to_json_text(frame: Frame, value: object) -> object:
    """``json(x)``: the value as compact JSON text."""
    available = min(frame.left, frame.limits.max_output_bytes)
    room = Room(frame.limits, available)
    text = json_text(value, room)
    frame.charge(available - room.left + len(text))
    return text
