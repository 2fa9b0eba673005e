"""Durations, sizes and money as they are written in a workflow.

Durations are ``"250ms"``, ``"90s"``, ``"10m"``, ``"2h"``, ``"7d"`` or several parts from the largest to
the smallest (``"1h30m"``). Sizes are decimal (``"25MB"``) or binary (``"25MiB"``). Money is an amount
and a currency code (``"0.50 usd"``).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

__all__ = [
    "MAX_DURATION",
    "Money",
    "UnitError",
    "format_duration",
    "format_money",
    "format_size",
    "format_usd",
    "parse_duration",
    "parse_money",
    "parse_size",
]

MAX_DURATION = 3650 * 86400.0
"""The longest duration, ten years in seconds: longer ones overflow timestamps in some databases."""

_DURATION_UNITS: dict[str, Decimal] = {
    "w": Decimal(604800),
    "d": Decimal(86400),
    "h": Decimal(3600),
    "m": Decimal(60),
    "s": Decimal(1),
    "ms": Decimal("0.001"),
}
_DURATION_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?)(ms|[wdhms])", re.ASCII)

_SIZE_UNITS: dict[str, int] = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_SIZE = re.compile(r"([0-9]{1,18}(?:\.[0-9]{1,6})?) ?((?:[kmgt]i?)?b)", re.ASCII | re.IGNORECASE)
_MAX_SIZE = 2**63 - 1

_MONEY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([A-Za-z]{3})", re.ASCII)

_SHOWN = 40


class UnitError(ValueError):
    """A text is not a duration, a size or an amount of money.

    Attributes:
        message: What is wrong, naming the text.
        hint: How to write it.
    """

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Money:
    """An amount of money.

    Attributes:
        amount: The amount, never negative, at most six decimal places.
        currency: ISO 4217 code in lower case, for example ``usd``.
    """

    amount: Decimal
    currency: str


def parse_duration(text: str) -> float:
    """Read a duration such as ``"10m"`` or ``"1h30m"``.

    Returns:
        Seconds, from 0 to `MAX_DURATION`.

    Raises:
        UnitError: The text is not a duration or is longer than ten years.
    """
    hint = 'write a number and a unit: "250ms", "90s", "10m", "2h", "7d" or "1h30m"'
    total = Decimal(0)
    previous: Decimal | None = None
    position = 0
    while position < len(text):
        part = _DURATION_PART.match(text, position)
        if part is None:
            break
        unit = _DURATION_UNITS[part[2]]
        if previous is not None and unit >= previous:
            break
        total += Decimal(part[1]) * unit
        previous = unit
        position = part.end()
    if position != len(text) or not text:
        raise UnitError(f"{_shown(text)} is not a duration", hint)
    if total > Decimal(MAX_DURATION):
        raise UnitError(f"{_shown(text)} is longer than ten years", "use at most 3650d")
    return float(total)


def format_duration(seconds: float) -> str:
    """Write a duration in the form `parse_duration` reads, rounded to a millisecond.

    Args:
        seconds: Seconds, not negative.

    Raises:
        ValueError: ``seconds`` is negative or not finite.
    """
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"a duration is a finite number of seconds, not negative: {seconds!r}")
    rest = round(seconds * 1000)
    if rest == 0:
        return "0s"
    parts: list[str] = []
    for unit, milliseconds in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, milliseconds)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def parse_size(text: str) -> int:
    """Read a size such as ``"25MB"`` (decimal) or ``"25MiB"`` (binary), in any case of letters.

    Returns:
        Bytes, from 0 to 2^63 - 1.

    Raises:
        UnitError: The text is not a size, or not a whole number of bytes.
    """
    match = _SIZE.fullmatch(text)
    if match is None:
        raise UnitError(
            f"{_shown(text)} is not a size", 'write a number and a unit: "500KB", "25MB", "1GB" or "25MiB"'
        )
    size = Decimal(match[1]) * _SIZE_UNITS[match[2].lower()]
    if size != size.to_integral_value() or size > _MAX_SIZE:
        raise UnitError(
            f"{_shown(text)} is not a whole number of bytes below 2^63",
            "use a smaller unit or fewer decimals",
        )
    return int(size)


def format_size(size: int) -> str:
    """Write a number of bytes for a person, for example ``25MB`` or ``1.5GB``, to one decimal place."""
    if size < 1000:
        return f"{size}B"
    amount = float(size)
    for unit in ("KB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95:
            return f"{amount:.1f}".removesuffix(".0") + unit
    return f"{amount / 1000:.1f}".removesuffix(".0") + "TB"


def parse_money(text: str) -> Money:
    """Read an amount of money such as ``"0.50 usd"``.

    Raises:
        UnitError: The text is not an amount of at most six decimal places and a currency code.
    """
    match = _MONEY.fullmatch(text)
    if match is None:
        raise UnitError(
            f"{_shown(text)} is not an amount of money", 'write an amount and a currency: "0.50 usd"'
        )
    return Money(Decimal(match[1]), match[2].lower())


def format_money(money: Money) -> str:
    """Write money in the form `parse_money` reads."""
    return f"{money.amount:f} {money.currency}"


def format_usd(amount: float) -> str:
    """Write an amount of US dollars for a person, without the currency: ``12.50``, ``0.0135``, ``0.0000096``.

    What is less than a cent keeps two digits that say something; no exponent is ever used.
    """
    size = abs(amount)
    places = 4 if size == 0 or size >= 0.01 else 1 - math.floor(math.log10(size))
    whole, _, part = f"{amount:.{places}f}".partition(".")
    return f"{whole}.{part.rstrip('0'):0<2}"


def _shown(text: str) -> str:
    return f'"{text}"' if len(text) <= _SHOWN else f'"{text[:_SHOWN]}…"'
