"""Hypothesis strategies that write expressions of a given type over a known JSON context.

Operands of different types are wrapped in ``dyn()``, so that a checker with static types accepts
them and the decision falls during evaluation.
"""

from __future__ import annotations

import json

from hypothesis import strategies as st

INTS = st.one_of(
    st.integers(-10, 10),
    st.sampled_from([2**63 - 1, -(2**63), 2**63 - 2, 2**53 + 1, 2**31, -(2**53) - 1, 5_000_000_000]),
)
DOUBLES = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.5, 0.5, 2.25, 1e300, -1e300, 9007199254740992.0, 9.3e18, 3.0]),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
)
# No NUL: the oracle's wrapper cuts text there. No surrogates: it refuses them.
CHARS = st.sampled_from("abcABC 019.,-_/é☃\U0001f431\"'\\\n")
TEXTS = st.text(CHARS, max_size=6)
KEYS = st.sampled_from(["a", "b", "key", "no"])

CONTEXTS = st.fixed_dictionaries(
    {
        "i": INTS,
        "j": st.integers(0, 5),
        "d": DOUBLES,
        "s": TEXTS,
        "t": TEXTS,
        "b": st.booleans(),
        "n": st.none(),
        "l": st.lists(INTS, max_size=4),
        "ls": st.lists(TEXTS, max_size=4),
        "m": st.dictionaries(KEYS, st.one_of(INTS, TEXTS, st.none(), st.booleans()), max_size=3),
        "o": st.fixed_dictionaries({"i": INTS, "l": st.lists(st.one_of(INTS, TEXTS, DOUBLES), max_size=3)}),
    }
)


def text_literal(text: str) -> str:
    """A CEL literal: JSON's escapes are CEL's too, but for pairs of surrogates."""
    return json.dumps(text, ensure_ascii=False)


def int_literal(value: int) -> str:
    return f"({value})" if value < 0 else str(value)


def double_literal(value: float) -> str:
    text = repr(value)
    text = text if "." in text or "e" in text else f"{text}.0"
    return f"({text})" if text.startswith("-") else text


@st.composite
def expressions(draw: st.DrawFn, kind: str, depth: int = 3, names: tuple[str, ...] = ()) -> str:
    """An expression of ``kind``: int, uint, double, string, bool, list, time, span or dyn."""
    if kind == "dyn":
        chosen = draw(st.sampled_from(["int", "uint", "double", "string", "bool", "list", "raw"]))
        if chosen == "raw":
            return draw(_raw(depth, names))
        return f"dyn({draw(expressions(chosen, depth, names))})"
    if depth <= 0 or draw(st.integers(0, 4)) == 0:
        return draw(_leaf(kind, names))
    return draw(_BRANCHES[kind](depth - 1, names))


