"""From the syntax tree to closures, once; what can be known beforehand is decided here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

from hookline.core.expressions import evaluation, loops
from hookline.core.expressions.access import Place, access, has, local_path, path, root, step
from hookline.core.expressions.errors import ExpressionError, Limits, did_you_mean, most_similar, shorten
from hookline.core.expressions.functions import ELSEWHERE, FUNCTIONS, LAZY_METHODS, METHODS, TYPES, Function
from hookline.core.expressions.nodes import (
    Access,
    Call,
    Chain,
    Conditional,
    Has,
    ListLiteral,
    Literal,
    Logic,
    Macro,
    MapLiteral,
    Name,
    Node,
    Unary,
)
from hookline.core.expressions.parser import MACROS
from hookline.core.expressions.values import Frame, Run, TypeValue

__all__ = ["Compiler", "PurePath", "Reference"]

Keys = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Reference:
    """A place where an expression reads the scope.

    Attributes:
        root: The name read: ``steps`` in ``steps.art.files[0].url``.
        path: The longest path after it that is known without evaluating: ``("art", "files", 0, "url")``.
        optional_at: Index in ``path`` of the first element that may be absent, because it is read
            with ``.?a`` or ``[?0]`` or is the last of a ``has()``; None when all must exist.
        start: First character of the path in the text compiled.
        end: The character after the last one.
    """

    root: str
    path: Keys
    optional_at: int | None
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PurePath:
    """An expression that is nothing but a path from a root."""

    root: str
    keys: Keys


class Compiler:
    """Compiles one expression; afterwards ``references`` and ``variables`` are filled."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.references: list[Reference] = []
        self.variables = 0
        self.pure: PurePath | None = None
        self._text = text
        self._max_depth = limits.max_depth
        self._scopes: list[str] = []
        self._depth = 0
        self._nodes = 0

    def compile(self, node: Node) -> Run:
        """The closure for a node. Raises ExpressionError (X104, X105, X108 or X110)."""
        self._nodes += 1
        self._depth += 1
        if self._depth > self._max_depth:
            raise ExpressionError(
                "X108",
                f"the expression is nested more than {self._max_depth} levels deep",
                start=node.start,
                end=node.end,
            )
        run = _COMPILE[type(node)](self, node)
        self._depth -= 1
        return run

    def _source(self, start: int, end: int) -> str:
        return shorten(self._text[start:end])

    def _weigh(self, node: Node) -> tuple[Run, int]:
        before = self._nodes
        run = self.compile(node)
        return run, self._nodes - before

    def literal(self, node: Literal) -> Run:
        value = node.value
        return lambda frame: value

    def name(self, node: Name) -> Run:
        slot = self._slot(node.name)
        if slot is not None:
            return local_path(slot, (), ())
        if node.name in TYPES:
            value = TypeValue(node.name)
            return lambda frame: value
        self.references.append(Reference(node.name, (), None, node.start, node.end))
        if self._depth == 1:
            self.pure = PurePath(node.name, ())
        return root(node.name, node.start, node.end)

    def _slot(self, name: str) -> int | None:
        for slot in range(len(self._scopes) - 1, -1, -1):
            if self._scopes[slot] == name:
                return slot
        return None

    def access(self, node: Access) -> Run:
        base = node.base
        if type(base) is not Name or (base.name in TYPES and self._slot(base.name) is None):
            return access(self.compile(base), self._steps(node, 0))
        well_known = self._text[node.start : node.end]
        if well_known in ("google.protobuf.Timestamp", "google.protobuf.Duration"):
            value = TypeValue(well_known)
            return lambda frame: value
        keys, optional_at, end = _static_keys(node)
        slot = self._slot(base.name)
        if slot is None:
            self.references.append(Reference(base.name, keys, optional_at, node.start, end))
        strict_keys = keys if optional_at is None else keys[:optional_at]
        places = self._places(node, len(strict_keys))
        if slot is not None:
            head = local_path(slot, strict_keys, places)
        elif strict_keys:
            head = path(base.name, strict_keys, places, base.start, base.end)
        else:
            head = root(base.name, base.start, base.end)
        if len(strict_keys) == len(node.steps):
            if slot is None and self._depth == 1:
                self.pure = PurePath(base.name, strict_keys)
            return head
        return access(head, self._steps(node, len(strict_keys)))

    def _places(self, node: Access, count: int) -> tuple[Place, ...]:
        ends = [node.base.end, *(item.end for item in node.steps)]
        return tuple(Place(self._source(node.start, ends[i]), node.start, ends[i + 1]) for i in range(count))

    def _steps(self, node: Access, first: int) -> tuple[Callable[[Frame, object], object], ...]:
        places = self._places(node, len(node.steps))
        return tuple(
            step(self.compile(item.key), item.optional, place)
            for item, place in zip(node.steps[first:], places[first:], strict=True)
        )

    def has(self, node: Has) -> Run:
        tested = node.access
        *others, last = tested.steps
        base = Access(tested.start, others[-1].end, tested.base, others) if others else tested.base
        before = len(self.references)
        run = self.compile(base)
        if len(self.references) > before:
            # The reference of the base comes first; it grows by the key that is tested.
            first = self.references[before]
            if len(first.path) == len(others) and first.start == tested.start:
                key = cast(str, cast(Literal, last.key).value)
                where = len(others) if first.optional_at is None else first.optional_at
                grown = Reference(first.root, (*first.path, key), where, first.start, last.end)
                self.references[before] = grown
        place = Place(self._source(base.start, base.end), tested.start, tested.end)
        return has(run, cast(str, cast(Literal, last.key).value), place)

    def call(self, node: Call) -> Run:
        if node.target is not None and node.name in LAZY_METHODS:
            return self._alternative(node, node.target)
        table = FUNCTIONS if node.target is None else METHODS
        function = table.get(node.name)
        if function is None:
            raise self._unknown_function(node)
        if not function.least <= len(node.args) <= function.most:
            raise self._wrong_count(node, function)
        operands = node.args if node.target is None else [node.target, *node.args]
        return evaluation.call(
            function.run, tuple(self.compile(arg) for arg in operands), node.start, node.end
        )

    def _alternative(self, node: Call, target: Node) -> Run:
        if len(node.args) != 1:
            raise self._wrong_count(node, Function(1, 1, evaluation.call))
        return evaluation.or_else(
            node.name, self.compile(target), self.compile(node.args[0]), node.start, node.end
        )

    def _wrong_count(self, node: Call, function: Function) -> ExpressionError:
        wanted = str(function.least)
        if function.most > function.least:
            wanted = f"{function.least} to {function.most}"
        return ExpressionError(
            "X105",
            f"{node.name}() takes {wanted} argument{'' if wanted == '1' else 's'}, not {len(node.args)}",
            start=node.start,
            end=node.end,
        )

    def _unknown_function(self, node: Call) -> ExpressionError:
        name = node.name
        if name == "matches":
            return ExpressionError(
                "X110",
                "matches() is not available: regular expressions can take exponential time",
                hint="use contains, startsWith, endsWith, indexOf or split",
                start=node.start,
                end=node.end,
            )
        if node.target is not None:
            hint = f"write {name}(x)" if name in FUNCTIONS else ""
            kind, names = "method", [*METHODS, *LAZY_METHODS, *MACROS]
        else:
            hint = f"write x.{name}(…)" if name in METHODS or name in MACROS else ""
            kind, names = "function", list(FUNCTIONS)
        if not hint and name in ELSEWHERE:
            hint = f"here it is called {_as_written(ELSEWHERE[name], node)}"
        return ExpressionError(
            "X104",
            f"there is no {kind} {shorten(name)}()",
            hint=hint or did_you_mean(name, names) or self._similar_elsewhere(node),
            start=node.start,
            end=node.end,
        )

    def _similar_elsewhere(self, node: Call) -> str:
        """A hint by a similar name of the other kind, or of other languages."""
        here = (*METHODS, *MACROS, *FUNCTIONS)
        close = most_similar(node.name, [*here, *ELSEWHERE])
        return f'did you mean "{_as_written(ELSEWHERE.get(close, close), node)}"?' if close else ""

    def macro(self, node: Macro) -> Run:
        target = self.compile(node.target)
        slot = len(self._scopes)
        self._scopes.append(node.variable)
        self.variables = max(self.variables, slot + 1)
        compiled = [self._weigh(arg) for arg in node.args]
        self._scopes.pop()
        body = compiled[-1][0]
        weight = 1 + sum(size for _, size in compiled)
        run: Run
        if node.name == "all":
            run = loops.all_of(target, slot, body, weight)
        elif node.name == "exists":
            run = loops.some_of(target, slot, body, weight)
        elif node.name in ("exists_one", "existsOne"):
            run = loops.exists_one(target, slot, body, weight)
        elif node.name == "filter":
            run = loops.filter_list(target, slot, body, weight)
        elif node.name == "map":
            run = loops.map_list(target, slot, compiled[0][0] if len(compiled) == 2 else None, body, weight)
        else:
            run = loops.opt_map(target, slot, body, node.name == "optFlatMap")
        return evaluation.placed(run, node.start, node.end)

    def list_literal(self, node: ListLiteral) -> Run:
        items = tuple((self.compile(item), optional) for item, optional in node.items)
        if any(optional for _, optional in items):
            return evaluation.placed(evaluation.optional_list(items), node.start, node.end)
        runs = tuple(run for run, _ in items)
        return lambda frame: [run(frame) for run in runs]

    def map_literal(self, node: MapLiteral) -> Run:
        entries = tuple(
            (self.compile(key), self.compile(value), optional) for key, value, optional in node.entries
        )
        return evaluation.placed(evaluation.map_literal(entries), node.start, node.end)

    def unary(self, node: Unary) -> Run:
        operand = self.compile(node.operand)
        count = node.count
        self._nodes += count
        make = evaluation.negation if node.operator == "!" else evaluation.minus
        return make(operand, count, node.start, node.end)

    def chain(self, node: Chain) -> Run:
        run = self.compile(node.first)
        if len(node.links) == 1:
            link = node.links[0]
            return evaluation.binary(link.operator, run, self.compile(link.operand), node.start, node.end)
        links = tuple(
            (evaluation.OPERATIONS[link.operator], self.compile(link.operand), link.operand.end)
            for link in node.links
        )
        return evaluation.chain(run, links, node.start)

    def logic(self, node: Logic) -> Run:
        operands = tuple((self.compile(item), item.start, item.end) for item in node.operands)
        return evaluation.logic(node.operator, operands, node.operator == "||")

    def conditional(self, node: Conditional) -> Run:
        branches = tuple(
            (self.compile(condition), self.compile(value), condition.start, condition.end)
            for condition, value in node.branches
        )
        return evaluation.conditional(branches, self.compile(node.otherwise))


