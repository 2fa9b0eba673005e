"""Text and tables in files: encodings, CSV, JSON and JSON Lines, one row at a time."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, TextIO

from hookline.sdk import BadInput

__all__ = ["Encoding", "Format", "converted", "decoded", "encoded"]

Json = Any
Format = Literal["csv", "json", "jsonl"]
Encoding = Literal[
    "utf-8",
    "utf-8-sig",
    "utf-16",
    "utf-16-le",
    "utf-16-be",
    "ascii",
    "iso-8859-1",
    "iso-8859-2",
    "iso-8859-15",
    "windows-1250",
    "windows-1251",
    "windows-1252",
    "koi8-r",
    "shift_jis",
    "euc-jp",
    "euc-kr",
    "big5",
    "gb18030",
]

_PIECE = 64 * 1024
_LONGEST = 4 * 1024 * 1024
"""Characters of a line, or of one row of a JSON array, that are held in memory."""

_MOST_COLUMNS = 2000
_NO_SPACE = re.compile(r"[^ \t\r\n]")
_NUMBER = re.compile(r"[0-9.eE+-]*")
_NUMBERS = (int, float)
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def decoded(content: bytes, encoding: Encoding) -> str:
    """Text, without a byte order mark.

    Raises:
        BadInput: C063.
    """
    try:
        return content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeDecodeError as error:
        raise _not_text(encoding, error) from error


def encoded(text: str, encoding: Encoding) -> bytes:
    """The bytes of a text.

    Raises:
        BadInput: C063.
    """
    try:
        return text.encode(encoding)
    except UnicodeEncodeError as error:
        shown = text[error.start : error.start + 1]
        raise BadInput(
            f"{encoding} has no {shown!a} (character {error.start + 1})",
            code="C063",
            hint="write the file in utf-8",
        ) from error


def converted(
    path: Path,
    from_: Format | None,
    to: Format | None,
    *,
    encoding: Encoding,
    to_encoding: Encoding,
    delimiter: str,
    escape_formulas: bool,
    counted: list[int],
) -> Iterator[bytes]:
    """The file in another format, or with None as a format, only in another encoding.

    Args:
        counted: The number of rows is added at the end.

    Raises:
        BadInput: C063 (encoding) or C064 (format).
    """
    texts = _texts(path, from_, to, encoding, delimiter, escape_formulas, counted)
    first = True
    for text in _gathered(texts):
        # A byte order mark belongs to the beginning and nowhere else.
        yield encoded(text, to_encoding if first else _without_mark(to_encoding))
        first = False


def _texts(
    path: Path,
    from_: Format | None,
    to: Format | None,
    encoding: Encoding,
    delimiter: str,
    escape_formulas: bool,
    counted: list[int],
) -> Iterator[str]:
    reading = "utf-8-sig" if encoding == "utf-8" else encoding

    def rows() -> Iterator[Json]:
        with path.open(encoding=reading, newline="") as file:
            yield from _rows(file, from_, delimiter)

    try:
        if from_ is None or to is None:
            with path.open(encoding=reading, newline="") as file:
                while text := file.read(_PIECE):
                    yield text
        elif to == "csv":
            yield from _csv(rows, delimiter, escape_formulas, counted)
        else:
            yield from _json(rows(), counted, is_array=to == "json")
    except UnicodeDecodeError as error:
        raise _not_text(encoding, error) from error


def _rows(file: TextIO, from_: Format | None, delimiter: str) -> Iterator[Json]:
    if from_ == "csv":
        return _csv_rows(file, delimiter)
    if from_ == "jsonl":
        return _line_rows(file)
    return _array_rows(file)


def _csv_rows(file: TextIO, delimiter: str) -> Iterator[dict[str, str]]:
    reader = csv.reader(_lines(file), delimiter=delimiter, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            return
        if len(set(header)) != len(header) or len(header) > _MOST_COLUMNS:
            raise _bad(1, f"the header names a column twice, or has more than {_MOST_COLUMNS}")
        for values in reader:
            if not values:
                continue
            if len(values) != len(header):
                raise _bad(reader.line_num, f"there are {len(values)} values for {len(header)} columns")
            yield dict(zip(header, values, strict=True))
    except csv.Error as error:
        raise _bad(reader.line_num, str(error)) from error


def _line_rows(file: TextIO) -> Iterator[Json]:
    for number, line in enumerate(_lines(file), start=1):
        if line.strip():
            yield _loaded(line, number)


def _array_rows(file: TextIO) -> Iterator[Json]:
    """The items of a JSON array, read as they come."""
    text = _Ahead(file)
    if text.next() != "[":
        raise BadInput("the JSON is not one array", code="C064", hint="give an array of objects")
    text.skip()
    is_open, index = text.next() != "]", 0
    while is_open:
        index += 1
        yield text.value(index)
        mark = text.next()
        if mark == "]":
            break
        if mark != ",":
            raise _bad(index, "a comma is missing behind it", what="item")
        text.skip()
    text.skip()
    if text.next(at_end=True):
        raise BadInput("there is more behind the JSON array", code="C064")


class _Ahead:
    """JSON text of which some is read ahead."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._text = ""
        self._at = 0
        self._is_over = False
        self._decoder = json.JSONDecoder(parse_constant=_no_constant)

    def next(self, *, at_end: bool = False) -> str:
        """The next character that is no space; ``""`` where the text may end."""
        while True:
            found = _NO_SPACE.search(self._text, self._at)
            if found:
                self._at = found.start()
                return found[0]
            if self._is_over:
                if at_end:
                    return ""
                raise BadInput("the JSON ends before its array does", code="C064")
            self._at = len(self._text)
            self._read()

    def skip(self) -> None:
        """Leave the character behind that `next` gave."""
        self._at += 1

    def value(self, index: int) -> Json:
        """The value that comes next."""
        self.next()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise _bad(index, "it is nested too deeply", what="item") from error
            except ValueError as error:
                if self._is_over or len(self._text) - self._at > _LONGEST:
                    raise _bad(index, "it is not JSON, or too large", what="item") from error
            else:
                # A number may go on in what was not read yet: 1 may become 1.5.
                may_go_on = type(value) in _NUMBERS and _NUMBER.fullmatch(self._text, end)
                if self._is_over or not may_go_on:
                    self._at = end
                    return value
            self._read()

    def _read(self) -> None:
        """Read as much again as is waiting, so that a long value is not looked at too often."""
        waiting = self._text[self._at :]
        more = self._file.read(max(_PIECE, len(waiting)))
        self._is_over = not more
        self._text, self._at = waiting + more, 0


