"""The closed table of functions and methods, and what people write who come from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from hookline.core.expressions import conversions, strings
from hookline.core.expressions.errors import Fault
from hookline.core.expressions.mathematics import MATH
from hookline.core.expressions.times import ACCESSORS
from hookline.core.expressions.values import (
    NONE,
    Duration,
    Frame,
    Maybe,
    Timestamp,
    TypedMap,
    no_overload,
)

__all__ = ["ELSEWHERE", "FUNCTIONS", "LAZY_METHODS", "METHODS", "TYPES", "Function"]


@dataclass(frozen=True, slots=True)
class Function:
    """A function: the least and the greatest number of arguments, and what it does.

    A method's first argument is the value in front of the dot, which is not counted here.
    """

    least: int
    most: int
    run: Callable[..., object]


def _size(frame: Frame, value: object) -> object:
    if type(value) in (str, list, dict, bytes):
        return len(cast(str, value))
    if isinstance(value, TypedMap):
        return len(value.entries)
    raise no_overload("size()", value)


def _of(frame: Frame, value: object) -> object:
    return Maybe(value)


def _none(frame: Frame) -> object:
    return NONE


def _of_non_zero(frame: Frame, value: object) -> object:
    if isinstance(value, TypedMap):
        return Maybe(value) if value.entries else NONE
    if isinstance(value, (Timestamp, Duration)):
        return Maybe(value) if value.ns else NONE
    return Maybe(value) if value else NONE


def _has_value(frame: Frame, value: object) -> object:
    if isinstance(value, Maybe):
        return value is not NONE
    raise no_overload("hasValue()", value, hint="optional values come from a.?b or optional.of(x)")


def _value(frame: Frame, value: object) -> object:
    if not isinstance(value, Maybe):
        raise no_overload("value()", value, hint="optional values come from a.?b or optional.of(x)")
    if value is NONE:
        raise Fault("X213", "the optional value is empty", "use .orValue(other)")
    return value.value


FUNCTIONS: Final[dict[str, Function]] = {
    "size": Function(1, 1, _size),
    "int": Function(1, 1, conversions.to_int),
    "uint": Function(1, 1, conversions.to_uint),
    "double": Function(1, 1, conversions.to_double),
    "string": Function(1, 1, conversions.to_string),
    "bytes": Function(1, 1, conversions.to_bytes),
    "bool": Function(1, 1, conversions.to_bool),
    "timestamp": Function(1, 1, conversions.to_timestamp),
    "duration": Function(1, 1, conversions.to_duration),
    "type": Function(1, 1, conversions.to_type),
    "dyn": Function(1, 1, conversions.to_dyn),
    "json": Function(1, 1, conversions.to_json_text),
    "strings.quote": Function(1, 1, strings.quote),
    "optional.of": Function(1, 1, _of),
    "optional.none": Function(0, 0, _none),
    "optional.ofNonZeroValue": Function(1, 1, _of_non_zero),
    **{
        name: Function(1, 64 if name in ("math.greatest", "math.least") else 1, run)
        for name, run in MATH.items()
    },
}
"""Global functions, and those in the namespaces ``optional``, ``math`` and ``strings``."""

METHODS: Final[dict[str, Function]] = {
    "size": Function(0, 0, _size),
    "contains": Function(1, 1, strings.contains),
    "startsWith": Function(1, 1, strings.starts_with),
    "endsWith": Function(1, 1, strings.ends_with),
    "lowerAscii": Function(0, 0, strings.lower_ascii),
    "upperAscii": Function(0, 0, strings.upper_ascii),
    "trim": Function(0, 0, strings.trim),
    "reverse": Function(0, 0, strings.reverse),
    "charAt": Function(1, 1, strings.char_at),
    "indexOf": Function(1, 2, strings.index_of),
    "lastIndexOf": Function(1, 2, strings.last_index_of),
    "substring": Function(1, 2, strings.substring),
    "replace": Function(2, 3, strings.replace),
    "split": Function(1, 2, strings.split),
    "join": Function(0, 1, strings.join),
    "format": Function(1, 1, strings.format_values),
    "hasValue": Function(0, 0, _has_value),
    "value": Function(0, 0, _value),
    **{name: Function(0, 1, run) for name, run in ACCESSORS.items()},
}
"""Methods, by name; what they accept in front of the dot they check themselves."""

LAZY_METHODS: Final = frozenset({"or", "orValue"})
"""Methods of optional values whose argument is evaluated only when it is needed."""

TYPES: Final = frozenset(
    {"bool", "int", "uint", "double", "string", "bytes", "list", "map", "null_type", "type"}
)
"""Names that denote types, as in ``type(x) == string``; a scope cannot redefine them."""

ELSEWHERE: Final[dict[str, str]] = {
    "len": "size",
    "length": "size",
    "count": "size",
    "lower": "lowerAscii",
    "upper": "upperAscii",
    "toLowerCase": "lowerAscii",
    "toUpperCase": "upperAscii",
    "includes": "contains",
    "strip": "trim",
    "some": "exists",
    "any": "exists",
    "every": "all",
    "find": "filter",
    "select": "filter",
    "default": "orValue",
    "orElse": "orValue",
    "slice": "substring",
    "substr": "substring",
    "toString": "string(x)",
    "str": "string",
    "float": "double",
    "number": "double",
    "Number": "double",
    "String": "string",
    "parseInt": "int",
    "parseFloat": "double",
    "stringify": "json(x)",
    "toJson": "json(x)",
    "tojson": "json(x)",
    "max": "math.greatest(a, b)",
    "min": "math.least(a, b)",
    "abs": "math.abs(x)",
    "round": "math.round(x)",
    "floor": "math.floor(x)",
    "ceil": "math.ceil(x)",
    "math.max": "math.greatest(a, b)",
    "math.min": "math.least(a, b)",
}
"""What other languages call it, and what it is called here."""
