"""Verdicts: combining, judging again, and what the stored numbers cannot tell."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hookline.sdk import BadInput
from hookline.sdk.moderation import Assessment, Finding
from hookline.sdk.policies import FLOOR, Policy, limits_of
from hookline.sdk.verdicts import Part, combine, judge, rejudge

ORDER = ("allow", "review", "block")


def part(score: float, name: str = "violence", **changes: Any) -> Part:
    judged = judge(Assessment([Finding(name, score)]), {})
    made: Part = {
        "provider": "p",
        "kinds": ["text"],
        "model": "m-1",
        "provider_request_id": "",
        "status": judged.status,
        "provider_flagged": False,
        "categories": judged.categories,
        "action": judged.action,
        "reason": judged.reason,
        "latency_ms": 1,
    }
    return {**made, **changes}  # type: ignore[typeddict-item]


def stored(*parts: Part, how: str = "strictest", **changes: Any) -> dict[str, Any]:
    action, reason = combine(parts, how)  # type: ignore[arg-type]
    first = parts[0]
    return {
        **first,
        "schema": "moderation.verdict/1",
        "subject": {"kind": "text", "sha256": "0" * 64},
        "action": action,
        "reason": reason,
        "policy": {"id": "default", "version": 1},
        "combine": how,
        "parts": list(parts) if len(parts) > 1 else [],
        "not_asked": [],
        **changes,
    }


def test_a_stored_verdict_follows_the_policy() -> None:
    verdict = stored(part(0.5))
    assert rejudge(verdict, {})[0] == "review"
    assert rejudge(verdict, {"default": {"review": 0.6}}) == ("allow", "nothing at or above a threshold")
    assert rejudge(verdict, {"default": {"block": 0.5}}) == ("block", "violence 0.50 >= block 0.5")


def test_an_error_stays_one_and_follows_the_policy() -> None:
    verdict = stored(part(0.0, status="error", action="allow", categories=[], reason="it failed"))
    assert rejudge(verdict, {}) == ("review", "it failed")
    assert rejudge(verdict, {"on_error": "block"})[0] == "block"


def test_what_could_not_be_looked_at_follows_the_policy() -> None:
    verdict = stored(part(0.0, status="unsupported", action="review", categories=[], reason="too long"))
    assert rejudge(verdict, {"on_error": "allow"}) == ("review", "too long")
    assert rejudge(verdict, {"on_unsupported": "block"})[0] == "block"


def test_what_a_cascade_did_not_ask_is_not_guessed() -> None:
    verdict = stored(part(0.9), how="cascade", not_asked=["costly"])
    assert rejudge(verdict, {"default": {"review": None, "block": None}}) == (
        "review",
        "costly was not asked",
    )
    allowed = stored(part(0.1), how="cascade", not_asked=["costly"])
    assert rejudge(allowed, {})[0] == "allow"


def test_a_verdict_of_before_parts_were_kept_can_be_judged() -> None:
    verdict = stored(part(0.5))
    for key in ("combine", "parts", "not_asked", "kinds"):
        del verdict[key]
    assert rejudge(verdict, {})[0] == "review"


@pytest.mark.parametrize("key", ["categories", "status", "provider", "subject"])
def test_an_incomplete_verdict_is_no_basis(key: str) -> None:
    verdict = stored(part(0.5))
    del verdict[key]
    with pytest.raises(BadInput) as caught:
        rejudge(verdict, {})
    assert caught.value.code == "C036"


scores = st.floats(0, 1)
thresholds = st.fixed_dictionaries({}, optional={"review": st.none() | scores, "block": st.none() | scores})


@settings(max_examples=200, deadline=None)
@given(st.lists(scores, min_size=1, max_size=4), st.sampled_from(["strictest", "majority", "cascade"]))
def test_judging_again_under_the_same_policy_changes_nothing(found: list[float], how: str) -> None:
    verdict = stored(*(part(score) for score in found), how=how)
    assert rejudge(verdict, {})[0] == verdict["action"]


@settings(max_examples=200, deadline=None)
@given(thresholds, thresholds, scores)
def test_no_policy_weakens_the_floor(default: Any, own: Any, score: float) -> None:
    for name, floor in FLOOR.items():
        policy: Policy = {"default": default, "categories": {name: own}}
        limits = limits_of(name, policy)
        assert limits["block"] is not None
        assert limits["block"] <= floor
        if score >= floor:
            for how in ("strictest", "majority", "cascade"):
                again = stored(part(score, name), part(0.0), part(0.0), how=how)
                assert rejudge(again, policy)[0] == "block"


@settings(max_examples=200, deadline=None)
@given(thresholds, scores, scores)
def test_the_decision_never_falls_with_the_score(default: Any, first: float, second: float) -> None:
    policy: Policy = {"default": default}
    low, high = (rejudge(stored(part(score)), policy)[0] for score in sorted((first, second)))
    assert ORDER.index(low) <= ORDER.index(high)
