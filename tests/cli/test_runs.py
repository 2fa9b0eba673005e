"""Runs, events and approvals of the project's own database."""

from __future__ import annotations

import json

import pytest

from .conftest import Cli


@pytest.fixture
def failed(cli: Cli) -> str:
    """A run whose second step fails as long as the file ``input`` says so."""
    cli.write(
        "shaky",
        steps=[
            {"id": "first", "uses": "transform", "with": {"v": "{{ trigger.v }}"}},
            {"id": "no", "uses": "refuse", "with": {"kind": "input"}},
        ],
        output="{{ steps.first.v }}",
    )
    result = cli("run", "shaky", "--input", '{"v": 1}', "--json")
    assert result.exit_code == 1
    return str(json.loads(result.stdout)["id"])


def mend(cli: Cli) -> None:
    """Make the failing workflow succeed."""
    cli.write(
        "shaky",
        steps=[
            {"id": "first", "uses": "transform", "with": {"v": "{{ trigger.v }}"}},
            {"id": "no", "uses": "transform", "with": {"v": 0}},
        ],
        output="{{ steps.first.v }}",
    )


def test_runs_are_listed_newest_first_and_filtered(cli: Cli, failed: str) -> None:
    cli.ok("run", "hello")
    listed = cli.json("runs", "list", "--json")
    assert listed["schema"] == "hookline.runs/1"
    assert [run["workflow"] for run in listed["runs"]] == ["hello", "shaky"]
    assert listed["next"] is None
    assert all("steps" not in run for run in listed["runs"])
    assert [run["id"] for run in cli.json("runs", "list", "--status", "failed", "--json")["runs"]] == [failed]
    assert len(cli.json("runs", "list", "--workflow", "hello", "--json")["runs"]) == 1
    assert len(cli.json("runs", "list", "--since", "1h", "--json")["runs"]) == 2
    assert cli.json("runs", "list", "--since", "2999-01-01T00:00:00Z", "--json")["runs"] == []
    assert cli.json("runs", "list", "--limit", "1", "--json")["next"] is not None
    text = cli.ok("runs", "list").stdout.splitlines()
    assert len(text) == 2
    assert "C998" in text[1]


@pytest.mark.parametrize("value", ["yesterday", "2026-11-20T09:00:00"])
def test_since_is_a_duration_or_a_time_with_its_zone(cli: Cli, value: str) -> None:
    assert cli("runs", "list", "--since", value).exit_code == 2


def test_a_run_is_shown_for_people_and_as_the_document(cli: Cli, failed: str) -> None:
    text = cli.ok("runs", "show", failed).stdout
    assert "first" in text
    assert "C998: this cannot be used" in text
    document = cli.json("runs", "show", failed, "--json")
    assert document["schema"] == "hookline.run/1"
    assert [step["status"] for step in document["steps"]] == ["succeeded", "failed"]
    history = cli.json("runs", "show", failed, "--history", "--json")["history"]
    assert history[0]["kind"] == "run.created"
    assert history[-1]["kind"] == "run.finished"


@pytest.mark.parametrize(
    "arguments",
    [
        ["runs", "show", "run_none"],
        ["runs", "watch", "run_none"],
        ["runs", "cancel", "run_none"],
        ["runs", "resume", "run_none"],
        ["runs", "replay", "run_none"],
        ["events", "show", "evt_none"],
        ["events", "replay", "evt_none"],
        ["approvals", "approve", "apr_none"],
        ["runs", "shwo", "run_none"],
    ],
)
def test_what_is_not_there_is_a_wrong_use(cli: Cli, arguments: list[str]) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert "there is no" in result.stderr


def test_resume_goes_on_with_what_failed_under_the_newest_version(cli: Cli, failed: str) -> None:
    unchanged = cli("runs", "resume", failed)
    assert unchanged.exit_code == 1
    assert "--version latest" not in unchanged.stderr
    mend(cli)
    original = cli("runs", "resume", failed)
    assert original.exit_code == 1
    assert f"hookline runs resume {failed} --version latest" in original.stderr
    # Failed now, and not once more for each time it failed before.
    lines = [line.split() for line in original.stderr.splitlines()]
    assert [line[1] for line in lines if line[:1] == ["failed"]] == ["no"]
    document = cli.json("runs", "resume", failed, "--version", "latest", "--json")
    assert document["id"] == failed
    assert document["status"] == "succeeded"
    assert document["output"] == 1
    again = cli("runs", "resume", failed)
    assert again.exit_code == 2
    assert "R410" in again.stderr


def test_a_detached_resume_finds_the_newest_version(cli: Cli, failed: str) -> None:
    mend(cli)
    assert (
        "will be resumed by the server"
        in cli.ok("runs", "resume", failed, "--version", "latest", "--detach").stderr
    )
    document = cli.json("runs", "resume", failed, "--json")
    assert document["status"] == "succeeded"
    assert document["output"] == 1


def test_replay_is_a_new_run_that_may_take_over_earlier_steps(cli: Cli, failed: str) -> None:
    mend(cli)
    document = cli.json("runs", "replay", failed, "--version", "latest", "--json")
    assert document["id"] != failed
    assert document["replay_of"] == failed
    assert document["output"] == 1
    other = cli.json("runs", "replay", failed, "--version", "latest", "--input", '{"v": 5}', "--json")
    assert other["output"] == 5
    copied = cli.json("runs", "replay", failed, "--version", "latest", "--from", "no", "--json")
    assert copied["output"] == 1
    assert copied["steps"][0]["attempts"] == 0
    assert cli("runs", "replay", failed, "--from", "nowhere").exit_code == 2


