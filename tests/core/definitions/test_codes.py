"""The codes are complete and distinct."""

from __future__ import annotations

import re

import pytest

from hookline.core.code import Code
from hookline.core.codes import CODES, join_codes
from hookline.core.definition_codes import DEFINITION_CODES


def test_every_code_says_what_happened_and_what_to_do() -> None:
    for name, code in CODES.items():
        assert re.fullmatch(r"[A-Z]\d{3}", name)
        assert name == code.code
        assert not code.title.endswith(".")
        assert code.explanation.endswith(".")
        assert code.remedy.rstrip(".").strip()


def test_definition_codes_are_in_order() -> None:
    names = [code.code for code in DEFINITION_CODES]
    assert names == sorted(names)
    assert all(name.startswith("D") for name in names)


def test_a_code_declared_twice_is_refused() -> None:
    code = Code("D999", "Title", "Explanation.", "Remedy.")
    with pytest.raises(ValueError, match="D999"):
        join_codes([code], [code])
