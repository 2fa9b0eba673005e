"""JSON with comments and trailing commas, read with the position of every value.

The reader is a loop over tokens with its own stack: no nesting can exhaust Python's.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any, NoReturn

from hookline.core.document.model import DocumentError, DocumentLimits, Node, join_pointer

__all__ = ["read_jsonc"]

_TOKEN = re.compile(
    r"""[ \t\r\n]*(?:
      (?P<string>"[^"\\\x00-\x1f]*")
    | (?P<punctuation>[{}\[\],:])
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![0-9A-Za-z_.+-])
    | (?P<word>[A-Za-z_$][A-Za-z0-9_$]*)
    | (?P<escaped>"[^"\\\x00-\x1f]*(?:\\[^\x00-\x1f][^"\\\x00-\x1f]*)+")
    | (?P<line_comment>//[^\r\n]*)
    | (?P<block_comment>/\*[^*]*\*+(?:[^/*][^*]*\*+)*/)
    | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
# Every backslash pair, so that the second half of one is not taken for the start of another.
_ESCAPE = re.compile(r"\\(?!u[0-9a-fA-F]{4}|[\"\\/bfnrt])(?:u|.|\Z)|\\\\")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f]")
_NUMBERISH = re.compile(r"[-+.0-9][-+.0-9A-Za-z_]*")
_WORDS = {"true": True, "false": False, "null": None}
_PYTHON_WORDS = {"True": "true", "False": "false", "None": "null", "undefined": "null"}
_MAX_INTEGER = 2**63 - 1
_MAX_INTEGER_DIGITS = 20
_SHOWN = 24

_CODE_SYNTAX = "D105"


@dataclass(slots=True)
class _Open:
    """An object or array that is being read."""

    node: Node
    key: str = ""
    key_start: int = -1
    # What may come next: "value", "value_or_end", "key", "key_or_end", "colon", "comma_or_end".
    expects: str = ""


@dataclass(slots=True)
class _Reader:
    text: str
    limits: DocumentLimits
    nodes: int = 0
    stack: list[_Open] = field(default_factory=list)
    root: Node | None = None
    # The last complete child on the current level and the index behind it (or behind its comma or the
    # last comment it took): comments on the rest of that line are its own.
    previous: Node | None = None
    anchor: int = 0
    # Comments since the last token, with their place, and those that wait for the next value.
    comments: list[tuple[str, int, int]] = field(default_factory=list)
    pending: list[str] = field(default_factory=list)

    def read(self) -> Node:
        position = 0
        match_token = _TOKEN.match
        while True:
            match = match_token(self.text, position)
            if match is None:
                self.refuse_token(position)
            kind = match.lastgroup or "end"
            start = match.start(kind)
            position = match.end()
            if kind in ("line_comment", "block_comment"):
                self.take_comment(start, position)
                continue
            if self.comments:
                self.settle_comments(start)
            if kind == "string":
                self.take_string(self.text[start + 1 : position - 1], start, position)
            elif kind == "punctuation":
                self.take_punctuation(self.text[start], start)
            elif kind == "number":
                self.place(Node(self.number(match["number"], start), start, position))
            elif kind == "escaped":
                self.take_string(self.unescape(match["escaped"], start), start, position)
            elif kind == "word":
                self.place(Node(self.word(match["word"], start), start, position))
            else:
                return self.finish(start)

    def finish(self, offset: int) -> Node:
        if self.stack:
            kind = "object" if isinstance(self.stack[-1].node.value, dict) else "array"
            opened = self.stack[-1].node.start
            line = self.text.count("\n", 0, opened) + 1
            bracket = "}" if kind == "object" else "]"
            self.fail(
                _CODE_SYNTAX,
                f"the text ends inside an {kind}",
                offset,
                hint=f'add the missing "{bracket}" of the {kind} that starts on line {line}',
            )
        if self.root is None:
            self.fail(
                "D112",
                "the document is empty",
                offset,
                hint='a workflow starts as { "name": …, "steps": [] }',
            )
        if self.pending:
            self.root.trailing = [*(self.root.trailing or []), *self.pending]
        return self.root

    def take_punctuation(self, sign: str, start: int) -> None:
        if sign in "{[":
            self.open(sign, start)
            return
        if not self.stack:
            self.unexpected(sign, start)
        level = self.stack[-1]
        if sign == ",":
            if level.expects != "comma_or_end":
                self.unexpected(sign, start)
            level.expects = "key_or_end" if isinstance(level.node.value, dict) else "value_or_end"
            if not _has_line_break(self.text, self.anchor, start):
                self.anchor = start + 1
        elif sign == ":":
            if level.expects != "colon":
                self.unexpected(sign, start)
            level.expects = "value"
        elif level.expects not in ("comma_or_end", "key_or_end", "value_or_end"):
            self.unexpected(sign, start)
        elif (sign == "}") != isinstance(level.node.value, dict):
            closing = "}" if sign == "]" else "]"
            self.fail(
                _CODE_SYNTAX,
                f'"{sign}" closes what was opened with another bracket',
                start,
                hint=f'expected "{closing}"',
            )
        else:
            self.close(start + 1)

    def open(self, sign: str, start: int) -> None:
        if len(self.stack) >= self.limits.max_depth:
            self.fail(
                "D103",
                f"nested more than {self.limits.max_depth} levels deep",
                start,
                hint="move the inner part to a workflow of its own and use `call`",
            )
        node = Node({}, start, start, children={}) if sign == "{" else Node([], start, start, children=[])
        self.place(node)
        self.stack.append(_Open(node, expects="key_or_end" if sign == "{" else "value_or_end"))
        self.previous = None

    def close(self, end: int) -> None:
        node = self.stack.pop().node
        node.end = end
        if self.pending:
            node.dangling = self.pending
            self.pending = []
        self.previous = node
        self.anchor = end

    def take_string(self, text: str, start: int, end: int) -> None:
        level = self.stack[-1] if self.stack else None
        if level is None or level.expects not in ("key", "key_or_end"):
            self.place(Node(text, start, end))
            return
        if len(text) > self.limits.max_key_length:
            self.fail("D110", f"a key is longer than {self.limits.max_key_length} characters", start)
        if text in level.node.value:
            self.fail(
                "D106",
                f'the key "{_shown(text)}" appears twice in one object',
                start,
                hint="remove one of them; readers disagree on which one counts",
            )
        level.key, level.key_start, level.expects = text, start, "colon"
        self.previous = None

    def place(self, node: Node) -> None:
        """Put a value where one is expected."""
        self.nodes += 1
        if self.nodes > self.limits.max_nodes:
            self.fail(
                "D104", f"more than {self.limits.max_nodes} values", node.start, hint="split the document"
            )
        if self.pending:
            node.leading = self.pending
            self.pending = []
        self.previous = node
        self.anchor = node.end
        if not self.stack:
            if self.root is not None:
                self.fail(
                    _CODE_SYNTAX, "there is text behind the end of the value", node.start, hint="remove it"
                )
            self.root = node
            return
        level = self.stack[-1]
        children = level.node.children
        if isinstance(children, list) and level.expects in ("value", "value_or_end"):
            level.node.value.append(node.value)
            children.append(node)
        elif isinstance(children, dict) and level.expects == "value":
            node.key_start = level.key_start
            level.node.value[level.key] = node.value
            children[level.key] = node
        else:
            self.unexpected(self.text[node.start : max(node.end, node.start + 1)], node.start)
        level.expects = "comma_or_end"

    def take_comment(self, start: int, end: int) -> None:
        self.nodes += 1
        if self.nodes > self.limits.max_nodes:
            self.fail("D104", f"more than {self.limits.max_nodes} values and comments", start)
        self.comments.append((self.text[start:end].rstrip(), start, end))

    def settle_comments(self, token: int) -> None:
        """Give the comments before a token to the value before them on their line, or to the next one."""
        behind = 0
        anchor = self.anchor
        if self.previous is not None and not self.pending:
            for _, start, end in self.comments:
                if _has_line_break(self.text, anchor, start):
                    break
                behind, anchor = behind + 1, end
            after_comma = not self.stack or self.stack[-1].expects in ("key_or_end", "value_or_end")
            # Between a comma and another value on the same line a comment speaks of that value.
            if behind == len(self.comments) and after_comma and not _has_line_break(self.text, anchor, token):
                behind = len(self.comments) if self.text[token : token + 1] in ("", "}", "]") else 0
        if behind and self.previous is not None:
            own = [comment for comment, _, _ in self.comments[:behind]]
            self.previous.trailing = [*(self.previous.trailing or []), *own]
            self.anchor = anchor
        self.pending.extend(comment for comment, _, _ in self.comments[behind:])
        self.comments.clear()

    def word(self, word: str, start: int) -> Any:
        if word in _WORDS:
            return _WORDS[word]
        if self.stack and self.stack[-1].expects in ("key", "key_or_end"):
            self.fail(
                _CODE_SYNTAX, f"the key {_shown(word)} is not quoted", start, hint=f'write "{_shown(word)}"'
            )
        if word in ("NaN", "Infinity"):
            self.fail("D109", f"{word} is not a JSON number", start, hint="use null or a finite number")
        meant = _PYTHON_WORDS.get(word)
        hint = f"write {meant}" if meant else f'write "{_shown(word)}" if it is text'
        return self.fail(_CODE_SYNTAX, f"{_shown(word)} is not a JSON value", start, hint=hint)

    def number(self, digits: str, start: int) -> int | float:
        if digits.lstrip("-").isdigit():
            if len(digits) > _MAX_INTEGER_DIGITS or abs(int(digits)) > _MAX_INTEGER:
                self.fail(
                    "D108",
                    f"the integer {_shown(digits)} does not fit in 64 bits",
                    start,
                    hint="write it as text, in quotes",
                )
            return int(digits)
        number = float(digits)
        if math.isinf(number):
            self.fail(
                "D108",
                f"the number {_shown(digits)} is too large",
                start,
                hint="use a smaller number or text",
            )
        return number

    def unescape(self, quoted: str, start: int) -> str:
        for escape in _ESCAPE.finditer(quoted):
            if escape[0] != "\\\\":
                self.fail(
                    _CODE_SYNTAX,
                    f"{_shown(quoted[escape.start() : escape.start() + 2])} is not an escape sequence",
                    start + escape.start(),
                    hint="write a backslash as two: \\\\",
                )
        text: str = json.loads(quoted)
        if "\x00" in text:
            self.fail("D107", "a string contains the character NUL", start, hint="remove \\u0000")
        if _SURROGATE.search(text):
            self.fail(
                "D107", "a string contains half of a surrogate pair", start, hint="write the character itself"
            )
        return text

    def refuse_token(self, position: int) -> NoReturn:
        start = position
        while self.text[start] in " \t\r\n":
            start += 1
        sign = self.text[start]
        if sign == '"':
            self.refuse_string(start)
        if sign == "'":
            self.fail(_CODE_SYNTAX, "text in single quotes", start, hint="use double quotes")
        if self.text.startswith("/*", start):
            self.fail(_CODE_SYNTAX, "the comment does not end", start, hint="add */")
        if sign == "#":
            self.fail(_CODE_SYNTAX, '"#" does not start a comment in JSON', start, hint="use // for comments")
        if found := _NUMBERISH.match(self.text, start):
            if found[0] in ("-Infinity", "+Infinity"):
                self.fail(
                    "D109", f"{found[0]} is not a JSON number", start, hint="use null or a finite number"
                )
            self.fail(
                _CODE_SYNTAX,
                f"{_shown(found[0])} is not a JSON number",
                start,
                hint="write it as 1, -2, 0.5 or 1e3, or in quotes if it is text",
            )
        if sign == "\x00":
            self.fail(
                "D107", "the text contains the character NUL", start, hint="save the file as UTF-8 text"
            )
        self.unexpected(sign, start)

    def refuse_string(self, start: int) -> NoReturn:
        # A closing quote before the first control character would have made it a token.
        control = _CONTROL.search(self.text, start)
        end = control.start() if control else len(self.text)
        sign = self.text[end : end + 1]
        if sign == "\x00":
            self.fail("D107", "a string contains the character NUL", end, hint="remove it")
        if sign == "\t":
            self.fail(_CODE_SYNTAX, "a string contains a tab", end, hint="write it as \\t")
        if sign and sign not in "\r\n":
            self.fail(
                _CODE_SYNTAX,
                f"a string contains the control character U+{ord(sign):04X}",
                end,
                hint="remove it",
            )
        hint = 'add the closing quote; write a line break as "\\n"'
        self.fail(_CODE_SYNTAX, "the string does not end on its line", start, hint=hint)

    def unexpected(self, sign: str, start: int) -> NoReturn:
        expected = {
            "key": "a key in double quotes",
            "key_or_end": 'a key in double quotes or "}"',
            "value": "a value",
            "value_or_end": 'a value or "]"',
            "colon": 'a ":" behind the key',
        }
        level = self.stack[-1] if self.stack else None
        if level is None:
            wanted = "nothing more" if self.root is not None else "a value"
        elif level.expects == "comma_or_end":
            wanted = 'a "," or "}"' if isinstance(level.node.value, dict) else 'a "," or "]"'
        else:
            wanted = expected[level.expects]
        shown = _shown(sign.split("\n", 1)[0])
        self.fail(
            _CODE_SYNTAX,
            f"unexpected {json.dumps(shown, ensure_ascii=False)}",
            start,
            hint=f"expected {wanted}",
        )

    def fail(self, code: str, message: str, offset: int, *, hint: str = "") -> NoReturn:
        raise DocumentError(code, message, hint=hint, offset=offset, pointer=self.pointer())

    def pointer(self) -> str:
        """The value that is being read: the one to come after a key or a comma, else the open container."""
        parts: list[str | int] = []
        for level in self.stack:
            children = level.node.children
            innermost = level is self.stack[-1]
            if innermost and level.expects not in ("value", "colon"):
                break
            parts.append(len(children) - 1 if isinstance(children, list) else level.key)
        return join_pointer(parts)


def read_jsonc(text: str, limits: DocumentLimits) -> Node:
    """Read JSON with comments.

    Raises:
        DocumentError: The text is not acceptable.
    """
    return _Reader(text, limits).read()


def _has_line_break(text: str, start: int, end: int) -> bool:
    return text.find("\n", start, end) >= 0 or text.find("\r", start, end) >= 0


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
