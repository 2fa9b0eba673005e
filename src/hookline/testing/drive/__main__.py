"""``python -m hookline.testing.drive --port N``: the stand-in as a program."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import threading

from hookline.testing.drive import FAULTS, DriveStandIn
from hookline.testing.faults import UnknownFaultError


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted. Returns the exit code: 0 stopped, 1 could not start."""
    options = _parser().parse_args(arguments)
    if options.list_faults:
        for name, text in FAULTS.items():
            print(f"{name:26} {text}")
        return 0
    try:
        server = DriveStandIn(
            host=options.host, port=options.port, service_account_quota=options.service_account_quota
        )
        for fault in options.fault:
            server.faults.set_from_flag(fault)
    except (OSError, UnknownFaultError, ValueError) as error:
        print(f"cannot start: {error}", file=sys.stderr)
        return 1
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server.start()
    key = json.dumps(json.loads(server.accounts.service_account_key()), separators=(",", ":"))
    print(f"GOOGLE_DRIVE_BASE_URL={server.base_url}")
    print(f"GOOGLE_TOKEN_URL={server.token_url}")
    print(f"GOOGLE_SERVICE_ACCOUNT_KEY='{key}'")
    print(
        f"# folder: {server.people.folder('inbox')}   shared drive: {server.people.shared_drive('team')}",
        flush=True,
    )
    stop.wait()
    server.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m hookline.testing.drive", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    parser.add_argument("--host", default="127.0.0.1", help="a loopback address")
    parser.add_argument(
        "--service-account-quota", action="store_true", help="the service account may own files in My Drive"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[*TIMES][=VALUE]", help="without *TIMES: always"
    )
    parser.add_argument("--list-faults", action="store_true", help="print every fault's name and stop")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
