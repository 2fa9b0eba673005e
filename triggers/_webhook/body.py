"""What a request's body means, by its content type alone."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from typing import IO, Any
from urllib.parse import parse_qsl

from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from hookline.sdk import is_file

from .refusals import foreign_file, too_large, unreadable, unsupported
from .strict_json import strict_json

__all__ = ["Body", "Upload", "checked_texts", "parse"]

MAX_PARTS = 100
"""Fields and files of one form."""

_CHARSETS = frozenset({"", "utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MAX_NAME = 200
_MIME = re.compile(r"[\w.+-]{1,100}/[\w.+-]{1,100}", re.ASCII)
_BOUNDARY = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{1,70}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Upload:
    """A file part of a multipart form, not kept anywhere yet.

    Attributes:
        field: Name of the form's field.
        name: The sender's file name, without folders and control characters.
        mime: Media type the sender gave.
    """

    field: str
    name: str
    mime: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Body:
    """A body that was read.

    Attributes:
        value: JSON's value; an object of text fields for forms (a list of texts where a field comes
            more than once); the text; or None for an empty body.
        uploads: The files of a multipart form.
    """

    value: Any
    uploads: Sequence[Upload] = ()


def parse(content_type: str, data: bytes) -> Body:
    """Read a body whose sender has been verified.

    Raises:
        HookRefused: 400 unreadable, 413 too many parts, 415 not a known type, 422 it holds a
            file reference: only this program makes those.
    """
    if not data:
        return Body(None)
    if not content_type.isascii():
        raise unsupported("the content type is not ASCII")
    header = Message()
    header["content-type"] = _CONTROL.sub(" ", content_type)
    mime = header.get_content_type() if "/" in content_type else ""
    charset = str(header.get_param("charset", "") or "").lower()
    if charset not in _CHARSETS:
        raise unsupported(f"the character set {charset[:40]!r} is not read")
    if mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json")):
        body = Body(_json(data))
    elif mime == "application/x-www-form-urlencoded":
        body = Body(_form(data))
    elif mime == "multipart/form-data":
        body = _multipart(data, str(header.get_param("boundary", "") or ""))
    elif mime.startswith("text/"):
        body = Body(_text(data, charset or "utf-8"))
    else:
        raise unsupported(f"the content type {content_type[:80]!r} is not read")
    for pointer, value in _walk(body.value):
        if is_file(value):
            raise foreign_file(f"{pointer or '/'}: a request may not bring a file reference ($file)")
    return body


def checked_texts(values: Mapping[str, str], what: str) -> dict[str, str]:
    """Header or query values, checked like the texts of a body.

    Raises:
        HookRefused: 400 for what cannot be kept, 422 for a name that would make a file reference.
    """
    if "$file" in values:
        raise foreign_file(f"{what}: the name $file is not accepted")
    for name, value in values.items():
        _check_text(name, what)
        _check_text(value, what)
    return dict(values)


def _json(data: bytes) -> Any:
    try:
        return strict_json(data)
    except (ValueError, RecursionError) as error:
        raise unreadable(f"the body is not acceptable JSON: {str(error)[:200]}") from error


def _text(data: bytes, charset: str) -> str:
    try:
        text = data.decode(charset)
    except UnicodeDecodeError as error:
        raise unreadable(f"the body is not {charset}: byte {error.start}") from error
    _check_text(text, "the body")
    return text


def _form(data: bytes) -> dict[str, Any]:
    if data.count(b"&") + data.count(b";") >= MAX_PARTS:
        raise too_large(f"the form has more than {MAX_PARTS} fields")
    try:
        pairs = parse_qsl(data.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise unreadable("the form is not URL-encoded UTF-8") from error
    return _fields(pairs)


def _multipart(data: bytes, boundary: str) -> Body:
    if not _BOUNDARY.fullmatch(boundary):
        raise unreadable("the form has no usable boundary")
    parser = MultiPartParser(_in_memory, max_form_memory_size=len(data), max_form_parts=MAX_PARTS)
    try:
        form, files = parser.parse(io.BytesIO(data), boundary.encode("ascii"), len(data))
    except RequestEntityTooLarge as error:
        raise too_large(f"the form has more than {MAX_PARTS} parts") from error
    except (ValueError, LookupError, TypeError) as error:
        raise unreadable("the form is not multipart/form-data") from error
    fields = [(str(name), str(value)) for name, value in form.items(multi=True)]
    uploads = []
    for field_name, part in files.items(multi=True):
        field = str(field_name or "")
        _check_text(field, "a field's name")
        if field == "$file":
            raise foreign_file("the form: the name $file is not accepted")
        uploads.append(
            Upload(field, _file_name(part.filename or ""), _mime(part.mimetype), part.stream.read())
        )
    return Body(_fields(fields), tuple(uploads))


def _in_memory(
    total_content_length: int | None,
    content_type: str | None,
    filename: str | None,
    content_length: int | None = None,
) -> IO[bytes]:
    """Parts are pieces of a body that is in memory already and below its cap."""
    return io.BytesIO()


def _fields(pairs: Sequence[tuple[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        _check_text(name, "a field's name")
        _check_text(value, "a field")
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _file_name(given: str) -> str:
    last = re.split(r"[/\\]", given)[-1]
    clean = _CONTROL.sub("", last.encode("utf-8", "replace").decode("utf-8")).strip().lstrip(".")
    return clean[:_MAX_NAME] or "file"


def _mime(given: str | None) -> str:
    return given if given and _MIME.fullmatch(given) else "application/octet-stream"


def _check_text(text: str, what: str) -> None:
    if "\0" in text:
        raise unreadable(f"{what} contains NUL")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise unreadable(f"{what} is not valid text") from None


def _walk(value: Any) -> Iterator[tuple[str, Any]]:
    waiting = [("", value)]
    while waiting:
        pointer, each = waiting.pop()
        yield pointer, each
        if isinstance(each, dict):
            waiting += [(f"{pointer}/{key}", member) for key, member in each.items()]
        elif isinstance(each, list):
            waiting += [(f"{pointer}/{index}", member) for index, member in enumerate(each)]
