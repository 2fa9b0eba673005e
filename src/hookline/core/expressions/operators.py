"""Arithmetic, equality, order and membership, as the CEL language definition has them.

Integers are checked against 64 bits. Numbers of different types compare by value; values of other
different types are unequal, and have no order.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from hookline.core.expressions.errors import Fault
from hookline.core.expressions.values import (
    INT_MAX,
    INT_MIN,
    MISSING,
    NONE,
    UINT_MAX,
    Duration,
    Frame,
    Maybe,
    Timestamp,
    TypedMap,
    TypeValue,
    UInt,
    is_lookup,
    map_key,
    mapping_items,
    no_overload,
    type_name,
)

__all__ = [
    "ARITHMETIC",
    "ORDER",
    "Operator",
    "contains",
    "equal",
    "make_duration",
    "make_timestamp",
    "negate",
]

Operator = Callable[[Frame, object, object], object]
Test = Callable[[Any, Any], bool]

_NUMBERS: Final = frozenset({int, UInt, float})
_TIME_MIN: Final = -62_135_596_800 * 10**9
_TIME_MAX: Final = 253_402_300_800 * 10**9 - 1
# Texts are compared and searched many characters at a time, so that is how they are counted.
_SCAN: Final = 64


def make_timestamp(ns: int) -> Timestamp:
    """A timestamp in the years 1 to 9999."""
    if not _TIME_MIN <= ns <= _TIME_MAX:
        raise Fault("X212", "the timestamp is outside the years 1 to 9999")
    return Timestamp(ns)


def make_duration(ns: int) -> Duration:
    """A duration whose nanoseconds fit into 64 bits (about 292 years)."""
    if not INT_MIN <= ns <= INT_MAX:
        raise Fault("X212", "the duration is longer than 292 years")
    return Duration(ns)


def _int(value: int) -> int:
    if not INT_MIN <= value <= INT_MAX:
        raise Fault("X206", "the result does not fit into a 64-bit int", "calculate with double()")
    return value


def _uint(value: int) -> UInt:
    if not 0 <= value <= UINT_MAX:
        raise Fault("X206", "the result does not fit into a 64-bit uint", "calculate with double()")
    return UInt(value)


def _number_hint(left: object, right: object) -> str:
    kinds = {type(left), type(right)}
    if kinds == {int, float}:
        return "convert one side: double(x), or write 2.0 instead of 2"
    if kinds <= _NUMBERS:
        return "convert one side with int(), uint() or double()"
    if str in kinds and kinds & (_NUMBERS | {bool}):
        return "convert with string() to join text, or with int() or double() to calculate"
    if type(None) in kinds:
        return "one side is null: test it with x != null first"
    return ""


def add(frame: Frame, left: object, right: object) -> object:
    """``left + right``."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return _int(cast(int, left) + cast(int, right))
        if kind is float:
            return cast(float, left) + cast(float, right)
        if kind is str or kind is bytes or kind is list:
            frame.charge(len(cast(str, left)) + len(cast(str, right)))
            return cast(str, left) + cast(str, right)
        if kind is UInt:
            return _uint(int(cast(int, left)) + int(cast(int, right)))
    if isinstance(left, Duration):
        if isinstance(right, Duration):
            return make_duration(left.ns + right.ns)
        if isinstance(right, Timestamp):
            return make_timestamp(left.ns + right.ns)
    if isinstance(left, Timestamp) and isinstance(right, Duration):
        return make_timestamp(left.ns + right.ns)
    raise no_overload("+", left, right, hint=_number_hint(left, right))


