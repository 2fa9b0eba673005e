"""Predictions in flight at once: memory while they wait, and the time until all have ended.

    python benchmarks/predictions.py [--count 5000] [--save]

The Replicate stand-in runs in a process of its own, with its limits off; every webhook is delivered twice,
and starts come after completions. Memory is that of the process with the engine and the HTTP server.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from saved import save

from hookline.engine.engine import Engine, open_store
from hookline.engine.loader import load_registry
from hookline.engine.settings import load_settings
from hookline.server.access import Access
from hookline.server.serving import serve
from hookline.store.port import RunFilter
from hookline.testing.ports import free_port


def resident_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def call(method: str, url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, method=method), timeout=60) as response:
        return json.loads(response.read())


def workflow(version: str) -> dict[str, Any]:
    step = {
        "model": f"hookline/manual:{version}",
        "input": {"note": "{{ trigger.n }}"},
        "webhook": "always",
        "poll_interval": 3600,
    }
    return {
        "name": "many",
        "trigger": {"uses": "manual"},
        "steps": [{"id": "said", "uses": "replicate.run", "with": step}],
        "output": "{{ steps.said.output_text }}",
    }


def settings_of(folder: Path, base_url: str, token: str) -> None:
    (folder / "workflows").mkdir()
    (folder / "hookline.toml").write_text(
        f'[connections.replicate]\ntype = "replicate"\nbase_url = "{base_url}"\ntoken = "{token}"\n'
        "limits = { creates = false, reads = false }\n"
    )


def count(engine: Engine, status: str) -> int:
    found, cursor = 0, None
    while True:
        page = engine.store.runs(RunFilter("many", status), 500, cursor)
        found += len(page.rows)
        if page.next is None:
            return found
        cursor = page.next


def in_flight(engine: Engine) -> int:
    """Runs that wait for the prediction they have made, and not for their turn to make one."""
    found, cursor = 0, None
    while True:
        page = engine.store.runs(RunFilter("many", "waiting"), 500, cursor)
        found += sum(row.waiting_for.startswith("Replicate prediction") for row in page.rows)
        if page.next is None:
            return found
        cursor = page.next


def until(condition: Any, seconds: float = 1800) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("it takes too long")
        time.sleep(1.0)


def measure(folder: Path, runs: int, base_url: str, token: str, version: str) -> dict[str, float]:
    """The figures, by what they are."""
    settings_of(folder, base_url, token)
    (folder / "workflows" / "many.json").write_text(json.dumps(workflow(version)))
    for fault in ("webhook.duplicate", "webhook.reorder"):
        call("POST", f"{base_url}/_standin/faults", {"name": fault, "times": None})
    port = free_port()
    settings = load_settings(folder, {"HOOKLINE_MAX_BACKLOG": str(runs + 1000)})
    engine = Engine(
        settings, load_registry(), open_store(settings, "bench"), base_url=f"http://127.0.0.1:{port}"
    )
    engine.load_project()
    engine.start()
    server = serve(engine, Access.dev(port), "127.0.0.1", port, 16)
    try:
        before = resident_mb()
        began = time.monotonic()
        for number in range(runs):
            engine.start_run("many", {"n": str(number)})
        until(lambda: in_flight(engine) == runs)
        created, waiting = time.monotonic() - began, resident_mb()
        print(f"{runs} predictions in flight after {created:.1f} s")
        print(f"memory: {before:.0f} MB before, {waiting:.0f} MB while they wait")
        made = [
            (each["prediction_id"], each["body"]["input"]["note"])
            for each in call("GET", f"{base_url}/_standin/state")["creates"]
        ]
        random.Random(1).shuffle(made)
        began = time.monotonic()
        for prediction, note in made:
            end = {"status": "succeeded", "output": f"{note} is done"}
            call("POST", f"{base_url}/_standin/predictions/{prediction}", end)
        until(lambda: count(engine, "succeeded") == runs)
        ended, after = time.monotonic() - began, resident_mb()
        print(f"all have succeeded after {ended:.1f} s; {after:.0f} MB")
        state = call("GET", f"{base_url}/_standin/state")
        print(f"predictions created: {len(state['creates'])}; webhooks delivered: {len(state['deliveries'])}")
        assert len(state["creates"]) == runs
        outputs = [row.output for row in engine.store.runs(RunFilter("many"), 500, None).rows]
        assert len(set(outputs)) == min(runs, 500)
        return {
            "runs": runs,
            "seconds until all were in flight": round(created, 1),
            "seconds until all had succeeded": round(ended, 1),
            "MB before": round(before, 1),
            "MB while they wait": round(waiting, 1),
            "MB after the last": round(after, 1),
            "predictions created": len(state["creates"]),
            "webhooks delivered": len(state["deliveries"]),
        }
    finally:
        server.close(1.0)
        engine.stop(1.0)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--save", action="store_true", help="keep the figures in benchmarks/results")
    given = parser.parse_args()
    command = [sys.executable, "-m", "hookline.testing.replicate", "--lift-limits"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as stand_in,
    ):
        try:
            told: dict[str, str] = {}
            assert stand_in.stdout is not None
            for line in stand_in.stdout:
                name, _, value = line.strip().partition("=")
                told[name] = value
                if line.startswith("# model hookline/manual:"):
                    version = line.rpartition(":")[2].split()[0]
                    break
            address, token = told["REPLICATE_BASE_URL"], told["REPLICATE_API_TOKEN"]
            figures = measure(Path(folder), given.count, address, token, version)
        finally:
            stand_in.terminate()
    if given.save:
        save("predictions", figures)


if __name__ == "__main__":
    main()
