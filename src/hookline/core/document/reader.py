"""Reading a definition from text or bytes."""

from __future__ import annotations

import re

from hookline.core.diagnostics import DefinitionError, Diagnostic
from hookline.core.document.jsonc import read_jsonc
from hookline.core.document.model import Document, DocumentError, DocumentLimits, Syntax, line_starts
from hookline.core.document.yaml_reader import read_yaml

__all__ = ["Syntax", "read"]

_SURROGATE = re.compile("[\ud800-\udfff]")


def read(source: str | bytes, *, syntax: Syntax = "jsonc", limits: DocumentLimits | None = None) -> Document:
    """Read a definition.

    Args:
        source: The text, or its bytes in UTF-8; a byte order mark is skipped.
        syntax: ``jsonc`` (JSON with ``//`` and ``/* */`` comments and trailing commas) or ``yaml``
            (the JSON subset of YAML 1.2, without anchors and tags).
        limits: Size limits; by default those of `DocumentLimits`.

    Raises:
        DefinitionError: The text is not acceptable; codes ``D101`` to ``D199``.
    """
    limits = limits or DocumentLimits()
    text = ""
    try:
        text = _decode(source, limits)
        root = read_yaml(text, limits) if syntax == "yaml" else read_jsonc(text, limits)
    except DocumentError as error:
        raise DefinitionError([_diagnostic(error, text)]) from None
    return Document(root.value, text, syntax, root)


def _decode(source: str | bytes, limits: DocumentLimits) -> str:
    hint = "split the workflow: move parts to workflows of their own and use `call`"
    size = len(source)
    if size > limits.max_bytes:
        raise DocumentError("D102", f"the document is larger than {limits.max_bytes} bytes", hint=hint)
    if isinstance(source, bytes):
        try:
            return source.decode().removeprefix("\ufeff")
        except UnicodeDecodeError as error:
            raise DocumentError(
                "D101", f"byte {error.start} of the document is not UTF-8", hint="save the file as UTF-8"
            ) from None
    if found := _SURROGATE.search(source):
        raise DocumentError(
            "D107", f"character {found.start()} is half of a surrogate pair", hint="save the file as UTF-8"
        )
    if len(source.encode()) > limits.max_bytes:
        raise DocumentError("D102", f"the document is larger than {limits.max_bytes} bytes", hint=hint)
    return source.removeprefix("\ufeff")


def _diagnostic(error: DocumentError, text: str) -> Diagnostic:
    offset = min(error.offset, len(text))
    starts = [start for start in line_starts(text[:offset]) if start <= offset]
    return Diagnostic(
        code=error.code,
        message=error.message,
        pointer=error.pointer,
        line=len(starts),
        column=offset - starts[-1] + 1,
        hint=error.hint,
    )
