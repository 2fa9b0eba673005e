"""The process dies at every named place, and nothing that was accepted is lost or done twice.

Nothing is canceled here: what a canceled run leaves behind is in `test_settling_crashes`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fault_rig import Rig, rig_in

from hookline.crashpoints import POINTS

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]

EVENTS = 3
WAITING = 6
"""Events that wait for a batch, of three different keys; more are sent where nothing is left to die of."""


def work(rig: Rig, *, until_dead: bool) -> None:
    """Send events (twice each), decide on approvals, until everything has ended or the server is dead."""
    sent = [(rig.send, f"event-{number}", number) for number in range(EVENTS)]
    sent += [
        (rig.send_waiting, f"waits-{number}", number) for number in range(max(WAITING, rig.sent_waiting))
    ]
    left = sent * 2
    rig.feed_file.write_text("one\ntwo\n")

    def done() -> bool:
        if until_dead and not rig.is_up:
            return True
        while left:
            send, identity, number = left[0]
            status = send(identity, number)
            if not 200 <= status < 300:
                return False
            left.pop(0)
        rig.approve_all()
        if until_dead and is_over(rig):
            # One group may have held all that there was of this kind.
            number = rig.sent_waiting
            left.append((rig.send_waiting, f"waits-{number}", number))
        return not until_dead and is_over(rig)

    rig.until(done, "the end of every run" if not until_dead else "the crash")


def is_over(rig: Rig) -> bool:
    (runs,) = rig.query("SELECT count(*), count(finished_at) FROM runs WHERE workflow IN ('main', 'fed')")
    (signals,) = rig.query("SELECT count(*) FROM signals")
    (waiting,) = rig.query("SELECT (SELECT count(*) FROM gatherings), (SELECT count(*) FROM runs WHERE"
                           " workflow IN ('many', 'after') AND finished_at IS NULL)")  # fmt: skip
    return runs == (EVENTS + 2, EVENTS + 2) and signals == (0,) and waiting == (0, 0)


@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("point", sorted(each for each in POINTS if not each.startswith("settlement.")))
def test_the_process_dies_at(point: str, count: int, tmp_path: Path) -> None:
    with rig_in(tmp_path) as rig:
        rig.start(crash_at=f"{point}:{count}")
        work(rig, until_dead=True)
        rig.buried()
        if count == 1:
            # Recovery itself may die at the same place.
            rig.start(crash_at=f"{point}:1")
            work(rig, until_dead=True)
            rig.buried()
        rig.start()
        work(rig, until_dead=False)
        assert len(rig.acknowledged) == EVENTS
        assert len(rig.waiting) >= WAITING
        rig.check()


def test_recovering_again_and_again_changes_nothing(tmp_path: Path) -> None:
    with rig_in(tmp_path) as rig:
        rig.start(crash_at="attempt.returned:4")
        work(rig, until_dead=True)
        rig.buried()
        rig.start()
        work(rig, until_dead=False)
        before = rig.everything()
        for _ in range(3):
            rig.kill()
            rig.start()
            rig.until(lambda: rig.request("GET", "/readyz")[0] == 200, "readiness")
            assert rig.everything() == before
        rig.check()


@pytest.mark.parametrize(
    ("point", "step", "requests"),
    [
        ("attempt.returned:1", "steps[0]", 2),
        ("attempt.returned:2", "steps[1]", 2),
        ("attempt.returned:3", "steps[2]", 1),
        ("attempt.begins:3", "steps[2]", 1),
        ("attempt.returned:4", "steps[3]", 2),
    ],
    ids=["read", "idempotent", "check", "check before it is sent", "at_least_once"],
)
def test_each_effect_is_repeated_as_it_says(point: str, step: str, requests: int, tmp_path: Path) -> None:
    with rig_in(tmp_path) as rig:
        rig.start(crash_at=point, triggers=False)
        rig.send("one", 1)
        rig.until(lambda: not rig.is_up, "the crash")
        rig.buried()
        rig.start(triggers=False)

        def over() -> bool:
            # The sender may have had no answer.
            rig.send("one", 1)
            rig.approve_all()
            return not rig.open_runs()

        rig.until(over, "the end of the run")
        rig.check()
        run = rig.acknowledged["one"]
        ledger = [entry for entry in rig.ledger() if (entry["run"], entry["step"]) == (run, step)]
        assert len(ledger) == requests
        assert len({entry["key"] for entry in ledger}) == 1
