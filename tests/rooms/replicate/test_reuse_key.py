"""What `replicate.run` says makes steps identical besides their parameters: the version that would run."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import Unavailable

ECHO = "hookline/echo"
connector = import_room("connectors.replicate.connector")
ACTIONS = {action.name.partition(".")[2]: action for action in connector.replicate.actions}


def key_of(driver: Any) -> Any:
    async def scenario() -> Any:
        async with driver:
            return await driver.action.key(driver, **driver.parameters)

    return asyncio.run(scenario())


def publish(standin: Any, slug: str = ECHO) -> str:
    """A new version of the model; it is the newest from now on."""
    model = standin.catalog.models[slug]
    standin.catalog.put(replace(model, revision=model.revision + 1, earlier=model.all_versions))
    version: str = standin.version_of(slug)
    return version


def test_latest_is_the_version_that_it_stands_for_and_the_one_that_runs(make: Any, standin: Any) -> None:
    step = {"model": f"{ECHO}:latest", "input": {"text": "x"}}
    first = standin.version_of(ECHO)
    assert key_of(make(step)) == [first]
    second = publish(standin)
    assert second != first
    driver = make(step)

    async def scenario() -> Any:
        async with driver:
            key = await driver.action.key(driver, **step)
            publish(standin)
            return key, await driver.finish()

    key, record = asyncio.run(scenario())
    assert key == [second]
    assert record.output["model_reference"] == f"{ECHO}:{second}", "what runs is what was noted"


def test_a_pinned_version_asks_nothing(make: Any, standin: Any, echo: Any) -> None:
    driver = make(echo)
    assert key_of(driver) == [standin.version_of(ECHO)]
    assert driver.boundaries == []


def test_a_new_version_behind_the_name_of_an_official_model_counts(make: Any, standin: Any) -> None:
    step = {"model": "hookline/official-echo", "input": {"text": "x"}}
    assert key_of(make(step)) == [standin.version_of("hookline/official-echo")]
    second = publish(standin, "hookline/official-echo")
    assert key_of(make(step)) == [second]


def test_a_new_release_of_a_deployment_counts(make: Any, standin: Any) -> None:
    def act(name: str, /, **parameters: Any) -> None:
        driver = make({})
        driver.action, driver.parameters = ACTIONS[name], parameters

        async def scenario() -> None:
            async with driver:
                assert (await driver.finish()).error is None

        asyncio.run(scenario())

    first = standin.version_of(ECHO)
    size = {"hardware": "cpu", "min_instances": 0, "max_instances": 1}
    act("create_deployment", name="d", model=ECHO, version=first, **size)
    step = {"deployment": "standin/d", "input": {"text": "x"}}
    assert key_of(make(step)) == [f"{ECHO}:{first}"]
    second = publish(standin)
    act("update_deployment", deployment="standin/d", version=second)
    assert key_of(make(step)) == [f"{ECHO}:{second}"]


def test_every_candidate_counts(make: Any, standin: Any, echo: Any) -> None:
    models = [echo["model"], "hookline/sleepy:latest"]
    step = {"models": models, "input": {}}
    before = key_of(make(step))
    assert before == [standin.version_of(ECHO), standin.version_of("hookline/sleepy")]
    publish(standin, "hookline/sleepy")
    assert key_of(make(step)) != before


def test_it_cannot_tell_while_replicate_cannot_be_asked(make: Any, standin: Any) -> None:
    standin.faults.set("models.unavailable_html", times=None)
    with pytest.raises(Unavailable):
        key_of(make({"model": f"{ECHO}:latest", "input": {"text": "x"}}))
    assert standin.creates == []
