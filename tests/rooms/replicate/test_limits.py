"""What Replicate says about how often it wants to be asked, in all the forms that were seen."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import Recorded, Slower
from hookline.testing.fake_http import FakeResponse

problems = import_room("connectors.replicate.problems")
service = import_room("connectors.replicate.service")

REDUCED = (
    "Request was throttled. Your rate limit for creating predictions is reduced to 6 requests per minute "
    "with a burst of 1 requests while you have less than $5.0 in credit. Your rate limit resets in ~7s."
)


def _told(status: int, body: Any, **headers: str) -> Slower | None:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    found: Slower | None = problems.told(FakeResponse.of(Recorded(status=status, json=body, headers=named)))
    return found


@pytest.mark.parametrize(
    ("body", "headers", "expected"),
    [
        ({"detail": "Request was throttled. Expected available in 1 second."}, {}, Slower(1.0)),
        ({"detail": "Request was throttled. Your rate limit resets in ~30s."}, {}, Slower(30.0)),
        ({"detail": REDUCED, "status": 429, "retry_after": 7}, {}, Slower(7.0, 6.0, 1)),
        ({"detail": REDUCED}, {"retry_after": "9"}, Slower(9.0, 6.0, 1)),
        ({"detail": "no"}, {}, Slower(1.0)),
        ("<html>", {"retry_after": "20"}, Slower(20.0)),
        ({"retry_after": 9_999_999}, {}, Slower(3600.0)),
    ],
)
def test_a_refusal_says_how_long_and_how_often(body: Any, headers: dict[str, str], expected: Slower) -> None:
    assert _told(429, body, **headers) == expected


def test_an_answer_says_that_nothing_is_left() -> None:
    assert _told(200, {}, ratelimit_remaining="0", ratelimit_reset="12") == Slower(12.0)
    assert _told(200, {}, ratelimit_remaining="599", ratelimit_reset="1") is None


@pytest.mark.parametrize(
    ("request_", "limit"),
    [
        ("POST predictions", "creates"),
        ("POST models/o/n/predictions", "creates"),
        ("POST deployments/o/n/predictions", "creates"),
        ("GET predictions", "reads"),
        ("POST predictions/x/cancel", "reads"),
        ("POST files", "reads"),
        ("QUERY models", "reads"),
    ],
)
def test_what_creates_a_prediction_has_a_limit_of_its_own(request_: str, limit: str) -> None:
    assert next(each.name for each in service.LIMITS if each.is_for(request_)) == limit
