"""A component imports `hookline.sdk`, its siblings, the standard library and declared extras; no more."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from hookline.engine.loader import EXTRAS
from hookline.engine.rooms import ROOMS

__all__ = ["import_problems", "room_files"]

_LIBRARIES: Final = frozenset({"apscheduler", "jsonschema", "referencing", "werkzeug"})
"""Distributions that Hookline itself depends on and that do no IO of their own."""

_NO_IO: Final = frozenset(
    {
        "socket",
        "ssl",
        "http.client",
        "http.server",
        "urllib.request",
        "subprocess",
        "multiprocessing",
        "ftplib",
        "smtplib",
        "imaplib",
        "poplib",
        "ctypes",
        "sqlite3",
        "random",
    }
)
"""IO and chance come through the context, where they are guarded, recorded and replaced in tests."""


def room_files(root: Path) -> list[Path]:
    """Every source file of the components below `root`."""
    return sorted(file for room in ROOMS for file in (root / room).rglob("*.py"))


def import_problems(file: Path) -> Iterator[str]:
    """Imports that a component must not have."""
    try:
        # Bytes, because a declared encoding is part of the source.
        tree = ast.parse(file.read_bytes(), str(file))
    except SyntaxError as error:
        yield f"line {error.lineno or 1}: it is not Python: {error.msg}"
        return
    except ValueError as error:
        yield f"it is not Python: {error}"
        return
    top_level = {id(node) for node in tree.body}
    inside_functions = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            if node.level > _levels(file):
                yield f"line {node.lineno}: it reaches outside its own folder"
            continue
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            top = name.partition(".")[0]
            if top == "hookline":
                if name != "hookline.sdk" and not name.startswith("hookline.sdk."):
                    yield f"line {node.lineno}: {name} is not part of hookline.sdk"
            elif top in EXTRAS:
                if id(node) not in inside_functions and id(node) in top_level:
                    yield f"line {node.lineno}: {top} is imported at start-up; import it where it is used"
            elif any(name == each or name.startswith(f"{each}.") for each in _NO_IO):
                yield f"line {node.lineno}: {name} does what only the context may do"
            elif top not in sys.stdlib_module_names and top not in _LIBRARIES:
                yield f"line {node.lineno}: {top} is not a declared dependency of components"


def _levels(file: Path) -> int:
    """How many dots a relative import may have: up to the vendor's folder, or up to the room."""
    parts = file.parts
    depth = next(len(parts) - index - 1 for index in range(len(parts) - 1, -1, -1) if parts[index] in ROOMS)
    room = parts[len(parts) - depth - 1]
    return depth - 1 if room == "connectors" else depth
