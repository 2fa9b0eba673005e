"""Real Cog servers, without Docker.

``cog==0.23.1`` from PyPI serves a model from its directory: ``COG_PREDICT_TYPE_STUB`` names the class,
``PORT`` the port, and ``.cog/openapi_schema.json`` (which ``cog build`` would write) gives it validation of
inputs and ``/openapi.json``. ``python -m hookline.testing.cog`` is the same as a program.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from hookline.testing.ports import LOOPBACK
from hookline.testing.processes import ProcessFailedError, ServerProcess, start_on_free_port

__all__ = ["MODELS", "CogNotInstalledError", "CogServer", "cog_unavailable_reason", "main"]

MODELS = Path(__file__).parent / "models"
"""Directories of the models shipped with Hookline: ``restyle``, ``shout`` and ``tokens``."""

SCHEMA = Path(".cog") / "openapi_schema.json"
READY_SECONDS = 60.0


class CogNotInstalledError(RuntimeError):
    """There is no Cog to run. The message says why and what to do."""


def cog_unavailable_reason() -> str | None:
    """Why no Cog server can run in this environment, or ``None`` when one can."""
    if importlib.util.find_spec("cog") is not None and importlib.util.find_spec("coglet") is not None:
        return None
    system, machine = platform.system(), platform.machine().lower()
    linux = system == "Linux" and machine in ("x86_64", "aarch64") and platform.libc_ver()[0] == "glibc"
    mac = system == "Darwin" and machine == "arm64"
    if linux or mac:
        return "Cog is not installed; run: pip install 'hookline[demo]'"
    return (
        f"Cog has no wheel for {system} on {machine}: it needs Linux with glibc (x86-64, arm64) or macOS "
        "on Apple silicon. Use the built-in models of the Replicate stand-in, or run Cog in a Linux machine"
    )


class CogServer:
    """Serves one model directory on loopback. Use it as a context manager.

    Args:
        model_dir: Holds ``predict.py`` with a class ``Predictor``, and ``.cog/openapi_schema.json``.
        port: A free one when ``None``.
        predictor: File and class, as in ``cog.yaml``.
        environment: Added to the server's environment, for instance ``WEBHOOK_AUTH_TOKEN``.
        python: Interpreter in whose environment Cog is installed, this one when ``None``. Up to Cog 0.16
            the server reads ``cog.yaml`` and makes its schema itself.

    Raises:
        CogNotInstalledError: Cog is not installed, or has no wheel for this platform.
        FileNotFoundError: The directory lacks one of the two files.
        ProcessFailedError: The server or the model's ``setup`` failed; the message holds its log.
    """

    def __init__(
        self,
        model_dir: Path | str,
        port: int | None = None,
        *,
        predictor: str = "predict.py:Predictor",
        environment: Mapping[str, str] | None = None,
        python: Path | str | None = None,
    ) -> None:
        self._python = Path(python or sys.executable)
        self._is_ours = python is None
        self._directory = Path(model_dir)
        self._wanted_port = port
        self._predictor = predictor
        self._environment = dict(environment or {})
        self._process: ServerProcess | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def process(self) -> ServerProcess:
        """The running server.

        Raises:
            RuntimeError: It is not started.
        """
        if self._process is None:
            raise RuntimeError("the Cog server is not started")
        return self._process

    def start(self) -> None:
        """Start the server and return once it takes predictions."""
        reason = cog_unavailable_reason() if self._is_ours else None
        if reason is not None:
            raise CogNotInstalledError(reason)
        for needed in (Path(self._predictor.partition(":")[0]), SCHEMA):
            if not (self._directory / needed).is_file():
                raise FileNotFoundError(
                    f"a Cog model directory needs {needed}, and {self._directory} has none"
                )
        self._process, self._port = start_on_free_port(
            self._launch, self._await_ready, port=self._wanted_port
        )

    def stop(self) -> None:
        """Stop the server; predictions that run are lost."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def _launch(self, port: int) -> ServerProcess:
        environment = {
            "COG_PREDICT_TYPE_STUB": self._predictor,
            "PORT": str(port),
            "COG_LOG_LEVEL": "warn",
            # The server starts its worker as `python`, whichever comes first on the PATH.
            "PATH": os.pathsep.join([str(self._python.parent), os.environ.get("PATH", os.defpath)]),
            # An installed package's directory may be read-only, and is not ours to write to.
            "PYTHONDONTWRITEBYTECODE": "1",
            "NO_PROXY": "127.0.0.1,localhost",
            "no_proxy": "127.0.0.1,localhost",
            **self._environment,
        }
        # Cog itself would listen on all addresses, without any authentication.
        command = [str(self._python), "-m", "cog.server.http", "--host", LOOPBACK]
        return ServerProcess("cog", command, environment=environment, directory=self._directory)

    def _await_ready(self, process: ServerProcess, port: int) -> None:
        def ready() -> bool:
            try:
                health = httpx.get(
                    f"http://{LOOPBACK}:{port}/health-check", timeout=5.0, trust_env=False
                ).json()
            except (httpx.HTTPError, json.JSONDecodeError):
                return False
            if health.get("status") == "SETUP_FAILED":
                logs = (health.get("setup") or {}).get("logs") or ""
                raise ProcessFailedError(f"the model's setup failed:\n{logs}\n{process.log()}")
            return bool(health.get("status") == "READY")

        process.wait_ready(ready, READY_SECONDS)


def main(arguments: list[str] | None = None) -> int:
    """Serve a model until interrupted. Returns the exit code: 0 stopped, 1 could not start."""
    shipped = ", ".join(sorted(each.name for each in MODELS.iterdir() if (each / SCHEMA).is_file()))
    parser = argparse.ArgumentParser(
        prog="python -m hookline.testing.cog", description="A real Cog server, without Docker."
    )
    parser.add_argument("model", nargs="?", default="shout", help=f"a model directory, or one of {shipped}")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    options = parser.parse_args(arguments)
    directory = Path(options.model) if os.sep in options.model else MODELS / options.model
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with CogServer(directory, options.port or None) as server:
            print(f"COG_BASE_URL={server.base_url}")
            print(f"# model: {directory.name}   schema: {server.base_url}/openapi.json", flush=True)
            stop.wait()
    except (CogNotInstalledError, FileNotFoundError, ProcessFailedError, OSError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
