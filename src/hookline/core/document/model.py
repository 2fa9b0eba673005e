"""A document: its value, and where each part of the value stands in the text."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

__all__ = ["Document", "DocumentError", "DocumentLimits", "Node", "Syntax", "join_pointer", "split_pointer"]

Syntax = Literal["jsonc", "yaml"]

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_UNICODE_ESCAPE_LENGTH = 6


class DocumentError(ValueError):
    """A text is not an acceptable document.

    Attributes:
        code: A stable code, ``D101`` to ``D199``.
        message: What is wrong.
        hint: What to do; may be empty.
        offset: Index into the text, 0 when the whole text is meant.
        pointer: JSON Pointer of the innermost value that was being read.
    """

    def __init__(
        self, code: str, message: str, *, hint: str = "", offset: int = 0, pointer: str = ""
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.hint = hint
        self.offset = offset
        self.pointer = pointer


@dataclass(frozen=True, slots=True)
class DocumentLimits:
    """How large a document may be.

    Attributes:
        max_bytes: Size of the text in bytes of UTF-8.
        max_depth: Nesting of objects and arrays.
        max_nodes: Number of values.
        max_key_length: Characters in a key.
    """

    max_bytes: int = 1024 * 1024
    max_depth: int = 64
    max_nodes: int = 100_000
    max_key_length: int = 256


@dataclass(slots=True)
class Node:
    """One value in the text.

    Attributes:
        value: The value; the same object as inside `Document.value`.
        start: Index of its first character.
        end: Index behind its last character.
        key_start: Index of the first character of its key, -1 for array items and the root.
        children: The members of an object or the items of an array, None for a scalar.
        leading: Comments that stand before it, each as ``//…`` or ``/*…*/``.
        trailing: Comments behind it on its last line.
        dangling: Comments behind the last child of an object or array.
    """

    value: Any
    start: int
    end: int
    key_start: int = -1
    children: dict[str, Node] | list[Node] | None = None
    leading: list[str] | None = None
    trailing: list[str] | None = None
    dangling: list[str] | None = None

    def child(self, part: str) -> Node | None:
        """The child a part of a JSON Pointer names, or None."""
        if isinstance(self.children, dict):
            return self.children.get(part)
        if isinstance(self.children, list) and part.isascii() and part.isdigit() and len(part) < 10:
            index = int(part)
            return self.children[index] if index < len(self.children) else None
        return None


@dataclass(slots=True)
class Document:
    """A text that has been read.

    Attributes:
        value: The JSON value: dict, list, str, int, float, bool or None.
        text: The text, without a byte order mark.
        syntax: The syntax it was read in.
        root: The tree of positions.
    """

    value: Any
    text: str
    syntax: Syntax
    root: Node
    _line_starts: list[int] = field(default_factory=list)

    def node(self, pointer: str) -> Node:
        """The node at a JSON Pointer, or its nearest ancestor that exists."""
        found = self.root
        for part in split_pointer(pointer):
            child = found.child(part)
            if child is None:
                break
            found = child
        return found

    def position(self, pointer: str) -> tuple[int, int]:
        """One-based line and column of the value at a JSON Pointer, or of its nearest ancestor."""
        return self.line_column(self.node(pointer).start)

    def key_position(self, pointer: str) -> tuple[int, int]:
        """Line and column of the key of the value at ``pointer``, or of the value where it has none."""
        node = self.node(pointer)
        return self.line_column(node.start if node.key_start < 0 else node.key_start)

    def text_position(self, pointer: str, offset: int) -> tuple[int, int]:
        """Line and column of the character at ``offset`` inside the string at a JSON Pointer.

        Where the spelling in the text does not allow to tell (folded YAML, for example), the position
        of the string itself.
        """
        node = self.node(pointer)
        if not isinstance(node.value, str):
            return self.line_column(node.start)
        return self.line_column(_offset_in_string(self.text, node, offset))

    def line_column(self, offset: int) -> tuple[int, int]:
        """One-based line and column, in characters, of an index into the text."""
        if not self._line_starts:
            self._line_starts = line_starts(self.text)
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1


def line_starts(text: str) -> list[int]:
    """The index at which each line starts."""
    return [0, *(found.end() for found in _LINE_BREAK.finditer(text))]


def _offset_in_string(text: str, node: Node, offset: int) -> int:
    value: str = node.value
    for quote in (0, 1):
        start = node.start + quote
        if text.startswith(value, start) and start + len(value) + quote == node.end:
            return start + min(offset, len(value))
    if text[node.start : node.start + 1] != '"':
        return node.start
    position = node.start + 1
    for character in value[:offset]:
        if text[position] != "\\":
            position += 1
        elif text[position + 1] == "u":
            position += _UNICODE_ESCAPE_LENGTH * (2 if ord(character) > 0xFFFF else 1)
        else:
            position += 2
        if position >= node.end:
            return node.start
    return position


def join_pointer(parts: Iterable[str | int]) -> str:
    """A JSON Pointer (RFC 6901) from its parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def split_pointer(pointer: str) -> list[str]:
    """The parts of a JSON Pointer (RFC 6901).

    Raises:
        ValueError: A pointer that is not empty must start with ``/``.
    """
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise ValueError(f"a JSON Pointer starts with a slash: {pointer!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]