_COMPILE: Final[dict[type[Node], Callable[..., Run]]] = {
    Literal: Compiler.literal,
    Name: Compiler.name,
    Access: Compiler.access,
    Has: Compiler.has,
    Call: Compiler.call,
    Macro: Compiler.macro,
    ListLiteral: Compiler.list_literal,
    MapLiteral: Compiler.map_literal,
    Unary: Compiler.unary,
    Chain: Compiler.chain,
    Logic: Compiler.logic,
    Conditional: Compiler.conditional,
}


def _as_written(name: str, call: Call) -> str:
    """A function as it is written where another one is called."""
    if call.target is None and name not in FUNCTIONS and (name in METHODS or name in MACROS):
        return f"x.{name}(…)"
    return f"{name}(x)" if call.target is not None and name in FUNCTIONS and name not in METHODS else name


def _static_keys(node: Access) -> tuple[Keys, int | None, int]:
    """The leading keys that are constants, the first optional one among them, and where they end."""
    keys: list[str | int] = []
    optional_at: int | None = None
    end = node.base.end
    for item in node.steps:
        key = item.key
        if type(key) is not Literal:
            break
        value = key.value
        if type(value) is not str and not (type(value) is int and value >= 0):
            break
        if item.optional and optional_at is None:
            optional_at = len(keys)
        keys.append(value)
        end = item.end
    return tuple(keys), optional_at, end