def test_replay_keeps_the_version_it_had_unless_told(cli: Cli, failed: str) -> None:
    mend(cli)
    result = cli("runs", "replay", failed)
    assert result.exit_code == 1
    assert "--version latest" in result.stderr


def test_cancel_is_taken_in_by_whoever_goes_on(cli: Cli) -> None:
    cli.write("slow", steps=[{"wait": {"for": "1h"}}])
    result = cli("run", "slow", "--timeout", "0.1s", "--json")
    run_id = json.loads(result.stdout)["id"]
    assert "asked to stop" in cli.ok("runs", "cancel", run_id, "--reason", "no need").stderr
    resumed = cli("runs", "resume", run_id, "--json")
    assert resumed.exit_code == 1
    assert json.loads(resumed.stdout)["status"] == "canceled"
    assert cli("runs", "cancel", run_id).exit_code == 2


def test_an_open_run_keeps_its_version(cli: Cli) -> None:
    cli.write("slow", steps=[{"wait": {"for": "1h"}}])
    run_id = json.loads(cli("run", "slow", "--timeout", "0.1s", "--json").stdout)["id"]
    result = cli("runs", "resume", run_id, "--version", "latest")
    assert result.exit_code == 2
    assert "keeps its version" in result.stderr


def test_watch_exits_as_the_run_ended(cli: Cli, failed: str) -> None:
    assert cli("runs", "watch", failed).exit_code == 1
    done = cli.json("run", "hello", "--json")["id"]
    assert cli.json("runs", "watch", done, "--json")["status"] == "succeeded"


def test_a_detached_run_waits_for_a_server(cli: Cli) -> None:
    done = cli.json("run", "hello", "--json")["id"]
    answer = cli.json("runs", "replay", done, "--detach", "--json")
    (run_id,) = answer["runs"]
    document = cli.json("runs", "show", run_id, "--json")
    assert document["status"] == "running"
    assert document["steps"] == []
    assert cli.json("runs", "resume", run_id, "--json")["status"] == "succeeded"


def test_events_are_sent_listed_shown_and_replayed(cli: Cli) -> None:
    sent = cli.json("events", "send", "hello", "--data", '{"name": "Ada"}', "--json")
    assert sent["schema"] == "hookline.accepted/1"
    listed = cli.json("events", "list", "--json")["events"]
    assert [event["id"] for event in listed] == [sent["event"]]
    assert listed[0]["state"] == "running"
    assert cli.json("events", "show", sent["event"])["runs"] == sent["runs"]
    cli.ok("runs", "resume", sent["runs"][0])
    assert cli.json("events", "list", "--json")["events"][0]["state"] == "done"
    document = cli.json("events", "replay", sent["event"], "--json")
    assert document["output"] == {"greeting": "Hello, Ada!"}
    assert document["replay_of"] == sent["runs"][0]
    assert cli.json("events", "list", "--state", "rejected", "--json")["events"] == []


def test_events_need_an_event(cli: Cli) -> None:
    trigger = {"uses": "webhook", "with": {"path": "in", "auth": {"type": "none"}}}
    cli.write("hook", trigger=trigger, steps=[{"uses": "transform", "with": {"v": "{{ trigger.body }}"}}])
    assert cli("events", "send", "hook").exit_code == 2
    assert cli.json("events", "send", "hook", "--sample", "--json")["runs"]
    assert cli("events", "send", "hok", "--sample").exit_code == 2


def test_a_rejected_approval_fails_the_run(cli: Cli) -> None:
    approve = {"approve": {"who": ["operator"], "message": "Ship it?"}, "timeout": "1h", "on_timeout": "fail"}
    cli.write("ship", steps=[{"id": "gate", **approve}])
    run_id = json.loads(cli("run", "ship", "--timeout", "0.1s", "--json").stdout)["id"]
    (approval,) = cli.json("approvals", "list", "--json")["approvals"]
    assert approval["run"] == run_id
    cli.ok("approvals", "reject", approval["id"], "--by", "ana")
    again = cli.ok("approvals", "reject", approval["id"], "--by", "ana")
    assert "before" in again.stderr
    resumed = cli("runs", "resume", run_id, "--json")
    assert resumed.exit_code == 1
    assert json.loads(resumed.stdout)["error"]["type"] == "rejected"
    assert cli.json("approvals", "list", "--json")["approvals"] == []
    assert len(cli.json("approvals", "list", "--status", "rejected", "--json")["approvals"]) == 1


def test_the_items_of_a_loop_are_told_apart(cli: Cli) -> None:
    inner = {"id": "say", "uses": "transform", "with": {"v": "{{ item }}"}}
    loop = {"id": "all", "for_each": "{{ [1, 2] }}", "do": [inner]}
    cli.write("loop", steps=[loop])
    result = cli("run", "loop", "--json")
    assert result.exit_code == 0, result.output
    text = cli.ok("runs", "show", json.loads(result.stdout)["id"]).stdout
    for label in ("say#0", "say#1"):
        assert label in result.stderr
        assert label in text
    assert "all#" not in text
