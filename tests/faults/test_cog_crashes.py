"""The process dies while a step written for Replicate runs on a Cog server; it is looked up there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fault_rig import rig_in

from hookline.testing.cog import MODELS, CogServer, cog_unavailable_reason

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(180),
    pytest.mark.skipif(cog_unavailable_reason() is not None, reason=str(cog_unavailable_reason())),
]


@pytest.mark.parametrize("place", ["note.committed:1", "attempt.returned:1"])
def test_the_look_up_is_the_one_of_the_action_that_ran(place: str, tmp_path: Path) -> None:
    with CogServer(MODELS / "shout") as server, rig_in(tmp_path) as rig:
        step = {
            "id": "answer",
            "uses": "replicate.run",
            "connection": "captions",
            "with": {"model": "acme/shout", "input": {"text": "hello"}, "poll_interval": 20},
        }
        definition = {
            "name": "shout",
            "trigger": {
                "uses": "webhook",
                "with": {"path": "shout", "auth": {"type": "none"}, "dedupe": "header:x-id"},
            },
            "steps": [step],
            "output": "{{ steps.answer }}",
        }
        (rig.folder / "project/workflows/shout.json").write_text(json.dumps(definition))
        with (rig.folder / "project/hookline.toml").open("a") as table:
            table.write(f'\n[connections.captions]\ntype = "cog"\nbase_url = "{server.base_url}"\n')
        rig.start(crash_at=place, triggers=False)

        def sent() -> bool:
            return 200 <= rig.request("POST", "/hooks/shout", {}, **{"X-Id": "one"})[0] < 300

        rig.until(lambda: sent() or not rig.is_up, "an answer")
        rig.until(lambda: not rig.is_up, "the crash")
        rig.buried()
        rig.start(triggers=False)
        rig.until(sent, "an answer")
        rig.until(lambda: not rig.open_runs(), "the end")
        ((status, output, error),) = rig.query("SELECT status, output, error FROM runs")
        assert status == "succeeded", error
        result = json.loads(output)
        assert (result["provider"], result["output_text"], result["attempts"]) == ("cog", "HELLO", 1)
        assert rig.stand_in.creates == []
        kinds = [kind for events in rig.histories().values() for kind, _, _ in events]
        assert kinds.count("attempt.interrupted") == 1
        assert kinds.count("step.succeeded") == kinds.count("run.finished") == 1
