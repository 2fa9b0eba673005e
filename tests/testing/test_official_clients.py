"""The stand-in as Replicate's own Python clients see it.

Each runs in an environment of its own, made from the package index and kept in pytest's cache; skipped
where it cannot be installed.
"""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from testing_vectors import VECTOR_BODY, VECTOR_SIGNATURE

from hookline.testing.replicate import ReplicateStandIn

HERE = Path(__file__).parent


def run_round(script: str, python: str, server: ReplicateStandIn) -> subprocess.CompletedProcess[str]:
    versions = [
        server.version_of(f"hookline/{name}") for name in ("echo", "picture", "sleepy", "tokens", "manual")
    ]
    command = [python, str(HERE / script), server.base_url, server.token, *versions, VECTOR_SIGNATURE]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REPLICATE_")}
    return subprocess.run(
        command, input=VECTOR_BODY.decode(), capture_output=True, text=True, timeout=100, env=environment
    )


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("requirement", "script"),
    [
        ("replicate==1.0.7", "official_client_1x.py"),
        ("replicate==2.0.0b4", "official_client_2x.py"),
    ],
)
def test_a_round_with_the_official_client(
    requirement: str, script: str, python_with: Callable[..., Path]
) -> None:
    python = python_with(requirement)
    with ReplicateStandIn() as server:
        finished = run_round(script, str(python), server)
        assert finished.stdout.strip().endswith("ok"), finished.stderr
        if "2x" in script:
            paid = [item for item in server.creates if item.body["input"].get("text") == "paid three times"]
            assert len(paid) == 3
        assert server.cdn_leaks == []
        assert server.failures == []
