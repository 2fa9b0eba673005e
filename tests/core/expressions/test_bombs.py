"""Every way to make an evaluation explode ends in an ExpressionError within the budget."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from hookline.core.expressions import ExpressionError, Limits, compile_expression, compile_template, to_json

pytestmark = pytest.mark.timeout(20)


def nested(levels: int) -> Any:
    made: Any = []
    for _ in range(levels):
        made = [made]
    return made


NUMBERS = list(range(1000))
SCOPE: dict[str, Any] = {
    "l": NUMBERS,
    "s": "x" * 1000,
    "big": "y" * 200_000,
    "texts": ["z" * 1000 + str(number) for number in range(1000)],
    "objects": [{"a": number} for number in range(10_000)],
    "d": {str(number): number for number in range(1000)},
    "deep": nested(5000),
    "other": nested(5000),
}

BUDGET = [
    "l.all(a, l.all(b, l.all(c, l.all(d, true))))",
    "l.map(a, l.map(b, l.map(c, a)))",
    "l.filter(a, l.exists_one(b, l.exists(c, c < 0)))",
    "['ab']" + ".map(a, a + a)" * 60,
    "[[1]]" + ".map(a, a + a)" * 60,
    "s.replace('', s).replace('', s)",
    "s.replace('x', s).replace('x', s)",
    "texts.join(s).replace('z', s)",
    "big.split('').join(big)",
    "s" + " + s" * 1000,
    "l.map(x, big + 'a')",
    "l.map(a, l + l)",
    "l.map(a, big.lowerAscii())",
    "l.map(a, big.upperAscii())",
    "l.map(a, big.trim())",
    "l.map(a, big.reverse())",
    "l.map(a, big.substring(1))",
    "l.map(a, big.split('y'))",
    "l.map(a, bytes(big))",
    "l.map(a, strings.quote(big))",
    "l.map(a, '%s'.format([big]))",
    "l.map(a, '%x'.format([big]))",
    "l.map(a, big.contains('yz'))" + ".map(a, l.map(b, big.contains('yz')))",
    "l.map(a, json(d)).join()",
    "l.map(a, d == d)",
    "l.map(a, texts == texts.map(t, t + ''))",
    "texts.all(a, texts.all(b, a == b || a != b))",
    "l.map(a, l.filter(b, b in l))",
    "l.exists(a, l.exists(b, a.x))",
    "l.exists(a, l.exists(b, 1 / 0 > 1))",
    "objects.exists(o, objects.exists(p, o.nothing == 1))",
    "l.all(a, l.all(b, timestamp(0).getHours('Nowhere/' + string(b)) == 1 || true))",
    "l.map(a, l.map(b, l.map(c, math.greatest(l))))",
]


@pytest.mark.parametrize("source", BUDGET, ids=lambda source: source[:40])
def test_work_ends_at_the_budget(source: str) -> None:
    expression = compile_expression(source)
    with pytest.raises(ExpressionError) as first:
        expression.evaluate(SCOPE)
    assert first.value.code in ("X207", "X208")
    with pytest.raises(ExpressionError) as second:
        expression.evaluate(SCOPE)
    # The count is of work and not of time, so that the same expression always ends in the same place.
    assert str(second.value) == str(first.value)
    assert (second.value.start, second.value.end) == (first.value.start, first.value.end)


COMPILE = [
    ("(" * 2000 + "1" + ")" * 2000, "X108"),
    ("[" * 1500 + "]" * 1500, "X108"),
    ("{1:" * 1000 + "1" + "}" * 1000, "X108"),
    ("a[" * 1300 + "0" + "]" * 1300, "X108"),
    ("size(" * 600 + "a" + ")" * 600, "X108"),
    ("a" + ".trim()" * 500, "X108"),
    ("true?" * 700 + "1" + ":1" * 1, "X108"),
    ("(" * 30_000, "X107"),
    ("1" + "+1" * 20_000, "X107"),
    ("[" + "1," * 20_000 + "1]", "X107"),
    ("9" * 4000, "X109"),
    ("0x" + "f" * 4000, "X109"),
    ("1e400", "X109"),
]


@pytest.mark.parametrize(("source", "code"), COMPILE, ids=lambda value: value[:12])
def test_bombs_for_the_parser_are_refused(source: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source)
    assert caught.value.code == code
    with pytest.raises(ExpressionError):
        compile_template("{{ " + source + " }}")


LONG = [
    ("1" + "+1" * 2000, 2001),
    ("!" * 4000 + "true", True),
    ("-" * 4000 + "1", 1),
    ("true" + " && true" * 500, True),
    ("false" + " || false" * 400 + " || true", True),
    ("false ? 1 : " * 300 + "2", 2),
    ("[" + "1," * 2000 + "][1999]", 1),
    ("a" + ".b" * 1000, 7),
    ("a" + "['b']" * 600, None),
]


@pytest.mark.parametrize(("source", "expected"), LONG, ids=lambda value: str(value)[:12])
def test_length_is_not_depth(source: str, expected: object) -> None:
    data: Any = 7
    for _ in range(1000):
        data = {"b": data}
    result = compile_expression(source).evaluate({"a": data})
    assert expected is None or result == expected


@pytest.mark.parametrize(
    "source",
    [
        "deep == other",
        "[deep] == [other]",
        "json(deep)",
        "'%s'.format([deep])",
        "deep in [other]",
        "{'a': deep} != {'a': other}",
    ],
)
def test_deep_data_is_an_error(source: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source).evaluate(SCOPE)
    assert caught.value.code == "X209"


def test_deep_data_passes_where_nothing_walks_it() -> None:
    assert compile_expression("size(deep[0][0])").evaluate(SCOPE) == 1


@pytest.mark.parametrize("text", ["{{ deep }}", "text {{ deep }}", "{{ [deep] }}"])
def test_deep_data_is_not_rendered(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(text).render(SCOPE)
    assert caught.value.code == "X209"
    with pytest.raises(ExpressionError):
        to_json(SCOPE["deep"])


@pytest.mark.parametrize(
    "text",
    [
        "{{ [1]" + ".map(a, [a, a])" * 40 + " }}",
        "{{ l.map(o, objects) }}",
        "{{ big + big }}",
        "{{ big }}{{ big }}",
        "{{ [big, big] }}",
        "{{ {'a': big, 'b': big} }}",
        "{{ texts }}",
        "{{ bytes(big) }}{{ s }}",
    ],
)
def test_output_is_bounded(text: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(text).render(SCOPE)
    assert caught.value.code in ("X207", "X208")


def test_a_budget_error_is_not_absorbed() -> None:
    limits = Limits(max_steps=500)
    for source in (
        "l.all(x, true) || true",
        "l.exists(x, false) && false",
        "[1].exists(x, l.all(y, true)) || true",
    ):
        with pytest.raises(ExpressionError) as caught:
            compile_expression(source, limits=limits).evaluate(SCOPE)
        assert caught.value.code == "X207"


def test_no_recursion_error_near_the_end_of_the_stack() -> None:
    source = "(" * 50 + "1 + [[[[[[[[[[1]]]]]]]]]][0].size()" + ")" * 50

    def descend(levels: int) -> None:
        if levels:
            descend(levels - 1)
            return
        for action in (
            lambda: compile_expression(source).evaluate({}),
            lambda: compile_template("{{ a }}").render({"a": nested(90)}),
            lambda: to_json(nested(90)),
            lambda: compile_expression("a == b").evaluate({"a": nested(90), "b": nested(90)}),
        ):
            try:
                action()
            except ExpressionError as error:
                errors.append(error.code)

    errors: list[str] = []
    frame, used = sys._getframe(), 0
    while frame.f_back is not None:
        frame, used = frame.f_back, used + 1
    descend(sys.getrecursionlimit() - used - 60)
    assert set(errors) <= {"X108", "X209"}
    assert errors
