"""Where something stands in a JSON value: ``data.items[0].id``."""

from __future__ import annotations

import re
from typing import Any

__all__ = ["MISSING", "value_at"]

MISSING: Any = object()
"""What `value_at` gives where there is nothing."""

_STEP = re.compile(r"\.([^.\[\]]+)|\[([0-9]{1,6})\]", re.ASCII)


def value_at(value: Any, path: str) -> Any:
    """The value at ``.data.items[0].id``, `MISSING` where there is none.

    Raises:
        ValueError: The path is not of this form.
    """
    position = 0
    steps = []
    for step in _STEP.finditer(path):
        if step.start() != position:
            break
        position = step.end()
        steps.append(step)
    if position != len(path):
        raise ValueError(f"{path[:80]!r} is not a path like data.items[0].id")
    for step in steps:
        if step[1] is not None and isinstance(value, dict) and step[1] in value:
            value = value[step[1]]
        elif step[2] is not None and isinstance(value, list) and int(step[2]) < len(value):
            value = value[int(step[2])]
        else:
            return MISSING
    return value
