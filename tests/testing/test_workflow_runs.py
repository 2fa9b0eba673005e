"""Workflows of a project, tested against the stand-in under the names of the models they use."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from hookline.engine.errors import EngineError
from hookline.engine.loader import load_registry
from hookline.testing.replicate import FileValue, ReplicateStandIn, openapi_schema, substitute
from hookline.testing.replicate.__main__ import main
from hookline.testing.workflow_runs import run_workflow

VERSION = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"
PINNED = f"acme/flux:{VERSION}"
OFFICIAL = "black-forest-labs/flux-schnell"
REGISTRY = load_registry()
Run = Callable[..., dict[str, Any]]


@pytest.fixture
def photo(tmp_path: Path) -> Run:
    """Runs a workflow that makes a picture with the first of two models that can."""
    step = {
        "id": "photo",
        "uses": "replicate.run",
        "with": {"models": [PINNED, OFFICIAL], "input": {"prompt": "{{ inputs.prompt }}", "num_outputs": 2}},
    }
    definition = {
        "name": "photo",
        "trigger": {"uses": "manual"},
        "inputs": {"type": "object", "properties": {"prompt": {"type": "string"}}, "required": ["prompt"]},
        "steps": [step],
        "output": "{{ steps.photo }}",
    }
    project = tmp_path / "project"
    (project / "workflows").mkdir(parents=True)
    (project / "workflows" / "photo.json").write_text(json.dumps(definition))

    def run(*given: Any, **options: Any) -> dict[str, Any]:
        return run_workflow(project, tmp_path, *given, registry=REGISTRY, **options)

    return run


def _interrupted(values: Mapping[str, Any]) -> Any:
    raise RuntimeError("Prediction interrupted; please retry (code: PA)")


def test_a_workflow_runs_with_its_own_models_as_they_are_named(photo: Run) -> None:
    models = [substitute(PINNED, _interrupted), substitute(OFFICIAL, "picture")]
    with ReplicateStandIn(models=models) as replicate:
        run = photo("photo", {"prompt": "a lighthouse"}, replicate)
    assert run["status"] == "succeeded", run
    assert [each["mime"] for each in run["output"]["files"]] == ["image/png", "image/png"]
    assert [each.body["version"] for each in replicate.creates] == [PINNED, OFFICIAL]
    assert replicate.creates[0].body["input"]["prompt"] == "a lighthouse"


def test_a_lost_answer_is_not_paid_for_twice(photo: Run) -> None:
    with ReplicateStandIn(models=[substitute(PINNED, "echo")]) as replicate:
        replicate.faults.set("create.reset_after")
        run = photo("photo", {"prompt": "a lighthouse"}, replicate)
    assert run["output"]["output_text"] == "a lighthouse"
    assert len(replicate.creates) == 1


def test_a_substitute_can_have_the_models_own_schema_and_any_output(photo: Run) -> None:
    schema = openapi_schema({"prompt": {"type": "string"}}, ["prompt"], {})
    output = {"mask": FileValue(b"PNG", "image/png", "mask.png"), "score": 0.5}
    with ReplicateStandIn(models=[substitute(PINNED, output, schema=schema)]) as replicate:
        run = photo("photo", {"prompt": "x"}, replicate)
    assert run["error"]["type"] == "bad_input"
    assert "/input/num_outputs: the model has no such input" in run["error"]["message"]
    with ReplicateStandIn(models=[substitute(PINNED, output)]) as replicate:
        run = photo("photo", {"prompt": "x"}, replicate)
    assert run["output"]["output"]["score"] == 0.5
    assert run["output"]["files"][0]["name"] == "mask.png"


def test_what_cannot_be_run_says_why(photo: Run) -> None:
    with pytest.raises(ValueError, match=r"no workflow 'photo' without errors .*photo.json: D404"):
        photo("photo", {"prompt": "x"})
    with ReplicateStandIn() as replicate, pytest.raises(EngineError):
        photo("photo", {}, replicate)


@pytest.mark.parametrize("reference", ["flux", "a/b/c", "/b:1", ""])
def test_a_substitute_has_the_name_of_a_model(reference: str) -> None:
    with pytest.raises(ValueError, match="owner/name"):
        substitute(reference, "echo")


@pytest.mark.parametrize("model", ["acme/flux", "acme/flux=toast", "flux=echo", "acme/flux:1=cog"])
def test_the_program_refuses_other_models(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--model", model]) == 2
    assert model in capsys.readouterr().err
