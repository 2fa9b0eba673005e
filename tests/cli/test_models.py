"""Which models are named, what is newest, and pins written without touching anything else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from hookline.testing.clock import ManualClock
from hookline.testing.replicate import Model, ReplicateStandIn, openapi_schema
from hookline.testing.replicate.plans import echo

from .conftest import Cli

TEXT = {"type": "string"}
SIZE = {"type": "integer", "default": 10}
NOW = {"text": TEXT, "size": {**SIZE, "default": 20}}
BEFORE = {"text": TEXT, "size": SIZE, "colour": TEXT}


def painter() -> Model:
    newest = Model("acme", "painter", "Paints.", openapi_schema(NOW, ["text"], TEXT), echo)
    older = replace(newest, schema=openapi_schema(BEFORE, ["text"], TEXT))
    return replace(newest, earlier=(older,))


PAINTER = painter()
NEWEST, OLDER = PAINTER.version, PAINTER.earlier[0].version


@pytest.fixture
def replicate() -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(clock=ManualClock(), models=[PAINTER]) as running:
        yield running
        assert running.failures == []
        assert running.creates == []


@pytest.fixture
def project(cli: Cli, replicate: ReplicateStandIn, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("REPLICATE_API_TOKEN", replicate.token)
    monkeypatch.setenv("REPLICATE_BASE_URL", replicate.base_url)
    for path in (cli.project / "workflows").iterdir():
        path.unlink()
    return cli


def write(project: Cli, name: str, text: str) -> Path:
    path: Path = project.project / "workflows" / name
    path.write_bytes(text.encode())
    return path


def workflow(*references: str, **values: Any) -> dict[str, Any]:
    given = values or {"text": "a cat"}
    return {
        "steps": [{"uses": "replicate.run", "with": {"model": text, "input": given}} for text in references]
    }


def states(project: Cli) -> list[str]:
    return [found["state"] for found in project.json("models", "outdated", "--json")["models"]]


def test_each_way_to_name_a_model_is_judged(project: Cli, replicate: ReplicateStandIn) -> None:
    project.write(
        "a",
        **workflow(
            f"acme/painter:{NEWEST}", f"acme/painter:{OLDER}", "acme/painter:latest", "acme/painter",
            "hookline/official-echo", NEWEST, "acme/nobody", "{{ run.id }}",
        ),
    )  # fmt: skip
    assert states(project) == [
        "current", "outdated", "floating", "unpinned", "official", "unknown", "unknown",
    ]  # fmt: skip
    assert project("models", "outdated", "--check").exit_code == 1


def test_models_are_found_wherever_a_step_may_stand(project: Cli) -> None:
    inner = {"uses": "replicate.run", "with": {"models": ["acme/painter", "{{ x }}"], "input": {}}}
    trainer = {"uses": "replicate.train", "with": {"model": f"acme/painter:{OLDER}"}}
    project.write(
        "a",
        steps=[
            {"for_each": "{{ [1] }}", "do": [{"if": "{{ true }}", "then": [inner]}]},
            {"uses": "transform", "with": {"uses": "replicate.run", "with": {"model": "acme/painter"}}},
        ],
        on_error=[trainer],
    )
    found = project.json("models", "outdated", "--json")["models"]
    assert [each["pointer"] for each in found] == [
        "/steps/0/do/0/then/0/with/models/0",
        "/on_error/0/with/model",
    ]


def test_what_the_newest_changes_is_told_and_whether_the_step_minds(project: Cli) -> None:
    project.write("a", **workflow(f"acme/painter:{OLDER}", text="a", colour="red"))
    (found,) = project.json("models", "outdated", "--json")["models"]
    assert [(change["kind"], change["input"], change["used"]) for change in found["changes"]] == [
        ("breaking", "colour", True),
        ("behaviour", "size", False),
    ]
    told = project.ok("models", "outdated").output
    assert "the input 'colour' is gone" in told
    assert "(this step does not give it)" in told
    assert project("models", "outdated", "--check").exit_code == 1


def test_pins_change_nothing_but_the_texts(project: Cli) -> None:
    jsonc = (
        '\ufeff// A comment\r\n{ "name" : "a","trigger":{"uses":"manual"},\r\n'
        '  "steps": [ {"uses": "replicate.run", /* here */ "with": {"model": "acme/painter:latest" , '
        '"input": {"text": "ä"}}}, ]\r\n}\r\n'
    )
    yaml = (
        "name: b  # the name\ntrigger: {uses: manual}\nsteps:\n"
        "  - uses: replicate.run\n    with:\n      models:\n        - acme/painter  # plain\n"
        "        - 'acme/painter:latest'\n      input: {text: a}\n"
    )
    first, second = write(project, "a.jsonc", jsonc), write(project, "b.yaml", yaml)
    assert project("models", "pin", "--check").exit_code == 1
    assert (first.read_bytes(), second.read_bytes()) == (jsonc.encode(), yaml.encode())
    project.ok("models", "pin")
    pinned = f"acme/painter:{NEWEST}"
    assert first.read_bytes() == jsonc.replace("acme/painter:latest", pinned).encode()
    expected = yaml.replace("- acme/painter ", f"- {pinned} ").replace("'acme/painter:latest'", f"'{pinned}'")
    assert second.read_bytes() == expected.encode()
    assert set(states(project)) == {"current"}
    assert "every model is pinned" in project.ok("models", "pin").output
    assert project("models", "pin", "--check").exit_code == 0


def test_an_older_pin_is_kept_unless_the_newest_is_asked_for(project: Cli) -> None:
    path = project.write("a", **workflow(f"acme/painter:{OLDER}"))
    before = path.read_bytes()
    project.ok("models", "pin")
    assert path.read_bytes() == before
    assert "breaking" not in project.ok("models", "pin", "--newest").stdout
    assert path.read_bytes() == before.replace(OLDER.encode(), NEWEST.encode())


def test_a_spelling_that_cannot_be_replaced_is_said(project: Cli) -> None:
    text = '{"name": "a", "trigger": {"uses": "manual"}, "steps": [{"uses": "replicate.run", "with": '
    path = write(project, "a.json", text + '{"model": "acme\\u002fpainter:latest", "input": {}}}]}')
    before = path.read_bytes()
    refused = project("models", "pin")
    assert refused.exit_code == 2
    assert "spelt in a way" in refused.stderr
    assert path.read_bytes() == before


def failed(result: Result) -> str:
    assert result.exit_code != 0
    return f"{result.output}{result.exception}"


def test_a_token_that_is_refused_is_one_error(project: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    project.write("a", **workflow("acme/painter:latest"))
    monkeypatch.setenv("REPLICATE_API_TOKEN", "r8_wrong")
    assert "no model could be looked up" in failed(project("models", "outdated"))
    monkeypatch.delenv("REPLICATE_API_TOKEN")
    assert "REPLICATE" in failed(project("models", "outdated")) or "connection" in failed(
        project("models", "outdated")
    )


def test_a_file_with_errors_is_said_and_the_others_are_looked_at(project: Cli) -> None:
    write(project, "broken.json", "{")
    project.write("a", **workflow("acme/painter:latest"))
    result = project("models", "outdated", "--json")
    assert result.exit_code == 3
    assert '"floating"' in result.stdout
