"""The process dies at every named place of a prediction, with its webhooks doubled and out of order."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from fault_rig import Rig, rig_in

from hookline.testing.replicate.plans import png

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

COLOR = (0x20, 0x40, 0x60)
PLACES = [
    "note.committed:1",
    "note.committed:2",
    "signal.committed:1",
    "attempt.returned:2",
    "artifact.written:1",
    "artifact.renamed:2",
]
"""Those that a prediction with files adds to what `test_crash_points` walks for one with a text."""


def draw(rig: Rig) -> None:
    """Give the project its one workflow: two pictures, waited for by webhook."""
    definition = {
        "name": "draw",
        "trigger": {
            "uses": "webhook",
            "with": {"path": "draw", "auth": {"type": "none"}, "dedupe": "header:x-id"},
        },
        "steps": [
            {
                "id": "art",
                "uses": "replicate.run",
                "with": {
                    "model": f"hookline/picture:{rig.stand_in.version_of('hookline/picture')}",
                    "input": {"count": 2, "width": 8, "height": 8, "color": "#204060"},
                    "webhook": "always",
                    "poll_interval": 20,
                },
            }
        ],
        "output": "{{ steps.art.files }}",
    }
    (rig.folder / "project/workflows/draw.json").write_text(json.dumps(definition))


@pytest.mark.parametrize("place", PLACES)
def test_one_prediction_one_end_and_the_bytes_that_were_made(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig_in(tmp_path) as rig:
        monkeypatch.setenv("HOOKLINE_ALLOW_ORIGINS", rig.stand_in.cdn_url)
        draw(rig)
        rig.stand_in.faults.set("webhook.duplicate", times=None)
        rig.stand_in.faults.set("webhook.reorder", times=None)
        rig.start(crash_at=place, triggers=False)

        def sent() -> bool:
            return 200 <= rig.request("POST", "/hooks/draw", {}, **{"X-Id": "one"})[0] < 300

        rig.until(lambda: sent() or not rig.is_up, "an answer")
        rig.until(lambda: not rig.is_up, "the crash")
        rig.buried()
        rig.start(triggers=False)
        rig.until(sent, "an answer")
        rig.until(lambda: not rig.open_runs(), "the end")
        ((status, output),) = rig.query("SELECT status, output FROM runs WHERE workflow = 'draw'")
        assert status == "succeeded"
        assert len(rig.stand_in.creates) == 1
        assert rig.stand_in.cdn_leaks == []
        digest = hashlib.sha256(png(8, 8, COLOR)).hexdigest()
        assert [file["sha256"] for file in json.loads(output)] == [digest, digest]
        kept = [
            path
            for path in (rig.folder / "project/.hookline/artifacts").rglob(f"{digest[2:]}*")
            if path.is_file()
        ]
        kept += [
            path for path in (rig.folder / "project/.hookline/artifacts").rglob(digest) if path.is_file()
        ]
        assert [path.read_bytes() for path in kept] == [png(8, 8, COLOR)]
        kinds = [kind for events in rig.histories().values() for kind, _, _ in events]
        assert kinds.count("step.succeeded") == kinds.count("run.finished") == 1
