"""What an action says of a rendered parameter that it cannot take."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.engine.loader import load_registry
from hookline.engine.parameters import checked
from hookline.sdk import BadInput

ACTIONS = load_registry(plugins=()).actions


@pytest.mark.parametrize(
    ("name", "values", "hint"),
    [
        ("log", {"message": 200}, "write {{ string(…) }}"),
        ("log", {"message": True}, "write {{ string(…) }}"),
        ("log", {"message": ["a"]}, "write {{ json(…) }}"),
        ("http.request", {"url": "https://example.com", "follow_redirects": "2"}, "write {{ int(…) }}"),
        ("log", {}, "hookline connectors show log"),
    ],
)
def test_a_value_of_another_type_is_told_its_conversion(name: str, values: dict[str, Any], hint: str) -> None:
    with pytest.raises(BadInput) as caught:
        checked(ACTIONS[name], values)
    assert caught.value.code == "R209"
    assert hint in caught.value.hint
