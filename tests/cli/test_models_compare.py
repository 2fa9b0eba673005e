"""Several models on the same inputs: what is run, what it may cost, and what is written down."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from hookline.testing.cog import MODELS as COG_MODELS
from hookline.testing.cog import CogServer, cog_unavailable_reason
from hookline.testing.replicate import FileValue, Model, ReplicateStandIn, openapi_schema, substitute
from hookline.testing.replicate.plans import PlanFailed, Step, png

from .conftest import Cli

TEXT = {"type": "string"}
HOSTILE = '</pre><script src="//evil.example/x.js"></script><img src=x onerror=alert(1)> | `x` ```'


def _shout(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    yield from ()
    return values["prompt"].upper()


def _whisper(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    yield from ()
    if not values["words"].strip():
        raise PlanFailed("nothing to whisper")
    return f"{HOSTILE}{values['words']}"


def _paint(values: Mapping[str, Any]) -> Generator[Step, None, Any]:
    yield from ()
    return FileValue(png(4, 4, (200, 30, 30)), "image/png", "<b>.png")


SHOUT = Model(
    "acme", "shout", "", openapi_schema({"prompt": {**TEXT, "maxLength": 50}}, ["prompt"], TEXT), _shout
)
WHISPER = Model("acme", "whisper", "", openapi_schema({"words": TEXT}, ["words"], TEXT), _whisper)
PAINT = Model(
    "acme", "paint", "", openapi_schema({"prompt": TEXT}, ["prompt"], {**TEXT, "format": "uri"}), _paint
)  # fmt: skip

MODELS = [
    f"acme/shout:{SHOUT.version}",
    {
        "label": "whisper <b>",
        "with": {"model": f"acme/whisper:{WHISPER.version}", "hardware": "cpu"},
        "rename": {"prompt": "words"},
    },
    {"label": "paint", "with": {"model": f"acme/paint:{PAINT.version}"}},
]
COMPARISON = {
    "name": "captions",
    "question": "Which model <i>writes</i> our captions?",
    "models": MODELS,
    "inputs": [
        {"name": "a lighthouse", "input": {"prompt": "a lighthouse at dusk"}},
        {"name": "a | b", "input": {"prompt": HOSTILE[:40]}},
    ],
    "budget": "1 usd",
}


@pytest.fixture
def replicate() -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(models=[SHOUT, WHISPER, PAINT]) as running:
        yield running
        assert running.failures == []


@pytest.fixture
def project(cli: Cli, replicate: ReplicateStandIn, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("REPLICATE_API_TOKEN", replicate.token)
    monkeypatch.setenv("REPLICATE_BASE_URL", replicate.base_url)
    monkeypatch.setenv("HOOKLINE_ALLOW_ORIGINS", replicate.cdn_url)
    return cli


def write(project: Cli, **changed: Any) -> Path:
    path = project.project / "captions.json"
    path.write_text(json.dumps({**COMPARISON, **changed}), "utf-8")
    return path


def compare(project: Cli, *options: str, **changed: Any) -> dict[str, dict[str, Any]]:
    """The results by model and case."""
    result = project("models", "compare", str(write(project, **changed)), "--json", *options)
    assert result.exit_code in (0, 1), result.output
    record = json.loads(result.stdout)
    return {f"{cell['model']}/{cell['case']}": cell["result"] for cell in record["cells"]}


class Page(HTMLParser):
    """Fails on anything that could run or be fetched from elsewhere."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.pictures: list[str] = []
        self.shown = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag not in ("script", "iframe", "object", "b", "i"), tag
        for name, value in attrs:
            assert not name.startswith("on"), name
            if name in ("src", "href"):
                assert re.fullmatch(r"files/[0-9a-f]{32}\.[a-z0-9]+", value or ""), value
                if tag == "img":
                    self.pictures.append(value or "")

    def handle_data(self, data: str) -> None:
        self.shown += data


def test_each_model_runs_each_input_once_and_the_record_is_text(
    project: Cli, replicate: ReplicateStandIn
) -> None:
    found = compare(project)
    assert {key: result["status"] for key, result in found.items()} == dict.fromkeys(found, "succeeded")
    assert len(found) == len(replicate.creates) == 6
    assert found[f"{MODELS[0]}/a lighthouse"]["text"] == "A LIGHTHOUSE AT DUSK"
    assert found["whisper <b>/a lighthouse"]["cost_usd"] is not None
    folder = project.project / "decisions" / "captions"
    page = Page((folder / "index.html").read_text("utf-8"))
    (picture,) = set(page.pictures)
    assert (folder / picture).read_bytes() == png(4, 4, (200, 30, 30))
    assert HOSTILE in page.shown
    assert "Which model <i>writes</i> our captions?" in page.shown
    markdown = (folder / "README.md").read_text("utf-8")
    assert markdown.startswith("# Which model \\<i\\>writes\\</i\\> our captions?")
    outside = re.sub(r"(?ms)^(`{3,})\w*\n.*?^\1$", "", markdown)
    assert not re.search(r"(?<!\\)<(?!!--)", outside)
    assert "cost is not known" not in markdown
    assert "its price is not known" in markdown


