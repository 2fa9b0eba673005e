"""``text.format(list)`` of CEL's string extension, with bounds on precision and size.

Source: https://github.com/google/cel-go/tree/master/ext#format
"""

from __future__ import annotations

import math
import re
from typing import Final, cast

from hookline.core.expressions.conversions import scalar_text
from hookline.core.expressions.errors import Fault
from hookline.core.expressions.rendering import double_text
from hookline.core.expressions.values import Frame, TypeValue, UInt, mapping_items, no_overload

__all__ = ["format_text"]

_CLAUSE: Final = re.compile(r"%(?:\.([0-9]{1,3}))?([^.])", re.DOTALL)
_MAX_PRECISION: Final = 100
_DEFAULT_PRECISION: Final = 6


def format_text(frame: Frame, text: str, values: list[object]) -> str:
    """``text`` with its clauses replaced by ``values``; everything made is charged."""
    frame.charge(len(text))
    parts: list[str] = []
    position = 0
    used = 0
    while (mark := text.find("%", position)) >= 0:
        parts.append(text[position:mark])
        match = _CLAUSE.match(text, mark)
        if match is None:
            raise Fault("X218", "format(): a % is not followed by a clause", "write %% for a percent sign")
        position = match.end()
        if match[2] == "%":
            parts.append("%")
            continue
        if used >= len(values):
            raise Fault("X218", f"format(): there are {len(values)} values for more clauses")
        parts.append(_clause(frame, match[2], match[1], values[used]))
        used += 1
    parts.append(text[position:])
    return "".join(parts)


def _clause(frame: Frame, clause: str, precision: str | None, value: object) -> str:
    if clause in "fe":
        digits = _DEFAULT_PRECISION if precision is None else int(precision)
        if digits > _MAX_PRECISION:
            raise Fault("X218", f"format(): a precision above {_MAX_PRECISION}")
        made = _real(clause, digits, value)
    elif precision is not None:
        raise Fault("X218", f"format(): %{clause} takes no precision")
    elif clause == "s":
        return _string(frame, value, 0)
    elif clause == "d":
        made = _decimal(value)
    elif clause in "xXob":
        made = _based(frame, clause, value)
    else:
        raise Fault("X218", f"format(): there is no clause %{clause}", "use %s %d %f %e %x %X %o %b or %%")
    frame.charge(len(made))
    return made


def _real(clause: str, digits: int, value: object) -> str:
    if type(value) in (int, UInt):
        try:
            number = float(cast(int, value))
        except OverflowError:
            raise Fault("X211", "the number is too large for a double") from None
    elif type(value) is float:
        number = value
    else:
        raise no_overload(f"%{clause} in format()", value)
    if not math.isfinite(number):
        return double_text(number)
    return f"{number:.{digits}{clause}}"


def _decimal(value: object) -> str:
    if type(value) in (int, UInt, float):
        return scalar_text(value) or ""
    raise no_overload("%d in format()", value)


def _based(frame: Frame, clause: str, value: object) -> str:
    if type(value) is bool and clause == "b":
        return "1" if value else "0"
    if type(value) in (int, UInt):
        number = cast(int, value)
        if number.bit_length() > 64:
            raise Fault("X211", "the number does not fit into 64 bits")
        return f"{int(number):{clause}}"
    if clause in "xX" and isinstance(value, (str, bytes)):
        frame.charge(2 * len(value))
        try:
            digits = (value.encode() if isinstance(value, str) else value).hex()
        except UnicodeEncodeError:
            raise Fault("X210", "a text holds half of a surrogate pair") from None
        return digits.upper() if clause == "X" else digits
    raise no_overload(f"%{clause} in format()", value)


def _string(frame: Frame, value: object, depth: int) -> str:
    """%s, which also writes lists and maps; the keys of maps in order of their text."""
    frame.charge(1)
    if depth > frame.limits.max_data_depth:
        raise Fault(
            "X209", f"a value is nested more than {frame.limits.max_data_depth} levels deep", fatal=True
        )
    text = _scalar(value)
    if text is not None:
        frame.charge(len(text))
        return text
    if type(value) is list:
        return "[" + ", ".join([_string(frame, item, depth + 1) for item in value]) + "]"
    items = mapping_items(value)
    if items is None:
        raise no_overload("%s in format()", value)
    pairs = sorted((_string(frame, key, depth + 1), _string(frame, item, depth + 1)) for key, item in items)
    return "{" + ", ".join(f"{key}: {item}" for key, item in pairs) + "}"


def _scalar(value: object) -> str | None:
    if value is None:
        return "null"
    if isinstance(value, TypeValue):
        return value.name
    if type(value) is bytes:
        return value.decode(errors="replace")
    return scalar_text(value)
