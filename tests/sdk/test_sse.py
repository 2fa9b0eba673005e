"""Streams of server-sent events, in whatever pieces they come."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookline.sdk import sse
from hookline.sdk.sse import ServerSentEvent, SseParser

STREAM = (
    "\ufeff: a comment\n"
    "event: output\nid: 1:0\ndata: a\ndata:  b\n\n"
    "data\n\n"
    "id: 1:1\n\n"
    "event: done\r\ndata: {}\r\n\r\n"
    "retry: 10\rdata: é\u2028\r\r"
    "data: never dispatched"
)
EVENTS = [
    ServerSentEvent("output", "a\n b", "1:0"),
    ServerSentEvent("message", "", "1:0"),
    ServerSentEvent("done", "{}", "1:1"),
    ServerSentEvent("message", "é\u2028", "1:1"),
]


@given(st.lists(st.integers(0, len(STREAM.encode())), max_size=30))
def test_the_pieces_do_not_matter(cuts: list[int]) -> None:
    data = STREAM.encode()
    places = [0, *sorted(cuts), len(data)]
    parser = SseParser()
    found = [event for start, end in pairwise(places) for event in parser.feed(data[start:end])]
    assert found == EVENTS


@pytest.mark.parametrize("line", ["data: " + "x" * 60, "x" * 60])
def test_an_event_without_end_is_refused(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    monkeypatch.setattr(sse, "MAX_EVENT", 100)
    parser = SseParser()
    piece = line.encode() + (b"\n" if line.startswith("data") else b"")
    assert list(parser.feed(piece)) == []
    with pytest.raises(ValueError, match="more than 100"):
        list(parser.feed(piece))
