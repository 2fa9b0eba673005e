"""Talk to any HTTP service.

What may happen twice: ``http.request`` is declared `at_least_once`, because a POST that was cut off
by a crash is sent again. A failure that leaves a POST's outcome open (5xx, a lost answer) is
``unknown`` and is not repeated by itself. GET and HEAD ask for nothing to be done, and PUT and
DELETE do the same when they are repeated (RFC 9110 §9.2), so their failures are ``unavailable``.
Where the service offers a header for it, `idempotency_header` makes a repeated POST harmless.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypedDict
from urllib.parse import urlsplit

from hookline.sdk import (
    BadInput,
    Context,
    Example,
    Field,
    File,
    Recorded,
    Response,
    action,
    parse_duration,
    parse_size,
    raise_for_status,
)

__all__ = ["Answered", "request"]

Json = Any

INLINE_BYTES = 256 * 1024
"""A larger body becomes a file; it would only be copied into every record of the run."""

UPLOAD_BYTES = 100_000_000
"""Largest file that is sent as a body: it is held in memory while it is sent."""

_SENSITIVE = re.compile(r"authenticat|authoriz|cookie|token|secret|signature|password|api-?key|credential")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)


class Answered(TypedDict):
    """An answer."""

    status: Annotated[int, Field("The status.")]
    headers: Annotated[dict[str, str], Field("Headers in lower case, without cookies and credentials.")]
    body: Annotated[Any, Field("The body: JSON's value or a text; null when it is empty or in file.")]
    bytes: Annotated[int, Field("Size of the body.")]
    file: Annotated[File | None, Field("The body, when it is large or neither JSON nor text.")]


def _is_relative(parameters: Mapping[str, Any]) -> bool:
    url = parameters.get("url")
    return isinstance(url, str) and not url.startswith(("http://", "https://", "{{"))


@action(
    "http.request",
    effect="at_least_once",
    connection="http",
    needs_connection=_is_relative,
    docs="https://www.rfc-editor.org/rfc/rfc9110#name-methods",
    summary="{method} {url}: {status}",
    examples=(
        Example(
            {"url": "https://api.example.com/orders/7"},
            (
                Recorded(
                    json={"id": 7, "state": "paid"},
                    headers={"Content-Type": "application/json", "Set-Cookie": "session=1"},
                    expect="GET https://api.example.com/orders/7",
                ),
            ),
            output={
                "status": 200,
                "headers": {"content-type": "application/json"},
                "body": {"id": 7, "state": "paid"},
                "bytes": 26,
                "file": None,
            },
            title="Read something",
        ),
        Example(
            {
                "method": "POST",
                "url": "https://api.example.com/orders",
                "json": {"item": "A-17", "count": 2},
                "idempotency_header": "Idempotency-Key",
                "expect": [201],
            },
            (Recorded(201, json={"id": 8}, expect="POST /orders"),),
            title="Create something, once",
        ),
        Example(
            {"url": "orders/7", "query": {"expand": "items"}},
            (Recorded(json={"id": 7}, expect="GET /v1/orders/7?expand=items"),),
            title="With the credential of a connection",
        ),
    ),
)
async def request(
    ctx: Context,
    url: Annotated[
        str,
        Field(
            "Where to: an https address, or with a connection a path below its address.",
            min_length=1,
            max_length=2048,
            examples=["https://api.example.com/orders"],
        ),
    ],
    method: Annotated[
        Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], Field("The method.")
    ] = "GET",
    headers: Annotated[
        dict[str, str] | None,
        Field("Headers. Credentials belong in a connection, not here: this file is kept in Git."),
    ] = None,
    query: Annotated[
        dict[str, str | int | float | bool] | None, Field("Parameters, appended to the address.")
    ] = None,
    json: Annotated[Any, Field("The body, as JSON.")] = None,
    body: Annotated[str | None, Field("The body, as text.", multiline=True)] = None,
    form: Annotated[dict[str, str] | None, Field("The body, as the fields of a form.")] = None,
    file: Annotated[File | None, Field("The body, as the bytes of a file.")] = None,
    expect: Annotated[
        list[int] | None,
        Field("Statuses that are a success; any 2xx when left out.", advanced=True, examples=[[200, 404]]),
    ] = None,
    read_as: Annotated[
        Literal["auto", "json", "text", "file"],
        Field(
            "How the body is read.",
            advanced=True,
            options={
                "auto": "By its media type; large or binary bodies become a file.",
                "json": "As JSON, whatever its media type.",
                "text": "As text.",
                "file": "As a file.",
            },
        ),
    ] = "auto",
    timeout: Annotated[
        str | int | float,
        Field("How long everything may take.", format="duration", advanced=True, examples=["30s"]),
    ] = "30s",
    max_bytes: Annotated[
        str | int, Field("Largest body accepted.", format="size", advanced=True, examples=["25MB"])
    ] = "25MB",
    follow_redirects: Annotated[
        int, Field("How many redirects are followed.", advanced=True, minimum=0, maximum=3)
    ] = 0,
    idempotency_header: Annotated[
        str,
        Field(
            "Header that carries a key which stays the same when this attempt is repeated after a crash.",
            advanced=True,
            examples=["Idempotency-Key"],
        ),
    ] = "",
) -> Answered:
    """Send an HTTP request

    Any status outside `expect` is an error with a type (`not_found`, `rate_limited`, …) that `catch`
    and `retry` understand. After a crash a POST may be sent twice; see `idempotency_header`.
    """
    if sum(value is not None for value in (json, body, form, file)) > 1:
        raise BadInput("a request has one body", code="C022", hint="keep one of json, body, form and file")
    sent = dict(headers or {})
    if idempotency_header:
        sent[idempotency_header] = ctx.idempotency_key
    _check_headers(sent)
    given: dict[str, Any] = {}
    if json is not None:
        given["json"] = json
    elif body is not None:
        given["content"] = body.encode()
        sent.setdefault("Content-Type", "text/plain; charset=utf-8")
    elif form is not None:
        given["data"] = form
    elif file is not None:
        given["content"] = await ctx.files.read(file, max_bytes=UPLOAD_BYTES)
        sent.setdefault("Content-Type", file.mime)
    client = ctx.connection if ctx.connection is not None else ctx.http
    response: Response = await client.request(
        method,
        url,
        headers=sent,
        params={name: _text(value) for name, value in (query or {}).items()},
        timeout=parse_duration(timeout, name="timeout"),
        max_bytes=parse_size(max_bytes, name="max_bytes"),
        follow_redirects=follow_redirects,
        **given,
    )
    _check_status(response, method, url, expect)
    kept = {name.lower(): value for name, value in response.headers.items()}
    value, saved = await _read(ctx, response, kept, read_as, urlsplit(url).path.rpartition("/")[2])
    return {
        "status": response.status,
        "headers": {name: value for name, value in kept.items() if not _SENSITIVE.search(name)},
        "body": value,
        "bytes": len(response.content),
        "file": saved,
    }


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise BadInput(
                f"the header {name[:50]!r} has a name or value that no header can have",
                code="C023",
                hint="remove line breaks and control characters",
            )


def _check_status(response: Response, method: str, url: str, expect: list[int] | None) -> None:
    if response.status in expect if expect is not None else 200 <= response.status < 300:
        return
    service = urlsplit(url).hostname or "The service"
    if 200 <= response.status < 300:
        raise BadInput(
            f"{service} answered {response.status}, which is not expected",
            code="C024",
            hint="add the status to expect, if it is a success",
        )
    harmless = method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
    raise_for_status(response, effect="idempotent" if harmless else "at_least_once", service=service)


async def _read(
    ctx: Context, response: Response, headers: Mapping[str, str], read_as: str, name: str
) -> tuple[Json, File | None]:
    content = response.content
    mime = headers.get("content-type", "").partition(";")[0].strip().lower()
    if read_as == "json":
        return response.json(), None
    if read_as == "text":
        return response.text, None
    is_json = mime == "application/json" or mime.endswith("+json")
    is_text = mime.startswith("text/") or mime in ("application/xml", "application/javascript")
    if read_as == "auto":
        if not content:
            return None, None
        if len(content) <= INLINE_BYTES:
            if is_json:
                return response.json(), None
            if is_text or (not mime and _is_text(content)):
                return response.text, None
    saved = await ctx.files.save(content, name=name or "body", mime=mime or "application/octet-stream")
    return None, saved


def _is_text(content: bytes) -> bool:
    try:
        return "\0" not in content.decode()
    except UnicodeDecodeError:
        return False


def _text(value: str | float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
