"""The package's own rules: one module knows the HTTP library, and the codes are complete."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import hookline.engine.http as package
from hookline.engine.http import HTTP_CODES

FOLDER = Path(package.__file__).parent


def test_one_module_imports_the_http_libraries() -> None:
    importing = set()
    for path in FOLDER.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if {name.partition(".")[0] for name in names} & {"httpx", "httpcore", "h11", "anyio"}:
                importing.add(path.name)
    assert importing == {"wire.py"}


def test_every_code_that_is_used_is_explained_and_the_other_way_round() -> None:
    used = set()
    for path in FOLDER.glob("*.py"):
        if path.name != "codes.py":
            used |= set(re.findall(r'"(C\d{3})"', path.read_text(encoding="utf-8")))
    declared = [code.code for code in HTTP_CODES]
    assert len(declared) == len(set(declared))
    assert used == set(declared)
    for code in HTTP_CODES:
        assert re.fullmatch(r"C1[01]\d", code.code)
        assert not code.title.endswith(".")
        assert code.explanation.endswith(".")
        assert code.remedy.endswith(".")
