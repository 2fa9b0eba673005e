"""What a stable code says: the unit of `hookline explain` and of the error reference.

Each area declares its own list (`definition_codes`, `expressions.codes`, `runtime_codes`);
`hookline.core.codes` joins them and refuses a code that is declared twice.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Code"]


@dataclass(frozen=True, slots=True)
class Code:
    """One stable code.

    Attributes:
        code: A letter and three digits, never reused: ``D`` definition, ``X`` expression,
            ``R`` run and engine, ``C`` connectors and actions, ``S`` server and store.
        title: One line, without a full stop: what happened.
        explanation: One paragraph: when it happens and what Hookline does next.
        remedy: What the person should do, as an instruction.
    """

    code: str
    title: str
    explanation: str
    remedy: str
