"""What a status means, for each effect."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.sdk import ActionError, Recorded, raise_for_status, retry_after
from hookline.testing import FakeResponse


def error(status: int, effect: Any = "read", **recorded: Any) -> ActionError:
    with pytest.raises(ActionError) as caught:
        raise_for_status(FakeResponse.of(Recorded(status, **recorded)), effect=effect, service="Box")
    return caught.value


@pytest.mark.parametrize(
    ("status", "type"),
    [
        (301, "malformed_output"),
        (304, "malformed_output"),
        (400, "bad_input"),
        (401, "authentication"),
        (402, "insufficient_credit"),
        (403, "authentication"),
        (404, "not_found"),
        (409, "bad_input"),
        (410, "not_found"),
        (422, "bad_input"),
        (429, "rate_limited"),
        (499, "bad_input"),
    ],
)
@pytest.mark.parametrize("effect", ["read", "idempotent", "check", "at_least_once"])
def test_refusals_mean_the_same_for_every_effect(status: int, type: str, effect: str) -> None:
    assert error(status, effect).type == type


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504, 599])
def test_a_failure_is_repeated_only_where_that_does_no_harm(status: int) -> None:
    assert error(status, "read").type == "unavailable"
    assert error(status, "idempotent").type == "unavailable"
    assert error(status, "check").type == "unknown"
    assert error(status, "at_least_once").type == "unknown"


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_success_is_no_error(status: int) -> None:
    raise_for_status(FakeResponse.of(Recorded(status)), effect="read")


@pytest.mark.parametrize(
    "body",
    [
        {"message": "no such box"},
        {"error": "no such box"},
        {"error": {"message": "no such box", "code": 5}},
        {"errors": [{"detail": "no  such\nbox"}]},
        {"detail": [{"message": "no such box"}]},
    ],
)
def test_the_services_own_words_are_told(body: Any) -> None:
    assert error(422, json=body).message.endswith(": no such box")


def test_long_words_are_cut_and_others_ignored() -> None:
    assert len(error(400, json={"message": "x" * 10_000}).message) < 400
    assert error(400, text="<html>").message == "Box answered 400 Bad Request"
    assert error(400, json=[[[[[["deep"]]]]]]).message == "Box answered 400 Bad Request"


def test_a_refused_credential_is_not_repeated() -> None:
    refused = error(401, json={"message": "invalid key sk-canary"})
    assert "canary" not in refused.message + refused.hint
    assert "canary" in refused.detail


def test_the_time_to_wait_is_handed_on() -> None:
    assert error(429, headers={"Retry-After": "7"}).retry_after == 7
    assert error(503, headers={"retry-after": "3"}).retry_after == 3
    assert error(429).retry_after is None


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": " 12 "}, 12.0),
        ({"Retry-After": "-1"}, None),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "²"}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:30 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 30.0),
        ({"Retry-After": "Fri, 20 Nov 2026 09:00:00 GMT", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:30 GMT"}, None),
        ({"Retry-After": "Fri, 20 Nov 2026 10:00:30 -0000", "Date": "Fri, 20 Nov 2026 10:00:00 GMT"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
