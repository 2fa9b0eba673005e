"""Saves one content; for tests that kill the process or fill its disk.

python artifact_program.py FOLDER BYTES [LIMIT]
"""

from __future__ import annotations

import resource
import signal
import sys
from pathlib import Path

from hookline.store.artifacts import ArtifactStore
from hookline.store.port import StoreUnavailable


def main() -> None:
    store = ArtifactStore(Path(sys.argv[1]))
    if len(sys.argv) > 3:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), hard))
    try:
        print(store.save(b"x" * int(sys.argv[2])).sha256)
    except StoreUnavailable as error:
        print(f"{error.code} {error}")


if __name__ == "__main__":
    main()
