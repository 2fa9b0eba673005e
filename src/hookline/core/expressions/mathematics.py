"""``math.greatest``, ``math.least``, rounding and tests of doubles (CEL's math extension)."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from hookline.core.expressions.errors import Fault
from hookline.core.expressions.operators import ORDER, Operator, negate
from hookline.core.expressions.values import Frame, UInt, no_overload

__all__ = ["MATH"]

_NUMBERS: Final = frozenset({int, UInt, float})


def _extreme(name: str, better: Operator) -> Callable[..., object]:
    def run(frame: Frame, *values: object) -> object:
        if len(values) == 1 and type(values[0]) is list:
            values = tuple(values[0])
        if not values:
            raise Fault("X218", f"{name}() of an empty list")
        frame.charge(len(values))
        best = values[0]
        for value in values:
            if type(value) not in _NUMBERS:
                raise no_overload(f"{name}()", value)
            if better(frame, value, best):
                best = value
        return best

    return run


def _rounding(name: str, apply: Callable[[float], float]) -> Callable[..., object]:
    def run(frame: Frame, value: object) -> object:
        if type(value) is not float:
            raise no_overload(f"{name}()", value, hint="it takes a double; ints are whole already")
        return value if not math.isfinite(value) else apply(value)

    return run


def _test(name: str, apply: Callable[[float], bool]) -> Callable[..., object]:
    def run(frame: Frame, value: object) -> object:
        if type(value) is not float:
            raise no_overload(f"{name}()", value)
        return apply(value)

    return run


def _half_away(value: float) -> float:
    # Halves go away from zero; adding 0.5 would round 0.49999999999999994 up.
    whole = math.trunc(value)
    rounded = whole + int(math.copysign(1, value)) if abs(value - whole) >= 0.5 else whole
    return math.copysign(float(rounded), value)


def _absolute(frame: Frame, value: object) -> object:
    if type(value) is float:
        return abs(value)
    if type(value) is int:
        return negate(value) if value < 0 else value
    if type(value) is UInt:
        return value
    raise no_overload("math.abs()", value)


def _sign(frame: Frame, value: object) -> object:
    if type(value) is float:
        return value if value == 0 or math.isnan(value) else math.copysign(1.0, value)
    if type(value) is int or type(value) is UInt:
        sign = (value > 0) - (value < 0)
        return UInt(sign) if type(value) is UInt else sign
    raise no_overload("math.sign()", value)


MATH: Final[dict[str, Callable[..., object]]] = {
    "math.greatest": _extreme("math.greatest", ORDER[">"]),
    "math.least": _extreme("math.least", ORDER["<"]),
    "math.abs": _absolute,
    "math.sign": _sign,
    "math.ceil": _rounding("math.ceil", lambda value: math.copysign(float(math.ceil(value)), value)),
    "math.floor": _rounding("math.floor", lambda value: math.copysign(float(math.floor(value)), value)),
    "math.trunc": _rounding("math.trunc", lambda value: math.copysign(float(math.trunc(value)), value)),
    "math.round": _rounding("math.round", _half_away),
    "math.isNaN": _test("math.isNaN", math.isnan),
    "math.isInf": _test("math.isInf", math.isinf),
    "math.isFinite": _test("math.isFinite", math.isfinite),
}