def _leaf(kind: str, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    locals_ = [f"int({name})" for name in names]
    match kind:
        case "int":
            return st.one_of(
                INTS.map(int_literal), st.sampled_from(["int(c.i)", "int(c.j)", "int(c.o.i)", *locals_])
            )
        case "uint":
            return st.one_of(
                st.sampled_from([0, 1, 2, 7, 2**64 - 1, 2**63]).map(lambda n: f"{n}u"), st.just("uint(c.j)")
            )
        case "double":
            return st.one_of(DOUBLES.map(double_literal), st.just("double(c.d)"))
        case "string":
            return st.one_of(TEXTS.map(text_literal), st.sampled_from(["string(c.s)", "string(c.t)"]))
        case "bool":
            return st.sampled_from(["true", "false", "bool(c.b)", "has(c.b)", "has(c.no)", "c.n == null"])
        case "list":
            return st.sampled_from(["c.l", "c.o.l", "c.ls", "[1, 2, 3]", "['a', 'b']", "[]", "[1, 'a', 2.0]"])
        case "time":
            return st.sampled_from(
                [
                    "timestamp('2009-02-13T23:31:30Z')",
                    "timestamp('2024-02-29T00:00:00.123Z')",
                    "timestamp('1969-12-31T23:59:59.999+05:30')",
                    "timestamp('0001-01-01T00:00:00Z')",
                    "timestamp('9999-12-31T23:59:59Z')",
                    "timestamp(0)",
                ]
            )
        case _:
            return st.sampled_from(
                [
                    "duration('0s')",
                    "duration('90s')",
                    "duration('1h30m')",
                    "duration('-1.5s')",
                    "duration('7ms')",
                ]
            )


def _raw(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    """Reads that may well fail: missing keys, indexes out of range, access to scalars."""
    paths = [
        "c.i", "c.n", "c.no", "c.s.x", "c.m.a", "c.m['key']", "c.l[0]", "c.l[9]", "c.o.l[1]", "c['d']",
        "c.l[c.j]", "c.ls[1.0]", "c.m[1]", "c.l['a']", "c.m.b.c", "c.ls[0]", "1 / 0", "dyn(1u)",
    ]  # fmt: skip
    computed = st.builds(lambda index: f"c.l[{index}]", expressions("int", min(depth, 1), names))
    return st.one_of(st.sampled_from([*paths, *names]), computed)


def _binary(kind: str, symbols: list[str], depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    operand = expressions(kind, depth, names)
    return st.builds(
        lambda left, symbol, right: f"({left} {symbol} {right})", operand, st.sampled_from(symbols), operand
    )


def _choice(kind: str, depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    value = expressions(kind, depth, names)
    return st.builds(
        lambda condition, yes, no: f"({condition} ? {yes} : {no})",
        expressions("bool", depth, names),
        value,
        value,
    )


def _int(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    text = expressions("string", depth, names)
    return st.one_of(
        _binary("int", ["+", "-", "*", "/", "%"], depth, names),
        _choice("int", depth, names),
        expressions("int", depth, names).map(lambda inner: f"-({inner})"),
        text.map(lambda inner: f"size({inner})"),
        expressions("list", depth, names).map(lambda inner: f"size({inner})"),
        st.builds(
            lambda kind, inner: f"int({inner})" if kind else f"int(double({inner}))",
            st.booleans(),
            st.one_of(expressions("uint", depth, names), expressions("double", depth, names)),
        ),
        st.builds(lambda source, part: f"{source}.indexOf({part})", text, text),
        st.builds(lambda source, part: f"{source}.lastIndexOf({part})", text, text),
        st.builds(
            lambda time, name: f"{time}.{name}()",
            expressions("time", depth, names),
            st.sampled_from(
                ["getFullYear", "getMonth", "getDate", "getDayOfWeek", "getDayOfYear", "getHours"]
            ),
        ),
        st.builds(
            lambda span, name: f"{span}.{name}()",
            expressions("span", depth, names),
            st.sampled_from(["getHours", "getMinutes", "getSeconds", "getMilliseconds"]),
        ),
        st.builds(
            lambda time, name, zone: f"{time}.{name}('{zone}')",
            st.sampled_from(["timestamp('2009-02-13T23:31:30Z')", "timestamp('2024-07-01T12:00:00Z')"]),
            st.sampled_from(["getHours", "getMinutes", "getDate", "getDayOfMonth"]),
            st.sampled_from(
                ["Europe/Berlin", "US/Central", "Asia/Kathmandu", "+02:00", "-03:30", "UTC", "No/Where"]
            ),
        ),
    )


def _uint(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.one_of(
        _binary("uint", ["+", "-", "*", "/", "%"], depth, names),
        _choice("uint", depth, names),
        expressions("int", depth, names).map(lambda inner: f"uint({inner})"),
        expressions("double", depth, names).map(lambda inner: f"uint({inner})"),
    )


def _double(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.one_of(
        _binary("double", ["+", "-", "*", "/"], depth, names),
        _choice("double", depth, names),
        expressions("int", depth, names).map(lambda inner: f"double({inner})"),
        expressions("double", depth, names).map(lambda inner: f"-({inner})"),
    )


def _string(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    text = expressions("string", depth, names)
    number = expressions("int", min(depth, 1), names)
    return st.one_of(
        _binary("string", ["+"], depth, names),
        _choice("string", depth, names),
        number.map(lambda inner: f"string({inner})"),
        expressions("bool", depth, names).map(lambda inner: f"string({inner})"),
        st.builds(
            lambda source, name: f"{source}.{name}()",
            text,
            st.sampled_from(["lowerAscii", "upperAscii", "trim", "reverse"]),
        ),
        st.builds(lambda source, old, new: f"{source}.replace({old}, {new})", text, text, text),
        st.builds(lambda source, old, new: f"{source}.replace({old}, {new}, 1)", text, text, text),
        st.builds(lambda source, start: f"{source}.substring({start})", text, number),
        st.builds(lambda source, start: f"{source}.charAt({start})", text, number),
        st.builds(lambda mark: f"c.ls.join({mark})", text),
        st.builds(lambda source, mark: f"{source}.split({mark}).join('|')", text, text),
        expressions("span", depth, names).map(lambda inner: f"string({inner} - {inner})"),
    )


def _bool(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    orders = ["<", "<=", ">", ">=", "==", "!="]
    anything = expressions("dyn", depth, names)
    compared = st.sampled_from(["int", "uint", "double", "string", "time", "span"]).flatmap(
        lambda kind: _binary(kind, orders, depth, names)
    )
    name = f"x{len(names)}"
    body = expressions("bool", depth, (*names, name))
    return st.one_of(
        compared,
        _binary("dyn", orders, depth, names),
        _binary("bool", ["&&", "||", "==", "!="], depth, names),
        _choice("bool", depth, names),
        expressions("bool", depth, names).map(lambda inner: f"!({inner})"),
        st.builds(lambda left, right: f"(dyn({left}) && dyn({right}))", anything, anything),
        st.builds(lambda left, right: f"(dyn({left}) || dyn({right}))", anything, anything),
        st.builds(
            lambda left, right: f"(dyn({left}) in dyn({right}))", anything, expressions("list", depth, names)
        ),
        st.builds(lambda left: f"({left} in c.m)", expressions("string", depth, names)),
        st.builds(
            lambda source, method, part: f"{source}.{method}({part})",
            expressions("string", depth, names),
            st.sampled_from(["contains", "startsWith", "endsWith"]),
            expressions("string", depth, names),
        ),
        st.builds(
            lambda items, macro, inner: f"{items}.{macro}({name}, {inner})",
            expressions("list", min(depth, 1), names),
            st.sampled_from(["all", "exists", "exists_one"]),
            body,
        ),
        st.builds(lambda key: f"has(c.m.{key})", KEYS),
        st.builds(lambda key: f"c.m.?{key}.hasValue()", KEYS),
    )


def _list(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    items = expressions("list", depth, names)
    name = f"x{len(names)}"
    inside = (*names, name)
    return st.one_of(
        st.lists(expressions("dyn", depth, names), max_size=3).map(lambda made: f"[{', '.join(made)}]"),
        st.builds(lambda left, right: f"(dyn({left}) + dyn({right}))", items, items),
        st.builds(
            lambda source, body: f"{source}.map({name}, {body})", items, expressions("dyn", depth, inside)
        ),
        st.builds(
            lambda source, body: f"{source}.filter({name}, {body})", items, expressions("bool", depth, inside)
        ),
        st.builds(
            lambda source, test, body: f"{source}.map({name}, {test}, {body})",
            items,
            expressions("bool", depth, inside),
            expressions("dyn", depth, inside),
        ),
        st.builds(lambda key, other: f"[?c.m.?{key}, {other}]", KEYS, expressions("dyn", depth, names)),
        st.builds(
            lambda key, other: f"[c.m.?{key}.orValue({other})]", KEYS, expressions("dyn", depth, names)
        ),
        st.builds(
            lambda index, other: f"[c.l[?{index}].orValue({other})]",
            expressions("int", 1, names),
            expressions("dyn", depth, names),
        ),
    )


def _time(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    time, span = expressions("time", depth, names), expressions("span", depth, names)
    return st.one_of(
        st.builds(lambda left, right: f"({left} + {right})", time, span),
        st.builds(lambda left, right: f"({left} - {right})", time, span),
    )


def _span(depth: int, names: tuple[str, ...]) -> st.SearchStrategy[str]:
    return _binary("span", ["+", "-"], depth, names)


_BRANCHES = {
    "int": _int,
    "uint": _uint,
    "double": _double,
    "string": _string,
    "bool": _bool,
    "list": _list,
    "time": _time,
    "span": _span,
}
