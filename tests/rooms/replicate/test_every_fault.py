"""Every fault that the stand-in knows, one after the other, against the whole of one step.

What a single fault leads to is said elsewhere. Here is what none of them may lead to: a second
prediction, an end that nobody hears of, a token on another origin, or bytes that the model did not make.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from hookline.engine.http import Policy
from hookline.sdk import ActionError, File
from hookline.testing.replicate import FAULTS
from hookline.testing.replicate.plans import png

COLOR = (0x20, 0x40, 0x60)
MADE = png(8, 8, COLOR)
SMALL = Policy(allow_http=True, allow_networks=("127.0.0.0/8",), ports=None, max_download_bytes=1_000_000)
ALWAYS = ("webhook.", "list.", "models.", "cdn.", "secret.", "execution.unknown")
ENDS: dict[str, set[str]] = {
    "create.insufficient_credit": {"insufficient_credit"},
    "create.throttled": {"rate_limited"},
    "execution.fail": {"timeout"},
    "execution.stay_starting": {"timeout"},
    "cdn.not_found": {"not_found"},
    "cdn.redirect": {"malformed_output"},
    "cdn.endless": {"malformed_output"},
    "cdn.wrong_length": {"timeout"},
    "cdn.server_error": {"timeout"},
}
"""Errors that are the right end; every other fault has to be survived."""

NOT_OF_A_RUN = ("account.", "cancel.", "files.", "sync.", "auth.", "stream.")
"""Faults of what a run of this step does not do; they have tests of their own."""


@pytest.mark.parametrize("fault", [name for name in FAULTS if not name.startswith(NOT_OF_A_RUN)])
def test_a_fault(make: Any, standin: Any, picture: Any, clock: Any, fault: str) -> None:
    standin.faults.set(fault, times=None if fault.startswith(ALWAYS) else 1)
    step = {**picture, "webhook": "always", "input": {**picture["input"], "width": 8, "height": 8}}

    async def scenario() -> Any:
        async with make(step, timeout=0.4, policy=SMALL) as driver:
            driver.deadline = driver.now() + timedelta(minutes=50)
            record = await driver.finish()
            return record, [driver.files.content(File.from_json(each)) for each in _files(record)]

    record, contents = asyncio.run(scenario())
    assert len(standin.creates) <= 1
    assert standin.cdn_leaks == []
    assert standin.token not in str(record)
    if record.error is None:
        assert contents == [MADE, MADE]
        assert len(standin.creates) == 1
        assert record.output["provider_job_id"] == standin.creates[0].prediction_id
    else:
        assert isinstance(record.error, ActionError)
        assert record.error.type in ENDS.get(fault, set()), record.error
        assert record.error.hint


def _files(record: Any) -> list[Any]:
    return [] if record.output is None else record.output["files"]
