"""What an expression reads is known without evaluating it."""

from __future__ import annotations

import pytest

from hookline.core.expressions import compile_expression, compile_template

Found = tuple[str, tuple[str | int, ...], int | None]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("steps.art.files[0].url", [("steps", ("art", "files", 0, "url"), None)]),
        ("steps['art'].`my-key`", [("steps", ("art", "my-key"), None)]),
        ("trigger", [("trigger", (), None)]),
        ("a.b[c.d].e", [("a", ("b",), None), ("c", ("d",), None)]),
        ("a.b[-1].c", [("a", ("b",), None)]),
        ("a.?b.c", [("a", ("b", "c"), 0)]),
        ("a.b[?0].c", [("a", ("b", 0, "c"), 1)]),
        ("a.b.?c.d.orValue(e.f)", [("a", ("b", "c", "d"), 1), ("e", ("f",), None)]),
        ("has(a.b.c)", [("a", ("b", "c"), 1)]),
        ("has(a.b)", [("a", ("b",), 0)]),
        ("has(a.?b.c)", [("a", ("b", "c"), 0)]),
        ("has(a[i].c)", [("a", (), None), ("i", (), None)]),
        ("a.b.trim().size()", [("a", ("b",), None)]),
        ("a.b.filter(x, x.c > y.d)", [("a", ("b",), None), ("y", ("d",), None)]),
        ("a.map(x, x.map(y, y + x + z))", [("a", (), None), ("z", (), None)]),
        ("x.map(x, x.y)", [("x", (), None)]),
        ("a.map(x, has(x.b))", [("a", (), None)]),
        ("a.?b.optMap(v, v + w)", [("a", ("b",), 0), ("w", (), None)]),
        ("true ? a.b : c.d", [("a", ("b",), None), ("c", ("d",), None)]),
        (
            "a.b == 1 && c.d in [e, {f: g}]",
            [
                ("a", ("b",), None),
                ("c", ("d",), None),
                ("e", (), None),
                ("f", (), None),
                ("g", (), None),
            ],
        ),
        ("a + a", [("a", (), None), ("a", (), None)]),
        ("type(a) == int", [("a", (), None)]),
        ("type(a) == google.protobuf.Timestamp", [("a", (), None)]),
        ("math.greatest(a, 1) + size('x')", [("a", (), None)]),
        ("optional.of(a.b).orValue(1)", [("a", ("b",), None)]),
        ("optional.x", [("optional", ("x",), None)]),
        ("'a.b' + \"{{ c }}\"", []),
        ("{'a': 1}.a", []),
        ("(a.b).c", [("a", ("b",), None)]),
    ],
)
def test_references(source: str, expected: list[Found]) -> None:
    found = compile_expression(source).references
    assert sorted((item.root, item.path, item.optional_at) for item in found) == sorted(expected)


def test_offsets_cover_the_path_that_is_known() -> None:
    source = "  a.b[0].c + size(d.e[f.g].h) "
    texts = [source[found.start : found.end] for found in compile_expression(source).references]
    assert sorted(texts) == ["a.b[0].c", "d.e", "f.g"]


def test_offsets_in_templates_count_from_the_start_of_the_text() -> None:
    text = "see {{ a.b }} and {{{{ and {{ has(c.d) ? c.d : e['f'] }}"
    found = compile_template(text).references
    assert [text[item.start : item.end] for item in found] == ["a.b", "c.d", "c.d", "e['f']"]


def test_a_reference_that_is_missing_at_run_time_was_announced() -> None:
    expression = compile_expression("a.b.c")
    (reference,) = expression.references
    assert (reference.root, *reference.path) == ("a", "b", "c")
