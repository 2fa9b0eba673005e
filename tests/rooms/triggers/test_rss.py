"""Feeds: what is read of them, and which items start a run."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from referencing import Registry

from hookline.engine.loader import import_room
from hookline.sdk import MalformedOutput, Poll, RateLimited, Recorded
from hookline.testing import FakeTriggerContext, run_trigger

RSS = import_room("triggers.rss")
FEED = import_room("triggers._feeds.feed")
XML = import_room("triggers._feeds.xml")

URL = "https://example.com/blog/feed.xml"

RSS2 = """<?xml version="1.0" encoding="iso-8859-1"?>
<rss version="2.0" xmlns:content="http://purl.org/rss/1.0/modules/content/"
xmlns:dc="http://purl.org/dc/elements/1.1/">
<channel><title>News</title>
<item><title>Zweite Grüße</title><link>/posts/2</link><guid isPermaLink="false">urn:2</guid>
<pubDate>Tue, 03 Mar 2026 09:00:00 +0100</pubDate><dc:creator>Ada</dc:creator>
<category>a</category><category>b</category>
<description>Kurz &amp; &lt;b&gt;gut&lt;/b&gt;</description>
<content:encoded><![CDATA[<p>Lang</p>]]></content:encoded>
<enclosure url="2.mp3" type="audio/mpeg" length="123"/></item>
<item><title>First</title><guid>https://example.com/posts/1</guid><pubDate>yesterday</pubDate></item>
<item><title>Without anything</title><link>javascript:alert(1)</link></item>
</channel></rss>""".encode("iso-8859-1")

ATOM = b"""\xef\xbb\xbf<feed xmlns="http://www.w3.org/2005/Atom"><title>News</title>
<entry><id>urn:1</id><title type="html">A &lt;i&gt;b&lt;/i&gt;</title><link rel="self" href="x"/>
<link href="../1"/>
<link rel="enclosure" href="/1.png" type="image/png"/><published>2026-03-02T08:00:00+02:00</published>
<updated>2026-03-02T08:00:00.5Z</updated><author><name>Ada</name></author>
<content type="xhtml">
<div xmlns="http://www.w3.org/1999/xhtml">Long <b>text</b></div></content></entry></feed>"""

RDF = b"""<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/"
xmlns:dc="http://purl.org/dc/elements/1.1/"><channel><title>Old</title></channel>
<item rdf:about="https://example.com/1"><title>One</title><link>https://example.com/1</link>
<dc:date>2026-03-02</dc:date></item></rdf:RDF>"""

JSON = {
    "version": "https://jsonfeed.org/version/1.1",
    "title": "News",
    "items": [
        {"id": 7, "url": "/7", "title": "Seven", "content_text": "Text", "authors": [{"name": "Ada"}]},
        {"id": "8", "attachments": [{"url": "a.mp3", "mime_type": "audio/mpeg", "size_in_bytes": 5}]},
        "nonsense",
    ],
}


def items(content: bytes) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = FEED.read_feed(content, URL)
    validator = jsonschema.Draft202012Validator(RSS.rss.output_schema, registry=Registry())
    for item in found:
        validator.validate(item)
    return found


def test_rss_2() -> None:
    second, first, last = items(RSS2)
    assert second == {
        "id": "urn:2",
        "link": "https://example.com/posts/2",
        "title": "Zweite Grüße",
        "summary": "Kurz & <b>gut</b>",
        "content": "<p>Lang</p>",
        "author": "Ada",
        "published_at": "2026-03-03T08:00:00Z",
        "updated_at": None,
        "categories": ["a", "b"],
        "enclosures": [{"url": "https://example.com/blog/2.mp3", "mime": "audio/mpeg", "bytes": 123}],
        "feed_title": "News",
    }
    assert (first["id"], first["link"]) == ("https://example.com/posts/1",) * 2
    assert first["published_at"] is None
    assert last["link"] == ""
    assert last["id"].startswith("sha256:")


def test_atom() -> None:
    (entry,) = items(ATOM)
    assert (entry["id"], entry["link"], entry["title"]) == ("urn:1", "https://example.com/1", "A <i>b</i>")
    assert (entry["published_at"], entry["updated_at"]) == (
        "2026-03-02T06:00:00Z",
        "2026-03-02T08:00:00.500000Z",
    )
    assert (entry["content"], entry["author"]) == ("Long text", "Ada")
    assert entry["enclosures"] == [{"url": "https://example.com/1.png", "mime": "image/png", "bytes": None}]


def test_rss_1_and_json_feed() -> None:
    (one,) = items(RDF)
    assert (one["id"], one["published_at"], one["feed_title"]) == (
        "https://example.com/1",
        "2026-03-02T00:00:00Z",
        "Old",
    )
    seven, eight = items(json.dumps(JSON).encode())
    assert (seven["id"], seven["link"], seven["content"], seven["author"]) == (
        "7",
        "https://example.com/7",
        "Text",
        "Ada",
    )
    assert eight["enclosures"][0]["bytes"] == 5


BOMB = (
    b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><rss><channel><title>&b;</title></channel></rss>'
)


@pytest.mark.parametrize(
    "content",
    [
        BOMB,
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><rss/>',
        b'<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]><rss><channel><title>&a;</title></channel></rss>',
        b"<rss><channel><title>&undefined;</title></channel></rss>",
        b"<rss>" + b"<a>" * 70 + b"</a>" * 70 + b"</rss>",
        b"<rss><channel>" + b"<a/>" * 100_001 + b"</channel></rss>",
        b"<rss><channel>" + b"<item/>" * 1001 + b"</channel></rss>",
        b"<html><body>no feed</body></html>",
        b'<?xml version="1.0" encoding="no-such-charset"?><rss/>',
        b"<rss><channel>",
        b"",
        b"{",
        b'{"items": []}',
        b'{"version": 1}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
    ],
    ids=range(16),
)
def test_what_is_no_feed_or_a_bomb_is_refused(content: bytes) -> None:
    with pytest.raises(FEED.NotAFeed):
        FEED.read_feed(content, URL)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=300), st.sampled_from([RSS2, ATOM, RDF])), st.data())
def test_any_bytes_are_a_feed_or_refused(content: bytes, data: st.DataObject) -> None:
    if content and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(content) - 1))
        content = content[:place] + data.draw(st.binary(max_size=4)) + content[place + 1 :]
    try:
        found = items(content)
    except FEED.NotAFeed:
        return
    json.dumps(found, ensure_ascii=False).encode()


def rss_of(*names: str) -> Recorded:
    entries = "".join(f"<item><guid>urn:{name}</guid><title>{name}</title></item>" for name in names)
    return Recorded(text=f"<rss><channel>{entries}</channel></rss>", headers={"ETag": f'"{"-".join(names)}"'})


def look(ctx: FakeTriggerContext, *answers: Any, **parameters: Any) -> Poll:
    ctx.exchange.answers.extend(answers)
    found = asyncio.run(run_trigger(RSS.rss, {"url": URL, **parameters}, ctx))
    assert isinstance(found, Poll)
    return found


def test_the_first_look_seeds_and_later_ones_start_what_is_new() -> None:
    ctx = FakeTriggerContext()
    assert ctx.commit(look(ctx, rss_of("2", "1"))) == []
    assert ctx.commit(look(ctx, rss_of("4", "3", "2"))) == ["urn:3", "urn:4"]
    # Items that drop out of a feed and come back, and a look that is repeated, start nothing again.
    assert ctx.commit(look(ctx, rss_of("1", "4", "5"))) == ["urn:5"]
    assert look(ctx, rss_of("1", "4", "5")).events == []
    fresh = FakeTriggerContext()
    assert fresh.commit(look(fresh, rss_of("2", "1"), start_from="all")) == ["urn:1", "urn:2"]


def test_what_has_not_changed_is_not_transferred() -> None:
    ctx = FakeTriggerContext()
    modified = "Mon, 02 Mar 2026 08:00:00 GMT"
    first = rss_of("1")
    ctx.commit(look(ctx, Recorded(text=first.text, headers={"ETag": '"a"', "Last-Modified": modified})))
    assert "if-none-match" not in ctx.requests[0].headers
    before = ctx.cursor
    poll = look(ctx, Recorded(304))
    assert (list(poll.events), poll.cursor) == ([], before)
    assert ctx.requests[1].headers["if-none-match"] == '"a"'
    assert ctx.requests[1].headers["if-modified-since"] == modified
    # Another address has nothing in common with it.
    ctx.exchange.answers.append(rss_of("1"))
    asyncio.run(run_trigger(RSS.rss, {"url": "https://example.com/other.xml"}, ctx))
    assert "if-none-match" not in ctx.requests[2].headers


def test_a_feed_with_no_validators_is_read_anew() -> None:
    ctx = FakeTriggerContext()
    ctx.commit(look(ctx, Recorded(text=rss_of("1").text)))
    assert ctx.cursor == {"known": None}
    assert ctx.commit(look(ctx, rss_of("2", "1"))) == ["urn:2"]


def test_identity_may_be_another() -> None:
    ctx = FakeTriggerContext()
    key = "{{ trigger.id }} {{ trigger.title }}"
    ctx.commit(look(ctx, rss_of("1"), dedupe=key))
    changed = Recorded(text="<rss><channel><item><guid>urn:1</guid><title>new</title></item></channel></rss>")
    assert ctx.commit(look(ctx, changed, dedupe=key)) == ["urn:1 new"]


def test_an_item_without_the_key_is_recorded_once() -> None:
    ctx = FakeTriggerContext()
    ctx.commit(look(ctx, rss_of("1")))
    key = "{{ trigger.categories[0] }}"
    poll = look(ctx, rss_of("2"), dedupe=key)
    assert poll.events == []
    ((event, reason),) = poll.skipped
    assert event.data["id"] == "urn:2"
    assert "no key" in reason
    ctx.commit(poll)
    assert look(ctx, rss_of("2"), dedupe=key).skipped == []


def test_many_items_are_taken_in_bounded_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RSS, "MAX_EVENTS", 2)
    ctx = FakeTriggerContext()
    ctx.commit(look(ctx, rss_of()))
    first = look(ctx, rss_of("3", "2", "1"))
    assert ctx.commit(first) == ["urn:1", "urn:2"]
    assert first.next_at == ctx.now()
    second = look(ctx, rss_of("3", "2", "1"))
    assert "if-none-match" not in ctx.requests[-1].headers
    assert ctx.commit(second) == ["urn:3"]
    assert second.next_at is None


def test_what_goes_wrong_is_an_error_and_loses_nothing() -> None:
    ctx = FakeTriggerContext()
    ctx.commit(look(ctx, rss_of("1")))
    with pytest.raises(MalformedOutput, match="document type"):
        look(ctx, Recorded(text=BOMB.decode()))
    with pytest.raises(RateLimited) as slow:
        look(ctx, Recorded(429, headers={"Retry-After": "120"}))
    assert slow.value.retry_after == 120
    assert ctx.commit(look(ctx, rss_of("2", "1"))) == ["urn:2"]


def test_the_sample_satisfies_the_schema() -> None:
    jsonschema.Draft202012Validator(RSS.rss.output_schema, registry=Registry()).validate(dict(RSS.rss.sample))