def test_the_same_command_runs_nothing_twice_and_keeps_the_decision(
    project: Cli, replicate: ReplicateStandIn
) -> None:
    first = compare(project)
    path = project.project / "decisions" / "captions" / "README.md"
    text = path.read_text("utf-8")
    path.write_text(re.sub(r"_Not decided yet.*_", "We take **shout**. Ada, Friday.", text), "utf-8")
    assert compare(project) == first
    assert len(replicate.creates) == 6
    assert "We take **shout**. Ada, Friday." in path.read_text("utf-8")
    more = [*COMPARISON["inputs"], {"name": "new", "input": {"prompt": "a new one"}}]  # type: ignore[misc]
    assert len(compare(project, inputs=more)) == 9
    assert len(replicate.creates) == 9
    compare(project, "--again")
    assert len(replicate.creates) == 15


def test_the_budget_is_not_exceeded_and_the_rest_is_run_when_it_is_raised(
    project: Cli, replicate: ReplicateStandIn
) -> None:
    sleepy = f"hookline/sleepy:{replicate.version_of('hookline/sleepy')}"
    models = [{"label": "slow", "model": sleepy, "with": {"hardware": "gpu-h100", "max_cost": "0.0001 usd"}}]
    inputs = [{"name": str(n), "input": {"seconds": 0.05, "text": str(n)}} for n in range(6)]
    changed = {"models": models, "inputs": inputs, "at_once": 1, "budget": "0.0004 usd"}
    found = compare(project, **changed)
    spent = [result for result in found.values() if result["status"] == "succeeded"]
    assert 1 <= len(spent) < 6
    assert len(replicate.creates) == len(spent)
    assert {result["error_type"] for result in found.values() if result not in spent} == {
        "insufficient_credit"
    }
    told = project("models", "compare", str(write(project, **changed)))
    assert "the budget has no room" in told.stderr
    markdown = (project.project / "decisions/captions/README.md").read_text("utf-8")
    summary = next(line for line in markdown.splitlines() if line.startswith("| slow |"))
    assert f"{len(spent)} of {len(spent)}; {6 - len(spent)} not run" in summary
    assert summary.endswith("| none |")
    assert told.exit_code == 1
    assert len(replicate.creates) == len(spent)
    found = compare(project, **{**changed, "budget": "1 usd"})
    assert {result["status"] for result in found.values()} == {"succeeded"}
    assert len(replicate.creates) == 6


@pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))
def test_inputs_are_generated_from_the_schema_of_a_cog_server(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    with CogServer(COG_MODELS / "shout") as server:
        monkeypatch.setenv("COG_BASE_URL", server.base_url)
        ours = {"label": "ours", "uses": "cog.run", "with": {}, "rename": {"prompt": "text"}}
        inputs = [{"name": "a word", "input": {"prompt": "hello"}}]
        found = compare(cli, models=[ours], inputs=inputs, generate=["malformed"])
    assert found.pop("ours/a word")["text"] == "HELLO"
    assert {key.partition("/")[2] for key in found} == {
        "prompt is a list",
        "prompt is missing",
        "seconds is above the greatest that is taken",
        "an input that no model knows",
    }
    assert {result["error_type"] for result in found.values()} == {"bad_input"}


def test_inputs_are_generated_from_the_schemas(project: Cli, replicate: ReplicateStandIn) -> None:
    changed = {"models": MODELS[:2], "inputs": COMPARISON["inputs"][:1], "generate": "all"}  # type: ignore[index]
    found = compare(project, **changed)
    record = json.loads((project.project / "decisions/captions/results.json").read_text("utf-8"))
    kinds = {cell["kind"] for cell in record["cells"]}
    assert kinds == {"given", "empty", "oversized", "languages", "adversarial", "malformed"}
    assert found["whisper <b>/prompt is empty"]["error"].endswith("nothing to whisper")
    longest = max(
        len(cell["input"].get("prompt", "")) for cell in record["cells"] if cell["kind"] == "oversized"
    )
    assert longest == 50
    refused = [
        key
        for key, result in found.items()
        if result["error_type"] == "bad_input" and result["cost_usd"] is None
    ]
    assert any("no model knows" in key for key in refused)
    assert len(replicate.creates) < len(found)
    markdown = (project.project / "decisions/captions/README.md").read_text("utf-8")
    assert "adversarial" in markdown


def test_a_model_is_asked_for_what_it_takes_and_nothing_of_others(
    project: Cli, replicate: ReplicateStandIn
) -> None:
    """An official one shows no version; what it takes is known all the same."""
    schema = openapi_schema(
        {"prompt": {"type": "string"}, "steps": {"type": "integer", "maximum": 9}}, ["prompt"], {}
    )
    official = substitute("acme/official", "echo", schema=schema)
    other = substitute(f"acme/other:{'a' * 64}", "echo", schema=openapi_schema({"prompt": {}}, [], {}))
    replicate.catalog.put(official)
    replicate.catalog.put(other)
    changed = {
        "models": ["acme/official", f"acme/other:{'a' * 64}"],
        "inputs": COMPARISON["inputs"][:1],  # type: ignore[index]
        "generate": ["oversized", "malformed"],
    }
    found = compare(project, **changed)
    assert found["acme/official/steps is the greatest that is taken, 9"]["status"] == "succeeded"
    assert found["acme/official/steps is above the greatest that is taken"]["error_type"] == "bad_input"
    assert not any(key.startswith("acme/other") and "steps" in key for key in found)
    assert any(key.startswith("acme/other") and "no model knows" in key for key in found)
    assert "none of its inputs" in (project.project / "decisions/captions/index.html").read_text("utf-8")


def test_a_run_that_was_left_is_gone_on_with(
    project: Cli, replicate: ReplicateStandIn, processes: Any
) -> None:
    models = [
        {"label": "held", "with": {"model": f"hookline/manual:{replicate.version_of('hookline/manual')}"}}
    ]
    inputs = [{"name": "one", "input": {"note": "x"}}]
    path = write(project, models=models, inputs=inputs)
    process = processes("models", "compare", str(path))
    process.wait_for("waiting")
    process.popen.kill()
    process.end()
    (made,) = replicate.creates
    replicate.complete(made.prediction_id, "done at last")
    found = compare(project, models=models, inputs=inputs)
    assert found["held/one"]["text"] == "done at last"
    assert len(replicate.creates) == 1


def test_files_beside_the_comparison_are_sent(project: Cli, replicate: ReplicateStandIn) -> None:
    (project.project / "in.png").write_bytes(png(2, 2, (1, 2, 3)))
    given = [{"name": "p", "input": {"prompt": {"path": "in.png"}}}]
    found = compare(project, models=[MODELS[2]], inputs=given)
    assert found["paint/p"]["status"] == "succeeded"
    assert replicate.creates[0].body["input"]["prompt"].startswith("data:image/png;base64,")
    lost = [{"name": "p", "input": {"prompt": {"path": "no.png"}}}]
    missing = project("models", "compare", str(write(project, inputs=lost)))
    assert (missing.exit_code, "no.png" in missing.stderr) == (3, True)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"models": []}, "/models"),
        ({"budget": "1 eur"}, "US dollars"),
        ({"budget": "much"}, "amount of money"),
        ({"uses": "http.request"}, "no action that runs a model"),
        ({"models": [MODELS[0], MODELS[0]]}, "the same label"),
        ({"generate": ["odd"]}, "/generate"),
        ({"models": [{"label": "x", "with": {"modle": "a/b"}}]}, "modle"),
        ({"models": [{"label": "x", "with": {}, "drop": ["y"]}]}, "'drop' was unexpected"),
        ({"models": [{"label": "x"}]}, "'model' is a required property"),
    ],
)
def test_what_is_no_comparison_is_refused_before_anything_is_sent(
    project: Cli, replicate: ReplicateStandIn, changed: dict[str, Any], told: str
) -> None:
    result = project("models", "compare", str(write(project, **changed)))
    assert result.exit_code == 3, result.output
    assert told in result.stderr
    assert replicate.creates == []


def test_a_plan_runs_nothing(project: Cli, replicate: ReplicateStandIn) -> None:
    told = project.ok("models", "compare", str(write(project)), "--plan")
    assert told.stdout.count("to run") == 6
    assert replicate.creates == []
    assert not (project.project / "decisions").exists()
