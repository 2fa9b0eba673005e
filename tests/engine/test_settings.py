"""Settings: what a line of ``.env`` means."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookline.engine.settings import SettingsError, load_settings


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("NAME=a-long-random-text      # in .env", "a-long-random-text"),
        ("NAME=text\t# a tab before it", "text"),
        ("export NAME = text", "text"),
        ("NAME=two words # and why", "two words"),
        ("NAME=a#b", "a#b"),
        ("NAME=#fff", "#fff"),
        ("NAME= # nothing yet", ""),
        ("NAME=", ""),
        ('NAME="a # b"', "a # b"),
        ("NAME='a # b' # why", "a # b"),
        ('NAME="it\'s"', "it's"),
        ('NAME="a" # the "best"', "a"),
        ("NAME='a'b'", "a'b"),
        ("NAME='", "'"),
        ("NAME=a=b", "a=b"),
    ],
)
def test_the_value_of_a_line(tmp_path: Path, line: str, value: str) -> None:
    (tmp_path / ".env").write_text(f"# first\n\n{line}\nLAST=1\n")
    environment = load_settings(tmp_path, {}).environment
    assert environment == {"NAME": value, "LAST": "1"}


def test_a_line_that_sets_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("A=1\nnonsense\n")
    with pytest.raises(SettingsError, match="line 2"):
        load_settings(tmp_path, {})
