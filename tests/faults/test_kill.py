"""``kill -9`` at random moments of a server with a hundred runs at every stage."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest
from fault_rig import Rig, rig_in

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

RUNS = 100
KILLS = 8
SEED = int(os.environ.get("FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)


def test_killed_at_random_and_restarted_until_drained(tmp_path: Path) -> None:
    print(f"FAULT_SEED={SEED}")
    chance = random.Random(SEED)
    with rig_in(tmp_path) as rig:
        left = [(f"event-{number}", number) for number in range(RUNS)]
        left += chance.sample(left, RUNS // 5)
        chance.shuffle(left)
        for _ in range(KILLS):
            rig.start()
            deadline = time.monotonic() + chance.uniform(0.2, 1.0)
            while time.monotonic() < deadline:
                for _ in range(5):
                    send_one(rig, left)
                rig.approve_all()
            # A third crash without any progress would rightly put a run aside.
            rig.until(lambda: not rig.suspects(), "progress")
            time.sleep(chance.uniform(0, 0.1))
            rig.kill()
        rig.start()

        def over() -> bool:
            send_one(rig, left)
            rig.approve_all()
            return not left and not rig.open_runs()

        rig.until(over, "the last run")
        assert len(rig.acknowledged) == RUNS
        rig.check()


def send_one(rig: Rig, left: list[tuple[str, int]]) -> None:
    if left and 200 <= rig.send(*left[0]) < 300:
        left.pop(0)
