"""`hookline.core` and `hookline.sdk` do no IO and know no clock and no chance.

import-linter holds the direction of imports; this holds what may be imported from elsewhere, and
the few calls that would bring IO or the time in through a module that is otherwise pure.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import hookline

ROOT = Path(hookline.__file__).parent
MODULES = sorted(path for part in ("core", "sdk") for path in (ROOT / part).rglob("*.py"))

STANDARD = frozenset(
    {
        "__future__",
        "abc",
        "ast",
        "base64",
        "binascii",
        "bisect",
        "collections",
        "collections.abc",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "decimal",
        "difflib",
        "email.message",
        "email.utils",
        "enum",
        "fnmatch",
        "fractions",
        "functools",
        "hashlib",
        "hmac",
        "html",
        "heapq",
        "http",
        "inspect",
        "ipaddress",
        "itertools",
        "json",
        "keyword",
        "math",
        "mimetypes",
        "operator",
        "pathlib",
        "re",
        "string",
        "struct",
        "textwrap",
        "types",
        "typing",
        "unicodedata",
        "urllib.parse",
        "zlib",
        "zoneinfo",
    }
)
"""What of the standard library may be imported: nothing that opens, waits, asks the time or throws dice."""

OUTSIDE = ("jsonschema", "referencing", "yaml")
OURS = {"core": ("hookline.core",), "sdk": ("hookline.core", "hookline.sdk")}

IMPURE_NAMES = frozenset({"open", "input", "eval", "exec", "compile", "print", "__import__"})
IMPURE_METHODS = frozenset(
    {
        "now",
        "utcnow",
        "today",
        "read_text",
        "read_bytes",
        "write_text",
        "write_bytes",
        "unlink",
        "mkdir",
        "iterdir",
        "glob",
        "rglob",
        "exists",
        "is_file",
        "is_dir",
        "resolve",
        "cwd",
        "home",
        "stat",
        "touch",
    }
)
"""Methods of `datetime` and `Path` that leave the process."""

IMPURE_OWNERS = frozenset({"datetime", "date", "Path", "PurePath"})


def _imports(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            assert node.module is not None
            yield node.module, node.lineno


def _is_below(module: str, parents: tuple[str, ...]) -> bool:
    return any(module == parent or module.startswith(f"{parent}.") for parent in parents)


def _impure_calls(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id in IMPURE_NAMES:
            yield called.id, node.lineno
        elif isinstance(called, ast.Attribute) and called.attr in IMPURE_METHODS:
            owner = called.value.func if isinstance(called.value, ast.Call) else called.value
            name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
            if name in IMPURE_OWNERS:
                yield f"{name}.{called.attr}", node.lineno


def find_impurities(source: str, part: str) -> list[str]:
    """What a module of `part` (``core`` or ``sdk``) must not do, one text per finding."""
    tree = ast.parse(source)
    allowed = (*OUTSIDE, *OURS[part])
    found = [
        f"line {line}: imports {module}"
        for module, line in _imports(tree)
        if module not in STANDARD and not _is_below(module, allowed)
    ]
    return found + [f"line {line}: calls {name}" for name, line in _impure_calls(tree)]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_module_is_pure(path: Path) -> None:
    part = path.relative_to(ROOT).parts[0]
    assert find_impurities(path.read_text("utf-8"), part) == []


@pytest.mark.parametrize(
    ("source", "part", "finding"),
    [
        ("import os", "core", "line 1: imports os"),
        ("from time import monotonic", "sdk", "line 1: imports time"),
        ("import httpx", "core", "line 1: imports httpx"),
        ("from urllib.request import urlopen", "sdk", "line 1: imports urllib.request"),
        ("from hookline.sdk import Field", "core", "line 1: imports hookline.sdk"),
        ("from hookline.engine import Engine", "sdk", "line 1: imports hookline.engine"),
        ("from datetime import datetime\nx = datetime.now()", "core", "line 2: calls datetime.now"),
        ("import datetime\nx = datetime.datetime.utcnow()", "core", "line 2: calls datetime.utcnow"),
        ("from pathlib import Path\nx = Path('a').read_text()", "sdk", "line 2: calls Path.read_text"),
        ("x = eval('1')", "core", "line 1: calls eval"),
        ("def f():\n    import random", "core", "line 2: imports random"),
    ],
)
def test_what_is_not_pure_is_found(source: str, part: str, finding: str) -> None:
    assert find_impurities(source, part) == [finding]


def test_every_module_is_looked_at() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in MODULES} == {"core", "sdk"}
    assert len(MODULES) > 50
