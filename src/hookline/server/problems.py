"""Errors as problem details (RFC 9457): ``application/problem+json`` with a stable code."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Response

__all__ = ["problem"]


def problem(
    status: int, code: str, detail: str, *, hint: str = "", retry_after: int | None = None, **more: Any
) -> Response:
    """An error answer.

    Args:
        code: A stable code; ``hookline explain CODE`` says more.
        detail: What is wrong, for a person.
        retry_after: Seconds, sent as ``Retry-After``.
    """
    body = {
        "type": f"urn:hookline:code:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **({"hint": hint} if hint else {}),
        **more,
    }
    response = Response(json.dumps(body), status, mimetype="application/problem+json")
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer, Basic realm="hookline"'
    return response
