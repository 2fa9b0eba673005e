"""``hookline costs`` and ``hookline connections list`` on a project's own database."""

from __future__ import annotations

import time

from hookline.engine.engine import open_store
from hookline.engine.settings import load_settings
from hookline.store.port import Charge
from hookline.testing.store_contract.kit import accept, advance, incoming, new_run, write_alone

from .conftest import Cli


def test_costs_of_the_last_days(cli: Cli) -> None:
    store = open_store(load_settings(cli.project, {}), "w")
    run = new_run("run_costs", owner="w")
    charges = [
        Charge(time.time(), "restyle", "owner/flux", 0.25),
        Charge(time.time(), "restyle", "owner/llm", 1),
    ]
    write_alone(
        store, accept(incoming("evt_costs", run)), advance("run_costs", 1, owner="w", charges=charges)
    )
    store.close()
    document = cli.json("costs", "--by", "model", "--json")
    assert document["schema"] == "hookline.costs/1"
    assert [(row["model"], row["usd"]) for row in document["rows"]] == [
        ("owner/llm", 1.0),
        ("owner/flux", 0.25),
    ]
    shown = cli.ok("costs", "--since", "7d")
    assert "1.25  2  1.00" in shown.stdout
    assert "an estimate" in shown.stderr


def test_a_wrong_day_is_refused(cli: Cli) -> None:
    assert cli("costs", "--since", "soon").exit_code == 2


def test_connections_and_their_limits(cli: Cli) -> None:
    table = "[connections.art]\ntype = 'replicate'\ntoken = 'x'\nlimits = { creates = 60, concurrency = 3 }\n"
    (cli.project / "hookline.toml").write_text(table)
    found = cli.json("connections", "list", "--json")
    art = next(each for each in found["connections"] if each["name"] == "art")
    assert [(limit["name"], limit["per_minute"]) for limit in art["limits"]] == [
        ("creates", 60),
        ("reads", 3000),
    ]
    assert art["concurrency"] == 3
    assert "creates 60 a minute" in cli.ok("connections", "list").stdout