def subtract(frame: Frame, left: object, right: object) -> object:
    """``left - right``."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return _int(cast(int, left) - cast(int, right))
        if kind is float:
            return cast(float, left) - cast(float, right)
        if kind is UInt:
            return _uint(int(cast(int, left)) - int(cast(int, right)))
    if isinstance(left, Timestamp):
        if isinstance(right, Timestamp):
            return make_duration(left.ns - right.ns)
        if isinstance(right, Duration):
            return make_timestamp(left.ns - right.ns)
    if isinstance(left, Duration) and isinstance(right, Duration):
        return make_duration(left.ns - right.ns)
    raise no_overload("-", left, right, hint=_number_hint(left, right))


def multiply(frame: Frame, left: object, right: object) -> object:
    """``left * right``."""
    kind = type(left)
    if kind is type(right):
        if kind is int:
            return _int(cast(int, left) * cast(int, right))
        if kind is float:
            return cast(float, left) * cast(float, right)
        if kind is UInt:
            return _uint(int(cast(int, left)) * int(cast(int, right)))
    raise no_overload("*", left, right, hint=_number_hint(left, right))


def divide(frame: Frame, left: object, right: object) -> object:
    """``left / right``: integers truncate towards zero, doubles follow IEEE 754."""
    kind = type(left)
    if kind is type(right):
        if kind is float:
            return _divide_doubles(cast(float, left), cast(float, right))
        if kind is int or kind is UInt:
            return _divide_integers(cast(int, left), cast(int, right))
    raise no_overload("/", left, right, hint=_number_hint(left, right))


def _divide_integers(left: int, right: int) -> int:
    if right == 0:
        raise Fault("X205", "division by zero")
    if type(left) is UInt:
        return _uint(int(left) // int(right))
    quotient = abs(left) // abs(right)
    return _int(quotient if (left < 0) == (right < 0) else -quotient)


def _divide_doubles(left: float, right: float) -> float:
    if right != 0.0:
        return left / right
    if left == 0.0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def modulo(frame: Frame, left: object, right: object) -> object:
    """``left % right``: the sign is that of ``left``."""
    kind = type(left)
    if kind is type(right) and (kind is int or kind is UInt):
        dividend, divisor = cast(int, left), cast(int, right)
        if divisor == 0:
            raise Fault("X205", "remainder of a division by zero")
        if kind is UInt:
            return _uint(int(dividend) % int(divisor))
        remainder = abs(dividend) % abs(divisor)
        if dividend == INT_MIN and divisor == -1:
            return _int(-INT_MIN)
        return _int(-remainder if dividend < 0 else remainder)
    raise no_overload("%", left, right, hint=_number_hint(left, right))


def negate(value: object) -> object:
    """``-value``."""
    if type(value) is int:
        return _int(-value)
    if type(value) is float:
        return -value
    raise no_overload("-", value)


ARITHMETIC: Final[dict[str, Operator]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
}


def equal(frame: Frame, left: object, right: object, depth: int = 0) -> bool:
    """``left == right``. Never a fault for types that differ: those are unequal."""
    kind = type(left)
    other = type(right)
    if kind is other:
        if kind is str:
            if len(cast(str, left)) > _SCAN:
                frame.charge(len(cast(str, left)) // _SCAN)
            return left == right
        if kind is int or kind is float:
            return left == right
    if kind in _NUMBERS:
        return other in _NUMBERS and _numbers(left, right, operator.eq)
    if kind is bool or left is None or kind is bytes or isinstance(left, (Timestamp, Duration, TypeValue)):
        if kind is bytes:
            frame.charge(len(cast(bytes, left)) // _SCAN)
        return kind is other and left == right
    if depth > frame.limits.max_data_depth:
        raise Fault(
            "X209", f"a value is nested more than {frame.limits.max_data_depth} levels deep", fatal=True
        )
    if kind is list:
        return other is list and _equal_lists(
            frame, cast("list[object]", left), cast("list[object]", right), depth
        )
    if isinstance(left, Maybe):
        if not isinstance(right, Maybe) or left is NONE or right is NONE:
            return left is right
        return equal(frame, left.value, right.value, depth + 1)
    if kind is dict or isinstance(left, TypedMap):
        return _equal_maps(frame, left, right, depth)
    _refuse_lookup(left)
    _refuse_lookup(right)
    return False


def _refuse_lookup(value: object) -> None:
    if is_lookup(value):
        raise Fault("X204", "this value can only be read by key", "select a key of it")
    type_name(value)


def _equal_lists(frame: Frame, left: list[object], right: list[object], depth: int) -> bool:
    if len(left) != len(right):
        return False
    for mine, yours in zip(left, right, strict=True):
        frame.charge(1)
        if not equal(frame, mine, yours, depth + 1):
            return False
    return True


def _equal_maps(frame: Frame, left: object, right: object, depth: int) -> bool:
    mine, yours = mapping_items(left), mapping_items(right)
    if mine is None or yours is None or len(mine) != len(yours):
        return False
    table: Mapping[object, object]
    if type(left) is dict and type(right) is dict:
        table = right
    else:
        frame.charge(len(yours))
        table = {map_key(key): value for key, value in yours}
    plain_keys = table is right
    for key, value in mine:
        frame.charge(1)
        other = table.get(key if plain_keys else map_key(key), MISSING)
        if other is MISSING or not equal(frame, value, other, depth + 1):
            return False
    return True


def _numbers(left: object, right: object, test: Test) -> bool:
    """Compare numbers. Beside a double an int is taken as a double, as every CEL implementation does."""
    if type(left) is not type(right):
        try:
            if type(left) is float:
                return test(left, float(cast(int, right)))
            if type(right) is float:
                return test(float(cast(int, left)), right)
        except OverflowError:
            # An int in the data may exceed every double; Python compares the two exactly.
            return test(left, right)
    return test(left, right)


def _order(symbol: str, test: Test) -> Operator:
    def compare(frame: Frame, left: object, right: object) -> object:
        kind = type(left)
        other = type(right)
        if kind in _NUMBERS:
            if other in _NUMBERS:
                return _numbers(left, right, test)
        elif kind is other:
            if kind is str or kind is bytes:
                frame.charge(len(cast(str, left)) // _SCAN)
                return test(left, right)
            if kind is bool:
                return test(left, right)
            if kind is Timestamp or kind is Duration:
                return test(cast(Duration, left).ns, cast(Duration, right).ns)
        raise no_overload(symbol, left, right, hint=_order_hint(left, right))

    return compare


def _order_hint(left: object, right: object) -> str:
    if left is None or right is None:
        return "one side is null: test it with x != null first"
    if {type(left), type(right)} & {str} and {type(left), type(right)} & _NUMBERS:
        return "convert one side with int(), double() or string()"
    return ""


ORDER: Final[dict[str, Operator]] = {
    "<": _order("<", operator.lt),
    "<=": _order("<=", operator.le),
    ">": _order(">", operator.gt),
    ">=": _order(">=", operator.ge),
}


def contains(frame: Frame, element: object, container: object) -> bool:
    """``element in container``: an element of a list, a key of a map."""
    kind = type(container)
    if kind is list:
        for item in cast("list[object]", container):
            frame.charge(1)
            if equal(frame, item, element):
                return True
        return False
    if kind is dict:
        return (
            map_key(element) in cast("dict[str, object]", container)
            if type(element) is str
            else _no_key(element)
        )
    if isinstance(container, TypedMap):
        return map_key(element) in container.entries
    if is_lookup(container):
        if type(element) is str:
            return container.lookup(element) is not MISSING  # type: ignore[attr-defined]
        return _no_key(element)
    hint = "write text.contains(part)" if type(container) is str else ""
    raise no_overload("in", element, container, hint=hint)


def _no_key(element: object) -> bool:
    """JSON objects have string keys only; a key of another permitted type is simply not there."""
    map_key(element)
    return False
