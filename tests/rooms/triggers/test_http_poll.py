"""A list that is asked for again and again."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, MalformedOutput, Poll, Recorded
from hookline.testing import FakeTriggerContext, run_trigger

TRIGGER = import_room("triggers.http_poll")
URL = "https://api.example.com/orders"
PATHS = import_room("triggers._paths")


def look(ctx: FakeTriggerContext, *answers: Any, **parameters: Any) -> Poll:
    ctx.exchange.answers.extend(
        each if isinstance(each, Recorded) else Recorded(json=each) for each in answers
    )
    found = asyncio.run(run_trigger(TRIGGER.http_poll, {"url": URL, **parameters}, ctx))
    assert isinstance(found, Poll)
    assert not ctx.exchange.answers
    return found


def orders(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": number, "at": f"2026-03-02T08:00:{number:02}Z"} for number in numbers]


def test_the_first_look_seeds_and_later_ones_start_what_is_new() -> None:
    ctx = FakeTriggerContext()
    assert ctx.commit(look(ctx, orders(1, 2))) == []
    poll = look(ctx, orders(2, 3, 4))
    assert [event.data for event in poll.events] == [{"item": each} for each in orders(3, 4)]
    assert ctx.commit(poll) == ["3", "4"]
    assert look(ctx, orders(2, 3, 4)).events == []
    assert ctx.requests[0].headers["accept"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "path"),
    [
        ({"data": {"orders": orders(1)}}, "data.orders"),
        ([[], orders(1)], "[1]"),
        ({"a": [orders(1)]}, "a[0]"),
    ],
)
def test_the_list_stands_where_the_author_says(answer: Any, path: str) -> None:
    ctx = FakeTriggerContext()
    assert ctx.commit(look(ctx, answer, items=path, start_from="all")) == ["1"]


@pytest.mark.parametrize(
    ("answer", "options", "error"),
    [
        ({"data": None}, {"items": "data"}, MalformedOutput),
        ({"data": []}, {"items": "date"}, MalformedOutput),
        ({"data": []}, {}, MalformedOutput),
        (Recorded(text="<html>"), {}, MalformedOutput),
        ([], {"items": "a..b"}, BadInput),
        ([], {"cursor": {"parameter": "since"}}, BadInput),
        (
            [*orders(1), {"id": "a"}],
            {"cursor": {"parameter": "s", "item": "{{ trigger.item.id }}"}},
            BadInput,
        ),
        ([], {"cursor": {"parameter": "s", "path": "a", "start": "x", "overlap": "5m"}}, BadInput),
    ],
)
def test_what_does_not_fit_is_an_error(answer: Any, options: dict[str, Any], error: type[Exception]) -> None:
    ctx = FakeTriggerContext()
    ctx.exchange.answers.append(answer if isinstance(answer, Recorded) else Recorded(json=answer))
    with pytest.raises(error):
        asyncio.run(run_trigger(TRIGGER.http_poll, {"url": URL, **options}, ctx))


def test_the_key_may_tell_changes_and_what_has_none_is_recorded_once() -> None:
    ctx = FakeTriggerContext()
    key = "{{ trigger.item.id }} {{ trigger.item.state }}"
    ctx.commit(look(ctx, [{"id": 1, "state": "open"}], key=key))
    answer = [{"id": 1, "state": "paid"}, {"id": 2}, "text", None]
    poll = look(ctx, answer, key=key)
    assert ctx.commit(poll) == ["1 paid"]
    assert [event.data["item"] for event, _ in poll.skipped] == [{"id": 2}, "text", None]
    assert look(ctx, answer, key=key).skipped == []


def test_an_answer_that_has_not_changed_is_not_transferred() -> None:
    ctx = FakeTriggerContext()
    ctx.commit(look(ctx, Recorded(json=orders(1), headers={"ETag": '"1"'}), query={"state": "open"}))
    poll = look(ctx, Recorded(304), query={"state": "open"})
    assert (list(poll.events), poll.cursor) == ([], ctx.cursor)
    assert ctx.requests[1].headers["if-none-match"] == '"1"'
    look(ctx, orders(1), query={"state": "paid"})
    assert "if-none-match" not in ctx.requests[2].headers


def test_the_greatest_value_of_the_items_is_asked_with_and_overlaps() -> None:
    ctx = FakeTriggerContext()
    cursor = {
        "parameter": "since",
        "item": "{{ trigger.item.at }}",
        "start": "2026-01-01T00:00:00Z",
        "overlap": "10s",
    }
    ctx.commit(look(ctx, orders(2, 5, 3), cursor=cursor))
    assert ctx.requests[0].params == {"since": "2025-12-31T23:59:50Z"}
    # An item that was late is within the overlap; one that was had is dropped.
    assert ctx.commit(look(ctx, orders(4, 5), cursor=cursor)) == ["4"]
    assert ctx.requests[1].params == {"since": "2026-03-02T07:59:55Z"}
    ctx.commit(look(ctx, [], cursor=cursor))
    look(ctx, [], cursor=cursor)
    assert ctx.requests[3].params == {"since": "2026-03-02T07:59:55Z"}


def test_a_cursor_may_come_with_the_answer() -> None:
    ctx = FakeTriggerContext()
    cursor = {"parameter": "after", "path": "meta.next"}
    ctx.commit(look(ctx, {"orders": orders(1), "meta": {"next": 17}}, items="orders", cursor=cursor))
    assert ctx.requests[0].params == {}
    ctx.commit(look(ctx, {"orders": orders(2), "meta": {}}, items="orders", cursor=cursor))
    assert ctx.requests[1].params == {"after": "17"}
    look(ctx, {"orders": []}, items="orders", cursor=cursor)
    assert ctx.requests[2].params == {"after": "17"}


PAGING = {"parameter": "page", "path": "next"}


def pages(*numbers: int, last: bool = True) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"orders": orders(number), "next": f"p{number}"} for number in numbers]
    if last:
        found[-1]["next"] = None
    return found


def test_all_pages_are_read() -> None:
    ctx = FakeTriggerContext()
    poll = look(ctx, *pages(1, 2, 3), items="orders", paging=PAGING, start_from="all")
    assert ctx.commit(poll) == ["1", "2", "3"]
    assert [sent.params.get("page") for sent in ctx.requests] == [None, "p1", "p2"]
    assert poll.next_at is None


def test_many_pages_take_several_looks_and_seed_in_all_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TRIGGER, "MAX_PAGES", 2)
    ctx = FakeTriggerContext()
    cursor = {"parameter": "since", "item": "{{ trigger.item.id }}"}
    options = {"items": "orders", "paging": PAGING, "cursor": cursor}
    first = look(ctx, *pages(9, 2, last=False), **options)
    assert ctx.commit(first) == []
    assert first.next_at == ctx.now()
    second = look(ctx, *pages(3), **options)
    assert ctx.commit(second) == []
    assert ctx.requests[-1].params == {"page": "p2"}
    assert second.next_at is None
    assert ctx.commit(look(ctx, *pages(10), **options)) == ["10"]
    assert ctx.requests[-1].params == {"since": "9"}


def test_a_service_that_goes_in_circles_is_an_error() -> None:
    ctx = FakeTriggerContext()
    ctx.exchange.answers.extend(Recorded(json=each) for each in pages(1, 1, last=False))
    with pytest.raises(MalformedOutput, match="same page"):
        asyncio.run(run_trigger(TRIGGER.http_poll, {"url": URL, "items": "orders", "paging": PAGING}, ctx))


def test_a_path_below_a_connection_carries_its_credential() -> None:
    http = import_room("connectors.http.connector").http
    ctx = FakeTriggerContext()
    ctx.connection = http.connection_type.open(
        ctx.connection_context(), base_url="https://api.example.com/v1", headers={"Authorization": "Bearer x"}
    )
    ctx.exchange.answers.append(Recorded(json=orders(1), expect="GET https://api.example.com/v1/orders"))
    asyncio.run(run_trigger(TRIGGER.http_poll, {"url": "orders"}, ctx))
    assert ctx.requests[0].headers["authorization"] == "Bearer x"
    assert TRIGGER.http_poll.needs_connection({"url": "orders"})
    assert not TRIGGER.http_poll.needs_connection({"url": URL})
