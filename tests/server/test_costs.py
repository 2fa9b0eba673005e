"""What was spent and who waits, over HTTP."""

from __future__ import annotations

from collections.abc import Callable

from server_lab import Lab
from test_api import described
from test_hooks import is_problem
from test_pages import page

from hookline.store.port import Charge, day_of
from hookline.testing.store_contract.kit import accept, advance, incoming, new_run, write_alone

DAY = 86400.0


def spend(lab: Lab) -> float:
    store, now = lab.engine.store, lab.engine.clock()
    charges = [
        Charge(now, "restyle", "owner/flux", 0.25),
        Charge(now, "restyle", "owner/flux", 0.5),
        Charge(now - 2 * DAY, "restyle", "owner/llm", 0.125),
        Charge(now - 90 * DAY, "other", "owner/llm", 8.0),
    ]
    run = new_run("run_costs", owner=store.worker)
    chunk = advance("run_costs", 1, owner=store.worker, charges=charges)
    assert write_alone(store, accept(incoming("evt_costs", run)), chunk)[1] is True
    return now


def test_costs_are_added_up(lab: Lab) -> None:
    spend(lab)
    document = described(lab.get("/api/v1/costs?by=model"), "get", "/api/v1/costs")
    assert document["rows"] == [
        {"model": "owner/flux", "usd": 0.75, "count": 2, "highest_usd": 0.5},
        {"model": "owner/llm", "usd": 0.125, "count": 1, "highest_usd": 0.125},
    ]
    assert (document["total_usd"], document["is_estimate"]) == (0.875, True)
    days = described(lab.get("/api/v1/costs"), "get", "/api/v1/costs")["rows"]
    assert [row["usd"] for row in days] == [0.125, 0.75]
    all_of_it = described(lab.get("/api/v1/costs?by=workflow&since=2020-01-01"), "get", "/api/v1/costs")
    assert [(row["workflow"], row["usd"]) for row in all_of_it["rows"]] == [
        ("other", 8.0),
        ("restyle", 0.875),
    ]


def test_people_see_what_was_spent(lab: Lab) -> None:
    now = spend(lab)
    shown = page(lab, "/costs?by=model").shown
    assert "0.875 USD from" in shown
    assert shown.index("owner/flux") < shown.index("owner/llm")
    long_ago = day_of(now - 90 * DAY)
    assert "8.00 USD from" in page(lab, f"/costs?by=workflow&since={long_ago}&until={long_ago}").shown
    assert "Nothing was charged" in page(lab, "/costs?since=2020-01-01&until=2020-01-02").shown
    # What an address cannot mean is left out.
    assert "0.875 USD from" in page(lab, "/costs?by=moon&since=soon").shown


def test_people_see_the_budgets_of_all_workflows(labs: Callable[..., Lab]) -> None:
    assert "budget_day allows 20 usd" in page(labs(budget_day="20 usd"), "/costs").shown


def test_what_cannot_be_asked_for_is_said(lab: Lab) -> None:
    is_problem(lab.get("/api/v1/costs?by=month"), 422, "S605")
    is_problem(lab.get("/api/v1/costs?since=yesterday"), 422, "S603")
    is_problem(lab.get("/api/v1/costs?since=2026-11-20T09:00:00"), 422, "S603")


def test_connections_have_their_limits(lab: Lab) -> None:
    document = described(lab.get("/api/v1/connections"), "get", "/api/v1/connections")
    assert all(isinstance(connection["limits"], list) for connection in document["connections"])


def test_the_queues_are_in_the_figures(lab: Lab) -> None:
    text = lab.get("/metrics").text
    assert "# TYPE hookline_limit_waiting gauge" in text
