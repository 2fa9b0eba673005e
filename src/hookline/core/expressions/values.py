"""The values of the language, beside those that are plain JSON data.

JSON's null, booleans, ints, floats, strings, lists and objects are Python's own types, told apart by
``type(v) is …`` only: there is no attribute access, so ``x.__class__`` is a missing key.
The rest of CEL's types (https://github.com/google/cel-spec/blob/master/doc/langdef.md#values) is here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from hookline.core.expressions.errors import Fault, Limits

__all__ = [
    "INT_MAX",
    "INT_MIN",
    "MISSING",
    "NONE",
    "UINT_MAX",
    "Duration",
    "Frame",
    "Lookup",
    "Maybe",
    "Run",
    "Timestamp",
    "TypeValue",
    "TypedMap",
    "UInt",
    "is_lookup",
    "map_key",
    "mapping_items",
    "mapping_keys",
    "no_overload",
    "type_name",
]

INT_MIN: Final = -(2**63)
INT_MAX: Final = 2**63 - 1
UINT_MAX: Final = 2**64 - 1


class _Missing:
    """The type of ``MISSING``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing()
"""What a ``Lookup`` returns for a key it does not have."""


class Lookup(Protocol):
    """A scope root, or a value inside one, that finds its keys on demand."""

    def lookup(self, key: str) -> object:
        """The value under ``key`` (JSON data or another Lookup), or ``MISSING``."""


class UInt(int):
    """CEL's ``uint``. A subclass of int so that numeric comparison across types is Python's own."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Timestamp:
    """A point in time: nanoseconds since 1970-01-01T00:00:00Z."""

    ns: int


@dataclass(frozen=True, slots=True)
class Duration:
    """A length of time in nanoseconds."""

    ns: int


@dataclass(frozen=True, slots=True)
class TypeValue:
    """A type as a value, as ``type(x)`` gives it."""

    name: str


class Maybe:
    """CEL's optional value: ``NONE``, or a value."""

    __slots__ = ("value",)

    def __init__(self, value: object) -> None:
        self.value = value


NONE: Final = Maybe(MISSING)


class TypedMap:
    """A map with keys that are not all strings: CEL also has int, uint and bool keys."""

    __slots__ = ("entries",)

    def __init__(self, pairs: Iterable[tuple[object, object]] = ()) -> None:
        self.entries: dict[object, tuple[object, object]] = {}
        for key, value in pairs:
            self.entries[map_key(key)] = (key, value)


class Frame:
    """One evaluation: the scope, the variables of macros, and what is left of the budget."""

    __slots__ = ("left", "limits", "scope", "variables")

    def __init__(self, scope: Mapping[str, object], limits: Limits, variables: int) -> None:
        self.scope = scope
        self.limits = limits
        self.left = limits.max_steps
        self.variables: list[object] = [None] * variables

    def charge(self, steps: int) -> None:
        """Count work. Raises a fault that nothing absorbs once the budget is used up."""
        self.left -= steps
        if self.left < 0:
            raise Fault(
                "X207",
                f"the expression does more than {self.limits.max_steps} steps of work",
                "work on less data, or use for_each",
                fatal=True,
            )


Run = Callable[[Frame], object]
"""A compiled node."""


_NAMES: Final[dict[type, str]] = {
    type(None): "null_type",
    bool: "bool",
    int: "int",
    UInt: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    list: "list",
    dict: "map",
    TypedMap: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    TypeValue: "type",
    Maybe: "optional_type",
}

# Keys of a Python dict compare by value and True == 1, so bool keys get identities of their own.
_TRUE_KEY: Final = object()
_FALSE_KEY: Final = object()


def is_lookup(value: object) -> bool:
    """Whether a value that is not plain data answers ``lookup``."""
    kind = type(value)
    return kind not in _NAMES and callable(getattr(kind, "lookup", None))


def type_name(value: object) -> str:
    """CEL's name of a value's type. Raises a fault for objects that are not data."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    if is_lookup(value):
        return "map"
    raise Fault("X216", "the scope holds an object that is not data")


def map_key(key: object) -> object:
    """The key under which a ``TypedMap`` keeps an entry; ``MISSING`` when no entry can match."""
    kind = type(key)
    if kind is str or kind is int or kind is UInt:
        return key
    if kind is bool:
        return _TRUE_KEY if key else _FALSE_KEY
    if kind is float and isinstance(key, float):
        return int(key) if key.is_integer() else MISSING
    raise Fault("X214", f"a value of type {type_name(key)} cannot be a map key")


def mapping_keys(value: object) -> Iterable[object] | None:
    """The keys of a map, or None when the value is no map."""
    if type(value) is dict:
        return value
    if isinstance(value, TypedMap):
        return [key for key, _ in value.entries.values()]
    return None


def mapping_items(value: object) -> Collection[tuple[object, object]] | None:
    """The entries of a map, or None when the value is no map."""
    if type(value) is dict:
        return value.items()
    if isinstance(value, TypedMap):
        return value.entries.values()
    return None


def no_overload(what: str, *values: object, hint: str = "") -> Fault:
    """The fault for an operator or function that these types do not have."""
    types = " and ".join(_plain_name(value) for value in values)
    return Fault("X204", f"{what} is not defined for {types}", hint)


def _plain_name(value: object) -> str:
    name = type_name(value)
    return {"null_type": "null", "optional_type": "optional"}.get(name, name.rpartition(".")[2].lower())
