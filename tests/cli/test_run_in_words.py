"""What ``runs show`` says about a step, beside its status."""

from __future__ import annotations

from typing import Any

import pytest

from hookline.cli.runs import _about

STEP: dict[str, Any] = {"error": None, "waiting_for": None, "interruptions": 0}


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({}, ""),
        ({"interruptions": 1}, "interrupted once"),
        ({"interruptions": 3}, "interrupted 3 times"),
        (
            {"interruptions": 2, "error": {"code": "R202", "message": "it is late"}},
            "interrupted 2 times; R202: it is late",
        ),
    ],
)
def test_a_repeated_step_says_that_it_was_interrupted(step: dict[str, Any], words: str) -> None:
    assert _about({**STEP, **step}) == words


def test_what_a_canceled_step_left_is_said() -> None:
    left = [{"attempt": 1, "reason": "job 7 to end", "until": "2026-11-20T09:00:00.000Z"}]
    assert _about({**STEP, "settling": left}) == "settling: job 7 to end, next look 2026-11-20T09:00:00.000Z"


def test_a_server_of_an_older_version_gives_no_count() -> None:
    assert _about({"error": None, "waiting_for": None}) == ""
