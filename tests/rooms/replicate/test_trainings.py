"""Trainings through the connector, created once and waited for; and the rest of the API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, NotFound, TimedOut
from hookline.testing.clock import ManualClock
from hookline.testing.replicate import ReplicateStandIn

from ..driver import Driver

pytestmark = pytest.mark.timeout(120)
connector = import_room("connectors.replicate.connector")
ACTIONS = {action.name.partition(".")[2]: action for action in connector.replicate.actions}
TUNED = {"owner": "standin", "name": "tuned", "visibility": "private", "hardware": "gpu-l40s"}


@pytest.fixture
def act(standin: ReplicateStandIn, clock: ManualClock) -> Callable[..., Driver]:
    """``act("list_models", limit=3)``: a driver of any action."""

    def build(name: str, options: dict[str, Any] | None = None, /, **parameters: Any) -> Driver:
        def connect(ctx: Any) -> Any:
            return connector.connect(ctx, token=standin.token, base_url=standin.base_url)

        return Driver(ACTIONS[name], parameters, connect, clock, **(options or {}))

    return build


async def _finished(driver: Driver) -> Any:
    async with driver:
        return await driver.finish()


def _output(driver: Driver) -> Any:
    record = asyncio.run(_finished(driver))
    assert record.error is None, record.error
    return record.output


@pytest.fixture
def training(standin: ReplicateStandIn, act) -> dict[str, Any]:
    """A training of ten minutes with a destination."""
    _output(act("create_model", **TUNED))
    return {
        "model": f"hookline/trainer:{standin.version_of('hookline/trainer')}",
        "destination": "standin/tuned",
        "input": {"input_images": "https://example.com/a.zip", "seconds": 600},
    }


@pytest.mark.parametrize("webhook", ["always", "never"])
def test_what_was_trained_can_be_run(act, standin, training, webhook: str) -> None:
    driver = act("train", **training, webhook=webhook, hardware="gpu-h100")
    output = _output(driver)
    assert output["version"] == f"standin/tuned:{standin.version_of('standin/tuned')}"
    assert output["seconds"] >= 600
    assert driver.usd == pytest.approx(output["cost_usd"])
    ran = _output(act("run", model=output["version"], input={"text": "TOK"}))
    assert ran["output_text"] == "TOK"


def test_every_crash_point_leaves_one_training(act, standin, training) -> None:
    quiet = act("train", **training, webhook="always")
    _output(quiet)
    for place in range(len(quiet.boundaries)):
        before = len(standin.creates)
        values = {**training["input"], "trigger_word": f"W{place}"}
        driver = act("train", {"crash_at": (place,)}, **{**training, "input": values}, webhook="always")
        assert _output(driver)["destination"] == "standin/tuned"
        assert len(standin.creates) - before == 1, f"crash at {driver.boundaries[place]}"


@pytest.mark.parametrize("name", ["train", "create_training"])
@pytest.mark.parametrize(
    "fault", ["create.reset_after", "create.server_error_after", "create.unparsable_after"]
)
def test_a_lost_answer_is_looked_up(act, standin, training, name: str, fault: str) -> None:
    standin.faults.set(fault)
    output = _output(act(name, **training))
    assert len(standin.creates) == 1
    assert output["id"] == standin.creates[0].prediction_id


@pytest.mark.parametrize("address", ["mine", "another"])
def test_a_webhook_that_others_use_too_neither_hides_nor_tells_a_training(
    act, standin, training, address: str
) -> None:
    mine = f"{standin.base_url}/none/mine"
    _output(act("create_training", **training, webhook=f"{standin.base_url}/none/other"))
    standin.faults.set("create.reset_after" if address == "mine" else "create.reset_before")
    output = _output(act("create_training", **training, webhook=mine))
    assert len(standin.creates) == 2
    assert output["id"] == standin.creates[1].prediction_id


def test_a_training_input_is_checked_before_it_is_paid_for(act, standin, training) -> None:
    wrong = {**training, "input": {**training["input"], "triger_word": "TOK"}}
    record = asyncio.run(_finished(act("train", **wrong)))
    assert isinstance(record.error, BadInput)
    assert 'did you mean "trigger_word"' in record.error.hint
    assert standin.creates == []


def test_a_missing_destination_is_named(act, training) -> None:
    record = asyncio.run(_finished(act("train", **{**training, "destination": "standin/none"})))
    assert isinstance(record.error, NotFound)
    assert "destination" in record.error.message


def test_a_training_that_takes_too_long_is_stopped(act, standin, training) -> None:
    record = asyncio.run(_finished(act("train", **training, run_timeout="5m", webhook="never")))
    assert isinstance(record.error, TimedOut)
    (prediction,) = standin.predictions.values()
    assert prediction.status == "canceled"


def test_a_canceled_run_cancels_the_training(act, standin, training) -> None:
    async def scenario() -> None:
        async with act("train", **training) as driver:
            await driver.start()
            await driver.cancel()

    asyncio.run(scenario())
    (prediction,) = standin.predictions.values()
    assert prediction.status == "canceled"


def test_models_and_versions(act, standin, training) -> None:
    assert _output(act("get_model", model="standin/tuned"))["latest_version"] is None
    changed = _output(act("update_model", model="standin/tuned", description="mine", readme="# Hi"))
    assert changed["description"] == "mine"
    assert _output(act("get_readme", model="standin/tuned")) == {"text": "# Hi"}
    version = standin.version_of("hookline/echo")
    assert [item["id"] for item in _output(act("list_versions", model="hookline/echo"))["results"]] == [
        version
    ]
    shown = _output(act("get_version", model="hookline/echo", version=version))
    assert "Input" in shown["openapi_schema"]["components"]["schemas"]
    assert _output(act("list_examples", model="hookline/echo"))["results"][0]["output"] == "hello"
    assert [item["name"] for item in _output(act("search_models", query="sleepy"))["results"]] == ["sleepy"]
    assert _output(act("search", query="picture"))["models"][0]["name"] == "picture"
    assert len(_output(act("list_models", limit=2))["results"]) == 2
    assert _output(act("delete_model", model="standin/tuned")) == {"deleted": True}
    assert _output(act("delete_model", model="standin/tuned")) == {"deleted": False}


def test_deployments(act, standin) -> None:
    version = standin.version_of("hookline/echo")
    made = {
        "name": "d",
        "model": "hookline/echo",
        "version": version,
        "hardware": "cpu",
        "min_instances": 0,
        "max_instances": 1,
    }
    standin.faults.set("models.reset_after")
    assert _output(act("create_deployment", **made))["number"] == 1
    changed = _output(act("update_deployment", deployment="standin/d", min_instances=1))
    assert (changed["number"], changed["min_instances"]) == (2, 1)
    assert [item["name"] for item in _output(act("list_deployments"))["results"]] == ["d"]
    ran = _output(act("run", deployment="standin/d", input={"text": "there"}))
    assert ran["output_text"] == "there"
    record = asyncio.run(_finished(act("run", deployment="standin/d", input={"texd": "there", "text": "x"})))
    assert 'did you mean "text"' in record.error.hint
    assert _output(act("delete_deployment", deployment="standin/d")) == {"deleted": True}


def test_files(act, standin) -> None:
    async def scenario() -> Any:
        async with act("create_file") as driver:
            file = driver.files.put(b"hello", name="a.txt", mime="text/plain")
            driver.parameters = {"file": file.to_json()}
            return await driver.finish()

    made = asyncio.run(scenario()).output
    assert (made["name"], made["size"], made["content_type"]) == ("a.txt", 5, "text/plain")
    assert made["url"].startswith(standin.base_url)
    assert _output(act("get_file", id=made["id"]))["sha256"] == made["sha256"]
    assert [item["id"] for item in _output(act("list_files"))["results"]] == [made["id"]]
    assert _output(act("delete_file", id=made["id"])) == {"deleted": True}
    assert isinstance(asyncio.run(_finished(act("get_file", id=made["id"]))).error, NotFound)


def test_predictions(act, standin, sleepy) -> None:
    async def start() -> str:
        async with act("run", **sleepy) as driver:
            return (await driver.start()).notes["prediction"]

    job = asyncio.run(start())
    assert _output(act("get_prediction", id=job))["status"] in ("starting", "processing")
    assert _output(act("cancel_prediction", id=job))["status"] == "canceled"
    assert _output(act("cancel_prediction", id=job))["status"] == "canceled"
    assert [item["id"] for item in _output(act("list_predictions"))["results"]] == [job]
    assert _output(act("list_predictions", source="web"))["results"] == []


def test_the_small_ones(act, standin) -> None:
    standin.faults.set("list.null_string_next")
    assert _output(act("get_account"))["username"] == "standin"
    assert "cpu" in [item["sku"] for item in _output(act("list_hardware"))["results"]]
    (collection,) = _output(act("list_collections"))["results"]
    assert _output(act("get_collection", slug=collection["slug"]))["models"]
    first = _output(act("search", query="echo"))["models"][0]
    assert (first["name"], first["tags"], first["score"]) == ("echo", [], 1.0)
