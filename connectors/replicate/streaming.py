"""The words of a prediction while they are made, for whoever looks at the run.

The stream is only shown. What the step gives is read from the prediction, whatever the stream said,
wherever it broke off, and if nobody ever looked. Replicate does not say whether a stream that is
opened late begins at the start, so both are understood: what the prediction shows of its output by
then is shown first, and what the stream repeats of it is passed over.

The address is a capability on another host (https://stream.replicate.com), which needs no token and
gets none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from hookline.sdk import ActionError, WatchContext
from hookline.sdk.sse import SseParser

from .client import ReplicateClient

__all__ = ["show_stream"]

Json = Any

CONNECTED = 600.0
"""Seconds one connection is held at most; Replicate ends an idle one after 30 s itself."""

LARGEST = 16 * 1024 * 1024
"""Bytes read of one connection."""

IDLE = 10.0
"""Seconds after which the end of a silent connection is no failure: the model was starting, say."""

MAX_FAILURES = 5
"""Connections in a row that gave nothing, after which only the result is left to be waited for."""


async def show_stream(ctx: WatchContext, client: ReplicateClient, prediction: str) -> None:
    """Show the output of a prediction as text until it is over.

    Raises:
        ActionError: The prediction cannot be read.
    """
    failures = 0
    while failures < MAX_FAILURES:
        remote = await client.job(prediction)
        address, shown = _address(remote.body), _text(remote.output)
        if remote.done or address is None or shown is None:
            return
        if shown:
            ctx.progress(shown, replace=True)
        began = ctx.now()
        try:
            ended, came = await _follow(ctx, client, address, shown)
        except ActionError:
            ended, came = False, False
        if ended:
            return
        was_idle = (ctx.now() - began).total_seconds() >= IDLE
        failures = 0 if came or was_idle else failures + 1
        await asyncio.sleep(min(10.0, 2.0**failures) if failures else 0.5)


async def _follow(ctx: WatchContext, client: ReplicateClient, address: str, shown: str) -> tuple[bool, bool]:
    """Show one connection's words: whether the stream came to its end, and whether anything came."""
    http = client.http if client.owns(address) else ctx.http
    headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
    parser, repeated, came = SseParser(), _Repeated(shown), False
    async with http.stream("GET", address, headers=headers, timeout=CONNECTED, max_bytes=LARGEST) as answer:
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status != 200 or kind != "text/event-stream":
            return False, False
        async for piece in answer.pieces():
            try:
                events = list(parser.feed(piece))
            except ValueError:
                return False, came
            words = [event.data for event in events if event.event == "output"]
            came = came or bool(words)
            new = "".join(map(repeated.without, words))
            if new:
                ctx.progress(new)
            if any(event.event == "done" for event in events):
                return True, True
    return False, came


class _Repeated:
    """Takes out of a stream what is shown already: all of it from the start, or nothing."""

    def __init__(self, shown: str) -> None:
        self._shown = shown
        self._came = ""
        self._is_past = not shown

    def without(self, words: str) -> str:
        """What of these words is new."""
        if self._is_past:
            return words
        self._came += words
        if self._shown.startswith(self._came):
            return ""
        self._is_past = True
        return self._came.removeprefix(self._shown)


def _address(body: Mapping[str, Json]) -> str | None:
    """Where the text is streamed; None for a model that does not stream, or streams files."""
    urls = body.get("urls")
    address = urls.get("stream") if isinstance(urls, Mapping) else None
    if not isinstance(address, str):
        return None
    try:
        return None if urlsplit(address).path.startswith("/v1/files/") else address
    except ValueError:
        return None


def _text(output: Json) -> str | None:
    """The output so far as text; None when it is something else."""
    if output is None or isinstance(output, str):
        return output or ""
    if isinstance(output, list) and all(isinstance(item, str) for item in output):
        return "".join(output)
    return None
