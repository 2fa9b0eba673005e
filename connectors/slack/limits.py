"""What Slack takes in one message, checked before anything is sent.

Limits are those of the Block Kit reference (https://api.slack.com/reference/block-kit/blocks) and of
the constants in slack_sdk; the total over all blocks is not documented, it was met in practice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hookline.sdk import BadInput

__all__ = ["check_message", "escape"]

Json = Any

MAX_TEXT = 40_000
MAX_BLOCKS = 50
MAX_MARKDOWN = 12_000
MAX_CHARACTERS = 13_200

_LENGTHS: Mapping[str, Mapping[str, int]] = {
    "section": {"text": 3000},
    "header": {"text": 150},
    "image": {"image_url": 3000, "alt_text": 2000, "title": 2000},
    "button": {"text": 75, "value": 2000, "url": 3000},
}
"""Characters of a member, by the type of its block or element. A text object counts by its text."""

_COUNTS: Mapping[str, Mapping[str, int]] = {
    "section": {"fields": 10},
    "context": {"elements": 10},
    "actions": {"elements": 25},
    "overflow": {"options": 5},
    "static_select": {"options": 100},
}
"""Entries of a list, by the type of the block or element that holds it."""

_EVERYWHERE: Mapping[str, int] = {"block_id": 255, "action_id": 255}
_MAX_FIELD = 2000


def escape(text: str) -> str:
    """Text in which nothing is a mention, a link or a command (https://api.slack.com/reference/surfaces/formatting)."""
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


def _check_node(node: Mapping[str, Json], where: str) -> None:
    kind = node.get("type")
    for name, limit in {**_EVERYWHERE, **_LENGTHS.get(str(kind), {})}.items():
        if name in node:
            _at_most(_length(node[name]), limit, f"{where}/{name}", "characters")
    for name, limit in _COUNTS.get(str(kind), {}).items():
        if isinstance(node.get(name), list):
            _at_most(len(node[name]), limit, f"{where}/{name}", "entries")
    if kind == "section" and isinstance(node.get("fields"), list):
        for place, entry in enumerate(node["fields"]):
            _at_most(_length(entry), _MAX_FIELD, f"{where}/fields/{place}", "characters")


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
            f"{where} has {found:,} {what}; Slack takes {limit:,}", hint="shorten it, or post it in parts"
        )
