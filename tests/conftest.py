"""What all tests share: hypothesis on a busy machine, environments with packages that cannot live in ours."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How fast a machine makes examples is no property of the code.
settings.register_profile("hookline", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("hookline")

INSTALL_SECONDS = 240


@pytest.fixture(scope="session")
def python_with(pytestconfig: pytest.Config) -> Callable[..., Path]:
    """``python_with("cog==0.16.12")``: an interpreter that has these packages, made once and kept.

    The packages come from the package index; the test is skipped when they cannot be had.
    """
    cache = pytestconfig.cache
    assert cache is not None
    environments = Path(cache.mkdir("environments"))

    def make(*requirements: str) -> Path:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        name = "-".join([*requirements, version]).replace("==", "-")
        folder = environments / name
        python = folder / "bin" / "python"
        with (environments / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (folder / "ready").exists():
                _install(folder, requirements)
                (folder / "ready").touch()
        return python

    return make


def _install(folder: Path, requirements: tuple[str, ...]) -> None:
    pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    commands = (
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [*pip, "install", "--quiet", "--retries", "1", "--timeout", "15", *requirements],
    )
    try:
        for command in commands:
            subprocess.run(command, check=True, capture_output=True, text=True, timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        pytest.skip(f"{' '.join(requirements)} could not be installed within {INSTALL_SECONDS} s")
    except (OSError, subprocess.CalledProcessError) as error:
        told = (getattr(error, "stderr", "") or str(error)).strip().splitlines()
        pytest.skip(
            f"{' '.join(requirements)} cannot be installed here: {told[-1] if told else 'no reason given'}"
        )
