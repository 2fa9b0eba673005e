"""``hookline run``: inputs, output, exit codes."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from hookline.cli import foreground

from .conftest import Cli, Process

STEP = {"uses": "transform", "with": {"v": 1}}
WAITS = [{"id": "later", "wait": {"for": "1h"}}]


def test_the_output_is_data_and_the_rest_is_not(cli: Cli) -> None:
    result = cli.ok("run", "hello", "--input", '{"name": "Ada"}')
    assert json.loads(result.stdout) == {"greeting": "Hello, Ada!"}
    assert "greeting" in result.stderr
    assert "succeeded" in result.stderr


def test_input_from_a_file_and_from_standard_input(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "input.json"
    file.write_text('{"name": "Bob"}')
    assert json.loads(cli.ok("run", "hello", "--input", f"@{file}").stdout) == {"greeting": "Hello, Bob!"}
    piped = cli("run", "hello", "--input", "-", input='{"name": "Eve"}')
    assert json.loads(piped.stdout) == {"greeting": "Hello, Eve!"}


def test_the_input_is_the_event_of_a_manual_trigger_and_its_form_is_kept(cli: Cli) -> None:
    form = {"uses": "manual", "with": {"inputs": {"n": {"type": "integer", "default": 3}}}}
    cli.write(
        "form",
        trigger=form,
        steps=[{"id": "a", "uses": "transform", "with": {"v": "{{ trigger.n + 1 }}"}}],
        output="{{ steps.a.v }}",
    )
    assert cli.ok("run", "form").stdout == "4\n"
    assert cli.ok("run", "form", "--input", '{"n": 6}').stdout == "7\n"
    wrong = cli("run", "form", "--input", '{"n": "x"}')
    assert wrong.exit_code == 2
    assert "R403" in wrong.stderr
    assert cli("run", "form", "--dry-run", "--input", '{"n": "x"}').exit_code == 2


WRONG_USES = {
    "unknown": (["run", "helo"], "did you mean 'hello'"),
    "no file": (["run", "workflows/none.json"], "there is no file"),
    "no JSON": (["run", "hello", "--input", "{"], "not JSON"),
    "no object": (["run", "hello", "--input", "[]"], "object"),
    "wrong input": (["run", "hello", "--input", '{"name": 1}'], "R403"),
    "no duration": (["run", "hello", "--timeout", "soon"], "90s"),
    "no such file": (["run", "hello", "--input", "@nowhere.json"], "cannot be read"),
}


@pytest.mark.parametrize(("arguments", "said"), WRONG_USES.values(), ids=WRONG_USES)
def test_a_wrong_use_exits_with_2_and_starts_nothing(cli: Cli, arguments: list[str], said: str) -> None:
    result = cli(*arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert result.stdout == ""
    assert cli.json("runs", "list", "--json")["runs"] == []


def test_the_event_of_another_trigger_is_never_made_up(cli: Cli) -> None:
    trigger = {"uses": "webhook", "with": {"path": "in", "auth": {"type": "none"}}}
    cli.write("hook", trigger=trigger, steps=[STEP], output="{{ trigger.body }}")
    refused = cli("run", "hook")
    assert refused.exit_code == 2
    assert "--sample" in refused.stderr
    assert cli.ok("run", "hook", "--sample").exit_code == 0
    assert cli.ok("run", "hook", "--input", '{"body": 7}').stdout == "7\n"


def test_a_run_that_fails_exits_with_1_and_says_why(cli: Cli) -> None:
    cli.write("bad", steps=[{"id": "no", "uses": "refuse", "with": {"kind": "input"}}])
    result = cli("run", "bad", "--json")
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert document["status"] == "failed"
    assert document["error"]["code"] == "C998"
    assert "give something else" in result.stderr


def test_refused_credentials_exit_with_4(cli: Cli) -> None:
    cli.write("bad", steps=[{"uses": "refuse", "with": {"kind": "authentication"}}])
    result = cli("run", "bad")
    assert result.exit_code == 4
    assert "C999" in result.stderr


def test_a_database_that_cannot_be_used_exits_with_4(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (cli.project / "not.db").write_text("this is no database, but it is long enough to look like one " * 9)
    monkeypatch.setenv("HOOKLINE_DATABASE_URL", "sqlite:///not.db")
    result = cli("run", "hello")
    assert result.exit_code == 4
    assert "S102" in result.stderr
    assert "this is no database" in (cli.project / "not.db").read_text()


def test_a_run_that_waits_longer_than_the_timeout_stays_open(cli: Cli) -> None:
    cli.write("slow", steps=WAITS)
    result = cli("run", "slow", "--timeout", "0.1s", "--json")
    assert result.exit_code == 5
    document = json.loads(result.stdout)
    assert document["status"] == "waiting"
    assert document["steps"][0]["waiting_for"]["kind"] == "timer"
    assert f"hookline runs resume {document['id']}" in result.stderr
    assert cli.json("runs", "show", document["id"], "--json")["status"] == "waiting"


def test_a_called_workflow_runs_too(cli: Cli) -> None:
    cli.write(
        "caller",
        steps=[{"id": "h", "call": "hello", "with": {"name": "{{ trigger.who }}"}}],
        output="{{ steps.h.greeting }}",
    )
    assert json.loads(cli.ok("run", "caller", "--input", '{"who": "Kim"}').stdout) == "Hello, Kim!"


def test_a_file_outside_the_project_runs(cli: Cli, tmp_path: Path) -> None:
    file = tmp_path / "one.json"
    value = {"name": "one", "trigger": {"uses": "manual"}, "steps": [STEP], "output": 1}
    file.write_text(json.dumps(value))
    assert cli.ok("run", str(file)).stdout == "1\n"


def test_a_short_timer_is_waited_for(cli: Cli) -> None:
    cli.write("blink", steps=[{"wait": {"for": "20ms"}}], output="awake")
    assert json.loads(cli.ok("run", "blink").stdout) == "awake"


def test_each_attempt_and_its_end_are_told(cli: Cli) -> None:
    retry = {"max_attempts": 2, "delay": "200ms", "on": ["bad_input"]}
    cli.write("bad", steps=[{"id": "no", "uses": "refuse", "with": {"kind": "input"}, "retry": retry}])
    result = cli("run", "bad")
    told = [line.split()[:2] for line in result.stderr.splitlines()]
    assert ["retrying", "no"] in told
    assert ["failed", "no"] in told
    quiet = cli("run", "bad", "--quiet")
    assert ["failed", "no"] not in [line.split()[:2] for line in quiet.stderr.splitlines()]


def test_secrets_are_masked_in_what_is_shown(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-very-secret-token")
    cli.write("leak", steps=[{"uses": "log", "with": {"message": "{{ trigger.text }}"}}])
    result = cli.ok("run", "leak", "--input", '{"text": "it is xoxb-very-secret-token"}', "--json")
    assert "very-secret" not in result.stdout
    assert "very-secret" not in result.stderr


# Processes and signals -----------------------------------------------------------------------------


@pytest.fixture
def pipe(cli: Cli) -> Path:
    """A workflow ``piped`` whose first step runs until somebody writes to this pipe."""
    path = cli.project / "pipe"
    os.mkfifo(path)
    cli.write(
        "piped",
        steps=[
            {"id": "read", "uses": "read_fifo", "with": {"path": str(path)}},
            {"id": "after", "uses": "transform", "with": {"text": "{{ steps.read.text }}!"}},
        ],
        output="{{ steps.after.text }}",
    )
    return path


def only_run(cli: Cli) -> str:
    (run,) = cli.json("runs", "list", "--json")["runs"]
    return str(run["id"])


def test_ctrl_c_while_waiting_leaves_the_run_open(cli: Cli, processes: Callable[..., Process]) -> None:
    cli.write("slow", steps=WAITS)
    process = processes("run", "slow")
    process.wait_for("waiting")
    process.send(signal.SIGINT)
    code, _, errors = process.end()
    assert code == 130
    run_id = only_run(cli)
    assert f"hookline runs resume {run_id}" in errors
    assert cli.json("runs", "show", run_id, "--json")["status"] == "waiting"
    assert cli("runs", "resume", run_id, "--timeout", "0.1s").exit_code == 5


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_step_under_way_may_finish(
    cli: Cli, pipe: Path, processes: Callable[..., Process], number: signal.Signals
) -> None:
    process = processes("run", "piped")
    with pipe.open("w") as writer:  # opens when the step's code has opened it
        process.send(number)
        process.wait_for("interrupted")
        writer.write("once")
    code, _, _ = process.end()
    assert code == 130
    document = cli.json("runs", "show", only_run(cli), "--json")
    assert document["steps"][0]["output"] == {"text": "once"}
    assert document["steps"][0]["attempts"] == 1


def test_a_second_ctrl_c_leaves_at_once(cli: Cli, pipe: Path, processes: Callable[..., Process]) -> None:
    process = processes("run", "piped")
    with pipe.open("w"):
        process.send(signal.SIGINT)
        process.wait_for("interrupted")
        process.wait_for("runs watch")
        process.send(signal.SIGINT)
        assert process.end()[0] == 130
    assert cli.json("runs", "show", only_run(cli), "--json")["status"] == "running"


def test_a_killed_run_goes_on_where_it_was(cli: Cli, pipe: Path, processes: Callable[..., Process]) -> None:
    first = processes("run", "piped")
    with pipe.open("w"):
        first.send(signal.SIGKILL)
        assert first.end()[0] == -signal.SIGKILL
    run_id = only_run(cli)
    watched = cli("runs", "watch", run_id, "--timeout", "0.1s")
    assert watched.exit_code == 5
    assert f"hookline runs resume {run_id}" in watched.stderr

    second = processes("runs", "resume", run_id)
    watcher = processes("runs", "watch", run_id, "--json")
    with pipe.open("w") as writer:
        writer.write("again")
    code, output, errors = second.end()
    assert code == 0, errors
    assert json.loads(output) == "again!"
    code, output, errors = watcher.end()
    assert code == 0, errors
    assert json.loads(output)["output"] == "again!"


def test_a_foreground_run_leaves_what_others_left(cli: Cli) -> None:
    """An abandoned run of somebody else is neither executed nor waited for."""
    left = cli.json("events", "send", "hello", "--json")["runs"][0]
    assert cli.ok("run", "hello").exit_code == 0
    assert cli.json("runs", "show", left, "--json")["status"] == "running"
    assert cli.ok("runs", "resume", left).exit_code == 0
    assert cli.json("runs", "show", left, "--json")["status"] == "succeeded"


def test_an_action_is_promised_a_callback_only_where_somebody_may_listen(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise it would wait for what cannot come; a server's address is known if it is set."""
    cli.write("asks", steps=[{"id": "a", "uses": "called_back"}], output="{{ steps.a.url }}")
    assert cli.json("run", "asks") == ""
    monkeypatch.setenv("HOOKLINE_BASE_URL", "https://hooks.example.com")
    assert cli.json("run", "asks").startswith("https://hooks.example.com/callbacks/")


