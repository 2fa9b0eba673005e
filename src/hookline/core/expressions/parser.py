"""From tokens to the syntax tree: precedence climbing with a limit on nesting."""

from __future__ import annotations

from typing import Final

from hookline.core.expressions.errors import ExpressionError, Limits
from hookline.core.expressions.lexer import Token, tokenize
from hookline.core.expressions.nodes import (
    Access,
    Call,
    Chain,
    Conditional,
    Has,
    Link,
    ListLiteral,
    Literal,
    Logic,
    Macro,
    MapLiteral,
    Name,
    Node,
    Step,
    Unary,
)
from hookline.core.expressions.values import INT_MAX, INT_MIN, UInt

__all__ = ["MACROS", "RESERVED_WORDS", "parse"]

MACROS: Final[dict[str, tuple[int, ...]]] = {
    "all": (2,),
    "exists": (2,),
    "exists_one": (2,),
    "existsOne": (2,),
    "filter": (2,),
    "map": (2, 3),
    "optMap": (2,),
    "optFlatMap": (2,),
}
"""The macros that bind a variable, with the numbers of arguments they take."""

NAMESPACES: Final = frozenset({"optional", "math", "strings"})

RESERVED_WORDS: Final = frozenset(
    {
        *("as", "break", "const", "continue", "else", "false", "for", "function", "if", "import", "in"),
        *("let", "loop", "namespace", "null", "package", "return", "true", "var", "void", "while"),
    }
)
"""Words that cannot name a value (CEL language definition, "Syntax")."""

_CONSTANTS: Final[dict[str, bool | None]] = {"true": True, "false": False, "null": None}
_LEVELS: Final[dict[str, int]] = {
    "==": 0, "!=": 0, "<": 0, "<=": 0, ">": 0, ">=": 0, "in": 0, "+": 1, "-": 1, "*": 2, "/": 2, "%": 2,
}  # fmt: skip
_WORDS: Final = {"and": "write && for and", "or": "write || for or", "not": "write ! for not"}


def parse(text: str, start: int, end: int, limits: Limits) -> Node:
    """The tree of the expression in ``text[start:end]``.

    Raises:
        ExpressionError: X101, X102, X106 to X109, X111 or X112, with offsets in ``text``.
    """
    if end - start > limits.max_source:
        raise ExpressionError(
            "X107",
            f"the expression has {end - start} characters; the limit is {limits.max_source}",
            start=start,
            end=end,
        )
    parser = _Parser(tokenize(text, start, end), limits.max_depth)
    if parser.kind() == "end":
        raise ExpressionError("X111", "the expression is empty", start=start, end=end)
    node = parser.expression()
    if parser.kind() != "end":
        raise parser.unexpected("the end of the expression")
    return node


