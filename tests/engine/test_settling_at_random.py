"""Whatever comes in whatever order: what a service bills is in the ledger once, nothing stays set aside."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from engine_lab import Call, Lab, LabMaker, Outside, flow, job
from test_budgets import claims

from hookline.engine.engine import EngineError
from hookline.sdk import Context, OutcomeUnknown, Park, Unavailable

Json = Any


@dataclass
class Job:
    usd: float
    is_over: bool = False


class Service(Outside):
    """Runs jobs that take their time, bills each once, and answers badly now and then."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)
        self.jobs: dict[str, Job] = {}
        self.tokens: list[str] = []
        self.is_well = False

    def fails(self, chance: float) -> bool:
        return not self.is_well and self.random.random() < chance

    async def answer(self, ctx: Context, call: Call, value: Json) -> Any:
        self.enter(call)
        if call.how == "run":
            return await self._begin(ctx, call)
        if self.fails(0.2):
            raise Unavailable("come back later")
        found = self.jobs.get(call.key)
        if call.how == "cancel":
            if found is not None:
                found.is_over = True
            return None
        if found is None:
            return {"value": "nothing was done"} if call.how == "lookup" else None
        if not found.is_over:
            return Park("the job to end", ctx.now() + timedelta(seconds=20), {"job": call.key})
        ctx.cost(found.usd, of="model")
        if call.how != "settle" and self.fails(0.3):
            raise Unavailable("it failed")
        return {"value": value}

    async def _begin(self, ctx: Context, call: Call) -> Any:
        self.tokens.append(call.callback_url.rpartition("/")[2])
        await ctx.reserve(1.0, of="model")
        await ctx.note(intent=call.key)
        if self.fails(0.2):
            ctx.cost(0.0)
            raise Unavailable("refused")
        assert call.key not in self.jobs, "nothing is started twice"
        self.jobs[call.key] = Job(self.random.randrange(1, 100) / 100)
        if self.fails(0.3):
            raise OutcomeUnknown("the answer is lost", final=self.fails(0.5))
        await ctx.note(job=call.key)
        return Park("the job to end", ctx.now() + timedelta(seconds=20), {"job": call.key})


CALLED = flow(
    job("a", "owed", retry={"max_attempts": 2, "delay": "5s", "on": ["unavailable"]}, timeout="10m"),
    job("b", "owed", on_unknown="retry"),
    name="called",
    limits={"budget": {"day": "900 usd"}},
)
CALLER = flow(
    {
        "id": "loop",
        "for_each": "{{ [1, 2, 3] }}",
        "max_parallel": 2,
        "do": [job("c", "owed", timeout="3m"), {"call": "called"}],
        "on_error": "continue",
    },
    name="caller",
    limits={"budget": {"day": "900 usd"}},
)


def _happens(labs: LabMaker, lab: Lab, service: Service, what: str, runs: list[str]) -> Lab:
    if what == "begin" and len(runs) < 3:
        runs.append(lab.begin("caller"))
    elif what in ("crash", "restart"):
        return labs.again(lab, crash=what == "crash")
    elif what == "pass":
        labs.clock.advance(service.random.choice([1, 6, 21, 130, 200]))
    elif what == "idle":
        lab.until_idle()
    elif what == "over" and service.jobs:
        service.random.choice(list(service.jobs.values())).is_over = True
    else:
        _asked(lab, service, what, runs)
    return lab


def _asked(lab: Lab, service: Service, what: str, runs: list[str]) -> None:
    try:
        if what == "callback" and service.tokens:
            lab.engine.receive_callback(service.random.choice(service.tokens), {}, b"{}")
        elif what in ("cancel", "resume") and lab.runs():
            run = service.random.choice(sorted(row.id for row in lab.runs()))
            (lab.engine.cancel if what == "cancel" else lab.engine.resume)(run)
    except EngineError:
        pass  # It is over, or it is not.


@pytest.mark.parametrize("seed", range(12))
def test_what_is_billed_is_in_the_ledger_once(labs: LabMaker, seed: int) -> None:
    """By one process, or two that share the database."""
    service = labs.outside = Service(seed)
    lab = labs()
    lab.deploy(CALLED, CALLER)
    runs = [lab.begin("caller")]
    others = [labs()] if seed % 2 else []
    for other in others:
        other.deploy(CALLED, CALLER)
    # A process that dies three times over the same thing gives it up.
    happenings = ["begin", "cancel", "resume", "callback", "over"] * 4 + ["pass", "idle"] * 12
    happenings += ["restart", "restart", "crash", "crash"]
    service.random.shuffle(happenings)
    for what in happenings:
        lab = _happens(labs, lab, service, what, runs)

    service.is_well = True

    def is_over() -> bool:
        for each in list(service.jobs.values()):
            each.is_over = True
        labs.clock.advance(130)
        for each_lab in (lab, *others):
            each_lab.until_idle()
        ended = all(row.finished_at is not None for row in lab.runs())
        store: Any = lab.engine.store
        # What one process leaves for a run that another has is found by the other's next sweep.
        is_told = not store._query("SELECT 1 FROM signals LIMIT 1")
        is_idle = not any(each_lab.engine.runner.open_runs for each_lab in (lab, *others))
        return ended and is_told and is_idle and store.next_timer() is None

    lab.until(is_over, "the end of everything")
    billed = round(sum(each.usd for each in service.jobs.values()), 6)
    now = lab.clock()
    costs = lab.engine.store.costs(now - 86400, now)
    assert round(sum(row.usd for row in costs), 6) == billed
    assert round(sum(row.cost_usd for row in lab.runs("caller")), 6) == billed, "callers pay for all"
    assert claims(lab) == []
    assert [each_lab.engine.runner.open_runs for each_lab in (lab, *others)] == [0] * (1 + len(others))
    events = [entry for row in lab.runs() for entry in lab.history(row.id)]
    closed = {event["data"]["outcome"] for event in events if event["kind"] == "settlement.closed"}
    assert closed <= {"settled"}, "nothing had to be assumed"
