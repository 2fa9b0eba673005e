"""Tokens of an expression, and the end of string literals (which the template scanner needs too)."""

from __future__ import annotations

import re
from math import isinf
from typing import Final, NamedTuple

from hookline.core.expressions.errors import ExpressionError
from hookline.core.expressions.values import INT_MAX, UINT_MAX

__all__ = ["Token", "is_raw", "string_end", "tokenize"]


class Token(NamedTuple):
    """One token. ``kind`` is ``int uint double string bytes name quoted end`` or the operator itself."""

    kind: str
    value: object
    start: int
    end: int


# The patterns below are fixed and run in linear time: alternatives start with different characters.
_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\n\r\f]+)
  | (?P<string>(?:[bB][rR]?|[rR][bB]?)?(?:\"\"\"|'''|"|'))
  | (?P<double>(?:[0-9]*\.[0-9]+(?:[eE][+-]?[0-9]+)?|[0-9]+[eE][+-]?[0-9]+))
  | (?P<int>0[xX][0-9a-fA-F]+|[0-9]+)(?P<unsigned>[uU])?
  | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
  | `(?P<quoted>[^`\n]*)`
  | (?P<operator>&&|\|\||[=!<>]=|[-+*/%!<>?:.,()\[\]{}])
    """,
    re.VERBOSE,
)
_BODY: Final = {
    (False, "'"): re.compile(r"((?:[^\\'\n\r]|\\.)*)'", re.DOTALL),
    (False, '"'): re.compile(r'((?:[^\\"\n\r]|\\.)*)"', re.DOTALL),
    (False, "'''"): re.compile(r"((?:[^\\]|\\.)*?)'''", re.DOTALL),
    (False, '"""'): re.compile(r'((?:[^\\]|\\.)*?)"""', re.DOTALL),
    (True, "'"): re.compile(r"([^'\n\r]*)'"),
    (True, '"'): re.compile(r'([^"\n\r]*)"'),
    (True, "'''"): re.compile(r"(.*?)'''", re.DOTALL),
    (True, '"""'): re.compile(r'(.*?)"""', re.DOTALL),
}
_ESCAPE: Final = re.compile(
    r"""\\(?:([abfnrtv\\'"`?])|[xX]([0-9a-fA-F]{2})|([0-3][0-7]{2})"""
    r"""|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.|$))""",
    re.DOTALL,
)
_SIMPLE: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_HINTS: Final = {
    "=": "compare with ==; values cannot be assigned",
    "&": "write && for and",
    "|": "write || for or; there are no filters, call a function instead",
    "$": "names are written without $",
    "^": "there are no bit operators and no powers",
    ";": "an expression has no statements",
    "`": "close the quoted name with another `",
}
_MAX_DIGITS: Final = 64


def tokenize(text: str, start: int, end: int) -> list[Token]:
    """The tokens of ``text[start:end]`` and an ``end`` token. Offsets count from the start of ``text``."""
    surrogate = _SURROGATE.search(text, start, end)
    if surrogate is not None:
        raise ExpressionError(
            "X101",
            "the expression holds half of a surrogate pair",
            start=surrogate.start(),
            end=surrogate.end(),
        )
    tokens: list[Token] = []
    position = start
    while position < end:
        match = _TOKEN.match(text, position, end)
        if match is None:
            char = text[position]
            raise ExpressionError(
                "X101",
                f"unexpected character {char!r}",
                hint=_HINTS.get(char, ""),
                start=position,
                end=position + 1,
            )
        group = match.lastgroup
        stop = match.end()
        if group == "operator":
            tokens.append(Token(match.group(), None, position, stop))
        elif group == "name":
            tokens.append(Token("name", match.group(), position, stop))
        elif group == "string":
            token = _string(text, position, stop, end)
            tokens.append(token)
            stop = token.end
        elif group == "double":
            number = float(match.group())
            if isinf(number):
                raise ExpressionError("X109", "the number is too large", start=position, end=stop)
            tokens.append(Token("double", number, position, stop))
        elif group == "int" or group == "unsigned":
            tokens.append(_integer(match.group("int"), group == "unsigned", position, stop))
        elif group == "quoted":
            tokens.append(Token("quoted", match.group("quoted"), position, stop))
        position = stop
    tokens.append(Token("end", None, end, end))
    return tokens


def is_raw(text: str, quote: int) -> bool:
    """Whether the string literal whose quote stands at ``quote`` has a raw prefix (r, R, br, rB, …)."""
    first = quote
    while first > 0 and quote - first < 3 and (text[first - 1].isalnum() or text[first - 1] == "_"):
        first -= 1
    return text[first:quote].lower() in ("r", "br", "rb")


def string_end(text: str, quote: int, end: int, raw: bool) -> int:
    """The offset after the string literal whose first quote stands at ``quote``.

    Raises:
        ExpressionError: X102 when the literal is not closed before ``end``.
    """
    mark = text[quote : quote + 3] if text[quote : quote + 3] in ("'''", '"""') else text[quote]
    match = _BODY[raw, mark].match(text, quote + len(mark), end)
    if match is None:
        raise ExpressionError("X102", "the string is not closed", start=quote, end=end)
    return match.end()


def _string(text: str, start: int, stop: int, end: int) -> Token:
    opening = text[start:stop]
    mark = opening.lstrip("bBrR")
    prefix = opening[: -len(mark)].lower()
    raw = "r" in prefix
    after = string_end(text, stop - len(mark), end, raw)
    body = text[stop : after - len(mark)]
    if "b" in prefix:
        return Token("bytes", _decode_bytes(body, raw, stop), start, after)
    return Token("string", body if raw or "\\" not in body else _decode(body, stop), start, after)


def _decode(body: str, offset: int) -> str:
    def replace(match: re.Match[str]) -> str:
        simple, hexadecimal, octal, short, long, _ = match.groups()
        if simple:
            return _SIMPLE.get(simple, simple)
        code = int(octal, 8) if octal else int(hexadecimal or short or long or "110000", 16)
        if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
            raise _bad_escape(match, offset)
        return chr(code)

    return _ESCAPE.sub(replace, body)


def _decode_bytes(body: str, raw: bool, offset: int) -> bytes:
    if raw or "\\" not in body:
        return body.encode()
    out = bytearray()
    position = 0
    for match in _ESCAPE.finditer(body):
        out += body[position : match.start()].encode()
        simple, hexadecimal, octal, _, _, _ = match.groups()
        if simple:
            out += _SIMPLE.get(simple, simple).encode()
        elif hexadecimal or octal:
            out.append(int(octal, 8) if octal else int(hexadecimal, 16))
        else:
            raise _bad_escape(match, offset)
        position = match.end()
    return bytes(out + body[position:].encode())


def _bad_escape(match: re.Match[str], offset: int) -> ExpressionError:
    return ExpressionError(
        "X102",
        f"the escape {match.group()} does not exist",
        hint="write a backslash as \\\\",
        start=offset + match.start(),
        end=offset + match.end(),
    )


def _integer(digits: str, unsigned: bool, start: int, end: int) -> Token:
    number = -1
    if len(digits) <= _MAX_DIGITS:
        number = int(digits[2:], 16) if digits[:2] in ("0x", "0X") else int(digits)
    # One past the largest int is a token: the parser accepts it behind a minus sign.
    if not 0 <= number <= (UINT_MAX if unsigned else INT_MAX + 1):
        raise ExpressionError("X109", "the number does not fit into 64 bits", start=start, end=end)
    return Token("uint" if unsigned else "int", number, start, end)
