"""Whoever sees that a run waits for a decision is told how to give it."""

from __future__ import annotations

import json

import pytest

from .conftest import Cli

GATE = {"id": "gate", "approve": {"who": ["operator"], "message": "Ship it?"}}
PUBLIC = "https://hooks.example.com"


@pytest.fixture
def waiting(cli: Cli) -> str:
    cli.write("ship", steps=[{**GATE, "timeout": "1h", "on_timeout": "fail"}])
    return str(json.loads(cli("run", "ship", "--timeout", "0.1s", "--json").stdout)["id"])


def approval_of(cli: Cli) -> str:
    (approval,) = cli.json("approvals", "list", "--json")["approvals"]
    return str(approval["id"])


def test_show_names_the_command_and_the_page_when_it_is_known(
    cli: Cli, waiting: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    approval = approval_of(cli)
    shown = cli.ok("runs", "show", waiting)
    assert f"hookline approvals approve {approval}" in shown.stderr
    assert "/approvals/" not in shown.stderr
    monkeypatch.setenv("HOOKLINE_BASE_URL", PUBLIC)
    assert f"{PUBLIC}/approvals/{approval}" in cli.ok("runs", "show", waiting).stderr
    document = cli.json("runs", "show", waiting, "--json")
    assert document["steps"][0]["waiting_for"]["approval"] == approval


def test_run_says_how_to_decide(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.write("ship", steps=[{**GATE, "timeout": "1h", "on_timeout": "fail"}])
    monkeypatch.setenv("HOOKLINE_BASE_URL", PUBLIC)
    left = cli("run", "ship", "--timeout", "0.1s", "--json")
    assert left.exit_code == 5
    assert json.loads(left.stdout)["status"] == "waiting"
    assert left.stderr.count(f"hookline approvals approve {approval_of(cli)}") == 1
    assert f"{PUBLIC}/approvals/{approval_of(cli)}" in left.stderr


def test_what_waits_for_something_else_says_nothing_of_approvals(cli: Cli) -> None:
    cli.write("slow", steps=[{"wait": {"for": "1h"}}])
    left = cli("run", "slow", "--timeout", "0.1s", "--json")
    shown = cli.ok("runs", "show", json.loads(left.stdout)["id"])
    assert "approvals" not in left.stderr + shown.stderr
