"""Every code that a run's errors carry is explained."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hookline.core
import hookline.sdk
from hookline.core.codes import CODES
from hookline.core.runtime_codes import RUNTIME_CODES

SOURCES = [
    Path(hookline.core.__file__).parent / "decide.py",
    Path(hookline.core.__file__).parent / "state.py",
    Path(hookline.core.__file__).parent / "reopen.py",
    Path(hookline.sdk.__file__).parent / "errors.py",
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_every_code_that_is_used_is_declared(source: Path) -> None:
    used = set(re.findall(r'"([A-Z]\d{3})"', source.read_text(encoding="utf-8")))
    assert used <= CODES.keys()


def test_every_declared_code_is_used() -> None:
    everything = Path(hookline.core.__file__).parent.parent.rglob("*.py")
    sources = [path for path in everything if path.name != "runtime_codes.py"]
    text = "".join(source.read_text(encoding="utf-8") for source in sources)
    assert [code.code for code in RUNTIME_CODES if f'"{code.code}"' not in text] == []


@pytest.mark.parametrize("code", RUNTIME_CODES, ids=lambda code: code.code)
def test_every_code_says_what_to_do(code: object) -> None:
    for text in (code.title, code.explanation, code.remedy):  # type: ignore[attr-defined]
        assert len(text) > 10
    assert not code.title.endswith(".")  # type: ignore[attr-defined]
    assert code.remedy.endswith(".")  # type: ignore[attr-defined]
