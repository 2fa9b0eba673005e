"""Dataclasses that nobody changes, without paying for it each time one is made.

A frozen dataclass sets each field through ``object.__setattr__``, which takes three times as long as an
assignment, and a run of three small steps makes some twenty of them: a tenth of the processor time that
taking it in costs. So here the type checker alone sees to it that nobody assigns to a field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["value"]

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(*, frozen: bool, slots: bool):
        """`dataclasses.dataclass`; what is frozen for the type checker is only hashable at run time."""
        return dataclass(slots=slots, unsafe_hash=frozen)
