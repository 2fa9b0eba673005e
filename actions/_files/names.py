"""Names and addresses made of what others sent."""

from __future__ import annotations

import re

__all__ = ["beside", "inside", "plain_name"]

_UNSAFE = re.compile(r"[/\\\x00-\x1f\x7f]")
_LONGEST = 200


def plain_name(name: str) -> str:
    """A file name that stays one part of an address, whatever it was."""
    plain = _UNSAFE.sub("_", name).strip()
    if plain in ("", ".", ".."):
        return "file"
    stem, dot, suffix = plain.rpartition(".")
    if len(plain) > _LONGEST and dot and len(suffix) < _LONGEST // 2:
        return f"{stem[: _LONGEST - len(suffix) - 1]}.{suffix}"
    return plain[:_LONGEST]


def inside(address: str, name: str) -> str:
    """The address itself, or for a folder (it ends with ``/``, or is ``file:``) that of `name` in it."""
    return f"{address}{plain_name(name)}" if address.endswith(("/", ":")) else address


def beside(address: str, mark: str) -> str:
    """An address next to this one: ``a/cat.png`` becomes ``a/cat-1f3a9c2e.png``."""
    at = max(address.rfind("/"), address.find(":")) + 1
    folder, name = address[:at], address[at:]
    stem, dot, suffix = name.rpartition(".")
    marked = f"{stem}-{mark}.{suffix}" if dot and stem else f"{name}-{mark}"
    return f"{folder}{marked}"
