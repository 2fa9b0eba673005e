"""What open approvals cost: rows, memory, and the time of a page of the list.

Each run asks two people through a connection that answers at once, and then waits for a decision.

    python benchmarks/approvals.py [--approvals 10000] [--folder PATH]

Memory is the process's own, above what it had before the first run; after a restart nothing but the
rows is left. A page is the API's, 50 rows, through the whole application.
"""

from __future__ import annotations

import argparse
import dataclasses
import gc
import platform
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hookline.core.plan import compile_plan
from hookline.engine.engine import Engine
from hookline.engine.loader import load_registry
from hookline.engine.registry import Found, build_registry
from hookline.engine.settings import load_settings
from hookline.sdk import ConnectionContext, Connector
from hookline.sdk.approvals import AskContext, Question
from hookline.server.access import Access
from hookline.server.app import create_app
from hookline.store.sqlite import SQLiteStore

TOKEN = "admin-token-of-the-benchmark"
PEOPLE = '[people.ada]\ndesk = "ada"\nroles = ["editor"]\n[people.bob]\ndesk = "bob"\nroles = ["editor"]\n'
desk = Connector("desk", title="Desk")


@desk.connection
def connect(ctx: ConnectionContext) -> str:
    """Open."""
    return "desk"


@desk.on_ask
async def ask(ctx: AskContext, client: str, question: Question) -> Mapping[str, Any]:
    """Told at once."""
    return {}


def rss() -> float:
    """Resident memory in MB."""
    gc.collect()
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return float("nan")


def open_engine(folder: Path) -> Engine:
    registry = load_registry()
    own = build_registry([Found(desk, "benchmark")])
    registry = dataclasses.replace(
        registry, connection_types={**registry.connection_types, **own.connection_types}
    )
    engine = Engine(load_settings(folder, {}), registry, SQLiteStore(folder / "hookline.db", "worker-1"))
    step = {"who": ["role:editor"], "message": "Publish {{ trigger }}?", "via": [{"connection": "desk"}]}
    definition = {
        "name": "ask",
        "steps": [{"approve": {**step, "remind": "1d"}, "timeout": "7d", "on_timeout": "reject"}],
    }
    engine.deploy(compile_plan(definition))
    engine.start()
    return engine


def page(engine: Engine, query: str) -> float:
    """Milliseconds of a page of the list, the median of 21."""
    client = create_app(engine, Access(TOKEN)).test_client()
    headers = {"Authorization": f"Bearer {TOKEN}"}
    times = []
    for _ in range(21):
        begin = time.perf_counter()
        answer = client.get(f"/api/v1/approvals?{query}", headers=headers)
        times.append((time.perf_counter() - begin) * 1000)
        assert answer.status_code == 200
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--approvals", type=int, default=10_000)
    parser.add_argument("--folder", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        (folder / "hookline.toml").write_text(PEOPLE)
        engine = open_engine(folder)
        empty, begin = rss(), time.perf_counter()
        for number in range(arguments.approvals):
            engine.start_run("ask", number)
        while engine.runner.open_runs or _pending(engine, folder) < arguments.approvals:
            time.sleep(0.05)
        took = time.perf_counter() - begin
        print(f"{platform.python_version()}, {platform.machine()}, {arguments.approvals} open approvals")
        print(f"asked               {arguments.approvals / took:8.0f} approvals/s, two messages each")
        print(f"memory above empty  {rss() - empty:8.1f} MB")
        print(f"first page          {page(engine, 'status=pending'):8.2f} ms")
        size = (folder / "hookline.db").stat().st_size
        print(f"database            {size / arguments.approvals / 1024:8.1f} KB for each")
        engine.stop(0)
        before, begin = rss(), time.perf_counter()
        engine = open_engine(folder)
        print(f"restart             {time.perf_counter() - begin:8.2f} s, {rss() - before:.1f} MB more")
        engine.stop(0)


def _pending(engine: Engine, folder: Path) -> int:
    import sqlite3

    engine.store.flush()
    with sqlite3.connect(folder / "hookline.db") as db:
        sql = "SELECT count(*) FROM runs WHERE status = 'waiting'"
        return int(db.execute(sql).fetchone()[0])


if __name__ == "__main__":
    main()
