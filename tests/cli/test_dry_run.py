"""``hookline run --dry-run``: everything is shown, nothing happens."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Cli

POST = {
    "uses": "http.request",
    "with": {"url": "https://api.example.com/x", "json": {"a": "{{ trigger.v }}"}},
}
DAY = {"timeout": "1d", "on_timeout": "fail"}


def rehearse(cli: Cli, name: str, *arguments: str, exit_code: int = 0) -> Any:
    """The document of a dry run."""
    result = cli("run", name, "--dry-run", "--json", *arguments)
    assert result.exit_code == exit_code, result.output
    return json.loads(result.stdout)


def test_what_would_be_sent_is_shown_with_its_effect(cli: Cli) -> None:
    cli.write(
        "post",
        steps=[{"id": "send", **POST, "sample": {"status": 201}}],
        output="{{ steps.send.status }}",
    )
    document = rehearse(cli, "post", "--input", '{"v": 7}')
    assert document["schema"] == "hookline.dry-run/1"
    assert document["status"] == "succeeded"
    assert document["output"] == 201
    (step,) = document["steps"]
    assert step["input"]["json"] == {"a": 7}
    assert step["effect"] == "at_least_once"
    assert step["source"] == "sample"
    text = cli.ok("run", "post", "--dry-run", "--input", '{"v": 7}')
    assert "would send" in text.stdout
    assert "nothing was sent or stored" in text.stderr


def test_nothing_is_stored(cli: Cli) -> None:
    rehearse(cli, "hello")
    assert not (cli.project / ".hookline" / "hookline.db").exists()
    assert not (cli.project / ".hookline" / "artifacts").exists()


def test_actions_without_effects_are_executed(cli: Cli) -> None:
    document = rehearse(cli, "hello", "--input", '{"name": "Ada"}')
    assert document["output"] == {"greeting": "Hello, Ada!"}
    assert {step["source"] for step in document["steps"]} == {"executed"}


def test_without_a_sample_the_example_of_the_action_is_the_result(cli: Cli) -> None:
    cli.write("post", steps=[{"id": "send", **POST}], output="{{ steps.send }}")
    document = rehearse(cli, "post", "--input", '{"v": 7}')
    assert document["steps"][0]["source"] in ("example", "schema")
    assert document["output"] == document["steps"][0]["output"]


def test_samples_are_found_wherever_the_step_stands(cli: Cli) -> None:
    def step(name: str) -> dict[str, Any]:
        return {"id": name, **POST, "sample": {"status": 200, "name": name}}

    cli.write(
        "nested",
        steps=[
            {"if": "{{ true }}", "then": [step("a")], "else": [step("b")]},
            {"switch": "{{ trigger.v }}", "cases": {"0": [step("c")], "1": [step("d")]}},
            {"for_each": "{{ [1, 2] }}", "do": [step("e")]},
            {"parallel": {"left": [step("f")], "right": [step("g")]}},
            {"uses": "http.request", "with": {"url": "{{ trigger.v }}"}, "catch": [step("h")]},
        ],
    )
    document = rehearse(cli, "nested", "--input", '{"v": 1}')
    names = [each["output"]["name"] for each in document["steps"] if each["output"]]
    assert names == ["a", "d", "e", "e", "f", "g", "h"]


def test_waiting_takes_no_time(cli: Cli) -> None:
    approve = {
        "approve": {"who": ["operator"], "message": "?", "quorum": 2},
        "timeout": "1d",
        "on_timeout": "fail",
    }
    cli.write(
        "waits",
        steps=[
            {"wait": {"for": "300d"}},
            {
                "id": "cb",
                "wait": {"callback": {}},
                "timeout": "1d",
                "on_timeout": "fail",
                "sample": {"ok": 1},
            },
            {"id": "gate", **approve},
        ],
        output="{{ steps.cb.ok }}",
    )
    assert rehearse(cli, "waits")["output"] == 1


def test_a_rejecting_sample_rejects(cli: Cli) -> None:
    approve = {"approve": {"who": ["operator"], "message": "?"}, **DAY}
    cli.write("gate", steps=[{**approve, "sample": {"decision": "rejected"}}])
    document = rehearse(cli, "gate", exit_code=1)
    assert document["error"]["type"] == "rejected"


def test_a_callback_without_a_sample_times_out(cli: Cli) -> None:
    wait = {"wait": {"callback": {}}, **DAY}
    cli.write("waits", steps=[{"id": "cb", **wait}])
    assert rehearse(cli, "waits", exit_code=1)["error"]["type"] == "timeout"


def test_called_workflows_are_rehearsed(cli: Cli) -> None:
    cli.write(
        "caller",
        steps=[{"id": "h", "call": "hello", "with": {"name": "Kim"}}],
        output="{{ steps.h.greeting }}",
    )
    document = rehearse(cli, "caller")
    assert document["output"] == "Hello, Kim!"
    assert [step["path"] for step in document["steps"]] == [
        "steps[0] > steps[0]",
        "steps[0] > steps[1]",
        "steps[0]",
    ]


def test_an_input_that_the_action_would_refuse_fails(cli: Cli) -> None:
    cli.write("post", steps=[{"uses": "http.request", "with": {"url": "{{ trigger.v }}"}}])
    document = rehearse(cli, "post", "--input", '{"v": 7}', exit_code=1)
    assert document["error"]["type"] == "bad_input"


@pytest.mark.parametrize(("mime", "name"), [("image/*", "output.png"), ("video/mp4", "output.mp4")])
def test_a_model_gives_the_files_that_its_step_expects(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, mime: str, name: str
) -> None:
    monkeypatch.setenv("REPLICATE_API_TOKEN", "of-nobody")
    files = {"type": "files", "min_files": 2, "mime": mime}
    given: dict[str, Any] = {"model": "a/b", "input": {}, "expect": files}
    step = {"id": "art", "uses": "replicate.run", "timeout": "5m", "with": given}
    cli.write("art", steps=[step], output="{{ steps.art.files[1].name }}")
    assert rehearse(cli, "art")["output"] == name
    given["expect"] = {"type": "text"}
    cli.write("art", steps=[step], output="{{ steps.art.output_text }}")
    assert isinstance(rehearse(cli, "art")["output"], str)


def test_a_sampled_request_has_the_body_that_its_author_asks_for(cli: Cli) -> None:
    schema = {"type": "object", "properties": {"prompt": {"type": "string", "examples": ["a lighthouse"]}}}
    trigger = {"uses": "webhook", "with": {"path": "in", "auth": {"type": "none"}, "schema": schema}}
    cli.write("hook", trigger=trigger, steps=[{"set": {"x": 1}}], output="{{ trigger.body }}")
    assert rehearse(cli, "hook", "--sample")["output"] == {"prompt": "a lighthouse"}


def test_an_expression_that_fails_on_an_invented_result_hints_at_samples(cli: Cli) -> None:
    set_to = {"set": {"deep": "{{ steps.send.body.a.b.c }}"}}
    cli.write("post", steps=[{"id": "other", **POST}, {"id": "send", **POST}, set_to])
    text = cli("run", "post", "--dry-run", "--input", '{"v": 7}')
    assert text.exit_code == 1
    assert "result: invented" in text.stdout
    assert 'the result of send is invented; give it a "sample"' in text.stderr
    real = {"id": "send", **POST, "sample": {"body": {}}}
    cli.write("post", steps=[real, set_to])
    text = cli("run", "post", "--dry-run", "--input", '{"v": 7}')
    assert text.exit_code == 1
    assert "is invented" not in text.stderr


def test_an_output_that_fails_on_an_invented_result_hints_too(cli: Cli) -> None:
    cli.write("post", steps=[{"id": "send", **POST}], output="{{ steps.send.body.a.b.c }}")
    text = cli("run", "post", "--dry-run", "--input", '{"v": 7}')
    assert text.exit_code == 1
    assert "the result of send is invented" in text.stderr


def test_no_step_that_the_run_comes_to_is_missing(cli: Cli) -> None:
    hook = {"uses": "webhook", "with": {"path": "p", "auth": {"type": "none"}}}
    cli.write(
        "all",
        trigger=hook,
        steps=[
            {"id": "nap", "wait": {"for": "5m"}},
            {"id": "keep", "set": {"n": 3}},
            {"id": "never", "uses": "log", "with": {"message": "x"}, "when": False},
            {"id": "answer", "respond": {"status": 201, "body": {"n": "{{ vars.n }}"}}},
            {"id": "cb", "wait": {"callback": {}}, "timeout": "1d", "on_timeout": "continue"},
        ],
    )
    steps = rehearse(cli, "all", "--sample")["steps"]
    assert [(each["id"], each["uses"], each["source"]) for each in steps] == [
        ("nap", "wait", "timer"),
        ("keep", "set", "executed"),
        ("never", "log", "skipped"),
        ("answer", "respond", "executed"),
        ("cb", "callback", "unanswered"),
    ]
    assert steps[0]["input"]["until"].endswith("+00:00")
    assert steps[1]["output"] == {"n": 3}
    assert (steps[3]["output"]["status"], steps[3]["output"]["body"]) == (201, {"n": 3})
    text = cli.ok("run", "all", "--dry-run", "--sample").stdout
    assert "skipped, its `when` is false" in text
    assert "would send" not in text


def test_the_items_of_a_loop_are_numbered(cli: Cli) -> None:
    log = {"id": "l", "uses": "log", "with": {"message": "{{ item }}"}}
    inner = {"for_each": [7], "do": [{**log, "id": "m"}]}
    cli.write("loop", steps=[{"for_each": ["a", "b"], "do": [log, inner]}])
    text = cli.ok("run", "loop", "--dry-run").stdout
    assert [line.split()[0] for line in text.splitlines() if not line.startswith(" ")] == [
        "l#0",
        "m#0#0",
        "l#1",
        "m#1#0",
    ]


def test_a_loop_that_never_ends_is_given_up(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hookline.cli.dry_run.MAX_EVENTS", 500)
    cli.write(
        "forever",
        steps=[
            {
                "while": "{{ true }}",
                "max_iterations": 100000,
                "do": [{"uses": "log", "with": {"message": "again"}}],
            }
        ],
    )
    result = cli("run", "forever", "--dry-run")
    assert result.exit_code == 1
    assert "does not come to an end" in result.stderr