def test_an_approval_given_elsewhere_reaches_a_run_in_the_foreground(
    cli: Cli, processes: Callable[..., Process]
) -> None:
    approve = {"approve": {"who": ["operator"], "message": "Ship it?"}, "timeout": "1h", "on_timeout": "fail"}
    cli.write("ship", steps=[{"id": "gate", **approve}], output="{{ steps.gate.by }}")
    process = processes("run", "ship")
    process.wait_for("waiting")
    (approval,) = cli.json("approvals", "list", "--json")["approvals"]
    assert approval["message"] == "Ship it?"
    cli.ok("approvals", "approve", approval["id"], "--by", "ana", "--comment", "yes")
    code, output, errors = process.end()
    assert code == 0, errors
    assert json.loads(output) == "operator:ana"
    assert cli("approvals", "approve", approval["id"], "--by", "bob").exit_code == 2


LEAVES = '''"""Leave a job behind."""

from datetime import timedelta

from hookline.sdk import BadInput, Context, Leftover, Park, action


@action("leaves", effect="at_least_once", summary="Left a job")
async def leaves(ctx: Context) -> None:
    """Leave a job behind"""
    await ctx.note(job=1)
    raise BadInput("no")


@leaves.on_settle
async def settle(ctx: Context, left: Leftover) -> Park | None:
    """Two looks"""
    if left.looks == 1:
        return Park("the job to end", ctx.now() + timedelta(seconds=SECONDS))
    ctx.cost(0.25, of="model")
    return None
'''


@pytest.mark.parametrize("seconds", [0, 3600])
def test_what_the_run_has_left_behind_is_settled_before_the_command_ends(
    cli: Cli, seconds: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(foreground, "GRACE_SECONDS", 10.0 if seconds == 0 else 0.0)
    (cli.project / "actions").mkdir(exist_ok=True)
    (cli.project / "actions/leaves.py").write_text(LEAVES.replace("SECONDS", str(seconds)))
    cli.write("left", steps=[{"id": "a", "uses": "leaves"}])
    result = cli("run", "left", "--json")
    assert result.exit_code == 1
    assert ("is not settled yet" in result.stderr) == (seconds > 0)
    assert json.loads(result.stdout)["cost_usd"] == (0.25 if seconds == 0 else 0.0)
