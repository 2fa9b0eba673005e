"""Waiting is free: ten thousand runs that wait cost rows in a table and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]

COUNT = 10_000


def test_ten_thousand_runs_wait(tmp_path: Path) -> None:
    program = Path(__file__).with_name("fault_waiting.py")
    command = [sys.executable, "-W", "error", str(program), str(tmp_path), str(COUNT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["waiting"] == COUNT
    assert found["grown"] < 10_000_000
    assert found["in_memory"] < 100
    assert found["read_at_start"] == {}, "no waiting run is read at the start"
    assert found["woken"]
