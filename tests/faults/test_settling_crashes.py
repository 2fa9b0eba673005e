"""The process dies while it stops and settles what a canceled run left at Replicate."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_rig import Rig, rig_in

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

H100 = 0.001525
PLACES = [
    ("signal.committed:1",),
    ("settlement.begins:1",),
    ("settlement.looked:1",),
    ("settlement.begins:1", "settlement.begins:1"),
    ("settlement.looked:1", "settlement.looked:1"),
    ("settlement.begins:1", "settlement.looked:1"),
]
"""Where the process dies, and where the next one does."""


def slow(rig: Rig) -> None:
    """Give the project its one workflow: a prediction that takes an hour."""
    definition = {
        "name": "slow",
        "trigger": {
            "uses": "webhook",
            "with": {"path": "slow", "auth": {"type": "none"}, "dedupe": "header:x-id"},
        },
        "limits": {"budget": {"day": "9 usd"}},
        "steps": [
            {
                "id": "nap",
                "uses": "replicate.run",
                "with": {
                    "model": f"hookline/sleepy:{rig.stand_in.version_of('hookline/sleepy')}",
                    "input": {"seconds": 3600},
                    "hardware": "gpu-h100",
                    "webhook": "always",
                },
            }
        ],
    }
    (rig.folder / "project/workflows/slow.json").write_text(json.dumps(definition))


def settled(rig: Rig) -> list[dict[str, object]]:
    events = [event for history in rig.histories().values() for event in history]
    return [data for kind, _, data in events if kind == "settlement.closed"]


@pytest.mark.parametrize("places", PLACES, ids=" ".join)
def test_it_is_stopped_and_charged_once(places: tuple[str, ...], tmp_path: Path) -> None:
    with rig_in(tmp_path) as rig:
        slow(rig)
        rig.start(crash_at=places[0], triggers=False)
        rig.until(lambda: rig.request("POST", "/hooks/slow", {}, **{"X-Id": "one"})[0] == 202, "an answer")

        def is_running() -> bool:
            return any(each.status == "processing" for each in rig.stand_in.predictions.values())

        rig.until(is_running, "the prediction")
        ((run, *_),) = rig.open_runs()
        rig.until(lambda: rig.open_runs()[0][2] == "waiting", "the step to wait")
        assert rig.query("SELECT count(*) FROM claims") == [(1,)]
        rig.request("POST", f"/api/v1/runs/{run}/cancel", {})
        for place in (*places[1:], ""):
            rig.until(lambda: not rig.is_up, "the crash")
            rig.buried()
            assert rig.query("SELECT count(*) FROM claims") == [(1,)], "it is not paid for"
            rig.start(crash_at=place, triggers=False)
        rig.until(lambda: settled(rig), "the settlement")
        rig.until(lambda: not rig.query("SELECT * FROM timers"), "its end")
        (prediction,) = rig.stand_in.predictions.values()
        assert prediction.status == "canceled"
        usd = prediction.metrics["predict_time"] * H100
        assert usd > 0
        assert len(rig.stand_in.creates) == 1
        assert [closed["outcome"] for closed in settled(rig)] == ["settled"]
        (ledger,) = rig.query("SELECT model, usd, count FROM costs")
        assert ledger == ("hookline/sleepy", pytest.approx(usd, abs=1e-6), 1)
        ((status, cost),) = rig.query("SELECT status, cost_usd FROM runs")
        assert (status, cost) == ("canceled", pytest.approx(usd, abs=1e-6))
        assert rig.query("SELECT * FROM claims") == []
