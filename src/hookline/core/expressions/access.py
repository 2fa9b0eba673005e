"""Reading keys and indexes: strict, optional, and the fast form for paths that are known in full."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from hookline.core.expressions.errors import Fault, shorten
from hookline.core.expressions.values import (
    MISSING,
    NONE,
    Frame,
    Lookup,
    Maybe,
    Run,
    TypedMap,
    UInt,
    is_lookup,
    map_key,
    no_overload,
    type_name,
)

__all__ = ["Place", "access", "fast_path", "fetch", "has", "local_path", "path", "root", "step"]

StepRun = Callable[[Frame, object], object]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an access stands: the text of what is read from, and the offsets of the whole access."""

    text: str
    start: int
    end: int


def fetch(value: object, key: object) -> object:
    """The element of ``value`` under ``key``, or ``MISSING``. Raises a fault when the types do not fit."""
    kind = type(value)
    if kind is dict:
        if type(key) is str:
            return cast("dict[str, object]", value).get(key, MISSING)
        map_key(key)
        return MISSING
    if kind is list:
        return _element(cast("list[object]", value), key)
    if isinstance(value, TypedMap):
        entry = value.entries.get(map_key(key))
        return MISSING if entry is None else entry[1]
    if is_lookup(value):
        return cast(Lookup, value).lookup(key) if type(key) is str else MISSING
    name = type_name(value)
    raise Fault("X204", f"a value of type {name} has no keys" if value is not None else "null has no keys")


def _element(items: list[object], key: object) -> object:
    kind = type(key)
    if kind is int or kind is UInt:
        index = cast(int, key)
    elif kind is float and cast(float, key).is_integer():
        index = int(cast(float, key))
    elif kind is str:
        raise Fault("X204", "a list has no keys", "select an element first, such as [0]")
    else:
        raise no_overload("an index", key)
    return items[index] if 0 <= index < len(items) else MISSING


def strict(value: object, key: object, place: Place) -> object:
    """The element under ``key``; a fault that names the place when it is absent."""
    try:
        found = fetch(value, key)
    except Fault as fault:
        raise _described(fault, value, place) from None
    if found is MISSING:
        raise absent(value, key, place)
    return found


def _described(fault: Fault, value: object, place: Place) -> Fault:
    if fault.code == "X204" and type(value) is not list and place.text:
        fault.message = f"{place.text} is {_article(value)} and has no keys"
        if value is None:
            fault.hint = f"test {place.text} != null first"
    elif fault.code == "X204" and fault.message == "a list has no keys" and place.text:
        fault.message = f"{place.text} is a list and has no keys"
        fault.hint = f"select an element, such as {place.text}[0]"
    return fault.at(place.start, place.end)


def _article(value: object) -> str:
    if value is None:
        return "null"
    name = type_name(value).rpartition(".")[2].lower()
    return f"an {name}" if name[0] in "aeiou" and name != "uint" else f"a {name}"


def absent(value: object, key: object, place: Place) -> Fault:
    """The fault for a key or an index that does not exist."""
    text = place.text or "the value"
    if type(value) is list:
        size = len(value)
        return Fault(
            "X202",
            f"{text} has {size} element{'' if size == 1 else 's'}, no [{shorten(_key_text(key))}]",
            f"write {text}[?{shorten(_key_text(key), 20)}].orValue(…) if it may be absent",
            start=place.start,
            end=place.end,
        )
    hint = ""
    if type(value) is dict and type(key) is not str:
        hint = "the keys of JSON objects are strings"
    elif type(key) is str and len(key) <= 60 and key.isidentifier():
        hint = f"write {text}.?{key}.orValue(…) if it may be absent"
    return Fault(
        "X201",
        f"{text} has no key {_key_text(key)}",
        hint,
        start=place.start,
        end=place.end,
        name=key if type(key) is str else "",
        names=value if type(value) is dict else (),
    )


def _key_text(key: object) -> str:
    if type(key) is str:
        return f'"{shorten(key)}"'
    if type(key) is bool:
        return "true" if key else "false"
    if isinstance(key, int):
        return str(int(key)) if key.bit_length() <= 64 else "a huge number"
    return str(key) if type(key) is float else "of that type"


def root(name: str, start: int, end: int) -> Run:
    """The value of a root of the scope."""

    def run(frame: Frame) -> object:
        try:
            value = frame.scope[name]
        except KeyError:
            raise _unknown_root(frame.scope, name, start, end) from None
        if value is MISSING:
            raise _unknown_root(frame.scope, name, start, end)
        return value

    return run


