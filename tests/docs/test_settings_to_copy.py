"""Lines for ``.env`` can be copied as they are."""

from __future__ import annotations

import re

import pytest

from .markdown import Block, all_blocks

VARIABLE = re.compile(r"^[A-Z][A-Z0-9_]*=(.*)$", re.MULTILINE)

SETTINGS = [block for block in all_blocks("sh") if VARIABLE.search(block.text)]


@pytest.mark.parametrize("block", SETTINGS, ids=str)
def test_no_comment_follows_a_value(block: Block) -> None:
    # Readers of such files do not agree on whether it belongs to the value.
    assert [value for value in VARIABLE.findall(block.text) if " #" in value] == []


def test_there_are_such_lines() -> None:
    assert len(SETTINGS) >= 4