class _Parser:
    def __init__(self, tokens: list[Token], max_depth: int) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0
        self._max_depth = max_depth

    def kind(self) -> str:
        return self._tokens[self._position].kind

    def _next(self) -> Token:
        token = self._tokens[self._position]
        self._position += 1
        return token

    def _accept(self, kind: str) -> bool:
        if self._tokens[self._position].kind == kind:
            self._position += 1
            return True
        return False

    def _expect(self, kind: str) -> Token:
        if self._tokens[self._position].kind != kind:
            raise self.unexpected(kind)
        return self._next()

    def _last_end(self) -> int:
        return self._tokens[self._position - 1].end

    def unexpected(self, wanted: str) -> ExpressionError:
        """The error for the current token."""
        token = self._tokens[self._position]
        hint = _WORDS.get(str(token.value), "") if token.kind == "name" else ""
        before = self._tokens[self._position - 1].kind if self._position else ""
        if before == "?" and token.kind in (".", "["):
            hint = "optional access is written a.?b or a[?0]"
        elif before == "?" and token.kind == "?":
            hint = "a default is written a.?b.orValue(x)"
        found = (
            "the end" if token.kind == "end" else f"{token.value if token.value is not None else token.kind}"
        )
        return ExpressionError(
            "X101", f"expected {wanted}, found {found[:60]}", hint=hint, start=token.start, end=token.end
        )

    def expression(self) -> Node:
        """A conditional or anything that binds tighter."""
        self._depth += 1
        if self._depth > self._max_depth:
            token = self._tokens[self._position]
            raise ExpressionError(
                "X108",
                f"the expression is nested more than {self._max_depth} levels deep",
                start=token.start,
                end=token.end,
            )
        node = self._either()
        if self.kind() == "?":
            node = self._conditional(node)
        self._depth -= 1
        return node

    def _conditional(self, condition: Node) -> Node:
        branches: list[tuple[Node, Node]] = []
        start = condition.start
        while self._accept("?"):
            value = self.expression()
            self._expect(":")
            branches.append((condition, value))
            condition = self._either()
        return Conditional(start, condition.end, branches, condition)

    def _either(self) -> Node:
        """Operands of ``||`` and, inside them, of ``&&``."""
        alternatives: list[Node] = []
        while True:
            operands = [self._binary(0)]
            while self._accept("&&"):
                operands.append(self._binary(0))
            alternatives.append(
                operands[0]
                if len(operands) == 1
                else Logic(operands[0].start, operands[-1].end, "&&", operands)
            )
            if not self._accept("||"):
                break
        if len(alternatives) == 1:
            return alternatives[0]
        return Logic(alternatives[0].start, alternatives[-1].end, "||", alternatives)

    def _operator(self) -> str:
        token = self._tokens[self._position]
        return "in" if token.kind == "name" and token.value == "in" else token.kind

    def _binary(self, level: int) -> Node:
        """Relations (level 0), sums (1) and products (2)."""
        first = self._unary() if level == 2 else self._binary(level + 1)
        links: list[Link] = []
        while _LEVELS.get(operator := self._operator()) == level:
            self._position += 1
            links.append(Link(operator, self._unary() if level == 2 else self._binary(level + 1)))
        if not links:
            return first
        return Chain(first.start, links[-1].operand.end, first, links)

    def _unary(self) -> Node:
        token = self._tokens[self._position]
        operator = token.kind
        if operator != "!" and operator != "-":
            return self._member()
        count = 0
        while self._accept(operator):
            count += 1
        number = self._tokens[self._position]
        if operator == "-" and number.kind in ("int", "double"):
            # CEL: the sign belongs to the number, so that the smallest int can be written.
            count -= 1
        operand = self._member(negative=operator == "-" and number.kind in ("int", "double"))
        return Unary(token.start, operand.end, operator, count, operand) if count else operand

    def _member(self, negative: bool = False) -> Node:
        """A primary and the accesses and method calls that follow it."""
        node = self._primary(negative)
        steps: list[Step] = []
        while True:
            if self._accept("."):
                optional = self._accept("?")
                token = self._next()
                if token.kind not in ("name", "quoted"):
                    self._position -= 1
                    raise self.unexpected("a name after the dot")
                if token.kind == "name" and not optional and self.kind() == "(":
                    target = self._access(node, steps)
                    steps = []
                    node = self._method(target, token)
                else:
                    key = Literal(token.start, token.end, token.value)
                    steps.append(Step(key, True, optional, token.end))
            elif self._accept("["):
                optional = self._accept("?")
                index = self.expression()
                self._expect("]")
                steps.append(Step(index, False, optional, self._last_end()))
            else:
                return self._access(node, steps)

    @staticmethod
    def _access(base: Node, steps: list[Step]) -> Node:
        return Access(base.start, steps[-1].end, base, steps) if steps else base

    def _method(self, target: Node, name: Token) -> Node:
        args = self._arguments()
        method = str(name.value)
        if type(target) is Name and target.name in NAMESPACES:
            return Call(target.start, self._last_end(), f"{target.name}.{method}", None, args)
        if method in MACROS:
            return self._macro(target, method, args, name)
        return Call(target.start, self._last_end(), method, target, args)

    def _macro(self, target: Node, method: str, args: list[Node], name: Token) -> Node:
        end = self._last_end()
        if len(args) not in MACROS[method]:
            wanted = " or ".join(str(number) for number in MACROS[method])
            raise ExpressionError(
                "X105", f"{method}() takes {wanted} arguments, not {len(args)}", start=name.start, end=end
            )
        variable = args[0]
        if type(variable) is not Name:
            raise ExpressionError(
                "X106",
                f"the first argument of {method}() must be the name of a variable",
                hint=f"for example list.{method}(x, x > 1)",
                start=variable.start,
                end=variable.end,
            )
        return Macro(target.start, end, method, target, variable.name, args[1:])

    def _arguments(self) -> list[Node]:
        self._expect("(")
        args: list[Node] = []
        if not self._accept(")"):
            args.append(self.expression())
            while self._accept(","):
                args.append(self.expression())
            self._expect(")")
        return args

    def _primary(self, negative: bool) -> Node:
        token = self._next()
        kind = token.kind
        if kind == "name":
            return self._name(token)
        if kind == "string" or kind == "bytes":
            return Literal(token.start, token.end, token.value)
        if kind == "int" or kind == "uint" or kind == "double":
            return self._number(token, negative)
        if kind == "(":
            inner = self.expression()
            self._expect(")")
            return inner
        if kind == "[":
            return self._list(token)
        if kind == "{":
            return self._map(token)
        self._position -= 1
        raise self.unexpected("a value")

    def _number(self, token: Token, negative: bool) -> Node:
        value = token.value
        if token.kind == "uint" and type(value) is int:
            return Literal(token.start, token.end, UInt(value))
        start = token.start
        if negative:
            start = self._tokens[self._position - 2].start
            value = -value if isinstance(value, (int, float)) else value
        if type(value) is int and not INT_MIN <= value <= INT_MAX:
            raise ExpressionError("X109", "the number does not fit into 64 bits", start=start, end=token.end)
        return Literal(start, token.end, value)

    def _name(self, token: Token) -> Node:
        name = str(token.value)
        if name in _CONSTANTS:
            return Literal(token.start, token.end, _CONSTANTS[name])
        if name in RESERVED_WORDS:
            raise ExpressionError(
                "X112",
                f'"{name}" is a reserved word and cannot name a value',
                hint=f"as a key it may be used: a.{name}",
                start=token.start,
                end=token.end,
            )
        if self.kind() != "(":
            return Name(token.start, token.end, name)
        args = self._arguments()
        if name == "has":
            return self._has(token, args)
        return Call(token.start, self._last_end(), name, None, args)

    def _has(self, token: Token, args: list[Node]) -> Node:
        end = self._last_end()
        if len(args) != 1:
            raise ExpressionError(
                "X105", f"has() takes 1 argument, not {len(args)}", start=token.start, end=end
            )
        access = args[0]
        if type(access) is not Access or not access.steps[-1].field:
            raise ExpressionError(
                "X106",
                "has() needs a field such as a.b",
                hint="a key that is no name is written has(a.`my-key`) or 'my-key' in a",
                start=access.start,
                end=access.end,
            )
        return Has(token.start, end, access)

    def _list(self, opening: Token) -> Node:
        items: list[tuple[Node, bool]] = []
        while self.kind() != "]":
            optional = self._accept("?")
            items.append((self.expression(), optional))
            if not self._accept(","):
                break
        self._expect("]")
        return ListLiteral(opening.start, self._last_end(), items)

    def _map(self, opening: Token) -> Node:
        entries: list[tuple[Node, Node, bool]] = []
        while self.kind() != "}":
            optional = self._accept("?")
            key = self.expression()
            self._expect(":")
            entries.append((key, self.expression(), optional))
            if not self._accept(","):
                break
        self._expect("}")
        return MapLiteral(opening.start, self._last_end(), entries)