_WORDS: Final = {
    "True": "write true",
    "False": "write false",
    "None": "write null",
    "undefined": "write null",
}


def _unknown_root(scope: Mapping[str, object], name: str, start: int, end: int) -> Fault:
    hint = _WORDS.get(name, "")
    if not hint and 0 < len(scope) <= 20:
        hint = "the names in scope are " + ", ".join(sorted(str(other) for other in scope))
    message = f'there is no "{shorten(name)}" in scope'
    return Fault(
        "X203", message, hint, start=start, end=end, name="" if name in _WORDS else name, names=scope
    )


def path(name: str, keys: tuple[str | int, ...], places: tuple[Place, ...], start: int, end: int) -> Run:
    """``name.key[0]…`` with every key known: one closure for the whole path."""
    first = root(name, start, end)

    def slow(frame: Frame) -> object:
        value = first(frame)
        for key, place in zip(keys, places, strict=True):
            value = _next(value, key, place)
        return value

    def run(frame: Frame) -> object:
        try:
            value = frame.scope[name]
            for key in keys:
                kind = type(value)
                if kind is dict or kind is list:
                    value = value[key]  # type: ignore[index]
                elif is_lookup(value) and type(key) is str:
                    value = cast(Lookup, value).lookup(key)
                else:
                    return slow(frame)
        except (KeyError, IndexError, TypeError):
            return slow(frame)
        return slow(frame) if value is MISSING else value

    return run


def fast_path(name: str, keys: tuple[str | int, ...]) -> Callable[[Mapping[str, object]], object]:
    """The same over a bare scope; ``MISSING`` when anything is out of the ordinary."""

    def run(scope: Mapping[str, object]) -> object:
        try:
            value = scope[name]
            for key in keys:
                kind = type(value)
                if kind is dict or kind is list:
                    value = value[key]  # type: ignore[index]
                else:
                    return MISSING
        except (KeyError, IndexError, TypeError):
            return MISSING
        return value

    return run


def local_path(slot: int, keys: tuple[str | int, ...], places: tuple[Place, ...]) -> Run:
    """``x.key…`` where ``x`` is a macro's variable."""
    if not keys:
        return lambda frame: frame.variables[slot]

    def slow(frame: Frame) -> object:
        value = frame.variables[slot]
        for key, place in zip(keys, places, strict=True):
            value = _next(value, key, place)
        return value

    if len(keys) == 1 and type(keys[0]) is str:
        only = keys[0]

        def run_one(frame: Frame) -> object:
            value = frame.variables[slot]
            if type(value) is dict and only in value:
                return value[only]
            return slow(frame)

        return run_one

    def run(frame: Frame) -> object:
        value = frame.variables[slot]
        try:
            for key in keys:
                kind = type(value)
                if kind is dict or kind is list:
                    value = value[key]  # type: ignore[index]
                else:
                    return slow(frame)
        except (KeyError, IndexError, TypeError):
            return slow(frame)
        return value

    return run


def _next(value: object, key: object, place: Place) -> object:
    """One strict access, which passes through an optional value."""
    if isinstance(value, Maybe):
        if value is NONE:
            return NONE
        try:
            found = fetch(value.value, key)
        except Fault as fault:
            raise _described(fault, value.value, place) from None
        return NONE if found is MISSING else Maybe(found)
    return strict(value, key, place)


def step(key: Run, optional: bool, place: Place) -> StepRun:
    """One access whose key may be computed."""
    if not optional:
        return lambda frame, value: _next(value, key(frame), place)

    def run(frame: Frame, value: object) -> object:
        index = key(frame)
        if isinstance(value, Maybe):
            if value is NONE:
                return NONE
            value = value.value
        try:
            found = fetch(value, index)
        except Fault as fault:
            raise _described(fault, value, place) from None
        return NONE if found is MISSING else Maybe(found)

    return run


def access(base: Run, steps: tuple[StepRun, ...]) -> Run:
    """A value and several accesses."""

    def run(frame: Frame) -> object:
        value = base(frame)
        for following in steps:
            value = following(frame, value)
        return value

    return run


def has(base: Run, key: str, place: Place) -> Run:
    """Whether the value of ``base`` has ``key``; ``base`` itself must exist."""

    def run(frame: Frame) -> object:
        value = base(frame)
        if isinstance(value, Maybe):
            if value is NONE:
                return False
            value = value.value
        try:
            return fetch(value, key) is not MISSING
        except Fault as fault:
            raise _described(fault, value, place) from None

    return run
