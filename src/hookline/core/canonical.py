"""The canonical forms of a definition: one to hash, one to read.

The hash form has sorted keys and no space, so that two definitions that mean the same have the same
version whatever their layout. The readable form is what ``hookline fmt`` writes: keys in the order of the
grammar, short objects on one line, comments kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from hookline.core.document import Document, Node
from hookline.core.grammar import STEP_KINDS, WORKFLOW, Key, Shape, step_kind

__all__ = ["WIDTH", "canonical_json", "format_document", "version_of"]

WIDTH = 110
"""Columns an object or array may fill to stay on one line."""

_INDENT = "  "
_VERSION_DIGITS = 16


def canonical_json(value: Any) -> str:
    """The one text of a JSON value: sorted keys, no insignificant space, no ASCII escapes.

    Raises:
        ValueError: The value holds NaN or an infinity.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def version_of(value: Any) -> str:
    """The version of a workflow: the first 16 hexadecimal digits of the SHA-256 of its canonical form.

    ``$schema`` is left out, because it only serves the editor. Nothing is filled in: a default that is
    written out makes another version.
    """
    if isinstance(value, dict):
        value = {key: member for key, member in value.items() if key != "$schema"}
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:_VERSION_DIGITS]


def format_document(document: Document) -> str:
    """The document as canonical JSON text, with its comments, ending in a line break.

    Keys of the workflow and its steps come in the order of the grammar, all others in the author's.
    Formatting the result again changes nothing, and reading it gives the same value.
    """
    return _Formatter().format(document.root)


@dataclass(frozen=True, slots=True)
class _Place:
    """What the grammar says about a value: the shape of an object, or how its children are to be read.

    Attributes:
        shape: The object has these keys.
        each: Every item or member is of this place.
        is_step: The object is a step; its shape depends on its kind.
        tall: One line per item or member when there is more than one.
    """

    shape: Shape | None = None
    each: _Place | None = None
    is_step: bool = False
    tall: bool = False


_OTHER = _Place()
_STEP = _Place(is_step=True)
_STEPS = _Place(each=_STEP, tall=True)
_BRANCHES = _Place(each=_STEPS, tall=True)


def _place_of(key: Key | None) -> _Place:
    if key is None:
        return _OTHER
    if key.type == "steps":
        return _STEPS
    if key.type == "branches":
        return _BRANCHES
    if key.type == "object":
        return _Place(shape=key.shape)
    if key.type == "objects":
        return _Place(each=_Place(shape=key.shape))
    return _OTHER


def _shape_of(place: _Place, value: Mapping[str, Any]) -> Shape | None:
    if place.is_step:
        kind = step_kind(value)
        return STEP_KINDS[kind] if kind else None
    return place.shape


def _members(node: Node, place: _Place) -> Iterator[tuple[str | None, Node, _Place]]:
    """The children with their keys, in canonical order."""
    if isinstance(node.children, list):
        for child in node.children:
            yield None, child, place.each or _OTHER
    elif isinstance(node.children, dict):
        shape = _shape_of(place, node.value)
        keys = shape.keys if shape else {}
        known = [key for key in keys if key in node.children]
        others = [key for key in node.children if key not in keys]
        for key in (*known, *others):
            yield key, node.children[key], place.each or _place_of(keys.get(key))


class _Formatter:
    """Writes one document; the one-line form of every node is made once, from the leaves up."""

    def __init__(self) -> None:
        self._lines: dict[int, str | None] = {}

    def format(self, root: Node) -> str:
        place = _Place(shape=WORKFLOW)
        self._measure(root, place)
        lines = [*(root.leading or [])]
        is_filled = bool(root.children or root.dangling)
        lines.append(self._tall(root, place, "") if is_filled else json.dumps(root.value, ensure_ascii=False))
        lines.extend(root.trailing or [])
        return "\n".join(lines) + "\n"

    def _measure(self, node: Node, place: _Place) -> str | None:
        """The node on one line, or None when it does not fit or holds comments."""
        line: str | None
        if node.children is None:
            line = json.dumps(node.value, ensure_ascii=False)
        else:
            parts: list[str] = []
            fits = not node.dangling and not (place.tall and len(node.children) > 1)
            length = 0
            for key, child, child_place in _members(node, place):
                inner = self._measure(child, child_place)
                fits = fits and inner is not None and not child.leading and not child.trailing
                if fits and inner is not None:
                    parts.append(inner if key is None else f"{json.dumps(key, ensure_ascii=False)}: {inner}")
                    length += len(parts[-1]) + 2
                    fits = length <= WIDTH
            line = _on_one_line(node, parts) if fits else None
        self._lines[id(node)] = line
        return line

    def _tall(self, node: Node, place: _Place, indent: str) -> str:
        """An object or array with one line or more per child."""
        inner = indent + _INDENT
        opening, closing = "{}" if isinstance(node.children, dict) else "[]"
        lines = [opening]
        members = list(_members(node, place))
        for number, (key, child, child_place) in enumerate(members):
            lines.extend(inner + comment for comment in child.leading or [])
            head = inner if key is None else f"{inner}{json.dumps(key, ensure_ascii=False)}: "
            comma = "," if number < len(members) - 1 else ""
            behind = "".join(" " + comment for comment in child.trailing or [])
            lines.append(
                head + self._text(child, child_place, inner, len(head) + len(comma)) + comma + behind
            )
        lines.extend(inner + comment for comment in node.dangling or [])
        lines.append(indent + closing)
        return "\n".join(lines)

    def _text(self, node: Node, place: _Place, indent: str, used: int) -> str:
        line = self._lines[id(node)]
        if line is not None and (node.children is None or used + len(line) <= WIDTH):
            return line
        return self._tall(node, place, indent)


def _on_one_line(node: Node, parts: list[str]) -> str:
    if isinstance(node.children, dict):
        return "{ " + ", ".join(parts) + " }" if parts else "{}"
    if parts and parts[0].startswith("{"):
        return "[ " + ", ".join(parts) + " ]"
    return "[" + ", ".join(parts) + "]"
