"""Runs that failed are told of in one message."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from hookline.testing.slack import SlackStandIn

from .installation import install, texts, wait_until

STOP = {"status": "failed", "reason": "no {{ trigger.what }}"}
BROKEN: dict[str, Any] = {
    "name": "broken",
    "trigger": {"uses": "manual"},
    "steps": [{"when": "{{ trigger.fails }}", "stop": STOP}],
}


def shortened(text: str) -> str:
    """The starter, for a workflow of the test's own and without the wait."""
    names = '["upload-restyle", "moderate-comments", "webhook-picture"]'
    assert names in text
    assert '"within": "5m", "max": 200' in text
    return text.replace(names, '["broken"]').replace('"within": "5m", "max": 200', '"within": "5m", "max": 2')


def test_runs_that_failed_are_told_of_together(tmp_path: Path, slack: SlackStandIn) -> None:
    with install(
        tmp_path / "project",
        "tell-failures",
        environment={"SLACK_BASE_URL": slack.api_url, "SLACK_BOT_TOKEN": slack.token},
        origins=(slack.base_url,),
        definitions=[BROKEN],
        change=shortened,
    ) as hookline:
        for fails, what in ((True, "tea"), (False, ""), (True, "milk")):
            body = {"workflow": "broken", "trigger": {"fails": fails, "what": what}}
            httpx.post(f"{hookline.url}/api/v1/runs", json=body, trust_env=False).raise_for_status()
            count = len(hookline.runs("broken"))
            wait_until(lambda count=count: all(run["finished_at"] for run in hookline.runs("broken")[:count]))
        run = hookline.succeeded("tell-failures")
        failed = [run["id"] for run in hookline.runs("broken") if run["status"] == "failed"]
    assert run["output"] == {"told": 2}
    (message,) = texts(slack, "ops")
    assert message.splitlines() == [
        "*2 runs have failed*",
        f"• broken {failed[0]}: no tea",
        f"• broken {failed[1]}: no milk",
    ]
