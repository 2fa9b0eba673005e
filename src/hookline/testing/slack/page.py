"""The inbox as a page for people."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Any

from hookline.testing.slack.records import Message, UploadedFile

__all__ = ["render"]

_STYLE = """
:root { color-scheme: light dark; font-family: system-ui, sans-serif; line-height: 1.45 }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin-top: 2rem }
article { border: 1px solid #8886; border-radius: .5rem; padding: .6rem .9rem; margin: .6rem 0 }
article.reply { margin-left: 2rem } time, .meta { opacity: .7; font-size: .85rem }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: .3rem 0 }
"""


def render(messages: Sequence[Message], files: Callable[[str], UploadedFile | None]) -> str:
    """All messages by channel, newest first."""
    parts = [
        "<!doctype html><html lang='en'><head><meta charset='utf-8'><title>Slack stand-in</title>",
        f"<meta name='viewport' content='width=device-width'><meta http-equiv='refresh' content='5'>"
        f"<style>{_STYLE}</style></head><body><main><h1>Slack stand-in: {len(messages)} messages</h1>",
    ]
    if not messages:
        parts.append("<p>Nothing has been posted yet. This page looks again every five seconds.</p>")
    for channel in sorted({message.channel.name for message in messages}):
        parts.append(f"<h2>#{escape(channel)}</h2>")
        for message in reversed(messages):
            if message.channel.name == channel:
                parts.append(_article(message, files))
    parts.append("</main></body></html>")
    return "".join(parts)


def _article(message: Message, files: Callable[[str], UploadedFile | None]) -> str:
    moment = datetime.fromtimestamp(float(message.ts), UTC)
    reply = " class='reply'" if message.thread_ts not in (None, message.ts) else ""
    lines = [
        f"<article{reply}><strong>{escape(message.username or 'hookline')}</strong> ",
        f"<time datetime='{moment.isoformat()}'>{moment:%H:%M:%S} UTC</time>",
        " <span class='meta'>(edited)</span>" if message.edited_at is not None else "",
    ]
    if message.text:
        lines.append(f"<div class='text'>{_text(message.text)}</div>")
    for block in message.blocks:
        lines.append(_block(block))
    for file_id in message.file_ids:
        file = files(file_id)
        if file is not None:
            lines.append(
                f"<p><a href='/files/{escape(file.id)}'>{escape(file.title or file.name)}</a> "
                f"<span class='meta'>{len(file.data or b'')} bytes</span></p>"
            )
    lines.append("</article>")
    return "".join(lines)


def _text(text: str) -> str:
    """Slack takes ``&``, ``<`` and ``>`` escaped and links as ``<url|label>``; http(s) links become links."""

    def link(found: re.Match[str]) -> str:
        target, _, label = found.group(1).partition("|")
        if not re.match(r"https?://", target):
            return escape(found.group(0))
        address = escape(_plain(target), quote=True)
        return f"<a rel='noreferrer' href='{address}'>{escape(_plain(label or target))}</a>"

    pieces: list[str] = []
    end = 0
    for found in re.finditer(r"<([^<>]+)>", text):
        pieces += [escape(_plain(text[end : found.start()])), link(found)]
        end = found.end()
    return "".join([*pieces, escape(_plain(text[end:]))])


def _plain(text: str) -> str:
    return text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def _block(block: Any) -> str:
    text = block.get("text")
    content = text.get("text", "") if isinstance(text, dict) else ""
    kind = escape(str(block["type"]))
    if content:
        return f"<div class='text'><span class='meta'>{kind}:</span> {_text(str(content))}</div>"
    return f"<div class='text meta'>{kind}: {escape(json.dumps(block, ensure_ascii=False))}</div>"
