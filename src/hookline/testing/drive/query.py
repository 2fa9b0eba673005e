"""The language of ``q`` in files.list, as far as the stand-in knows it; everything else is refused.

Source: https://developers.google.com/workspace/drive/api/guides/ref-search-terms
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime

from hookline.testing.drive.errors import DriveError, bad_parameter
from hookline.testing.drive.records import Item

__all__ = ["Matches", "parse"]

Matches = Callable[[Item], bool]

_TOKEN = re.compile(r"\s*(?:(?P<text>'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z]+)|(?P<sign><=|>=|!=|[=<>(){}]))")


class _Parser:
    def __init__(self, source: str, parents: Callable[[str], str], is_trashed: Matches) -> None:
        self._tokens: list[str] = []
        self._parents = parents
        self._is_trashed = is_trashed
        end = 0
        stripped = source.rstrip()
        while end < len(stripped):
            match = _TOKEN.match(stripped, end)
            if match is None:
                raise _invalid()
            self._tokens.append(match[0].strip())
            end = match.end()

    def parse(self) -> Matches:
        found = self._either()
        if self._tokens:
            raise _invalid()
        return found

    def _either(self) -> Matches:
        found = self._both()
        while self._take("or"):
            found = _any(found, self._both())
        return found

    def _both(self) -> Matches:
        found = self._one()
        while self._take("and"):
            found = _all(found, self._one())
        return found

    def _one(self) -> Matches:
        if self._take("not"):
            inner = self._one()
            return lambda item: not inner(item)
        if self._take("("):
            inner = self._either()
            self._expect(")")
            return inner
        return self._term()

    def _term(self) -> Matches:
        head = self._next()
        if head.startswith("'"):
            self._expect("in")
            self._expect("parents")
            parent = self._parents(_text(head))
            return lambda item: item.parent == parent
        operator = self._next()
        value = self._next()
        match head, operator:
            case "name", "=":
                name = _text(value)
                return lambda item: item.name == name
            case "name", "!=":
                other = _text(value)
                return lambda item: item.name != other
            case "name", "contains":
                start = _text(value).lower()
                return lambda item: any(word.startswith(start) for word in item.name.lower().split())
            case "mimeType", "=" | "!=":
                mime, is_same = _text(value), operator == "="
                return lambda item: (item.mime == mime) is is_same
            case "trashed", "=" | "!=":
                if value not in ("true", "false"):
                    raise _invalid()
                wanted = (value == "true") is (operator == "=")
                return lambda item: self._is_trashed(item) is wanted
            case "modifiedTime" | "createdTime", "<" | "<=" | ">" | ">=" | "=":
                return _moment(head, operator, _text(value))
            case "appProperties" | "properties", "has":
                return self._property(head, value)
            case _:
                raise _invalid()

    def _property(self, head: str, opening: str) -> Matches:
        if opening != "{":
            raise _invalid()
        self._expect("key")
        self._expect("=")
        key = _text(self._next())
        self._expect("and")
        self._expect("value")
        self._expect("=")
        value = _text(self._next())
        self._expect("}")
        if head == "properties":
            return lambda item: item.properties.get(key) == value
        return lambda item: item.app_properties.get(key) == value

    def _next(self) -> str:
        if not self._tokens:
            raise _invalid()
        return self._tokens.pop(0)

    def _take(self, word: str) -> bool:
        if self._tokens[:1] == [word]:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if self._next() != word:
            raise _invalid()


def parse(source: str, parents: Callable[[str], str], is_trashed: Matches) -> Matches:
    """Which items a query wants.

    Args:
        parents: Gives the id of a folder that is named, ``root`` included. Raises `DriveError`.

    Raises:
        DriveError: It is no query.
    """
    return _Parser(source, parents, is_trashed).parse()


def _any(first: Matches, second: Matches) -> Matches:
    return lambda item: first(item) or second(item)


def _all(first: Matches, second: Matches) -> Matches:
    return lambda item: first(item) and second(item)


def _moment(head: str, operator: str, text: str) -> Matches:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid() from None
    if moment.tzinfo is None:
        raise _invalid()  # Google takes UTC then; nobody should rely on it
    at = moment.timestamp()

    def matches(item: Item) -> bool:
        given = item.modified if head == "modifiedTime" else item.created
        return {
            "<": given < at,
            "<=": given <= at,
            ">": given > at,
            ">=": given >= at,
            "=": given == at,
        }[operator]

    return matches


def _text(token: str) -> str:
    if not token.startswith("'"):
        raise _invalid()
    return re.sub(r"\\(.)", r"\1", token[1:-1])


def _invalid() -> DriveError:
    return bad_parameter("q")