def _csv(
    rows: Callable[[], Iterator[Json]], delimiter: str, escape_formulas: bool, counted: list[int]
) -> Iterator[str]:
    columns: dict[str, None] = {}
    for number, row in enumerate(rows(), start=1):
        if not isinstance(row, Mapping):
            raise _bad(number, "it is not an object", what="row")
        columns.update(dict.fromkeys(row))
        if len(columns) > _MOST_COLUMNS:
            raise _bad(number, f"there are more than {_MOST_COLUMNS} columns", what="row")
    sink = io.StringIO(newline="")
    writer = csv.writer(sink, delimiter=delimiter, lineterminator="\r\n")
    if columns:
        writer.writerow([_cell(name, escape_formulas) for name in columns])
    for number, row in enumerate(rows(), start=1):
        writer.writerow([_cell(row.get(name), escape_formulas) for name in columns])
        counted[0] = number
        if sink.tell() > _PIECE:
            yield _taken(sink)
    yield _taken(sink)


def _json(rows: Iterator[Json], counted: list[int], *, is_array: bool) -> Iterator[str]:
    before = "[\n" if is_array else ""
    for number, row in enumerate(rows, start=1):
        yield before + json.dumps(row, ensure_ascii=False, allow_nan=False)
        before = ",\n" if is_array else "\n"
        counted[0] = number
    if is_array:
        yield "\n]\n" if counted[0] else "[]\n"
    elif counted[0]:
        yield "\n"


def _cell(value: Json, escape_formulas: bool) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        # A spreadsheet would take it for a formula and run it.
        return f"'{value}" if escape_formulas and value.startswith(_FORMULA) else value
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _lines(file: TextIO) -> Iterator[str]:
    number = 0
    while line := file.readline(_LONGEST):
        number += 1
        if len(line) == _LONGEST and not line.endswith(("\n", "\r")):
            raise _bad(number, f"it has more than {_LONGEST} characters")
        yield line


def _loaded(line: str, number: int) -> Json:
    try:
        return json.loads(line, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise _bad(number, "it is not JSON") from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _gathered(texts: Iterator[str]) -> Iterator[str]:
    waiting: list[str] = []
    size = 0
    for text in texts:
        waiting.append(text)
        size += len(text)
        if size > _PIECE:
            yield "".join(waiting)
            waiting, size = [], 0
    if waiting:
        yield "".join(waiting)


def _taken(sink: io.StringIO) -> str:
    text = sink.getvalue()
    sink.seek(0)
    sink.truncate()
    return text


def _without_mark(encoding: Encoding) -> Encoding:
    marked: Mapping[str, Encoding] = {"utf-8-sig": "utf-8", "utf-16": "utf-16-le"}
    return marked.get(encoding, encoding)


def _bad(number: int, why: str, what: str = "line") -> BadInput:
    return BadInput(f"{what} {number} cannot be read: {why}", code="C064")


def _not_text(encoding: str, error: UnicodeDecodeError) -> BadInput:
    return BadInput(
        f"the file is not {encoding}: byte {error.start + 1} does not fit",
        code="C063",
        hint="name the encoding it has, such as windows-1252",
    )
