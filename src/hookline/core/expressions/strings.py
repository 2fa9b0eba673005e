"""Functions on text. Positions count characters (code points); every character made is charged."""

from __future__ import annotations

import string
from typing import Final, cast

from hookline.core.expressions.errors import Fault
from hookline.core.expressions.formatting import format_text
from hookline.core.expressions.values import Frame, UInt, no_overload

__all__ = [
    "char_at",
    "contains",
    "ends_with",
    "format_values",
    "index_of",
    "join",
    "last_index_of",
    "lower_ascii",
    "quote",
    "replace",
    "reverse",
    "split",
    "starts_with",
    "substring",
    "trim",
    "upper_ascii",
]

_LOWER: Final = str.maketrans(string.ascii_uppercase, string.ascii_lowercase)
_UPPER: Final = str.maketrans(string.ascii_lowercase, string.ascii_uppercase)
# The White_Space property of Unicode, which Python's own strip() exceeds (U+001C to U+001F).
_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680" + "".join(map(chr, range(0x2000, 0x200B))) + "\u2028\u2029\u202f\u205f\u3000"
)
_SCAN: Final = 16
_QUOTED: Final = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    "\\": "\\\\",
    '"': '\\"',
}


def _text(name: str, *values: object) -> None:
    for value in values:
        if type(value) is not str:
            hint = (
                "convert the value first with string() or json()"
                if value is not None
                else "one value is null"
            )
            raise no_overload(f"{name}()", *values, hint=hint)


def _int(name: str, value: object) -> int:
    if type(value) is int or type(value) is UInt:
        return value
    raise no_overload(f"a position in {name}()", value)


def _position(name: str, value: object, size: int) -> int:
    index = _int(name, value)
    if not 0 <= index <= size:
        shown = index if index.bit_length() <= 64 else "a huge number"
        raise Fault("X218", f"{name}(): the position {shown} is outside 0 to {size}")
    return index


def contains(frame: Frame, text: object, part: object) -> object:
    """``text.contains(part)``."""
    _text("contains", text, part)
    frame.charge(len(cast(str, text)) // _SCAN)
    return cast(str, part) in cast(str, text)


def starts_with(frame: Frame, text: object, part: object) -> object:
    """``text.startsWith(part)``."""
    _text("startsWith", text, part)
    frame.charge(len(cast(str, part)) // _SCAN)
    return cast(str, text).startswith(cast(str, part))


def ends_with(frame: Frame, text: object, part: object) -> object:
    """``text.endsWith(part)``."""
    _text("endsWith", text, part)
    frame.charge(len(cast(str, part)) // _SCAN)
    return cast(str, text).endswith(cast(str, part))


def lower_ascii(frame: Frame, text: object) -> object:
    """``text.lowerAscii()``: only A to Z change."""
    _text("lowerAscii", text)
    frame.charge(len(cast(str, text)))
    return cast(str, text).translate(_LOWER)


def upper_ascii(frame: Frame, text: object) -> object:
    """``text.upperAscii()``: only a to z change."""
    _text("upperAscii", text)
    frame.charge(len(cast(str, text)))
    return cast(str, text).translate(_UPPER)


def trim(frame: Frame, text: object) -> object:
    """``text.trim()``: without Unicode white space at both ends."""
    _text("trim", text)
    frame.charge(len(cast(str, text)))
    return cast(str, text).strip(_SPACE)


def reverse(frame: Frame, text: object) -> object:
    """``text.reverse()``."""
    _text("reverse", text)
    frame.charge(len(cast(str, text)))
    return cast(str, text)[::-1]


def char_at(frame: Frame, text: object, position: object) -> object:
    """``text.charAt(i)``; empty at the very end."""
    _text("charAt", text)
    index = _position("charAt", position, len(cast(str, text)))
    return cast(str, text)[index : index + 1]


def index_of(frame: Frame, text: object, part: object, start: object = 0) -> object:
    """``text.indexOf(part[, start])``; -1 when absent."""
    _text("indexOf", text, part)
    source = cast(str, text)
    frame.charge(len(source) // _SCAN)
    return source.find(cast(str, part), _position("indexOf", start, len(source)))


def last_index_of(frame: Frame, text: object, part: object, start: object = None) -> object:
    """``text.lastIndexOf(part[, start])``: the last match that begins at or before ``start``."""
    _text("lastIndexOf", text, part)
    source, wanted = cast(str, text), cast(str, part)
    frame.charge(len(source) // _SCAN)
    if start is None:
        return source.rfind(wanted)
    return source.rfind(wanted, 0, _position("lastIndexOf", start, len(source)) + len(wanted))


def substring(frame: Frame, text: object, start: object, end: object = None) -> object:
    """``text.substring(start[, end])``."""
    _text("substring", text)
    source = cast(str, text)
    first = _position("substring", start, len(source))
    last = len(source) if end is None else _position("substring", end, len(source))
    if last < first:
        raise Fault("X218", f"substring(): the end {last} lies before the start {first}")
    frame.charge(last - first)
    return source[first:last]


def replace(frame: Frame, text: object, old: object, new: object, limit: object = -1) -> object:
    """``text.replace(old, new[, limit])``. The size is known, and charged, before the text is made."""
    _text("replace", text, old, new)
    source, before, after = cast(str, text), cast(str, old), cast(str, new)
    most = _int("replace", limit)
    frame.charge(len(source))
    count = source.count(before)
    if most >= 0:
        count = min(count, most)
    frame.charge(max(0, len(source) + count * (len(after) - len(before))))
    return source.replace(before, after, count)


def split(frame: Frame, text: object, separator: object, limit: object = -1) -> object:
    """``text.split(separator[, limit])``; an empty separator gives the characters."""
    _text("split", text, separator)
    source, mark = cast(str, text), cast(str, separator)
    most = _int("split", limit)
    frame.charge(2 * len(source) + 1)
    if most == 0:
        return []
    if most < 0:
        most = len(source) + 1
    if mark:
        return source.split(mark, most - 1)
    if most >= len(source):
        return list(source)
    return [*source[: most - 1], source[most - 1 :]]


def join(frame: Frame, items: object, separator: object = "") -> object:
    """``list.join([separator])``. The size is known, and charged, before the text is made."""
    if type(items) is not list:
        raise no_overload("join()", items)
    _text("join", separator)
    mark = cast(str, separator)
    frame.charge(len(items) * (len(mark) + 1))
    size = 0
    for item in items:
        if type(item) is not str:
            raise no_overload(
                "join()", item, hint="every element must be a string: write list.map(x, string(x)).join()"
            )
        size += len(item)
    frame.charge(size)
    return mark.join(items)


def format_values(frame: Frame, text: object, values: object) -> object:
    """``text.format(list)``: %s %d %f %e %x %X %o %b and %%."""
    _text("format", text)
    if type(values) is not list:
        raise no_overload("format()", values, hint='write "%s".format([x])')
    return format_text(frame, cast(str, text), values)


def quote(frame: Frame, text: object) -> object:
    """``strings.quote(text)``: in double quotes, with escapes."""
    _text("strings.quote", text)
    frame.charge(3 * len(cast(str, text)))
    return '"' + "".join(_QUOTED.get(char, char) for char in cast(str, text)) + '"'
