"""Partial answers: the parameter ``fields``.

Source: https://developers.google.com/workspace/drive/api/guides/fields-parameter
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.testing.drive.errors import bad_parameter

__all__ = ["Known", "check", "select"]

Known = Mapping[str, Any]
"""Names that may be asked for; the value is a mapping for an object, else None. ``*`` is any name."""

_Tree = dict[str, Any]


def check(text: str, known: Known) -> _Tree:
    """What is asked for, as a tree.

    Raises:
        DriveError: It is no selection, or names a field that does not exist.
    """
    tree, rest = _parse(text.replace(" ", ""), known)
    if rest:
        raise _wrong(text)
    return tree


def select(value: Any, tree: _Tree) -> Any:
    """The parts of `value` that were asked for."""
    if "*" in tree or not tree:
        return value
    if isinstance(value, list):
        return [select(item, tree) for item in value]
    if not isinstance(value, Mapping):
        return value
    return {name: select(value[name], inner) for name, inner in tree.items() if name in value}


def _parse(text: str, known: Known) -> tuple[_Tree, str]:
    tree: _Tree = {}
    while True:
        end = next((index for index, char in enumerate(text) if char in ",()/"), len(text))
        name, rest = text[:end], text[end:]
        if name != "*" and name not in known and "*" not in known:
            raise _wrong(name or text)
        inner_known = known.get(name)
        inner: _Tree = {}
        if rest.startswith(("(", "/")):
            if inner_known is None:
                raise _wrong(name)
            if rest.startswith("("):
                inner, rest = _parse(rest[1:], inner_known)
                if not rest.startswith(")"):
                    raise _wrong(name)
                rest = rest[1:]
            else:
                inner, rest = _path(rest[1:], inner_known)
        tree[name] = {**tree.get(name, {}), **inner}
        if not rest.startswith(","):
            return tree, rest
        text = rest[1:]


def _path(text: str, known: Known) -> tuple[_Tree, str]:
    """One name after a slash: ``a/b,c`` asks for ``a(b)`` and ``c``."""
    end = next((index for index, char in enumerate(text) if char in ",()"), len(text))
    return _parse(text[:end], known)[0], text[end:]


def _wrong(name: str) -> Exception:
    return bad_parameter("fields", f"Invalid field selection {name}", reason="invalidParameter")
