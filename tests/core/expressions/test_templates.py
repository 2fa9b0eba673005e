"""Text and JSON values with expressions in them."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.core.expressions import (
    MISSING,
    ExpressionError,
    Limits,
    compile_expression,
    compile_template,
    compile_value,
    to_json,
)

SCOPE: dict[str, Any] = {
    "trigger": {
        "name": "cat",
        "count": 3,
        "price": 1.5,
        "whole": 2.0,
        "flag": True,
        "nothing": None,
        "file": {"name": "a.png", "sizes": [1, 2]},
        "text": "{{ trigger.name }}",
        "big": 2**70,
    }
}


def render(text: str, **more: object) -> Any:
    return compile_template(text).render({**SCOPE, **more})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ trigger.name }}", "cat"),
        ("{{trigger.count}}", 3),
        ("{{ trigger.price }}", 1.5),
        ("{{ trigger.flag }}", True),
        ("{{ trigger.nothing }}", None),
        ("{{ trigger.file }}", {"name": "a.png", "sizes": [1, 2]}),
        ("{{ trigger.file.sizes }}", [1, 2]),
        ("{{ trigger.big }}", 2**70),
        ("{{ 7u }}", 7),
        ("{{ b'hi' }}", "aGk="),
        ("{{ timestamp('2026-01-31T10:30:00+01:00') }}", "2026-01-31T09:30:00Z"),
        ("{{ duration('1h30m') }}", "5400s"),
        ("{{ {1: 'a', true: 'b'} }}", {"1": "a", "true": "b"}),
        ("{{ {'at': [timestamp(0)]} }}", {"at": ["1970-01-01T00:00:00Z"]}),
    ],
)
def test_a_single_expression_keeps_its_type(text: str, expected: object) -> None:
    template = compile_template(text)
    assert template.is_single
    assert not template.is_constant
    result = template.render(SCOPE)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" {{ trigger.count }}", " 3"),
        ("{{ trigger.count }} ", "3 "),
        ("{{ trigger.count }}{{ trigger.count }}", "33"),
        ("a {{ trigger.name }} b", "a cat b"),
        ("{{ trigger.flag }}!", "true!"),
        ("{{ trigger.price }} {{ trigger.whole }}", "1.5 2"),
        ("= {{ trigger.file }}", '= {"name":"a.png","sizes":[1,2]}'),
        ("= {{ ['é', null] }}", '= ["é",null]'),
        ("at {{ timestamp(0) }} for {{ duration('90s') }}", "at 1970-01-01T00:00:00Z for 90s"),
        ("{{ trigger.big }}.", f"{2**70}."),
    ],
)
def test_inside_text_values_are_written_out(text: str, expected: str) -> None:
    template = compile_template(text)
    assert not template.is_single
    assert template.render(SCOPE) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain }} text { } {", "plain }} text { } {"),
        ("{{{{ trigger.name }}", "{{ trigger.name }}"),
        ("a {{{{b}} {{{{", "a {{b}} {{"),
        ("{{{{{{{{", "{{{{"),
    ],
)
def test_text_without_expressions_is_constant(text: str, expected: str) -> None:
    template = compile_template(text)
    assert template.is_constant
    assert not template.is_single
    assert template.references == ()
    assert template.render({}) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{{ "}}" }}', "}}"),
        ("{{ '{{' }}", "{{"),
        ("{{ '''}} \" ' }}''' }}", "}} \" ' }}"),
        (r"{{ r'\' + '}}' }}", r"\}}"),
        (r"{{ '\'}}' }}", "'}}"),
        ("{{ {'a': {'b': 1}}}}", {"a": {"b": 1}}),
        ("{{ {'a': {'b': 1}}.a.b }}", 1),
        ("{{ {'}}': 1}.`}}` }}", 1),
        ("{{ br'}}' == b'}}' }}", True),
        ("{{\n trigger.count\n\t+ 1 }}", 4),
        ("{{{{ {{ trigger.name }} }}", "{{ cat }}"),
        ("{{ trigger.name }}}}", "cat}}"),
    ],
)
def test_the_end_of_an_expression_is_found(text: str, expected: object) -> None:
    assert render(text) == expected


def test_output_is_never_evaluated_again() -> None:
    assert render("{{ trigger.text }}") == "{{ trigger.name }}"
    assert render("x {{ trigger.text }}") == "x {{ trigger.name }}"
    assert render("{{ '{{' + ' trigger.name ' + '}}' }}") == "{{ trigger.name }}"


@pytest.mark.parametrize(
    ("text", "code", "start"),
    [
        ("a {{ b", "X103", 2),
        ("{{", "X103", 0),
        ("{{ a }", "X103", 0),
        ("{{ a } }", "X103", 0),
        ("ok {{ a }} {{ {'a': 1 }}", "X103", 11),
        ("{{ 'a }}", "X102", 3),
        ("{{}}", "X111", 2),
        ("x {{   }}", "X111", 4),
        ("{{ a }} {{ b c }}", "X101", 13),
        ("{{ a }} {{ nope(1) }}", "X104", 11),
        ("x" * 10 + "{{ " + "a + " * 2000 + "a }}", "X107", 10),
    ],
)
def test_faults_in_templates_have_offsets_in_the_whole_text(text: str, code: str, start: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template(text)
    assert (caught.value.code, caught.value.start) == (code, start)


def test_too_many_expressions_and_too_long_texts_are_refused() -> None:
    with pytest.raises(ExpressionError, match="X113"):
        compile_template("{{ a }}" * 257)
    with pytest.raises(ExpressionError, match="X107"):
        compile_template("{{ a }}" + "x" * (256 * 1024))
    assert compile_template("x" * 300_000).is_constant


@pytest.mark.parametrize(
    ("text", "code", "start"),
    [
        ("a {{ trigger.nothing }}", "X215", 4),
        ("a {{ trigger.missing }}", "X201", 5),
        ("a {{ trigger.?name }}", "X213", 4),
        ("{{ trigger.?name }}", "X213", 2),
        ("{{ trigger.?missing }}", "X213", 2),
        ("{{ [trigger.?missing] }}", "X213", 2),
        ("{{ 1.0 / 0.0 }}", "X216", 2),
        ("a {{ 0.0 / 0.0 }}", "X216", 4),
        ("{{ type(1) }}", "X216", 2),
        ("{{ [int] }}", "X216", 2),
        ("{{ {1: 'a', '1': 'b'} }}", "X214", 2),
        ("{{ '\\000' }}", "X210", 2),
        ("a {{ '\\000' }}", "X210", 4),
    ],
)
def test_values_that_cannot_be_rendered(text: str, code: str, start: int) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(text)
    assert (caught.value.code, caught.value.start) == (code, start)


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", {"\ud800": 1}, ["a\0b"], {"a\0": 1}, "é\0"])
def test_text_that_cannot_be_stored_is_refused(value: object) -> None:
    for text in ("{{ x }}", "a {{ x }}"):
        with pytest.raises(ExpressionError, match="X210"):
            render(text, x=value)


@pytest.mark.parametrize(
    "value", [object(), {1, 2}, (1, 2), {1: 2}, [object()], float("nan"), float("inf"), 2**300]
)
def test_what_is_not_json_is_refused(value: object) -> None:
    for text in ("{{ x }}", "a {{ x }}"):
        with pytest.raises(ExpressionError, match="X216"):
            render(text, x=value)


def test_rendered_data_is_a_copy() -> None:
    data = {"list": [{"a": 1}]}
    result = compile_template("{{ data }}").render({"data": data})
    result["list"][0]["a"] = 2
    assert data == {"list": [{"a": 1}]}


class Steps:
    """A root that finds its keys on demand and counts how often it is asked."""

    def __init__(self, **values: object) -> None:
        self.values = values
        self.asked: list[str] = []

    def lookup(self, key: str) -> object:
        self.asked.append(key)
        return self.values.get(key, MISSING)


def test_lookups_are_asked_for_what_is_read_and_no_more() -> None:
    steps = Steps(art=Steps(url="u", files=[{"n": 1}]), other={"x": 2})
    assert render("{{ steps.art.url }}", steps=steps) == "u"
    assert render("{{ steps['art'].files[0].n + steps.other.x }}", steps=steps) == 3
    assert render("{{ has(steps.art) && !has(steps.none) && 'other' in steps }}", steps=steps) is True
    assert render("{{ steps.?none.url.orValue('d') }}", steps=steps) == "d"
    assert steps.asked == ["art", "art", "other", "art", "none", "other", "none"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{{ steps.none }}", "X201"),
        ("{{ steps }}", "X216"),
        ("a {{ steps }}", "X216"),
        ("{{ steps[0] }}", "X201"),
        ("{{ size(steps) }}", "X204"),
        ("{{ steps.map(k, k) }}", "X204"),
        ("{{ steps == steps }}", "X204"),
        ("{{ steps.art.url.x }}", "X204"),
    ],
)
def test_lookups_can_only_be_read_by_key(text: str, code: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        render(text, steps=Steps(art={"url": "u"}))
    assert caught.value.code == code


@pytest.mark.parametrize("name", ["__class__", "keys", "lookup", "get", "__dict__", "values"])
def test_there_is_no_attribute_access(name: str) -> None:
    for value in ({}, Steps()):
        with pytest.raises(ExpressionError, match="X201"):
            render("{{ x." + name + " }}", x=value)
    for value in ("text", 1, None, [1]):
        with pytest.raises(ExpressionError, match="X204"):
            render("{{ x." + name + " }}", x=value)


def test_values_are_compiled_as_a_whole() -> None:
    value = {
        "channel": "#art",
        "{{ key }}": "{{ trigger.name }}",
        "a/b~c": [1, None, "x {{ trigger.count }}", {"deep": "{{ trigger.file.sizes[1] }}"}],
        "escaped": "{{{{",
    }
    compiled = compile_value(value)
    assert not compiled.is_constant
    assert [pointer for pointer, _ in compiled.parts] == ["/{{ key }}", "/a~1b~0c/2", "/a~1b~0c/3/deep"]
    assert [(found.root, found.path) for found in compiled.references] == [
        ("trigger", ("name",)),
        ("trigger", ("count",)),
        ("trigger", ("file", "sizes", 1)),
    ]
    assert compiled.render(SCOPE) == {
        "channel": "#art",
        "{{ key }}": "cat",
        "a/b~c": [1, None, "x 3", {"deep": 2}],
        "escaped": "{{",
    }


def test_a_value_may_be_one_string() -> None:
    compiled = compile_value("{{ trigger.count }}")
    assert compiled.render(SCOPE) == 3
    assert [pointer for pointer, _ in compiled.parts] == [""]


def test_constant_values_are_rendered_as_fresh_copies() -> None:
    compiled = compile_value({"a": [1, {"b": "c"}]})
    assert compiled.is_constant
    first = compiled.render({})
    first["a"][1]["b"] = "changed"
    assert compiled.render({}) == {"a": [1, {"b": "c"}]}


def test_errors_in_values_have_pointers() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_value({"a": ["x", {"b/c": "{{ 1 + }}"}]})
    assert (caught.value.code, caught.value.pointer) == ("X101", "/a/1/b~1c")
    with pytest.raises(ExpressionError) as caught:
        compile_value({"a": ["x", "{{ trigger.none }}"]}).render(SCOPE)
    assert (caught.value.code, caught.value.pointer) == ("X201", "/a/1")


@pytest.mark.parametrize("value", [{1: "a"}, [object()], float("inf"), (1,), b"x"])
def test_values_that_are_not_json_do_not_compile(value: object) -> None:
    with pytest.raises(ExpressionError, match="X114"):
        compile_value(value)


def test_the_output_limit_holds_for_the_whole_value() -> None:
    text = "y" * 1000
    compiled = compile_value(["{{ x }}"] * 11, limits=Limits(max_output_bytes=10_000))
    with pytest.raises(ExpressionError) as caught:
        compiled.render({"x": text})
    assert caught.value.code == "X208"
    assert caught.value.pointer == "/9"


def test_the_budget_holds_for_the_whole_value() -> None:
    compiled = compile_value(["{{ l.size() > 0 && l.all(x, true) }}"] * 10, limits=Limits(max_steps=500))
    with pytest.raises(ExpressionError, match="X207"):
        compiled.render({"l": list(range(50))})


def test_evaluate_gives_internal_values_and_to_json_converts_them() -> None:
    moment = compile_expression("timestamp('2026-01-01T00:00:00.25Z')").evaluate({})
    assert not isinstance(moment, str)
    assert to_json(moment) == "2026-01-01T00:00:00.25Z"
    assert to_json(compile_expression("[duration('1500ms'), 3u, b'a']").evaluate({})) == ["1.5s", 3, "YQ=="]
