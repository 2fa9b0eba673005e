"""What a request's body means, by its content type alone."""

from __future__ import annotations

import io
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from typing import IO, Any, BinaryIO
from urllib.parse import parse_qsl

from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge
from werkzeug.formparser import MultiPartParser

from hookline.sdk import HookRequest, is_file

from .refusals import foreign_file, too_large, unreadable, unsupported
from .strict_json import strict_json

__all__ = ["Body", "Upload", "checked", "checked_texts", "parse"]

MAX_PARTS = 100
"""Fields and files of one form."""

MAX_FIELDS_BYTES = 1_048_576
"""Bytes of a form's fields, without its files."""

IN_MEMORY = 64 * 1024
"""Bytes of each file up to which it is held in memory."""

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
        content: The bytes, from their beginning; a large one is in a temporary file without a name.
    """

    field: str
    name: str
    mime: str
    content: BinaryIO


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

    def close(self) -> None:
        """Let go of the uploads that are not kept."""
        for upload in self.uploads:
            upload.content.close()


def parse(content_type: str, request: HookRequest) -> Body:
    """Read a body whose sender has been verified; only a form's files may be larger than memory.

    Raises:
        HookRefused: 400 unreadable, 413 too many parts, 415 not a known type, 422 it holds a
            file reference: only this program makes those.
    """
    if not request.size:
        return Body(None)
    if not content_type.isascii():
        raise unsupported("the content type is not ASCII")
    mime, charset, boundary = _content_type(content_type)
    if charset not in _CHARSETS:
        raise unsupported(f"the character set {charset[:40]!r} is not read")
    if mime == "multipart/form-data":
        return _multipart(request, boundary)
    data = request.in_memory().body
    if mime == "application/json" or (mime.startswith("application/") and mime.endswith("+json")):
        body = Body(_json(data))
    elif mime == "application/x-www-form-urlencoded":
        body = Body(_form(data))
    elif mime.startswith("text/"):
        body = Body(_text(data, charset or "utf-8"))
    else:
        raise unsupported(f"the content type {content_type[:80]!r} is not read")
    return checked(body)


@lru_cache(maxsize=64)
def _content_type(text: str) -> tuple[str, str, str]:
    """The media type, the character set and the boundary that a header names; empty where it names none.

    Most senders say the same each time, and the reading of it takes longer than that of a small body.
    """
    header = Message()
    header["content-type"] = _CONTROL.sub(" ", text)
    mime = header.get_content_type() if "/" in text else ""
    charset = str(header.get_param("charset", "") or "").lower()
    return mime, charset, str(header.get_param("boundary", "") or "")


def checked(body: Body) -> Body:
    """A body without references to files.

    Raises:
        HookRefused: 422, it holds one: only this program makes those.
    """
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


def _multipart(request: HookRequest, boundary: str) -> Body:
    if not _BOUNDARY.fullmatch(boundary):
        raise unreadable("the form has no usable boundary")
    opened: list[IO[bytes]] = []
    parser = MultiPartParser(
        lambda *_, **__: _part_file(opened),
        max_form_memory_size=min(request.size, MAX_FIELDS_BYTES),
        max_form_parts=MAX_PARTS,
    )
    source = request.stream if request.stream is not None else io.BytesIO(request.body)
    source.seek(0)
    try:
        form, files = parser.parse(source, boundary.encode("ascii"), request.size)
        fields = [(str(name), str(value)) for name, value in form.items(multi=True)]
        uploads = tuple(_upload(str(name or ""), part) for name, part in files.items(multi=True))
        return checked(Body(_fields(fields), uploads))
    except BaseException as error:
        for file in opened:
            file.close()
        if isinstance(error, RequestEntityTooLarge):
            raise too_large(
                f"the form has more than {MAX_PARTS} parts, or more than {MAX_FIELDS_BYTES} bytes of fields"
            ) from error
        if isinstance(error, ValueError | LookupError | TypeError):
            raise unreadable("the form is not multipart/form-data") from error
        raise


def _upload(field: str, part: FileStorage) -> Upload:
    _check_text(field, "a field's name")
    if field == "$file":
        raise foreign_file("the form: the name $file is not accepted")
    return Upload(field, _file_name(part.filename or ""), _mime(part.mimetype), part.stream)


def _part_file(opened: list[IO[bytes]]) -> IO[bytes]:
    """Where a file of the form is put until the request is known to be good; closing it removes it."""
    opened.append(tempfile.SpooledTemporaryFile(max_size=IN_MEMORY))  # noqa: SIM115 - see above
    return opened[-1]


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
