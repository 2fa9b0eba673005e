"""What an error says: a stable code, the path concerned, the place, and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hookline.core.expressions import EXPRESSION_CODES, ExpressionError, compile_expression, compile_template
from hookline.core.expressions.functions import FUNCTIONS, LAZY_METHODS, METHODS
from hookline.core.expressions.parser import MACROS

ROOT = Path(__file__).resolve().parents[3]
SCOPE = {
    "steps": {"art": {"files": ["a"], "url": None, "n": 1, "when": "2026-01-01T00:00:00Z"}},
    "trigger": {"name": "x", "size": 1.5},
    "run": {},
}


def failure(source: str) -> ExpressionError:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(source).evaluate(SCOPE)
    return caught.value


@pytest.mark.parametrize(
    ("source", "text", "hint"),
    [
        ("steps.art.fiels", 'X201 steps.art has no key "fiels"', 'did you mean "files"?'),
        (
            "steps.art.zzz",
            'X201 steps.art has no key "zzz"',
            "write steps.art.?zzz.orValue(…) if it may be absent",
        ),
        ("steps.art['a b']", 'X201 steps.art has no key "a b"', ""),
        ("steps.art[1]", "X201 steps.art has no key 1", "the keys of JSON objects are strings"),
        (
            "steps.art.files[3]",
            "X202 steps.art.files has 1 element, no [3]",
            "write steps.art.files[?3].orValue(…) if it may be absent",
        ),
        ("steps.art.url.x", "X204 steps.art.url is null and has no keys", "test steps.art.url != null first"),
        ("steps.art.n.x", "X204 steps.art.n is an int and has no keys", ""),
        (
            "steps.art.files.name",
            "X204 steps.art.files is a list and has no keys",
            "select an element, such as steps.art.files[0]",
        ),
        ("trigr.name", 'X203 there is no "trigr" in scope', 'did you mean "trigger"?'),
        ("zzz", 'X203 there is no "zzz" in scope', "the names in scope are run, steps, trigger"),
        ("None", 'X203 there is no "None" in scope', "write null"),
        (
            "trigger.size + 1",
            "X204 + is not defined for double and int",
            "convert one side: double(x), or write 2.0 instead of 2",
        ),
        (
            "'n: ' + 1",
            "X204 + is not defined for string and int",
            "convert with string() to join text, or with int() or double() to calculate",
        ),
        (
            "1 + steps.art.url",
            "X204 + is not defined for int and null",
            "one side is null: test it with x != null first",
        ),
        ("'a' in trigger.name", "X204 in is not defined for string and string", "write text.contains(part)"),
        ("1 / 0", "X205 division by zero", ""),
        (
            "1 ? 2 : 3",
            "X204 the condition of ? : is not defined for int",
            "a condition is true or false: compare, e.g. x != ''",
        ),
        ("int('abc')", 'X211 "abc" is not a whole number', ""),
        (
            "duration('7d')",
            'X211 "7d" is not a duration',
            "the units are h, m, s, ms, us and ns: write 168h for 7 days",
        ),
        (
            "timestamp('today')",
            'X211 "today" is not a timestamp',
            "write it as 2026-01-31T09:30:00Z (RFC 3339)",
        ),
        (
            "steps.art.when.getHours()",
            "X204 getHours() is not defined for string",
            "convert the text first with timestamp()",
        ),
        (
            "trigger.name.orValue('d')",
            "X204 orValue() is not defined for string",
            "optional values come from a.?b: put the question mark before the last name, then .orValue()",
        ),
        (
            "timestamp(0).getHours('Mars/Base')",
            'X217 there is no time zone "Mars/Base"',
            "use Europe/Berlin or +02:00, for example",
        ),
        (
            "[1].join()",
            "X204 join() is not defined for int",
            "every element must be a string: write list.map(x, string(x)).join()",
        ),
        ("string([1])", "X204 string() is not defined for list", "write json(x) for its JSON text"),
        ("trigger.name.upper()", "X104 there is no method upper()", "here it is called upperAscii"),
        ("trigger.name.startWith('a')", "X104 there is no method startWith()", 'did you mean "startsWith"?'),
        ("len(trigger)", "X104 there is no function len()", "here it is called size"),
        ("upper('a')", "X104 there is no function upper()", "here it is called x.upperAscii(…)"),
        ("uper('a')", "X104 there is no function uper()", 'did you mean "x.upperAscii(…)"?'),
        ("trigger.name.uper()", "X104 there is no method uper()", 'did you mean "upperAscii"?'),
        ("sizes(trigger)", "X104 there is no function sizes()", 'did you mean "size"?'),
        ("contains('a', 'b')", "X104 there is no function contains()", "write x.contains(…)"),
        ("trigger.name.int()", "X104 there is no method int()", "write int(x)"),
        ("trigger.name.contains()", "X105 contains() takes 1 argument, not 0", ""),
        ("'a'.substring(1, 2, 3)", "X105 substring() takes 1 to 2 arguments, not 3", ""),
        (
            "has(trigger)",
            "X106 has() needs a field such as a.b",
            "a key that is no name is written has(a.`my-key`) or 'my-key' in a",
        ),
        (
            "steps.map(1, 2)",
            "X106 the first argument of map() must be the name of a variable",
            "for example list.map(x, x > 1)",
        ),
        (
            "'a'.matches('b')",
            "X110 matches() is not available: regular expressions can take exponential time",
            "use contains, startsWith, endsWith, indexOf or split",
        ),
        ("a = b", "X101 unexpected character '='", "compare with ==; values cannot be assigned"),
        (
            "a | upper",
            "X101 unexpected character '|'",
            "write || for or; there are no filters, call a function instead",
        ),
        ("a and b", "X101 expected the end of the expression, found and", "write && for and"),
        ("a?.b", "X101 expected a value, found .", "optional access is written a.?b or a[?0]"),
        ("a ?? b", "X101 expected a value, found ?", "a default is written a.?b.orValue(x)"),
        ("if", 'X112 "if" is a reserved word and cannot name a value', "as a key it may be used: a.if"),
        ("'\\q'", "X102 the escape \\q does not exist", "write a backslash as \\\\"),
        ("99999999999999999999", "X109 the number does not fit into 64 bits", ""),
    ],
)
def test_messages(source: str, text: str, hint: str) -> None:
    error = failure(source)
    assert str(error) == text
    assert error.hint == hint


@pytest.mark.parametrize(
    ("source", "part"),
    [
        ("1 + steps.art.fiels.x", "steps.art.fiels"),
        ("[1, trigger.nope]", "trigger.nope"),
        ("1 + (2 * (3 / 0))", "3 / 0"),
        ("size('a' + string(int('x')))", "int('x')"),
        ("[1, 2].map(x, x + trigger.size)", "x + trigger.size"),
        ("true && (1 < 'a')", "1 < 'a'"),
        ("1 + 2 + 'a' + 3", "1 + 2 + 'a'"),
        ("{'a': 1, 'a': 2}", "{'a': 1, 'a': 2}"),
        ("-'a'", "-'a'"),
        ("1 + nope(2)", "nope(2)"),
        ("[1, 2 3]", "3"),
    ],
)
def test_errors_are_placed(source: str, part: str) -> None:
    error = failure(source)
    assert source[error.start : error.end] == part


def test_secrets_of_length_do_not_reach_messages() -> None:
    error = failure("int('" + "x" * 3000 + "')")
    assert len(error.message) < 200
    with pytest.raises(ExpressionError) as caught:
        compile_expression("a[b]").evaluate({"a": {}, "b": "k" * 100_000})
    assert len(caught.value.message) < 200
    assert len(caught.value.hint) < 200


def test_every_code_raised_is_declared_and_every_code_declared_is_raised() -> None:
    declared = [code.code for code in EXPRESSION_CODES]
    assert declared == sorted(set(declared))
    package = ROOT / "src" / "hookline" / "core" / "expressions"
    raised = {
        found
        for file in package.glob("*.py")
        if file.name != "codes.py"
        for found in re.findall(r'"(X\d{3})"', file.read_text())
    }
    assert raised == set(declared)


def test_codes_explain_themselves() -> None:
    for code in EXPRESSION_CODES:
        assert not code.title.endswith(".")
        assert code.explanation.endswith(".")
        assert code.remedy.endswith(".")


def test_the_page_on_expressions_names_every_function() -> None:
    page = (ROOT / "docs" / "explanation" / "expressions.md").read_text()
    for name in [*FUNCTIONS, *METHODS, *LAZY_METHODS, *MACROS, "has"]:
        assert f"`{name}(" in page or f".{name}(" in page, name


def test_the_examples_on_the_page_are_true() -> None:
    page = (ROOT / "docs" / "explanation" / "expressions.md").read_text()
    tables = re.findall(r"^\| Example \|.*\n((?:\|.*\n)+)", page, re.MULTILINE)
    examples = re.findall(r"^\| `([^`]+)` \| `([^`]+)` \|", "".join(tables), re.MULTILINE)
    assert len(examples) > 90
    for source, expected in examples:
        left = compile_template("{{ " + source.replace("\\|", "|") + " }}")
        right = compile_template("{{ " + expected + " }}")
        assert left.render({}) == right.render({}), source
