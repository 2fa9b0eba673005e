"""Faults that are switched on by name: by flag, in process, or over HTTP."""

from __future__ import annotations

import difflib
import threading
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Fault", "FaultPlan", "UnknownFaultError"]


class UnknownFaultError(ValueError):
    """The stand-in has no fault of that name. The message lists the nearest ones."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that is switched on.

    Attributes:
        name: One of the stand-in's fault names.
        times: How often it will still happen; ``None`` is always.
        value: A parameter whose meaning the fault defines.
    """

    name: str
    times: int | None = 1
    value: str | None = None


class FaultPlan:
    """The faults of one stand-in.

    Args:
        known: Every fault name with one line on what it does.
    """

    def __init__(self, known: Mapping[str, str]) -> None:
        self.known = dict(known)
        self._active: dict[str, Fault] = {}
        self._happened: dict[str, int] = {}
        self._guard = threading.Lock()

    def set(self, name: str, *, times: int | None = 1, value: str | None = None) -> None:
        """Let fault `name` happen the next `times` times (``None``: always; 0: never).

        Raises:
            UnknownFaultError: There is no such fault.
        """
        if name not in self.known:
            near = difflib.get_close_matches(name, self.known, n=4, cutoff=0.3)
            raise UnknownFaultError(
                f"unknown fault {name!r}; did you mean {', '.join(near) or 'none of these'}?"
            )
        with self._guard:
            if times == 0:
                self._active.pop(name, None)
            else:
                self._active[name] = Fault(name, times, value)

    def set_from_flag(self, text: str) -> None:
        """Switch on ``NAME``, ``NAME=VALUE`` or ``NAME*TIMES=VALUE``; without ``*TIMES``: always."""
        head, equals, value = text.partition("=")
        name, star, times = head.partition("*")
        self.set(name, times=int(times) if star else None, value=value if equals else None)

    def clear(self, name: str | None = None) -> None:
        """Switch off one fault, or all."""
        with self._guard:
            if name is None:
                self._active.clear()
            else:
                self._active.pop(name, None)

    def take(self, name: str) -> Fault | None:
        """The fault if it is to happen now; counts it as happened."""
        with self._guard:
            fault = self._active.get(name)
            if fault is None:
                return None
            if fault.times is not None:
                if fault.times <= 1:
                    del self._active[name]
                else:
                    self._active[name] = Fault(name, fault.times - 1, fault.value)
            self._happened[name] = self._happened.get(name, 0) + 1
            return fault

    def active(self) -> tuple[Fault, ...]:
        """What is switched on."""
        with self._guard:
            return tuple(self._active.values())

    def happened(self, name: str) -> int:
        """How often the fault has happened."""
        with self._guard:
            return self._happened.get(name, 0)
