"""Block Kit's limits: refused with a place, or cut and announced."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput

limits = import_room("connectors.slack.limits")


def _plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def _actions(element: dict[str, Any]) -> list[Any]:
    return [{"type": "actions", "elements": [element]}]


@pytest.mark.parametrize(
    ("blocks", "where"),
    [
        (_actions({"type": "button", "text": _plain("x" * 76)}), "/blocks/0/elements/0/text"),
        (_actions({"type": "button", "url": "x" * 3001}), "/blocks/0/elements/0/url"),
        (_actions({"type": "button", "action_id": "x" * 256}), "/blocks/0/elements/0/action_id"),
        (_actions({"type": "button", "confirm": {"title": _plain("x" * 101)}}), "/elements/0/confirm/title"),
        (_actions({"type": "button", "confirm": {"text": _plain("x" * 301)}}), "/elements/0/confirm/text"),
        (_actions({"type": "button", "confirm": {"deny": _plain("x" * 31)}}), "/elements/0/confirm/deny"),
        (_actions({"type": "overflow", "options": [{}] * 6}), "/elements/0/options"),
        (_actions({"type": "static_select", "options": [{}] * 101}), "/elements/0/options"),
        (
            _actions({"type": "static_select", "options": [{"text": _plain("x" * 76)}]}),
            "/elements/0/options/0/text",
        ),
        (
            _actions({"type": "static_select", "options": [{"value": "x" * 151}]}),
            "/elements/0/options/0/value",
        ),
        (_actions({"type": "static_select", "placeholder": _plain("x" * 151)}), "/elements/0/placeholder"),
        ([{"type": "input", "label": _plain("x" * 2001)}], "/blocks/0/label"),
        ([{"type": "image", "image_url": "x" * 3001}], "/blocks/0/image_url"),
        ([{"type": "context", "elements": [_plain("x")] * 11}], "/blocks/0/elements"),
    ],
)
def test_a_limit_is_named_with_its_place(blocks: list[Any], where: str) -> None:
    with pytest.raises(BadInput, match="Slack takes") as caught:
        limits.check_message("hi", blocks)
    assert where in caught.value.message


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("x" * 50_000, []),
        ("hi", [_section("x" * 4000)]),
        ("hi", [{"type": "header", "text": _plain("x" * 400)}]),
        ("hi", [{"type": "section", "fields": [_plain("x" * 2500)] * 10}]),
        ("hi", [{"type": "markdown", "text": "x" * 20_000}]),
        ("hi", [{"type": "divider"}] * 80),
        ("hi", [_section("x" * 2900)] * 20),
        ("hi", [{"type": "image", "alt_text": "x" * 3000, "image_url": "https://a.example/b.png"}]),
    ],
)
def test_what_is_cut_is_taken_and_announced(text: str, blocks: list[Any]) -> None:
    with pytest.raises(BadInput):
        limits.check_message(text, blocks)
    shorter, kept, cuts = limits.truncate_message(text, blocks)
    limits.check_message(shorter, kept)
    assert cuts
    shown = shorter + str(kept)
    assert "… (shortened)" in shown or "left out" in shown


def test_what_fits_is_left_alone() -> None:
    blocks = [_section("x" * 3000), {"type": "divider"}]
    assert limits.truncate_message("hi", blocks) == ("hi", blocks, [])


@pytest.mark.parametrize("tail", ["&amp;", "&lt;", "<https://a.example|link>"])
def test_a_cut_leaves_no_half_of_an_escape_or_link(tail: str) -> None:
    for shift in range(len(tail) + 2):
        text = "x" * (limits.MAX_TEXT - len("… (shortened)") - shift) + tail + "y" * 50
        shorter, _, cuts = limits.truncate_message(text, [])
        assert cuts == ["/text"]
        assert len(shorter) <= limits.MAX_TEXT
        body = shorter.removesuffix("… (shortened)").lstrip("x")
        assert body in ("", tail) or body.startswith(f"{tail}y")


def test_values_and_addresses_are_never_cut() -> None:
    blocks = _actions({"type": "button", "text": _plain("ok"), "value": "x" * 2001})
    shorter, kept, cuts = limits.truncate_message("hi", blocks)
    assert cuts == []
    with pytest.raises(BadInput, match="value"):
        limits.check_message(shorter, kept)
