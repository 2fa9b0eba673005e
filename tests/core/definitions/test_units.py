from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.units import (
    Money,
    UnitError,
    format_duration,
    format_money,
    format_size,
    format_usd,
    parse_duration,
    parse_money,
    parse_size,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0s", 0.0),
        ("250ms", 0.25),
        ("90s", 90.0),
        ("10m", 600.0),
        ("2h", 7200.0),
        ("7d", 604800.0),
        ("2w", 1209600.0),
        ("1.5h", 5400.0),
        ("1h30m", 5400.0),
        ("1d2h3m4s5ms", 93784.005),
        ("3650d", 315360000.0),
    ],
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "m",
        "-1s",
        "+1s",
        "1 h",
        "1H",
        "1m1h",
        "1m1m",
        "1e3s",
        "٣s",
        "1s ",
        "3651d",
        "9" * 5000,
        "1s\n",
        "∞s",
    ],
)
def test_what_is_no_duration_is_refused_with_a_hint(text: str) -> None:
    with pytest.raises(UnitError) as refused:
        parse_duration(text)
    assert refused.value.hint
    assert len(refused.value.message) < 100


@given(st.integers(min_value=0, max_value=315_360_000_000))
def test_a_written_duration_reads_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(
        milliseconds / 1000, abs=0.0005
    )


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
def test_a_duration_that_is_none_is_not_written(seconds: float) -> None:
    with pytest.raises(ValueError):
        format_duration(seconds)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("25MB", 25_000_000),
        ("25 mb", 25_000_000),
        ("1KiB", 1024),
        ("1.5GB", 1_500_000_000),
        ("2TiB", 2 << 40),
    ],
)
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "25", "25M", "-1B", "0.5B", "1.0001KB", "99999999TB", "1 XB", "1ib"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0B"),
        (999, "999B"),
        (1500, "1.5KB"),
        (25_000_000, "25MB"),
        (999_990_000, "1GB"),
        (5 * 10**15, "5000TB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert format_size(size) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00"),
        (12.5, "12.50"),
        (1234.56789, "1234.5679"),
        (0.0135, "0.0135"),
        (0.5, "0.50"),
        (0.00000956, "0.0000096"),
        (0.000025, "0.000025"),
        (0.0099999, "0.01"),
        (-0.00012, "-0.00012"),
    ],
)
def test_dollars_are_written_for_people(amount: float, text: str) -> None:
    assert format_usd(amount) == text


def test_money_is_read_exactly() -> None:
    assert parse_money("0.10 USD") == Money(Decimal("0.10"), "usd")
    assert parse_money("20usd") == Money(Decimal(20), "usd")


@pytest.mark.parametrize("text", ["", "1", "usd", "-1 usd", "1e9 usd", "1.0000001 usd", "1 dollars", "$1"])
def test_what_is_no_money_is_refused(text: str) -> None:
    with pytest.raises(UnitError):
        parse_money(text)


@given(st.decimals(min_value=0, max_value=999_999_999_999, places=4))
def test_written_money_reads_back(amount: Decimal) -> None:
    assert parse_money(format_money(Money(amount, "usd"))) == Money(amount, "usd")
