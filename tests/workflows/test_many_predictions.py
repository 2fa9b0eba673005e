"""Many predictions in flight at once, with every webhook doubled and out of order.

The size that is aimed for, 5,000, is measured by ``benchmarks/predictions.py``.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hookline.testing.clock import ManualClock
from hookline.testing.replicate import ReplicateStandIn

from .installation import install, wait_until

MANY = 120


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(time.time())


@pytest.fixture
def replicate(clock: ManualClock) -> Iterator[ReplicateStandIn]:
    with ReplicateStandIn(clock=clock, tells_limits=False) as running:
        yield running
        assert running.failures == []


def definition(replicate: ReplicateStandIn) -> dict[str, Any]:
    model = f"hookline/sleepy:{replicate.version_of('hookline/sleepy')}"
    values = {"seconds": 60, "steps": 1, "text": "{{ trigger.body.n }}"}
    step = {"model": model, "input": values, "webhook": "always", "poll_interval": 600}
    return {
        "name": "many",
        "trigger": {"uses": "webhook", "with": {"path": "many", "auth": {"type": "none"}}},
        "steps": [{"id": "said", "uses": "replicate.run", "connection": "bulk", "with": step}],
        "output": "{{ steps.said.output_text }}",
    }


def test_all_wait_holding_nothing_and_each_gets_its_own_end(
    tmp_path: Path, replicate: ReplicateStandIn, clock: ManualClock
) -> None:
    for fault in ("webhook.duplicate", "webhook.reorder"):
        replicate.faults.set(fault, times=None)
    connection = (
        f'\n[connections.bulk]\ntype = "replicate"\nbase_url = "{replicate.base_url}"\n'
        f'token = "{replicate.token}"\nlimits = {{ creates = false, reads = false }}\n'
    )
    with install(
        tmp_path / "project", environment={}, definitions=[definition(replicate)], settings=connection
    ) as hookline:
        sent = {hookline.post("many", json={"n": str(n)}).json()["runs"][0]: str(n) for n in range(MANY)}
        wait_until(lambda: len(replicate.creates) == MANY)
        wait_until(lambda: not hookline.engine.runner.open_runs)
        assert hookline.engine.runner.executing == 0
        assert hookline.engine.views.watching == 0
        clock.advance(61)
        answers = {run: hookline.engine.outcome(run) for run in sent}
        for answer in answers.values():
            answer.result(60)
        assert {run: hookline.engine.run_document(run)["output"] for run in sent} == sent
    assert len(replicate.creates) == MANY
