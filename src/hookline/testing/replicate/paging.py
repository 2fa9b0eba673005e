"""Pages of lists, newest first, with cursors that must be percent-encoded."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from hookline.testing.replicate.records import Prediction
from hookline.testing.replicate.validation import Refused

__all__ = ["PAGE_SIZE", "page_of", "page_url"]

PAGE_SIZE = 100


def page_url(base_url: str, path: str, kept: Mapping[str, str], cursor: str | None) -> str | None:
    """The absolute address of a page; ``None`` where there is none."""
    return None if cursor is None else f"{base_url}/v1/{path}?{urlencode({**kept, 'cursor': cursor})}"


def page_of(
    newest_first: Sequence[Prediction], cursor: str | None
) -> tuple[Sequence[Prediction], str | None, str | None]:
    """One page, and the cursors of the next and the previous one."""
    start = 0
    if cursor is not None:
        try:
            boundary = int(json.loads(base64.b64decode(cursor, validate=True))["before"])
        except (ValueError, KeyError, TypeError) as error:
            raise Refused(400, {"title": "Bad request", "detail": "Invalid cursor", "status": 400}) from error
        start = sum(1 for item in newest_first if item.number >= boundary)
    page = newest_first[start : start + PAGE_SIZE]
    following = _cursor(page[-1].number) if len(newest_first) > start + PAGE_SIZE else None
    preceding = None
    if start > 0 and newest_first:
        preceding = _cursor(newest_first[max(0, start - PAGE_SIZE)].number + 1)
    return page, following, preceding


def _cursor(number: int) -> str:
    """Opaque, and always with ``==`` at its end so that it must be percent-encoded."""
    text = json.dumps({"before": number})
    return base64.b64encode(text.ljust(-(-(len(text) - 1) // 3) * 3 + 1).encode()).decode()
