"""RSS 0.9x, 1.0 and 2.0, Atom and JSON Feed, read into one shape.

Sources: https://www.rssboard.org/rss-specification, https://www.rfc-editor.org/rfc/rfc4287 (Atom),
https://www.jsonfeed.org/version/1.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin, urlsplit

from .xml import Node, UnsafeXml, read_xml

__all__ = ["NotAFeed", "read_feed"]

Json = Any

MAX_ITEMS = 1000
MAX_TEXT = 200_000
"""Characters of one text of an item."""

_ATOM = "http://www.w3.org/2005/Atom "
_RSS1 = "http://purl.org/rss/1.0/ "
_DC = "http://purl.org/dc/elements/1.1/ "
_CONTENT = "http://purl.org/rss/1.0/modules/content/ "
_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns# "


class NotAFeed(ValueError):
    """It cannot be read as a feed; the message says why."""


def read_feed(content: bytes, url: str) -> list[dict[str, Json]]:
    """The items, in the order in which they stand.

    Args:
        url: Address of the feed, for relative links.

    Raises:
        NotAFeed: It is none, or not one that is accepted.
    """
    if content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        items = _json_feed(content)
    else:
        items = _xml_feed(content)
    if len(items) > MAX_ITEMS:
        raise NotAFeed(f"the feed has more than {MAX_ITEMS} items")
    return [_finished(item, url) for item in items]


def _xml_feed(content: bytes) -> list[dict[str, Json]]:
    try:
        root = read_xml(content)
    except UnsafeXml as error:
        raise NotAFeed(str(error)) from error
    if root.name == f"{_ATOM}feed":
        title = _text(root, f"{_ATOM}title")
        return [_atom(entry, title) for entry in root.children(f"{_ATOM}entry")]
    if root.name == "rss" and (channel := root.child("channel")):
        title = _text(channel, "title")
        return [_rss(item, title) for item in channel.children("item")]
    if root.name == f"{_RDF}RDF":
        channel = root.child(f"{_RSS1}channel")
        title = _text(channel, f"{_RSS1}title") if channel else ""
        return [_rss(item, title, _RSS1) for item in root.children(f"{_RSS1}item")]
    raise NotAFeed(f"its root is {root.local[:40]!r}, and neither rss nor feed")


def _rss(item: Node, feed_title: str, space: str = "") -> dict[str, Json]:
    guid = item.child("guid")
    link = _text(item, f"{space}link")
    if not link and guid is not None and guid.attributes.get("isPermaLink", "true") == "true":
        link = guid.text
    author = _text(item, f"{_DC}creator", "author")
    published = _text(item, "pubDate", f"{_DC}date")
    return {
        "id": guid.text if guid is not None else item.attributes.get(f"{_RDF}about", ""),
        "link": link,
        "title": _text(item, f"{space}title"),
        "summary": _text(item, f"{space}description"),
        "content": _text(item, f"{_CONTENT}encoded"),
        "author": author,
        "published_at": published,
        "updated_at": "",
        "categories": [each.text for each in item.children("category", f"{_DC}subject")],
        "enclosures": [
            {
                "url": each.attributes.get("url", ""),
                "mime": each.attributes.get("type", ""),
                "bytes": each.attributes.get("length", ""),
            }
            for each in item.children("enclosure")
        ],
        "feed_title": feed_title,
    }


def _atom(entry: Node, feed_title: str) -> dict[str, Json]:
    links = [each.attributes for each in entry.children(f"{_ATOM}link")]
    own = [each.get("href", "") for each in links if each.get("rel", "alternate") == "alternate"]
    author = entry.child(f"{_ATOM}author")
    return {
        "id": _text(entry, f"{_ATOM}id"),
        "link": own[0] if own else "",
        "title": _text(entry, f"{_ATOM}title"),
        "summary": _text(entry, f"{_ATOM}summary"),
        "content": _text(entry, f"{_ATOM}content"),
        "author": _text(author, f"{_ATOM}name") if author else "",
        "published_at": _text(entry, f"{_ATOM}published"),
        "updated_at": _text(entry, f"{_ATOM}updated"),
        "categories": [each.attributes.get("term", "") for each in entry.children(f"{_ATOM}category")],
        "enclosures": [
            {"url": each.get("href", ""), "mime": each.get("type", ""), "bytes": each.get("length", "")}
            for each in links
            if each.get("rel") == "enclosure"
        ],
        "feed_title": feed_title,
    }


def _json_feed(content: bytes) -> list[dict[str, Json]]:
    try:
        feed = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise NotAFeed("it is not JSON") from error
    version = feed.get("version")
    if not isinstance(version, str) or "jsonfeed.org/version/" not in version:
        raise NotAFeed("it is JSON, and no JSON Feed")
    items = feed.get("items")
    return [
        _json_item(item, _shown(feed.get("title")))
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict)
    ]


def _json_item(item: Mapping[str, Json], feed_title: str) -> dict[str, Json]:
    authors = item.get("authors")
    first = authors[0] if isinstance(authors, list) and authors else item.get("author")
    tags, attachments = item.get("tags"), item.get("attachments")
    return {
        "id": _shown(item.get("id")),
        "link": _shown(item.get("url") or item.get("external_url")),
        "title": _shown(item.get("title")),
        "summary": _shown(item.get("summary")),
        "content": _shown(item.get("content_html") or item.get("content_text")),
        "author": _shown(first.get("name")) if isinstance(first, dict) else "",
        "published_at": _shown(item.get("date_published")),
        "updated_at": _shown(item.get("date_modified")),
        "categories": [_shown(each) for each in (tags if isinstance(tags, list) else [])],
        "enclosures": [
            {
                "url": _shown(each.get("url")),
                "mime": _shown(each.get("mime_type")),
                "bytes": _shown(each.get("size_in_bytes")),
            }
            for each in (attachments if isinstance(attachments, list) else [])
            if isinstance(each, dict)
        ],
        "feed_title": feed_title,
    }


def _finished(item: dict[str, Json], url: str) -> dict[str, Json]:
    """Texts that can be kept, absolute links, times in UTC, and an identity."""
    done = {name: _keepable(value) if isinstance(value, str) else value for name, value in item.items()}
    done["link"] = _absolute(url, done["link"])
    done["published_at"] = _time(done["published_at"])
    done["updated_at"] = _time(done["updated_at"])
    done["categories"] = [_keepable(each) for each in item["categories"] if each][:100]
    done["enclosures"] = [
        {
            "url": _absolute(url, _keepable(each["url"])),
            "mime": _keepable(each["mime"]),
            "bytes": int(each["bytes"]) if _is_size(each["bytes"]) else None,
        }
        for each in item["enclosures"][:100]
    ]
    done["id"] = done["id"] or done["link"] or _digest(done)
    return done


def _text(node: Node, *names: str) -> str:
    found = node.child(*names)
    return found.text if found is not None else ""


def _shown(value: Json) -> str:
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _keepable(text: str) -> str:
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")[:MAX_TEXT]


def _absolute(base: str, link: str) -> str:
    try:
        found = urljoin(base, link) if link else ""
        return found if urlsplit(found).scheme in ("http", "https") else ""
    except ValueError:
        return ""


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 16


def _time(text: str) -> str | None:
    """A date of RFC 5322 or RFC 3339, as ISO 8601 in UTC; None for what is neither."""
    readers: tuple[Callable[[str], datetime], ...] = (datetime.fromisoformat, parsedate_to_datetime)
    for read in readers:
        try:
            moment = read(text)
            moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
            return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None


def _digest(item: Mapping[str, Json]) -> str:
    named = json.dumps([item["title"], item["published_at"], item["summary"]])
    return f"sha256:{hashlib.sha256(named.encode()).hexdigest()}"
