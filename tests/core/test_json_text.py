"""Compact JSON text."""

from __future__ import annotations

import json
import json.encoder
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.core.json_text import json_encoder

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@given(VALUES)
def test_it_writes_what_the_json_module_writes(value: Any) -> None:
    wanted = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    assert json_encoder(allow_nan=False)(value) == wanted
    assert json_encoder(allow_nan=True)(value) == wanted


@pytest.mark.parametrize("wrong", [{1, 2}, float("nan"), {"a": [float("inf")]}, object(), b"bytes"])
def test_what_is_no_json_is_refused(wrong: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        json_encoder(allow_nan=False)(wrong)


def test_a_value_that_refers_to_itself_is_refused() -> None:
    value: dict[str, Any] = {}
    value["again"] = [value]
    with pytest.raises((ValueError, RecursionError)):
        json_encoder(allow_nan=False)(value)


def test_threads_share_an_encoder() -> None:
    encode = json_encoder(allow_nan=False)
    shared = {"items": [{"n": n} for n in range(50)]}
    wrong: list[str] = []

    def write() -> None:
        wrong.extend(text for text in (encode(shared) for _ in range(200)) if json.loads(text) != shared)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_it_works_where_python_has_no_encoder_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    assert json_encoder(allow_nan=False)({"ä": [1, None]}) == '{"ä":[1,null]}'
