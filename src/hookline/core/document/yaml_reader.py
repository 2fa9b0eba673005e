"""The JSON subset of YAML 1.2, read with the position of every value.

PyYAML splits the text into events; the values are made here, because its own constructor follows
YAML 1.1, where ``on`` and ``yes`` are booleans, ``012`` is ten and ``12:30`` is 750. Anchors, aliases,
merge keys and tags are refused: they make a small text large or call constructors. Working on
events keeps the nesting off Python's stack.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml
from yaml import events

from hookline.core.document.model import DocumentError, DocumentLimits, Node, join_pointer

__all__ = ["read_yaml"]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_STRING_TAG = "tag:yaml.org,2002:str"

# YAML 1.2 core schema, https://yaml.org/spec/1.2.2/#1032-tag-resolution
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_DECIMAL = re.compile(r"[-+]?[0-9]+", re.ASCII)
_OCTAL = re.compile(r"0o[0-7]+", re.ASCII)
_HEXADECIMAL = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_MAX_INTEGER = 2**63 - 1
_MAX_DIGITS = 24

_COMMENT = re.compile(r"(?<!\S)#[^\r\n]*")
_BLOCK_HEADER_COMMENT = re.compile(r"[|>][-+0-9]*[ \t]+(#[^\r\n]*)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_SHOWN = 24


@dataclass(slots=True)
class _Open:
    """A mapping or sequence that is being read."""

    node: Node
    is_flow: bool
    key: str | None = None
    key_start: int = -1


@dataclass(slots=True)
class _Reader:
    text: str
    limits: DocumentLimits
    nodes: int = 0
    stack: list[_Open] = field(default_factory=list)
    root: Node | None = None
    previous: Node | None = None
    comments: list[tuple[int, str]] = field(default_factory=list)
    taken: int = 0
    pending: list[str] = field(default_factory=list)

    def read(self) -> Node:
        stream = self.parse()
        self.comments = _comments(self.text, stream)
        for event in stream:
            start, end = _span(event)
            self.settle_comments(self.comments_end(event, start))
            if isinstance(event, events.ScalarEvent):
                self.take_scalar(event, start)
            elif isinstance(event, events.CollectionStartEvent):
                self.open(event, start)
            elif isinstance(event, events.CollectionEndEvent):
                self.close(end)
        if self.root is None:
            self.fail("D112", "the document is empty", 0, hint="a workflow starts with `name:` and `steps:`")
        self.settle_comments(len(self.text) + 1)
        if self.pending:
            self.root.trailing = [*(self.root.trailing or []), *self.pending]
        return self.root

    def parse(self) -> list[Any]:
        """The events, refusing at the first one that is too much."""
        stream: list[Any] = []
        documents = depth = nodes = 0
        try:
            for event in self.events():
                start, _ = _span(event)
                if isinstance(event, events.DocumentStartEvent):
                    documents += 1
                    if documents > 1:
                        self.fail(
                            "D111", "more than one YAML document", start, hint="one file holds one workflow"
                        )
                elif isinstance(event, events.NodeEvent):
                    self.refuse_reference(event, start)
                    nodes += 1
                    # A mapping's keys are events too, but no values: twice the number is the outer bound.
                    if nodes > 2 * self.limits.max_nodes:
                        self.fail(
                            "D104",
                            f"more than {self.limits.max_nodes} values",
                            start,
                            hint="split the document",
                        )
                    if isinstance(event, events.CollectionStartEvent):
                        depth += 1
                        if depth > self.limits.max_depth:
                            self.fail(
                                "D103",
                                f"nested more than {self.limits.max_depth} levels deep",
                                start,
                                hint="move the inner part to a workflow of its own and use `call`",
                            )
                elif isinstance(event, events.CollectionEndEvent):
                    depth -= 1
                stream.append(event)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            problem = " ".join(part for part in (error.context, error.problem) if part) or "not YAML"
            self.fail(
                "D105", problem, mark.index if mark else 0, hint="check indentation, quotes and brackets"
            )
        except (yaml.YAMLError, ValueError, OverflowError) as error:
            if isinstance(error, DocumentError):
                raise
            offset = getattr(error, "position", 0)
            self.fail(
                "D105",
                "the text contains a character YAML does not allow",
                offset,
                hint="save the file as UTF-8 text",
            )
        return stream

    def events(self) -> Iterator[Any]:
        return yaml.parse(self.text, Loader=_LOADER)

    def refuse_reference(self, event: Any, start: int) -> None:
        if isinstance(event, events.AliasEvent) or event.anchor is not None:
            self.fail(
                "D111",
                "YAML anchors and aliases are not accepted",
                start,
                hint="write the value out, or use `vars`",
            )
        tag = event.tag
        if tag is not None and not (tag == _STRING_TAG and isinstance(event, events.ScalarEvent)):
            self.fail(
                "D111",
                f"the YAML tag {_shown(tag)} is not accepted",
                start,
                hint="remove it; quote what is text",
            )

    def take_scalar(self, event: Any, start: int) -> None:
        text: str = event.value
        end: int = event.end_mark.index
        if "\x00" in text:
            self.fail("D107", "a string contains the character NUL", start, hint="remove it")
        if _SURROGATE.search(text):
            self.fail(
                "D107", "a string contains half of a surrogate pair", start, hint="write the character itself"
            )
        level = self.stack[-1] if self.stack else None
        if level is not None and isinstance(level.node.value, dict) and level.key is None:
            self.take_key(level, text, start, is_plain=event.implicit[0])
            return
        is_plain = bool(event.implicit[0]) and event.tag is None
        if level is None and is_plain and text == "":
            return
        self.place(Node(self.plain(text, start) if is_plain else text, start, end))

    def take_key(self, level: _Open, text: str, start: int, *, is_plain: bool) -> None:
        if is_plain and text == "<<":
            self.fail("D111", "YAML merge keys are not accepted", start, hint="write the members out")
        if len(text) > self.limits.max_key_length:
            self.fail("D110", f"a key is longer than {self.limits.max_key_length} characters", start)
        if text in level.node.value:
            self.fail(
                "D106",
                f'the key "{_shown(text)}" appears twice in one object',
                start,
                hint="remove one of them; readers disagree on which one counts",
            )
        level.key, level.key_start = text, start
        self.previous = None

    def plain(self, text: str, start: int) -> Any:
        """The value of an unquoted scalar by the core schema of YAML 1.2."""
        if text in _NULL:
            return None
        if text in _BOOLEANS:
            return _BOOLEANS[text]
        for pattern, base in ((_DECIMAL, 10), (_OCTAL, 8), (_HEXADECIMAL, 16)):
            if pattern.fullmatch(text):
                return self.integer(text, base, start)
        if _FLOAT.fullmatch(text):
            number = float(text)
            if math.isinf(number):
                self.fail(
                    "D108",
                    f"the number {_shown(text)} is too large",
                    start,
                    hint="use a smaller number or text",
                )
            return number
        if _NOT_FINITE.fullmatch(text):
            self.fail("D109", f"{text} is not a JSON number", start, hint="quote it if it is text")
        return text

    def integer(self, text: str, base: int, start: int) -> int:
        number = int(text, base) if len(text) <= _MAX_DIGITS else _MAX_INTEGER + 1
        if abs(number) > _MAX_INTEGER:
            self.fail(
                "D108",
                f"the integer {_shown(text)} does not fit in 64 bits",
                start,
                hint="quote it: then it is text",
            )
        return number

    def open(self, event: Any, start: int) -> None:
        level = self.stack[-1] if self.stack else None
        if level is not None and isinstance(level.node.value, dict) and level.key is None:
            self.fail("D111", "a YAML key that is a mapping or a list", start, hint="keys are text")
        is_mapping = isinstance(event, events.MappingStartEvent)
        node = Node({}, start, start, children={}) if is_mapping else Node([], start, start, children=[])
        self.place(node)
        self.stack.append(_Open(node, is_flow=bool(event.flow_style)))
        self.previous = None

    def close(self, end: int) -> None:
        level = self.stack.pop()
        node = level.node
        if level.is_flow:
            node.end = end
            if self.pending:
                node.dangling, self.pending = self.pending, []
        else:
            # A block ends where its last value ends; comments behind it may belong to what follows.
            last = next(reversed(_children(node)), None)
            node.end = last.end if last else node.start
        if self.previous is None or level.is_flow:
            self.previous = node

    def place(self, node: Node) -> None:
        self.nodes += 1
        if self.nodes > self.limits.max_nodes:
            self.fail(
                "D104", f"more than {self.limits.max_nodes} values", node.start, hint="split the document"
            )
        if self.pending:
            node.leading, self.pending = self.pending, []
        self.previous = node
        if not self.stack:
            self.root = node
            return
        level = self.stack[-1]
        children = level.node.children
        if isinstance(children, list):
            level.node.value.append(node.value)
            children.append(node)
        elif isinstance(children, dict) and level.key is not None:
            node.key_start = level.key_start
            level.node.value[level.key] = node.value
            children[level.key] = node
            level.key = None

    def settle_comments(self, until: int) -> None:
        """Give the comments before an index to the value before them on their line, or to the next one."""
        while self.taken < len(self.comments) and self.comments[self.taken][0] < until:
            start, comment = self.comments[self.taken]
            self.taken += 1
            previous = self.previous
            if previous is None or self.pending or _has_line_break(self.text, previous.end, start):
                self.pending.append(comment)
            else:
                previous.trailing = [*(previous.trailing or []), comment]

    def comments_end(self, event: Any, start: int) -> int:
        """Up to where comments belong to the value that starts; above a block's first child they are its."""
        level = self.stack[-1] if self.stack else None
        is_block = isinstance(event, events.CollectionStartEvent) and not event.flow_style
        if not is_block or level is None or level.key is None:
            return start
        line_end = self.text.find("\n", level.key_start)
        return start if line_end < 0 else min(start, line_end)

    def fail(self, code: str, message: str, offset: int, *, hint: str = "") -> NoReturn:
        parts: list[str | int] = []
        for level in self.stack:
            if isinstance(level.node.children, list):
                parts.append(max(0, len(level.node.children) - (level is not self.stack[-1])))
            elif level.key is not None:
                parts.append(level.key)
            elif level is not self.stack[-1]:
                parts.append(next(reversed(level.node.value)))
        raise DocumentError(code, message, hint=hint, offset=offset, pointer=join_pointer(parts))


