"""Start a workflow for every new item of a feed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from hookline.sdk import Field, MalformedOutput, Poll, TriggerContext, trigger

from ._feeds.feed import NotAFeed, read_feed
from ._feeds.fetch import fetch, remembered
from ._feeds.news import sort_out

__all__ = ["rss"]

MAX_EVENTS = 200
"""Items of one look; the next one goes on at once."""

_ACCEPT = "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.1"

_TEXT = {"type": "string"}
_TIME: dict[str, Any] = {"type": ["string", "null"], "format": "date-time"}

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id": {**_TEXT, "description": "The item's own identity, else its link."},
        "link": {**_TEXT, "description": "Where the item is; empty when it has no link."},
        "title": _TEXT,
        "summary": {**_TEXT, "description": "Text or HTML, as it came."},
        "content": {**_TEXT, "description": "Text or HTML, as it came; empty when there is only a summary."},
        "author": _TEXT,
        "published_at": {**_TIME, "description": "In UTC; null when the feed gives no readable time."},
        "updated_at": {**_TIME, "description": "Likewise."},
        "categories": {"type": "array", "items": _TEXT},
        "enclosures": {
            "type": "array",
            "description": "Files that belong to the item.",
            "items": {
                "type": "object",
                "properties": {
                    "url": _TEXT,
                    "mime": _TEXT,
                    "bytes": {"type": ["integer", "null"], "description": "As the feed says."},
                },
                "required": ["url", "mime", "bytes"],
                "additionalProperties": False,
            },
        },
        "feed_title": _TEXT,
    },
    "required": [
        *("id", "link", "title", "summary", "content", "author", "published_at", "updated_at"),
        *("categories", "enclosures", "feed_title"),
    ],
    "additionalProperties": False,
}


@trigger(
    "rss",
    kind="poll",
    interval=900.0,
    output=_EVENT,
    docs="https://www.rssboard.org/rss-specification",
    sample={
        "id": "https://example.com/posts/17",
        "link": "https://example.com/posts/17",
        "title": "A new lighthouse",
        "summary": "It was lit yesterday.",
        "content": "<p>It was lit yesterday.</p>",
        "author": "Ada",
        "published_at": "2026-03-02T08:00:00Z",
        "updated_at": None,
        "categories": ["news"],
        "enclosures": [{"url": "https://example.com/17.mp3", "mime": "audio/mpeg", "bytes": 123456}],
        "feed_title": "Example",
    },
)
async def rss(
    ctx: TriggerContext,
    url: Annotated[
        str,
        Field(
            "Address of the feed.", format="uri", max_length=2048, examples=["https://example.com/feed.xml"]
        ),
    ],
    dedupe: Annotated[
        str,
        Field(
            "What makes an item the same as one before. To be told of changed items too, add its time.",
            advanced=True,
            examples=["{{ trigger.link }}", "{{ trigger.id }} {{ trigger.updated_at }}"],
        ),
    ] = "{{ trigger.id }}",
    start_from: Annotated[
        Literal["now", "all"],
        Field(
            "What becomes of items that are there already at the first look.",
            options={"now": "They are remembered and start nothing.", "all": "Each of them starts a run."},
        ),
    ] = "now",
    interval: Annotated[
        str, Field("Time between two looks; 15m when left out.", format="duration", advanced=True)
    ] = "",
) -> Poll:
    """Feed.

    Starts a run for every new item of an RSS, Atom or JSON feed. The feed is only transferred when it has
    changed, where its server can tell. An item that comes back later, or whose text is changed, starts
    nothing again.
    """
    before = ctx.cursor if isinstance(ctx.cursor, Mapping) else {}
    answer = await fetch(ctx.http, url, headers={}, params={}, known=before.get("known"), accept=_ACCEPT)
    if answer is None:
        return Poll(cursor=ctx.cursor)
    try:
        items = read_feed(answer.content, url)
    except NotAFeed as error:
        raise MalformedOutput(f"the feed cannot be read: {error}") from error
    news = sort_out(ctx, dedupe, items, seed=ctx.cursor is None and start_from == "now")
    # Feeds have their newest item first.
    news.events.reverse()
    news.events.sort(key=lambda event: event.data["published_at"] or event.data["updated_at"] or "")
    left = len(news.events) > MAX_EVENTS
    return Poll(
        events=news.events[:MAX_EVENTS],
        skipped=news.skipped,
        baseline=news.baseline,
        # Until all of its items are taken, the feed must not be thought of as known.
        cursor={"known": None if left else remembered(answer, url, {})},
        next_at=ctx.now() if left else None,
    )
