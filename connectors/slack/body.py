"""Reading what Slack sends, once it is known to be Slack's."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from hookline.sdk import HookRefused, HookRequest, is_file

__all__ = ["read_form", "read_json"]

Json = Any

MAX_DEPTH = 64
MAX_FIELDS = 1000
MAX_INTEGER = 2**63 - 1


def read_json(content: bytes | str) -> dict[str, Json]:
    """A JSON object that can be kept.

    Raises:
        HookRefused: 400 it is none; 422 it brings a file reference of its own making.
    """
    try:
        value = json.loads(content, parse_constant=_no_constant, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise _unreadable("the body is not acceptable JSON") from error
    if not isinstance(value, dict):
        raise _unreadable("the body is no JSON object")
    _check(value)
    return value


def read_form(request: HookRequest) -> dict[str, str]:
    """The fields of a form; of one that comes twice, the last.

    Raises:
        HookRefused: 400 it is no form.
    """
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FIELDS
        )
    except ValueError as error:
        raise _unreadable("the body is not a URL-encoded form") from error
    fields = dict(pairs)
    _check(fields)
    return fields


def _check(value: Json) -> None:
    waiting: list[tuple[Json, int]] = [(value, 0)]
    while waiting:
        each, depth = waiting.pop()
        if depth > MAX_DEPTH:
            raise _unreadable("the body is nested too deeply")
        if is_file(each):
            raise HookRefused(422, "a request may not bring a file reference ($file)", code="C609")
        if isinstance(each, Mapping):
            for key, member in each.items():
                _check_text(key)
                waiting.append((member, depth + 1))
        elif isinstance(each, list):
            waiting += [(item, depth + 1) for item in each]
        elif isinstance(each, str):
            _check_text(each)
        elif isinstance(each, int) and abs(each) > MAX_INTEGER:
            raise _unreadable("the body holds a number that is too large")


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise _unreadable("the body holds a text that cannot be kept")


def _no_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("a number is too large")
    return value


def _unreadable(reason: str) -> HookRefused:
    return HookRefused(400, reason, code="C605")
