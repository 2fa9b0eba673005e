"""The one line that says what a finished step did."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["render_summary", "summary_fields"]

_LONGEST_VALUE = 120
_FIELD = re.compile(r"\{([A-Za-z_$][A-Za-z0-9_$]*)((?:\[[^\[\]{}]+\])*)\}")
_KEY = re.compile(r"\[([^\[\]]+)\]")


def summary_fields(template: str) -> list[str]:
    """Names a summary reads.

    Raises:
        ValueError: It holds a brace that is neither ``{name}`` nor ``{name[key]}``.
    """
    rest = _FIELD.sub("", template)
    if "{" in rest or "}" in rest:
        raise ValueError(f"not a summary: {template!r}; only {{name}} and {{name[key]}} can be used")
    return [match[1] for match in _FIELD.finditer(template)]


def render_summary(template: str, input: Mapping[str, Any], output: Any) -> str:
    """Fill in a summary: ``"Posted to {channel}"``, ``"Kept {file[name]}"``.

    Names are looked up in the input and then in the output; ``{output}`` is the output itself.
    This is no format string of Python: no attribute of any object can be reached, and a value
    that is not there is shown as ``…``, because a summary must never fail a finished step.
    """
    return _FIELD.sub(lambda match: _text(_find(match[1], _KEY.findall(match[2]), input, output)), template)


def _find(name: str, keys: Sequence[str], input: Mapping[str, Any], output: Any) -> Any:
    value = input.get(name)
    if value is None:
        value = output.get(name) if isinstance(output, Mapping) else None
    if value is None and name == "output":
        value = output
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key)
        elif isinstance(value, list) and key.isascii() and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        text = " ".join(str(value).split())
    elif isinstance(value, Mapping) and isinstance(value.get("name"), str):
        text = str(value["name"])  # a file reference
    elif isinstance(value, list):
        text = f"{len(value)}"
    else:
        return "…"
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
