"""What is set aside before a prediction, what it is charged with afterwards, and whose prices count."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from hookline.engine.loader import import_room
from hookline.sdk import BadInput, OverBudget

prices = import_room("connectors.replicate.prices")
records = import_room("connectors.replicate.records")
pytestmark = pytest.mark.timeout(120)

FLUX = "black-forest-labs/flux-schnell"


async def _finished(driver: Any) -> Any:
    async with driver:
        return await driver.finish()


def _finish(driver: Any) -> Any:
    return asyncio.run(_finished(driver))


def _target(model: str) -> Any:
    return records.read_targets(records.Wanted(input={}, model=model))[0]


def _at_most(model: str, input: dict[str, Any], **more: Any) -> tuple[float, bool]:
    given = {"hardware": None, "run_timeout": None, "left": None, "max_cost": None, **more}
    found = prices.at_most(_target(model), input, prices.BUILT_IN, **given)
    return round(found.usd, 9), found.firm


def test_what_is_billed_by_the_unit_is_reckoned_from_the_input() -> None:
    assert _at_most(FLUX, {"prompt": "x", "num_outputs": 4}) == (0.012, False)
    assert _at_most(FLUX, {"prompt": "x"}) == (0.003, False)
    assert _at_most("wavespeedai/wan-2.1-i2v-480p", {"duration": 5}) == (0.45, False)
    tokens = {"prompt": "x" * 1000, "max_tokens": 2000}
    assert _at_most("deepseek-ai/deepseek-r1", tokens) == (round(500 * 3.75e-6 + 2000 * 1e-5, 9), False)


def test_what_is_billed_by_time_is_reckoned_from_the_longest_time() -> None:
    assert _at_most("a/b", {}, hardware="gpu-l40s", run_timeout=200.0) == (0.195, True)
    assert _at_most("a/b", {}, hardware="gpu-l40s") == (0.0585, False)
    assert _at_most("a/b", {}, hardware="gpu-l40s", left=10.0) == (0.00975, False)
    assert _at_most("a/b", {}) == (0.0, False)
    assert _at_most("a/b", {}, hardware="gpu-l40s", run_timeout=200.0, max_cost=0.5) == (0.5, True)


def _remote(model: str, **more: Any) -> Any:
    body = {"id": "x", "status": "succeeded", "model": model, "version": "hidden", "output": None, **more}
    return records.Remote.read(body)


@pytest.mark.parametrize(
    ("remote", "usd"),
    [
        (_remote(FLUX, metrics={"predict_time": 3.4, "image_output_count": 4}), 0.012),
        (_remote(FLUX, metrics={"predict_time": 3.4}, output=["https://a/1.png", "https://a/2.png"]), 0.006),
        (_remote(FLUX, metrics={"predict_time": 3.4}), None),
        (_remote(FLUX, status="failed", metrics={"predict_time": 3.4}), 0.0),
        (_remote(FLUX, status="aborted"), 0.0),
        (_remote("a/b", metrics={"predict_time": 3.4}), None),
        (
            _remote(
                "deepseek-ai/deepseek-r1",
                metrics={"token_input_count": 1_000_000, "token_output_count": 1000},
            ),
            3.76,
        ),
    ],
)
def test_what_is_billed_by_the_unit_is_charged_by_the_metrics(remote: Any, usd: float | None) -> None:
    assert prices._estimate(remote, None, prices.BUILT_IN) == usd


def test_hardware_that_only_the_projects_table_knows_can_be_named(make, standin, sleepy) -> None:
    table = {"replicate": {"hardware_per_second": {"gpu-b200": 0.01}}}

    async def run(**more: Any) -> Any:
        async with make({**sleepy, "hardware": "gpu-b200"}) as driver:
            driver.project = {name: json.dumps(value).encode() for name, value in more.items()}
            return (await driver.finish()), driver

    record, driver = asyncio.run(run(**{"prices.json": table}))
    assert driver.usd == pytest.approx(0.01 * 20, rel=0.01)
    assert record.output["cost_usd"] == pytest.approx(driver.usd)
    record, _ = asyncio.run(run())
    assert isinstance(record.error, BadInput)
    assert "prices.json" in record.error.hint
    typo = {"replicate": {"models": {"a/b": {"hardware": "gpu-l40"}}}}
    record, _ = asyncio.run(run(**{"prices.json": typo}))
    assert "models.a/b.hardware is 'gpu-l40'" in record.error.message
    assert len(standin.creates) == 1


def test_a_deployment_costs_what_its_hardware_does(make, standin) -> None:
    made = {
        "name": "fast",
        "model": "hookline/sleepy",
        "version": standin.version_of("hookline/sleepy"),
        "hardware": "gpu-h100",
        "min_instances": 0,
        "max_instances": 1,
    }
    headers = {"Authorization": f"Bearer {standin.token}"}
    httpx.post(f"{standin.base_url}/v1/deployments", json=made, headers=headers).raise_for_status()
    step = {"deployment": "standin/fast", "input": {"seconds": 20, "text": "rested"}}
    driver = make(step)
    record = _finish(driver)
    assert record.output["cost_usd"] == pytest.approx(20 * 0.001525, rel=0.01)
    assert driver.charged == [("deployments/standin/fast", pytest.approx(20 * 0.001525, rel=0.01))]
    assert driver.reserved[0][1] == pytest.approx(60 * 0.001525)
    own = make({**step, "hardware": "cpu"})
    assert _finish(own).output["cost_usd"] == pytest.approx(20 * 0.0001, rel=0.01)


@pytest.mark.parametrize("odd", [-1, float("inf"), float("nan"), 10**400, True, "3"])
def test_a_metric_that_is_no_amount_is_none(odd: Any) -> None:
    """What was paid for must not be lost to a figure that nobody can add up."""
    body = {"id": "p", "status": "succeeded", "model": "a/b", "metrics": {"predict_time": odd}}
    remote = records.Remote.read(body)
    assert remote.predict_seconds is None
    assert prices._estimate(remote, "cpu", prices.BUILT_IN) is None


def test_the_hardware_that_the_step_names_goes_before_the_table() -> None:
    remote = _remote(FLUX, metrics={"predict_time": 10.0, "image_output_count": 1})
    assert prices._estimate(remote, "gpu-h100", prices.BUILT_IN) == 0.01525


def test_every_price_is_a_price_of_something_that_is_measured() -> None:
    assert prices.BUILT_IN.captured == "2026-11-18"
    for name, model in prices.BUILT_IN.models.items():
        assert "/" in name
        assert model.is_by_unit
        for unit in model.per:
            assert unit in prices._ASKED_FOR or unit in ("token_input_count",), f"{name}: {unit}"


def test_it_is_set_aside_and_charged_by_the_model(make, standin, sleepy) -> None:
    driver = make({**sleepy, "hardware": "gpu-h100", "run_timeout": "100s"})
    assert _finish(driver).error is None
    assert driver.reserved == [("hookline/sleepy", pytest.approx(0.1525), True)]
    assert [of for of, _ in driver.charged] == ["hookline/sleepy"]
    assert driver.usd == pytest.approx(20 * 0.001525, rel=0.05)


def test_over_the_budget_nothing_is_created(make, standin, sleepy) -> None:
    driver = make({**sleepy, "max_cost": "0.50 usd"})
    driver.budget = 0.4
    assert isinstance(_finish(driver).error, OverBudget)
    assert standin.creates == []


def test_over_the_budget_the_next_cheaper_model_is_taken(make, standin, sleepy, echo) -> None:
    own = {"replicate": {"models": {"hookline/sleepy": {"run": 0.5}, "hookline/echo": {"run": 0.1}}}}
    driver = make({"models": [sleepy["model"], echo["model"]], "input": {"text": "hello"}})
    driver.budget = 0.4
    driver.project["prices.json"] = json.dumps(own).encode()
    assert _finish(driver).output["output_text"] == "hello"
    assert [item.body["version"] for item in standin.creates] == [echo["model"]]
    assert driver.charged == [("hookline/echo", 0.1)]


def test_a_mistake_in_the_projects_table_is_found_before_anything_is_paid_for(make, standin, echo) -> None:
    driver = make(echo)
    driver.project["prices.json"] = b'{"replicate": {"models": {"a/b": {"hardwear": "cpu"}}}}'
    error = _finish(driver).error
    assert isinstance(error, BadInput)
    assert "hardwear" in error.message
    assert standin.creates == []


def test_a_mistake_made_meanwhile_loses_nothing(make, standin, sleepy) -> None:
    async def scenario() -> Any:
        async with make({**sleepy, "hardware": "cpu"}) as driver:
            await driver.start()
            driver.project["prices.json"] = b"no json"
            return await driver.finish(), driver

    record, driver = asyncio.run(scenario())
    assert record.error is None
    assert record.output["cost_usd"] > 0
    assert any("prices" in line for line in driver.logged)


def test_what_is_looked_at_twice_is_charged_once(make, standin, picture) -> None:
    standin.faults.set("cdn.server_error", times=2)
    driver = make({**picture, "webhook": "never"})
    driver.project["prices.json"] = b'{"replicate": {"models": {"hookline/picture": {"run": 0.25}}}}'
    assert _finish(driver).error is None
    assert driver.charged == [("hookline/picture", 0.25)]


def test_what_was_paid_for_is_charged_although_its_output_is_refused(make, standin, sleepy) -> None:
    driver = make({**sleepy, "hardware": "cpu", "expect": {"type": "files"}})
    assert _finish(driver).error is not None
    assert len(driver.charged) == 1
