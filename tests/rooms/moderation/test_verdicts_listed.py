"""``moderation.verdicts``: what was decided in a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from hookline.sdk import BadInput, PastOutput
from hookline.testing import FakeContext, run_action

from .kit import REGISTRY, check

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
LIST = REGISTRY.actions["moderation.verdicts"]


def past(hours: float, text: str = "You bastard", workflow: str = "comments") -> PastOutput:
    """A verdict of so many hours ago."""
    return PastOutput(f"run_{hours}", workflow, "steps[0]", NOW - timedelta(hours=hours), check(text=text))


def listed(*outputs: PastOutput, **given: Any) -> Any:
    ctx = FakeContext(past=outputs)
    return asyncio.run(run_action(LIST, {"until": "2026-03-02T08:00:00+01:00", **given}, ctx))


def test_verdicts_of_the_time_are_counted_and_those_asked_for_are_listed() -> None:
    found = listed(past(1), past(2, "hello"), past(3, "hello"), past(25), past(-1), actions=["block"])
    assert found["counts"] == {"allow": 2, "review": 0, "block": 1}
    assert found["categories"] == {"profanity": 1}
    assert [each["run"] for each in found["verdicts"]] == ["run_1"]
    assert (found["since"], found["until"]) == ("2026-03-01T07:00:00Z", "2026-03-02T07:00:00Z")


def test_neighbouring_times_share_no_verdict_and_miss_none() -> None:
    outputs = [past(hours) for hours in (0, 1, 24, 47, 48)]
    today = listed(*outputs, last="24h")
    yesterday = listed(*outputs, last="24h", until="2026-03-01T07:00:00Z")
    runs = [each["run"] for found in (today, yesterday) for each in found["verdicts"]]
    assert runs == ["run_1", "run_24", "run_47", "run_48"]


def test_what_was_examined_is_not_told() -> None:
    assert "bastard" not in str(listed(past(1)))


def test_the_newest_come_first_up_to_the_limit() -> None:
    found = listed(*(past(hours) for hours in (3, 1, 2)), limit=2)
    assert ([each["run"] for each in found["verdicts"]], found["more"]) == (["run_1", "run_2"], 1)


def test_only_one_workflow() -> None:
    found = listed(past(1), past(2, workflow="posts"), workflow="posts")
    assert [each["workflow"] for each in found["verdicts"]] == ["posts"]


@pytest.mark.parametrize("until", ["yesterday", "2026-03-02T08:00:00"])
def test_a_time_without_a_meaning_is_refused(until: str) -> None:
    with pytest.raises(BadInput, match="until"):
        listed(until=until)
