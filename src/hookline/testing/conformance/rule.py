"""A rule of the conformance suite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from hookline.engine.registry import Registry

__all__ = ["Check", "Rule"]

Check = Callable[[Registry, Any], Iterator[str]]


@dataclass(frozen=True, slots=True)
class Rule:
    """What to check, and of what.

    Attributes:
        kinds: ``action``, ``trigger``, ``connection``.
        check: Yields what is wrong, nothing when all is well.
    """

    kinds: frozenset[str]
    check: Check
