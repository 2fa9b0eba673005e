"""Durations, sizes and amounts of money as they stand in a step's parameters."""

from __future__ import annotations

from hookline.core import units

from .errors import BadInput

__all__ = ["parse_duration", "parse_size", "parse_usd"]


def parse_duration(value: str | float, *, name: str) -> float:
    """Seconds of ``"90s"``, ``"10m"`` or ``"1h30m"``; a number is taken as seconds.

    Args:
        name: The parameter, for the message.

    Raises:
        BadInput: It is no duration, or longer than ten years.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= units.MAX_DURATION:
        return float(value)
    try:
        return units.parse_duration(value if isinstance(value, str) else repr(value))
    except units.UnitError as error:
        raise BadInput(f"{name}: {error}", hint=error.hint) from error


def parse_size(value: str | int, *, name: str) -> int:
    """Bytes of ``"25MB"`` or ``"25MiB"``; a number is taken as bytes.

    Args:
        name: The parameter, for the message.

    Raises:
        BadInput: It is no size.
    """
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63:
        return value
    try:
        return units.parse_size(value if isinstance(value, str) else repr(value))
    except units.UnitError as error:
        raise BadInput(f"{name}: {error}", hint=error.hint) from error


def parse_usd(value: str | float, *, name: str) -> float:
    """US dollars of ``"0.50 usd"``; a number is taken as US dollars.

    Args:
        name: The parameter, for the message.

    Raises:
        BadInput: It is no amount of US dollars.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9:
        return float(value)
    try:
        money = units.parse_money(value if isinstance(value, str) else repr(value))
    except units.UnitError as error:
        raise BadInput(f"{name}: {error}", hint=error.hint) from error
    if money.currency != "usd":
        raise BadInput(f"{name}: {money.currency} is not usd", hint='write it like "0.50 usd"')
    return float(money.amount)
