"""Errors as problem details (RFC 9457): ``application/problem+json`` with a stable code."""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import Any

from flask import Response

__all__ = ["PROBLEM_TYPE", "problem", "problem_document"]

PROBLEM_TYPE = "application/problem+json"


def problem_document(status: int, code: str, detail: str, hint: str = "", **more: Any) -> dict[str, Any]:
    """The body of an error answer.

    Args:
        code: A stable code; ``hookline explain CODE`` says more.
        detail: What is wrong, for a person.
        hint: What to do about it; may be empty.
    """
    return {
        "type": f"urn:hookline:code:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "code": code,
        "detail": detail,
        **({"hint": hint} if hint else {}),
        **more,
    }


def problem(
    status: int, code: str, detail: str, *, hint: str = "", retry_after: int | None = None, **more: Any
) -> Response:
    """An error answer; see `problem_document`.

    Args:
        retry_after: Seconds, sent as ``Retry-After``.
    """
    body = problem_document(status, code, detail, hint, **more)
    response = Response(json.dumps(body), status, mimetype=PROBLEM_TYPE)
    if retry_after is not None:
        response.headers["Retry-After"] = str(retry_after)
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers.add("WWW-Authenticate", 'Basic realm="hookline", charset="UTF-8"')
        response.headers.add("WWW-Authenticate", 'Bearer realm="hookline"')
    return response
