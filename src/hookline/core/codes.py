"""Every stable code, by its name: what ``hookline explain`` and the error reference read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from hookline.core.code import Code
from hookline.core.component_codes import COMPONENT_CODES
from hookline.core.definition_codes import DEFINITION_CODES
from hookline.core.expressions.codes import EXPRESSION_CODES
from hookline.core.runtime_codes import RUNTIME_CODES

__all__ = ["CODES", "join_codes"]


def join_codes(*areas: Iterable[Code]) -> Mapping[str, Code]:
    """The codes of several areas by name.

    Raises:
        ValueError: A code is declared twice.
    """
    joined: dict[str, Code] = {}
    for area in areas:
        for code in area:
            if code.code in joined:
                raise ValueError(f"the code {code.code} is declared twice")
            joined[code.code] = code
    return MappingProxyType(dict(sorted(joined.items())))


CODES: Mapping[str, Code] = join_codes(DEFINITION_CODES, EXPRESSION_CODES, RUNTIME_CODES, COMPONENT_CODES)
"""Every code of the core, in alphabetical order."""
