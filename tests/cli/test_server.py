"""``hookline serve`` and ``hookline dev``, and the commands that ask a server."""

from __future__ import annotations

import json
import re
import signal
import socket
import sqlite3
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from .conftest import Cli, Process

TOKEN = "a-token-for-this-test-only"
Served = tuple[str, Process]
DAY = {"timeout": "1d", "on_timeout": "fail"}


@pytest.fixture
def server(cli: Cli, processes: Callable[..., Process], monkeypatch: pytest.MonkeyPatch) -> Served:
    """The address of a server over the project, and its process; the token is in the environment."""
    cli.write("gate", steps=[{"id": "gate", "approve": {"who": ["operator"], "message": "?"}, **DAY}])
    process = processes("serve", "--port", "0", HOOKLINE_ADMIN_TOKEN=TOKEN)
    line = process.wait_for("listening on")
    monkeypatch.setenv("HOOKLINE_TOKEN", TOKEN)
    return address_in(line), process


def address_in(line: str) -> str:
    found = re.search(r"http://127\.0\.0\.1:\d+", line)
    assert found is not None, line
    return found[0]


def test_a_server_executes_what_is_sent_and_answers_about_it(cli: Cli, server: Served) -> None:
    at = ("--server", server[0])
    sent = cli.json("events", "send", "hello", "--data", '{"name": "Ada"}', "--json", *at)
    (run_id,) = sent["runs"]
    watched = cli("runs", "watch", run_id, "--json", *at)
    assert watched.exit_code == 0, watched.output
    assert json.loads(watched.stdout)["output"] == {"greeting": "Hello, Ada!"}
    assert cli.json("runs", "show", run_id, "--json", *at) == cli.json("runs", "show", run_id, "--json")
    assert [run["id"] for run in cli.json("runs", "list", "--json", *at)["runs"]] == [run_id]
    assert cli.json("runs", "list", "--since", "1h", "--status", "failed", "--json", *at)["runs"] == []
    assert cli.json("runs", "show", run_id, "--history", "--json", *at)["run"] == run_id
    assert cli.json("events", "list", "--json", *at)["events"][0]["id"] == sent["event"]
    assert cli.json("events", "show", sent["event"], *at)["runs"] == [run_id]
    for arguments in (["events", "replay", sent["event"]], ["runs", "replay", run_id]):
        (again,) = cli.json(*arguments, "--json", *at)["runs"]
        assert cli("runs", "watch", again, *at).exit_code == 0


def test_events_of_a_server_are_chosen_and_replayed(cli: Cli, server: Served) -> None:
    at = ("--server", server[0])
    events = []
    for name in ("Ada", "Bo"):
        sent = cli.json("events", "send", "hello", "--data", f'{{"name": "{name}"}}', "--json", *at)
        assert cli("runs", "watch", sent["runs"][0], *at).exit_code == 0
        events.append(sent["event"])
    slice_ = ("--workflow", "hello", "--run-status", "succeeded", "--since", "1h")
    listed = cli.json("events", "list", *slice_, "--json", *at)["events"]
    assert [event["id"] for event in listed] == events[::-1]
    assert "2 to replay, of 2 that fit" in cli.ok("events", "replay", *slice_, "--dry-run", *at).stderr
    command = ("events", "replay", *slice_, "--rate", "100/s", "--name", "n", "--yes", "--json", *at)
    started = cli.json(*command)["started"]
    assert [each["event"] for each in started] == events
    assert cli("runs", "watch", started[0]["runs"][0], *at).exit_code == 0
    assert cli.json(*command)["events"] == [], "under this name nothing is left"
    assert cli("events", "replay", "evt_none", *at).exit_code == 2
    real = cli("events", "sample", "manual", "--last", *at)
    assert '"name": "Bo"' in real.stdout


def test_approvals_and_cancellation_reach_the_server(cli: Cli, server: Served) -> None:
    at = ("--server", server[0])
    (run_id,) = cli.json("events", "send", "gate", "--json", *at)["runs"]
    assert cli("runs", "watch", run_id, "--timeout", "0s", *at).exit_code == 5
    waited = cli("run", "gate", "--timeout", "0.1s", "--json")  # the project's own, beside the server
    assert waited.exit_code == 5
    other = json.loads(waited.stdout)["id"]
    approvals = {
        each["run"]: each["id"] for each in cli.json("approvals", "list", "--json", *at)["approvals"]
    }
    cli.ok("approvals", "approve", approvals[run_id], "--by", "ana", *at)
    assert cli("runs", "watch", run_id, *at).exit_code == 0
    cli.ok("runs", "cancel", other)
    assert cli("runs", "watch", other).exit_code == 1
    assert cli.json("runs", "show", other, "--json", *at)["status"] == "canceled"


