"""The whole way: our connector, the stand-in's API, a real Cog server behind it, a signed webhook back."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hookline.engine.loader import import_room
from hookline.sdk import File
from hookline.testing.clock import SystemClock
from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason
from hookline.testing.replicate import ReplicateStandIn
from hookline.testing.replicate.plans import png

from ..driver import Driver

connector = import_room("connectors.replicate.connector")


@pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason()))
def test_a_picture_is_restyled_by_a_real_model() -> None:
    async def scenario(standin: ReplicateStandIn) -> None:
        def connect(ctx: Any) -> Any:
            return connector.connect(ctx, token=standin.token, base_url=standin.base_url)

        async with Driver(connector.run, {}, connect, SystemClock()) as driver:
            picture = driver.files.put(png(8, 8, (200, 100, 50)), name="in.png")
            driver.parameters = {"model": "hookline/restyle", "input": {"image": picture.to_json()}}
            assert (await driver.start()).stage == "parked"
            await driver.callback_arrives()
            output = (await driver.wake()).output
            assert output["output_type"] == "files"
            assert driver.files.content(File.from_json(output["files"][0]))
            assert driver.wakes == ["callback"]
        assert len(standin.creates) == 1

    with CogServer(MODELS / "restyle") as server, ReplicateStandIn(cog_url=server.base_url) as standin:
        asyncio.run(scenario(standin))
        assert standin.failures == []
