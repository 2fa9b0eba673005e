"""A finding about a definition: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["DefinitionError", "Diagnostic", "Severity"]

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding.

    Attributes:
        code: A stable code; see `hookline.core.codes`.
        message: What is wrong, for a person, naming the offending text.
        pointer: JSON Pointer (RFC 6901) into the document; ``""`` is the whole document.
        line: One-based line in the source text, 0 when there is no source text.
        column: One-based column in the source text, 0 when there is no source text.
        hint: What to do, for example ``did you mean "check"?``; may be empty.
        severity: ``error`` stops the workflow from being deployed, ``warning`` does not.
    """

    code: str
    message: str
    pointer: str = ""
    line: int = 0
    column: int = 0
    hint: str = ""
    severity: Severity = "error"


class DefinitionError(Exception):
    """A document or definition cannot be used.

    Attributes:
        diagnostics: Every finding, in document order, at least one of them an error.
    """

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(diagnostics)
        first = self.diagnostics[0]
        super().__init__(f"{first.code} at {first.pointer or '/'}: {first.message}")
