"""Collecting findings: bounded in number, placed in the text, in document order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from hookline.core.diagnostics import Diagnostic, Severity
from hookline.core.document import Document, join_pointer, split_pointer
from hookline.core.expressions.errors import did_you_mean

__all__ = ["MAX_DIAGNOSTICS", "SECRET", "Path", "Report", "show", "type_name"]

Path = tuple[str | int, ...]
"""Where a value stands: the parts of its JSON Pointer."""

MAX_DIAGNOSTICS = 200
_MAX_COLLECTED = 1000
_MAX_SUGGESTIONS = 100
_SHOWN = 40

SECRET = re.compile(
    r"""(?<![A-Za-z0-9])(?:
      r8_[A-Za-z0-9]{20,}                       # Replicate
    | xox[abeprs]-[A-Za-z0-9-]{10,}             # Slack
    | xapp-[A-Za-z0-9-]{10,}
    | sk-[A-Za-z0-9_-]{20,}                     # OpenAI and others
    | sk_(?:live|test)_[A-Za-z0-9]{16,}         # Stripe
    | whsec_[A-Za-z0-9+/=]{16,}                 # Standard Webhooks
    | (?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])  # AWS
    | gh[pousr]_[A-Za-z0-9]{30,}                # GitHub
    | github_pat_[A-Za-z0-9_]{30,}
    | glpat-[A-Za-z0-9_-]{20,}                  # GitLab
    | AIza[0-9A-Za-z_-]{35}                     # Google
    )|-----BEGIN\ [A-Z ]{0,20}PRIVATE\ KEY-----""",
    re.VERBOSE,
)
"""Texts that look like credentials, by the prefixes their issuers give them."""


class Report:
    """The findings about one definition."""

    def __init__(self, value: Any, document: Document | None) -> None:
        self._value = value
        self._document = document
        self._found: dict[tuple[str, str, int, str], tuple[Diagnostic, int | None, bool]] = {}
        self._errors = 0
        self._warnings = 0
        self._suggestions = 0
        self._indexes: dict[int, dict[str, int]] = {}

    @property
    def is_full(self) -> bool:
        """Enough has been found; looking further is of no use."""
        return self._errors >= _MAX_COLLECTED

    def add(
        self,
        code: str,
        message: str,
        path: Path,
        *,
        hint: str = "",
        severity: Severity = "error",
        offset: int | None = None,
        at_key: bool = False,
    ) -> None:
        """Add a finding.

        Args:
            code: A stable code.
            message: What is wrong.
            path: Where.
            hint: What to do.
            severity: ``error`` or ``warning``.
            offset: The character concerned inside the string at ``path``.
            at_key: Point at the key of the value, not at the value.
        """
        if severity == "error":
            if self.is_full:
                return
            self._errors += 1
        else:
            if self._warnings >= _MAX_COLLECTED:
                return
            self._warnings += 1
        pointer = join_pointer(path)
        diagnostic = Diagnostic(code, message, pointer, hint=hint, severity=severity)
        self._found.setdefault((pointer, code, offset or 0, message), (diagnostic, offset, at_key))

    def suggest(self, name: str, names: Iterable[str], otherwise: str = "") -> str:
        """``did you mean "x"?``, or another hint when nothing is similar; stops searching after many."""
        self._suggestions += 1
        if self._suggestions > _MAX_SUGGESTIONS:
            return otherwise
        return did_you_mean(name, names) or otherwise

    def diagnostics(self) -> list[Diagnostic]:
        """The findings in document order, at most `MAX_DIAGNOSTICS` and a closing note."""
        found = list(self._found.values())
        dropped = len(found) - MAX_DIAGNOSTICS
        if dropped > 0:
            # Warnings must not push errors out.
            found.sort(key=lambda entry: entry[0].severity == "warning")
            del found[MAX_DIAGNOSTICS:]
        found.sort(key=lambda entry: (self._order(entry[0].pointer), entry[1] or 0))
        placed = [self._placed(*entry) for entry in found]
        if dropped > 0:
            more = f"{dropped} more" if not self.is_full else "many more"
            last = placed[-1]
            note = Diagnostic(
                "D299",
                f"{more} findings are not shown",
                "",
                last.line,
                last.column,
                hint="correct these first",
                severity="warning",
            )
            placed.append(note)
        return placed

    def _placed(self, found: Diagnostic, offset: int | None, at_key: bool) -> Diagnostic:
        if self._document is None:
            return found
        if offset is not None:
            line, column = self._document.text_position(found.pointer, offset)
        elif at_key:
            line, column = self._document.key_position(found.pointer)
        else:
            line, column = self._document.position(found.pointer)
        return Diagnostic(found.code, found.message, found.pointer, line, column, found.hint, found.severity)

    def _order(self, pointer: str) -> tuple[int, ...]:
        """The places of the keys on the way, which sort like the text."""
        order: list[int] = []
        value = self._value
        for part in split_pointer(pointer):
            if isinstance(value, dict):
                indexes = self._indexes.get(id(value))
                if indexes is None:
                    indexes = self._indexes[id(value)] = {key: place for place, key in enumerate(value)}
                order.append(indexes.get(part, -1))
                value = value.get(part)
            elif isinstance(value, list) and part.isdigit() and int(part) < len(value):
                order.append(int(part))
                value = value[int(part)]
            else:
                break
        return tuple(order)


def show(value: Any) -> str:
    """A value for a message: short, on one line, and never a credential."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    text = json.dumps(value, ensure_ascii=False)
    if SECRET.search(text):
        return text[:5] + '…"'
    return text if len(text) <= _SHOWN else text[: _SHOWN - 2] + '…"'


def type_name(value: Any) -> str:
    """The type of a JSON value, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, Sequence) else "an object"
