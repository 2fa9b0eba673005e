"""The limits of services: shared by all who have the credential, kept over restarts, no attempt's fault."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from engine_lab import Give, Hang, Lab, LabMaker, flow, job

from hookline.store.port import StoreError, TakeTurns
from hookline.testing.httpd import HttpServer, Request, Response


class Service:
    """Counts who comes, and when; answers what it was told to."""

    def __init__(self) -> None:
        self.came: list[tuple[str, float]] = []
        self.answers: list[Response] = []
        self.clock: Any = lambda: 0.0
        self.server = HttpServer(name="counter")
        self.server.start(self.answer)

    def answer(self, request: Request) -> Response:
        self.came.append((f"{request.method} {request.path}", self.clock()))
        return self.answers.pop(0) if self.answers else Response.of(200, {})

    def times(self, method: str = "POST") -> list[float]:
        return [at for request, at in self.came if request.startswith(method)]


@pytest.fixture
def service(labs: LabMaker) -> Iterator[Service]:
    service = Service()
    service.clock = labs.clock
    yield service
    service.server.stop()


def configure(labs: LabMaker, service: Service, *names: str, extra: str = "") -> None:
    tables = [
        f"[connections.{name}]\ntype = 'counter'\nurl = '{service.server.origin}'\n"
        f"token = 'the-token-itself'\n{extra}"
        for name in names or ("counter",)
    ]
    (labs.folder / "hookline.toml").write_text("\n".join(tables))


def visit(*requests: str, connection: str = "counter", **more: Any) -> dict[str, Any]:
    step = {
        "id": "v",
        "uses": "counter.visit",
        "connection": connection,
        "with": {"requests": list(requests)},
    }
    return {**step, **more}


def drain(labs: LabMaker, lab: Lab, runs: list[str], seconds: float = 1.0, most: int = 200) -> None:
    """Let time pass until all have ended."""
    for _ in range(most):
        lab.until_idle()
        if all(lab.status(run) in ("succeeded", "failed") for run in runs):
            return
        labs.clock.advance(seconds)
    raise AssertionError([lab.status(run) for run in runs])


def hurry(labs: LabMaker, lab: Lab, runs: list[str]) -> None:
    """Let time pass until all have ended, whatever is under way meanwhile."""

    def ended() -> bool:
        labs.clock.advance(0.2)
        return all(lab.status(run) in ("succeeded", "failed") for run in runs)

    lab.until(ended)


def most_in(times: list[float], seconds: float) -> int:
    return max(sum(start <= at < start + seconds for at in times) for start in times)


def test_all_workflows_and_connections_with_one_credential_share_its_limit(
    labs: LabMaker, service: Service
) -> None:
    configure(labs, service, "one", "two")
    lab = labs()
    lab.deploy(
        flow(visit("POST send", connection="one")), flow(visit("POST send", connection="two"), name="other")
    )
    runs = [lab.begin(name) for name in ["flow", "other"] * 4]
    lab.until(lambda: sum(lab.status(run) == "waiting" for run in runs) == 6)
    lab.until(lambda: len(service.came) == 2)
    waiting = [run for run in runs if lab.status(run) == "waiting"]
    found = lab.step(waiting[0], "v")["waiting_for"]
    assert (found["kind"], "sends are limited to 60 a minute" in found["reason"]) == ("limit", True)
    drain(labs, lab, runs)
    assert [lab.status(run) for run in runs] == ["succeeded"] * 8
    assert most_in(service.times(), 1.0) <= 3
    assert service.times()[-1] - service.times()[0] >= 6.0
    assert {lab.step(run, "v")["attempts"] for run in runs} == {1}


@pytest.mark.parametrize(("account", "at_once"), [("account = 'ada'", 2), ("", 4)])
def test_tokens_of_one_account_share_its_limit(
    labs: LabMaker, service: Service, account: str, at_once: int
) -> None:
    """A token that is another one every hour must not begin the minute anew."""
    tables = [
        f"[connections.{name}]\ntype = 'counter'\nurl = '{service.server.origin}'\n"
        f"token = 'the-token-of-{name}'\n{account}"
        for name in ("this_hour", "next_hour")
    ]
    (labs.folder / "hookline.toml").write_text("\n".join(tables))
    lab = labs()
    lab.deploy(
        flow(visit("POST send", connection="this_hour")),
        flow(visit("POST send", connection="next_hour"), name="other"),
    )
    runs = [lab.begin(name) for name in ["flow", "other"] * 3]
    lab.until(lambda: sum(lab.status(run) == "waiting" for run in runs) == 6 - at_once)
    lab.until(lambda: len(service.came) == at_once)


def test_nobody_is_held_who_comes_alone(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    lab = labs()
    assert lab.end(lab.go(flow(visit("GET a", "POST b", "GET c")))) == "succeeded"
    assert [request for request, _ in service.came] == ["GET /a", "POST /b", "GET /c"]


def test_what_has_had_an_effect_is_never_sent_again(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    lab = labs()
    run = lab.go(flow(visit("GET a", "POST b", "POST c", "POST d")))
    hurry(labs, lab, [run])
    assert lab.status(run) == "succeeded"
    assert sorted(request for request, _ in service.came if "POST" in request) == [
        "POST /b",
        "POST /c",
        "POST /d",
    ]


def test_reads_before_the_effect_are_repeated_and_it_comes_to_an_end(
    labs: LabMaker, service: Service
) -> None:
    configure(labs, service)
    lab = labs()
    lab.deploy(flow(visit(*["GET a"] * 9, "POST b")))
    runs = [lab.begin("flow") for _ in range(4)]
    hurry(labs, lab, runs)
    assert {lab.status(run) for run in runs} == {"succeeded"}
    assert len(service.times()) == 4


@pytest.mark.parametrize("crash", [True, False])
def test_a_restart_does_not_begin_the_minute_anew(labs: LabMaker, service: Service, crash: bool) -> None:
    configure(labs, service)
    lab = labs()
    lab.deploy(flow(visit("POST send")))
    runs = [lab.begin("flow") for _ in range(5)]
    lab.until(lambda: len(service.came) == 2)
    lab.until_idle()
    lab = labs.again(lab, crash=crash)
    runs += [lab.begin("flow") for _ in range(3)]
    drain(labs, lab, runs)
    assert most_in(service.times(), 1.0) <= 3
    assert len(service.times()) == 8


def test_two_processes_share_the_rate(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    one, two = labs(), labs()
    for lab in (one, two):
        lab.deploy(flow(visit("POST send")))
    runs = [one.begin("flow") for _ in range(4)] + [two.begin("flow") for _ in range(4)]
    for _ in range(60):
        one.until_idle()
        two.until_idle()
        if all(one.status(run) == "succeeded" for run in runs):
            break
        labs.clock.advance(1.0)
    assert [one.status(run) for run in runs] == ["succeeded"] * 8
    assert most_in(service.times(), 1.0) <= 3


def too_many(**headers: str) -> Response:
    return Response.of(429, {}, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_everybody_waits_as_long_as_the_service_asks_for(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    service.answers = [too_many(Retry_After="30")]
    lab = labs()
    first = lab.go(flow(visit("POST send")))
    lab.until(lambda: lab.step(first, "v")["status"] == "retrying")
    second = lab.begin("flow")
    lab.until_status(second, "waiting")
    assert "asked less often" in lab.step(second, "v")["waiting_for"]["reason"]
    lab = labs.again(lab, crash=True)
    third = lab.begin("flow")
    lab.until_status(third, "waiting")
    began = labs.clock()
    drain(labs, lab, [first, second, third], 5.0)
    assert {lab.status(run) for run in (first, second, third)} == {"succeeded"}
    assert min(service.times()[1:]) >= began + 30
    assert lab.step(second, "v")["attempts"] == 1


def test_a_service_says_in_time_that_nothing_is_left(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    service.answers = [Response.of(200, {}, headers={"ratelimit-remaining": "0", "ratelimit-reset": "20"})]
    lab = labs()
    assert lab.end(lab.go(flow(visit("GET look")))) == "succeeded"
    second = lab.begin("flow")
    lab.until_status(second, "waiting")
    drain(labs, lab, [second], 4.0)
    assert service.times("GET")[1] - service.times("GET")[0] >= 20


def test_the_operator_sets_other_limits(labs: LabMaker, service: Service) -> None:
    configure(labs, service, extra="limits = { sends = 6, looks = false }")
    lab = labs()
    lab.deploy(flow(visit(*["GET a"] * 40, "POST send")))
    runs = [lab.begin("flow") for _ in range(8)]
    lab.until(lambda: len(service.times()) >= 5)
    lab.until_idle()
    assert len(service.times()) < 8
    drain(labs, lab, runs, 10.0)
    assert service.times()[-1] - service.times()[0] >= 10


@pytest.mark.parametrize(
    "limits", ["{ sand = 5 }", "{ sends = 0 }", "{ concurrency = 0 }", "{ sends = 'x' }", "5"]
)
def test_a_wrong_limit_is_named(labs: LabMaker, service: Service, limits: str) -> None:
    configure(labs, service, extra=f"limits = {limits}")
    lab = labs()
    run = lab.go(flow(visit("GET a")))
    assert lab.end(run) == "failed"
    error = lab.step(run, "v")["error"]
    assert (error["code"], "limit" in error["message"]) == ("C923", True)


def test_only_so_many_steps_are_under_way(labs: LabMaker, service: Service) -> None:
    configure(labs, service, extra="limits = { concurrency = 1 }")
    service.answers = [too_many(Retry_After="30")]
    lab = labs()
    first = lab.go(flow(visit("POST send")))
    lab.until(lambda: lab.step(first, "v")["status"] == "retrying")
    drain(labs, lab, [first, lab.begin("flow"), lab.begin("flow")], 5.0)
    assert len(service.times()) == 4


def test_a_held_run_can_be_canceled(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    lab = labs()
    lab.deploy(flow(visit("POST send")))
    runs = [lab.begin("flow") for _ in range(4)]
    lab.until(lambda: sum(lab.status(run) == "waiting" for run in runs) == 2)
    held = next(run for run in runs if lab.status(run) == "waiting")
    lab.engine.cancel(held)
    assert lab.end(held) == "canceled"
    drain(labs, lab, [run for run in runs if run != held])
    assert len(service.times()) == 3


def test_the_steps_timeout_holds_for_the_queue_too(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    lab = labs()
    lab.deploy(flow(visit("POST send", timeout="1500ms")))
    runs = [lab.begin("flow") for _ in range(6)]
    drain(labs, lab, runs)
    failed = [run for run in runs if lab.status(run) == "failed"]
    assert failed
    assert {lab.step(run, "v")["error"]["code"] for run in failed} == {"R205"}


def test_the_queue_is_in_the_figures_and_the_token_nowhere(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    lab = labs()
    lab.deploy(flow(visit("POST send")))
    runs = [lab.begin("flow") for _ in range(5)]
    lab.until(lambda: sum(lab.status(run) == "waiting" for run in runs) == 3)
    lab.until_idle()
    labs.clock.jump(0.5)
    figures = {found.limit: found for found in lab.engine.turntable.figures()}
    assert (figures["sends"].waiting, figures["sends"].connections) == (3, ("counter",))
    assert figures["sends"].oldest >= 0.5
    drain(labs, lab, runs)
    assert lab.engine.turntable.figures()[0].waiting == 0
    assert b"the-token-itself" not in lab.database_bytes()


@pytest.mark.parametrize("how", ["waits", "canceled"])
def test_who_waits_where_it_is_keeps_no_place_from_others(labs: LabMaker, service: Service, how: str) -> None:
    configure(labs, service)
    lab = labs(environment={"HOOKLINE_MAX_ATTEMPTS_AT_ONCE": "1"})
    # What was sent may have had an effect, so it cannot be held for the turn of the next.
    run = lab.go(flow(visit("POST a", "POST b", "POST c", "POST d")))
    lab.until(lambda: len(service.came) == 2)
    lab.deploy(flow(job("a"), name="other"))
    others = [lab.begin("other") for _ in range(3)]
    assert [lab.end(each) for each in others] == ["succeeded"] * 3
    assert lab.status(run) == "running"
    if how == "canceled":
        lab.engine.cancel(run)
        assert lab.end(run) == "canceled"
    else:
        hurry(labs, lab, [run])
        assert lab.status(run) == "succeeded"
    # There is still one place, and no more than one.
    lab.outside.script("a", Hang(), Give())
    hanging, last = lab.begin("other"), lab.begin("other")
    lab.until(lambda: lab.outside.hanging("a"))
    lab.until(lambda: lab.engine.runner.executing == 2)
    assert len(lab.outside.of("a")) == 4
    lab.outside.release("a")
    assert [lab.end(hanging), lab.end(last)] == ["succeeded"] * 2


def test_a_turn_that_the_store_does_not_take_fails_the_attempt(labs: LabMaker, service: Service) -> None:
    configure(labs, service)
    lab = labs()
    store: Any = lab.engine.store
    submit, refused = store.submit, []

    def refuse_once(unit: Any, done: Any) -> None:
        if isinstance(unit, TakeTurns) and not refused:
            refused.append(unit)
            done(StoreError("no number"))
        else:
            submit(unit, done)

    store.submit = refuse_once
    run = lab.go(flow(visit("POST a", retry={"max_attempts": 1})))
    assert lab.end(run) == "failed"
    assert lab.step(run, "v")["error"]["type"] == "unavailable"
    assert service.came == []
    assert lab.end(lab.begin("flow")) == "succeeded"


def test_what_is_settled_waits_for_its_turn_however_late_that_is(labs: LabMaker, service: Service) -> None:
    """A turn that comes later than a look may last is kept for the next look, and not taken anew."""
    configure(labs, service, extra="[connections.counter.limits]\nsends = 0.5\n")
    lab = labs()
    leave = {"uses": "counter.leave", "connection": "counter", "with": {"requests": ["POST stop"]}}
    lab.deploy(flow({"id": "v", **leave}))
    runs = [lab.begin("flow") for _ in range(5)]
    for run in runs:
        lab.until_status(run, "waiting")
        lab.engine.cancel(run)
        assert lab.end(run) == "canceled"
    for _ in range(50):
        lab.until_idle()
        if all(lab.document(run)["cost_usd"] == 0.25 for run in runs):
            break
        labs.clock.advance(15)
    times = service.times()
    assert [round((at - times[0]) / 120) for at in times] == [0, 1, 2, 3, 4]
