"""The syntax tree. Chains of operators and of accesses are flat, so that length is not depth."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Access",
    "Call",
    "Chain",
    "Conditional",
    "Has",
    "Link",
    "ListLiteral",
    "Literal",
    "Logic",
    "Macro",
    "MapLiteral",
    "Name",
    "Node",
    "Step",
    "Unary",
]


@dataclass(slots=True)
class Node:
    """Any node; ``start`` and ``end`` are character offsets in the text."""

    start: int
    end: int


@dataclass(slots=True)
class Literal(Node):
    """A constant."""

    value: object


@dataclass(slots=True)
class Name(Node):
    """A root of the scope, a macro's variable, or a type."""

    name: str


@dataclass(slots=True)
class Step:
    """One ``.key``, ``[key]``, ``.?key`` or ``[?key]``; ``end`` is where it ends."""

    key: Node
    field: bool
    optional: bool
    end: int


@dataclass(slots=True)
class Access(Node):
    """A value and the accesses that follow it."""

    base: Node
    steps: list[Step]


@dataclass(slots=True)
class Call(Node):
    """A function (``target`` is None) or a method."""

    name: str
    target: Node | None
    args: list[Node]


@dataclass(slots=True)
class Macro(Node):
    """A macro with a variable: ``target.name(variable, args…)``."""

    name: str
    target: Node
    variable: str
    args: list[Node]


@dataclass(slots=True)
class Has(Node):
    """``has(access)``."""

    access: Access


@dataclass(slots=True)
class ListLiteral(Node):
    """Elements, each with whether it is ``?optional``."""

    items: list[tuple[Node, bool]]


@dataclass(slots=True)
class MapLiteral(Node):
    """Key, value, and whether the entry is ``?optional``."""

    entries: list[tuple[Node, Node, bool]]


@dataclass(slots=True)
class Unary(Node):
    """``!`` or ``-``, ``count`` times."""

    operator: str
    count: int
    operand: Node


@dataclass(slots=True)
class Link:
    """One operator of a chain and the operand to its right."""

    operator: str
    operand: Node


@dataclass(slots=True)
class Chain(Node):
    """Left-associative operators of one precedence."""

    first: Node
    links: list[Link]


@dataclass(slots=True)
class Logic(Node):
    """``&&`` or ``||`` over two operands or more."""

    operator: str
    operands: list[Node]


@dataclass(slots=True)
class Conditional(Node):
    """``a ? b : c ? d : e``: pairs of condition and value, and the last value."""

    branches: list[tuple[Node, Node]]
    otherwise: Node
