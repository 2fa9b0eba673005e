"""Block Kit as Slack checks it, as far as messages go.

Source: https://docs.slack.dev/reference/block-kit/blocks and the constants of slack_sdk.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hookline.testing.slack.arguments import SlackError

__all__ = ["check_blocks"]

Json = Any

MAX_BLOCKS = 50
MAX_CHARACTERS = 13_200
"""Undocumented; users met ``msg_blocks_too_long`` at about this many characters over all blocks."""

MAX_MARKDOWN = 12_000
_TEXT_LIMITS = {"section": 3000, "header": 150}
_KINDS = frozenset(
    {
        "actions",
        "call",
        "context",
        "context_actions",
        "divider",
        "file",
        "header",
        "image",
        "input",
        "markdown",
        "rich_text",
        "section",
        "table",
        "video",
    }
)


def check_blocks(blocks: Json) -> None:
    """Refuse what Slack refuses.

    Raises:
        SlackError: ``invalid_blocks`` with the place, or ``msg_blocks_too_long``.
    """
    if not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if len(blocks) > MAX_BLOCKS:
        raise _invalid(f"no more than {MAX_BLOCKS} items allowed", "/blocks")
    total = 0
    for place, block in enumerate(blocks):
        where = f"/blocks/{place}"
        if not isinstance(block, Mapping) or block.get("type") not in _KINDS:
            raise _invalid("unsupported type", f"{where}/type")
        total += _check_block(block, where)
    if total > MAX_CHARACTERS:
        raise SlackError("msg_blocks_too_long")


def _check_block(block: Mapping[str, Json], where: str) -> int:
    """Check one block; returns how many characters of text it has."""
    kind, text = block["type"], block.get("text")
    if kind in ("header", "section") and text is not None:
        only = "plain_text" if kind == "header" else None
        return _check_text(text, f"{where}/text", _TEXT_LIMITS[kind], only) + _check_fields(block, where)
    if kind == "section":
        if not block.get("fields"):
            raise _invalid("missing required field: text or fields", where)
        return _check_fields(block, where)
    if kind == "header":
        raise _invalid("missing required field: text", where)
    if kind == "markdown":
        if not isinstance(text, str) or len(text) > MAX_MARKDOWN:
            raise _invalid(f"must be a text of at most {MAX_MARKDOWN} characters", f"{where}/text")
        return len(text)
    if kind == "image":
        if not isinstance(block.get("alt_text"), str):
            raise _invalid("missing required field: alt_text", where)
        if not block.get("image_url") and not block.get("slack_file"):
            raise _invalid("missing required field: image_url", where)
    if kind in ("actions", "context"):
        most = 25 if kind == "actions" else 10
        elements = block.get("elements")
        if not isinstance(elements, list) or not 1 <= len(elements) <= most:
            raise _invalid(f"must have 1 to {most} items", f"{where}/elements")
        for number, element in enumerate(elements):
            _check_element(element, f"{where}/elements/{number}")
    return 0


def _check_fields(block: Mapping[str, Json], where: str) -> int:
    fields = block.get("fields")
    if fields is None:
        return 0
    if not isinstance(fields, list) or not 1 <= len(fields) <= 10:
        raise _invalid("must have 1 to 10 items", f"{where}/fields")
    return sum(_check_text(each, f"{where}/fields/{n}", 2000, None) for n, each in enumerate(fields))


def _check_element(element: Json, where: str) -> None:
    if not isinstance(element, Mapping) or not isinstance(element.get("type"), str):
        raise _invalid("unsupported type", f"{where}/type")
    if element["type"] == "button":
        _check_text(element.get("text"), f"{where}/text", 75, "plain_text")
        for name, limit in (("action_id", 255), ("value", 2000), ("url", 3000)):
            if name in element and not 1 <= len(str(element[name])) <= limit:
                raise _invalid(f"must be 1 to {limit} characters", f"{where}/{name}")


def _check_text(text: Json, where: str, limit: int, only: str | None) -> int:
    if not isinstance(text, Mapping) or not isinstance(text.get("text"), str):
        raise _invalid("must be an object with a text", where)
    if text.get("type") not in ((only,) if only else ("plain_text", "mrkdwn")):
        raise _invalid("unsupported type", f"{where}/type")
    length = len(text["text"])
    if not 1 <= length <= limit:
        message = f"must be less than {limit + 1} characters" if length else "must be more than 0 characters"
        raise _invalid(message, f"{where}/text")
    return length


def _invalid(message: str, pointer: str) -> SlackError:
    return SlackError("invalid_blocks", f"[ERROR] {message} [json-pointer:{pointer}]")
