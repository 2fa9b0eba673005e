"""What Slack takes in one message, checked before anything is sent.

Limits are those of the Block Kit reference (https://docs.slack.dev/reference/block-kit) and of the
constants in slack_sdk; the total over all blocks is not documented, it was met in practice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.sdk import BadInput

__all__ = ["check_message", "escape", "truncate_message"]

Json = Any

MAX_TEXT = 40_000
MAX_BLOCKS = 50
MAX_MARKDOWN = 12_000
MAX_CHARACTERS = 13_200
SAFE_CHARACTERS = 12_000
"""What is kept of all blocks together when a message is shortened: below every total ever refused."""

_LENGTHS: Mapping[str, Mapping[str, int]] = {
    "section": {"text": 3000},
    "header": {"text": 150},
    "image": {"image_url": 3000, "alt_text": 2000, "title": 2000},
    "input": {"label": 2000, "hint": 2000},
    "button": {"text": 75, "value": 2000, "url": 3000},
}
"""Characters of a member, by the type of its block or element. A text object counts by its text."""

_COUNTS: Mapping[str, Mapping[str, int]] = {
    "section": {"fields": 10},
    "context": {"elements": 10},
    "actions": {"elements": 25},
    "overflow": {"options": 5},
    "static_select": {"options": 100},
    "multi_static_select": {"options": 100},
    "radio_buttons": {"options": 10},
    "checkboxes": {"options": 10},
}
"""Entries of a list, by the type of the block or element that holds it."""

_EVERYWHERE: Mapping[str, int] = {"block_id": 255, "action_id": 255, "placeholder": 150}
_CONFIRM: Mapping[str, int] = {"title": 100, "text": 300, "confirm": 30, "deny": 30}
_OPTION: Mapping[str, int] = {"text": 75, "value": 150, "description": 75, "url": 3000}
_MAX_FIELD = 2000

_SHORTENED = "… (shortened)"
_CUT_ENTITY = re.compile(r"&[a-z]{0,3}$")
_CUT_LINK = re.compile(r"<[^<>]*$")


def escape(text: str) -> str:
    """Text in which nothing is a mention, a link or a command.

    Source: https://docs.slack.dev/messaging/formatting-message-text#escaping
    """
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def check_message(text: str, blocks: Sequence[Json]) -> None:
    """Refuse what Slack would refuse.

    Raises:
        BadInput: It breaks a limit; the message says where, as a JSON Pointer.
    """
    if not text:
        raise BadInput("/text is empty", hint="Slack shows it in notifications, also when there are blocks")
    _at_most(len(text), MAX_TEXT, "/text", "characters")
    _at_most(len(blocks), MAX_BLOCKS, "/blocks", "blocks")
    total = markdown = 0
    for place, block in enumerate(blocks):
        where = f"/blocks/{place}"
        if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
            raise BadInput(f"{where} is no block: an object with a type is expected")
        for pointer, node in _nodes(block, where):
            _check_node(node, pointer)
        length = sum(len(found) for found in _texts(block))
        markdown += length if block["type"] == "markdown" else 0
        total += length
    _at_most(markdown, MAX_MARKDOWN, "/blocks", "characters in markdown blocks")
    _at_most(total, MAX_CHARACTERS, "/blocks", "characters in all blocks")


def truncate_message(text: str, blocks: Sequence[Json]) -> tuple[str, list[Json], list[str]]:
    """A message that Slack takes, with what was cut from it.

    Only what people read is cut, and each cut ends in "…". A value, an address or an identifier that
    is too long stays as it is, for `check_message` to refuse: a shorter one would mean something else.

    Returns:
        The text, the blocks, and where something was cut, as JSON Pointers.
    """
    cuts: list[str] = []
    text = _cut(text, MAX_TEXT, "/text", cuts)
    kept: list[Json] = []
    room = SAFE_CHARACTERS
    for place, block in enumerate(blocks):
        where = f"/blocks/{place}"
        shorter = _shorten(block, where, cuts)
        length = sum(len(found) for found in _texts(shorter))
        is_last_place = len(kept) == MAX_BLOCKS - 1 and place < len(blocks) - 1
        if length > room or is_last_place:
            left_out = len(blocks) - place
            cuts.append(f"{where} and what follows ({left_out} blocks)")
            note = f"… {left_out} more {'block was' if left_out == 1 else 'blocks were'} left out"
            kept.append({"type": "context", "elements": [{"type": "plain_text", "text": note}]})
            break
        room -= length
        kept.append(shorter)
    return text, kept, cuts


def _shorten(block: Json, where: str, cuts: list[str]) -> Json:
    if not isinstance(block, Mapping):
        return block
    kind = block.get("type")
    found = dict(block)
    if kind in ("section", "header") and isinstance(found.get("text"), Mapping):
        found["text"] = _shorten_text(found["text"], _LENGTHS[kind]["text"], f"{where}/text", cuts)
    if kind == "markdown" and isinstance(found.get("text"), str):
        found["text"] = _cut(found["text"], SAFE_CHARACTERS, f"{where}/text", cuts)
    if kind == "section" and isinstance(found.get("fields"), list):
        found["fields"] = [
            _shorten_text(entry, _MAX_FIELD, f"{where}/fields/{place}", cuts)
            for place, entry in enumerate(found["fields"])
        ]
    if kind == "image" and isinstance(found.get("alt_text"), str):
        found["alt_text"] = _cut(found["alt_text"], _LENGTHS["image"]["alt_text"], f"{where}/alt_text", cuts)
    return found


def _shorten_text(value: Json, limit: int, where: str, cuts: list[str]) -> Json:
    if not isinstance(value, Mapping) or not isinstance(value.get("text"), str):
        return value
    return {**value, "text": _cut(value["text"], limit, where, cuts)}


def _cut(text: str, limit: int, where: str, cuts: list[str]) -> str:
    if len(text) <= limit:
        return text
    cuts.append(where)
    kept = text[: limit - len(_SHORTENED)]
    # Half of an escaped character, or of a link, would be shown as what it is not.
    return _CUT_LINK.sub("", _CUT_ENTITY.sub("", kept)) + _SHORTENED


def _check_node(node: Mapping[str, Json], where: str) -> None:
    kind = node.get("type")
    _check_lengths(node, {**_EVERYWHERE, **_LENGTHS.get(str(kind), {})}, where)
    for name, limit in _COUNTS.get(str(kind), {}).items():
        if isinstance(node.get(name), list):
            _at_most(len(node[name]), limit, f"{where}/{name}", "entries")
    if kind == "section" and isinstance(node.get("fields"), list):
        for place, entry in enumerate(node["fields"]):
            _at_most(_length(entry), _MAX_FIELD, f"{where}/fields/{place}", "characters")
    if isinstance(node.get("confirm"), Mapping):
        _check_lengths(node["confirm"], _CONFIRM, f"{where}/confirm")
    if isinstance(node.get("options"), list):
        for place, option in enumerate(node["options"]):
            if isinstance(option, Mapping):
                _check_lengths(option, _OPTION, f"{where}/options/{place}")


def _check_lengths(node: Mapping[str, Json], limits: Mapping[str, int], where: str) -> None:
    for name, limit in limits.items():
        if name in node:
            _at_most(_length(node[name]), limit, f"{where}/{name}", "characters")


def _nodes(value: Json, where: str) -> Iterator[tuple[str, Mapping[str, Json]]]:
    """Every object inside a block that has a type, with its place."""
    if isinstance(value, Mapping):
        if isinstance(value.get("type"), str):
            yield where, value
        for key, item in value.items():
            yield from _nodes(item, f"{where}/{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _nodes(item, f"{where}/{place}")


def _texts(value: Json) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key == "text" and isinstance(item, str):
                yield item
            else:
                yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)


def _length(value: Json) -> int:
    if isinstance(value, Mapping):
        value = value.get("text")
    return len(value) if isinstance(value, str) else 0


def _at_most(found: int, limit: int, where: str, what: str) -> None:
    if found > limit:
        raise BadInput(
            f"{where} has {found:,} {what}; Slack takes {limit:,}",
            hint="shorten it, post it in parts, or set truncate",
        )