def test_refusals_of_a_server(cli: Cli, server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    at = ("--server", server[0])
    missing = cli("runs", "show", "run_none", *at)
    assert missing.exit_code == 2
    assert "R405" in missing.stderr
    monkeypatch.setenv("HOOKLINE_TOKEN", "wrong")
    refused = cli("runs", "list", *at)
    assert refused.exit_code == 4
    assert "HOOKLINE_TOKEN" in refused.stderr
    monkeypatch.delenv("HOOKLINE_TOKEN")
    assert cli("runs", "list", *at).exit_code == 4


def test_a_server_takes_up_what_was_left(cli: Cli, processes: Callable[..., Process]) -> None:
    (run_id,) = cli.json("events", "send", "hello", "--json")["runs"]
    process = processes("serve", "--port", "0", HOOKLINE_ADMIN_TOKEN=TOKEN)
    process.wait_for("listening on")
    assert cli("runs", "watch", run_id).exit_code == 0
    process.send(signal.SIGTERM)
    code, output, errors = process.end()
    assert code == 0, errors
    assert output == ""


def test_the_log_of_a_server_names_each_run_that_fails(cli: Cli, server: Served) -> None:
    _, process = server
    cli.write("fails", steps=[{"id": "no", "stop": {"status": "failed", "reason": "not today"}}])
    (run_id,) = cli.json("events", "send", "fails", "--data", "{}", "--json")["runs"]
    line = process.wait_for(run_id)
    assert "WARNING" in line
    assert "not today" in line


def test_a_backup_is_made_while_the_server_runs(cli: Cli, server: Served, tmp_path: Path) -> None:
    address, process = server
    (run_id,) = cli.json("events", "send", "hello", "--json", "--server", address)["runs"]
    assert cli("runs", "watch", run_id, "--server", address).exit_code == 0
    database = cli.project / ".hookline" / "hookline.db"
    with closing(sqlite3.connect(database)) as source, closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        source.backup(copy)
    process.send(signal.SIGTERM)
    assert process.end()[0] == 0
    # A disk is lost, and the copy is put where the database was.
    for each in database.parent.glob("hookline.db*"):
        if each.is_file():
            each.unlink()
    (tmp_path / "copy.db").rename(database)
    assert cli.json("runs", "show", run_id, "--json")["output"] == {"greeting": "Hello, world!"}
    assert cli("run", "hello").exit_code == 0


def test_serve_needs_an_admin_token(cli: Cli) -> None:
    result = cli("serve")
    assert result.exit_code == 4
    assert "HOOKLINE_ADMIN_TOKEN" in result.stderr


def test_a_port_that_is_taken_is_said_before_anything_starts(cli: Cli) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = cli("dev", "--port", str(port))
    assert result.exit_code == 2
    assert f"127.0.0.1:{port}" in result.stderr
    assert not (cli.project / ".hookline" / "hookline.db").exists()


def test_dev_reloads_what_is_valid_and_says_what_is_not(cli: Cli, processes: Callable[..., Process]) -> None:
    process = processes("dev", "--port", "0")
    at = ("--server", address_in(process.wait_for("http://127.0.0.1")))
    cli.write("new", steps=[{"id": "a", "uses": "transform", "with": {"v": 1}}], output="{{ steps.a.v }}")
    process.wait_for("deployed new")
    (run_id,) = cli.json("events", "send", "new", "--json", *at)["runs"]
    assert cli("runs", "watch", run_id, *at).exit_code == 0
    cli.write("new", steps=[{"uses": "transfrom"}])
    assert "new.json:1:" in process.wait_for("D401")
    (run_id,) = cli.json("events", "send", "new", "--json", *at)["runs"]
    assert json.loads(cli("runs", "watch", run_id, "--json", *at).stdout)["output"] == 1
    (cli.project / "hookline.toml").write_text("# changed\n")
    process.wait_for("restart to use it")
    (cli.project / "workflows" / "new.json").unlink()
    process.wait_for("withdrew new")
    assert cli("events", "send", "new", *at).exit_code == 2
    process.send(signal.SIGINT)
    assert process.end()[0] == 0


def test_dev_tells_what_runs_do(cli: Cli, processes: Callable[..., Process]) -> None:
    cli.write("gate", steps=[{"id": "gate", "approve": {"who": ["operator"], "message": "?"}, **DAY}])
    cli.write("bad", steps=[{"id": "end", "stop": {"status": "failed", "reason": "no stock"}}])
    process = processes("dev", "--port", "0")
    address = address_in(process.wait_for("http://127.0.0.1"))
    at = ("--server", address)
    (run_id,) = cli.json("events", "send", "bad", "--json", *at)["runs"]
    failed = process.wait_for("failed")
    assert run_id in failed
    assert "no stock" in failed
    (run_id,) = cli.json("events", "send", "gate", "--json", *at)["runs"]
    assert run_id in process.wait_for("waiting")
    (approval,) = cli.json("approvals", "list", "--json", *at)["approvals"]
    assert approval["id"] in process.wait_for("hookline approvals approve")
    assert f"{address}/approvals/{approval['id']}" in process.wait_for("or at")
    process.send(signal.SIGKILL)
    process.popen.wait(30)
    again = processes("dev", "--port", "0")
    again.wait_for("1 open run goes on: 1 waiting")
    at = ("--server", address_in(again.wait_for("http://127.0.0.1")))
    cli.ok("approvals", "approve", approval["id"], "--by", "ana", *at)
    assert run_id in again.wait_for("succeeded")


def test_dev_lists_every_trigger(cli: Cli, processes: Callable[..., Process]) -> None:
    steps = [{"uses": "transform", "with": {"v": 1}}]
    hook = {"uses": "webhook", "with": {"path": "orders", "auth": {"type": "none"}}}
    daily = {"uses": "schedule", "with": {"cron": "0 9 * * *", "time_zone": "Europe/Paris"}}
    folder = {"uses": "folder", "with": {"path": "inbox", "interval": "7s"}}
    many = {"name": "many", "triggers": [hook, daily, folder], "steps": steps}
    (cli.project / "workflows" / "many.json").write_text(json.dumps(many))
    (cli.project / "inbox").mkdir()
    process = processes("dev", "--port", "0")
    address = address_in(process.wait_for("http://127.0.0.1"))
    assert f"POST {address}/hooks/orders" in process.wait_for("many:")
    told = process.wait_for("many:")
    assert re.search(
        r"schedule cron 0 9 \* \* \* \(Europe/Paris\), next \d{4}-\d\d-\d\d 0[78]:00:00 UTC", told
    )
    told = process.wait_for("many:")
    assert "folder" in told
    assert "inbox" in told
    assert "every 7s" in told


def test_dev_keeps_what_is_in_force_when_a_copy_has_its_name(
    cli: Cli, processes: Callable[..., Process]
) -> None:
    process = processes("dev", "--port", "0")
    at = ("--server", address_in(process.wait_for("http://127.0.0.1")))
    hello = json.loads((cli.project / "workflows" / "hello.json").read_text())
    copy = cli.project / "workflows" / "copy.json"
    copy.write_text(json.dumps({**hello, "output": "of the copy"}))
    assert "copy.json:1:" in process.wait_for("D416")
    (run_id,) = cli.json("events", "send", "hello", "--data", '{"name": "Ada"}', "--json", *at)["runs"]
    document = json.loads(cli("runs", "watch", run_id, "--json", *at).stdout)
    assert document["output"] == {"greeting": "Hello, Ada!"}
    process.send(signal.SIGINT)
    errors = process.end()[2]
    assert "deployed" not in errors
    assert "withdrew" not in errors


def test_dev_refuses_other_hosts(cli: Cli, processes: Callable[..., Process]) -> None:
    address = address_in(processes("dev", "--port", "0").wait_for("http://127.0.0.1"))
    request = urllib.request.Request(f"{address}/api/v1/runs", headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=30)
    assert refused.value.code == 403
    refused.value.close()


def test_a_server_that_is_not_there_exits_with_4(cli: Cli) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        result = cli("runs", "list", "--server", f"http://127.0.0.1:{port}")
    assert result.exit_code == 4
    assert "cannot be reached" in result.stderr


@pytest.mark.parametrize("address", ["example.com", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none_is_a_wrong_use(cli: Cli, address: str) -> None:
    assert cli("runs", "list", "--server", address).exit_code == 2


def test_a_token_does_not_travel_in_the_clear(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOKLINE_TOKEN", TOKEN)
    result = cli("runs", "list", "--server", "http://hooks.example.com")
    assert result.exit_code == 4
    assert "https" in result.stderr


def test_sqlite_needs_no_worker(cli: Cli) -> None:
    result = cli("worker")
    assert result.exit_code == 2
    assert "sqlite needs no worker" in result.stderr
