"""Start a workflow for every new item of a list that a service answers with."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, NotRequired, TypedDict

from hookline.sdk import (
    BadInput,
    Field,
    Http,
    MalformedOutput,
    Poll,
    Response,
    TriggerContext,
    parse_duration,
    render_event,
    trigger,
)

from ._feeds.fetch import fetch, remembered
from ._feeds.news import sort_out
from ._paths import MISSING, value_at

__all__ = ["http_poll"]

MAX_PAGES = 20
"""Pages of one look; the next one goes on behind them at once."""

MAX_ITEMS = 10_000
"""Items of one page."""

_EVENT: dict[str, Any] = {
    "type": "object",
    "properties": {"item": {"description": "The item, as it stands in the list."}},
    "required": ["item"],
    "additionalProperties": False,
}


class Cursor(TypedDict):
    """Asking only for what is new."""

    parameter: Annotated[str, Field("Query parameter that says from where on.", examples=["since"])]
    path: NotRequired[
        Annotated[str, Field("Where in the answer its next value stands.", examples=["meta.next_since"])]
    ]
    item: NotRequired[
        Annotated[
            str,
            Field(
                "Or what each item gives; the greatest is taken.", examples=["{{ trigger.item.updated_at }}"]
            ),
        ]
    ]
    start: NotRequired[
        Annotated[str, Field("Its value at the first look.", examples=["2026-01-01T00:00:00Z"])]
    ]
    overlap: NotRequired[
        Annotated[
            str,
            Field(
                "How far before it to ask again, for items that come late; of a time or a Unix time.",
                format="duration",
            ),
        ]
    ]


class Paging(TypedDict):
    """Further pages of one list."""

    parameter: Annotated[str, Field("Query parameter that names a page.", examples=["page_token"])]
    path: Annotated[
        str, Field("Where in the answer the next page is named; none there ends it.", examples=["next_page"])
    ]


def _is_relative(parameters: Mapping[str, Any]) -> bool:
    url = parameters.get("url")
    return isinstance(url, str) and not url.startswith(("http://", "https://"))


@trigger(
    "http_poll",
    kind="poll",
    connection="http",
    needs_connection=_is_relative,
    interval=300.0,
    output=_EVENT,
    docs="https://www.rfc-editor.org/rfc/rfc9110",
    sample={"item": {"id": 17, "state": "open", "updated_at": "2026-03-02T08:00:00Z"}},
)
async def http_poll(
    ctx: TriggerContext,
    url: Annotated[
        str,
        Field(
            "What to ask: an https address, or with a connection a path below its address.",
            min_length=1,
            max_length=2048,
            examples=["https://api.example.com/orders", "orders"],
        ),
    ],
    items: Annotated[
        str,
        Field("Where in the answer the list stands; empty when it is the answer.", examples=["data.orders"]),
    ] = "",
    key: Annotated[
        str,
        Field(
            "What makes an item the same as one before. To be told of changed items too, add their time.",
            examples=["{{ trigger.item.id }}", "{{ trigger.item.id }} {{ trigger.item.updated_at }}"],
        ),
    ] = "{{ trigger.item.id }}",
    query: Annotated[dict[str, str | int | float | bool] | None, Field("Query parameters.")] = None,
    headers: Annotated[
        dict[str, str] | None,
        Field("Headers. Credentials belong in a connection, not here.", advanced=True),
    ] = None,
    cursor: Annotated[Cursor | None, Field("Ask only for what is new since the last look.")] = None,
    paging: Annotated[Paging | None, Field("Read further pages too.")] = None,
    start_from: Annotated[
        Literal["now", "all"],
        Field(
            "What becomes of items that are there already at the first look.",
            options={"now": "They are remembered and start nothing.", "all": "Each of them starts a run."},
        ),
    ] = "now",
    interval: Annotated[
        str, Field("Time between two looks; 5m when left out.", format="duration", advanced=True)
    ] = "",
) -> Poll:
    """HTTP poll.

    Starts a run for every new item of a list in a JSON answer. An answer that has not changed is not
    transferred again, where the server can tell. Which items were had is remembered, so asking for some
    of them twice does no harm.
    """
    before = ctx.cursor if isinstance(ctx.cursor, Mapping) else {}
    # A first look that needs several turns seeds in all of them.
    seed = start_from == "now" and (ctx.cursor is None or bool(before.get("seeding")))
    http: Http = ctx.connection if ctx.connection is not None else ctx.http
    params = {name: _shown(value) for name, value in (query or {}).items()}
    since = before.get("since", cursor.get("start") if cursor else None)
    if cursor is not None and since is not None:
        params[cursor["parameter"]] = _shown(_earlier(since, cursor.get("overlap", "")))
    page = before.get("page")
    known = before.get("known") if paging is None else None
    found: list[dict[str, Any]] = []
    newest = before.get("newest")
    answer: Response | None = None
    for _ in range(MAX_PAGES if paging is not None else 1):
        asked = params if page is None or paging is None else {**params, paging["parameter"]: _shown(page)}
        accept = "application/json"
        answer = await fetch(http, url, headers=headers or {}, params=asked, known=known, accept=accept)
        if answer is None:
            return Poll(cursor=ctx.cursor)
        document = answer.json()
        found += [{"item": item} for item in _list(document, items)]
        newest = _newest(cursor, document, found, newest)
        page = _next_page(paging, document, page)
        if page is None:
            break
    news = sort_out(ctx, key, found, seed=seed)
    assert answer is not None
    if page is not None:
        state = {"page": page, "newest": newest, "seeding": seed}
        return _poll(news, {**_known(before, "since"), **state}, ctx.now())
    kept: dict[str, Any] = {"known": remembered(answer, url, params) if paging is None else None}
    if newest is not None or since is not None:
        kept["since"] = newest if newest is not None else since
    return _poll(news, kept, None)


def _poll(news: Any, cursor: dict[str, Any], next_at: datetime | None) -> Poll:
    return Poll(
        events=news.events, skipped=news.skipped, baseline=news.baseline, cursor=cursor, next_at=next_at
    )


def _known(before: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: before[name]} if name in before else {}


def _list(document: Any, path: str) -> Sequence[Any]:
    found = _at(document, path, "items")
    if not isinstance(found, list):
        where = path or "the answer"
        raise MalformedOutput(
            f"{where} is no list", detail="items names where the list stands" if path else ""
        )
    if len(found) > MAX_ITEMS:
        raise MalformedOutput(f"the list has more than {MAX_ITEMS} items")
    return found


def _at(document: Any, path: str, name: str) -> Any:
    try:
        return value_at(document, f".{path}" if path and not path.startswith("[") else path)
    except ValueError as error:
        raise BadInput(f"{name}: {error}") from error


def _next_page(paging: Paging | None, document: Any, before: Any) -> Any:
    if paging is None:
        return None
    found = _at(document, paging["path"], "paging.path")
    if found is MISSING or found is None or found == "" or found is False:
        return None
    if found == before:
        raise MalformedOutput("the service names the same page again and again")
    return found


def _newest(cursor: Cursor | None, document: Any, found: Sequence[Mapping[str, Any]], before: Any) -> Any:
    """The value to ask with at the next look; None when there is no other than now."""
    if cursor is None:
        return None
    if "path" in cursor:
        value = _at(document, cursor["path"], "cursor.path")
        return before if value is MISSING or value is None else value
    if "item" not in cursor:
        raise BadInput("cursor: it needs path or item", hint='add "item": "{{ trigger.item.updated_at }}"')
    values = [value for value in (_value(cursor["item"], event) for event in found) if value is not None]
    if before is not None:
        values.append(before)
    try:
        return max(values, default=None)
    except TypeError as error:
        raise BadInput("cursor.item: the values are not all of one type") from error


def _value(template: str, event: Mapping[str, Any]) -> Any:
    try:
        value = render_event(template, event)
    except BadInput:
        return None
    return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def _earlier(value: Any, overlap: str) -> Any:
    """The value moved back by the overlap, when it is a time."""
    seconds = parse_duration(overlap, name="cursor.overlap") if overlap else 0
    if not seconds:
        return value
    if isinstance(value, int | float):
        return value - math.ceil(seconds)
    try:
        moment = datetime.fromisoformat(value)
        earlier = moment - timedelta(seconds=seconds)
    except (TypeError, ValueError, OverflowError) as error:
        raise BadInput("cursor.overlap: the value is no time", hint="remove overlap") from error
    text = earlier.isoformat()
    return text.replace("+00:00", "Z") if earlier.utcoffset() == UTC.utcoffset(None) else text


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise MalformedOutput("a cursor or page is neither a text nor a number")
