"""Any HTTP service: its address and the headers that prove who is asking."""

from __future__ import annotations

from typing import Annotated

from hookline.sdk import ConnectionContext, Connector, Field, Http

__all__ = ["connect", "http"]

http = Connector("http", title="HTTP", docs="https://www.rfc-editor.org/rfc/rfc9110")


@http.connection
def connect(
    ctx: ConnectionContext,
    base_url: Annotated[
        str,
        Field(
            "Address that relative addresses of requests are below. The headers go to its host only.",
            format="uri",
            examples=["https://api.example.com/v1"],
        ),
    ],
    headers: Annotated[
        dict[str, str] | None,
        Field(
            "Headers with credentials, sent with every request to that host.",
            secret=True,
            examples=[{"Authorization": "Bearer 4f9c2a71d05e"}],
        ),
    ] = None,
) -> Http:
    """Reach a service over HTTP."""
    return ctx.http(base_url, headers=headers or {})