def read_yaml(text: str, limits: DocumentLimits) -> Node:
    """Read the JSON subset of YAML.

    Raises:
        DocumentError: The text is not acceptable.
    """
    return _Reader(text, limits).read()


def _span(event: Any) -> tuple[int, int]:
    return event.start_mark.index, event.end_mark.index


def _children(node: Node) -> list[Node]:
    if isinstance(node.children, dict):
        return list(node.children.values())
    return node.children or []


def _comments(text: str, stream: list[Any]) -> list[tuple[int, str]]:
    """The comments, which no event carries: what starts with ``#`` outside every scalar."""
    found: list[tuple[int, str]] = []
    position = 0

    def collect(until: int) -> None:
        for comment in _COMMENT.finditer(text, position, until):
            found.append((comment.start(), "//" + comment[0][1:].rstrip()))

    for event in stream:
        if not isinstance(event, events.ScalarEvent):
            continue
        start, end = _span(event)
        collect(start)
        position = end
        if event.style in ("|", ">"):
            header = _BLOCK_HEADER_COMMENT.match(text, start)
            if header:
                found.append((header.start(1), "//" + header[1][1:].rstrip()))
    collect(len(text))
    return found


def _has_line_break(text: str, start: int, end: int) -> bool:
    return text.find("\n", start, end) >= 0 or text.find("\r", start, end) >= 0


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
